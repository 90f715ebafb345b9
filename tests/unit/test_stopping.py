"""Stopping rules: what each one promises, the known savings and error rates, and the text form."""

import itertools
import math

import numpy as np
import pytest

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.test_time import stopping
from reasonry.test_time.claims.stopping import LAWS, draw, run_rule, wrong_certificates, wrong_stops_of_heuristics
from reasonry.test_time.stopping import (
    RULES,
    Decision,
    Rule,
    beta,
    certify,
    curtail,
    doubling,
    fixed,
    group_sequential,
    make_rule,
    martingale,
    window,
)
from reasonry.test_time.stopping.frontier import evidence_frontier
from reasonry.test_time.stopping.sequential import lead_boundary


def decide(rule: Rule, answers: object) -> Decision:
    watch = rule.start()
    for answer in answers:
        if watch.observe(answer):
            break
    return watch.decision()


# ---------------------------------------------------------------- fixed and curtail


def test_fixed_takes_every_sample_and_says_it_is_decided() -> None:
    decision = decide(fixed(5), ["a", None, "b", "b", "a", "a"])
    # In a tie the leader is the answer that had its votes first.
    assert decision == Decision("decided", "b", "a", 5, None, "2 to 2 votes, all 5 samples")
    assert fixed(5).start().least_more() == 5


def test_curtail_stops_when_the_rest_cannot_even_make_a_tie() -> None:
    # 3 to 0 with 2 left: settled. 2 to 0 with 3 left and 3 to 1 with 2 left are not (2 to 3; 3 to 3).
    assert decide(curtail(5), "aaaaa").num_seen == 3
    assert decide(curtail(6), "aaabaa")[:4] == ("decided", "a", "b", 5)
    assert decide(curtail(6), "aaabbb") == Decision("decided", "a", "b", 6, None, "3 to 3 votes, all 6 samples")


def test_curtail_counts_samples_without_an_answer_as_spent() -> None:
    assert decide(curtail(5), [None, None, None, "a", "a"])[:4] == ("decided", "a", None, 5)
    assert decide(curtail(5), [None, None, "a", "a", "a"])[:4] == ("decided", "a", None, 4)


@pytest.mark.parametrize(
    ("law", "mean_n"),
    [((0.8, 0.2), 41.2), ((0.95, 0.05), 34.7), ((0.6, 0.4), 54.7), ((0.5, 0.3, 0.2), 54.7)],
)
def test_curtailment_saves_the_known_share_of_64_samples(law: tuple[float, ...], mean_n: float) -> None:
    assert run_rule(curtail(64), law, num_runs=2000, seed=11).mean_n == pytest.approx(mean_n, abs=0.6)


def test_curtailed_output_is_that_of_the_full_vote_for_every_sequence() -> None:
    for answers in itertools.product(("a", "b", "c", None), repeat=6):
        decision = decide(curtail(6), answers)
        full = {x: answers.count(x) for x in "abc"}
        most = max(full.values())
        leaders = [x for x, votes in full.items() if votes == most > 0]
        if decision.num_seen < 6:
            assert leaders == [decision.leader]
        elif leaders:
            assert decision.leader in leaders
        else:
            assert decision.leader is None


# ---------------------------------------------------------------- group-sequential


def crossing(num_steps: int, lead: int) -> float:
    """P(a fair walk reaches ``lead`` within ``num_steps``), step by step."""
    alive = {0: 1.0}
    crossed = 0.0
    for _ in range(num_steps):
        after: dict[int, float] = {}
        for place, chance in alive.items():
            for step in (-1, 1):
                after[place + step] = after.get(place + step, 0.0) + chance / 2
        crossed += after.pop(lead, 0.0)
        alive = after
    return crossed


@pytest.mark.parametrize("max_n", [1, 7, 20, 64])
@pytest.mark.parametrize("delta", [0.3, 0.05])
def test_the_lead_is_the_least_that_a_fair_walk_rarely_reaches(max_n: int, delta: float) -> None:
    for order, level, num_steps in ((1, delta / 2, max_n - 1), (3, delta / 12, max_n - 1), (0, delta, max_n)):
        lead = lead_boundary(delta, max_n, 2 if order == 0 else None).lead(order)
        assert crossing(num_steps, lead) <= level
        assert lead == 1 or crossing(num_steps, lead - 1) > level


@pytest.mark.parametrize("looks", [None, 1, 3])
@pytest.mark.parametrize(("law", "num"), [((0.5, 0.5), 11), ((1 / 3, 1 / 3, 1 / 3), 7), ((0.4, 0.4, 0.2), 7)])
def test_group_sequential_errors_summed_over_every_sequence_stay_below_delta(law, num: int, looks: int | None) -> None:
    rule = group_sequential(0.4, max_n=num, looks=looks)
    total = 0.0
    for answers in itertools.product(range(len(law)), repeat=num):
        if decide(rule, map(str, answers)).verdict == "certified":
            total += math.prod(law[a] for a in answers)
    assert 0 < total <= 0.4, "in a tie every certificate is wrong"


def test_planned_looks_are_equally_spaced_and_reach_the_last_sample() -> None:
    watch = group_sequential(0.05, max_n=64, looks=5).start()
    looks: list[int] = []
    while True:
        more = watch.least_more()
        taken = [watch.observe("a") for _ in range(more)]
        looks.append(watch.num_seen)
        assert not any(taken[:-1])
        if taken[-1]:
            break
    assert lead_boundary(0.05, 64, None).lead(1) == 18
    assert looks == [26], "of 13, 26, 39, 52, 64 the first at which 25 - 0 reaches the lead; drawn in one round"
    assert decide(group_sequential(0.05, max_n=64), "a" * 64).num_seen == 19


def test_the_known_maximum_certifies_more_close_problems_than_the_rule_that_needs_none() -> None:
    law = LAWS["(.6, .4)"]
    planned = run_rule(group_sequential(0.05, max_n=64), law, num_runs=1000, seed=5)
    anytime = run_rule(certify(0.05, max_n=64), law, num_runs=1000, seed=5)
    assert planned.stop_rate > anytime.stop_rate + 0.05
    assert planned.wrong_stop_rate <= 0.05


# ---------------------------------------------------------------- heuristics of others


@pytest.mark.parametrize(("confidence", "num"), [(0.95, 4), (0.99, 6), (0.6, 1)])
def test_beta_stops_a_unanimous_run_when_half_to_its_power_is_small_enough(confidence: float, num: int) -> None:
    # P(Beta(a + 1, 1) > 1/2) = 1 - 2^-(a + 1)
    decision = decide(beta(confidence), "a" * 40)
    assert (decision.verdict, decision.num_seen) == ("heuristic", num)
    assert "no error guarantee" in decision.detail


def test_beta_weighs_leader_against_runner_up_only() -> None:
    # P(Beta(v1 + 1, 2) > 1/2) = P(Binomial(v1 + 2, 1/2) <= v1) is 0.9375 for v1 = 5 and 0.9648 for v1 = 6.
    assert decide(beta(0.95), "baaaaaaa").num_seen == 7
    assert decide(beta(0.95), "bcdefaaaaaaaaa").num_seen == 11, "five answers seen once weigh as one"


def test_doubling_looks_at_powers_of_two_only() -> None:
    assert decide(doubling(0.75), "aa").num_seen == 2
    assert decide(doubling(0.75), "ab" + "aa")[:4] == ("heuristic", "a", "b", 4)
    assert decide(doubling(0.75), "abab" + "aaaa" + "aaaaaaaa").num_seen == 8
    assert decide(doubling(1.0), "abaaaaaaaa" * 7).verdict == "budget_exhausted"
    assert decide(doubling(0.75, max_n=8), "abababaa").verdict == "budget_exhausted", "no look at the last sample"
    assert decide(doubling(0.75), [None, "a"]).num_seen == 2, "a share of the votes, not of the samples"
    assert decide(doubling(0.75), [None, None, "a", "a"]).num_seen == 4


def test_a_window_must_be_unanimous_and_windows_do_not_overlap() -> None:
    assert decide(window(3), "abbbaa" + "ccc")[:2] == ("heuristic", "b")
    assert decide(window(3), "abbbaa" + "ccc").num_seen == 9
    assert decide(window(3), ["a", None, "a", "b", "b", "b"]).num_seen == 6
    assert decide(window(3, max_n=8), "abaabaaa").verdict == "budget_exhausted"
    assert decide(window(2), [None, None, "a", "a"]).num_seen == 4, "no answer twice is not an answer"


def test_the_martingale_rule_bets_on_the_leader_before_the_vote() -> None:
    # The first vote has no leader to bet on; then E(a, 0) = (2^(a+1) - 1) / (a + 1) passes 20 at a = 7.
    decision = decide(martingale(0.05), "a" * 64)
    assert (decision.verdict, decision.num_seen) == ("heuristic", 8)
    assert decision.log_e_nats == pytest.approx(math.log(255 / 8))
    # b is the runner-up, c is one of the others: each loses one of the two bets.
    pair_lost, other_lost = decide(martingale(0.05), "ab" + "a" * 64), decide(martingale(0.05), "abc" + "a" * 64)
    assert pair_lost.num_seen < other_lost.num_seen


def test_evidence_of_the_martingale_rule_outlives_its_leader() -> None:
    # Six bets won on a, eight lost while b overtakes: b then needs six votes fewer than its own evidence would.
    least = evidence_frontier(-math.log(0.05)).least(8)
    decision = decide(martingale(0.05), "a" * 7 + "b" * 50)
    assert (decision.leader, decision.num_seen) == ("b", 15 + least - 6)


TABLE = [  # (rule, law): returned answer is not the mode, mean samples; 400 runs each
    (beta(0.95, max_n=1_000_000), "(.8, .2)", 0.0, 8.9),
    (beta(0.95, max_n=1_000_000), "(.6, .4)", 0.065, 48.7),
    (beta(0.95, max_n=1_000_000), "(.55, .45)", 0.12, 151.0),
    (beta(0.95, max_n=1_000_000), "(.4, .36, .24)", 0.145, 598.0),
    (beta(0.95, max_n=1_000_000), "zipf-20", 0.007, 71.5),
    (beta(0.95, max_n=40), "(.8, .2)", 0.0, 8.9),
    (beta(0.95, max_n=40), "(.6, .4)", 0.102, 24.1),
    (beta(0.95, max_n=40), "(.55, .45)", 0.25, 28.2),
    (beta(0.95, max_n=40), "(.4, .36, .24)", 0.398, 33.6),
    (beta(0.95, max_n=40), "zipf-20", 0.08, 34.9),
    (doubling(0.75, max_n=64), "(.8, .2)", 0.052, 5.2),
    (doubling(0.75, max_n=64), "(.6, .4)", 0.217, 14.9),
    (doubling(0.75, max_n=64), "(.55, .45)", 0.34, 15.2),
    (doubling(0.75, max_n=64), "(.4, .36, .24)", 0.47, 35.5),
    (doubling(0.75, max_n=64), "zipf-20", 0.08, 54.3),
]


@pytest.mark.parametrize(("rule", "law", "wrong_rate", "mean_n"), TABLE, ids=lambda x: getattr(x, "name", None))
def test_the_errors_of_heuristics_are_the_known_ones(rule: Rule, law: str, wrong_rate: float, mean_n: float) -> None:
    found = run_rule(rule, LAWS[law], num_runs=400, seed=2)
    spread = math.sqrt(2 * max(wrong_rate * (1 - wrong_rate), 0.005) / 400)  # both rates are of 400 runs
    assert found.wrong_rate == pytest.approx(wrong_rate, abs=3.5 * spread)
    assert found.mean_n == pytest.approx(mean_n, rel=0.3)
    assert found.mean_n <= found.p95_n


def test_in_a_tie_the_heuristics_stop_in_most_runs() -> None:
    law = LAWS["(.5, .5)"]
    assert run_rule(beta(0.95, max_n=3000), law, num_runs=200, seed=0).stop_rate == pytest.approx(0.8, abs=0.12)
    assert run_rule(beta(0.95, max_n=40), law, num_runs=400, seed=0).stop_rate == pytest.approx(0.425, abs=0.12)
    assert run_rule(doubling(0.75), law, num_runs=400, seed=0).stop_rate == pytest.approx(0.778, abs=0.1)


# ---------------------------------------------------------------- claims


def test_the_calibration_claim_measures_every_law_and_counts_a_certified_tie_as_wrong() -> None:
    found = wrong_certificates(delta=0.05, num_runs=400, max_n=1500, seed=1)
    assert 0 < found.low < found.value <= 0.05 < found.high, "400 runs are too few for the card"
    assert all(name in found.detail for name in LAWS)
    assert found.num == 400 * len(LAWS) == 2800
    # At a level where errors are frequent they are seen to be: the measurement can fail.
    assert wrong_certificates(delta=0.9, num_runs=200, max_n=400, seed=1).low > 0.05


def test_the_claim_about_heuristics_reports_the_better_of_the_two() -> None:
    found = wrong_stops_of_heuristics(num_runs=300, seed=3)
    assert found.low < found.value < found.high
    assert found.value < 0.25, "beta errs less often than doubling"
    assert "doubling:0.75" in found.detail


def test_simulated_answers_have_their_law() -> None:
    for name, law in LAWS.items():
        assert sum(law) == pytest.approx(1)
        assert law[0] >= max(law[1:])
        share = np.bincount(draw(law, (100, 200), seeds.stream(0, name)).ravel(), minlength=len(law)) / 20_000
        assert share == pytest.approx(np.array(law), abs=0.02)


# ---------------------------------------------------------------- the text form and refusals

TEXTS = {
    "fixed": fixed(16),
    "curtail": curtail(16),
    "certify": certify(0.05, max_n=16),
    "certify:0.01": certify(0.01, max_n=16),
    "certify:0.05:2": certify(0.05, max_n=16, num_answers=2),
    "beta:0.9": beta(0.9, max_n=16),
    "doubling:0.8": doubling(0.8, max_n=16),
    "window:4": window(4, max_n=16),
    "martingale:0.1": martingale(0.1, max_n=16),
    "group-sequential:0.05": group_sequential(0.05, max_n=16),
    "group-sequential:0.05:2": group_sequential(0.05, max_n=16, num_answers=2),
    "group-sequential:0.05:unknown:4": group_sequential(0.05, max_n=16, looks=4),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_rule_is_read_from_its_text_and_its_name_reads_back(text: str) -> None:
    rule = make_rule(text, max_n=16)
    assert rule == TEXTS[text]
    assert make_rule(rule.name, max_n=16) == rule
    assert rule.max_n == 16


def test_every_kind_of_rule_is_public_has_a_default_and_stops_by_its_maximum() -> None:
    for name, kind in RULES.items():
        rule = make_rule(name, max_n=7)
        assert rule.name.split(":")[0] == name
        assert kind.syntax.startswith(name)
        assert callable(getattr(stopping, name.replace("-", "_")))
        assert decide(rule, "abcdefghij").num_seen == 7


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("certfy:0.05", "Did you mean 'certify'"),
        ("group_sequential:0.05", "Did you mean 'group-sequential'"),
        ("zzz", "There are fixed, curtail"),
        ("certify:often", "not a number. It is written certify[:DELTA[:NUM_ANSWERS]]"),
        ("certify:0.05:two", "not a number"),
        ("certify:0.05:2:3", "more arguments"),
        ("fixed:3", "more arguments than fixed takes"),
        ("certify:1.5", "delta=1.5 is not strictly between 0 and 1"),
        ("martingale:0", "delta=0.0"),
        ("group-sequential:nan", "delta=nan"),
        ("group-sequential:0.05:2:9", "looks=9 is not within 1..max_n=8"),
        ("beta:0.4", "confidence=0.4 is not strictly between 0.5 and 1"),
        ("doubling:0.5", "threshold=0.5 is not within (0.5, 1]"),
        ("window:1", "size=1 is not a window"),
        ("certify:0.05:1", "num_answers=1"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_the_remedy(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_rule(text, max_n=8)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("max_n", [0, -1, 2.5])
def test_a_budget_without_a_sample_is_refused(name: str, max_n) -> None:
    with pytest.raises(ConfigError, match="max_n"):
        make_rule(name, max_n=max_n)


@pytest.mark.parametrize("text", TEXTS)
def test_a_stopped_rule_takes_no_further_answers(text: str) -> None:
    watch = make_rule(text, max_n=4).start()
    while not watch.observe("a"):
        pass
    with pytest.raises(AssertionError):
        watch.observe("a")
    with pytest.raises(AssertionError):
        watch.least_more()
