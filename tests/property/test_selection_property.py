"""Invariants of every selection rule, of weighted@k, and of tournaments, on arbitrary pools."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.groups import maj_at_k
from reasonry.core.seeds import stream
from reasonry.test_time.knockout import Knockout
from reasonry.test_time.selection import (
    Choice,
    best_of_n,
    best_then_vote,
    majority,
    score_weights,
    selection_scores,
    soft_best_of_n,
    weighted_vote,
)
from reasonry.test_time.weighted_curve import weighted_curve

ANSWERS = st.sampled_from([None, "a", "b", "c"])
SCORES = st.one_of(st.floats(-50, 50), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]))
POOLS = st.lists(st.tuples(ANSWERS, SCORES), max_size=12)
FINITE_POOLS = st.lists(st.tuples(ANSWERS, st.integers(-8, 8).map(lambda x: x / 4)), min_size=1, max_size=9)
RULES = {
    "majority": lambda a, s, r: majority(a, rng=r),
    "weighted exp": lambda a, s, r: weighted_vote(a, s, rng=r),
    "weighted sigmoid": lambda a, s, r: weighted_vote(a, s, transform="sigmoid", rng=r),
    "weighted rank": lambda a, s, r: weighted_vote(a, s, transform="rank", rng=r),
    "best of n": lambda a, s, r: best_of_n(a, s, rng=r),
    "best then vote": lambda a, s, r: best_then_vote(a, s, top=3, rng=r),
    "soft": lambda a, s, r: soft_best_of_n(a, s, temperature=0.7, rng=r),
}


def split(pool: list) -> tuple[list, list]:
    return [a for a, _ in pool], [s for _, s in pool]


def rng(*name: int | str) -> np.random.Generator:
    return stream(0, "property", *name)


@pytest.mark.parametrize("rule", RULES)
@given(pool=POOLS, seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_every_rule_chooses_a_readable_sample_and_prefers_scored_ones(rule: str, pool: list, seed: int) -> None:
    answers, scores = split(pool)
    choice: Choice = RULES[rule](answers, scores, rng(seed))
    readable = [i for i, a in enumerate(answers) if a is not None]
    assert choice.num_abstain == len(pool) - len(readable)
    if not readable:
        assert (choice.index, choice.answer, choice.weights) == (None, None, {})
        return
    assert choice.index in readable
    assert choice.answer == answers[choice.index]
    assert list(choice.weights.values()) == sorted(choice.weights.values(), reverse=True)
    if rule != "majority":
        assert choice.num_unscored == sum(math.isnan(s) for s in scores)
        if any(not math.isnan(scores[i]) for i in readable):
            assert not math.isnan(scores[choice.index])
    if rule != "soft" and choice.weights:
        top = next(iter(choice.weights.values()))
        assert rule == "best then vote" or choice.weights[choice.answer] == pytest.approx(top, rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@given(pool=POOLS, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_choice_without_a_tie_does_not_depend_on_the_order_of_the_pool(rule: str, pool: list, seed: int) -> None:
    if rule == "soft":  # a random draw by design: only its law is free of the order
        answers, scores = split(pool)
        first = soft_best_of_n(answers, scores, temperature=0.7, rng=rng(seed)).weights
        again = soft_best_of_n(answers[::-1], scores[::-1], temperature=0.7, rng=rng(seed)).weights
        assert first == pytest.approx(again, abs=1e-12)
        return
    mixed = [pool[i] for i in rng("mix", seed).permutation(len(pool))]
    first, again = (RULES[rule](*split(p), rng(seed)) for p in (pool, mixed))
    assert first.was_tied == again.was_tied
    if not first.was_tied:
        assert first.answer == again.answer
        assert first.weights == pytest.approx(again.weights, nan_ok=True)


@given(pool=POOLS)
@settings(max_examples=100, deadline=None)
def test_selection_scores_keep_the_order_and_the_ties_of_the_scores(pool: list) -> None:
    answers, scores = split(pool)
    key = selection_scores(answers, scores)
    assert np.isfinite(key).all()
    for (a, s), x in zip(pool, key, strict=True):
        for (b, t), y in zip(pool, key, strict=True):
            tier_a, tier_b = (
                (-1, 0.0) if n is None else (0, 0.0) if math.isnan(v) else (1, v) for n, v in ((a, s), (b, t))
            )
            assert (x > y) == (tier_a > tier_b)


@given(pool=FINITE_POOLS)
@settings(max_examples=60, deadline=None)
def test_some_answer_wins_the_weighted_vote_unless_nobody_votes(pool: list) -> None:
    answers, scores = split(pool)
    weights = score_weights(scores).weight_N
    names = sorted({a for a in answers if a is not None})
    total = sum(
        (weighted_curve(answers, weights, right={name}, rng=rng()).curve_K for name in names), np.zeros(len(pool))
    )
    silent, size = answers.count(None), len(pool)
    expected = [1 - math.comb(silent, k) / math.comb(size, k) for k in range(1, size + 1)]
    assert total == pytest.approx(expected, abs=1e-12)


@given(pool=FINITE_POOLS, factor=st.floats(1e-6, 1e6))
@settings(max_examples=40, deadline=None)
def test_weighted_votes_do_not_depend_on_the_unit_of_the_weights(pool: list, factor: float) -> None:
    answers, scores = split(pool)
    weights = score_weights(scores, transform="sigmoid").weight_N
    first = weighted_curve(answers, weights, right={"a"}, rng=rng()).curve_K
    again = weighted_curve(answers, weights * factor, right={"a"}, rng=rng()).curve_K
    assert first == pytest.approx(again, abs=1e-12)


@given(answers=st.lists(ANSWERS, min_size=1, max_size=16), weight=st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_equal_weights_by_random_orders_are_the_majority_curve_at_both_ends(answers: list, weight: float) -> None:
    counts = [answers.count(name) for name in "abc"]
    if not sum(counts):
        return
    exact = maj_at_k(counts, 0, num_abstain=answers.count(None))
    nearly = np.full(len(answers), weight)
    nearly[-1] *= 1 + 1e-14  # not equal to the last bit, so that no closed form is used
    sampled = weighted_curve(answers, nearly, right={"a"}, rng=rng(), max_exact=0, num_orders=50)
    assert sampled.curve_K[[0, -1]] == pytest.approx(exact[[0, -1]], abs=1e-12)
    assert np.abs(sampled.curve_K - exact).max() <= 6 * math.sqrt(0.25 / 50)


@given(
    answers=st.lists(ANSWERS, max_size=20),
    verdicts=st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0, math.nan]), min_size=20, max_size=20),
    seed=st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_a_tournament_ends_after_one_match_less_than_it_has_contenders(
    answers: list, verdicts: list[float], seed: int
) -> None:
    cup, told = Knockout(len(answers), rng=rng("cup", seed), answers=answers), iter(verdicts)
    while pairs := cup.pairs():
        assert all(answers[i] != answers[j] for i, j in pairs)
        cup.settle([next(told) for _ in pairs])
    entered = sum(a is not None for a in answers)
    assert cup.num_comparisons + cup.num_free == max(0, entered - 1)
    assert cup.num_rounds == (math.ceil(math.log2(entered)) if entered else 0)
    choice = cup.choice()
    assert (choice.answer is None) == (entered == 0)
    assert choice.was_tied == (cup.num_ties > 0)
