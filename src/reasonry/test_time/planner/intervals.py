"""How certain a pilot is of the two likeliest answers, and hence of the number of votes a question needs.

A sample votes +1 for the likeliest answer (probability p1), -1 for its runner-up (p2), and 0 otherwise. The vote is
won by about

    n = z^2 v,    v = Var / mean^2 = (p1 + p2 - gap^2) / gap^2 = 1 / (s (2 theta - 1)^2) - 1
    s = p1 + p2,  theta = p1 / s,  gap = p1 - p2 = s (2 theta - 1),  z = Phi^-1(1 - delta)

samples. From the votes N_a >= N_b of the pilot's two leading answers among m samples, V = N_a + N_b:

    theta_low    Clopper-Pearson on N_a of V               tail (1 - share) alpha / 2
    theta_high   P(Bin(V, theta) <= N_a) = tail / K        the same tail;  K = (1 - p1) / p2 >= 1
    s            Clopper-Pearson on V of m                 tail share alpha / 2 on either side

V and the split of V are independent given the pair, so a box of the two has the level of their sum (Bonferroni), and v
falls in both coordinates. The pair itself was chosen by the same votes; no part of the pilot is set aside for that:

    upper end of v   If a is the likeliest answer, the runner-up chosen has at least the votes of the true one, and the
                     end rises with N_b. If it is not, the end is finite only where a two-tailed test of a against b
                     rejects a tie, which is a level-alpha test of "a is the likeliest" although both were picked by
                     their votes (Hung and Fithian, Annals of Statistics 47 (2019), arXiv 1610.03944). With a tie
                     v is infinite, and this alone can fail.
    lower end of p1  Where a is not certain to lead, the most of many votes: P(Bin(m, p) >= N_a) = tail * p, as there is
                     room for 1 / p answers as strong as the likeliest.
    lower end of v   Too many votes for any rival make the race look closer than it is. There is room for K rivals as
                     strong as the runner-up; weaker ones count in proportion to their probability: a union bound.

Setting aside half of the pilot to choose the pair was measured against this over laws of 2 to 1000 answers: it has less
than the nominal coverage where the two leaders are close (the half may choose them the wrong way round), and longer
intervals almost everywhere; see the tests. Clopper-Pearson is exact at the price of more coverage than nominal.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from reasonry.core.stats import check_level
from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]

_special = cast(Any, special)
_SHARE = 0.1
"""Part of alpha spent on s, which matters less: v changes with s to the first power, with 2 theta - 1 to the second."""
_BISECTIONS = 50


class TopTwo(NamedTuple):
    """Result of `top_two`; arrays of the broadcast shape.

    Each interval holds with probability ``level``, that of relvar together with that of gap.

    Attributes:
        p1: Share of the leading answer.
        p2: Share of the second.
        gap: p1 - p2.
        p1_low: Lower end.
        p1_high: Upper end.
        p2_low: Lower end.
        p2_high: Upper end.
        gap_low: Lower end; not positive where the pilot cannot tell which answer leads.
        gap_high: Upper end.
        relvar: v, inf for a tie.
        relvar_low: Lower end.
        relvar_high: Upper end; inf where ``gap_low`` is not positive.
        votes_to_decide: Samples in all after which ``gap_low`` is expected to be positive if the shares are right; inf
            for a tie.
        level: Coverage that is guaranteed.
    """

    p1: FloatArray
    p2: FloatArray
    gap: FloatArray
    p1_low: FloatArray
    p1_high: FloatArray
    p2_low: FloatArray
    p2_high: FloatArray
    gap_low: FloatArray
    gap_high: FloatArray
    relvar: FloatArray
    relvar_low: FloatArray
    relvar_high: FloatArray
    votes_to_decide: FloatArray
    level: float


def top_two(first: ArrayLike, second: ArrayLike, total: ArrayLike, *, level: float = 0.9) -> TopTwo:
    """Intervals of the two likeliest answers' probabilities from a pilot's votes. The arguments broadcast.

    Args:
        first: Votes of the leading answer N_a.
        second: Votes of the second N_b; 0 when there is only one.
        total: Samples m, those without an answer included, at least 1.
        level: Coverage that is guaranteed.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: Not ``0 <= second <= first`` and ``first + second <= total``.
    """
    check_level(level)
    votes = np.broadcast_arrays(*(np.asarray(x, dtype=np.int64) for x in (first, second, total)))
    shape = votes[0].shape
    # Pilots repeat the same few votes: each triple is solved once.
    rows, back = np.unique(np.stack([x.ravel() for x in votes], axis=1), axis=0, return_inverse=True)
    a, b, m = (rows[:, i] for i in range(3))
    if ((b < 0) | (b > a) | (a + b > m) | (m < 1)).any():
        bad = int(np.flatnonzero((b < 0) | (b > a) | (a + b > m) | (m < 1))[0])
        raise DataError(
            f"{a[bad]} and {b[bad]} votes of {m[bad]} samples are not those of the two leading answers",
            remedy="Give the larger number first; both are part of the samples, of which there is at least one.",
        )
    fields = _solve(a.astype(np.float64), b.astype(np.float64), m.astype(np.float64), level)
    return TopTwo(*(field[back.ravel()].reshape(shape) for field in fields), level=level)


def votes_needed(relvar: ArrayLike, delta: float) -> FloatArray:
    """Samples with which a vote fails with probability ``delta``: z^2 v, at least 1, inf where v is.

    Raises:
        ConfigError: ``delta`` is not strictly between 0 and 0.5.
    """
    if not 0 < delta < 0.5:
        raise ConfigError(f"delta={delta} is not strictly between 0 and 0.5")
    return np.maximum(NormalDist().inv_cdf(delta) ** 2 * np.asarray(relvar, dtype=np.float64), 1.0)


def vote_success(relvar: ArrayLike, n: ArrayLike) -> FloatArray:
    """Phi(sqrt(n / v)), the inverse of `votes_needed`: 0.5 where v is infinite. The arguments broadcast."""
    v, num = np.asarray(relvar, dtype=np.float64), np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(_special.ndtr(np.sqrt(num / v)), dtype=np.float64)


def proportion_low(success: ArrayLike, trials: ArrayLike, *, tail: float) -> FloatArray:
    """Lower Clopper-Pearson end with error ``tail``, elementwise; 0 without successes."""
    k, n = np.asarray(success, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    return np.where(k > 0, _special.betaincinv(np.maximum(k, 1.0), n - k + 1.0, tail), 0.0)


def proportion_high(success: ArrayLike, trials: ArrayLike, *, tail: float) -> FloatArray:
    """Upper Clopper-Pearson end with error ``tail``, elementwise; 1 without failures."""
    k, n = np.asarray(success, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    return np.where(k < n, _special.betaincinv(k + 1.0, np.maximum(n - k, 1.0), 1.0 - tail), 1.0)


def _solve(a: FloatArray, b: FloatArray, m: FloatArray, level: float) -> tuple[FloatArray, ...]:
    alpha = 1.0 - level
    tail_s, tail = _SHARE * alpha / 2, (1 - _SHARE) * alpha / 2
    v = a + b
    s_low, s_high = proportion_low(v, m, tail=tail_s), proportion_high(v, m, tail=tail_s)
    theta_low = proportion_low(a, v, tail=tail)
    theta_high = _theta_high(a, b, s_low, tail=tail)

    p1, p2 = a / m, b / m
    gap = p1 - p2
    lean_low = 2 * theta_low - 1
    z = NormalDist().inv_cdf(tail)
    # Even votes that all agree must be so many that a fair coin rarely does the same.
    unanimous = -math.log2(tail) / np.where(gap > 0, p1 + p2, 1.0)
    decide = np.maximum(z**2 * (p1 + p2) / np.where(gap > 0, gap, 1.0) ** 2, unanimous)
    return (
        p1,
        p2,
        gap,
        np.where(theta_low > 0.5, theta_low * s_low, np.minimum(theta_low * s_low, _most_low(a, m, tail=tail))),
        theta_high * s_high,
        (1 - theta_high) * s_low,
        (1 - theta_low) * s_high,
        lean_low * np.where(lean_low > 0, s_low, s_high),
        (2 * theta_high - 1) * s_high,
        _relvar(p1 + p2, a / np.maximum(v, 1.0)),
        _relvar(s_high, theta_high),
        _relvar(s_low, theta_low),
        np.where(gap > 0, np.ceil(decide), np.inf),
    )


def _relvar(s: FloatArray, theta: FloatArray) -> FloatArray:
    lean = 2 * theta - 1
    decided = (lean > 0) & (s > 0)
    inverse = np.where(decided, s * lean**2, 1.0)
    return np.where(decided, np.maximum(1 / inverse - 1, 0.0), np.inf)


def _most_low(a: FloatArray, m: FloatArray, *, tail: float) -> FloatArray:
    """The p with P(Bin(m, p) >= N_a) = tail * p: 0 with one vote, which any of many answers may have."""
    low, high = np.zeros_like(a), np.where(a >= 2, a / m, 0.0)
    for _ in range(_BISECTIONS):
        p = (low + high) / 2
        too_small = _special.betainc(np.maximum(a, 1.0), m - a + 1.0, p) < tail * p
        low, high = np.where(too_small, p, low), np.where(too_small, high, p)
    return low


def _theta_high(a: FloatArray, b: FloatArray, s_low: FloatArray, *, tail: float) -> FloatArray:
    """Largest theta with K(theta) P(Bin(V, theta) <= N_a) >= tail, where K = (1 - theta s) / ((1 - theta) s)."""
    low, high = a / np.maximum(a + b, 1.0), np.ones_like(a)
    solvable = b >= 2  # with b = 1 the product tends to V (1 - s) / s >= tail, so every theta up to 1 is possible
    low, high = np.where(solvable, low, 1.0), high
    rest = np.where(solvable, b, 1.0)
    for _ in range(_BISECTIONS if solvable.any() else 0):
        theta = (low + high) / 2
        below = _special.betaincc(a + 1.0, rest, theta)  # P(Bin(V, theta) <= N_a)
        room = (1 - theta * s_low) / np.maximum((1 - theta) * s_low, 1e-300)
        possible = below * np.maximum(room, 1.0) >= tail
        low, high = np.where(possible, theta, low), np.where(possible, high, theta)
    return np.where(solvable, high, 1.0)
