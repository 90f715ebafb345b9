"""What a group of samples says: pass@k, best-of-k and maj@k of a finite pool, and group-relative advantages.

A pool holds N samples of one problem. For a strategy that sees only k of them, the estimators below are the
exact average over all C(N, k) subsets, so that one pool gives the whole curve k = 1..N. Reading the curve off
the first k samples instead has the variance of a single draw.

    pass@k  = 1 - C(N - c, k) / C(N, k)                                   c of N are right      [1]
    bo@k    = sum_{i=k..N} C(i-1, k-1) / C(N, k) * r_(i)                  r_(i): correctness of rank i,
                                                                          averaged within ties in score
    maj@k   = sum_m C(c_t, m) * W_m(k - m) / C(N, k)                      c_t votes for the target
    W_m(j)  = int_0^1 [z^j] (1+z)^a prod_o F_o,m(z, y) dy                 a abstentions, rivals o
    F_o,m   = sum_{x<m} C(c_o, x) z^x + y C(c_o, m) z^m

In maj@k the target draws m votes, no rival draws more, and t rivals draw as many: a uniform tie-break wins
with probability 1/(1+t) = int_0^1 y^t dy. The integrand is a polynomial in y, so Gauss-Legendre quadrature
with ceil((T+1)/2) nodes is exact, where T counts the rivals with at least m votes; a rival with fewer
cannot catch up and joins the abstentions. Every term is positive: nothing cancels, and errors stay at some
units in the last place. At most N/m rivals reach m votes, hence O(N^3 log N) operations for all k together.

Symbols: P problems, G samples in a group, K curve points.

[1] Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.
[2] Shao et al., "DeepSeekMath", arXiv 2402.03300 (group-relative advantage).
[3] Ahmadian et al., "Back to Basics", arXiv 2402.14740 (leave-one-out baseline).
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats import check_level, resample_counts
from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]

MAX_VOTES = 1024
"""Largest pool of `maj_at_k`: C(1024, 512) = 4.5e306 still is a float64, C(1030, 515) is not."""

_WEIGHT_BLOCK = 1 << 22  # entries of one block of best-of-k weights: 32 MiB


def pass_at_k(num_right: ArrayLike, num_samples: ArrayLike, k: ArrayLike) -> FloatArray:
    """Probability that at least one of k samples drawn without replacement is right.

    Args:
        num_right: Right samples c in the pool. The three arguments broadcast against each other.
        num_samples: Pool size N.
        k: Samples seen, ``1 <= k <= N``.

    Returns:
        The broadcast shape (0-d for three scalars). Computed by a recurrence without subtraction, so that
        small values keep their relative accuracy.

    Raises:
        ConfigError: ``k`` is not within 1..N, or ``num_right`` not within 0..N.
        DataError: An argument is not integer.
    """
    right, total, seen = (
        _integers(value, name) for value, name in ((num_right, "num_right"), (num_samples, "num_samples"), (k, "k"))
    )
    _refuse("k", seen, total, least=1)
    _refuse("num_right", right, total, least=0)

    right, total = np.broadcast_arrays(right, total)
    longest = int(seen.max(initial=0))
    step = np.arange(longest)
    left = np.maximum(total[..., None] - step, 1)
    # fail[j]: no right sample among the first j; each draw adds fail[j] * (chance that draw j + 1 is right).
    survive = np.maximum(left - right[..., None], 0) / left
    fail = np.cumprod(np.concatenate([np.ones_like(survive[..., :1]), survive[..., :-1]], axis=-1), axis=-1)
    table = np.minimum(np.cumsum(fail * np.minimum(right[..., None] / left, 1.0), axis=-1), 1.0)
    shape = np.broadcast_shapes(right.shape, seen.shape)
    table = np.broadcast_to(table, (*shape, longest))
    picked = np.take_along_axis(table, np.broadcast_to(seen, shape)[..., None] - 1, axis=-1)[..., 0]
    return np.where((seen > total - right) & (right > 0), 1.0, picked)


class BestOfK(NamedTuple):
    """Result of `best_of_k`.

    Attributes:
        curve: Shape ``(..., N)``; entry k-1 is the expected correctness of the best of k.
        num_unscored: Shape ``(...)``; samples whose score is NaN.
    """

    curve: FloatArray
    num_unscored: NDArray[np.int64]


def best_of_k(scores: ArrayLike, correct: ArrayLike) -> BestOfK:
    """Expected correctness of the highest-scored of k samples, for every k = 1..N.

    Samples that share the highest score are chosen among uniformly. A sample whose score is NaN loses to
    every scored one, minus infinity included; a subset in which nothing is scored is chosen among
    uniformly.

    Args:
        scores: Shape ``(..., N)``, the last axis is the pool; infinities are allowed.
        correct: Same shape: right or wrong, or any finite reward.

    Raises:
        DataError: The shapes differ, the pool is empty, or ``correct`` is not finite.
    """
    score = np.asarray(scores, dtype=np.float64)
    gold = np.asarray(correct, dtype=np.float64)
    if score.shape != gold.shape or score.ndim == 0 or score.shape[-1] == 0:
        raise DataError(
            f"scores of shape {score.shape} and correctness of shape {gold.shape} are not one pool",
            remedy="Both need the same shape with at least one sample on the last axis.",
        )
    if not np.isfinite(gold).all():
        raise DataError(f"{int((~np.isfinite(gold)).sum())} of {gold.size} correctness values are not finite")

    total = score.shape[-1]
    unscored = np.isnan(score)
    order = np.lexsort((np.where(unscored, 0.0, score), ~unscored), axis=-1)
    ranked = np.take_along_axis(gold, order, axis=-1).reshape(-1, total)
    key = np.take_along_axis(np.where(unscored, 0.0, score), order, axis=-1).reshape(-1, total)
    absent = np.take_along_axis(unscored, order, axis=-1).reshape(-1, total)
    starts = np.ones(key.shape, dtype=bool)
    starts[:, 1:] = (key[:, 1:] != key[:, :-1]) | (absent[:, 1:] != absent[:, :-1])
    tie = np.cumsum(starts.ravel()) - 1
    mean = np.bincount(tie, weights=ranked.ravel()) / np.bincount(tie)
    tied = mean[tie].reshape(key.shape)

    curve = np.empty(key.shape)
    width = max(1, _WEIGHT_BLOCK // total)
    for first in range(1, total + 1, width):
        k = np.arange(first, min(first + width, total + 1))
        curve[:, k - 1] = tied @ _rank_weights(total, k)
    if key.size:
        # The weights of one k sum to 1 up to rounding; an average stays within what it averages.
        curve = np.clip(curve, tied.min(axis=1, keepdims=True), tied.max(axis=1, keepdims=True))
    return BestOfK(curve.reshape(score.shape), np.asarray(unscored.sum(axis=-1), dtype=np.int64))


def _rank_weights(total: int, k: NDArray[np.int64]) -> FloatArray:
    """C(i-1, k-1) / C(N, k) for rank i = 1..N (rows) and the given k (columns)."""
    rank = np.arange(total, 1, -1)[:, None]
    ratio = np.maximum(rank - k, 0) / (rank - 1)
    weight: FloatArray = np.concatenate([(k / total)[None, :], ratio])
    return np.cumprod(weight, axis=0, dtype=np.float64)[::-1]


def maj_at_k(counts: Sequence[int] | NDArray[np.int64], target: int | None, *, num_abstain: int = 0) -> FloatArray:
    """Probability that a majority vote among k samples elects the target, for every k = 1..N.

    Samples are drawn without replacement; answers that share the most votes win with equal probability.

    Args:
        counts: Votes for each distinct answer in the pool, the target's included; zeros are allowed.
        target: Index of the right answer in ``counts``; None when nobody gave it (the curve is then zero).
        num_abstain: Samples without a readable answer. They are drawn but do not vote; a subset of nothing
            else elects nobody, which counts as wrong.

    Returns:
        Shape ``(N,)`` with N = sum(counts) + num_abstain; entry k-1 is maj@k.

    Raises:
        ConfigError: ``target`` is no index of ``counts``, or the pool exceeds `MAX_VOTES`.
        DataError: A count is negative or not an integer, or the pool is empty.
    """
    votes = _integers(counts, "counts")
    if votes.ndim != 1 or (votes < 0).any() or num_abstain < 0 or votes.sum() + num_abstain == 0:
        raise DataError(
            f"counts of shape {votes.shape} that sum to {votes.sum()}, smallest {votes.min(initial=0)}, "
            f"with num_abstain={num_abstain} are not a pool of votes",
            remedy="Give one non-negative number of votes per distinct answer, at least one sample in all.",
        )
    total = int(votes.sum()) + num_abstain
    if target is not None and not 0 <= target < votes.size:
        raise ConfigError(f"target={target} is no index of {votes.size} answers", remedy="None means absent.")
    if total > MAX_VOTES:
        raise ConfigError(
            f"a pool of {total} samples exceeds {MAX_VOTES}",
            remedy=f"Estimate from a random part of the pool: {MAX_VOTES} samples, still without bias.",
        )
    curve = np.zeros(total)
    if target is None or votes[target] == 0:
        return curve

    own = int(votes[target])
    rivals = [int(c) for index, c in enumerate(votes) if index != target]
    for m in range(1, own + 1):
        contenders = [c for c in rivals if c >= m]
        ways = np.convolve(_contest(contenders, m), _binomials(total - own - sum(contenders)))
        curve[m - 1 : m - 1 + ways.size] += _binomials(own)[m] * ways
    curve = np.minimum(curve / _binomials(total)[1:], 1.0)
    leaders = int((votes == votes.max()).sum())
    curve[-1] = 1.0 / leaders if own == votes.max() else 0.0
    return curve


def _contest(contenders: list[int], m: int) -> FloatArray:
    """Ways in which rivals draw j votes, none over m, weighted by 1/(1 + number that draw exactly m)."""
    node, weight = _unit_quadrature((len(contenders) + 2) // 2)
    ways = np.ones((node.size, 1))
    for count in contenders:
        factor = np.repeat(_binomials(count)[None, : m + 1], node.size, axis=0)
        factor[:, m] *= node
        short, long = (factor, ways) if factor.shape[1] <= ways.shape[1] else (ways, factor)
        ways = np.zeros((node.size, short.shape[1] + long.shape[1] - 1))
        for shift in range(short.shape[1]):
            ways[:, shift : shift + long.shape[1]] += short[:, shift, None] * long
    return weight @ ways


@lru_cache(maxsize=MAX_VOTES + 1)
def _binomials(n: int) -> FloatArray:
    """C(n, 0..n), each correctly rounded."""
    row = [1]
    for x in range(n):
        row.append(row[-1] * (n - x) // (x + 1))
    return _frozen(np.array(row, dtype=np.float64))


@lru_cache(maxsize=MAX_VOTES)
def _unit_quadrature(num_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [0, 1]: exact for polynomials of degree below 2 * num_nodes."""
    node, weight = np.polynomial.legendre.leggauss(num_nodes)
    return _frozen((node + 1.0) / 2.0), _frozen(weight / weight.sum())


def _frozen(array: FloatArray) -> FloatArray:
    array.flags.writeable = False  # cached and shared between callers
    return array


def _refuse(name: str, value: NDArray[np.int64], total: NDArray[np.int64], *, least: int) -> None:
    value, total = np.broadcast_arrays(value, total)
    bad = (value < least) | (value > total)
    if bad.any():
        raise ConfigError(
            f"{name}={value[bad][0]} does not fit a pool of {total[bad][0]} samples",
            remedy=f"It must be within {least}..{total[bad][0]}.",
        )


def _integers(value: ArrayLike, name: str) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.size and array.dtype.kind not in "iuf":
        raise DataError(f"{name} of type {array.dtype} is not integer")
    fraction = array != np.floor(array)  # NaN included
    if fraction.any():
        raise DataError(f"{name}={array[fraction][0]} is not integer")
    return array.astype(np.int64)


class GroupAdvantages(NamedTuple):
    """Result of `group_advantages`.

    Attributes:
        advantage_PG: Same shape as the rewards, float64.
        is_degenerate_P: Groups without two different rewards: they teach nothing, and all their advantages
            are 0.
    """

    advantage_PG: FloatArray
    is_degenerate_P: NDArray[np.bool_]


def group_advantages(
    reward_PG: ArrayLike,
    *,
    kind: Literal["mean", "grpo", "rloo"] = "grpo",
    eps: float = 1e-4,
    ddof: Literal[0, 1] = 0,
) -> GroupAdvantages:
    """How much better each sample did than its own group.

        mean: r_i - mean_j r_j
        grpo: (r_i - mean_j r_j) / (std_j r_j + eps)
        rloo: r_i - mean_{j != i} r_j = n / (n - 1) * (r_i - mean_j r_j)

    A NaN reward (a verifier that could not judge) is left out of its group's mean and std and gets advantage
    0. Whether a group is degenerate is decided by comparing rewards, since the std of eight times 0.95 need
    not round to 0.

    Args:
        reward_PG: Shape ``(..., G)``; each group is a row.
        kind: The baseline.
        eps: Added to the std in ``grpo``, in units of the reward.
        ddof: 0 divides the squared deviations by n, 1 by n - 1 (what TRL does); only ``grpo`` uses it.

    Raises:
        ConfigError: Unknown ``kind``, ``ddof`` not 0 or 1, or negative ``eps``.
        DataError: A reward is infinite, or groups are empty.
    """
    if kind not in ("mean", "grpo", "rloo"):
        raise ConfigError(f"unknown kind={kind!r}", remedy=nearest(kind, ["mean", "grpo", "rloo"]))
    if not eps >= 0 or ddof not in (0, 1):
        raise ConfigError(f"eps={eps}, ddof={ddof} define no scale", remedy="Use eps >= 0 and ddof 0 or 1.")
    reward = np.asarray(reward_PG, dtype=np.float64)
    if reward.ndim == 0 or reward.shape[-1] == 0 or np.isinf(reward).any():
        raise DataError(f"rewards of shape {reward.shape} hold an infinity or no group on the last axis")

    valid = ~np.isnan(reward)
    num_valid = valid.sum(axis=-1, keepdims=True)
    top = np.where(valid, reward, -np.inf).max(axis=-1, keepdims=True)
    bottom = np.where(valid, reward, np.inf).min(axis=-1, keepdims=True)
    degenerate = top <= bottom  # also with fewer than two valid rewards
    count = np.maximum(num_valid, 2)
    mean = np.where(valid, reward, 0.0).sum(axis=-1, keepdims=True) / count
    centred = np.where(valid & ~degenerate, reward - mean, 0.0)
    if kind == "grpo":
        std = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / (count - ddof))
        centred = centred / np.where(degenerate, 1.0, std + eps)
    elif kind == "rloo":
        centred = centred * (count / (count - 1))
    return GroupAdvantages(centred, degenerate[..., 0])


class MeanCurve(NamedTuple):
    """A curve averaged over problems, with a pointwise band.

    Attributes:
        mean_K: Mean over problems.
        low_K: Lower end of the band; NaN with fewer than two problems, which say nothing about their spread.
        high_K: Upper end of the band.
        level: Nominal coverage at each k on its own, not of the whole curve.
        num_problems: How many problems were averaged.
    """

    mean_K: FloatArray
    low_K: FloatArray
    high_K: FloatArray
    level: float
    num_problems: int


def mean_curve(curve_PK: ArrayLike, *, seed: int, num_boot: int = 2000, level: float = 0.95) -> MeanCurve:
    """Average curves over problems, with a percentile bootstrap band from resampling the problems.

    Samples within a problem are not resampled: their noise is already part of the spread between problems.

    Resampling cannot show what no row shows: where every problem has the value 0 its band is [0, 0], and with
    one success among 48 problems it covers far less often than it says. Curves of probabilities (every value
    within [0, 1]) therefore get the hull of the bootstrap band and Wilson's score interval for P / d trials:

        { mu : |m - mu| <= z sqrt(mu (1 - mu) d / P) }      m, s^2: mean and variance over problems
        d = (1 + n s^2 / (m (1 - m))) / (1 + n)             spread relative to that of 0s and 1s, in (0, 1]
        n = min over y in {x, 1 - x} of (sum y)^2 / sum y^2

    n is Kish's effective number of problems that carry the distance from 0 or from 1. The fewer there are, the
    less their values tell about the values not seen, and the closer d is to the 1 of a curve of 0s and 1s (one
    such problem counts as seen beforehand). For 0s and 1s the hull covers at the level for any success rate
    and P >= 20; with many problems and a mean away from both ends it is some percent wider than the bootstrap.

    Args:
        curve_PK: Shape ``(P, K)``.
        seed: Seed of the resampling.
        num_boot: Resamples.
        level: Nominal coverage.

    Raises:
        ConfigError: ``num_boot`` or ``level`` is out of range.
        DataError: Not a non-empty matrix of finite numbers.
    """
    curve = np.asarray(curve_PK, dtype=np.float64)
    check_level(level)
    if curve.ndim != 2 or curve.shape[0] == 0 or not np.isfinite(curve).all():
        raise DataError(
            f"curves of shape {curve.shape} are not a non-empty matrix of finite numbers",
            remedy="Give one row per problem, all with the same k.",
        )
    num_problems = curve.shape[0]
    mean = curve.mean(axis=0)
    if num_problems < 2:
        nothing = np.full_like(mean, np.nan)
        return MeanCurve(mean, nothing, nothing.copy(), level, num_problems)
    chunks = resample_counts(stream(seed, "mean_curve"), num_problems, num_boot=num_boot)
    boot = np.concatenate([counts @ curve for counts in chunks]) / num_problems
    low, high = np.quantile(boot, [(1 - level) / 2, (1 + level) / 2], axis=0)
    if (curve >= 0).all() and (curve <= 1).all():
        score_low, score_high = _score_band(curve, level)
        low, high = np.minimum(low, score_low), np.maximum(high, score_high)
    return MeanCurve(mean, low, high, level, num_problems)


def _score_band(curve_PK: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's interval of means of values within [0, 1], with the trials that their spread is worth."""
    mean = curve_PK.mean(axis=0)
    binary = mean * (1 - mean)
    flat = binary <= 0  # all values 0, or all 1 (a mean of 1 - 1e-17 rounds to 1)
    ratio = np.where(flat, 1.0, curve_PK.var(axis=0) / np.where(flat, 1.0, binary))
    num_apart = np.minimum(_kish(curve_PK), _kish(1 - curve_PK))
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2 / curve_PK.shape[0]
    z2 = z2 * np.minimum((1 + num_apart * ratio) / (1 + num_apart), 1.0)
    centre = (mean + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * (binary + z2 / 4)) / (1 + z2)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _kish(share_PK: FloatArray) -> FloatArray:
    """(sum y)^2 / sum y^2 over problems; 0 where every y is 0 (or so small that its square is)."""
    square = (share_PK**2).sum(axis=0)
    none = square <= 0
    return np.where(none, 0.0, share_PK.sum(axis=0) ** 2 / np.where(none, 1.0, square))
