"""Which stage comes when: from the first, in which every step is written, to the last, in which none is.

    stage       0        1        2    ...   S
    length    first   middle   middle  ...  last          optimiser steps, or epochs of ceil(n / B) steps each

Three published ones, as settings of `CurriculumConfig`:

    Coconut on text (arXiv 2412.06769)      epochs 5/5/.. (GSM8K: 0/3/..), optimizer reset; where it replays, from all
    superposition (arXiv 2505.12514)        epochs 25/25/200, replay 0.1 from the past, optimizer kept
    emergence (arXiv 2509.23365)            epochs 100/50/150 by the release, 150/25/125 by the paper, optimizer reset

Replay: an example is drawn with probability ``replay`` at i ~ U{0 .. min(stage, l)} ("past") or U{0 .. l} ("all", so
that future stages are among them), with l its number of written steps.

Gate: a model that has not learnt to search one step when thoughts begin never will. With ``advance_when`` stage 0 lasts
until the mean loss of the last ``window`` steps is below it, at least ``first`` and at most ``first + patience`` steps.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import CurriculumConfig

Ints = NDArray[np.int64]


class Plan(NamedTuple):
    """Lengths of the stages.

    Attributes:
        steps: Optimiser steps of each stage, from stage 0.
        patience: Most steps more of stage 0.
    """

    steps: tuple[int, ...]
    patience: int = 0

    @property
    def last(self) -> int:
        """The last stage."""
        return len(self.steps) - 1

    @property
    def num_steps(self) -> int:
        """Steps in all, where stage 0 takes no more than its length."""
        return sum(self.steps)


def make_plan(config: CurriculumConfig, *, max_stage: int, num_train: int, batch_size: int) -> Plan:
    """Lengths in optimiser steps.

    Args:
        config: Lengths.
        max_stage: S; where it is 0 there is the last stage alone.
        num_train: Examples of an epoch.
        batch_size: Rows of a step.
    """
    per_unit = 1 if config.unit == "steps" else math.ceil(num_train / batch_size)
    lengths = [config.first, *[config.middle] * (max_stage - 1), config.last] if max_stage else [config.last]
    has_gate = config.advance_when is not None and max_stage > 0 and config.first > 0
    return Plan(tuple(length * per_unit for length in lengths), config.patience * per_unit if has_gate else 0)


def check_gate(config: CurriculumConfig) -> None:
    """Refuse settings of the gate that say nothing.

    Raises:
        ConfigError: Patience without a threshold, or a threshold for a stage that is left out.
    """
    if config.advance_when is None and config.patience:
        raise ConfigError(
            f"patience of {config.patience} {config.unit} for nothing to wait for",
            place="curriculum.patience",
            remedy="Give curriculum.advance_when too.",
        )
    if config.advance_when is not None and not config.first:
        raise ConfigError(
            "a threshold for the loss of stage 0, which is left out",
            place="curriculum.advance_when",
            remedy="Give curriculum.first a length, or leave the threshold out.",
        )


class Curriculum:
    """The stage of each step; the gate makes it hang on losses.

    Args:
        config: Replay and gate.
        plan: Lengths.
        has_stages: False: the last stage from the first step on, for as many steps as there can be with stages.

    Attributes:
        first_end: Steps that stage 0 took; None while that is open.
        missed: Mean loss of stage 0 where it ended without getting below the threshold; None otherwise.
    """

    def __init__(self, config: CurriculumConfig, plan: Plan, *, has_stages: bool = True) -> None:
        check_gate(config)
        self.config, self.plan, self.has_stages = config, plan, has_stages
        self._has_gate = has_stages and config.advance_when is not None and plan.last > 0
        self._losses: list[float] = []
        self.first_end: int | None = None if self._has_gate else plan.steps[0]
        self.missed: float | None = None

    @property
    def num_steps(self) -> int:
        """Steps in all; the most there can be while the end of stage 0 is open."""
        first = self.first_end if self.has_stages else None
        if first is None:
            first = self.plan.steps[0] + self.plan.patience
        return first + sum(self.plan.steps[1:])

    @property
    def decay_start(self) -> int:
        """The first step of the last stage."""
        return self.num_steps - self.plan.steps[-1]

    def stage(self, at: int) -> int:
        """The stage of step ``at``, from 0."""
        last = self.plan.last
        if not self.has_stages:
            return last
        if self.first_end is None:
            return 0
        end = self.first_end
        for stage in range(last):
            if at < end:
                return stage
            end += self.plan.steps[stage + 1]
        return last

    def begins(self, at: int) -> bool:
        """Whether another stage begins with step ``at``."""
        return at > 0 and self.stage(at) != self.stage(at - 1)

    def observe(self, at: int, loss: float) -> bool:
        """Tell the loss of step ``at``.

        Returns:
            False where the run should stop: stage 0 is over, its loss is not below the threshold, and the config says
            to stop.
        """
        threshold = self.config.advance_when
        if not self._has_gate or self.first_end is not None or threshold is None:
            return True
        self._losses = [*self._losses[-self.config.window + 1 :], loss] if self.config.window > 1 else [loss]
        done = at + 1
        if done < self.plan.steps[0]:
            return True
        mean = sum(self._losses) / len(self._losses)
        if mean < threshold:
            self.first_end = done
        elif done >= self.plan.steps[0] + self.plan.patience:
            self.missed = mean
            if self.config.otherwise == "stop":
                return False
            self.first_end = done
        return True

    def state(self) -> dict[str, Any]:
        """What the steps to come hang on; JSON."""
        return {"losses": self._losses, "first_end": self.first_end, "missed": self.missed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._losses = list(state["losses"])
        self.first_end, self.missed = state["first_end"], state["missed"]


def mixed_stages(config: CurriculumConfig, stage: int, num_steps: Sequence[int], rng: np.random.Generator) -> Ints:
    """Stages that the examples of a batch are drawn at.

    Args:
        config: Replay.
        stage: The current one.
        num_steps: Written steps of each example.
        rng: Draws.

    Returns:
        Shape (B,).
    """
    num_B = np.asarray(num_steps, dtype=np.int64)
    most_B = np.minimum(stage, num_B) if config.replay_from == "past" else num_B
    is_replayed_B = rng.random(len(num_B)) < config.replay
    drawn_B = np.floor(rng.random(len(num_B)) * (most_B + 1)).astype(np.int64)
    return np.where(is_replayed_B, drawn_B, stage)


class Order:
    """Examples of each step: a fresh permutation for every epoch, one after the other without a gap.

    Where lengths are known, the examples of ``window`` steps are drawn at once, sorted by length, parted into batches,
    and these are taken in random order: rows of about one length need little padding.

    Args:
        num_train: Examples.
        batch_size: Of a step.
        permutation: Gives one of so many numbers, (purpose, number of the draw, how many numbers); the same whenever
            it is asked.
        lengths: (num_train,); None where they are not known.
        window: Steps.
    """

    def __init__(
        self,
        num_train: int,
        batch_size: int,
        permutation: Callable[[str, int, int], Ints],
        *,
        lengths: Ints | None = None,
        window: int = 1,
    ) -> None:
        self._num, self._size, self._permutation = num_train, batch_size, permutation
        self._lengths, self._window = lengths, window if lengths is not None else 1
        self._epochs: dict[int, Ints] = {}
        self._drawn: tuple[int, Ints] | None = None

    def __call__(self, at: int) -> Ints:
        """Examples (B,) of step ``at``."""
        number, place = divmod(at, self._window)
        if self._drawn is None or self._drawn[0] != number:
            self._drawn = number, self._draw(number)
        return self._drawn[1][place]

    def _draw(self, number: int) -> Ints:
        """Examples (window, B) of a window."""
        count = self._window * self._size
        places = np.arange(number * count, (number + 1) * count)
        epochs = places // self._num
        wanted = range(int(epochs[0]), int(epochs[-1]) + 1)
        kept = self._epochs
        self._epochs = {e: kept[e] if e in kept else self._permutation("epoch", e, self._num) for e in wanted}
        drawn = np.concatenate([self._epochs[e][places[epochs == e] % self._num] for e in wanted])
        if self._lengths is None or self._window == 1:
            return drawn.reshape(self._window, self._size)
        batches = drawn[np.argsort(self._lengths[drawn], kind="stable")].reshape(self._window, self._size)
        return batches[self._permutation("window", number, self._window)]
