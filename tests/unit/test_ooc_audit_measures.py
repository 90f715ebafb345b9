"""Ranks, the transfer index, and the group-permutation test: exact values, and what tests over subjects would do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from reasonry.core.candidates.ranks import chance_rank, mid_ranks
from reasonry.core.seeds import stream
from reasonry.errors import DataError
from reasonry.understanding.out_of_context.audit.measures import (
    group_means,
    margins,
    of_label,
    transfer_index,
)
from reasonry.understanding.out_of_context.audit.permutation import (
    all_permutations,
    group_permutation_test,
    least_p,
    permutation_p,
    sampled_permutations,
)


def _perfect(num_groups: int) -> np.ndarray:
    """Mean ranks of whole transfer: each group's own answer is first."""
    score = np.eye(num_groups)
    return mid_ranks(score + 1e-3 * np.arange(num_groups))


# ---------------------------------------------------------------- ranks and the index


def test_index_is_1_for_whole_transfer_0_at_chance_and_nan_for_one_candidate() -> None:
    assert transfer_index(0.0, 5) == 1.0
    assert transfer_index(2.0, 5) == 0.0
    assert transfer_index(4.0, 5) == -1.0
    assert math.isnan(transfer_index(0.0, 1))


def test_group_means_weigh_groups_alike_and_refuse_empty_ones() -> None:
    value = np.array([[0.0, 2.0], [4.0, 2.0], [1.0, 1.0]])
    mean = group_means(value, np.array([0, 0, 1]), num_groups=2)
    assert mean.tolist() == [[2.0, 2.0], [1.0, 1.0]]
    assert of_label(mean, np.array([1, 0])).tolist() == [2.0, 1.0]
    with pytest.raises(DataError, match="1 of 3 groups"):
        group_means(value, np.array([0, 0, 1]), num_groups=3)


def test_margin_is_over_the_best_other() -> None:
    assert margins(np.array([[1.0, 3.0, 2.5], [1.0, 3.0, 2.5]]), np.array([1, 0])).tolist() == [0.5, -2.0]
    with pytest.raises(DataError, match="two candidates"):
        margins(np.zeros((1, 1)), np.array([0]))


# ---------------------------------------------------------------- the test's exact values


@pytest.mark.parametrize("num", [3, 4, 5, 6])
def test_whole_transfer_has_the_least_p_value(num: int) -> None:
    found = group_permutation_test(_perfect(num), np.arange(num), seed=0)
    assert found.p_value == found.least_p == 1 / math.factorial(num)
    assert found.is_exact
    assert found.statistic == 0.0


def test_whole_transfer_of_five_groups_has_p_1_in_120() -> None:
    found = group_permutation_test(_perfect(5), np.arange(5), seed=0)
    assert (found.p_value, found.num_permutations) == (1 / 120, 120)
    assert found.method == "group permutation, all 120"


def test_two_and_three_groups_are_not_testable_at_5_percent() -> None:
    two = group_permutation_test(_perfect(2), np.arange(2), seed=0)
    assert two.p_value == 0.5
    assert not two.is_testable(0.05)
    assert not group_permutation_test(_perfect(3), np.arange(3), seed=0).is_testable(0.05)
    assert group_permutation_test(_perfect(4), np.arange(4), seed=0).is_testable(0.05)


@given(st.lists(st.floats(-50, 50, allow_nan=False), min_size=5, max_size=5), st.permutations(range(5)))
def test_a_model_with_one_answer_for_everybody_has_p_1(bias: list[float], labels: list[int]) -> None:
    rank = np.tile(mid_ranks(np.array(bias)), (5, 1))
    assert group_permutation_test(rank, np.array(labels), seed=0).p_value == 1.0


def test_a_model_with_one_answer_for_everybody_has_p_1_in_unequal_groups_and_sampled_ones() -> None:
    group = np.array([0] * 7 + [1] * 2 + [2] + [3] * 4 + [4] * 16)
    rank = group_means(np.tile(mid_ranks(np.array([0.1, 0.7, 0.3, 0.2, 0.9])), (30, 1)), group, num_groups=5)
    assert group_permutation_test(rank, np.arange(5), seed=0).p_value == 1.0
    assert group_permutation_test(rank, np.arange(5), seed=0, max_exact=2).p_value == 1.0


def test_labels_that_groups_share_raise_the_least_p_value() -> None:
    labels = np.array([0, 0, 1, 1])
    assert least_p(labels) == 4 / 24
    rank = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    found = group_permutation_test(rank, labels, seed=0)
    assert found.p_value == found.least_p == 4 / 24


def test_no_permutation_does_worse_than_the_opposite_of_transfer() -> None:
    assert group_permutation_test(-_perfect(5), np.arange(5), seed=0).p_value > 0.3
    shift = _perfect(5)[:, ::-1].copy()
    assert group_permutation_test(shift, np.arange(5), seed=0).p_value > 0.3


def test_sampled_p_values_are_near_exact_ones_and_never_0() -> None:
    rng = stream(1, "test")
    mean = rng.normal(size=(6, 6))
    exact = group_permutation_test(mean, np.arange(6), seed=0)
    sampled = group_permutation_test(mean, np.arange(6), seed=0, max_exact=3, num_samples=20_000)
    assert not sampled.is_exact
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.02)
    wide = group_permutation_test(_perfect(10), np.arange(10), seed=3, num_samples=999)
    assert wide.p_value == wide.least_p == 1 / 1000
    assert "sampled 999" in wide.method


def test_many_tables_at_once_have_the_p_values_of_each() -> None:
    mean = stream(2, "test").normal(size=(7, 4, 5))
    label = np.array([4, 0, 2, 1])
    together = permutation_p(mean, label, all_permutations(4), is_exact=True)
    alone = [group_permutation_test(one, label, seed=0).p_value for one in mean]
    assert together.tolist() == alone


def test_bad_tables_are_refused() -> None:
    with pytest.raises(DataError, match="2 groups"):
        group_permutation_test(np.zeros((3, 3)), np.arange(2), seed=0)
    with pytest.raises(DataError, match="not finite"):
        group_permutation_test(np.full((2, 2), np.nan), np.arange(2), seed=0)
    with pytest.raises(DataError, match="names none of 2 candidates"):
        group_permutation_test(np.zeros((2, 2)), np.array([0, 2]), seed=0)


def test_sampled_permutations_are_permutations_and_follow_the_seed() -> None:
    first = sampled_permutations(9, 50, 4)
    assert (np.sort(first, axis=1) == np.arange(9)).all()
    assert (first == sampled_permutations(9, 50, 4)).all()
    assert (first != sampled_permutations(9, 50, 5)).any()


# ---------------------------------------------------------------- what subjects of one group share


@pytest.mark.parametrize(("sigma", "naive_low", "naive_high"), [(0.3, 0.27, 0.41), (3.0, 0.08, 0.17)])
def test_a_test_over_subjects_rejects_far_too_often_and_the_one_over_groups_at_its_level(
    sigma: float, naive_low: float, naive_high: float
) -> None:
    """No transfer: answers are random for each group and shared by its 16 subjects, with noise of each subject."""
    num, groups, subjects = 500, 5, 16
    rng = stream(11, "subjects of one group", int(10 * sigma))
    shared = rng.normal(size=(num, groups, 1, groups))
    logit = shared + sigma * rng.normal(size=(num, groups, subjects, groups))
    rank = mid_ranks(logit)
    own = rank[:, np.arange(groups), :, np.arange(groups)].transpose(1, 0, 2).reshape(num, -1)
    naive = np.asarray(ttest_1samp(own, chance_rank(groups), axis=1, alternative="less")[1])
    by_group = permutation_p(rank.mean(2), np.arange(groups), all_permutations(groups), is_exact=True)
    assert naive_low < float((naive <= 0.05).mean()) < naive_high
    assert 0.02 < float((by_group <= 0.05).mean()) < 0.08
