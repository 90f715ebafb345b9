"""Boundaries of tests on a leader with a votes against a rival with b: the least a that suffices, for every b.

Both statistics below grow with a and shrink with b, so a test "statistic >= level" is a table of integers, found once
by bisection and shared by every problem. One vote then costs a comparison, and every caller decides alike.

    evidence   E(a, b) = 2^(a+b+1) B(a+1, b+1) P(Beta(a+1, b+1) > 1/2)
                       = average over theta uniform in (1/2, 1] of (2 theta)^a (2 (1 - theta))^b
               E(a, 0) = (2^(a+1) - 1) / (a+1)
    posterior  P(Beta(a+1, b+1) > 1/2) = P(Binomial(a+b+1, 1/2) <= a),  at b = 0: 1 - 2^-(a+1)
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reasonry.core.stats import log_e_value

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Test = Callable[[IntArray, IntArray], BoolArray]


class Frontier:
    """The least a for every b, computed as far as it has been asked for.

    Args:
        reaches: The test, element by element: true for large a, and for b only if for b - 1.
        first: Its least a at b = 0, at least 1.
    """

    __slots__ = ("_reaches", "_table")

    def __init__(self, reaches: Test, *, first: int) -> None:
        self._reaches = reaches
        self._table = [first]

    def least(self, num_rival: int) -> int:
        """Least votes of the leader when its strongest rival has ``num_rival``."""
        table = self._table
        if num_rival >= len(table):
            table = self._grown(num_rival + 1)
        return table[num_rival]

    def table(self, size: int) -> IntArray:
        """Least votes of the leader for 0 .. size - 1 votes of its strongest rival."""
        table = self._table if size <= len(self._table) else self._grown(size)
        return np.array(table[:size], dtype=np.int64)

    def _grown(self, size: int) -> list[int]:
        known = self._table
        rival = np.arange(len(known), max(size, 2 * len(known), 32))
        fails = np.full(rival.shape, known[-1] - 1)  # fails with fewer rival votes already
        step = np.maximum(rival - fails, 0) + 8
        while not (enough := self._reaches(fails + step, rival)).all():
            fails, step = np.where(enough, fails, fails + step), np.where(enough, step, 2 * step)
        passes = fails + step
        while (passes - fails > 1).any():
            middle = (fails + passes) // 2
            enough = self._reaches(middle, rival)
            fails, passes = np.where(enough, fails, middle), np.where(enough, middle, passes)
        # Assigned whole: another thread that reads meanwhile sees the old table or the new one.
        self._table = [*known, *passes.tolist()]
        return self._table


@lru_cache(maxsize=4096)
def evidence_frontier(log_threshold: float) -> Frontier:
    """Least a with ``log E(a, b) >= log_threshold`` (nats)."""
    first = 0
    while (first + 1) * math.log(2) + math.log1p(-(0.5 ** (first + 1))) - math.log(first + 1) < log_threshold:
        first += 1
    return Frontier(lambda a, b: log_e_value(a, a + b) >= log_threshold, first=first)


@lru_cache(maxsize=256)
def posterior_frontier(confidence: float) -> Frontier:
    """Least a with ``P(Beta(a+1, b+1) > 1/2) >= confidence``."""
    first = 0
    while 1 - 0.5 ** (first + 1) < confidence:
        first += 1
    log_confidence = math.log(confidence)

    def reaches(a: IntArray, b: IntArray) -> BoolArray:
        # E is the mixture over all of (0, 1) times P / (1/2).
        whole = log_e_value(a, a + b, alternative="two-sided")
        return log_e_value(a, a + b) - whole - math.log(2) >= log_confidence

    return Frontier(reaches, first=first)
