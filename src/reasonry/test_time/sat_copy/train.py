"""Training on the copy-or-reverse task, from any step on.

    lr(t) = lr (f + (1 - f) (1 + cos(pi t / N)) / 2),  f = final_lr_share,  t = 0 .. N - 1
    loss  = mean cross entropy over the attempts' tokens

A batch depends on (seed, step) only, so a run that continues from a checkpoint sees what an uninterrupted one would
have seen. AdamW with betas (0.9, 0.95), no warm-up; all of it reconstructed, see `data`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reasonry.core import checkpoint, seeds
from reasonry.core import config as configs
from reasonry.core.interrupt import GracefulStop
from reasonry.core.lock import RunLock
from reasonry.core.models import best_device
from reasonry.core.progress import Progress
from reasonry.core.tiny import TinyGPT, preset
from reasonry.errors import ConfigError, Interrupted, RunMismatchError
from reasonry.test_time.sat_copy import data
from reasonry.test_time.sat_copy.config import SatCopyConfig
from reasonry.test_time.sat_copy.evaluate import Evaluation, evaluate


class Row(NamedTuple):
    """An evaluation under way.

    Attributes:
        step: Optimiser steps done.
        loss_nats: Mean training loss per token since the row before.
        first: Accuracy of the first attempt, ``num_eval`` prompts of each length.
        second: Accuracy of the second attempt; the first again without feedback.
        copying: Accuracy of copying every string, on the same prompts.
    """

    step: int
    loss_nats: float
    first: float
    second: float
    copying: float


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        config: What was asked for.
        model: On its device.
        history: Evaluations under way; the last one is of the finished model.
        test: The finished model on the test prompts.
    """

    config: SatCopyConfig
    model: TinyGPT
    history: tuple[Row, ...]
    test: Evaluation


class _State:
    """Everything a checkpoint must bring back."""

    def __init__(self, config: SatCopyConfig, device: torch.device) -> None:
        shape = preset(config.size, vocab_size=data.VOCAB_SIZE, max_len=config.max_len)
        self.model = TinyGPT(shape, seed=config.seed).to(device)
        self.optimizer = _optimizer(self.model, config)
        self.step = 0
        self.loss_sum = 0.0
        self.history: list[Row] = []

    def save(self, folder: Path, config: SatCopyConfig) -> None:
        moments: dict[str, Tensor] = {}
        for index, slot in self.optimizer.state_dict()["state"].items():
            moments |= {f"{index}.{name}": value for name, value in slot.items()}
        checkpoint.save(
            folder,
            self.step,
            tensors={"model": self.model.state_dict(), "optimizer": moments},
            state={
                "config": configs.fingerprint(config),
                "history": [list(row) for row in self.history],
                "loss_sum": self.loss_sum,
            },
        )

    def restore(self, found: checkpoint.Checkpoint, config: SatCopyConfig) -> None:
        state = found.state
        if state["config"] != configs.fingerprint(config):
            raise RunMismatchError(
                "the checkpoint is of another config", place=str(found.path), remedy="Use another folder."
            )
        self.model.load_state_dict(found.load_tensors("model", "torch"))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in found.load_tensors("optimizer", "torch").items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.step = found.step
        self.history = [Row(*row) for row in state["history"]]
        self.loss_sum = state["loss_sum"]


def train(
    config: SatCopyConfig,
    *,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train from scratch, evaluating under way, and test at the end.

    Args:
        config: Model, task, optimiser and seed.
        folder: Checkpoints go here, every ``eval_every`` steps; a run that was cut short continues from the newest.
        say: Called with one line per evaluation.

    Raises:
        ConfigError: The device does not exist, or one kind of formula is too rare to be drawn.
        RunMismatchError: ``folder`` holds checkpoints of another config.
        ResourceError: Another process writes to ``folder``, or the disk is full.
        Interrupted: The user asked to stop; with a folder, the step was finished and saved.
    """
    device = _device(config.device)
    state = _State(config, device)
    with RunLock(folder) if folder is not None else contextlib.nullcontext():
        if folder is not None and (found := checkpoint.newest(folder)) is not None:
            state.restore(found, config)
            say(f"continuing after step {state.step}")
        _steps(state, config, device, folder=folder, say=say)
    test = evaluate(state.model, config, num=config.num_test)
    return Trained(config, state.model, tuple(state.history), test)


def _steps(
    state: _State, config: SatCopyConfig, device: torch.device, *, folder: Path | None, say: Callable[[str], None]
) -> None:
    label = f"training {config.size}"
    with (
        GracefulStop(say) as stop,
        Progress(label, total=config.num_steps, done=state.step, unit="steps") as progress,
    ):
        while state.step < config.num_steps:
            state.loss_sum += _train_step(state, config, device)
            progress.advance()
            is_looked_at = state.step % config.eval_every == 0 or state.step == config.num_steps
            if is_looked_at:
                _look(state, config, say)
            if folder is not None and (is_looked_at or stop.requested):
                state.save(folder, config)
            if stop.requested and state.step < config.num_steps:
                kept = "run it again to continue" if folder is not None else "nothing was kept, for want of a folder"
                raise Interrupted(f"stopped after step {state.step}; {kept}", place=str(folder or ""))


def _train_step(state: _State, config: SatCopyConfig, device: torch.device) -> float:
    traces = draw_batch(config, state.step)
    tokens_BT = torch.from_numpy(traces.tokens_BT).to(device)
    targets = torch.from_numpy(traces.targets).to(device)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(config, state.step)
    loss = attempt_loss(state.model, tokens_BT, targets)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), config.max_grad_norm)
    state.optimizer.step()
    state.step += 1
    return float(loss.detach())


def _look(state: _State, config: SatCopyConfig, say: Callable[[str], None]) -> None:
    before = state.history[-1].step if state.history else 0
    found = evaluate(state.model, config, part="eval", num=config.num_eval)
    mean_loss = state.loss_sum / (state.step - before)
    row = Row(state.step, mean_loss, found.first, found.second, found.copying)
    state.history.append(row)
    state.loss_sum = 0.0
    say(f"step {row.step}: loss {row.loss_nats:.4f} nats, first {row.first:.3f}, second {row.second:.3f}")


def draw_batch(config: SatCopyConfig, step: int) -> data.Traces:
    """The training sequences of a step."""
    rng = seeds.stream(config.seed, "sat-copy", "train", step)
    prompts = data.draw_prompts(
        rng,
        config.batch_size,
        num_clauses=config.num_clauses,
        length=int(rng.integers(config.min_length, config.max_length + 1)),
        sat_share=config.train_sat_share,
    )
    if config.feedback == "none":
        return data.one_turn(prompts)
    return data.two_turns(rng, prompts, first_copy_share=config.first_copy_share)


def attempt_loss(model: TinyGPT, tokens_BT: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy, in nats, of the columns ``targets``; the read-out is computed at these alone."""
    h_BTD = model.run_layers(model.embed(tokens_BT[:, :-1]))
    logits_BnV = model.read_out(h_BTD[:, targets - 1])
    return F.cross_entropy(logits_BnV.flatten(0, 1), tokens_BT[:, targets].flatten())


def learning_rate(config: SatCopyConfig, step: int) -> float:
    """Of the update after ``step`` steps: from ``lr`` along a cosine towards ``final_lr_share`` of it."""
    cosine = (1 + math.cos(math.pi * step / config.num_steps)) / 2
    return config.lr * (config.final_lr_share + (1 - config.final_lr_share) * cosine)


def _optimizer(model: TinyGPT, config: SatCopyConfig) -> torch.optim.AdamW:
    decayed, plain = list[nn.Parameter](), list[nn.Parameter]()
    for name, weight in model.named_parameters():
        (decayed if weight.ndim == 2 and "embedding" not in name else plain).append(weight)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.95), foreach=True)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(best_device() if name == "auto" else name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as e:  # torch raises either for a device that is not there
        raise ConfigError(f"device = {name!r} cannot be used: {e}", remedy="Use auto or cpu.") from e
    return device
