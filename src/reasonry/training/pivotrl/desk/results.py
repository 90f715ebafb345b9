"""Reading a comparison: points of equal skill, turns to reach a level, differences over repetitions.

Two ways of training are compared where they have the same in-domain success, because an arm that has learned nothing
has forgotten nothing. Between two looks everything is taken as linear; the first crossing of a level counts.

    turns to reach c    training turns alone, and with profiling turns, at the first crossing of c
    at level c          KL, far and near success, at the first crossing of c

Intervals over repetitions are Student's t of the means (of differences, where two arms share demonstrations): few
repetitions make them wide, as they should.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reasonry.core.stats import Spread, spread

if TYPE_CHECKING:  # looks hold numbers only, but their module needs torch
    from reasonry.training.pivotrl.desk.profile import Shares
    from reasonry.training.pivotrl.desk.training import Look

BASE = "base"


@dataclass(frozen=True)
class Course:
    """One training.

    Attributes:
        arm: Which.
        lr: Learning rate.
        repetition: Which repetition.
        looks: In order, without the base model.
    """

    arm: str
    lr: float
    repetition: int
    looks: tuple[Look, ...]

    @property
    def end(self) -> Look:
        """The finished policy."""
        return self.looks[-1]


@dataclass(frozen=True)
class Comparison:
    """All trainings of a run.

    Attributes:
        world: Which help desk.
        base: The base model, measured.
        courses: Trainings, arm by arm.
        functional: What the base model does in the candidates of each repetition, by functional reward.
        strict: The same by strict reward.
    """

    world: str
    base: Look
    courses: tuple[Course, ...]
    functional: tuple[Shares, ...]
    strict: tuple[Shares, ...]

    def of(self, arm: str, lr: float | None = None) -> list[Course]:
        """Trainings of one arm, by repetition."""
        found = [c for c in self.courses if c.arm == arm and (lr is None or c.lr == lr)]
        return sorted(found, key=lambda c: (c.lr, c.repetition))

    @property
    def settings(self) -> list[tuple[str, float]]:
        """Pairs of arm and learning rate, in order."""
        return list(dict.fromkeys((c.arm, c.lr) for c in self.courses))


def value_at(course: Course, base: Look, level: float, value: Callable[[Look], float]) -> float:
    """A number where sampled desk success first reaches ``level``; NaN where it never does."""
    looks = [base, *course.looks]
    if base.found.desk_sampled >= level:
        return value(base)
    for before, after in itertools.pairwise(looks):
        low, high = before.found.desk_sampled, after.found.desk_sampled
        if high >= level > low:
            share = (level - low) / (high - low)
            return value(before) + share * (value(after) - value(before))
    return math.nan


class Turns(NamedTuple):
    """Turns to reach a level.

    Attributes:
        train: Sampled in training; NaN where the level is never reached.
        profile: Sampled in profiling.
    """

    train: float
    profile: float

    @property
    def total(self) -> float:
        """Both."""
        return self.train + self.profile


def turns_to_reach(course: Course, base: Look, level: float) -> Turns:
    """Training and profiling turns until sampled desk success first reaches ``level``."""
    train = value_at(course, base, level, lambda look: float(look.ledger.train_turns))
    return Turns(train, float(course.end.ledger.profile_turns))


def paired(first: Sequence[Course], second: Sequence[Course], value: Callable[[Course], float]) -> Spread:
    """Mean difference of two settings over the repetitions that both have."""
    of = [{c.repetition: value(c) for c in courses} for courses in (first, second)]
    return spread(of[0][i] - of[1][i] for i in sorted(set(of[0]) & set(of[1])))


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other one beats in both coordinates, larger being better, by the first one."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(set(points), key=lambda p: (-p[0], -p[1])):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return best[::-1]
