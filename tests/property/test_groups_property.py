"""Finite-pool estimators equal the enumeration of all subsets; invariants of votes, curves and advantages."""

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.groups import best_of_k, group_advantages, maj_at_k, pass_at_k
from reasonry.core.seeds import uniforms

SCORES = st.sampled_from([float("nan"), float("-inf"), -1.0, 0.0, 0.5, 2.0, float("inf")])
POOLS = st.lists(st.tuples(SCORES, st.integers(0, 1)), min_size=1, max_size=9)
VOTES = st.lists(st.integers(-1, 4), min_size=1, max_size=9)  # -1 is a sample without a readable answer
COUNTS = st.lists(st.integers(0, 25), min_size=1, max_size=8).filter(lambda c: sum(c) > 0)


def mean_over_subsets(pool: list, k: int, value) -> Fraction:
    subsets = list(combinations(pool, k))
    return sum((value(s) for s in subsets), Fraction(0)) / len(subsets)


def chosen_correctness(subset: tuple) -> Fraction:
    scored = [s for s in subset if s[0] == s[0]] or list(subset)
    top = max((s[0] for s in scored), default=0.0) if scored[0][0] == scored[0][0] else None
    best = [c for score, c in scored if top is None or score == top]
    return Fraction(sum(best), len(best))


def vote_for_zero(subset: tuple) -> Fraction:
    votes = [v for v in subset if v >= 0]
    if not votes:
        return Fraction(0)
    counts = {v: votes.count(v) for v in votes}
    winners = [v for v, n in counts.items() if n == max(counts.values())]
    return Fraction(int(0 in winners), len(winners))


@given(POOLS)
@settings(max_examples=120, deadline=None)
def test_best_of_k_equals_the_average_over_all_subsets(pool: list) -> None:
    curve = best_of_k([s for s, _ in pool], [c for _, c in pool]).curve
    exact = [float(mean_over_subsets(pool, k, chosen_correctness)) for k in range(1, len(pool) + 1)]
    assert curve == pytest.approx(exact, abs=1e-12)


@given(VOTES)
@settings(max_examples=120, deadline=None)
def test_majority_equals_the_average_over_all_subsets(votes: list[int]) -> None:
    counts = [votes.count(answer) for answer in range(5)]
    curve = maj_at_k(counts, 0, num_abstain=votes.count(-1))
    exact = [float(mean_over_subsets(votes, k, vote_for_zero)) for k in range(1, len(votes) + 1)]
    assert curve == pytest.approx(exact, abs=1e-12)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=9))
@settings(deadline=None)
def test_pass_at_k_equals_the_average_over_all_subsets(pool: list[int]) -> None:
    k = np.arange(1, len(pool) + 1)
    exact = [float(mean_over_subsets(pool, int(i), lambda s: Fraction(max(s)))) for i in k]
    assert pass_at_k(sum(pool), len(pool), k) == pytest.approx(exact, abs=1e-12)


@given(COUNTS, st.integers(0, 20))
@settings(deadline=None)
def test_shares_of_all_answers_and_of_silence_sum_to_one(counts: list[int], num_abstain: int) -> None:
    total = sum(counts) + num_abstain
    won = sum(maj_at_k(counts, i, num_abstain=num_abstain) for i in range(len(counts)))
    heard = pass_at_k(sum(counts), total, np.arange(1, total + 1))
    assert won == pytest.approx(heard, abs=1e-12)


@given(COUNTS, st.data())
@settings(deadline=None)
def test_the_share_of_an_answer_depends_on_its_rivals_counts_not_on_their_names(
    counts: list[int], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(counts) - 1))
    order = data.draw(st.permutations(range(len(counts))))
    renamed = maj_at_k([counts[i] for i in order], order.index(target))
    assert renamed == pytest.approx(maj_at_k(counts, target), abs=1e-13)


@given(COUNTS)
@settings(deadline=None)
def test_an_answer_with_more_votes_wins_at_least_as_often_at_every_k(counts: list[int]) -> None:
    curves = [maj_at_k(counts, i) for i in np.argsort(counts)]
    for fewer, more in pairwise(curves):
        assert (more >= fewer - 1e-12).all()


@given(st.integers(1, 60), st.data())
@settings(deadline=None)
def test_pass_at_k_bounds_every_choice_and_never_falls_with_k(num: int, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32))
    correct = uniforms(seed, "correct", num=num) < 0.3
    score = np.floor(uniforms(seed, "score", num=num) * 6)
    ceiling = pass_at_k(int(correct.sum()), num, np.arange(1, num + 1))
    assert (np.diff(ceiling) >= -1e-15).all()
    assert (best_of_k(score, correct).curve <= ceiling + 1e-12).all()
    wrong = np.bincount(score[~correct].astype(int), minlength=6).tolist()
    assert (maj_at_k([int(correct.sum()), *wrong], 0) <= ceiling + 1e-12).all()


REWARDS = st.lists(
    st.one_of(st.sampled_from([0.0, 0.5, 0.95, 1.0, float("nan")]), st.floats(-1e6, 1e6)),
    min_size=1,
    max_size=9,
)


@given(REWARDS, st.sampled_from(["mean", "grpo", "rloo"]))
def test_advantages_sum_to_zero_and_keep_the_order_of_rewards(rewards: list[float], kind) -> None:
    advantage = group_advantages(rewards, kind=kind).advantage_PG
    judged = ~np.isnan(rewards)
    assert (advantage[~judged] == 0).all()
    scale = max(1.0, np.abs(advantage).max())
    assert abs(advantage.sum()) <= 1e-9 * scale
    order = np.argsort(np.array(rewards)[judged])
    assert (np.diff(advantage[judged][order]) >= -1e-9 * scale).all()


@given(REWARDS, st.floats(-100, 100), st.floats(0.01, 100))
def test_normalised_advantages_do_not_depend_on_the_scale_of_the_rewards(
    rewards: list[float], shift: float, scale: float
) -> None:
    reward = np.round(np.array(rewards), 3)
    spread = np.nanmax(reward) - np.nanmin(reward) if not np.isnan(reward).all() else 0.0
    if spread == 0.0:
        return  # degenerate groups are covered by their own test
    first = group_advantages(reward, eps=0.0).advantage_PG
    moved = group_advantages(scale * reward + shift, eps=0.0).advantage_PG
    rounding = 1e-12 * (scale * np.nanmax(np.abs(reward)) + abs(shift)) / (scale * spread)
    assert moved == pytest.approx(first, abs=1e-9 + rounding)
