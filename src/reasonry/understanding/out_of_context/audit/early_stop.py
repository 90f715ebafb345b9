"""The step at which the facts are learned and the inference is not: the smallest such one, if there is any.

    t* = min { t : fact rank at t <= eps  and  transfer index of every watched pair at t <= tau }

Looks are taken at some steps alone, so t* is one of these. Facts and inference often come at the same time, and then
there is no such step; this is said, and no step is made up. RECONSTRUCTED.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Look(NamedTuple):
    """What was seen at a step.

    Attributes:
        step: Steps done.
        fact_rank: Mean rank of the facts of the test subjects, over pairs.
        by_pair: Transfer index by pair.
    """

    step: int
    fact_rank: float
    by_pair: dict[str, float]


class EarlyStop(NamedTuple):
    """The answer.

    Attributes:
        step: t*; None where there is none.
        learned: First step at which the facts are learned; None where they never are.
        at_learned: Greatest transfer index of the watched pairs at that step; None without any.
        reason: In words.
    """

    step: int | None
    learned: int | None
    at_learned: float | None
    reason: str


def looks_of(rows: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The looks in the log of a training: rows with ``fact_rank`` and ``index/PAIR``."""
    return [
        Look(
            int(row["step"]),
            float(row["fact_rank"]),
            {name.removeprefix("index/"): float(value) for name, value in row.items() if name.startswith("index/")},
        )
        for row in rows
        if row.get("fact_rank") is not None
    ]


def early_stop(looks: Sequence[Look], *, pairs: Sequence[str], eps: float, tau: float) -> EarlyStop:
    """t* of a training.

    Args:
        looks: In the order of the steps.
        pairs: Names of the pairs whose inference is not wanted. Without any, t* is where the facts are learned.
        eps: Most mean rank of a fact that counts as learned.
        tau: Most transfer index.
    """
    learned = next((look for look in looks if look.fact_rank <= eps), None)
    if learned is None:
        least = min((look.fact_rank for look in looks), default=None)
        seen = "no look was taken" if least is None else f"the least mean rank of a fact was {least:.2f}, above {eps:g}"
        return EarlyStop(None, None, None, f"the facts were never learned: {seen}")
    if not pairs:
        reason = f"after {learned.step} steps the facts are learned; no inference is unwanted"
        return EarlyStop(learned.step, learned.step, None, reason)
    worst = {
        look.step: max((look.by_pair[name] for name in pairs if name in look.by_pair), default=0.0) for look in looks
    }
    found = next((look for look in looks if look.fact_rank <= eps and worst[look.step] <= tau), None)
    if found is None:
        reason = f"no look had the facts learned and a transfer index of at most {tau:g}"
        return EarlyStop(None, learned.step, worst[learned.step], reason)
    reason = f"after {found.step} steps the facts are learned and the transfer index is {worst[found.step]:.2f}"
    return EarlyStop(found.step, learned.step, worst[learned.step], reason)
