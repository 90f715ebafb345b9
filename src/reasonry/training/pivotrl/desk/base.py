"""The base model of the desk: trained once on its corpus, shipped with the package or kept in the cache.

A step takes rows of the desk, the hotel and the far-domain skills; the loss falls on what the assistant says. Weights
are rounded to half precision at the end, and the rounded ones are the base model, in float32, so that the file is half
as large and loses nothing. The recipe makes the same bits again on one machine; on another they may round otherwise.

The file's metadata hold the fingerprint of the recipe. A recipe whose model the package does not hold is trained on
first use and kept in the user's cache directory, with a checkpoint under way.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from reasonry.core import atomic, checkpoint, seeds
from reasonry.core import config as configs
from reasonry.core.config import Config, from_dict
from reasonry.core.interrupt import GracefulStop
from reasonry.core.lock import RunLock
from reasonry.core.models.gguf import cache_dir
from reasonry.core.progress import Progress
from reasonry.core.tiny import TinyGPT
from reasonry.errors import DataError, Interrupted, RunMismatchError
from reasonry.tasks.desk.configs import world_of
from reasonry.tasks.desk.demos import draw_corpus
from reasonry.tasks.desk.probes import draw_items
from reasonry.tasks.desk.tokens import PAD
from reasonry.tasks.desk.world import Domain, Ints
from reasonry.training.pivotrl.desk.policy import new_policy, one_thread, sequence_logits

FORMAT = 1
"""Part of the fingerprint; raised when the corpus or the training changes."""

Say = Callable[[str], None]


class BaseConfig(Config):
    """The recipe of a base model."""

    world: Literal["plain", "hard"] = "plain"
    """Which help desk."""
    num_steps: Annotated[int, Field(ge=1)] = 2500
    """Optimiser steps."""
    num_desk: Annotated[int, Field(ge=1)] = 45
    """Transcripts of the desk in a step."""
    num_hotel: Annotated[int, Field(ge=1)] = 19
    """Transcripts of the hotel in a step."""
    num_skill: Annotated[int, Field(ge=1)] = 48
    """Items of each far-domain skill in a step."""
    lr: Annotated[float, Field(gt=0)] = 3e-3
    """Highest learning rate; a twentieth of the steps warm up, then it falls to zero along a cosine."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """AdamW's, on all weights."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this norm."""
    is_shifted: bool = False
    """Transcripts begin at a position drawn among those that leave room for them, so that longer ones are no news."""
    seed: int = 0
    """Root of weights and corpus."""
    format: Literal[1] = FORMAT
    """Of the recipe."""


RECIPES = {"plain": BaseConfig(), "hard": BaseConfig(world="hard", num_steps=2000, is_shifted=True)}
"""Recipe of each world's model; `shipped_path` says whether the package has it."""


def shipped_path(world: str) -> Path:
    """Where the package keeps the base model of a world."""
    return Path(__file__).parent / f"base-{world}.safetensors"


def load_base(recipe: BaseConfig | str = "plain", *, say: Say = lambda line: None) -> TinyGPT:
    """The base model of a world or of a recipe; shipped, or in the user's cache directory, or trained now.

    Args:
        recipe: A recipe, or the name of a world for the shipped one.
        say: Told what is being done.

    Raises:
        DataError: A file is not that of its recipe.
        Interrupted: The user asked to stop the training; it continues next time.
    """
    if isinstance(recipe, str):
        recipe = RECIPES[world_of(recipe).name]
    if recipe == RECIPES[recipe.world] and shipped_path(recipe.world).exists():
        return read_base(shipped_path(recipe.world), recipe)
    folder = cache_dir() / "desk" / f"base-{recipe.world}-{configs.fingerprint(recipe)[:12]}"
    path = folder / "base.safetensors"
    if not path.exists():
        say(f"training the base model of the {recipe.world} desk, once; it is kept in {folder}")
        write_base(train_base(recipe, folder=folder, say=say), path, recipe)
    return read_base(path, recipe)


def read_base(path: Path, recipe: BaseConfig) -> TinyGPT:
    """A base model from its file.

    Raises:
        DataError: The file is damaged or of another recipe.
    """
    from safetensors import SafetensorError, safe_open

    model = new_policy(recipe.world)
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("recipe", "")
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118  not a mapping
    except (OSError, SafetensorError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    if found != configs.fingerprint(recipe):
        raise DataError("the file is of another recipe", place=str(path), remedy="Delete it, and it is made again.")
    model.load_state_dict(weights)
    return model


def write_base(model: TinyGPT, path: Path, recipe: BaseConfig) -> None:
    """Keep a base model in half precision, with the fingerprint of its recipe."""
    from safetensors.torch import save

    weights = {name: weight.half().contiguous() for name, weight in model.state_dict().items()}
    atomic.write_bytes(path, save(weights, metadata={"recipe": configs.fingerprint(recipe)}))


def train_base(
    recipe: BaseConfig, *, folder: Path | None = None, say: Say = lambda line: None, save_every: int = 250
) -> TinyGPT:
    """Train a base model from scratch, or go on where a stopped training ended.

    Args:
        recipe: What to train.
        folder: Checkpoints go here.
        say: Called with a line at every checkpoint.
        save_every: Steps between them.

    Raises:
        RunMismatchError: ``folder`` holds checkpoints of another recipe.
        Interrupted: The user asked to stop.
    """
    model = new_policy(recipe.world, seed=seeds.derive(recipe.seed, "desk", "weights"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
    step = 0
    if folder is not None and (found := checkpoint.newest(folder)) is not None:
        if found.state.get("recipe") != configs.fingerprint(recipe):
            raise RunMismatchError("the checkpoint is of another recipe", place=str(found.path))
        model.load_state_dict(found.load_tensors("model", "torch"))
        _load_moments(optimizer, found.load_tensors("optimizer", "torch"))
        step = found.step
        say(f"continuing after step {step}")
    lock: Any = RunLock(folder) if folder is not None else contextlib.nullcontext()
    losses: list[float] = []
    with (
        lock,
        one_thread(),
        GracefulStop(say) as stop,
        Progress("base model", total=recipe.num_steps, done=step, unit="steps") as bar,
    ):
        while step < recipe.num_steps:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            loss = corpus_loss(model, recipe, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
            bar.advance()
            if step % save_every == 0 or step == recipe.num_steps or stop.requested:
                say(f"step {step}: loss {np.mean(losses[-save_every:]):.4f} nats a token")
                if folder is not None:
                    _save(model, optimizer, folder, step, recipe)
            if stop.requested and step < recipe.num_steps:
                raise Interrupted(f"stopped after step {step}; run it again to continue", place=str(folder or ""))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())
    return model


def corpus_loss(model: TinyGPT, recipe: BaseConfig, step: int) -> torch.Tensor:
    """Mean cross entropy of what the assistant says in the rows of a step, nats a token."""
    world = world_of(recipe.world)
    rng = seeds.stream(recipe.seed, "desk", "corpus", step)
    domains: tuple[tuple[Domain, int], ...] = (("desk", recipe.num_desk), ("hotel", recipe.num_hotel))
    drawn = [draw_corpus(rng, num, world=world, domain=d) for d, num in domains]
    sums = [
        assistant_loss(model, d.tokens_BW, d.turn_BW >= 0, first_B=_first(d.tokens_BW, model, rng, recipe))
        for d in drawn
    ]
    items = [draw_items(rng, recipe.num_skill, skill=s, name=world.name) for s in world.skills]
    width = max(i.prompt_BT.shape[1] + i.answer_BS.shape[1] for i in items)
    rows, said = zip(*(_item_rows(i.prompt_BT, i.answer_BS, width) for i in items), strict=True)
    sums.append(assistant_loss(model, np.concatenate(rows), np.concatenate(said)))
    total = torch.stack([s for s, _ in sums]).sum()
    return total / sum(n for _, n in sums)


def _first(tokens_BW: Ints, model: TinyGPT, rng: np.random.Generator, recipe: BaseConfig) -> Ints | None:
    if not recipe.is_shifted:
        return None
    return rng.integers(0, model.config.max_len - (tokens_BW != PAD).sum(axis=1) + 1)


def assistant_loss(
    model: TinyGPT, tokens_BW: Ints, is_said_BW: Any, *, first_B: Ints | None = None
) -> tuple[torch.Tensor, int]:
    """Sum of the cross entropies of the tokens that the assistant says, and their number.

    Args:
        model: Reads the rows.
        tokens_BW: Padded on the right.
        is_said_BW: True on what the assistant says.
        first_B: Position of each row's first token; 0 when not given.
    """
    tokens = torch.from_numpy(np.ascontiguousarray(tokens_BW))
    said = torch.from_numpy(np.ascontiguousarray(is_said_BW[:, 1:]))
    logits = sequence_logits(model, tokens, first_B=None if first_B is None else torch.from_numpy(first_B))
    return F.cross_entropy(logits[said], tokens[:, 1:][said], reduction="sum"), int(said.sum())


def _item_rows(prompt_BT: Ints, answer_BS: Ints, width: int) -> tuple[Ints, Any]:
    rows = np.full((len(prompt_BT), width), PAD, dtype=np.int64)
    said = np.zeros(rows.shape, dtype=np.bool_)
    start = prompt_BT.shape[1]
    rows[:, :start], rows[:, start : start + answer_BS.shape[1]] = prompt_BT, answer_BS
    said[:, start : start + answer_BS.shape[1]] = True
    return rows, said


def learning_rate(recipe: BaseConfig, step: int) -> float:
    """Of the update after ``step`` steps."""
    warm = max(1, recipe.num_steps // 20)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    return recipe.lr * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.num_steps - warm))) / 2


def _save(model: TinyGPT, optimizer: torch.optim.Optimizer, folder: Path, step: int, recipe: BaseConfig) -> None:
    moments = {
        f"{index}.{name}": value
        for index, slot in optimizer.state_dict()["state"].items()
        for name, value in slot.items()
    }
    tensors = {"model": model.state_dict(), "optimizer": moments}
    checkpoint.save(folder, step, tensors=tensors, state={"recipe": configs.fingerprint(recipe)})


def _load_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def recipe_of(values: dict[str, Any]) -> BaseConfig:
    """A recipe from values of its fields.

    Raises:
        ConfigError: A value does not fit.
    """
    return from_dict(BaseConfig, values)
