"""The loop of a training that is ours: one step after the other, logged, and saved so that a killed run goes on.

    metrics.jsonl    a row for each step; those after the last checkpoint are made again
    checkpoints/     weights, optimizer, counters: `reasonry.core.checkpoint`
    costs.jsonl      seconds, passes and tokens of each stretch; not the same from run to run

A step is a function of weights, optimizer, seed and its number: nothing else is carried from one to the next. So a run
that was killed and goes on ends with the same bytes in float32 on one thread of a CPU.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reasonry.core import checkpoint, jsonl
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.work import Say, working
from reasonry.errors import Interrupted

CHECKPOINTS, METRICS, COSTS = "checkpoints", "metrics.jsonl", "costs.jsonl"
_OPTIMIZER = "optimizer"
_TINY = 5_000_000


class Learner(Protocol):
    """What is trained.

    Attributes:
        ended: Why there is no further step; empty while there is.
        costs: Sums over the steps of this process, by name.
    """

    ended: str
    costs: dict[str, float]

    def step(self, at: int) -> Row:
        """Step ``at``, from 0; the row that is logged."""
        ...

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights and optimizer."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Everything else that the next step hangs on; JSON values."""
        ...

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of `tensors` and `state`."""
        ...


def learn(
    run: Run,
    learner: Learner,
    *,
    num_steps: int,
    save_every: int,
    label: str,
    unit: str = "steps",
    say: Say = lambda line: None,
) -> list[Row]:
    """Take the steps that are left.

    Args:
        run: Open.
        learner: Changed in place.
        num_steps: In all.
        save_every: Steps between checkpoints.
        label: Of the progress bar.
        unit: What a step is called, plural.
        say: Told what a user should know.

    Returns:
        The rows of all steps.

    Raises:
        Interrupted: The user asked to stop; saved where it stands.
    """
    folder = run.path(CHECKPOINTS)
    found = checkpoint.newest(folder, warn=lambda rejection: say(str(rejection)))
    done = 0
    if found is not None:
        learner.restore(found)
        done = found.step
    path = run.path(METRICS)
    rows = [row for row in jsonl.recover(path).rows if row["step"] <= done] if path.exists() else []
    jsonl.write(path, rows)
    meter = _Meter(run.path(COSTS), learner)
    with working(run, label, total=num_steps, done=done, unit=unit, say=say) as work:
        for at in range(done, num_steps):
            if learner.ended:
                break
            row = plain({"step": at + 1, **learner.step(at)}, infinities="null")
            jsonl.append(path, [row])
            rows.append(row)
            is_last = at + 1 == num_steps or bool(learner.ended)
            if is_last or (at + 1) % save_every == 0:
                _save(folder, learner, at + 1)
                meter.write()
            try:
                work.tick()
            except Interrupted:
                _save(folder, learner, at + 1)
                meter.write()
                raise
    return rows


def _save(folder: Path, learner: Learner, step: int) -> None:
    checkpoint.save(folder, step, tensors=learner.tensors(), state=learner.state())


class _Meter:
    def __init__(self, path: Path, learner: Learner) -> None:
        self._path, self._learner = path, learner
        self._start_s = time.perf_counter()
        self._before = dict(learner.costs)

    def write(self) -> None:
        now, costs = time.perf_counter(), self._learner.costs
        change = {name: value - self._before.get(name, 0.0) for name, value in costs.items()}
        jsonl.append(self._path, [{"seconds": now - self._start_s, **change}])
        self._start_s, self._before = now, dict(costs)


# ---------------------------------------------------------------- what learns


class Trainee:
    """Modules that learn, with their optimizer: how a gradient becomes a step, and what a checkpoint holds of them.

    Args:
        modules: By the names of their tensors in a checkpoint.
        optimizer: Of the weights that learn.
        max_grad_norm: A longer gradient is cut to this length.
        lr: Learning rate of each step, from 0; the optimizer's own at every step when not given.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        *,
        max_grad_norm: float,
        lr: Callable[[int], float] | None = None,
    ) -> None:
        self.modules, self.optimizer = dict(modules), optimizer
        self._max_grad_norm, self._lr = max_grad_norm, lr
        self._weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def clear(self) -> None:
        """Forget the gradient."""
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, at: int) -> float:
        """Step ``at``, from 0, along the gradient that was added up since `clear`; its length before it is cut."""
        if self._lr is not None:
            set_lr(self.optimizer, self._lr(at))
        norm = float(nn.utils.clip_grad_norm_(self._weights, self._max_grad_norm))
        self.optimizer.step()
        return norm

    def descend(self, loss: Tensor, at: int) -> float:
        """Step ``at`` down the gradient of a loss alone; its length before it is cut."""
        self.clear()
        loss.backward()
        return self.step(at)

    def tensors(self) -> dict[str, Mapping[str, Tensor]]:
        """Weights by module, and moments: `Learner.tensors`."""
        weights = {name: module.state_dict() for name, module in self.modules.items()}
        return {**weights, _OPTIMIZER: optimizer_tensors(self.optimizer)}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint that holds `tensors`."""
        for name, module in self.modules.items():
            module.load_state_dict(found.load_tensors(name, "torch"))
        restore_optimizer(self.optimizer, found.load_tensors(_OPTIMIZER, "torch"))


def cosine_lr(lr: float, at: int, *, num_steps: int, warmup_steps: int = 0) -> float:
    """Learning rate of step ``at``: up in a straight line, then down a cosine that ends at 0 after the last step.

    lr min((at + 1) / warmup, 1) (1 + cos(pi at / num_steps)) / 2
    """
    rise = min(1.0, (at + 1) / warmup_steps) if warmup_steps else 1.0
    return lr * rise * (1 + math.cos(math.pi * at / num_steps)) / 2


def learning_rate(at: int, *, lr: float, warmup_steps: int, decay: float, decay_start: int, num_steps: int) -> float:
    """Learning rate of step ``at``: up in a straight line, constant, down in a straight line that ends behind the end.

    Args:
        at: From 0.
        lr: The constant.
        warmup_steps: Steps of the rise.
        decay: Share of the steps from ``decay_start`` on over which it falls.
        decay_start: First of the steps that ``decay`` is a share of.
        num_steps: Steps in all.
    """
    rise = min(1.0, (at + 1) / warmup_steps) if warmup_steps else 1.0
    length = decay * (num_steps - decay_start)
    fall = min(1.0, (num_steps - at) / length) if length >= 1 else 1.0
    return lr * rise * fall


# ---------------------------------------------------------------- what every training needs


@contextlib.contextmanager
def threads_for(model: object) -> Iterator[None]:
    """One thread for small models, which lose more by sharing their sums than they gain; then bytes are alike too."""
    weights = model.parameters() if isinstance(model, nn.Module) else ()
    is_small = sum(weight.numel() for weight in weights) < _TINY
    before = torch.get_num_threads()
    if is_small:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(model: object) -> torch.device:
    """Where a model's weights are; the CPU when it has none."""
    weight = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return torch.device("cpu") if weight is None else weight.device


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and counters of an optimizer, by name."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer of the same weights back what `optimizer_tensors` gave; settings stay as they are."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def say_nothing(line: str) -> None:
    """For callers without a reader."""


OpenRun = Callable[[Run, str], None]
"""Told of the open run and its determinism level."""


def open_nothing(run: Run, determinism: str) -> None:
    """The `OpenRun` of callers that need not know."""
