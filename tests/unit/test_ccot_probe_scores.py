"""Scores and resampling against values that can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasonry.training.continuous_cot.probe.resampling import Resampler, Sums
from reasonry.training.continuous_cot.probe.scores import (
    auroc,
    effective_support,
    num_wins,
    participation,
    top_precision,
    win_matrix,
)

FEW = arrays(np.float64, st.integers(0, 8), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))


def test_auroc_by_hand() -> None:
    assert auroc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert auroc([0.0], [1.0, 2.0]) == 0.0
    assert auroc([1.0], [1.0, 0.0]) == 0.75
    assert auroc([5.0, 5.0], [5.0]) == 0.5
    assert auroc([3.0, 1.0], [2.0]) == 0.5
    assert auroc([], [1.0]) is None
    assert auroc([1.0], []) is None


@given(members=FEW, others=FEW)
def test_wins_are_counted_pair_by_pair(members: np.ndarray, others: np.ndarray) -> None:
    pairs = [(a > b) + 0.5 * (a == b) for a in members for b in others]
    assert num_wins(members, others) == sum(pairs)


@settings(max_examples=50)
@given(members=st.lists(FEW, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_the_matrix_holds_the_wins_of_every_graph_over_every_other(members: list[np.ndarray], seed: int) -> None:
    rng = np.random.default_rng(seed)
    others = [rng.integers(-1, 3, rng.integers(0, 5)).astype(float) for _ in members]
    wins = win_matrix(members, others)
    for g, near in enumerate(members):
        for h, far in enumerate(others):
            assert wins[g, h] == num_wins(near, far)


def test_precision_takes_as_many_as_there_are_members_and_shares_ties() -> None:
    assert top_precision([4, 3, 2, 1], [1, 1, 0, 0]) == 1.0
    assert top_precision([4, 3, 2, 1], [0, 0, 1, 1]) == 0.0
    assert top_precision([4, 3, 2, 1], [1, 0, 1, 0]) == 0.5
    assert top_precision([1, 1, 1, 1], [1, 0, 0, 0]) == 0.25
    assert top_precision([2, 1, 1, 0], [1, 1, 0, 0]) == 0.75
    assert top_precision([1, 2], [0, 0]) is None


def test_support_of_equal_scores_is_their_number_and_of_one_large_score_one() -> None:
    assert effective_support([0.3] * 7) == pytest.approx(7.0)
    assert effective_support([60.0, 0.0, 0.0]) == pytest.approx(1.0)
    # Softmax of (ln 3, 0) is (3/4, 1/4).
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_support([math.log(3.0), 0.0]) == pytest.approx(math.exp(entropy))


@given(num=st.integers(1, 12), size=st.floats(0.01, 100.0), rest=st.integers(0, 9))
def test_participation_of_a_uniform_superposition_is_the_number_of_its_vertices(
    num: int, size: float, rest: int
) -> None:
    assert participation([size] * num + [0.0] * rest + [-3.0]) == pytest.approx(num)


def test_participation_without_anything_positive_is_unknown() -> None:
    assert participation([-1.0, 0.0]) is None


# ---------------------------------------------------------------- resampling


def test_means_and_deviations_are_over_all_values_of_all_graphs() -> None:
    spread = Resampler(3, seed=0).spread([[1.0, 2.0, 3.0], [], [6.0]])
    assert spread.mean.value == 3.0
    assert spread.std == pytest.approx(np.std([1.0, 2.0, 3.0, 6.0]))
    assert spread.num == 4
    assert spread.mean.low is not None
    assert spread.mean.low < 3.0 < (spread.mean.high or 0.0)


def test_nothing_has_no_mean_and_one_graph_no_interval() -> None:
    assert Resampler(2, seed=0).spread([[], []]).mean == (None, None, None)
    assert Resampler(2, seed=0).spread([[2.0, 4.0], []]).mean == (3.0, None, None)


def test_an_interval_of_means_has_the_width_of_the_normal_law() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(400, 1))
    mean = Resampler(400, seed=1, num_boot=4000).mean(Sums.of(list(values)))
    half = 1.96 * values.std() / 20
    assert mean.low == pytest.approx(values.mean() - half, abs=0.012)
    assert mean.high == pytest.approx(values.mean() + half, abs=0.012)


def test_a_constant_difference_between_groups_is_known_for_certain() -> None:
    rng = np.random.default_rng(0)
    low = [rng.normal(size=4) for _ in range(20)]
    gap = Resampler(20, seed=0).gap(Sums.of([x + 2.5 for x in low]), Sums.of(low))
    assert gap == pytest.approx((2.5, 2.5, 2.5))


def test_the_pooled_auroc_is_that_of_all_vertices_together() -> None:
    rng = np.random.default_rng(7)
    near = [rng.normal(0.8, 1.0, 5) for _ in range(30)]
    far = [rng.normal(0.0, 1.0, 7) for _ in range(30)]
    found = Resampler(30, seed=0).auroc(near, far)
    assert found.value == pytest.approx(auroc(np.concatenate(near), np.concatenate(far)))
    assert found.low is not None
    # Normal scores d apart have AUROC Phi(d / sqrt(2)).
    assert found.low < 0.5 * (1 + math.erf(0.8 / 2)) < (found.high or 0.0)


def test_resampled_aurocs_are_those_of_the_drawn_graphs() -> None:
    rng = np.random.default_rng(1)
    near, far = [rng.integers(0, 4, 3).astype(float) for _ in range(6)], [rng.integers(0, 4, 2) * 1.0 for _ in range(6)]
    resampler = Resampler(6, seed=5, num_boot=50)
    by_hand: list[float] = []
    for counts in resampler.counts_RG.astype(int):
        drawn = np.repeat(np.arange(6), counts)
        by_hand.append(auroc(np.concatenate([near[g] for g in drawn]), np.concatenate([far[g] for g in drawn])) or 0.0)
    found = resampler.auroc(near, far)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_perfect_separation_stays_perfect_in_every_resample() -> None:
    assert Resampler(4, seed=0).auroc([np.ones(2)] * 4, [np.zeros(3)] * 4) == (1.0, 1.0, 1.0)
