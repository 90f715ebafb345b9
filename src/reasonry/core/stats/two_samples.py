"""Permutation test of two independent samples: does it matter which sample a value is in?

    T   = mean of the first - mean of the second
    p   = share of the C(N, n1) ways to split all N values that are at least as extreme as T  (exact), or
    p   = (1 + hits) / (1 + resamples) when splits are drawn                                               [1]

Two-sided compares absolute differences. Exact when values of both samples are exchangeable under the null.

[1] Phipson and Smyth, SAGMB 9 (2010) 39.
"""

# pyright: strict
from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats.paired import Alternative
from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]

MAX_EXACT_SPLITS = 20_000
"""Up to this many splits all are looked at."""

_BLOCK = 1 << 22


class PermutationResult(NamedTuple):
    """Result of `two_sample_permutation`.

    Attributes:
        effect: Mean of the first - mean of the second.
        p_value: Of the hypothesis that the samples are exchangeable.
        method: Name of the test, with "exact" or the number of resamples.
    """

    effect: float
    p_value: float
    method: str


def two_sample_permutation(
    first_N: ArrayLike,
    second_M: ArrayLike,
    *,
    seed: int,
    num_resamples: int = 20_000,
    alternative: Alternative = "two-sided",
) -> PermutationResult:
    """Permutation test of the difference of two means.

    Args:
        first_N: Shape ``(N,)``.
        second_M: Shape ``(M,)``.
        seed: Seed of drawn splits; unused up to `MAX_EXACT_SPLITS` splits.
        num_resamples: Splits to draw beyond that.
        alternative: "greater" asks whether the first mean is larger.

    Raises:
        ConfigError: Unknown ``alternative``, or ``num_resamples`` below 1.
        DataError: A sample is empty or holds a value that is not finite.
    """
    known = ("two-sided", "greater", "less")
    if alternative not in known:
        raise ConfigError(f"unknown alternative={alternative!r}", remedy=nearest(alternative, known))
    if num_resamples < 1:
        raise ConfigError(f"num_resamples={num_resamples} is below 1")
    first, second = np.asarray(first_N, dtype=np.float64), np.asarray(second_M, dtype=np.float64)
    for sample in (first, second):
        if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
            raise DataError(f"values of shape {sample.shape} are not a non-empty list of finite numbers")
    pooled = np.concatenate([first, second])
    centred = pooled - pooled.mean()  # the difference is a multiple of the first sample's sum; centred it is symmetric
    observed = float(centred[: first.size].sum())
    slack = 1e-12 * float(np.abs(centred).sum())
    num_splits = math.comb(pooled.size, first.size)
    if num_splits <= MAX_EXACT_SPLITS:
        chosen = np.array(list(combinations(range(pooled.size), first.size)))
        total = centred[chosen].sum(axis=1)
        p_value = float(_is_extreme(total, observed, slack, alternative).mean())
        method = "permutation exact"
    else:
        rng = stream(seed, "two_sample_permutation")
        hits, rows = 0, max(1, _BLOCK // pooled.size)
        for start in range(0, num_resamples, rows):
            tiled = np.tile(centred, (min(rows, num_resamples - start), 1))
            total = rng.permuted(tiled, axis=1)[:, : first.size].sum(axis=1)
            hits += int(_is_extreme(total, observed, slack, alternative).sum())
        p_value = (1 + hits) / (1 + num_resamples)
        method = f"permutation, {num_resamples} resamples"
    return PermutationResult(float(first.mean() - second.mean()), p_value, method)


def _is_extreme(total: FloatArray, observed: float, slack: float, alternative: Alternative) -> NDArray[np.bool_]:
    if alternative == "greater":
        return total >= observed - slack
    if alternative == "less":
        return total <= observed + slack
    return np.abs(total) >= abs(observed) - slack
