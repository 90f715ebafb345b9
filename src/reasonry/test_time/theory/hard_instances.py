"""The two instances on which the rates are attained, and how many samples each strategy needs on both.

    two answers   p = ((1 + gap) / 2, (1 - gap) / 2)                     a vote needs about z^2 / gap^2
    long tail     p = (2 gap, gap, gap, ..., what is left)               best-of-n needs about ln(1 / delta) / (2 gap)

Huang et al. [1] prove Theta(1 / gap^2) for a vote and Theta(1 / gap) for best-of-n with a perfect verifier, each in
the worst case over instances. The worst cases differ. With two answers the right one has probability above 1/2, so
best-of-n needs at most log2(1 / delta) samples rounded up, whatever the gap. On the long tail p1 + p2 = 3 gap, so the
variance of the lead is of the order of the gap and a vote needs O(log(1 / (gap delta)) / gap) samples. On neither of
the two alone are the slopes 2 and 1 seen. All numbers here are exact; nothing is sampled.

Too few samples fail with constant probability:

    vote        n <= c / gap^2 on two answers: fails at least as often as at n = c / gap^2, towards Phi(-sqrt(c))
    any rule    the same n, treating answers alike: fails with probability >= exp(-n gap ln((1+gap)/(1-gap))) / 4
    best-of-n   n <= c / gap on the long tail: (1 - 2 gap)^n >= 1 - 2 c, towards exp(-2 c)

The rates are theorems 3.1 and 3.2 of [1]; the instances with numbers, and the constants, are worked out here.

[1] Huang et al., "Sample Complexity and Representation Ability of Test-time Scaling Paradigms", arXiv 2506.05295.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.test_time.theory.plurality import plurality, smallest_n
from reasonry.test_time.theory.sample_size import best_of_n_perfect, vote_chernoff

FloatArray = NDArray[np.float64]

GAPS = (0.32, 0.16, 0.08, 0.04, 0.02, 0.01)
DELTAS = (0.05, 0.1, 0.01)

_ROUNDING = 1e-9  # 0.25 / 0.05^2 is 99.99999999999999 in binary


def two_answers(gap: float) -> FloatArray:
    """The instance that is hard for a vote: shape ``(2,)``, the right answer first.

    Raises:
        ConfigError: ``gap`` is not in (0, 1].
    """
    if not 0 < gap <= 1:
        raise ConfigError(f"gap={gap} is not in (0, 1]")
    return np.array([(1 + gap) / 2, (1 - gap) / 2])


def long_tail(gap: float) -> FloatArray:
    """The instance that is hard for best-of-n: 2 gap, then as many rivals of probability gap as fit, then the rest.

    Raises:
        ConfigError: ``gap`` is not in (0, 1/3]; above, no rival of that probability fits.
    """
    if not 0 < gap <= 1 / 3 + _ROUNDING:
        raise ConfigError(f"gap={gap} is not in (0, 1/3]: p* = 2 gap and a rival of gap must fit into 1")
    num = int((1 - 2 * gap) / gap)
    rest = 1 - (2 + num) * gap
    return np.array([2 * gap] + [gap] * num + ([rest] if rest > _ROUNDING else []))


class SeparationRow(NamedTuple):
    """Fewest samples for success with probability ``1 - delta``.

    Attributes:
        delta: Failure probability allowed.
        gap: Probability of the right answer minus that of the likeliest rival.
        vote_two: A vote on `two_answers`.
        best_of_n_two: Best-of-n with a perfect verifier on `two_answers`.
        vote_tail: A vote on `long_tail`.
        best_of_n_tail: Best-of-n with a perfect verifier on `long_tail`.
    """

    delta: float
    gap: float
    vote_two: int
    best_of_n_two: int
    vote_tail: int
    best_of_n_tail: int


def separation_table(gaps: Sequence[float] = GAPS, deltas: Sequence[float] = DELTAS) -> list[SeparationRow]:
    """Both strategies on both instances: a row for each delta and, within it, each gap.

    Raises:
        ConfigError: A gap is not in (0, 1/3], or a delta not in (0, 1).
    """
    rows: list[SeparationRow] = []
    for delta in deltas:
        for gap in gaps:
            two, tail = two_answers(gap), long_tail(gap)
            best_of_n = [int(best_of_n_perfect(law[0], delta)) for law in (two, tail)]
            rows.append(SeparationRow(delta, gap, _votes(two, delta), best_of_n[0], _votes(tail, delta), best_of_n[1]))
    return rows


def _votes(law: FloatArray, delta: float) -> int:
    enough = vote_chernoff(law, delta)
    found = smallest_n(law, delta, max_n=enough)
    assert found is not None, f"Chernoff's bound {enough} is not enough on {law} at delta={delta}"
    return found


def loglog_slope(gaps: Sequence[float], nums: Sequence[float]) -> float:
    """Least-squares slope of log(num) against log(1 / gap): 2 for 1 / gap^2, 1 for 1 / gap.

    Raises:
        ConfigError: Fewer than two distinct gaps, or a value that is not positive.
    """
    if len(gaps) != len(nums) or len(set(gaps)) < 2 or min(*gaps, *nums) <= 0:
        raise ConfigError("a slope needs at least two distinct gaps, as many numbers, and all of them positive")
    x, y = -np.log(np.asarray(gaps, dtype=np.float64)), np.log(np.asarray(nums, dtype=np.float64))
    x = x - x.mean()
    return float(x @ y / (x @ x))


class Slopes(NamedTuple):
    """Slopes of the four columns of `SeparationRow`, in its order."""

    vote_two: float
    best_of_n_two: float
    vote_tail: float
    best_of_n_tail: float


def slopes(rows: Sequence[SeparationRow], *, last: int | None = None) -> Slopes:
    """Log-log slopes of one delta's rows; of the ``last`` so many only, where rounding up matters less.

    Raises:
        ConfigError: Rows of several deltas, or fewer than two.
    """
    if len({row.delta for row in rows}) > 1:
        raise ConfigError("a slope is over rows of one delta")
    used = rows[-last:] if last else rows
    gaps = [row.gap for row in used]
    return Slopes(*(loglog_slope(gaps, [row[i] for row in used]) for i in range(2, 6)))


class FailureRow(NamedTuple):
    """How often a number of samples of the order of the rate, but with a small constant, fails.

    Attributes:
        gap: As in `SeparationRow`.
        num_votes: ``floor(share / gap^2)``, at least 1.
        vote_fails: Exact failure probability of that vote on `two_answers`; fewer votes fail at least as often.
        any_rule_fails: What every rule that treats answers alike fails with at least, there and with that many.
        num_draws: ``floor(share / gap)``, at least 1.
        best_of_n_fails: Exact failure probability of best-of-n with so many on `long_tail`, with a perfect verifier.
    """

    gap: float
    num_votes: int
    vote_fails: float
    any_rule_fails: float
    num_draws: int
    best_of_n_fails: float


def failures_below(gaps: Sequence[float] = GAPS, *, share: float = 0.25) -> list[FailureRow]:
    """Failure with ``share`` times 1 / gap^2 votes, and with ``share`` times 1 / gap draws: constant in the gap.

    Raises:
        ConfigError: A gap is not in (0, 1/3], or ``share`` is not positive.
    """
    if not share > 0:
        raise ConfigError(f"share={share} is not positive")
    rows: list[FailureRow] = []
    for gap in gaps:
        two, tail = two_answers(gap), long_tail(gap)
        num_votes = max(1, int(share / gap**2 + _ROUNDING))
        num_draws = max(1, int(share / gap + _ROUNDING))
        divergence_nats = gap * math.log((1 + gap) / (1 - gap))
        rows.append(
            FailureRow(
                gap,
                num_votes,
                # The rival's chance, and not 1 minus the target's: exact also when it is tiny.
                plurality(two, num_votes, target=1),
                math.exp(-num_votes * divergence_nats) / 4,
                num_draws,
                float((1 - tail[0]) ** num_draws),
            )
        )
    return rows
