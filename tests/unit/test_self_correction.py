"""Self-correction: what it returns, what it shows, when it stops, and that a killed run ends as an unbroken one."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import json
import math
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.core.messages import Message, system, user
from reasonry.core.sampling.base import Completion, Request, Sampler, Skip
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.scoring import CallableScorer
from reasonry.core.task import Problem
from reasonry.core.verify.number import NumberVerifier
from reasonry.errors import (
    ConfigError,
    DataError,
    EndpointError,
    Interrupted,
    MissingDependencyError,
    ResourceError,
    UnsafeArtifactError,
)
from reasonry.test_time import self_correction
from reasonry.test_time.self_correction import pools
from reasonry.test_time.self_correction.budget import Budget
from reasonry.test_time.self_correction.controllers import make_controller
from reasonry.test_time.self_correction.experts import Expert, Turn, conversation, prompted
from reasonry.test_time.self_correction.feedback import Verdict, feedback_turn, leaks
from reasonry.test_time.self_correction.loop import Corrected, self_correct
from reasonry.test_time.self_correction.pools import POOLS, make_pool, read_pool
from reasonry.test_time.self_correction.regret import correction_bound
from reasonry.test_time.self_correction.store import JsonlStore, MemoryStore, read_state, write_state
from reasonry.test_time.simulate import ExpertPool

ORACLE = NumberVerifier()


def scripted(name: str, *replies: str, ids: Sequence[str] = ("p0",)) -> Expert:
    return Expert(name, ScriptedSampler(dict.fromkeys(ids, replies)))


def first(run: Iterator[Corrected]) -> Corrected:
    (one,) = list(run)
    return one


def by_table(**rewards: float) -> Any:
    """A verifier that looks a reply up; a reply ``a`` gets ``rewards["a"]``."""
    return lambda problem, text: rewards[text]


ONE = [Problem("p0", "What is it?", "1")]


# ---------------------------------------------------------------- which attempt is returned


def test_the_first_success_of_a_binary_verifier_ends_a_problem() -> None:
    got = first(self_correct(ONE, [scripted("a", "#### 3", "#### 1", "#### 2")], ORACLE))
    assert (got.text, got.answer, got.reward, got.attempt, got.stop) == ("#### 1", "1", 1.0, 1, "success")
    assert [row["reward"] for row in got.rows] == [0.0, 1.0]


def test_the_best_attempt_is_returned_and_the_earliest_of_equals() -> None:
    verifier = by_table(a=0.25, b=0.75, c=0.75, d=0.5)
    experts = [scripted("x", "a", "b", "c", "d")]
    got = first(self_correct(ONE, experts, verifier, output="best"))
    assert (got.text, got.attempt, got.stop) == ("b", 1, "attempts")
    assert first(self_correct(ONE, experts, verifier, output="last")).text == "d"


def test_experts_that_flip_make_the_last_attempt_worse_than_the_best() -> None:
    # Right at first, then talked out of it: what is returned last is wrong, as in models without a sound verifier.
    problems = ExpertPool.problems(20)
    ids = [p.id for p in problems]
    flip = [scripted("flip", "#### 1", "#### 2", "#### 1", "#### 2", ids=ids)]
    best = list(self_correct(problems, flip, ORACLE, output="best", stop_at=None))
    last = list(self_correct(problems, flip, ORACLE, output="last", stop_at=None))
    assert [c.reward for c in best] == [1.0] * 20
    assert [c.reward for c in last] == [0.0] * 20
    assert {c.num_attempts for c in (*best, *last)} == {4}


def test_what_could_not_be_scored_is_returned_only_when_nothing_else_is_there() -> None:
    verifier = by_table(a=math.nan, b=0.0, c=math.nan)
    got = first(self_correct(ONE, [scripted("x", "a", "b", "c")], verifier, max_attempts=3))
    assert (got.text, got.reward) == ("b", 0.0)
    run = self_correct(ONE, [scripted("x", "a", "c")], verifier, max_attempts=2)
    got = first(run)
    assert (got.text, got.reward, got.attempt) == ("a", None, 0)
    assert run.totals.num_unscored == 2


def test_problems_come_out_in_their_order_whatever_their_length() -> None:
    problems = ExpertPool.problems(9)
    texts = {p.id: ["#### 2"] * (7 * i % 4) + ["#### 1"] for i, p in enumerate(problems)}
    run = list(self_correct(problems, [Expert("x", ScriptedSampler(texts))], ORACLE, concurrency=3))
    assert [c.id for c in run] == [p.id for p in problems]
    assert [c.num_attempts for c in run] == [7 * i % 4 + 1 for i in range(9)]


def test_no_problem_is_no_work() -> None:
    assert list(self_correct([], ExpertPool([1.0]), ORACLE)) == []


# ---------------------------------------------------------------- learning


def solved(run: Iterator[Corrected]) -> float:
    return float(np.mean([c.reward == 1.0 for c in run]))


@pytest.mark.parametrize("name", ["ucb1", "thompson", "exp3", "epsilon-greedy"])
def test_a_controller_that_learns_beats_a_uniform_one_and_uses_fewer_attempts(name: str) -> None:
    pool = ExpertPool([0.1, 0.1, 0.8, 0.1], seed=3)
    problems = pool.problems(300)
    uniform = self_correct(problems, pool, ORACLE, controller="uniform", max_attempts=2)
    learned = self_correct(problems, pool, ORACLE, controller=name, max_attempts=2)
    # One attempt is right with 0.275; two with 0.474. The best expert alone reaches 0.96.
    assert solved(uniform) == pytest.approx(1 - 0.725**2, abs=4 * 0.5 / math.sqrt(300))
    assert solved(learned) > 0.75
    assert learned.totals.pulls["expert-2"] > 0.6 * learned.totals.pulls.total()
    assert learned.totals.spent.num_attempts < uniform.totals.spent.num_attempts


def test_a_warm_start_carries_what_was_learned_to_other_problems(tmp_path: Path) -> None:
    pool = ExpertPool([0.1] * 7 + [0.9], seed=1)
    problems = pool.problems(400)
    school = self_correct(problems[:340], pool, ORACLE, max_attempts=3)
    list(school)
    assert school.controller is not None
    write_state(tmp_path / "states.json", "arithmetic", school.controller.state())
    write_state(tmp_path / "states.json", "algebra", make_controller("ucb1", 2).state())
    warm = read_state(tmp_path / "states.json", "arithmetic")
    rest = problems[340:]
    assert solved(self_correct(rest, pool, ORACLE, max_attempts=1, warm_start=warm)) > 0.7
    assert solved(self_correct(rest, pool, ORACLE, max_attempts=1)) < 0.55
    # Each problem for itself forgets what the one before taught; a state serves both ways.
    assert solved(self_correct(rest, pool, ORACLE, max_attempts=1, shared=False)) < 0.3
    assert solved(self_correct(rest, pool, ORACLE, max_attempts=1, shared=False, warm_start=warm)) > 0.7
    assert read_state(tmp_path / "states.json", "geometry") is None


def test_states_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"a": 1}'):
        (tmp_path / "states.json").write_text(text)
        with pytest.raises(DataError, match="states"):
            read_state(tmp_path / "states.json", "a")


def test_the_last_attempt_keeps_the_guarantee_of_algorithm_1() -> None:
    # One query asked T times by ucb1 without an early stop; reg(T) from the choices themselves.
    means, num_runs, last = [0.2, 0.5, 0.8], 150, []
    pulls: Counter[int] = Counter()
    for seed in range(num_runs):
        pool = ExpertPool(means, seed=seed)
        got = first(
            self_correct(ONE, pool, ORACLE, max_attempts=40, output="last", stop_at=None, shared=False, feedback="none")
        )
        assert got.num_attempts == 40
        last.append(got.reward)
        pulls[got.rows[-1]["arm"]] += 1
    regret = sum((0.8 - means[arm]) * num / num_runs for arm, num in pulls.items())
    slack = 3 * 0.5 / math.sqrt(num_runs)
    bound = correction_bound(1.0, means, last_reward=float(np.mean(last)), regret=regret, slack=slack)
    assert bound.holds
    assert bound.suboptimality == pytest.approx(0.2)
    assert regret < 0.25 < 0.8 - 0.5, "half of what uniform choices lose"


# ---------------------------------------------------------------- what an attempt is shown


class Recorder:
    """A sampler that keeps the requests and answers with a counter."""

    def __init__(self, *, finish: str = "stop") -> None:
        self.calls: list[tuple[list[Request], set[tuple[str, int]]]] = []
        self.inner = ScriptedSampler({})
        self.finish: Any = finish

    stats = property(lambda self: self.inner.stats)
    determinism = property(lambda self: "sample-stable")
    identity = property(lambda self: {"sampler": "recorder"})

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        self.calls.append((list(requests), set(skip)))
        for request in requests:
            for index in request.indices:
                if (request.id, index) not in skip:
                    yield Completion(request.id, index, f"reply {index}", self.finish, 10, 5)

    def prompts(self) -> list[list[tuple[str, str]]]:
        return [[(m.role, m.content) for m in r.messages] for requests, _ in self.calls for r in requests]


def critic(problem: Problem, text: str) -> tuple[float, str]:
    return 0.5, f"about {text}"


def test_an_attempt_is_shown_the_replies_and_rewards_before_it() -> None:
    recorder = Recorder()
    list(self_correct(ONE, [Expert("x", recorder)], critic, max_attempts=3))
    turn = (
        "Your answer was checked and scores 0.5 on a scale from 0 to 1. Find the mistake and solve the problem again."
    )
    question = ("user", "What is it?")
    assert recorder.prompts() == [
        [question],
        [question, ("assistant", "reply 0"), ("user", turn)],
        [question, ("assistant", "reply 0"), ("user", turn), ("assistant", "reply 1"), ("user", turn)],
    ]


def test_feedback_in_text_holds_the_critique_and_a_window_forgets_old_attempts() -> None:
    recorder = Recorder()
    list(self_correct(ONE, [Expert("x", recorder)], critic, max_attempts=4, feedback="text", history_window=1))
    last = recorder.prompts()[-1]
    assert [role for role, _ in last] == ["user", "assistant", "user"]
    assert last[1] == ("assistant", "reply 2")
    assert "\n\nabout reply 2\n\n" in last[2][1]


def test_without_feedback_every_attempt_is_asked_the_plain_question() -> None:
    recorder = Recorder()
    list(self_correct(ONE, [Expert("x", recorder)], critic, max_attempts=3, feedback="none"))
    assert recorder.prompts() == [[("user", "What is it?")]] * 3


def test_a_failed_attempt_is_not_shown_to_the_next_one() -> None:
    texts = iter(["fail", "fine", "fine"])
    recorder = Recorder()

    def build(messages: tuple[Message, ...], history: Sequence[Turn]) -> tuple[Message, ...]:
        if next(texts) == "fail":
            raise ValueError("no prompt today")
        return conversation(messages, history)

    got = first(self_correct(ONE, [Expert("x", recorder, build)], critic, max_attempts=3))
    assert [len(p) for p in recorder.prompts()] == [1, 3]
    assert got.rows[0]["finish"] == "error"
    assert got.rows[0]["reason"] == "ValueError: no prompt today"


@pytest.mark.parametrize(
    ("reward", "mode", "said"),
    [
        (0.0, "scalar", "Your answer was checked, and it is not right. Find the mistake"),
        (1.0, "scalar", "Your answer was checked, and it is right. Give it again."),
        (None, "scalar", "Your answer could not be checked. Find"),
        (0.3456, "scalar", "scores 0.346 on"),
        (0.0, "text", "not right.\n\nlook at line 2\n\nFind the mistake"),
    ],
)
def test_the_turn_after_an_attempt(reward: float | None, mode: Any, said: str) -> None:
    turn = feedback_turn(Verdict(reward, " look at line 2 ", None), mode)
    assert said in turn
    assert ("look at line 2" in turn) == (mode == "text")
    assert feedback_turn(Verdict(reward, "x", None), "none") == ""


def test_a_prompted_expert_sets_the_system_message_and_adds_its_instruction_to_the_question() -> None:
    asked = (system("old"), user("example"), Message("assistant", "solved"), user("question"))
    history = [Turn("x", "reply", 0.0, "wrong")]
    built = prompted(system="new", instruction="Do it well.")(asked, history)
    assert [(m.role, m.content) for m in built] == [
        ("system", "new"),
        ("user", "example"),
        ("assistant", "solved"),
        ("user", "question\n\nDo it well."),
        ("assistant", "reply"),
        ("user", "wrong"),
    ]
    assert prompted()(asked, ()) == asked
    assert prompted(instruction="Go.")((system("s"),), ()) == (system("s"), user("Go."))


# ---------------------------------------------------------------- leaks


@pytest.mark.parametrize(
    ("answer", "critique", "told"),
    [
        ("12", "It should be 12.", True),
        ("12", "It should be $12.00, not 13", True),
        ("12", "You wrote 120, 112, 1.12 and 12.5", False),
        ("12", "take 24/2", True),
        ("-5", "it is -5", True),
        ("-5", "compute 10-5", False),
        ("1000", "one gets 1,000", True),
        ("0.5", "the half, 1/2", True),
        ("3", "pick one of 1,2,3", True),
        ("12", "", False),
        ("#### 12", "it is 12", True),
        ("Paris", "The capital is PARIS!", True),
        ("Paris", "a Parisian", False),
        ("New  York", "in new york.", True),
        ("", "anything", False),
    ],
)
def test_a_critique_leaks_when_it_holds_the_answer_as_a_whole(answer: str, critique: str, told: bool) -> None:
    assert leaks(critique, Problem("p", "?", answer)) is told


def telling(problem: Problem, text: str) -> tuple[float, str]:
    return (1.0, "") if text == "#### 1" else (0.0, f"the answer is {problem.answer}")


def test_an_attempt_that_was_told_the_answer_is_marked() -> None:
    experts = [scripted("x", "#### 2", "#### 1")]
    run = self_correct(ONE, experts, telling, feedback="text")
    got = first(run)
    assert got.leak
    assert [row["leak"] for row in got.rows] == [True, False]
    assert run.totals.num_leaks == 1
    # The same verifier leaks nothing when its words are not shown.
    assert not first(self_correct(ONE, experts, telling, feedback="scalar")).leak


def test_an_attempt_that_came_before_the_leak_is_not_marked() -> None:
    def late(problem: Problem, text: str) -> tuple[float, str]:
        return {"a": 0.9, "b": 0.1}[text], "it is 1"

    got = first(self_correct(ONE, [scripted("x", "a", "b")], late, feedback="text", max_attempts=2))
    assert (got.attempt, got.leak, [row["leak"] for row in got.rows]) == (0, False, [True, True])


def test_an_oracle_does_not_tell_its_answer() -> None:
    experts = [scripted("x", "#### 2", "nothing", "#### 7")]
    got = first(self_correct(ONE, experts, ORACLE, feedback="text", max_attempts=3))
    assert [row["critique"] for row in got.rows] == [
        "The answer that was read is 2.",
        "No answer was found in it.",
        "The answer that was read is 7.",
    ]
    assert not any(row["leak"] for row in got.rows)
    unreadable = Problem("p0", "?", "no number here")
    got = first(self_correct([unreadable], experts, ORACLE, feedback="text", max_attempts=2))
    assert not any("no number here" in row["feedback"] for row in got.rows)


# ---------------------------------------------------------------- verifiers


def test_every_row_says_of_what_kind_the_verifier_is() -> None:
    experts = [scripted("x", "#### 1")]
    labels = []
    for verifier in (ORACLE, critic, CallableScorer(lambda prompt, reply: 0.5, name="half")):
        got = first(self_correct(ONE, experts, verifier, max_attempts=1))
        labels.append(got.rows[0]["verifier"])
    assert labels == ["oracle:number", "function:critic", "scorer:half"]


def test_a_scorer_is_asked_once_per_round_about_the_question_and_the_reply() -> None:
    asked: list[int] = []

    def score(prompts: list[Any], replies: list[str]) -> list[float]:
        asked.append(len(replies))
        assert all(prompt == "What is the answer?" for prompt in prompts)
        return [0.25] * len(replies)

    problems = ExpertPool.problems(6)
    scorer = CallableScorer(score, name="s", batched=True)
    pool = ExpertPool([0.5], num_tok=1)
    run = list(self_correct(problems, pool, scorer, concurrency=3, max_attempts=2, reader=ORACLE))
    assert len(asked) == 4
    assert {c.reward for c in run} == {0.25}
    assert {c.answer for c in run} <= {"1", "2"}


def test_scores_that_are_log_odds_go_through_a_sigmoid_and_are_refused_without() -> None:
    scorer = CallableScorer(lambda prompt, reply: {"a": -800.0, "b": 0.0, "c": 800.0}[reply], name="s")
    experts = [scripted("x", "a", "b", "c")]
    got = first(self_correct(ONE, experts, scorer, scale="sigmoid"))
    assert [row["reward"] for row in got.rows] == [0.0, 0.5, 1.0]
    with pytest.raises(DataError, match="sigmoid"):
        first(self_correct(ONE, experts, scorer))
    nothing = CallableScorer(lambda prompt, reply: None, name="s")
    assert first(self_correct(ONE, experts, nothing, max_attempts=1)).reward is None


@pytest.mark.parametrize("said", ["1", 1.5, -0.1, (2.0, "x"), ["a"]])
def test_a_verifier_that_says_no_reward_is_refused(said: Any) -> None:
    with pytest.raises(DataError, match="p0"):
        list(self_correct(ONE, [scripted("x", "a")], lambda problem, text: said))


def test_what_is_no_verifier_is_refused() -> None:
    with pytest.raises(ConfigError, match="no verifier"):
        self_correct(ONE, ExpertPool([0.5]), 7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="scorers"):
        self_correct(ONE, ExpertPool([0.5]), ORACLE, scale="sigmoid")


def test_a_verifier_that_raises_ends_the_run() -> None:
    def broken(problem: Problem, text: str) -> float:
        raise KeyError("lost")

    with pytest.raises(KeyError):
        list(self_correct(ONE, ExpertPool([0.5]), broken))


# ---------------------------------------------------------------- batches


def test_a_round_asks_each_sampler_once_and_experts_that_share_one_share_the_call() -> None:
    shared, own = Recorder(), Recorder()
    experts = [
        Expert("a", shared, prompted(system="A")),
        Expert("b", shared, prompted(system="B")),
        Expert("c", own),
    ]
    problems = ExpertPool.problems(6)
    list(self_correct(problems, experts, critic, controller="round-robin", max_attempts=1, concurrency=6))
    assert [[r.id for r in requests] for requests, _ in shared.calls] == [["p0", "p1", "p3", "p4"]]
    assert [[r.id for r in requests] for requests, _ in own.calls] == [["p2", "p5"]]
    assert [p[0][1] for p in shared.prompts()] == ["A", "B", "A", "B"]


def test_attempt_t_is_sample_t_of_the_problem() -> None:
    recorder = Recorder()
    got = first(self_correct(ONE, [Expert("x", recorder)], critic, max_attempts=4))
    assert [(r.id, tuple(r.indices)) for requests, _ in recorder.calls for r in requests] == [
        ("p0", (t,)) for t in range(4)
    ]
    assert (got.num_tok, got.num_attempts) == (60, 4)


def test_requests_bring_their_messages_and_their_problem() -> None:
    recorder = Recorder()

    @dataclasses.dataclass
    class Asked:
        id: str
        messages: tuple[Message, ...]
        problem: Problem | None = None

    messages = (system("s"), user("u"))
    asked = [Asked("a", messages, Problem("a", "?", "0")), Request("b", messages)]
    run = self_correct(asked, [Expert("x", recorder)], NumberVerifier(), max_attempts=1)
    assert [c.reward for c in run] == [1.0, 0.0]  # "reply 0"; nobody knows b's answer
    assert recorder.prompts() == [[("system", "s"), ("user", "u")]] * 2
    with pytest.raises(ConfigError, match="messages"):
        self_correct([Request("c", raw="Once upon")], [Expert("x", recorder)], ORACLE)


# ---------------------------------------------------------------- failures


class Failing(Recorder):
    """Raises before, or amid, or says that it failed."""

    def __init__(self, error: Exception | None, *, after: int = 0) -> None:
        super().__init__(finish="error" if error is None else "stop")
        self.error, self.after = error, after

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        for num, completion in enumerate(super().sample(requests, skip=skip)):
            if self.error is not None and num >= self.after:
                raise self.error
            yield completion


@pytest.mark.parametrize("error", [None, RuntimeError("out of paper"), EndpointError("no answer"), DataError("long")])
def test_an_expert_that_fails_gets_nothing_and_stops_nobody(error: Exception | None) -> None:
    problems = ExpertPool.problems(40)
    experts = [Expert("broken", Failing(error)), ExpertPool([0.9])[0]]
    run = self_correct(problems, experts, ORACLE)
    got = list(run)
    assert solved(iter(got)) > 0.9
    assert run.totals.failures["broken"] == run.totals.pulls["broken"] > 0
    assert run.totals.failures.total() == sum(c.num_failed for c in got)
    assert all(row["reward"] is None for c in got for row in c.rows if row["expert"] == "broken")
    assert run.controller is not None
    assert run.controller.sum_rewards[0] == 0.0
    if error is not None:
        assert any(str(error) in reason for reason in run.totals.reasons)


def test_one_prompt_that_cannot_be_sampled_does_not_fail_the_others_of_its_batch() -> None:
    class TooLong(Recorder):
        def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
            if any(r.id == "p1" for r in requests):
                raise DataError("the prompt has 900 tokens")
            yield from super().sample(requests, skip=skip)

    run = self_correct(ExpertPool.problems(4), [Expert("x", TooLong())], critic, max_attempts=1)
    assert [c.num_failed for c in run] == [0, 1, 0, 0]


def test_what_an_endpoint_had_finished_before_it_died_is_kept() -> None:
    flaky = Failing(EndpointError("gone"), after=2)
    experts = [Expert("flaky", flaky), ExpertPool([0.0])[0]]
    run = self_correct(ExpertPool.problems(6), experts, critic, controller="round-robin", max_attempts=1)
    assert [c.num_failed for c in run] == [0, 0, 0, 0, 1, 0]
    assert len(flaky.calls) == 1, "an endpoint that is gone is not asked again for each prompt"


class Dying:
    """Answers while there is credit left; then the endpoint is gone."""

    def __init__(self, inner: Sampler, credit: list[int]) -> None:
        self.inner, self.credit = inner, credit

    stats = property(lambda self: self.inner.stats)
    determinism = property(lambda self: self.inner.determinism)
    identity = property(lambda self: self.inner.identity)

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        for completion in self.inner.sample(requests, skip=skip):
            if not self.credit:
                raise EndpointError("gone")
            self.credit.pop()
            yield completion


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_ends_when_every_expert_fails_and_the_same_run_goes_on_once_they_are_mended(concurrency: int) -> None:
    problems, store = ExpertPool.problems(30), MemoryStore()

    def run(experts: Sequence[Expert], store: MemoryStore) -> list[Corrected]:
        return list(self_correct(problems, experts, ORACLE, store=store, concurrency=concurrency))

    expected = run(ExpertPool([0.3, 0.5]), MemoryStore())
    credit = [1] * 10
    dying = [dataclasses.replace(e, sampler=Dying(e.sampler, credit)) for e in ExpertPool([0.3, 0.5])]
    with pytest.raises(ResourceError, match=r"every expert fails.*gone"):
        run(dying, store)
    num_made = sum(row["finish"] != "error" for row in store.rows.values())
    assert num_made == 10
    assert list(store.rows.values())[-1]["finish"] != "error", "failures at the end are not kept: they are tried again"
    resumed = run(ExpertPool([0.3, 0.5]), store)
    assert [c.id for c in resumed] == [c.id for c in expected]
    assert sum(c.num_failed for c in resumed) == sum(row["finish"] == "error" for row in store.rows.values())
    if concurrency == 1:  # then every failure is one at the end
        assert resumed == expected


def test_a_single_expert_that_fails_at_once_is_an_error() -> None:
    with pytest.raises(ResourceError, match="every expert fails"):
        list(self_correct(ONE, [Expert("x", Failing(RuntimeError("no")))], ORACLE, max_attempts=1))


def test_an_interruption_is_nobodys_failure() -> None:
    store = MemoryStore()
    with pytest.raises(Interrupted):
        list(self_correct(ONE, [Expert("x", Failing(Interrupted("stop")))], ORACLE, store=store))
    assert not store.rows


# ---------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("budget", "num"),
    [
        (Budget(max_tok=45), 3),  # 15 tokens an attempt
        (Budget(max_tok=46), 4),
        (Budget(max_cost=50e-6, completion_price_per_mtok=5.0), 2),  # 25e-6 an attempt
        (Budget(max_cost=50e-6, prompt_price_per_mtok=1.0, completion_price_per_mtok=5.0), 2),
        (Budget(max_s=1e-9), 1),
        (Budget(max_s=1e9), 6),
    ],
)
def test_a_budget_stops_a_problem(budget: Budget, num: int) -> None:
    got = first(self_correct(ONE, [Expert("x", Recorder())], critic, max_attempts=6, budget=budget))
    assert got.num_attempts == num
    assert got.stop == ("attempts" if num == 6 else "budget")


def test_a_budget_of_the_run_leaves_later_problems_without_an_attempt() -> None:
    problems = ExpertPool.problems(10)
    experts = [Expert("x", Recorder())]
    run = self_correct(problems, experts, critic, max_attempts=2, concurrency=2, budget=Budget(max_tok=75))
    got = list(run)
    assert [c.num_attempts for c in got] == [2, 2, 1, 1] + [0] * 6
    assert run.totals.spent.num_tok == 90, "the round in which the limit is reached is finished"
    assert {c.stop for c in got[2:]} == {"budget"}
    assert (got[-1].text, got[-1].attempt, got[-1].reward, got[-1].answer) == ("", None, None, None)
    each = Budget(max_tok=15, scope="problem")
    got = list(self_correct(problems, experts, critic, max_attempts=2, concurrency=2, budget=each))
    assert [c.num_attempts for c in got] == [1] * 10


def test_clock_times_are_kept_only_where_they_decide() -> None:
    for budget, kept in ((None, False), (Budget(max_s=60.0), True)):
        got = first(self_correct(ONE, [Expert("x", Recorder())], critic, max_attempts=1, budget=budget))
        assert ("seconds" in got.rows[0]) is kept


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(max_tok=0),
        lambda: Budget(max_s=0.0),
        lambda: Budget(max_cost=0.0, completion_price_per_mtok=1.0),
        lambda: Budget(max_cost=1.0),
        lambda: Budget(max_cost=1.0, completion_price_per_mtok=-1.0),
        lambda: Budget(scope="day"),  # type: ignore[arg-type]
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, max_attempts=0),
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, concurrency=0),
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, history_window=0),
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, stop_at=0.0),
        lambda: self_correct(ONE, [], ORACLE),
        lambda: self_correct(ONE, [*ExpertPool([0.5]), *ExpertPool([0.6])], ORACLE),
        lambda: self_correct(ONE, ExpertPool([0.5, 0.5]), ORACLE, controller="hedge"),
        lambda: self_correct(ONE, ExpertPool([0.5, 0.5]), ORACLE, controller="ubc1"),
        lambda: self_correct(ONE, ExpertPool([0.5, 0.5]), ORACLE, controller=make_controller("ucb1", 3)),
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, controller=make_controller("ucb1", 1), shared=False),
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, output="first"),  # type: ignore[arg-type]
        lambda: self_correct(ONE, ExpertPool([0.5]), ORACLE, feedback="words"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_buy_nothing_or_do_not_fit_are_refused_before_anything_is_drawn(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


def test_two_problems_with_one_id_are_refused() -> None:
    with pytest.raises(DataError, match="'p0'"):
        self_correct([*ONE, *ONE], ExpertPool([0.5]), ORACLE)


# ---------------------------------------------------------------- replay


class Killed(BaseException):
    """As a signal would."""


class DyingStore(MemoryStore):
    """Takes so many rows, then the process is gone."""

    def __init__(self, rows: dict[Any, Any], num: int) -> None:
        super().__init__()
        self.rows.update(rows)
        self.left = num

    def put(self, row: dict[str, Any]) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1
        super().put(json.loads(json.dumps(row, allow_nan=False)))


def flawed_pool(seed: int = 0) -> list[Expert]:
    return [*ExpertPool([0.15, 0.5], seed=seed), Expert("broken", Failing(RuntimeError("no")))]


@pytest.mark.parametrize("name", ["ucb1", "thompson", "exp3", "halving"])
def test_a_run_killed_at_any_row_ends_as_an_unbroken_one(name: str) -> None:
    problems = ExpertPool.problems(7)
    arguments: Any = {"controller": name, "concurrency": 3, "feedback": "text", "seed": 5, "max_attempts": 3}
    whole = MemoryStore()
    run = self_correct(problems, flawed_pool(), ORACLE, store=whole, **arguments)
    expected = list(run)
    assert run.totals.failures["broken"] > 0
    assert len(whole.rows) > 8
    for num in range(len(whole.rows)):
        dying = DyingStore({}, num)
        with pytest.raises(Killed):
            list(self_correct(problems, flawed_pool(), ORACLE, store=dying, **arguments))
        again = self_correct(
            problems, flawed_pool(), ORACLE, store=(kept := DyingStore(dying.rows, 10**9)), **arguments
        )
        assert list(again) == expected
        assert again.totals.num_replayed == num
        assert again.totals.spent == run.totals.spent
        assert kept.rows == whole.rows
        assert list(kept.rows) == list(whole.rows), "in the same order"
        assert again.controller is not None and run.controller is not None
        assert again.controller.state() == run.controller.state()


def test_a_finished_run_is_replayed_without_a_draw_or_a_verdict(tmp_path: Path) -> None:
    problems = ExpertPool.problems(20)
    with JsonlStore(tmp_path / "attempts.jsonl") as store:
        expected = list(self_correct(problems, ExpertPool([0.2, 0.6]), ORACLE, store=store))

    class Never(NumberVerifier):
        def grade(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("asked again")

    pool = ExpertPool([0.2, 0.6])
    with (tmp_path / "attempts.jsonl").open("a") as f:
        f.write('{"id": "p19", "att')  # what a killed process leaves
    with JsonlStore(tmp_path / "attempts.jsonl") as store:
        assert store.num_torn_bytes > 0
        run = self_correct(problems, pool, Never(), store=store)
        assert list(run) == expected
    assert [e.sampler.stats.num_completions for e in pool] == [0, 0]
    assert run.totals.num_replayed == run.totals.spent.num_attempts


def test_a_sampler_that_needs_the_whole_batch_is_told_what_to_skip() -> None:
    problems = ExpertPool.problems(4)
    whole = MemoryStore()
    list(self_correct(problems, [Expert("x", Recorder())], critic, max_attempts=1, store=whole))
    part = MemoryStore()
    part.rows = {key: whole.rows[key] for key in (("p0", 0), ("p2", 0))}
    recorder = Recorder()
    list(self_correct(problems, [Expert("x", recorder)], critic, max_attempts=1, store=part))
    ((requests, skipped),) = recorder.calls
    assert [r.id for r in requests] == ["p0", "p1", "p2", "p3"]
    assert skipped == {("p0", 0), ("p2", 0)}


def test_rows_of_another_run_are_refused() -> None:
    problems = ExpertPool.problems(6)
    store = MemoryStore()
    list(self_correct(problems, ExpertPool([0.2, 0.6]), ORACLE, store=store))
    other: list[Any] = [
        lambda: self_correct(problems, ExpertPool([0.2, 0.6], seed=1), ORACLE, store=store),
        lambda: self_correct(problems, ExpertPool([0.2, 0.6]), critic, store=store),
        lambda: self_correct(problems, ExpertPool([0.2, 0.6]), ORACLE, controller="exp3", store=store),
        lambda: self_correct([Problem("p0", "Another?", "1")], ExpertPool([0.2, 0.6]), ORACLE, store=store),
    ]
    for make in other:
        with pytest.raises(DataError, match="another run"):
            list(make())
    store.rows["p0", 0] = {**store.rows["p0", 0], "text": None}
    with pytest.raises(DataError, match="'text'"):
        list(self_correct(problems, ExpertPool([0.2, 0.6]), ORACLE, store=store))


def test_a_file_that_holds_no_attempts_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "attempts.jsonl").write_text('{"id": "a", "attempt": 0}\n{"index": 1}\n')
    with pytest.raises(DataError, match=r"attempts\.jsonl:2"):
        JsonlStore(tmp_path / "attempts.jsonl")


def test_every_attempt_says_who_was_chosen_with_what_chance_and_why() -> None:
    got = list(self_correct(ExpertPool.problems(5), ExpertPool([0.2, 0.6]), ORACLE, controller="exp3"))
    rows = [row for c in got for row in c.rows]
    assert all(0 < row["choice_prob"] < 1 and row["expert"] == f"expert-{row['arm']}" for row in rows)
    assert len({row["state"] for row in rows}) > 1
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


# ---------------------------------------------------------------- pools


def test_the_built_in_pools_are_what_they_say() -> None:
    assert list(POOLS) == ["single", "temperatures", "prompts"]
    assert [c.temperature for c in POOLS["temperatures"].values()] == [0.2, 0.7, 1.0]
    prompts = POOLS["prompts"].values()
    assert len({c.system for c in prompts}) == len({c.instruction for c in prompts}) == 3
    for pool in POOLS.values():
        assert all(not c.model and not c.adapter for c in pool.values())


def test_a_pool_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text('[plain]\n\n[hot]\ntemperature = 1.2\ntop_p = 0.9\nmax_new_tokens = 7\nsystem = "Be bold."\n')
    configs = read_pool(path)
    assert list(configs) == ["plain", "hot"]
    default = SamplingConfig(temperature=0.5, stop=("\n",))
    assert configs["plain"].sampling(default) == default
    assert configs["hot"].sampling(default) == SamplingConfig(
        temperature=1.2, top_p=0.9, max_new_tokens=7, stop=("\n",)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no expert"),
        ("temperature = 1.0\n", "outside an expert's table"),
        ("[a]\ntempreature = 1.0\n", "temperature"),
        ("[a]\ntemperature = -1.0\n", "temperature"),
        ("[a\n", "TOML"),
    ],
)
def test_a_pool_that_cannot_be_read_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pool.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        read_pool(tmp_path / "pool.toml")
    assert "pool.toml" in str(error.value)


def test_an_unknown_pool_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="prompts"):
        read_pool("prompt")
    with pytest.raises(ConfigError, match="no such config file"):
        read_pool("nowhere.toml")


def test_a_pool_of_the_simulated_solver_corrects() -> None:
    problems = ExpertPool.problems(30)
    experts = make_pool("prompts", "scripted", SamplingConfig(), problems=problems)
    assert [e.name for e in experts] == ["steps", "quantities", "check"]
    assert len({id(e.sampler) for e in experts}) == 1
    assert len({json.dumps(e.identity, sort_keys=True) for e in experts}) == 3
    assert solved(self_correct(problems, experts, ORACLE)) > 0.7  # 0.38 an attempt


def test_a_local_model_is_loaded_once_for_experts_of_any_prompt_and_temperature(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loads: list[str] = []
    load = pools.load_causal_lm
    monkeypatch.setattr(pools, "load_causal_lm", lambda name, options: loads.append(name) or load(name, options))
    text = '[a]\nsystem = "A"\n[b]\nsystem = "B"\n[c]\ntemperature = 0.1\n'
    (tmp_path / "pool.toml").write_text(text)
    sampling = SamplingConfig(max_new_tokens=4)
    experts = make_pool(tmp_path / "pool.toml", str(tiny_model), sampling, batch_size=2)
    assert loads == [str(tiny_model)]
    a, b, c = experts
    assert a.sampler is b.sampler is not c.sampler
    assert a.sampler.loaded is c.sampler.loaded  # type: ignore[attr-defined]
    assert c.identity["sampler"]["temperature"] == 0.1


def test_a_local_model_corrects_the_same_after_a_kill(tiny_model: Path) -> None:
    from reasonry.core.models import ModelConfig

    options = ModelConfig(dtype="float32", device="cpu")
    experts = make_pool("temperatures", str(tiny_model), SamplingConfig(max_new_tokens=6), options=options)
    problems = ExpertPool.problems(3)

    def length(problem: Problem, text: str) -> float:
        return min(1.0, len(text) / 100)

    whole = MemoryStore()
    expected = list(self_correct(problems, experts, length, max_attempts=3, concurrency=2, store=whole))
    assert len(whole.rows) == 9
    assert any(len(row["text"]) > 0 for row in whole.rows.values())
    for num in (1, 5):
        dying = DyingStore({}, num)
        with pytest.raises(Killed):
            list(self_correct(problems, experts, length, max_attempts=3, concurrency=2, store=dying))
        assert (
            list(self_correct(problems, experts, length, max_attempts=3, concurrency=2, store=dying2(dying)))
            == expected
        )


def dying2(dying: DyingStore) -> DyingStore:
    return DyingStore(dying.rows, 10**9)


# ---------------------------------------------------------------- adapters


def adapter_pool(folder: Path, *files: str) -> Path:
    adapter = folder / "lora"
    adapter.mkdir()
    for name in files:
        (adapter / name).write_text("{}")
    path = folder / "pool.toml"
    path.write_text(f'[plain]\n[tuned]\nadapter = "{adapter}"\n')
    return path


def fake_peft(monkeypatch: pytest.MonkeyPatch, merged: list[str]) -> None:
    """Stands in for the package: the merged model is the base model, and what was asked for is kept."""

    class PeftModel:
        @classmethod
        def from_pretrained(cls, model: Any, path: str) -> Any:
            merged.append(path)
            return types.SimpleNamespace(merge_and_unload=lambda: model)

    module = types.ModuleType("peft")
    module.__spec__ = importlib.machinery.ModuleSpec("peft", None)
    module.PeftModel = PeftModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "peft", module)


def test_an_adapter_without_peft_is_refused_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="peft"):
        make_pool(adapter_pool(tmp_path), "no-such-model", SamplingConfig())


def test_an_adapter_gets_a_copy_of_the_model_of_its_own(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged: list[str] = []
    fake_peft(monkeypatch, merged)
    path = adapter_pool(tmp_path, "adapter_config.json", "adapter_model.safetensors")
    plain, tuned = make_pool(path, str(tiny_model), SamplingConfig())
    assert merged == [str(tmp_path / "lora")]
    assert plain.sampler.loaded.model is not tuned.sampler.loaded.model  # type: ignore[attr-defined]
    assert "adapter" not in plain.identity["sampler"]
    assert len(tuned.identity["sampler"]["adapter"]) == 32


def test_adapters_that_are_pickled_absent_or_for_a_server_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_peft(monkeypatch, [])
    path = adapter_pool(tmp_path, "adapter_model.bin")
    with pytest.raises(ConfigError, match="not the folder of an adapter"):
        make_pool(path, "no-such-model", SamplingConfig())
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(UnsafeArtifactError, match="safetensors"):
        make_pool(path, "no-such-model", SamplingConfig())
    with pytest.raises(ConfigError, match="local model"):
        make_pool(path, "scripted", SamplingConfig())


# ---------------------------------------------------------------- the room


def test_the_names_of_the_room_resolve() -> None:
    assert all(getattr(self_correction, name) is not None for name in self_correction.__all__)
    with pytest.raises(AttributeError):
        _ = self_correction.no_such_name
