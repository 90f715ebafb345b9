"""Sample sizes and win probabilities against enumeration, other algorithms, simulation and known values."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest

from reasonry.core.report import render_html
from reasonry.errors import ConfigError
from reasonry.test_time.claims import theory as claims
from reasonry.test_time.theory import hard_instances as hard
from reasonry.test_time.theory.generating_function import VoteLaw, win_probabilities
from reasonry.test_time.theory.plurality import plurality, plurality_curve, smallest_n
from reasonry.test_time.theory.report import COLUMNS, separation_report
from reasonry.test_time.theory.sample_size import (
    any_rule_needs,
    best_of_n_perfect,
    vote_chernoff,
    vote_hoeffding,
    vote_normal,
)
from reasonry.test_time.theory.selection_ceiling import (
    accepted_law,
    binary_verifier,
    binary_verifier_limit,
    binary_verifier_sample_size,
)

GAPS = (0.32, 0.16, 0.08, 0.04, 0.02, 0.01)
VOTES_ON_TWO = {
    0.05: [25, 105, 421, 1691, 6763, 27055],
    0.1: [15, 63, 257, 1027, 4105, 16423],
    0.01: [51, 209, 843, 3381, 13527, 54117],
}
DRAWS_ON_TAIL = {0.05: [3, 8, 18, 36, 74, 149], 0.1: [3, 6, 14, 28, 57, 114]}
DRAWS_ON_TWO = {0.05: [3, 4, 4, 5, 5, 5]}


def outcomes(probs: Sequence[Fraction], silent: Fraction, n: int) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Every vector of votes of n samples with its exact probability; what is missing to n is silent."""
    for counts in itertools.product(range(n + 1), repeat=len(probs)):
        rest = n - sum(counts)
        if rest >= 0:
            ways = math.factorial(n) // math.prod(math.factorial(c) for c in (*counts, rest))
            yield counts, ways * math.prod(p**c for p, c in zip((*probs, silent), (*counts, rest), strict=True))


def enumerated(probs: Sequence[Fraction], n: int, *, target: int = 0, silent: Fraction = Fraction(0)) -> Fraction:
    won = Fraction(0)
    for counts, chance in outcomes(probs, silent, n):
        if counts[target] == max(counts) > 0:
            won += chance / counts.count(max(counts))
    return won


def by_convolution(probs: Sequence[float], n: int, *, target: int, silent: float) -> float:
    """The textbook dynamic program: exponential generating functions, the number of ties as a second exponent."""
    inverse_factorial = np.array([1 / math.factorial(i) for i in range(n + 1)])
    total = 0.0
    for m in range(1, n + 1):
        table = np.zeros((n + 1, len(probs)))  # votes of rivals and silent samples so far, ties so far
        table[:, 0] = silent ** np.arange(n + 1) * inverse_factorial
        for o, p in enumerate(probs):
            if o != target:
                term = p ** np.arange(n + 1) * inverse_factorial
                fresh = np.zeros_like(table)
                for x in range(min(m, n + 1)):
                    fresh[x:] += term[x] * table[: n + 1 - x]
                fresh[m:, 1:] += term[m] * table[: n + 1 - m, :-1]
                table = fresh
        total += probs[target] ** m * inverse_factorial[m] * float(table[n - m] @ (1 / np.arange(1, len(probs) + 1)))
    return math.factorial(n) * total


def fractions(*numerators: int, over: int) -> list[Fraction]:
    return [Fraction(k, over) for k in numerators]


# ---------------------------------------------------------------- sample sizes with constants


def test_hoeffding_is_two_logs_over_the_squared_gap_rounded_up():
    assert vote_hoeffding(0.2, 0.05, num_answers=2) == math.ceil(2 * math.log(20) / 0.04) == 150
    assert vote_hoeffding(0.2, 0.05, num_answers=10) == math.ceil(2 * math.log(180) / 0.04) == 260
    assert vote_hoeffding(0.2, 0.05, num_answers=1) == 1


def test_a_gap_that_is_not_positive_has_no_number_of_votes():
    for gap in (0.0, -0.1, 1.5, math.nan):
        with pytest.raises(ConfigError, match="gap"):
            vote_hoeffding(gap, 0.05, num_answers=2)
    with pytest.raises(ConfigError, match="no number of votes is enough"):
        vote_chernoff([0.3, 0.4, 0.3], 0.05)
    with pytest.raises(ConfigError, match="no number of votes is enough"):
        vote_chernoff([0.4, 0.2], 0.05, unseen=0.4)


def test_chernoff_is_the_smallest_n_that_meets_its_own_bound():
    for probs, unseen in (([0.5, 0.3, 0.2], 0.0), ([0.4, 0.1, 0.1], 0.3), ([0.02, *[0.01] * 98], 0.0)):
        n = vote_chernoff(probs, 0.05, unseen=unseen)
        bases = [1 - (math.sqrt(probs[0]) - math.sqrt(p)) ** 2 for p in (*probs[1:], unseen) if p > 0]
        assert sum(b**n for b in bases) <= 0.05 < sum(b ** (n - 1) for b in bases)


def test_chernoff_without_a_rival_waits_for_the_first_vote():
    assert vote_chernoff([1.0], 0.05) == 1
    assert vote_chernoff([1.0, 0.0], 0.05) == 1
    assert vote_chernoff([0.5], 0.05) == 5  # 0.5^5 = 0.031, 0.5^4 = 0.0625
    assert vote_chernoff([0.5, 0.0, 0.0], 0.05) == 5


def test_bounds_and_exact_numbers_stand_in_order_on_two_answers():
    for delta, exact in VOTES_ON_TWO.items():
        for gap, n in zip(GAPS, exact, strict=True):
            law = hard.two_answers(gap)
            chernoff, hoeffding = vote_chernoff(law, delta), vote_hoeffding(gap, delta, num_answers=2)
            assert any_rule_needs(gap, delta) <= n <= chernoff <= hoeffding
            assert vote_normal(law[0], law[1], delta) == pytest.approx(n, rel=0.08)


def test_the_normal_form_has_p1_plus_p2_and_not_one():
    z = 1.6448536269514722
    assert float(vote_normal(0.5, 0.3, 0.05)) == pytest.approx(z**2 * (0.8 - 0.04) / 0.04, rel=1e-12)
    assert float(vote_normal(0.05, 0.03, 0.05)) == pytest.approx(z**2 * (0.08 - 0.0004) / 0.0004, rel=1e-12)


def test_the_normal_form_broadcasts_and_is_infinite_without_a_gap():
    found = vote_normal([0.5, 0.3, 0.4], [[0.3], [0.4]], 0.05)
    assert found.shape == (2, 3)
    assert np.isinf(found[1]).tolist() == [False, True, True]
    assert vote_normal(1.0, 0.0, 0.05) == 1.0


def test_best_of_n_is_necessary_and_sufficient():
    for p in (0.001, 0.02, 0.2, 0.66, 0.999):
        for delta in (0.3, 0.05, 1e-6):
            n = int(best_of_n_perfect(p, delta))
            assert (1 - p) ** n <= delta * (1 + 1e-9)
            assert n == 1 or (1 - p) ** (n - 1) > delta


def test_best_of_n_does_not_round_a_whole_number_up():
    assert best_of_n_perfect(0.5, [0.5, 0.25, 0.125, 2.0**-40]).tolist() == [1, 2, 3, 40]
    assert best_of_n_perfect(0.3, [0.7, 0.49, 0.343]).tolist() == [1, 2, 3]
    assert best_of_n_perfect(0.99, 1e-8) == 4


def test_best_of_n_at_the_ends_of_the_probability():
    assert best_of_n_perfect([0.0, 1.0], 0.05).tolist() == [math.inf, 1.0]
    assert best_of_n_perfect(0.0, 0.05).shape == ()


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, math.nan])
def test_a_delta_outside_the_open_unit_interval_is_refused(delta):
    for call in (
        lambda: vote_hoeffding(0.1, delta, num_answers=2),
        lambda: vote_chernoff([0.6, 0.4], delta),
        lambda: vote_normal(0.6, 0.4, delta),
        lambda: best_of_n_perfect(0.5, delta),
        lambda: any_rule_needs(0.1, delta),
        lambda: smallest_n([0.6, 0.4], delta),
    ):
        with pytest.raises(ConfigError, match="delta"):
            call()


def test_no_symmetric_rule_does_better_than_the_lower_bound_says():
    for gap in (0.02, 0.1, 0.3):
        law = hard.two_answers(gap)
        for n in (1, 5, 51, 501):
            bound = math.exp(-n * gap * math.log((1 + gap) / (1 - gap))) / 4
            assert plurality(law, n, target=1) >= bound
    assert any_rule_needs(0.1, 0.25) == any_rule_needs(1.0, 0.01) == 1


# ---------------------------------------------------------------- exact probability of winning


def test_an_even_vote_between_two_answers_wastes_a_sample():
    curve = plurality_curve([0.6, 0.4], 9)
    assert curve[:3] == pytest.approx([0.6, 0.6, 0.648], abs=1e-15)
    assert curve[1::2].tolist() == curve[:-1:2].tolist()


def test_a_second_vote_changes_nothing_among_any_number_of_answers():
    for probs in ([0.5, 0.3, 0.2], [0.1] * 10, [0.2, 0.5, 0.1, 0.1, 0.1]):
        curve = plurality_curve(probs, 3)
        assert curve[0] == pytest.approx(curve[1], abs=1e-14)


@pytest.mark.parametrize(
    ("probs", "silent"),
    [
        (fractions(3, 2, over=5), Fraction(0)),
        (fractions(3, 1, over=5), Fraction(1, 5)),
        (fractions(5, 3, 2, over=10), Fraction(0)),
        (fractions(2, 2, 2, over=9), Fraction(1, 3)),
        (fractions(1, 5, 4, over=10), Fraction(0)),
        (fractions(4, 3, 2, 1, over=10), Fraction(0)),
        (fractions(1, 1, 1, 1, over=4), Fraction(0)),
        (fractions(6, 1, 1, 0, over=12), Fraction(1, 3)),
        (fractions(3, over=4), Fraction(1, 4)),
        (fractions(1, over=1), Fraction(0)),
    ],
)
def test_the_curve_equals_enumerating_every_outcome(probs, silent):
    max_n = 7
    for target in range(len(probs)):
        exact = [float(enumerated(probs, n, target=target, silent=silent)) for n in range(1, max_n + 1)]
        law = [float(p) for p in probs]
        assert plurality_curve(law, max_n, target=target, silent=float(silent)) == pytest.approx(exact, abs=1e-14)
        single = [plurality(law, n, target=target, silent=float(silent)) for n in range(1, max_n + 1)]
        assert single == pytest.approx(exact, abs=1e-14)


def test_many_answers_equal_the_textbook_dynamic_program():
    rng = np.random.default_rng(3)
    for num_answers, n in ((3, 60), (12, 45), (40, 30)):
        law = rng.dirichlet(np.ones(num_answers + 1))
        for target in (int(law[:-1].argmax()), 0):
            found = plurality(law[:-1], n, target=target, silent=law[-1])
            assert found == pytest.approx(by_convolution(law[:-1], n, target=target, silent=law[-1]), abs=1e-13)


@pytest.mark.parametrize("n", [1, 2, 17, 100, 1001, 10_001, 100_001])
def test_the_general_engine_equals_the_binomial_form_with_one_rival(n):
    for p in (0.505, 0.6, 0.3):
        law = VoteLaw(p, np.array([1 - p]), np.array([1]), 0.0)
        assert win_probabilities(law, n, n)[0] == pytest.approx(plurality([p, 1 - p], n), abs=1e-12)


def test_silent_samples_thin_the_vote_of_two_answers():
    n, silent = 2000, 0.3
    law = [0.7 * 0.52, 0.7 * 0.48]
    voters = np.arange(n + 1)
    log_pmf = [
        math.lgamma(n + 1) - math.lgamma(v + 1) - math.lgamma(n - v + 1) + v * math.log(0.7) + (n - v) * math.log(0.3)
        for v in voters
    ]
    won = np.concatenate([[0.0], plurality_curve([0.52, 0.48], n)])
    assert plurality(law, n, silent=silent) == pytest.approx(float(np.exp(log_pmf) @ won), abs=1e-10)


def test_equally_likely_answers_share_the_win():
    for num, n in ((3, 4001), (300, 100), (1000, 3000)):
        assert plurality([1 / num] * num, n) == pytest.approx(1 / num, abs=1e-12)


def test_the_exact_probability_agrees_with_simulation():
    rng = np.random.default_rng(0)
    law = np.array([0.1, 0.08, *[0.02] * 36, 0.1])  # the last one is silent
    n, num = 150, 40_000
    counts = rng.multinomial(n, law, size=num)[:, :-1]
    top = counts.max(axis=1, keepdims=True)
    won = (counts[:, 0] == top[:, 0]) / (counts == top).sum(axis=1)
    spread = float(won.std()) / math.sqrt(num)
    assert abs(float(won.mean()) - plurality(law[:-1], n, silent=0.1)) < 4 * spread
    assert abs(float(won.mean()) - plurality(law[:-1], n + 30, silent=0.1)) > 4 * spread


def test_one_more_vote_changes_the_chance_by_the_tie_identity():
    """P_(n+1) - P_n = E[ tied on top with S: sum over S of (p_t - p_o) / |S| ] + P(no vote yet) p_t."""
    probs, silent = fractions(4, 3, 2, over=10), Fraction(1, 10)
    for target in range(3):
        for n in range(1, 6):
            step = Fraction(0)
            for counts, chance in outcomes(probs, silent, n):
                if max(counts) == 0:
                    step += chance * probs[target]
                elif counts[target] == max(counts):
                    tied = [p for p, c in zip(probs, counts, strict=True) if c == max(counts)]
                    step += chance * sum(probs[target] - p for p in tied) / len(tied)
            more, less = (enumerated(probs, k, target=target, silent=silent) for k in (n + 1, n))
            assert more - less == step


def test_extreme_laws_stay_within_zero_and_one():
    assert plurality([1.0], 5) == plurality([1.0, 0.0], 5) == 1.0
    assert plurality([0.0, 1.0], 5) == plurality([0.0], 5, silent=1.0) == 0.0
    assert plurality([0.25], 2, silent=0.75) == pytest.approx(1 - 0.75**2)
    assert plurality([0.5, 0.3, 0.2], 100_000) == pytest.approx(1.0, abs=1e-12)
    assert plurality([1e-300, 0.4, 0.6 - 1e-300], 50) == pytest.approx(0.0, abs=1e-12)
    assert 0 <= plurality([1 - 2e-12, 1e-12, 1e-12], 50) <= 1


@pytest.mark.parametrize(
    ("probs", "kwargs", "message"),
    [
        ([0.5, 0.4], {}, "together not 1"),
        ([0.5, 0.4], {"silent": 0.2}, "together not 1"),
        ([0.5, 0.6, -0.1], {}, "holds no probabilities"),
        ([0.5, math.nan], {}, "holds no probabilities"),
        ([], {"silent": 1.0}, "holds no probabilities"),
        ([0.5, 0.5], {"target": 2}, "no index"),
        ([0.5, 0.5], {"target": -1}, "no index"),
    ],
)
def test_what_is_no_law_is_refused(probs, kwargs, message):
    for call in (lambda: plurality(probs, 3, **kwargs), lambda: plurality_curve(probs, 3, **kwargs)):
        with pytest.raises(ConfigError, match=message):
            call()
    with pytest.raises(ConfigError, match="n=0"):
        plurality([0.5, 0.5], 0)


# ---------------------------------------------------------------- the smallest number of samples


def test_the_votes_needed_on_two_answers_come_out_exactly_and_fast():
    start_s = time.process_time()
    for delta, expected in VOTES_ON_TWO.items():
        assert [smallest_n(hard.two_answers(gap), delta) for gap in GAPS] == expected
    assert time.process_time() - start_s < 2.0


def test_the_smallest_n_is_enough_and_one_less_is_not():
    rng = np.random.default_rng(1)
    laws = [[0.5, 0.3, 0.2], [0.4, 0.36, 0.24], [0.35, 0.3, 0.2, 0.1, 0.05], sorted(rng.dirichlet(np.ones(30)))[::-1]]
    for probs in laws:
        for delta in (0.3, 0.05, 1e-4):
            n = smallest_n(probs, delta)
            assert n is not None
            assert plurality(probs, n) >= 1 - delta - 1e-12
            assert n == 1 or plurality(probs, n - 1) < 1 - delta
            curve = plurality_curve(probs, min(n, 400))
            assert np.flatnonzero(curve >= (1 - delta) * (1 - 1e-12)).tolist() == ([n - 1] if n <= 400 else [])


def test_silent_samples_raise_the_number_needed_by_about_their_share():
    full, thin = smallest_n([0.55, 0.45], 0.05), smallest_n([0.275, 0.225], 0.05, silent=0.5)
    assert full is not None and thin is not None
    assert thin == pytest.approx(2 * full, rel=0.05)


def test_a_probability_that_is_met_exactly_is_enough():
    assert smallest_n([0.6, 0.4], 0.4) == 1  # 1 - 0.4 is not quite 0.6 in binary
    assert smallest_n([0.6, 0.4], 0.352) == 3


def test_there_is_no_number_where_the_target_is_not_the_mode_or_the_budget_is_short():
    assert smallest_n([0.4, 0.6], 0.05) is None
    assert smallest_n([0.4, 0.4, 0.2], 0.05) is None
    assert smallest_n([0.0, 1.0], 0.05) is None
    assert smallest_n([0.505, 0.495], 0.05, max_n=27_054) is None
    assert smallest_n([0.505, 0.495], 0.05, max_n=27_055) == 27_055
    assert smallest_n([0.5, 0.3, 0.2], 0.05, max_n=3) is None


def test_a_target_that_is_not_the_mode_may_still_win_often_enough_for_a_modest_aim():
    law = [0.3, 0.31, 0.2, 0.19]
    curve = plurality_curve(law, 400)
    best = int(curve.argmax()) + 1
    assert best > 50 and curve[-1] < curve.max()  # it rises, then falls for good
    for n in (3, 20, 60, best):
        assert smallest_n(law, 1 - float(curve[n - 1])) == int((curve >= curve[n - 1] - 1e-13).argmax()) + 1
    assert smallest_n(law, 1 - float(curve.max()) - 0.001, max_n=400) is None
    assert smallest_n([0.1, 0.6, 0.3], 0.85, max_n=10**9) is None  # far from a tie: found out after a few samples


# ---------------------------------------------------------------- hard instances


def test_the_hard_instances_are_laws_with_the_gap_they_are_named_for():
    for gap in (*GAPS, 0.3, 1 / 3, 0.007):
        for law in (hard.two_answers(gap), hard.long_tail(gap)):
            assert law.sum() == pytest.approx(1.0, abs=1e-12)
            assert law[0] - law[1:].max() == pytest.approx(gap, abs=1e-12)
    assert hard.long_tail(0.32) == pytest.approx([0.64, 0.32, 0.04])
    assert hard.long_tail(0.02) == pytest.approx([0.04, *[0.02] * 48])
    for gap in (0.0, 0.34):
        with pytest.raises(ConfigError, match="gap"):
            hard.long_tail(gap)


def test_each_strategy_meets_its_rate_on_its_own_hard_instance_only():
    rows = hard.separation_table(GAPS, [0.05])
    every, last = hard.slopes(rows), hard.slopes(rows, last=4)
    assert every.vote_two == pytest.approx(2.0124, abs=5e-5)
    assert last.vote_two == pytest.approx(2.0018, abs=5e-5)
    assert every.best_of_n_tail == pytest.approx(1.109, abs=5e-4)
    assert last.best_of_n_tail == pytest.approx(1.0187, abs=5e-5)
    assert every.best_of_n_two < 0.2
    assert last.vote_tail < 1.25


def test_the_separation_table_holds_the_exact_numbers():
    rows = hard.separation_table()
    assert [(row.delta, row.gap) for row in rows] == [(d, g) for d in hard.DELTAS for g in GAPS]
    for column, tables in (
        ("vote_two", VOTES_ON_TWO),
        ("best_of_n_tail", DRAWS_ON_TAIL),
        ("best_of_n_two", DRAWS_ON_TWO),
    ):
        for delta, expected in tables.items():
            assert [getattr(row, column) for row in rows if row.delta == delta] == expected


def test_votes_on_the_long_tail_are_the_smallest_that_are_enough():
    for row in hard.separation_table((0.32, 0.08, 0.02), [0.05]):
        law = hard.long_tail(row.gap)
        assert plurality(law, row.vote_tail) >= 0.95 > plurality(law, row.vote_tail - 1)


def test_too_few_samples_fail_with_a_probability_that_small_gaps_do_not_lower():
    for share, limit in ((0.0625, 0.401294), (0.25, 0.308538), (1.0, 0.158655)):
        rows = hard.failures_below((0.08, 0.04, 0.02, 0.01, 0.001), share=share)
        assert all(row.vote_fails == pytest.approx(limit, abs=0.002) for row in rows)
        assert all(row.vote_fails >= row.any_rule_fails >= 0.24 * math.exp(-2.02 * share) for row in rows)
    for row in hard.failures_below((0.08, 0.04, 0.02, 0.01, 0.001), share=0.25):
        assert 0.5 <= row.best_of_n_fails <= 0.62
        law = hard.two_answers(row.gap)
        assert row.vote_fails == pytest.approx(1 - plurality(law, row.num_votes), abs=1e-12)
        fewer = [plurality(law, n, target=1) for n in range(1, row.num_votes, max(1, row.num_votes // 50))]
        assert min(fewer) >= row.vote_fails - 1e-12


def test_a_slope_is_that_of_a_power_law():
    gaps = [0.3, 0.2, 0.05]
    assert hard.loglog_slope(gaps, [7 / g**1.5 for g in gaps]) == pytest.approx(1.5)
    for bad in (([0.1], [3]), ([0.1, 0.1], [3, 4]), ([0.1, 0.2], [3, 0])):
        with pytest.raises(ConfigError, match="slope"):
            hard.loglog_slope(*bad)
    with pytest.raises(ConfigError, match="one delta"):
        hard.slopes(hard.separation_table((0.3, 0.2), (0.05, 0.1)))


# ---------------------------------------------------------------- verifiers


def test_a_verifier_that_errs_reaches_its_ceiling_and_no_more():
    erring = {"recall": 0.9, "false_accept": 0.1}
    assert float(binary_verifier(0.2, 4, **erring)) == pytest.approx(0.49281, abs=5e-6)
    assert float(binary_verifier(0.2, 16, **erring)) == pytest.approx(0.68693, abs=5e-6)
    assert float(binary_verifier_limit(0.2, **erring)) == pytest.approx(0.692308, abs=5e-7)
    assert float(binary_verifier(0.2, 10_000, **erring)) == pytest.approx(0.18 / 0.26, abs=1e-12)
    assert math.isinf(binary_verifier_sample_size(0.2, 0.7, **erring))


def test_a_perfect_verifier_fails_only_where_the_right_answer_is_missing():
    perfect = {"recall": 1.0, "false_accept": 0.0}
    assert float(binary_verifier(0.2, 14, **perfect)) == pytest.approx(0.95602, abs=5e-6)
    assert binary_verifier(0.2, np.arange(1, 30), **perfect) == pytest.approx(1 - 0.8 ** np.arange(1, 30))
    assert float(binary_verifier_limit(0.2, **perfect)) == 1.0
    for p in (0.01, 0.2, 0.9):
        for delta in (0.3, 0.05, 1e-4):
            assert binary_verifier_sample_size(p, 1 - delta, **perfect) == best_of_n_perfect(p, delta)


@pytest.mark.parametrize(
    ("p", "recall", "false_accept"),
    [(0.3, 0.9, 0.2), (0.3, 0.2, 0.9), (0.5, 1.0, 0.0), (0.4, 0.0, 0.0), (0.4, 1.0, 1.0), (0.0, 0.5, 0.5), (1, 0.7, 1)],
)
def test_the_law_of_the_choice_equals_enumerating_samples_and_verdicts(p, recall, false_accept):
    chance = {
        (True, True): p * recall,
        (True, False): p * (1 - recall),
        (False, True): (1 - p) * false_accept,
        (False, False): (1 - p) * (1 - false_accept),
    }
    for n in (1, 2, 5):
        right = 0.0
        for drawn in itertools.product(chance, repeat=n):
            pool = [ok for ok, accepted in drawn if accepted] or [ok for ok, _ in drawn]
            right += math.prod(chance[d] for d in drawn) * sum(pool) / len(pool)
        assert float(binary_verifier(p, n, recall=recall, false_accept=false_accept)) == pytest.approx(right, abs=1e-14)


def test_the_sample_size_with_an_erring_verifier_is_the_smallest():
    kind = {"recall": 0.8, "false_accept": 0.15}
    for target in (0.3, 0.5, 0.65):
        n = int(binary_verifier_sample_size(0.3, target, **kind))
        assert float(binary_verifier(0.3, n, **kind)) >= target - 1e-12
        assert n == 1 or float(binary_verifier(0.3, n - 1, **kind)) < target
    assert binary_verifier_sample_size([0.3, 0.3], [0.2, 0.9], **kind).tolist() == [1.0, math.inf]
    assert math.isinf(binary_verifier_sample_size(0.3, 0.5, recall=0.5, false_accept=0.5))


def test_a_vote_among_accepted_samples_goes_past_the_ceiling_of_picking_one():
    law = accepted_law([0.35, 0.4, 0.25], recall=0.8, false_accept=0.4)
    assert law.probs == pytest.approx([0.28, 0.16, 0.1])
    assert law.silent == pytest.approx(0.46)
    ceiling = float(binary_verifier_limit(0.35, recall=0.8, false_accept=0.4))
    assert ceiling == pytest.approx(0.28 / 0.54)
    assert plurality(law.probs, 200, silent=law.silent) > 0.99 > ceiling
    assert plurality([0.35, 0.4, 0.25], 200) < 0.25


def test_verifier_arguments_outside_the_unit_interval_are_refused():
    with pytest.raises(ConfigError, match=r"1\.2 is outside"):
        binary_verifier(0.2, 4, recall=1.2, false_accept=0.1)
    with pytest.raises(ConfigError, match="outside"):
        binary_verifier_limit(math.nan, recall=0.9, false_accept=0.1)
    with pytest.raises(ConfigError, match="below 1"):
        binary_verifier(0.2, 0, recall=0.9, false_accept=0.1)
    with pytest.raises(ConfigError, match="no index"):
        accepted_law([0.5, 0.5], recall=0.9, false_accept=0.1, target=2)


# ---------------------------------------------------------------- report and claims


def test_the_report_tells_the_four_slopes_and_draws_them_on_logarithmic_axes():
    report = separation_report()
    assert [round(float(f.value), 3) for f in report.facts] == [2.002, 1.019, 1.203, 0.097]
    page = report.to_json()
    chart = next(b for b in page["sections"][0]["blocks"] if b["kind"] == "chart")
    scales = [layer["encoding"]["y"]["scale"]["type"] for layer in chart["spec"]["layer"]]
    assert scales and set(scales) == {"log"}
    drawn = {(row["series"], row["y"]) for row in chart["spec"]["data"]["values"]}
    assert {(COLUMNS["vote_two"], n) for n in VOTES_ON_TWO[0.05]} <= drawn
    assert "different instances" in render_html(page)


def test_the_claims_hold_and_a_wrong_number_is_counted():
    assert 1.99 <= claims.rate(column="vote_two", gaps=GAPS[2:], delta=0.05).value <= 2.01
    assert 1.0 <= claims.rate(column="best_of_n_tail", gaps=GAPS[2:], delta=0.05).value <= 1.03
    assert claims.rate(column="best_of_n_two", gaps=GAPS[2:], delta=0.05).value < 0.2
    tables = {"best_of_n_two": {"0.05": [3, 4, 4, 5, 5, 5]}}
    assert claims.mismatches(gaps=GAPS, tables=tables).value == 0
    tables["best_of_n_two"]["0.05"][2] = 7
    found = claims.mismatches(gaps=GAPS, tables=tables)
    assert (found.value, found.num) == (1, 6)
