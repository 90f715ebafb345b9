"""Outcome of grading one answer: right, wrong, or ungradable, always with a reason.

Ungradable (no answer found, cut off, the grader itself failed) is not wrong: it is counted on its own in every report,
because a parser that misses every answer otherwise looks like a model that knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Grade = Literal["right", "wrong", "ungradable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of grading one answer.

    Attributes:
        grade: ``right``, ``wrong`` or ``ungradable``.
        answer: The answer that was found, in canonical form, or None.
        reason: Why; a short phrase that counts well (``no number found``, ``equal``, ``cut off``).
    """

    grade: Grade
    answer: str | None = None
    reason: str = ""

    @property
    def is_right(self) -> bool:
        """True only for ``right``."""
        return self.grade == "right"


class OutcomeCounts(NamedTuple):
    """How many answers got each grade; the three always add up to the number graded."""

    num_right: int
    num_wrong: int
    num_ungradable: int

    @property
    def total(self) -> int:
        """Number of graded answers."""
        return self.num_right + self.num_wrong + self.num_ungradable


def count(outcomes: Iterable[Outcome]) -> OutcomeCounts:
    """Count the grades."""
    tally = {"right": 0, "wrong": 0, "ungradable": 0}
    for outcome in outcomes:
        tally[outcome.grade] += 1
    return OutcomeCounts(tally["right"], tally["wrong"], tally["ungradable"])
