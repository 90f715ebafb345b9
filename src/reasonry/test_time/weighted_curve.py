"""weighted@k: how often a right answer wins the weighted vote among k samples of a finite pool.

    weighted@k = mean over all C(N, k) subsets S of  [ share of right answers among argmax_o W_S(o) ]
    W_S(o)     = sum_{i in S : a_i = o} w_i

which is the chance of a right answer when ties are broken uniformly. As in `reasonry.test_time.selection.weighted_vote`
an answer needs a weighted vote to win (a weight of 0 is one), a sample without a weight (NaN) votes only in subsets
that hold no weighted vote at all, and then each such sample counts 1; a sample without an answer never votes. When
several canonical answers are right they compete with each other, and exactly one of them wins.

Sums of real weights have no short generating function, so that maj@k's recursion does not carry over:

    equal weights   maj@k, exactly (`reasonry.core.groups.maj_at_k`), for pools up to its limit
    N <= 16         all 2^N subsets at once: W of the subsets with sample i is W of those without it, plus w_i
    larger N        R random orders of the pool. The first k of an order are a uniform subset, for every k at once; the
                    mean over orders has the standard error  std / sqrt(R), which is returned, with one 0 and one 1
                    added to what was seen: R equal shares do not prove that no other exists. k = 1 and k = N need
                    no chance and have none.

Weights are given once for the pool. For the transforms raw, exp and sigmoid that is the vote of each subset exactly
(exp's weights have a common factor only); rank weights are the ranks within the whole pool.

Symbols: N samples, A answers, K curve points, R orders, M = 2^N subsets.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core import groups, seeds
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.selection import TIE, Transform, score_weights
from reasonry.test_time.votes import Graded

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_EXACT = 16
"""Largest pool whose subsets are enumerated: 65,536 of them, some ten milliseconds."""

_MAX_ENTRIES = 1 << 23  # of one array of sums: 64 MiB


class WeightedCurve(NamedTuple):
    """Result of `weighted_curve`.

    Attributes:
        k_K: The subset sizes.
        curve_K: weighted@k.
        standard_error_K: Monte Carlo standard error of each entry; 0 where it is exact. It says nothing about other
            pools: that is what an interval over problems is for.
        method: ``exact`` or ``monte-carlo``.
        num_orders: Random orders drawn; 0 when exact.
    """

    k_K: IntArray
    curve_K: FloatArray
    standard_error_K: FloatArray
    method: Literal["exact", "monte-carlo"]
    num_orders: int


def weighted_curve(
    answers: Sequence[str | None],
    weights: ArrayLike,
    *,
    right: Collection[str],
    rng: np.random.Generator,
    k: Sequence[int] | None = None,
    num_orders: int = 1000,
    max_exact: int = MAX_EXACT,
) -> WeightedCurve:
    """Probability that a right answer wins the weighted vote among k samples drawn without replacement.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        weights: Shape ``(N,)``; NaN for a sample without one. Negative weights are added up as they are.
        right: The canonical answers that are right; those that nobody gave make no difference.
        rng: Draws the orders when the pool is large.
        k: Subset sizes within 1..N; all of them when not given.
        num_orders: Random orders R for a large pool, at least 2.
        max_exact: Largest pool to enumerate, up to 20.

    Raises:
        ConfigError: A ``k`` outside 1..N, fewer than two orders, or ``max_exact`` above 20.
        DataError: An empty pool, answers and weights that are not one pool, or an infinite weight.
    """
    weight, size = _checked(answers, weights), len(answers)
    wanted = np.arange(1, size + 1) if k is None else np.asarray(k, dtype=np.int64)
    if wanted.ndim != 1 or (wanted < 1).any() or (wanted > size).any():
        raise ConfigError(f"k={list(k or ())} does not fit a pool of {size} samples", remedy=f"Use 1..{size}.")
    if num_orders < 2 or not 0 <= max_exact <= 20:
        raise ConfigError(
            f"num_orders={num_orders}, max_exact={max_exact}",
            remedy="At least 2 orders have a standard error; 2^20 subsets are the most to enumerate.",
        )
    pool = _coded(answers, weight, right)
    if (known := _closed_form(pool)) is not None:
        return _exact(wanted, known[wanted - 1])
    if size <= max_exact:
        return _exact(wanted, _enumerated(pool)[wanted - 1])
    mean, error = _sampled(pool, wanted, rng, num_orders)
    return WeightedCurve(wanted, mean, error, "monte-carlo", num_orders)


def weighted_at_k(
    samples: Sequence[Graded],
    *,
    seed: int,
    problem_id: str = "",
    transform: Transform = "exp",
    beta: float = 1.0,
    num_orders: int = 1000,
) -> FloatArray:
    """weighted@k of one problem's graded pool for every k = 1..N; shape ``(N,)``. See `weighted_curve`.

    Args:
        samples: The pool.
        seed: Root of the random orders of a large pool.
        problem_id: Names the problem's own orders, so that errors of different problems are independent.
        transform: How scores become weights.
        beta: Factor of the scores in ``exp`` and ``sigmoid``.
        num_orders: Random orders for a large pool.

    Raises:
        DataError: An empty pool, or ``raw`` meets an infinite score.
        ConfigError: Unknown ``transform``, or ``beta`` or ``num_orders`` is out of range.
    """
    answers = [s.answer for s in samples]
    scores = [math.nan if s.answer is None else s.score for s in samples]
    return weighted_curve(
        answers,
        score_weights(scores, transform=transform, beta=beta).weight_N,
        right={s.answer for s in samples if s.grade == "right" and s.answer is not None},
        rng=seeds.stream(seed, "weighted@k", problem_id),
        num_orders=num_orders,
    ).curve_K


# ---------------------------------------------------------------- the pool as numbers


class _Coded(NamedTuple):
    """A pool with its answers numbered, the right ones first.

    Attributes:
        code_N: Number of each sample's answer; -1 for a sample without one.
        weight_N: As given; 1 for every sample when no sample with an answer has a weight.
        is_spare_N: Samples that vote only where no weighted vote is.
        num_answers: A.
        num_right: The answers 0..num_right - 1 are right.
    """

    code_N: IntArray
    weight_N: FloatArray
    is_spare_N: NDArray[np.bool_]
    num_answers: int
    num_right: int


def _checked(answers: Sequence[str | None], weights: ArrayLike) -> FloatArray:
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(answers),) or not len(answers):
        raise DataError(
            f"{len(answers)} answers and weights of shape {weight.shape} are not one pool",
            remedy="Give one weight per answer, NaN where there is none, and at least one sample.",
        )
    if np.isinf(weight).any():
        raise DataError(f"{int(np.isinf(weight).sum())} weights are infinite", remedy="See score_weights.")
    return weight


def _coded(answers: Sequence[str | None], weight: FloatArray, right: Collection[str]) -> _Coded:
    names = sorted({a for a in answers if a is not None}, key=lambda name: (name not in right, name))
    number = {name: at for at, name in enumerate(names)}
    code = np.array([-1 if a is None else number[a] for a in answers], dtype=np.int64)
    if np.isnan(weight[code >= 0]).all():
        weight = np.ones_like(weight)
    return _Coded(code, weight, (code >= 0) & np.isnan(weight), len(names), sum(name in right for name in names))


def _closed_form(pool: _Coded) -> FloatArray | None:
    """The curve where it needs neither enumeration nor chance; None elsewhere."""
    size, votes = pool.code_N.size, pool.code_N >= 0
    if not pool.num_right:
        return np.zeros(size)
    if pool.num_right == pool.num_answers:
        return groups.pass_at_k(int(votes.sum()), size, np.arange(1, size + 1))
    cast_by = pool.weight_N[votes]
    if size > groups.MAX_VOTES or pool.is_spare_N.any() or cast_by[0] <= 0 or (cast_by != cast_by[0]).any():
        return None
    tally: Counter[int] = Counter(pool.code_N[votes].tolist())
    counts = [tally[at] for at in range(pool.num_answers)]
    silent = int((~votes).sum())
    curves = [groups.maj_at_k(counts, target, num_abstain=silent) for target in range(pool.num_right)]
    return np.minimum(np.sum(curves, axis=0), 1.0)


def _exact(wanted: IntArray, curve: FloatArray) -> WeightedCurve:
    return WeightedCurve(wanted, curve, np.zeros_like(curve), "exact", 0)


def _share(tally_AX: FloatArray, slack_X: FloatArray, num_right: int) -> FloatArray:
    """Share of right answers among those in the lead, per column; 0 where nobody voted (all minus infinity)."""
    most = tally_AX.max(axis=0)
    leads = tally_AX >= most - slack_X
    return np.where(most > -np.inf, leads[:num_right].sum(axis=0) / leads.sum(axis=0), 0.0)


# ---------------------------------------------------------------- all subsets


def _enumerated(pool: _Coded) -> FloatArray:
    """The curve from all 2^N subsets; subset m holds sample i when bit i of m is set."""
    size = pool.code_N.size
    share = _subset_shares(pool, ~pool.is_spare_N, pool.weight_N)
    if pool.is_spare_N.any():
        backup = _subset_shares(pool, pool.is_spare_N, np.ones(size))
        weighted = (pool.code_N >= 0) & ~pool.is_spare_N
        holds_vote = (np.arange(1 << size) & int((weighted << np.arange(size)).sum())) != 0
        share = np.where(holds_vote, share, backup)
    members = np.zeros(1 << size, dtype=np.int64)
    for i in range(size):
        members[1 << i : 2 << i] = members[: 1 << i] + 1
    total = np.bincount(members, weights=share, minlength=size + 1)[1:]
    return np.minimum(total / [math.comb(size, k) for k in range(1, size + 1)], 1.0)


def _subset_shares(pool: _Coded, voters_N: NDArray[np.bool_], weight_N: FloatArray) -> FloatArray:
    size = pool.code_N.size
    tally_AM = np.full((pool.num_answers, 1 << size), -np.inf)
    slack_M = np.zeros(1 << size)
    for i in range(size):
        low, high = slice(0, 1 << i), slice(1 << i, 2 << i)
        tally_AM[:, high], slack_M[high] = tally_AM[:, low], slack_M[low]
        if voters_N[i] and (answer := pool.code_N[i]) >= 0:
            before = tally_AM[answer, low]
            tally_AM[answer, high] = np.where(before > -np.inf, before, 0.0) + weight_N[i]
            slack_M[high] += TIE * abs(weight_N[i])
    return _share(tally_AM, slack_M, pool.num_right)


# ---------------------------------------------------------------- random orders


def _sampled(
    pool: _Coded, wanted: IntArray, rng: np.random.Generator, num_orders: int
) -> tuple[FloatArray, FloatArray]:
    """Mean over random orders, and its standard error."""
    size = pool.code_N.size
    width = max(1, _MAX_ENTRIES // max(size, pool.num_answers))
    total, square = np.zeros(wanted.size), np.zeros(wanted.size)
    for first in range(0, num_orders, width):
        num = min(width, num_orders - first)
        order_NR = np.ascontiguousarray(rng.permuted(np.tile(np.arange(size), (num, 1)), axis=1).T)
        share_KR = _prefix_shares(pool, ~pool.is_spare_N, pool.weight_N, order_NR, wanted)
        if pool.is_spare_N.any():
            backup = _prefix_shares(pool, pool.is_spare_N, np.ones(size), order_NR, wanted)
            weighted = (pool.code_N >= 0) & ~pool.is_spare_N
            share_KR = np.where(np.cumsum(weighted[order_NR], axis=0)[wanted - 1] > 0, share_KR, backup)
        total += share_KR.sum(axis=1)
        square += (share_KR**2).sum(axis=1)
    mean = total / num_orders
    # With one 0 and one 1 added: what never happened in R orders may still happen once in R.
    seen = num_orders + 2
    error = np.sqrt(np.maximum((square + 1) / seen - ((total + 1) / seen) ** 2, 0.0) / seen)
    votes_right = ((pool.code_N >= 0) & (pool.code_N < pool.num_right)).sum()
    single, whole = wanted == 1, wanted == size
    return np.where(single, votes_right / size, mean), np.where(single | whole, 0.0, error)


def _prefix_shares(
    pool: _Coded, voters_N: NDArray[np.bool_], weight_N: FloatArray, order_NR: IntArray, wanted: IntArray
) -> FloatArray:
    """Shares of right answers after the first k of each order, for the wanted k; shape ``(K, R)``."""
    num_orders = order_NR.shape[1]
    # A sample that casts no vote adds nothing to an extra row, which never wins.
    code_N = np.where(voters_N & (pool.code_N >= 0), pool.code_N, pool.num_answers)
    given_N = np.where(code_N < pool.num_answers, weight_N, 0.0)
    cell_NR = np.asarray(code_N[order_NR], dtype=np.int64) * num_orders + np.arange(num_orders, dtype=np.int64)
    weight_NR = given_N[order_NR]
    tally_AR = np.full((pool.num_answers + 1, num_orders), -np.inf)
    cells, slack_R = tally_AR.ravel(), np.zeros(num_orders)
    rows: dict[int, list[int]] = {}
    for row, k in enumerate(wanted.tolist()):
        rows.setdefault(k, []).append(row)
    share_KR = np.empty((wanted.size, num_orders))
    for at in range(max(rows, default=0)):
        before = cells[cell_NR[at]]
        cells[cell_NR[at]] = np.where(before > -np.inf, before, 0.0) + weight_NR[at]
        slack_R += TIE * np.abs(weight_NR[at])
        for row in rows.get(at + 1, ()):
            share_KR[row] = _share(tally_AR[:-1], slack_R, pool.num_right)
    return share_KR
