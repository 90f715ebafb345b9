"""Stopping rules on arbitrary answers: the formula written out plainly, the batch form, invariances, look-ahead."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.stats import log_e_value
from reasonry.test_time.stopping import Decision, Rule, certify, certify_batch, make_rule

ANSWERS = st.lists(st.integers(-1, 4), min_size=1, max_size=60)  # -1 is a sample without a readable answer
DELTAS = st.sampled_from([0.9, 0.5, 0.2, 0.05, 0.01])
DECLARED = st.sampled_from([None, 2, 3, 4])
TEXTS = [
    "fixed",
    "curtail",
    "certify:0.5",
    "certify:0.05",
    "certify:0.2:2",
    "certify:0.5:4",
    "group-sequential:0.4",
    "group-sequential:0.4:unknown:4",
    "group-sequential:0.4:3:3",
    "beta:0.9",
    "doubling:0.75",
    "window:3",
    "martingale:0.3",
]


def skewed(draw: st.DrawFn) -> list[int]:
    """Answers with a clear favourite, so that rules do stop."""
    favourite = draw(st.integers(0, 4))
    others = draw(st.lists(st.integers(-1, 4), min_size=0, max_size=14))
    run = [favourite] * draw(st.integers(0, 45))
    return draw(st.permutations(others + run[: len(run) // 2])) + run[len(run) // 2 :] or [0]


SEQUENCES = st.one_of(ANSWERS, st.composite(skewed)())


def texts(answers: list[int]) -> list[str | None]:
    return [None if a < 0 else f"answer {a}" for a in answers]


def decide(rule: Rule, answers: list[str | None]) -> Decision:
    watch = rule.start()
    for answer in answers:
        if watch.observe(answer):
            break
    return watch.decision()


def plain_certificate(answers: list[int], delta: float) -> tuple[int, int] | None:
    """(samples, answer) of the first certificate, with whole snapshots and no shortcut."""
    counts: dict[int, int] = {}
    snapshots: dict[int, dict[int, int]] = {}
    for t, answer in enumerate(answers, 1):
        if answer < 0:
            continue
        counts[answer] = counts.get(answer, 0) + 1
        if answer not in snapshots:
            snapshots[answer] = dict(counts)
        most = max(counts.values())
        leader = next(a for a in snapshots if counts[a] == most)  # ties: the one that appeared first
        since = {a: counts[a] - snapshots[leader].get(a, 0) for a in counts}
        own = since.pop(leader)
        rival = max(since.values(), default=0)
        j = list(snapshots).index(leader) + 1
        if float(log_e_value(own, own + rival)) >= math.log(j * (j + 1) / delta):
            return t, leader
    return None


@given(SEQUENCES, DELTAS)
@settings(max_examples=300, deadline=None)
def test_the_certificate_is_the_formula_with_whole_snapshots(answers: list[int], delta: float) -> None:
    decision = decide(certify(delta, max_n=len(answers)), texts(answers))
    expected = plain_certificate(answers, delta)
    if expected is None:
        assert (decision.verdict, decision.num_seen) == ("budget_exhausted", len(answers))
    else:
        assert (decision.verdict, decision.num_seen) == ("certified", expected[0])
        assert decision.leader == f"answer {expected[1]}"


@given(st.lists(SEQUENCES, min_size=1, max_size=6), DELTAS, DECLARED)
@settings(max_examples=200, deadline=None)
def test_the_batch_form_decides_like_the_streaming_form(
    problems: list[list[int]], delta: float, declared: int | None
) -> None:
    num = max(map(len, problems))
    table = np.full((len(problems), num), -1)
    for row, answers in enumerate(problems):
        table[row, : len(answers)] = answers
    done = certify_batch(table, delta, num_answers=declared)
    rule = certify(delta, max_n=num, num_answers=declared)
    for row, answers in enumerate(table.tolist()):
        decision = decide(rule, texts(answers))
        assert (decision.verdict == "certified") == done.certified_P[row]
        assert decision.num_seen == done.stop_P[row]
        assert [decision.leader, decision.runner_up] == texts([int(done.leader_P[row]), int(done.runner_up_P[row])])
        if decision.log_e_nats is None:
            assert math.isnan(done.log_e_P[row])
        else:
            assert decision.log_e_nats == pytest.approx(float(done.log_e_P[row]), abs=1e-12)


@given(SEQUENCES, st.sampled_from(TEXTS), st.permutations(range(5)))
@settings(max_examples=200, deadline=None)
def test_names_of_answers_do_not_matter(answers: list[int], text: str, names: list[int]) -> None:
    rule = make_rule(text, max_n=max(4, len(answers)))
    before = decide(rule, texts(answers))
    after = decide(rule, texts([a if a < 0 else names[a] for a in answers]))
    assert (after.verdict, after.num_seen, after.log_e_nats) == (before.verdict, before.num_seen, before.log_e_nats)
    renamed = {f"answer {a}": f"answer {names[a]}" for a in range(5)}
    assert after.leader == renamed.get(before.leader or "")
    assert after.runner_up == renamed.get(before.runner_up or "")


@given(SEQUENCES, DELTAS, DECLARED, st.data())
@settings(max_examples=150, deadline=None)
def test_samples_without_an_answer_are_counted_and_change_nothing_else(
    answers: list[int], delta: float, declared: int | None, data: st.DataObject
) -> None:
    heard = [a for a in answers if a >= 0]
    gaps = data.draw(st.lists(st.integers(0, len(heard)), max_size=8))
    mixed: list[int] = []
    for place, answer in enumerate(heard):
        mixed += [-1] * gaps.count(place) + [answer]
    rule = certify(delta, max_n=200, num_answers=declared)
    plain, silent = decide(rule, texts(heard)), decide(rule, texts(mixed))
    assert (silent.verdict, silent.leader, silent.log_e_nats) == (plain.verdict, plain.leader, plain.log_e_nats)
    if plain.verdict == "certified":
        assert silent.num_seen == plain.num_seen + sum(g < plain.num_seen for g in gaps)


@given(SEQUENCES, st.sampled_from(TEXTS), st.integers(0, 30), st.data())
@settings(max_examples=500, deadline=None)
def test_no_rule_stops_before_the_fewest_further_samples_it_announced(
    answers: list[int], text: str, spare: int, data: st.DataObject
) -> None:
    max_n = max(4, len(answers) + spare)
    rule = make_rule(text, max_n=max_n)
    watch = rule.start()
    seen: list[str | None] = []
    for answer in texts(answers):
        announced = watch.least_more()
        assert 1 <= announced <= max_n - len(seen)
        # Whatever comes, and in particular each answer again and again, stops no earlier ...
        futures = [[x] * announced for x in {*seen, "new", None}]
        futures.append(
            data.draw(st.lists(st.sampled_from([*seen, "new", None]), min_size=announced, max_size=announced))
        )
        stops = [when_it_stops(rule, seen, future) for future in futures]
        assert min(stops) >= len(seen) + announced
        # ... and where the bound is exact some answer, again and again, stops right then.
        if not text.startswith(("certify:0.2:2", "certify:0.5:4", "group-sequential:0.4:3", "doubling", "martingale")):
            assert min(stops[:-1]) == len(seen) + announced
        seen.append(answer)
        if watch.observe(answer):
            break


def when_it_stops(rule: Rule, seen: list[str | None], future: list[str | None]) -> float:
    watch = rule.start()
    for n, answer in enumerate(seen + future, 1):
        if watch.observe(answer):
            return n
    return math.inf


@given(SEQUENCES, st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_a_curtailed_vote_is_the_full_vote(answers: list[int], spare: int) -> None:
    full = answers + [answers[-1]] * spare
    decision = decide(make_rule("curtail", max_n=len(full)), texts(full))
    counts = {a: full.count(a) for a in full if a >= 0}
    leaders = [f"answer {a}" for a, c in counts.items() if c == max(counts.values())]
    if decision.num_seen < len(full):
        assert leaders == [decision.leader], "no tie is cut short either"
    elif leaders:
        assert decision.leader in leaders


@given(SEQUENCES, DELTAS)
@settings(max_examples=100, deadline=None)
def test_a_smaller_delta_never_certifies_earlier(answers: list[int], delta: float) -> None:
    loose, tight = (decide(certify(d, max_n=len(answers)), texts(answers)) for d in (delta, delta / 3))
    assert loose.num_seen <= tight.num_seen
