"""Exact probability that an answer wins a vote of n independent samples, ties broken uniformly.

Answer o is drawn with probability p_o, and with probability s a sample holds no answer. N_o counts its votes. The
target t wins if no rival has more votes, with chance 1 / (1 + T) if T rivals have as many; with no vote at all nobody
wins. Give the number of samples a Poisson law of mean L: the counts become independent, Poisson(L p_o), and

    G(z) = sum_n Poi(n; L) P_n z^n = e^(L s (z - 1)) sum_{m >= 1} Poi(m; L p_t) z^m  int_0^1 prod_o F_om(z, y) dy
    F_om = sum_{x < m} Poi(x; L p_o) z^x + y Poi(m; L p_o) z^m,                       1 / (1 + T) = int_0^1 y^T dy

P_n is the coefficient of z^n over Poi(n; L), for every n near L at once. The coefficients come from G at the J-th
roots of unity. The coefficient of z^k is at most Poi(k; L), so J = O(sqrt(L)) points are enough: what folds onto n
from n +- J is below 1e-20 in all. The integrand is a polynomial in y; Gauss-Legendre quadrature has an error below
1e-15. Together: O(L) operations for each distinct rival and node, absolute error below 1e-12 up to n = 100,000.

Two answers and no silent sample need none of this: P_n = I_{p_t}(k, k), k = ceil(n / 2), the regularised incomplete
beta function, whence P_2k = P_(2k-1).

P_n never falls with n when the target is a mode. Give one more vote and average over who is on top:

    P_(n+1) - P_n = E[ 1{t is tied on top with the set S} (1/|S|) sum_{o in S} (p_t - p_o) ] + P(no vote yet) p_t

(a vote that makes a tie changes nothing on average: each member of the tie is equally likely to have come last). With
one vote there is no tie, hence P_2 = P_1 for any number of answers when s = 0. This makes `smallest_n` a bisection.

The vote is self-consistency of Wang et al. (arXiv 2203.11171) as in Huang et al. (arXiv 2506.05295), section 3.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reasonry.errors import ConfigError
from reasonry.test_time.theory.generating_function import VoteLaw, win_probabilities
from reasonry.test_time.theory.sample_size import vote_normal

FloatArray = NDArray[np.float64]
Probs = Sequence[float] | FloatArray

DEFAULT_MAX_N = 100_000
"""Where `smallest_n` gives up."""

_special = cast(Any, special)
_SUM_SLACK = 1e-6
_ROUNDING = 1e-12  # a target such as 1 - 0.4 is met by the sum that is 0.6 in exact arithmetic
_BLOCK_SDS = 3.0  # a block reaches this many standard deviations to either side: Poi(n; L) stays above 1e-2 of its peak


def plurality(probs: Probs, n: int, *, target: int = 0, silent: float = 0.0) -> float:
    """Probability that the target wins a vote of n samples.

    Args:
        probs: Shape ``(K,)``, a probability for each answer.
        n: Samples, at least 1.
        target: Index of the answer in question.
        silent: Probability of a sample without an answer; ``sum(probs) + silent`` must be 1.

    Raises:
        ConfigError: ``probs`` and ``silent`` are no law, ``target`` is no index, or ``n`` is below 1.
    """
    law = _law(probs, target, silent)
    _check_n("n", n)
    return float(_block(law, n, n)[0])


def plurality_curve(probs: Probs, max_n: int, *, target: int = 0, silent: float = 0.0) -> FloatArray:
    """Shape ``(max_n,)``: `plurality` for n = 1..max_n. Arguments and errors as there."""
    law = _law(probs, target, silent)
    _check_n("max_n", max_n)
    return np.concatenate([_block(law, first, last) for first, last in _blocks(1, max_n)])


def smallest_n(
    probs: Probs, delta: float, *, target: int = 0, silent: float = 0.0, max_n: int = DEFAULT_MAX_N
) -> int | None:
    """Fewest samples with which the target wins with probability at least ``1 - delta``.

    An even n is never the fewest between two answers, where it wins as often as n - 1.

    Args:
        probs: Shape ``(K,)``.
        delta: Failure probability allowed, in (0, 1).
        target: Index of the answer in question.
        silent: Probability of a sample without an answer.
        max_n: Samples at most.

    Returns:
        None where ``max_n`` samples are too few, or no number is enough.

    Raises:
        ConfigError: An argument is out of range.
    """
    law = _law(probs, target, silent)
    _check_n("max_n", max_n)
    if not 0 < delta < 1:
        raise ConfigError(f"delta={delta} is not strictly between 0 and 1")
    goal = (1 - delta) * (1 - _ROUNDING)
    rival = float(law.rivals.max(initial=0.0))
    if law.target < rival:
        return _first_reached_by_scan(law, goal, rival, max_n)
    if law.target == 0 or (law.target == rival and delta < 0.5):
        return None  # of two answers that are equally likely neither wins more than half of the votes

    low, high = 0, max_n + 1  # P_low < goal; P_high is enough or beyond what may be spent
    guess = int(min(vote_normal(law.target, rival, delta), max_n)) if delta < 0.5 else 1
    while high - low > 1:
        middle = min(max(guess, low + 1), high - 1)
        half = int(_BLOCK_SDS * math.sqrt(middle))
        first, last = max(low + 1, middle - half), min(high - 1, middle + half)
        enough = _block(law, first, last) >= goal
        if not enough.any():
            low = last
            guess = 2 * low if high > max_n else (low + high) // 2
        elif enough[0]:
            high = first
            guess = (low + high) // 2
        else:
            found = first + int(np.argmax(enough))
            low, high = found - 1, found
    return high if high <= max_n else None


def _law(probs: Probs, target: int, silent: float) -> VoteLaw:
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 1 or p.size == 0 or not (p >= 0).all() or not silent >= 0:
        raise ConfigError(f"probs={probs!r:.120} with silent={silent} holds no probabilities")
    if not 0 <= target < p.size:
        raise ConfigError(f"target={target} is no index of {p.size} answers")
    total = float(p.sum()) + silent
    if not abs(total - 1) <= _SUM_SLACK:
        raise ConfigError(
            f"probabilities sum to {float(p.sum()):.9g} and silent={silent:g}, together not 1",
            remedy="Pass what is missing as silent (no answer), or list it as answers.",
        )
    p = p / total
    others = np.delete(p, target)
    rivals, num_each = np.unique(others[others > 0], return_counts=True)
    return VoteLaw(float(p[target]), rivals, num_each.astype(np.int64), silent / total)


def _check_n(name: str, n: int) -> None:
    if n < 1:
        raise ConfigError(f"{name}={n} is below 1")


def _first_reached_by_scan(law: VoteLaw, goal: float, rival: float, max_n: int) -> int | None:
    """First n with P_n >= goal for a target that is not a mode, whose curve may rise and fall."""
    if goal > 0.5:
        return None  # swapping the two answers shows that the likelier one wins at least as often
    decay = 1 - (math.sqrt(rival) - math.sqrt(law.target)) ** 2
    for first, last in _blocks(1, max_n):
        enough = _block(law, first, last) >= goal
        if enough.any():
            return first + int(np.argmax(enough))
        if decay**last < goal:
            return None  # Chernoff: from here on even a tie with that rival is too rare
    return None


def _blocks(first: int, max_n: int) -> Iterator[tuple[int, int]]:
    """Ranges of n that cover first..max_n, each within `_BLOCK_SDS` standard deviations of its middle."""
    while first <= max_n:
        root = (_BLOCK_SDS + math.sqrt(_BLOCK_SDS**2 + 4 * first)) / 2
        last = min(max_n, max(first, int(root**2 + _BLOCK_SDS * root)))
        yield first, last
        first = last + 1


def _block(law: VoteLaw, first: int, last: int) -> FloatArray:
    """P_n for n = first..last."""
    n = np.arange(first, last + 1)
    if law.target == 0:
        return np.zeros(n.size)
    if law.rivals.size == 0:
        return np.asarray(1 - law.silent**n, dtype=np.float64)
    if law.silent == 0 and law.num_each.sum() == 1:
        half = (n + 1) // 2
        return np.asarray(_special.betainc(half, half, law.target), dtype=np.float64)
    return win_probabilities(law, first, last)
