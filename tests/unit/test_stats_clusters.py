"""The bootstrap of rows in clusters: what it resamples, and that it covers where a bootstrap of rows does not."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from reasonry.core.seeds import stream
from reasonry.core.stats import bootstrap, cluster_bootstrap
from reasonry.errors import ConfigError, DataError

VALUE = np.array([0.0, 1.0, 2.0, 10.0, 11.0, 30.0])
CLUSTER = np.array(["a", "a", "a", "b", "b", "c"])


def test_the_estimate_is_the_mean_of_all_rows() -> None:
    assert cluster_bootstrap(VALUE, CLUSTER, seed=0, num_boot=50).estimate == 9.0


def test_whole_clusters_give_the_means_of_their_combinations() -> None:
    """Three clusters have 27 draws; every resampled mean is one of theirs, and all come up."""
    found = cluster_bootstrap(VALUE, CLUSTER, seed=0, num_boot=3000, method="percentile", within=False)
    sums, sizes = [3.0, 21.0, 30.0], [3, 2, 1]
    possible = {
        round((sums[i] + sums[j] + sums[k]) / (sizes[i] + sizes[j] + sizes[k]), 9)
        for i in range(3)
        for j in range(3)
        for k in range(3)
    }
    assert {round(x, 9) for x in found.distribution_R} == possible


def test_rows_are_drawn_again_within_a_cluster() -> None:
    found = cluster_bootstrap(VALUE, CLUSTER, seed=0, num_boot=500)
    assert len(set(found.distribution_R.tolist())) > 40
    assert found.distribution_R.min() >= 0.0
    assert found.distribution_R.max() <= 30.0


def test_it_depends_on_the_seed_alone_and_not_on_the_order_of_names() -> None:
    first = cluster_bootstrap(VALUE, CLUSTER, seed=3, num_boot=200)
    again = cluster_bootstrap(VALUE, [{"a": 0, "b": 1, "c": 2}[c] for c in CLUSTER], seed=3, num_boot=200)
    other = cluster_bootstrap(VALUE, CLUSTER, seed=4, num_boot=200)
    assert np.array_equal(first.distribution_R, again.distribution_R)
    assert not np.array_equal(first.distribution_R, other.distribution_R)


def test_a_statistic_of_paired_columns() -> None:
    rows = np.column_stack([VALUE, VALUE + 2.0])
    found = cluster_bootstrap(
        rows, CLUSTER, seed=0, num_boot=100, statistic=lambda r: float((r[:, 1] - r[:, 0]).mean())
    )
    assert found.estimate == 2.0
    assert np.allclose(found.distribution_R, 2.0)
    assert (found.interval.low, found.interval.high) == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_it_covers_a_mean_of_clusters_and_a_bootstrap_of_rows_does_not(
    method: Literal["bca", "percentile"],
) -> None:
    """Ten clusters of 16 rows with a common part each: the truth is 0, and rows alone are far too sure."""
    num, hits, naive = 120, 0, 0
    for i in range(num):
        rng = stream(i, "clusters")
        value = np.repeat(rng.normal(size=10), 16) + 0.5 * rng.normal(size=160)
        cluster = np.repeat(np.arange(10), 16)
        ours = cluster_bootstrap(value, cluster, seed=i, num_boot=200, method=method).interval
        rows = bootstrap(value, lambda x: x.mean(axis=1), seed=i, num_boot=200, method="percentile", vectorized=True)
        hits += ours.low <= 0.0 <= ours.high
        naive += rows.interval.low <= 0.0 <= rows.interval.high
    assert hits / num >= 0.82
    assert naive / num <= 0.65


def test_what_cannot_be_resampled() -> None:
    with pytest.raises(DataError, match="1 cluster cannot"):
        cluster_bootstrap([1.0, 2.0], [0, 0], seed=0)
    with pytest.raises(DataError, match="do not belong"):
        cluster_bootstrap([1.0, 2.0], [0, 1, 2], seed=0)
    with pytest.raises(DataError, match="have no one mean"):
        cluster_bootstrap([[1.0], [2.0]], [0, 1], seed=0)
    with pytest.raises(DataError, match="not finite"):
        cluster_bootstrap([1.0, float("nan")], [0, 1], seed=0)
    with pytest.raises(ConfigError, match="percentile"):
        cluster_bootstrap([1.0, 2.0], [0, 1], seed=0, method="percentle")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="below 1"):
        cluster_bootstrap([1.0, 2.0], [0, 1], seed=0, num_boot=0)
