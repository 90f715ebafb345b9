"""Rules replayed on finished pools: the certificate's formula, the numbers of a replay, and what a run would do."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.messages import user
from reasonry.core.rows import Row
from reasonry.core.task import Problem
from reasonry.test_time.pool import Question
from reasonry.test_time.replay import RULES, Replay, certificate_trace, replay_rules, stop_of
from reasonry.test_time.simulate import CategoricalSampler
from reasonry.test_time.stopping import make_rule
from reasonry.test_time.strategies import SelfConsistency

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=50)
SKEWED = st.tuples(ANSWERS, st.sampled_from(["a", "b"]), st.integers(0, 30)).map(lambda t: [*t[0], *[t[1]] * t[2]])
ANY_RULE = st.sampled_from([*RULES, "window:3", "martingale:0.2", "group-sequential:0.3", "fixed", "certify:0.3:3"])


def rows(answers: str, *, right: str = "a", num_tok: int = 10) -> list[Row]:
    """One letter per sample, a dot for one without an answer."""
    return [
        {
            "answer": None if c == "." else c,
            "grade": "right" if c == right else "ungradable" if c == "." else "wrong",
            "num_completion_tok": num_tok,
        }
        for c in answers
    ]


def replay(pools: dict[str, list[Row]], rule: str, **options: Any) -> Replay:
    (found,) = replay_rules(pools, rules=[rule], **{"seed": 0, **options})
    return found


# ---------------------------------------------------------------- the certificate's trace


@pytest.mark.parametrize(("delta", "num"), [(0.1, 8), (0.05, 9), (0.01, 12)])
def test_equal_answers_are_certified_where_the_closed_form_says(delta: float, num: int) -> None:
    """E(a, 0) = (2^(a+1) - 1) / (a + 1), against 2 / delta; the sample that makes the answer known does not count."""
    trace = certificate_trace(["a"] * 20, delta=delta)
    expected = [math.log((2 ** (a + 1) - 1) / (a + 1)) - math.log(2 / delta) for a in range(20)]
    assert trace == pytest.approx(expected, abs=1e-9)
    assert [e >= 0 for e in trace].index(True) + 1 == num == stop_of(["a"] * 20, f"certify:{delta}")


def test_an_answer_that_appears_second_needs_more_and_owes_nothing_to_what_was_before() -> None:
    """Against 2 * 3 / delta, and b has no vote after a is known: b, a, and ten more."""
    answers = ["b", *["a"] * 15]
    trace = certificate_trace(answers, delta=0.05)
    assert [e >= 0 for e in trace].index(True) + 1 == 12 == stop_of(answers, "certify:0.05")
    assert trace[11] == pytest.approx(math.log((2**11 - 1) / 11) - math.log(6 / 0.05), abs=1e-9)


@pytest.mark.parametrize("silence", [[None], [None] * 30])
def test_samples_without_an_answer_are_no_evidence(silence: list[None]) -> None:
    trace = certificate_trace([*silence, *["a"] * 9], delta=0.05)
    assert trace[: len(silence)] == [-math.log(40)] * len(silence)
    assert trace[len(silence) :] == certificate_trace(["a"] * 9, delta=0.05)


@settings(max_examples=150, deadline=None)
@given(answers=SKEWED, delta=st.sampled_from([0.5, 0.2, 0.05, 0.01]))
def test_the_trace_reaches_zero_exactly_where_the_rule_stops(answers: list[str | None], delta: float) -> None:
    trace = certificate_trace(answers, delta=delta)
    assert len(trace) == len(answers) and all(map(math.isfinite, trace))
    rule = make_rule(f"certify:{delta}", max_n=len(answers) + 1)  # one more, so that the budget does not end it
    watch = rule.start()
    stop = next((t for t, answer in enumerate(answers) if watch.observe(answer)), None)
    assert next((t for t, evidence in enumerate(trace) if evidence >= -1e-12), None) == stop
    decision = watch.decision()
    counts = Counter(a for a in answers[: decision.num_seen] if a is not None)
    if decision.log_e_nats is not None and list(counts.values()).count(max(counts.values())) == 1:
        order = list(dict.fromkeys(a for a in answers if a is not None)).index(decision.leader) + 1
        threshold = math.log(order * (order + 1) / delta)
        assert trace[decision.num_seen - 1] == pytest.approx(decision.log_e_nats - threshold, abs=1e-9)


# ---------------------------------------------------------------- where a rule stops


@pytest.mark.parametrize(
    ("answers", "rule", "stop"),
    [
        ("aaaaaaaaa", "curtail", 5),
        ("abababab", "curtail", 8),
        ("aaaaaaaaaaaa", "certify:0.05", 9),
        ("aaaa", "certify:0.05", 4),
        ("ababababa", "fixed", 9),
        ("bbaaaaaa", "window:3", 6),  # windows do not overlap
        (".........", "certify:0.05", 9),
        ("a", "beta:0.95", 1),
    ],
)
def test_the_number_of_samples_that_a_rule_looks_at(answers: str, rule: str, stop: int) -> None:
    assert stop_of([None if c == "." else c for c in answers], rule) == stop


@settings(max_examples=100, deadline=None)
@given(answers=SKEWED, rule=ANY_RULE)
def test_a_replay_stops_where_a_run_with_that_rule_and_budget_does(answers: list[str | None], rule: str) -> None:
    watch = make_rule(rule, max_n=len(answers)).start()
    for answer in answers:
        if watch.observe(answer):
            break
    assert stop_of(answers, rule) == watch.decision().num_seen


@pytest.mark.parametrize("rule", [*RULES, "window:3"])
def test_a_replay_says_what_a_run_finds(rule: str) -> None:
    laws = {"p0": [0.9, 0.1, 0], "p1": [0.4, 0.4, 0.2], "p2": [0.1, 0.7, 0.2], "p3": [0, 0, 1.0]}
    problems = [Question(p, (user(p),), Problem(p, p, "x")) for p in laws]

    def vote(stop: Any) -> dict[str, Any]:
        sampler = CategoricalSampler(laws, seed=2, answers=("x", "y", None), mark="")
        return {r.id: r for r in SelfConsistency(sampler, "exact", stop=stop, seed=5).run_batch(problems)}

    whole, early = vote(make_rule("fixed", max_n=24)), vote(make_rule(rule, max_n=24))
    found = replay({p: list(r.rows) for p, r in whole.items()}, rule, seed=5)
    assert found.stops == [r.num_used for r in early.values()]
    assert found.accuracy == sum(r.grade == "right" for r in early.values()) / 4
    assert found.mean_n == sum(r.num_used for r in early.values()) / 4
    assert found.mean_tok == sum(r.num_completion_tok for r in early.values()) / 4
    assert found.num_wrong_stops == sum(whole[p].answer != early[p].answer for p in laws)


# ---------------------------------------------------------------- the numbers of a replay


def test_the_numbers_are_means_over_problems_and_counts_of_them() -> None:
    """window:2 ends with two equal answers in a row."""
    pools = {
        "early and right": rows("aabbbb", num_tok=5),  # all six vote b
        "early and wrong": rows("bbaaaa", num_tok=7),
        "early, and as all would": rows("aabaaa", num_tok=1),
        "never": rows("abab.b", num_tok=2),
    }
    assert replay(pools, "window:2") == Replay(
        "window:2",
        accuracy=2 / 4,
        mean_n=(2 + 2 + 2 + 6) / 4,
        mean_tok=(10 + 14 + 2 + 12) / 4,
        num_stopped=3,
        num_wrong_stops=2,
        stops=[2, 2, 2, 6],
    )


def test_all_samples_are_replayed_without_any_stop() -> None:
    found = replay({"p": rows("aab"), "q": rows("bba")}, "fixed")
    assert found == Replay("fixed", 0.5, 3.0, 30.0, 0, 0, [3, 3])


@pytest.mark.parametrize("answers", ["a", ".", "b"])
@pytest.mark.parametrize("rule", RULES)
def test_one_sample_is_replayed(answers: str, rule: str) -> None:
    found = replay({"p": rows(answers)}, rule)
    assert found == Replay(rule, float(answers == "a"), 1.0, 10.0, 0, 0, [1])


def test_nobody_answers_and_nothing_is_right() -> None:
    assert replay({"p": rows("....")}, "beta:0.95").accuracy == 0.0


@settings(max_examples=150, deadline=None)
@given(pools=st.lists(SKEWED, min_size=1, max_size=4), seed=st.integers(0, 50))
def test_curtailment_never_changes_an_answer(pools: list[list[str | None]], seed: int) -> None:
    """Not even one that falls by the tie-break: a tie takes all samples."""
    named = {f"p{i}": rows("".join(a or "." for a in answers)) for i, answers in enumerate(pools)}
    curtailed, whole = replay(named, "curtail", seed=seed), replay(named, "fixed", seed=seed)
    assert curtailed.num_wrong_stops == 0 and curtailed.accuracy == whole.accuracy
    assert all(s <= w for s, w in zip(curtailed.stops, whole.stops, strict=True))


def test_the_rules_that_are_replayed_by_default() -> None:
    assert [r.rule for r in replay_rules({"p": rows("aab")}, seed=0)] == list(RULES)
    assert RULES == ("curtail", "certify:0.05", "beta:0.95", "doubling:0.75")
