"""The certificate of the mode: run lengths in closed form, error levels, what it says, and its price per vote."""

import itertools
import math
import time
from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.core.stats import clopper_pearson, log_e_value
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.claims.stopping import LAWS, draw, run_rule
from reasonry.test_time.stopping import Decision, Rule, beta, certify, certify_batch, martingale
from reasonry.test_time.stopping.frontier import evidence_frontier, posterior_frontier


def decide(rule: Rule, answers: Iterable[str | None]) -> Decision:
    watch = rule.start()
    for answer in answers:
        if watch.observe(answer):
            break
    return watch.decision()


# ---------------------------------------------------------------- evidence and its boundary


def test_evidence_stays_finite_for_thousands_of_votes() -> None:
    assert float(log_e_value(5000, 5000)) == pytest.approx(5001 * math.log(2) - math.log(5001), abs=1e-9)
    against = float(log_e_value(0, 5000))
    assert math.isfinite(against)
    assert against < 0


@pytest.mark.parametrize("delta", [0.3, 0.05, 1e-3, 1e-12])
def test_the_boundary_is_the_least_count_whose_evidence_suffices(delta: float) -> None:
    level = math.log(2 / delta)
    frontier = evidence_frontier(level)
    rival = np.arange(400)
    least = frontier.table(400)
    assert (log_e_value(least, least + rival) >= level).all()
    assert (log_e_value(least - 1, least - 1 + rival) < level).all()
    assert [frontier.least(int(b)) for b in rival[::37]] == least[::37].tolist()
    assert (np.diff(least) >= 1).all()


def test_the_boundary_of_the_posterior_is_that_of_a_beta_distribution() -> None:
    frontier, rival = posterior_frontier(0.95), np.arange(200)
    least = frontier.table(200)
    assert (scipy_stats.beta.sf(0.5, least + 1, rival + 1) >= 0.95).all()
    assert (scipy_stats.beta.sf(0.5, least, rival + 1) < 0.95).all()


def test_a_boundary_that_is_asked_out_of_order_is_the_same() -> None:
    fresh = evidence_frontier(math.log(123.456))
    late = fresh.least(300)
    assert [fresh.least(b) for b in (0, 31, 32, 33, 300)] == [
        evidence_frontier(math.log(123.456)).least(b) for b in (0, 31, 32, 33, 300)
    ]
    assert fresh.least(300) == late
    assert log_e_value(late, late + 300) >= math.log(123.456) > log_e_value(late - 1, late + 299)


# ---------------------------------------------------------------- run lengths


@pytest.mark.parametrize(("delta", "unknown", "two"), [(0.1, 8, 5), (0.05, 9, 7), (0.01, 12, 9)])
def test_unanimous_answers_are_certified_after_the_known_number_of_samples(
    delta: float, unknown: int, two: int
) -> None:
    for rule, expected in ((certify(delta), unknown), (certify(delta, num_answers=2), two)):
        decision = decide(rule, "A" * 64)
        assert (decision.verdict, decision.leader, decision.num_seen) == ("certified", "A", expected)
        assert rule.start().least_more() == expected, "the first round draws exactly as many"
        done = certify_batch(np.zeros((1, 64), dtype=int), delta, num_answers=rule.num_answers)
        assert (done.stop_P[0], done.certified_P[0], done.leader_P[0]) == (expected, True, 0)


def test_an_answer_found_second_pays_for_having_been_found_and_owes_nothing_for_earlier_votes() -> None:
    assert decide(certify(0.05), "B" + "A" * 40).num_seen == 1 + 1 + 10
    # Three votes for B before A appeared do not count against A, but A must overtake them.
    decision = decide(certify(0.05), "BBB" + "A" * 40)
    assert (decision.num_seen, decision.leader, decision.runner_up) == (3 + 1 + 10, "A", "B")
    assert decision.log_e_nats == pytest.approx(math.log((2**11 - 1) / 11))
    # One vote for B after A appeared does: E(13, 1) = 156 is the first to reach 120.
    e = [math.exp(float(log_e_value(a, a + 1))) for a in (12, 13)]
    assert e[0] < 120 <= e[1]
    assert decide(certify(0.05), "BAB" + "A" * 40).num_seen == 3 + 13


def test_a_third_answer_needs_twice_the_evidence_of_a_second() -> None:
    # j (j + 1) / delta = 240 for j = 3: E(10, 0) = 186.1 is too little, E(11, 0) = 341.25 enough.
    assert decide(certify(0.05), "BC" + "A" * 40).num_seen == 2 + 1 + 11


def test_a_leader_with_a_tie_is_never_certified_whatever_its_evidence() -> None:
    # C appeared after 30 votes for A and B; 16 later it has overwhelming evidence but not yet the lead.
    prefix = "AB" * 15
    decision = decide(certify(0.05, max_n=47), prefix + "C" * 17)
    assert decision.leader == "C"
    assert decision.num_seen == len(prefix) + 16, "certified by the vote that takes the lead"
    assert decide(certify(0.05, max_n=45), prefix + "C" * 15).verdict == "budget_exhausted"


def test_a_declared_number_of_answers_shares_delta_among_all_but_the_mode() -> None:
    for declared in (2, 3, 5, 9):
        least = next(a for a in range(1, 99) if (2 ** (a + 1) - 1) / (a + 1) >= (declared - 1) / 0.05)
        assert decide(certify(0.05, num_answers=declared), "A" * 64).num_seen == least


def test_a_refuted_number_of_answers_falls_back_aloud_to_the_unknown_set() -> None:
    answers = "BC" + "A" * 40
    wrong, unknown = decide(certify(0.05, num_answers=2), answers), decide(certify(0.05), answers)
    assert (wrong.num_seen, wrong.verdict) == (unknown.num_seen, "certified")
    assert "2 answers declared but 3 seen" in wrong.detail
    assert "declared" not in unknown.detail


# ---------------------------------------------------------------- error levels


@pytest.mark.parametrize("delta", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("law", "num"), [((0.5, 0.5), 14), ((1 / 3, 1 / 3, 1 / 3), 9), ((0.4, 0.4, 0.2), 9)])
def test_wrong_certificates_summed_over_every_sequence_stay_below_delta(law, num: int, delta: float) -> None:
    sequences = np.array(list(itertools.product(range(len(law)), repeat=num)))
    chance = np.prod(np.array(law)[sequences], axis=1)
    assert chance.sum() == pytest.approx(1)
    # With the largest probability shared, every certificate is wrong.
    assert float(chance[certify_batch(sequences, delta).certified_P].sum()) <= delta


@pytest.mark.parametrize("declared", [2, 3])
@pytest.mark.parametrize("delta", [0.1, 0.4])
def test_with_the_number_declared_the_less_probable_answers_stay_below_delta(declared: int, delta: float) -> None:
    law = np.array({2: (0.51, 0.49), 3: (0.34, 0.33, 0.33)}[declared])
    sequences = np.array(list(itertools.product(range(declared), repeat={2: 14, 3: 9}[declared])))
    chance = np.prod(law[sequences], axis=1)
    done = certify_batch(sequences, delta, num_answers=declared)
    assert 0 < float(chance[done.certified_P & (done.leader_P != 0)].sum()) <= delta


def test_in_a_tie_the_certificate_keeps_its_level_and_the_harness_sees_a_rule_that_does_not() -> None:
    samples = draw(LAWS["(.5, .5)"], (400, 3000), stream(0, "tie"))
    num = int(certify_batch(samples, 0.05).certified_P.sum())
    assert num / 400 <= 0.078, "upper 99 % limit of 400 runs at 5 %"
    assert num > 0, "otherwise nothing was measured"
    assert run_rule(beta(0.95, max_n=3000), LAWS["(.5, .5)"], num_runs=200, seed=0).stop_rate > 0.6


def test_ten_thousand_equally_probable_answers_are_never_certified() -> None:
    samples = stream(0, "many").integers(0, 10_000, (200, 2000))
    assert int(certify_batch(samples, 0.05).certified_P.sum()) <= 10
    watch = certify(0.05, max_n=2000).start()
    assert [watch.observe(str(a)) for a in samples[0]] == [False] * 1999 + [True]
    assert watch.decision().verdict == "budget_exhausted"


TABLE = {  # wrong answers at most (99.9 % limit of 400 runs), mean samples, of at most 3000
    "(.8, .2)": (0.0, 25.8),
    "(.6, .4)": (0.01, 260.6),
    "(.55, .45)": (0.02, 1181.0),
    "(.4, .36, .24)": (0.025, 2781.0),
    "zipf-20": (0.01, 285.0),
    "(.2, 8 x .1)": (0.01, 651.0),
}


@pytest.mark.parametrize("law", TABLE)
def test_the_price_of_a_certificate_is_the_known_one(law: str) -> None:
    samples = draw(LAWS[law], (400, 3000), stream(7, law))
    done = certify_batch(samples, 0.05)
    most_wrong, mean_n = TABLE[law]
    assert float((done.leader_P != 0).mean()) <= most_wrong
    spread = float(done.stop_P.std()) * math.sqrt(2 / 400)  # both means are of 400 runs
    assert float(done.stop_P.mean()) == pytest.approx(mean_n, abs=3.5 * spread)


@pytest.mark.slow
def test_wrong_certificates_stay_below_delta_on_every_law_at_three_levels() -> None:
    for delta in (0.2, 0.05, 0.01):
        for name, law in LAWS.items():
            done = certify_batch(draw(law, (4000, 2000), stream(1, "level", name)), delta)
            wrong = done.certified_P & ((done.leader_P != 0) | (name == "(.5, .5)"))
            assert clopper_pearson(int(wrong.sum()), 4000, level=0.998).low <= delta, (name, delta)


def test_a_rule_that_pools_all_others_never_stops_where_the_certificate_does() -> None:
    law = LAWS["(.2, 8 x .1)"]
    assert run_rule(martingale(0.05, max_n=400), law, num_runs=60, seed=0).stop_rate == 0.0
    assert run_rule(certify(0.05, max_n=3000), law, num_runs=60, seed=0).stop_rate > 0.95


# ---------------------------------------------------------------- what it says and refuses


def test_without_any_answer_there_is_no_leader_and_no_certificate() -> None:
    decision = decide(certify(0.05, max_n=12), [None] * 20)
    assert decision[:5] == ("budget_exhausted", None, None, 12, None)
    done = certify_batch(np.full((2, 12), -1))
    assert done.leader_P.tolist() == done.runner_up_P.tolist() == [-1, -1]
    assert np.isnan(done.log_e_P).all()
    assert not done.certified_P.any()
    assert done.stop_P.tolist() == [12, 12]


def test_a_certificate_says_that_it_is_about_the_model_and_not_about_truth() -> None:
    decision = decide(certify(0.05), "A" * 9)
    assert "may still be wrong" in decision.detail
    assert "delta 0.05" in decision.detail
    short = decide(certify(0.05, max_n=8), "A" * 9)
    assert short.verdict == "budget_exhausted"
    assert short.detail.startswith("all 8 samples used, not certified")
    early = certify(0.05).start()
    early.observe("A")
    assert early.decision().detail.startswith("ended after 1 of 64 samples")


def test_a_tiny_delta_is_no_overflow() -> None:
    decision = decide(certify(1e-300, max_n=2000), "A" * 2000)
    assert decision.verdict == "certified"
    assert decision.num_seen == 1 + next(a for a in range(9999) if (2 ** (a + 1) - 1) / (a + 1) >= 2e300)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 5.0, math.nan])
def test_a_level_outside_zero_to_one_is_refused(delta: float) -> None:
    for make in (lambda: certify(delta), lambda: certify_batch(np.zeros((1, 3), dtype=int), delta)):
        with pytest.raises(ConfigError, match="delta"):
            make()


@pytest.mark.parametrize("num_answers", [1, 0, -2, 2.5, True])
def test_a_declared_number_that_leaves_no_choice_is_refused(num_answers) -> None:
    with pytest.raises(ConfigError, match="num_answers"):
        certify(0.05, num_answers=num_answers)


@pytest.mark.parametrize("answers", [[1, 2, 3], [[0.5, 1.0]], [[-2, 0]], [[True, False]]])
def test_a_table_that_holds_no_answer_numbers_is_refused(answers) -> None:
    with pytest.raises(DataError, match="not a table of integers"):
        certify_batch(answers)


def test_tables_without_problems_or_samples_have_empty_results() -> None:
    assert certify_batch(np.zeros((0, 5), dtype=int)).stop_P.shape == (0,)
    none = certify_batch(np.zeros((3, 0), dtype=int))
    assert (none.stop_P.tolist(), none.leader_P.tolist()) == ([0, 0, 0], [-1, -1, -1])


def test_answer_numbers_may_be_large_and_of_any_integer_type() -> None:
    samples = draw((0.6, 0.3, 0.1), (50, 40), stream(3, "names"))
    small = certify_batch(samples.astype(np.int8))
    assert np.array_equal(certify_batch(samples.astype(np.uint8)).leader_P, small.leader_P)
    for large in (samples * 1_000_003 + 10**12, (samples + 4_000_000_000).astype(np.uint32)):
        done = certify_batch(large)
        for name in ("stop_P", "certified_P", "log_e_P"):
            assert np.array_equal(getattr(small, name), getattr(done, name))
        step = int(large.max() - large.min()) // 2
        assert np.array_equal(done.leader_P, small.leader_P * step + int(large.min()))


def test_a_vote_costs_a_few_microseconds() -> None:
    samples = [str(a) for a in draw(LAWS["(.5, .5)"], (1, 20_000), stream(0, "cost"))[0]]
    best_s = math.inf
    for _ in range(3):
        watch = certify(1e-9, max_n=20_000).start()
        start_s = time.process_time()
        for answer in samples:
            if watch.observe(answer):
                break
        best_s = min(best_s, time.process_time() - start_s)
        assert watch.num_seen > 10_000
    assert best_s / 20_000 < 20e-6
