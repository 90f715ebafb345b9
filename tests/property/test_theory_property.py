"""Invariants of exact votes, of their bounds, and of choices with a verifier that errs."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reasonry.test_time.theory.hard_instances import two_answers
from reasonry.test_time.theory.plurality import plurality, plurality_curve, smallest_n
from reasonry.test_time.theory.sample_size import any_rule_needs, vote_chernoff, vote_hoeffding
from reasonry.test_time.theory.selection_ceiling import (
    binary_verifier,
    binary_verifier_limit,
    binary_verifier_sample_size,
)

WEIGHTS = st.lists(st.integers(0, 12), min_size=1, max_size=7).filter(lambda w: sum(w) > 0)
SILENT = st.sampled_from([0.0, 0.0, 0.1, 0.5, 0.9])
UNIT = st.floats(0, 1, allow_subnormal=False)
DELTA = st.floats(1e-4, 0.45)


def law(weights: list[int], silent: float) -> np.ndarray:
    p = np.array(weights, dtype=float)
    return p / p.sum() * (1 - silent)


@settings(max_examples=60, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 300))
def test_somebody_wins_unless_every_sample_is_silent(weights, silent, n):
    p = law(weights, silent)
    total = math.fsum(plurality(p, n, target=i, silent=silent) for i in range(p.size))
    assert total == pytest.approx(1 - silent**n, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 120), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(weights, silent, n, random):
    p = law(weights, silent)
    order = list(range(p.size))
    random.shuffle(order)
    place = order.index(0)
    assert plurality(p[order], n, target=place, silent=silent) == pytest.approx(
        plurality(p, n, silent=silent), abs=1e-13
    )


@settings(max_examples=40, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 150))
def test_the_mode_never_loses_by_more_votes(weights, silent, max_n):
    p = law(weights, silent)
    curve = plurality_curve(p, max_n, target=int(p.argmax()), silent=silent)
    assert (np.diff(curve) >= -1e-13).all()


@settings(max_examples=30, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 90), st.data())
def test_the_curve_holds_the_single_values(weights, silent, max_n, data):
    p = law(weights, silent)
    n = data.draw(st.integers(1, max_n))
    curve = plurality_curve(p, max_n, silent=silent)
    assert curve.shape == (max_n,)
    assert curve[n - 1] == pytest.approx(plurality(p, n, silent=silent), abs=1e-13)


@settings(max_examples=40, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 120), st.data())
def test_the_likelier_of_two_answers_wins_at_least_as_often(weights, silent, n, data):
    assume(len(weights) >= 2)
    p = law(weights, silent)
    i, j = sorted(data.draw(st.permutations(range(p.size)))[:2], key=lambda k: p[k])
    assert plurality(p, n, target=j, silent=silent) >= plurality(p, n, target=i, silent=silent) - 1e-13


@settings(max_examples=40, deadline=None)
@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(1, 500))
def test_a_wider_gap_between_two_answers_wins_at_least_as_often(a, b, n):
    narrow, wide = sorted((a, b))
    assert plurality(two_answers(wide), n) >= plurality(two_answers(narrow), n) - 1e-14


@settings(max_examples=30, deadline=None)
@given(WEIGHTS, SILENT, st.integers(1, 100), st.integers(0, 6))
def test_taking_probability_from_a_rival_helps(weights, silent, n, rival):
    assume(len(weights) >= 2)
    p = law(weights, silent)
    moved = p.copy()
    taken = p[1 + rival % (p.size - 1)] / 2
    moved[1 + rival % (p.size - 1)] -= taken
    moved[0] += taken
    assert plurality(moved, n, silent=silent) >= plurality(p, n, silent=silent) - 1e-13


@settings(max_examples=30, deadline=None)
@given(WEIGHTS, SILENT, DELTA)
def test_bounds_are_enough_and_ordered(weights, silent, delta):
    p = np.sort(law(weights, silent))[::-1]
    gap = float(p[0] - (p[1] if p.size > 1 else 0.0))
    assume(gap > 0.03)
    enough = vote_chernoff(p, delta)
    if p.size > 1:
        assert enough <= vote_hoeffding(gap, delta, num_answers=p.size)
    assert plurality(p, enough, silent=silent) >= 1 - delta - 1e-12
    exact = smallest_n(p, delta, silent=silent)
    assert exact is not None and exact <= enough


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.9), st.floats(1e-4, 0.24))
def test_the_lower_bound_of_any_rule_holds_for_the_vote(gap, delta):
    exact = smallest_n(two_answers(gap), delta, max_n=10**6)
    assert exact is not None and any_rule_needs(gap, delta) <= exact


@settings(max_examples=100, deadline=None)
@given(UNIT, UNIT, UNIT, st.integers(1, 400))
def test_a_choice_with_a_verifier_lies_between_one_sample_and_the_ceiling(p, recall, false_accept, n):
    kind = {"recall": recall, "false_accept": false_accept}
    limit = float(binary_verifier_limit(p, **kind))
    now, later = (float(binary_verifier(p, k, **kind)) for k in (n, n + 1))
    assert min(p, limit) - 1e-12 <= now <= max(p, limit) + 1e-12
    assert (later - now) * (recall - false_accept) >= -1e-12
    assert float(binary_verifier(p, 1, **kind)) == pytest.approx(p, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.05, 1), st.floats(0, 1), st.floats(0.01, 0.99))
def test_the_sample_size_with_a_verifier_reaches_its_target(p, recall, false_accept, target):
    kind = {"recall": recall, "false_accept": false_accept}
    n = float(binary_verifier_sample_size(p, target, **kind))
    if math.isinf(n):
        assert max(p, float(binary_verifier_limit(p, **kind))) <= target + 1e-12
    else:
        assert float(binary_verifier(p, n, **kind)) >= target - 1e-9
        assert n == 1 or float(binary_verifier(p, n - 1, **kind)) < target + 1e-9
