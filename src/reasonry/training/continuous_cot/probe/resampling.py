"""Intervals of what is pooled over graphs: whole graphs are drawn again, with everything in them.

Vertices and edges of a graph are not independent, graphs are. Resample r draws G graphs with replacement; n_rg is how
often graph g is among them. Statistics are ratios of sums that are linear or bilinear in these numbers:

    mean of a group       sum_g n_g S_g / sum_g n_g N_g          S_g sum of the values in graph g, N_g how many
    pooled AUROC          n^T W n / (n . P) (n . Q)              W_gh wins of members of g over others of h; P, Q sizes

so that no resample is gathered. Intervals are percentiles; differences take the same resamples on both sides. Resamples
in which a group is empty are left out; without two graphs that have members there is no interval.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.seeds import stream
from reasonry.core.stats import percentile_interval, resample_counts
from reasonry.training.continuous_cot.probe.scores import Floats, win_matrix

NUM_BOOT = 1000


class Value(NamedTuple):
    """A figure with its 95 % interval, where it has one.

    Attributes:
        value: The figure; None where nothing was there to measure.
        low: Lower end.
        high: Upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class Spread(NamedTuple):
    """Values of a group.

    Attributes:
        mean: Over all values of all graphs, with its interval.
        std: Standard deviation of single values.
        num: How many values.
    """

    mean: Value
    std: float | None
    num: int


class Sums(NamedTuple):
    """A group's values, graph by graph.

    Attributes:
        total_G: Sum in each graph.
        num_G: How many.
    """

    total_G: Floats
    num_G: Floats

    @classmethod
    def of(cls, values_G: Sequence[ArrayLike]) -> Sums:
        """Of values listed by graph."""
        arrays = [np.asarray(values, float) for values in values_G]
        return cls(np.array([a.sum() for a in arrays]), np.array([float(a.size) for a in arrays]))


class Resampler:
    """The same resamples of graphs for every statistic.

    Args:
        num_graphs: G.
        seed: Of the drawing.
        num_boot: Resamples.
    """

    def __init__(self, num_graphs: int, *, seed: int, num_boot: int = NUM_BOOT) -> None:
        self.num_graphs = num_graphs
        rng = stream(seed, "superposition", "resamples", num_graphs)
        blocks = list(resample_counts(rng, num_graphs, num_boot=num_boot)) if num_graphs else []
        self.counts_RG: Floats = np.concatenate(blocks).astype(float) if blocks else np.zeros((num_boot, 0))

    def spread(self, values_G: Sequence[ArrayLike]) -> Spread:
        """Mean and standard deviation of values listed by graph; graphs may have none."""
        flat = np.concatenate([np.ravel(np.asarray(values, float)) for values in values_G] or [np.empty(0)])
        mean = self.mean(Sums.of(values_G))
        return Spread(mean, float(flat.std()) if flat.size else None, int(flat.size))

    def mean(self, sums: Sums) -> Value:
        """Mean over all values of all graphs."""
        if not sums.num_G.sum():
            return Value(None)
        estimate = float(sums.total_G.sum() / sums.num_G.sum())
        return self._interval(estimate, self._means(sums), sums.num_G)

    def mean_of(self, value_G: Sequence[float | None]) -> Value:
        """Mean of one number for each graph; None is left out."""
        return self.mean(Sums.of([[] if value is None else [value] for value in value_G]))

    def gap(self, first: Sums, second: Sums) -> Value:
        """Mean of one group less that of another, resampled together."""
        if not first.num_G.sum() or not second.num_G.sum():
            return Value(None)
        estimate = float(first.total_G.sum() / first.num_G.sum() - second.total_G.sum() / second.num_G.sum())
        return self._interval(estimate, self._means(first) - self._means(second), np.minimum(first.num_G, second.num_G))

    def auroc(self, members_G: Sequence[Floats], others_G: Sequence[Floats]) -> Value:
        """AUROC of all members of all graphs against all others of all graphs."""
        sizes_G, rests_G = (np.array([float(len(x)) for x in side]) for side in (members_G, others_G))
        num_pairs = sizes_G.sum() * rests_G.sum()
        if not num_pairs:
            return Value(None)
        wins_GG = win_matrix(members_G, others_G)
        drawn_R = ((self.counts_RG @ wins_GG) * self.counts_RG).sum(1)
        pairs_R = (self.counts_RG @ sizes_G) * (self.counts_RG @ rests_G)
        estimate = float(wins_GG.sum() / num_pairs)
        return self._interval(estimate, _ratio(drawn_R, pairs_R), np.minimum(sizes_G, rests_G))

    def _means(self, sums: Sums) -> Floats:
        return _ratio(self.counts_RG @ sums.total_G, self.counts_RG @ sums.num_G)

    def _interval(self, estimate: float, found_R: Floats, num_G: Floats) -> Value:
        if int((num_G > 0).sum()) < 2:
            return Value(estimate)
        interval = percentile_interval(found_R[np.isfinite(found_R)])
        return Value(estimate, interval.low, interval.high)


def _ratio(total_R: Floats, num_R: NDArray[np.float64]) -> Floats:
    """Quotients, NaN where nothing was drawn."""
    return np.divide(total_R, num_R, out=np.full_like(total_R, np.nan), where=num_R > 0)
