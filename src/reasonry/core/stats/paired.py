"""Tests for the same problems answered by two systems, and Holm's correction for several tests.

    McNemar      b problems only the first got right, c only the second: b ~ Binomial(b + c, 1/2)      [1]
    sign test    the same with the signs of the differences; zeros say nothing and are left out
    permutation  under exchange of the two systems every |d_i| keeps its size and has a fair sign      [2]
                 p = share of the 2^n sign patterns with a mean at least as extreme (exact), or
                 p = (1 + hits) / (1 + resamples) when they are sampled, which is valid as it stands   [3]
    Holm         adj_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))                                      [4]

A two-sided p-value of a test at 1/2 is twice the smaller tail, at most 1.

[1] McNemar, Psychometrika 12 (1947) 153.  [2] Fisher, The Design of Experiments (1935), section 21.
[3] Phipson and Smyth, SAGMB 9 (2010) 39.  [4] Holm, Scand. J. Statist. 6 (1979) 65.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats._special import binomial_half_cdf
from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]
Alternative = Literal["two-sided", "greater", "less"]

MAX_EXACT_PAIRS = 20
"""Up to this many non-zero differences all 2^n sign patterns are enumerated (2^20: 8 MiB, some 20 ms)."""

_SIGN_BLOCK = 1 << 22  # signs drawn at a time


class PairedResult(NamedTuple):
    """Result of a paired test.

    Attributes:
        effect: Mean of first - second over all pairs.
        p_value: Of the null hypothesis that the two are exchangeable.
        num_pairs: Pairs given.
        num_informative: Pairs that differ; only these bear on the p-value.
        method: Name of the test, with "exact" or the number of resamples.
    """

    effect: float
    p_value: float
    num_pairs: int
    num_informative: int
    method: str


def mcnemar_exact(first_N: ArrayLike, second_N: ArrayLike, *, alternative: Alternative = "two-sided") -> PairedResult:
    """Exact McNemar test of two systems on the same N problems, right or wrong on each.

    Args:
        first_N: Shape ``(N,)``, booleans or 0/1.
        second_N: Same shape, same order of problems.
        alternative: "greater" asks whether the first is better.

    Raises:
        ConfigError: Unknown ``alternative``.
        DataError: The shapes differ, there are no pairs, or a value is neither 0 nor 1.
    """
    first, second = np.asarray(first_N, dtype=np.float64), np.asarray(second_N, dtype=np.float64)
    if first.shape != second.shape:
        raise DataError(f"outcomes of shapes {first.shape} and {second.shape} are not pairs")
    if not (np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all()):
        raise DataError(
            "an outcome is neither right (1) nor wrong (0)",
            remedy="Leave out ungradable pairs, or use sign_test or paired_permutation on scores.",
        )
    return _signs(_differences(first - second), alternative, "mcnemar exact")


def sign_test(difference_N: ArrayLike, *, alternative: Alternative = "two-sided") -> PairedResult:
    """Exact sign test: are positive differences as frequent as negative ones?

    Args:
        difference_N: Shape ``(N,)``, first - second for each problem.
        alternative: "greater" asks whether positive differences prevail.

    Raises:
        ConfigError: Unknown ``alternative``.
        DataError: No differences, or one that is not finite.
    """
    return _signs(_differences(difference_N), alternative, "sign exact")


def paired_permutation(
    difference_N: ArrayLike,
    *,
    seed: int,
    num_resamples: int = 20_000,
    alternative: Alternative = "two-sided",
) -> PairedResult:
    """Sign-flip permutation test of the mean of paired differences.

    Args:
        difference_N: Shape ``(N,)``, first - second for each problem (or for each cluster of problems).
        seed: Seed of the sampled sign patterns; unused up to `MAX_EXACT_PAIRS` non-zero differences.
        num_resamples: Sign patterns to sample beyond that.
        alternative: "greater" asks whether the mean is above zero. Two-sided compares absolute means.

    Raises:
        ConfigError: Unknown ``alternative``, or ``num_resamples`` below 1.
        DataError: No differences, or one that is not finite.
    """
    _check_alternative(alternative)
    if num_resamples < 1:
        raise ConfigError(f"num_resamples={num_resamples} is below 1")
    difference = _differences(difference_N)
    size = np.abs(difference[difference != 0])
    observed = float(difference.sum())
    # Sums that are equal in exact arithmetic may differ by rounding; they must count as equally extreme.
    slack = 1e-12 * float(size.sum())
    if size.size <= MAX_EXACT_PAIRS:
        total = np.zeros(1)
        for d in size:
            total = np.concatenate([total - d, total + d])
        p_value = float(_is_extreme(total, observed, slack, alternative).mean())
        method = "sign-flip permutation exact"
    else:
        rng = stream(seed, "paired_permutation")
        hits = 0
        rows = max(1, _SIGN_BLOCK // size.size)
        for start in range(0, num_resamples, rows):
            flips = rng.integers(0, 2, size=(min(rows, num_resamples - start), size.size), dtype=np.int8)
            total = 2.0 * (flips @ size) - size.sum()
            hits += int(_is_extreme(total, observed, slack, alternative).sum())
        p_value = (1 + hits) / (1 + num_resamples)
        method = f"sign-flip permutation, {num_resamples} resamples"
    return PairedResult(float(difference.mean()), p_value, difference.size, size.size, method)


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down adjustment: rejecting what is at most alpha keeps the family-wise error at most alpha.

    Args:
        p_values: Shape ``(M,)``.

    Returns:
        Adjusted p-values in the order given. Valid under any dependence.

    Raises:
        DataError: A p-value is not within [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    bad = ~((p >= 0) & (p <= 1))
    if p.ndim != 1 or bad.any():
        raise DataError(
            f"p_values of shape {p.shape} are not a list of numbers in [0, 1]: {int(bad.sum())} are outside"
        )
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.minimum((p.size - np.arange(p.size)) * p[order], 1.0))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def _signs(difference: FloatArray, alternative: Alternative, method: str) -> PairedResult:
    _check_alternative(alternative)
    up, down = int((difference > 0).sum()), int((difference < 0).sum())
    if alternative == "greater":
        p_value = binomial_half_cdf(down, up + down)
    elif alternative == "less":
        p_value = binomial_half_cdf(up, up + down)
    else:
        p_value = min(1.0, 2.0 * binomial_half_cdf(min(up, down), up + down))
    return PairedResult(float(difference.mean()), p_value, difference.size, up + down, method)


def _is_extreme(total: FloatArray, observed: float, slack: float, alternative: Alternative) -> NDArray[np.bool_]:
    if alternative == "greater":
        return total >= observed - slack
    if alternative == "less":
        return total <= observed + slack
    return np.abs(total) >= abs(observed) - slack


def _differences(difference_N: ArrayLike) -> FloatArray:
    difference = np.asarray(difference_N, dtype=np.float64)
    if difference.ndim != 1 or difference.size == 0 or not np.isfinite(difference).all():
        raise DataError(
            f"differences of shape {difference.shape} are not a non-empty list of finite numbers",
            remedy="Leave out pairs in which a side could not be graded, and report how many.",
        )
    return difference


def _check_alternative(alternative: str) -> None:
    known = ("two-sided", "greater", "less")
    if alternative not in known:
        raise ConfigError(f"unknown alternative={alternative!r}", remedy=nearest(alternative, known))
