"""Bootstrap of rows that come in clusters: clusters are drawn first, then rows within each drawn one.

Rows of a cluster share something (an answer, a prompt), so they say less than as many independent rows; a bootstrap of
rows alone gives intervals that are too short. With K clusters of sizes n_k, a resample is

    k_1 .. k_K  drawn with replacement from the clusters; then n_k rows of each drawn cluster k, with replacement

and the statistic is that of all rows drawn. ``within=False`` takes the drawn clusters whole. The inner draw adds the
spread within clusters once more: with few rows in a cluster the interval is somewhat too wide, never too short. BCa's
jackknife leaves out one cluster at a time. With few clusters (fewer than 8, say) any such interval is rough.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats.resampling import BootstrapResult, bca_interval, percentile_interval
from reasonry.errors import ConfigError, DataError, nearest

Rows = NDArray[Any]


def cluster_bootstrap(
    sample: ArrayLike,
    cluster_N: ArrayLike,
    *,
    seed: int,
    statistic: Callable[[Rows], float] | None = None,
    num_boot: int = 2000,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    within: bool = True,
) -> BootstrapResult:
    """Interval of a statistic of rows in clusters.

    Args:
        sample: Shape ``(N, ...)``; paired columns stay together in their row.
        cluster_N: Shape ``(N,)``: the cluster of each row, any values that can be sorted.
        seed: Seed of the resampling.
        statistic: Takes rows ``(M, ...)`` and gives a number; None is the mean of a sample of shape ``(N,)``.
        num_boot: Resamples R.
        level: Nominal coverage.
        method: "bca", or "percentile" where BCa does not exist.
        within: Whether rows of a drawn cluster are drawn again.

    Raises:
        ConfigError: ``level``, ``num_boot`` or ``method`` is out of range.
        DataError: Fewer than two clusters, shapes that differ, a statistic that is not finite, or no BCa interval.
    """
    rows, cluster = np.asarray(sample), np.asarray(cluster_N)
    if method not in ("bca", "percentile"):
        raise ConfigError(f"unknown method={method!r}", remedy=nearest(method, ["bca", "percentile"]))
    if num_boot < 1:
        raise ConfigError(f"num_boot={num_boot} is below 1", remedy="Use some thousands for an interval.")
    if rows.ndim == 0 or cluster.shape != rows.shape[:1]:
        raise DataError(f"{cluster.shape} clusters do not belong to rows of shape {rows.shape}")
    if statistic is None and rows.ndim != 1:
        raise DataError(f"rows of shape {rows.shape} have no one mean", remedy="Give a statistic.")
    names, code_N = np.unique(cluster, return_inverse=True)
    if names.size < 2:
        raise DataError(
            f"{names.size} cluster cannot be resampled",
            remedy="An interval over clusters needs two or more; with one, only its own rows can be resampled.",
        )
    order = np.argsort(code_N, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(code_N))[:-1])
    of = _mean if statistic is None else statistic
    estimate = _finite(of(rows), "sample")
    rng = stream(seed, "cluster_bootstrap")
    distribution = np.empty(num_boot)
    for i in range(num_boot):
        drawn: list[NDArray[np.int64]] = [members[k] for k in rng.integers(0, names.size, size=names.size)]
        if within:
            drawn = [one[rng.integers(0, one.size, size=one.size)] for one in drawn]
        distribution[i] = _finite(of(rows[np.concatenate(drawn)]), "resample")
    if method == "percentile":
        return BootstrapResult(estimate, percentile_interval(distribution, level=level), distribution)
    jackknife = [_finite(of(rows[code_N != k]), "sample without a cluster") for k in range(names.size)]
    interval = bca_interval(estimate, distribution, jackknife_N=jackknife, level=level)
    return BootstrapResult(estimate, interval, distribution)


def _mean(rows: Rows) -> float:
    return float(rows.mean())


def _finite(value: float, what: str) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise DataError(f"the statistic of a {what} is not finite: {number}")
    return number
