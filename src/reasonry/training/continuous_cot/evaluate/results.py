"""What was found: accuracy after each number of thoughts, its price, and what becomes of it without one's own thoughts.

    accuracy     right answers over questions, Wilson's interval of 95 %; without an answer, or cut off inside it: wrong
    tokens       written before the end token, mean; thoughts are not counted among them
    tokens/s     tokens over wall time, thinking included
    change       accuracy less that of the reference (own thoughts, as many as in training), on the same questions;
                 p of McNemar's exact test, two-sided
    norm, cosine of thoughts: see `looks`; means over the questions that have that thought

Legend: K slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.stats import mcnemar_exact, wilson
from reasonry.training.continuous_cot.evaluate.subject import ArmKey


class Share(NamedTuple):
    """A proportion with its 95 % interval."""

    value: float
    low: float
    high: float
    num_right: int
    num: int


class Change(NamedTuple):
    """What an arm has that the reference does not.

    Attributes:
        accuracy: Difference.
        p_value: Of no difference.
        num_lost: Questions that the reference alone gets right.
        num_won: Questions that the arm alone gets right.
    """

    accuracy: float
    p_value: float
    num_lost: int
    num_won: int


class Arm(NamedTuple):
    """One kind of thoughts with one number of slots.

    Attributes:
        thoughts: What the slots held.
        slots: As asked for; None: each question as in training.
        mean_slots: Slots of a question, mean.
        accuracy: Exactly right.
        candidates: Right when only the candidates are compared; None where questions name none.
        num_ties: Questions with several equally likely answers.
        num_cut_off: Replies that ran into the limit.
        num_unanswered: Replies without a readable answer.
        mean_tokens: Tokens written.
        tokens_per_second: Tokens over wall time.
        seconds: Wall time of an answer.
        norms: (K,) mean length of each thought.
        cosines: (K - 1,) mean cosine of each with the next.
        groups: Accuracy by number of steps or hops.
        change: Against the reference; None for itself.
    """

    thoughts: str
    slots: int | None
    mean_slots: float
    accuracy: Share
    candidates: Share | None
    num_ties: int
    num_cut_off: int
    num_unanswered: int
    mean_tokens: float
    tokens_per_second: float
    seconds: float
    norms: tuple[float, ...]
    cosines: tuple[float, ...]
    groups: Mapping[str, Share]
    change: Change | None

    @property
    def label(self) -> str:
        """How it is called."""
        return arm_label(self.thoughts, self.slots)


class Evaluated(NamedTuple):
    """All arms.

    Attributes:
        arms: In the order they were asked for.
        reference: Which of them the others are compared with.
    """

    arms: tuple[Arm, ...]
    reference: Arm

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return plain({"arms": [arm._asdict() for arm in self.arms], "reference": self.reference.label})


def arm_label(thoughts: str, slots: int | None) -> str:
    """``own, 3``; ``random, as trained``."""
    return f"{thoughts}, {'as trained' if slots is None else slots}"


def evaluated(rows: Mapping[ArmKey, Sequence[Row]], *, own_slots: int | None) -> Evaluated:
    """Figures of every arm.

    Args:
        rows: Of each (thoughts, slots), the same questions in the same order.
        own_slots: Slots in training; None where each question has its own number.
    """
    keys = list(rows)
    own = [key for key in keys if key[0] == "own"] or keys
    reference = next((key for key in own if key[1] == own_slots), max(own, key=lambda key: key[1] or 0))
    right = [row["grade"] == "right" for row in rows[reference]]
    arms = {
        key: _arm(key, rows[key], None if key == reference else _change(rows[key], right)) for key in keys
    }  # fmt: skip
    return Evaluated(tuple(arms.values()), arms[reference])


def _arm(key: ArmKey, rows: Sequence[Row], change: Change | None) -> Arm:
    tokens, seconds = sum(row["num_tokens"] for row in rows), sum(row["seconds"] for row in rows)
    has_candidates = rows[0]["is_right_of_candidates"] is not None
    groups = sorted({row["group"] for row in rows if row["group"]}, key=_number_in)
    return Arm(
        thoughts=key[0],
        slots=key[1],
        mean_slots=_mean([row["num_slots"] for row in rows]),
        accuracy=_share([row["grade"] == "right" for row in rows]),
        candidates=_share([bool(row["is_right_of_candidates"]) for row in rows]) if has_candidates else None,
        num_ties=sum(row["is_tie"] for row in rows),
        num_cut_off=sum(row["is_cut_off"] for row in rows),
        num_unanswered=sum(row["grade"] == "ungradable" for row in rows),
        mean_tokens=tokens / len(rows),
        tokens_per_second=tokens / seconds if seconds > 0 else 0.0,
        seconds=seconds / len(rows),
        norms=_columns([row["norms"] for row in rows]),
        cosines=_columns([row["cosines"] for row in rows]),
        groups={name: _share([row["grade"] == "right" for row in rows if row["group"] == name]) for name in groups},
        change=change,
    )


def _change(rows: Sequence[Row], reference: Sequence[bool]) -> Change:
    own = [row["grade"] == "right" for row in rows]
    test = mcnemar_exact(own, reference)
    lost = sum(theirs and not mine for mine, theirs in zip(own, reference, strict=True))
    won = sum(mine and not theirs for mine, theirs in zip(own, reference, strict=True))
    return Change(test.effect, test.p_value, lost, won)


def _share(right: Sequence[bool]) -> Share:
    interval = wilson(sum(right), len(right))
    return Share(sum(right) / len(right), interval.low, interval.high, sum(right), len(right))


def _number_in(group: str) -> tuple[int, str]:
    """10 steps behind 2 steps."""
    first = group.split(" ")[0]
    return int(first) if first.isdecimal() else 0, group


def _columns(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Mean over rows of each place, of those that have it."""
    most = max(map(len, values), default=0)
    return tuple(_mean([row[place] for row in values if len(row) > place]) for place in range(most))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
