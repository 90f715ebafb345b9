"""Strategies as a user of the library asks them: what they answer, what they say of it, and what they refuse."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategy_fakes import QUESTIONS, RULES, SCORED, by_table, scripted, simulated, told, without_logps
from tests.unit.test_drawing import Recorder

from reasonry.core.messages import Message, system, user
from reasonry.core.rows import Store
from reasonry.core.sampling import Completion, Request, Sampler
from reasonry.core.sampling.callable import CallableSampler
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.scoring import Pair
from reasonry.core.task import Problem
from reasonry.errors import ConfigError
from reasonry.test_time import stopping
from reasonry.test_time.drawing import Drawing, draw
from reasonry.test_time.knockout_vote import KnockoutVote
from reasonry.test_time.pool import Question
from reasonry.test_time.simulate import CategoricalSampler, CorrelatedSampler, LatencySampler
from reasonry.test_time.strategies import (
    MAX_N,
    BestOfN,
    Result,
    SelfConsistency,
    SoftBestOfN,
    Strategy,
    question_of,
)

# ---------------------------------------------------------------- unreadable, identical and ordered samples


def test_samples_without_an_answer_do_not_vote() -> None:
    """Six unreadable replies are no answer of their own."""
    vote = SelfConsistency(scripted("", " ", "\n", "", "x", "", "y", "x", "", "x"), "exact", n=10)
    result = vote.run("q")
    assert result.answer == "x" and result.parse_rate == 0.4
    assert result.weights == {"x": 3, "y": 1} and not result.was_tied
    assert (result.num_used, result.num_drawn, result.text, result.grade) == (10, 10, "x", None)
    assert "6 of 10 samples hold no answer; they do not vote" in result.warnings


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_identical_samples_are_warned_of_because_a_certificate_takes_them_for_independent(share: float) -> None:
    sampler = CorrelatedSampler([0.5, 0.5], share=share, seed=1, mark="")
    result = SelfConsistency(sampler, "exact", stop="certify:0.05").run("q")
    assert any("the same text" in w and "not independent" in w for w in result.warnings) == (share == 1.0)
    if share == 1.0:
        assert (result.verdict, result.num_used) == ("certified", 9), "nonsense in nine samples, which is why"


def test_one_sample_alone_is_not_suspicious() -> None:
    assert SelfConsistency(scripted("x"), "exact", n=1).run("q").warnings == ()


LATENCY_S = {"x": 0.03, "y": 0.001}  # right answers take longer


def slow_when_right() -> Any:
    """Sample i is x with i even, so that the seed tells which; x takes 30 times longer."""
    law = CategoricalSampler([0.6, 0.4], seed=3, answers=("x", "y"), mark="")
    answers = iter([c.text for c in law.sample([Request("q", (), range(64))])])

    async def ask(messages: Sequence[dict[str, Any]], seed: int) -> str:
        text = next(answers)
        await asyncio.sleep(LATENCY_S[text])
        return text

    return ask


def test_samples_count_in_the_order_of_submission_however_long_each_takes() -> None:
    """With answers counted as they arrive, the fast wrong one wins; see also `LatencySampler`."""
    law = CategoricalSampler([0.6, 0.4], seed=3, answers=("x", "y"), mark="")
    rule = stopping.make_rule("beta:0.8", max_n=32)

    async def as_completed() -> str | None:
        watch = rule.start()
        latency = LatencySampler(law, lambda c: LATENCY_S[c.text])
        async for _, completion in latency.as_completed([Request("q", (), range(32))], concurrency=16):
            if watch.observe(completion.text):
                break
        return watch.decision().leader

    assert asyncio.run(as_completed()) == "y"
    plain = SelfConsistency(law, "exact", stop=rule).run(Question("q", (user("q"),)))
    assert plain.answer == "x" and plain.verdict == "heuristic"
    at_once = SelfConsistency(CallableSampler(slow_when_right(), concurrency=16), "exact", stop=rule, min_round=32)
    latent = SelfConsistency(LatencySampler(law, lambda c: LATENCY_S[c.text]), "exact", stop=rule)
    for vote in (at_once, latent):
        result = vote.run(Question("q", (user("q"),)))
        assert told(result) == told(plain)
    assert asyncio.run(at_once.arun(Question("q", (user("q"),)))).answer == "x"


# ---------------------------------------------------------------- one decision, however it is reached


def results(strategy: Strategy, questions: Sequence[Question] = QUESTIONS) -> dict[str, tuple[Any, ...]]:
    return {r.id: told(r) for r in strategy.run_batch(questions)}


def all_strategies(sampler: Sampler, n: int = 9, **options: Any) -> list[Strategy]:
    scored = [cls(sampler, "exact", n=n, **without_logps(), **options) for cls in SCORED]
    judged = KnockoutVote(sampler, "exact", n=n, judge=lambda pairs: [float(p.first > p.second) for p in pairs])
    votes = [SelfConsistency(sampler, "exact", stop=stopping.make_rule(text, max_n=4 * n), **options) for text in RULES]
    return [*scored, judged, *votes]


def test_a_batch_a_question_alone_another_order_and_an_event_loop_agree() -> None:
    for at, strategy in enumerate(all_strategies(simulated())):
        whole = results(strategy)
        assert list(whole) == [q.id for q in QUESTIONS]
        again = all_strategies(simulated())[at]
        assert {q.id: told(again.run(q)) for q in QUESTIONS} == whole, strategy.name
        assert results(all_strategies(simulated())[at], QUESTIONS[::-1]) == whole
        found = asyncio.run(all_strategies(simulated())[at].arun_batch(QUESTIONS[2:] + QUESTIONS[:2]))
        assert [r.id for r in found] == ["q2", "q3", "q0", "q1"] and {r.id: told(r) for r in found} == whole


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("min_round", [4, 7])
def test_the_size_of_rounds_changes_only_what_is_drawn(text: str, min_round: int) -> None:
    for seed in range(5):
        rule = stopping.make_rule(text, max_n=20)
        small, large = (
            SelfConsistency(simulated(seed), "exact", stop=rule, min_round=m).run_batch(QUESTIONS)
            for m in (1, min_round)
        )
        assert [told(r) for r in small] == [told(r) for r in large]
        assert all(r.num_drawn == r.num_used for r in small)
        assert all(0 <= r.num_drawn - r.num_used < min_round for r in large)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 10))
def test_a_store_with_any_part_of_the_samples_leads_to_the_same_result(data: st.DataObject, seed: int) -> None:
    at = data.draw(st.integers(0, len(all_strategies(simulated())) - 1))
    first = all_strategies(simulated(seed))[at]
    whole = results(first)
    rows = list(first.store.rows.values())
    keep = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    sampler = Recorder(simulated(seed))
    second = all_strategies(sampler)[at]
    second.store = Store(row for row, is_kept in zip(rows, keep, strict=True) if is_kept)
    assert results(second) == whole
    assert sum(len(i) for call in sampler.calls for i in call.values()) == len(rows) - sum(keep)


def test_asking_again_draws_nothing_and_another_strategy_shares_the_samples() -> None:
    sampler = Recorder(simulated())
    vote = SelfConsistency(sampler, "exact", n=4)
    first = vote.run_batch(QUESTIONS)
    assert vote.run_batch(QUESTIONS) == first and len(sampler.calls) == 1
    best = BestOfN(sampler, "exact", n=6, store=vote.store, **without_logps())
    assert best.run(QUESTIONS[0]).num_drawn == 6
    assert sampler.calls[1:] == [{"q0": [4, 5]}]


def test_a_cancelled_call_keeps_what_it_had() -> None:
    """The iteration ends amid a sample; the next call goes on and comes to the same end."""
    gate = threading.Event()

    class Slow(ScriptedSampler):
        def answer(self, request: Request, index: int) -> str:
            if index == 3 and not gate.is_set():
                gate.wait(5)
            return super().answer(request, index)

    sampler = Slow({"q": ["x", "y", "y"]})
    vote = SelfConsistency(sampler, "exact", n=5)
    question = Question("q", (user("q"),))

    async def cancel() -> None:
        task = asyncio.create_task(vote.arun(question))
        while len(vote.store.rows) < 3:
            await asyncio.sleep(0.005)
        task.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert sorted(i for _, i in vote.store.rows) in ([0, 1, 2], [0, 1, 2, 3])
    assert told(vote.run(question)) == told(SelfConsistency(scripted("x", "y", "y"), "exact", n=5).run(question))


def test_questions_may_be_asked_at_the_same_time() -> None:
    async def gather(vote: SelfConsistency) -> list[Result]:
        return await asyncio.gather(*(vote.arun(q) for q in QUESTIONS))

    rule = stopping.certify(0.3, max_n=20)
    found = asyncio.run(gather(SelfConsistency(simulated(), "exact", stop=rule)))
    assert {r.id: told(r) for r in found} == results(SelfConsistency(simulated(), "exact", stop=rule))


# ---------------------------------------------------------------- early stops


def test_a_certified_answer_is_the_leader_and_speaks_of_the_mode() -> None:
    vote = SelfConsistency(simulated(), "exact", stop=stopping.certify(0.2, max_n=200))
    found = {r.id: r for r in vote.run_batch(QUESTIONS)}
    for result in found.values():
        assert result.decision.num_seen == result.num_used
        if result.verdict == "certified":
            assert result.answer == result.decision.leader == next(iter(result.weights))
            assert not result.was_tied and "may still be wrong" in result.decision.detail
    assert [found[name].verdict for name in ("q0", "q2")] == ["certified", "budget_exhausted"]
    assert found["q3"].answer == "y" and found["q3"].grade == "wrong", "the mode, and wrong"


def test_curtailment_answers_what_all_samples_would() -> None:
    for seed in range(20):
        whole = SelfConsistency(simulated(seed), "exact", n=15, seed=seed).run_batch(QUESTIONS)
        early = SelfConsistency(simulated(seed), "exact", stop=stopping.curtail(15), seed=seed).run_batch(QUESTIONS)
        assert [(r.answer, r.grade, r.was_tied) for r in early] == [(r.answer, r.grade, r.was_tied) for r in whole]
        assert all(r.verdict == "decided" for r in early)
        assert sum(r.num_used for r in early) < sum(r.num_used for r in whole)


def test_a_rule_by_name_may_take_as_many_samples_as_the_documentation_says() -> None:
    result = SelfConsistency(scripted("x", "y"), "exact", stop="certify:0.05").run("q")
    assert result.num_used == MAX_N == 64 and result.verdict == "budget_exhausted" and result.was_tied
    assert SelfConsistency(scripted("x", "y"), "exact", stop=stopping.fixed(3)).run("q").num_used == 3
    assert SelfConsistency(scripted("x", "y"), "exact", stop="fixed").run("q").num_used == 8
    assert SelfConsistency(scripted("x", "y"), "exact", n=5, stop="certify:0.05").run("q").num_used == 5


@pytest.mark.parametrize("cls", SCORED)
@pytest.mark.parametrize("stop", ["certify:0.05", "curtail", "window:3"])
def test_only_a_plain_vote_may_stop_early(cls: Any, stop: str) -> None:
    with pytest.raises(ConfigError, match=f"{cls.name} with the stopping rule '{stop}'") as caught:
        cls(scripted("x"), "exact", stop=stop)
    assert "Only self-consistency can stop early" in caught.value.remedy
    cls(scripted("x"), "exact", stop="fixed")


# ---------------------------------------------------------------- ties


def test_ties_fall_uniformly_over_seeds_and_the_same_way_for_one_seed() -> None:
    winners = Counter(SelfConsistency(scripted("x", "y"), "exact", n=4, seed=s).run("q").answer for s in range(400))
    assert 160 < winners["x"] < 240 and winners.total() == 400  # 4 standard deviations
    first, again = (SelfConsistency(scripted("x", "y"), "exact", n=4, seed=7).run("q") for _ in range(2))
    assert first == again and first.was_tied and first.weights == {"x": 2, "y": 2}


@pytest.mark.parametrize("cls", [SelfConsistency, BestOfN, SoftBestOfN, KnockoutVote])
def test_the_ties_of_different_questions_fall_independently(cls: Any) -> None:
    questions = [Problem(f"p{i}", "q", "x") for i in range(200)]
    sampler = ScriptedSampler({p.id: ["x", "y"] for p in questions})
    score: Any = {} if cls is SelfConsistency else {"score": by_table(x=1.0, y=1.0)}
    num_right = sum(r.grade == "right" for r in cls(sampler, "exact", n=2, **score).run_batch(questions))
    assert 70 < num_right < 130  # 100 expected, 4 standard deviations are 28


@pytest.mark.parametrize("cls", [SelfConsistency, *SCORED])
def test_when_everything_ties_some_answer_is_given_and_the_tie_is_told(cls: Any) -> None:
    found = []
    for seed in range(60):
        score: Any = {} if cls is SelfConsistency else {"score": by_table(x=1.0, y=1.0)}
        found.append(cls(scripted("x", "y"), "exact", n=6, seed=seed, **score).run("q"))
    assert {r.answer for r in found} == {"x", "y"}, "no answer is favoured for its place"
    assert all(r.was_tied for r in found) or cls is SoftBestOfN, "a draw is no tie-break"
    assert all(r.text == r.answer for r in found)


# ---------------------------------------------------------------- degenerate pools


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("cls", [SelfConsistency, *SCORED])
def test_a_pool_without_any_answer_has_no_winner(cls: Any, n: int) -> None:
    for score in ({}, {"score": by_table()}, {"score": by_table(**{"": 1.0})}):
        if score or cls is SelfConsistency:
            strategy = cls(scripted("", " "), "exact", n=n, **score)
            result = strategy.run("q")
            assert (result.answer, result.text, result.grade, result.weights) == (None, "", None, {})
            assert result.parse_rate == 0 and result.num_used == n and not result.was_tied
            assert f"{n} of {n} samples hold no answer; they do not vote" in result.warnings
            graded = strategy.run(Problem("q", "q", "x"))
            assert (graded.answer, graded.grade) == (None, "ungradable")


@pytest.mark.parametrize("score", [{}, {"score": by_table(x=-3.0)}, {"score": by_table()}])
@pytest.mark.parametrize("cls", [SelfConsistency, *SCORED])
def test_one_sample_is_its_own_winner(cls: Any, score: dict[str, Any]) -> None:
    if score or cls is SelfConsistency:
        result = cls(scripted("x"), "exact", n=1, **score).run(Problem("q", "q", "x"))
        assert (result.answer, result.grade, result.num_used, result.was_tied) == ("x", "right", 1, False)


def test_no_question_has_no_result() -> None:
    for strategy in all_strategies(simulated()):
        assert strategy.run_batch([]) == [] == asyncio.run(strategy.arun_batch([]))


# ---------------------------------------------------------------- ways to ask


def test_a_text_its_message_and_the_conversation_are_one_question() -> None:
    assert question_of("q") == question_of([user("q")]) == question_of((user("q"),))
    assert question_of("q").problem is None and len(question_of("q").id) == 16
    assert question_of("q").id != question_of("q ").id != question_of([system("s"), user("q")]).id
    problem = Problem("p7", "q", "x")
    assert question_of(problem) == Question("p7", (user("q"),), problem)
    assert question_of(QUESTIONS[0]) is QUESTIONS[0]
    assert question_of([user("a"), Message("assistant", "b"), user("\ud800")]).id, "half a surrogate pair has an id too"


def test_the_prompt_is_what_was_asked() -> None:
    asked: list[Any] = []

    def ask(messages: list[dict[str, Any]], seed: int) -> str:
        asked.append(messages)
        return "x"

    SelfConsistency(CallableSampler(ask), "exact", n=1).run_batch(["one", [system("s"), user("two")]])
    assert asked == [
        [{"role": "user", "content": "one"}],
        [{"role": "system", "content": "s"}, {"role": "user", "content": "two"}],
    ]


def test_one_id_is_one_question() -> None:
    vote = SelfConsistency(scripted("x"), "exact", n=2)
    with pytest.raises(ConfigError, match="two questions have the same id"):
        vote.run_batch([Problem("q", "a", "1"), Problem("q", "b", "1")])
    with pytest.raises(ConfigError, match="two questions have the same id"):
        asyncio.run(vote.arun_batch(["q", "q"]))


@pytest.mark.parametrize("other", [Problem("q", "another question", "x"), Problem("q", "q", "y")])
def test_the_samples_of_one_question_are_not_given_for_another_of_the_same_id(other: Problem) -> None:
    vote = SelfConsistency(scripted("x"), "exact", n=2)
    assert vote.run(Problem("q", "q", "x")).grade == "right"
    with pytest.raises(ConfigError, match="question 'q' was another one when it was asked before"):
        vote.run(other)
    assert vote.run(Problem("q", "q", "x")).grade == "right"


# ---------------------------------------------------------------- what a result says


def test_a_result_counts_what_was_paid_for() -> None:
    def ask(messages: Any, seed: int) -> dict[str, Any]:
        return {"text": "x", "num_prompt_tok": 100, "num_completion_tok": 10}

    result = SelfConsistency(CallableSampler(ask), "exact", stop=stopping.certify(0.5, max_n=30), min_round=12).run("q")
    assert (result.num_used, result.num_drawn) == (5, 12)  # E(3, 0) = 15/4 < 2 / 0.5 < E(4, 0) = 31/5
    assert (result.num_prompt_tok, result.num_completion_tok) == (1200, 120)
    assert result.cost(price_per_mtok=2.0) == pytest.approx(120 * 2e-6)
    assert result.cost(price_per_mtok=2.0, prompt_price_per_mtok=1.0) == pytest.approx(120 * 2e-6 + 1200 * 1e-6)
    assert len(result.rows) == 12 and result.strategy == "self-consistency"


def test_the_text_of_a_result_is_a_reply_that_gave_the_answer() -> None:
    sampler = ScriptedSampler({"q": ["I say #### 7", "No: #### 8", "Yes, #### 7.0"]})
    result = SelfConsistency(sampler, "number", n=3).run(Problem("q", "q", "7"))
    assert (result.answer, result.text, result.grade) == ("7", "I say #### 7", "right")


def test_a_strategy_reads_completions_as_its_drawing_does() -> None:
    vote = SelfConsistency(simulated(), "exact", n=3)
    vote.run_batch(QUESTIONS)
    drawing = Drawing(QUESTIONS, vote.rule, read=vote.read, store=Store())
    pools = dict(draw(drawing, simulated()))
    assert [r.rows for r in vote.run_batch(QUESTIONS)] == [pools[i].rows for i in range(len(QUESTIONS))]
    assert told(vote.select([pools[1]])[0]) == told(vote.run(QUESTIONS[1]))


def test_an_error_completion_is_a_sample_without_an_answer() -> None:
    class Failing(ScriptedSampler):
        def sample(self, requests: Any, *, skip: Any = ()) -> Any:
            for c in super().sample(requests, skip=skip):
                yield Completion(c.id, c.index, "", "error", reason="down") if c.index == 1 else c

    result = SelfConsistency(Failing({"q": ["x"]}), "exact", n=3).run(Problem("q", "q", "x"))
    assert (result.answer, result.num_used) == ("x", 3) and result.parse_rate == pytest.approx(2 / 3)


def test_pairs_are_named_by_their_question() -> None:
    """A judge is shown the prompt, not only the replies."""
    seen: list[Pair] = []

    def judge(pairs: Sequence[Pair]) -> list[float]:
        seen.extend(pairs)
        return [1.0] * len(pairs)

    KnockoutVote(scripted("x", "y"), "exact", n=2, judge=judge).run("q")
    assert [pair.messages for pair in seen] == [(user("q"),)] and {seen[0].first, seen[0].second} == {"x", "y"}
