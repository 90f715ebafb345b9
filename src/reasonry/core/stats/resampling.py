"""Bootstrap intervals for any statistic of independent rows.

    percentile  [ Q(a/2), Q(1 - a/2) ]              Q: quantiles of the resampled statistics, a = 1 - level
    BCa         [ Q(A(z_{a/2})), Q(A(z_{1-a/2})) ]
    A(z)        Phi( z0 + (z0 + z) / (1 - c (z0 + z)) )
    z0          Phi^-1( share of resamples below the estimate, those equal to it counted half )
    c           sum_i d_i^3 / (6 (sum_i d_i^2)^1.5),  d_i = mean of the jackknife - its i-th value

BCa corrects percentile limits for bias (z0) and for a spread that changes with the value (c), and is
second-order accurate. Source: Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987) 171.

Rows must be independent. For samples that come in clusters (several per problem) resample the clusters:
pass one row per cluster, or cluster numbers with a plain statistic that gathers their members.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats._special import ndtr, ndtri
from reasonry.core.stats.intervals import Interval, check_level
from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]
Statistic = Callable[[NDArray[Any]], Any]

_BLOCK = 1 << 22  # numbers resampled at a time


class BootstrapResult(NamedTuple):
    """Result of `bootstrap`.

    Attributes:
        estimate: The statistic of the sample itself.
        interval: Its confidence interval.
        distribution_R: The statistic of each resample, shape ``(R,)``.
    """

    estimate: float
    interval: Interval
    distribution_R: FloatArray


def bootstrap(
    sample: ArrayLike,
    statistic: Statistic,
    *,
    seed: int,
    num_boot: int = 2000,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    vectorized: bool = False,
) -> BootstrapResult:
    """Bootstrap interval of a statistic, resampling the first axis.

    Args:
        sample: Shape ``(N, ...)``, N >= 2 independent rows. Paired columns stay together in their row.
        statistic: Takes rows ``(N, ...)`` and gives a number; with ``vectorized`` takes a batch ``(R, N,
            ...)`` and gives ``(R,)``, e.g. ``lambda x_RN: x_RN.mean(axis=1)``.
        seed: Seed of the resampling.
        num_boot: Resamples R.
        level: Nominal coverage.
        method: "bca" also evaluates the N leave-one-out samples.
        vectorized: Whether ``statistic`` takes a batch.

    Raises:
        ConfigError: ``level``, ``num_boot`` or ``method`` is out of range, or a vectorized statistic does
            not give one number per resample.
        DataError: Fewer than two rows, a statistic that is not finite, or a BCa interval that does not exist
            because every resample lies on one side of the estimate.
    """
    check_level(level)
    if method not in ("bca", "percentile"):
        raise ConfigError(f"unknown method={method!r}", remedy=nearest(method, ["bca", "percentile"]))
    rows = np.asarray(sample)
    if rows.ndim == 0 or rows.shape[0] < 2:
        raise DataError(f"a sample of shape {rows.shape} cannot be resampled", remedy="Give two rows or more.")
    num_rows = rows.shape[0]

    def evaluate(batch: NDArray[Any], what: str) -> FloatArray:
        value = statistic(batch) if vectorized else [statistic(one) for one in batch]
        result = np.asarray(value, dtype=np.float64)
        if result.shape != batch.shape[:1]:
            raise ConfigError(
                f"the statistic gave shape {result.shape} for {batch.shape[0]} {what}s",
                remedy="It must give one number each; a vectorized one reduces axis 1.",
            )
        num_bad = int((~np.isfinite(result)).sum())
        if num_bad:
            raise DataError(f"the statistic is not finite for {num_bad} of {result.size} {what}s")
        return result

    estimate = float(evaluate(rows[None], "sample")[0])
    rng = stream(seed, "bootstrap")
    width = max(1, _BLOCK // rows.size)
    distribution = np.concatenate(
        [
            evaluate(rows[rng.integers(0, num_rows, size=(num, num_rows))], "resample")
            for num in _chunks(num_boot, width)
        ]
    )
    if method == "percentile":
        interval = percentile_interval(distribution, level=level)
    else:
        jackknife = np.concatenate(
            [
                evaluate(rows[_all_but(np.arange(i, min(i + width, num_rows)), num_rows)], "leave-one-out sample")
                for i in range(0, num_rows, width)
            ]
        )
        interval = bca_interval(estimate, distribution, jackknife_N=jackknife, level=level)
    return BootstrapResult(estimate, interval, distribution)


def percentile_interval(distribution_R: ArrayLike, *, level: float = 0.95) -> Interval:
    """Percentile interval from a bootstrap distribution.

    Args:
        distribution_R: The statistic of each resample, shape ``(R,)``.
        level: Nominal coverage.

    Raises:
        ConfigError: ``level`` is out of range.
    """
    check_level(level)
    low, high = np.quantile(np.asarray(distribution_R, dtype=np.float64), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, "bootstrap-percentile")


def bca_interval(
    estimate: float, distribution_R: ArrayLike, *, jackknife_N: ArrayLike, level: float = 0.95
) -> Interval:
    """BCa interval from a bootstrap distribution and the jackknife.

    Args:
        estimate: The statistic of the sample.
        distribution_R: The statistic of each resample, shape ``(R,)``.
        jackknife_N: The statistic without row i, shape ``(N,)``; all equal means no acceleration (c = 0).
        level: Nominal coverage.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: Every resample lies on one side of the estimate, so that z0 is infinite.
    """
    check_level(level)
    distribution = np.asarray(distribution_R, dtype=np.float64)
    jackknife = np.asarray(jackknife_N, dtype=np.float64)
    below = float((distribution < estimate).mean() + (distribution == estimate).mean() / 2)
    if not 0.0 < below < 1.0:
        raise DataError(
            f"all {distribution.size} resamples lie on one side of the estimate {estimate:.6g}",
            remedy="BCa does not exist for such a statistic (a maximum, say): use method='percentile'.",
        )
    z0 = ndtri(below)
    deviation = jackknife.mean() - jackknife
    spread = float((deviation**2).sum())
    acceleration = float((deviation**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = [z0 + ndtri(tail) for tail in ((1 - level) / 2, (1 + level) / 2)]
    at = [ndtr(z0 + z / (1 - acceleration * z)) for z in ends]
    low, high = np.quantile(distribution, at)
    return Interval(float(low), float(high), level, "bootstrap-bca")


def resample_counts(rng: np.random.Generator, num_rows: int, *, num_boot: int) -> Iterator[NDArray[np.int64]]:
    """How often each row is drawn in each resample: blocks of shape ``(R, num_rows)``, R = num_boot in all.

    A statistic that is linear in the rows needs no gathering: the resampled means of a matrix are
    ``counts @ matrix / num_rows``.

    Raises:
        ConfigError: ``num_boot`` is below 1.
    """
    for num in _chunks(num_boot, max(1, _BLOCK // num_rows)):
        drawn = rng.integers(0, num_rows, size=(num, num_rows))
        flat = (drawn + num_rows * np.arange(num)[:, None]).ravel()
        yield np.bincount(flat, minlength=num * num_rows).reshape(num, num_rows)


def _all_but(left_out: NDArray[np.int64], num_rows: int) -> NDArray[np.int64]:
    kept = np.arange(num_rows - 1)[None, :]
    return kept + (kept >= left_out[:, None])


def _chunks(total: int, width: int) -> list[int]:
    if total < 1:
        raise ConfigError(f"num_boot={total} is below 1", remedy="Use some thousands for an interval.")
    return [min(width, total - start) for start in range(0, total, width)]
