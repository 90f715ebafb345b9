"""Intervals of transfer indices: groups are drawn first, then subjects within them.

    value     1 - mean over groups of their subjects' mean rank / chance
    percentile, BCa     of core/stats/clusters.py, on ranks with the weight 1 / (subjects of the group)

Subjects of a group share an answer, so that an interval over subjects alone would be too short. With few groups any
interval is rough; the tests by permutation are not. BCa does not exist where all resamples lie on one side, as after
whole transfer; then there is the percentile interval alone, which may have no width.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.stats import bca_interval, cluster_bootstrap, percentile_interval
from reasonry.errors import DataError
from reasonry.understanding.out_of_context.audit.measures import transfer_index

Floats = NDArray[np.float64]


class IndexInterval(NamedTuple):
    """A transfer index with its 95 % intervals.

    Attributes:
        value: The index.
        low: Of BCa where it exists, else percentile.
        high: The same.
        percentile: Both ends.
        method: Which ``low`` and ``high`` are.
    """

    value: float
    low: float
    high: float
    percentile: tuple[float, float]
    method: str


def index_interval(
    rank_S: Floats, group_S: NDArray[np.int64], *, num_candidates: int, seed: int, num_boot: int
) -> IndexInterval:
    """Interval of the index of ranks.

    Args:
        rank_S: Mean rank of each subject's label.
        group_S: Group of each subject.
        num_candidates: C, two or more.
        seed: Of the resampling.
        num_boot: Resamples.
    """
    return _interval(rank_S, group_S, lambda mean: transfer_index(mean, num_candidates), seed=seed, num_boot=num_boot)


def gain_interval(
    change_S: Floats, group_S: NDArray[np.int64], *, num_candidates: int, seed: int, num_boot: int
) -> IndexInterval:
    """Interval of the change of an index, from changes of rank after less before; same arguments as above."""
    chance = (num_candidates - 1) / 2
    return _interval(change_S, group_S, lambda mean: -mean / chance, seed=seed, num_boot=num_boot)


def _interval(
    value_S: Floats, group_S: NDArray[np.int64], index: Callable[[float], float], *, seed: int, num_boot: int
) -> IndexInterval:
    count_G = np.bincount(group_S)
    rows = np.column_stack([value_S, 1 / count_G[group_S]])

    def of(drawn: NDArray[Any]) -> float:
        return float(index((drawn[:, 0] * drawn[:, 1]).sum() / drawn[:, 1].sum()))

    found = cluster_bootstrap(rows, group_S, statistic=of, seed=seed, num_boot=num_boot, method="percentile")
    plain = percentile_interval(found.distribution_R)
    jackknife = [of(rows[group_S != group]) for group in range(len(count_G))]
    try:
        bca = bca_interval(found.estimate, found.distribution_R, jackknife_N=jackknife)
    except DataError:
        return IndexInterval(found.estimate, plain.low, plain.high, (plain.low, plain.high), "percentile")
    return IndexInterval(found.estimate, bca.low, bca.high, (plain.low, plain.high), "BCa")
