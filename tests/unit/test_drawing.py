"""Rounds of samples until a rule is content, and the rows they leave: what is asked, what is used, what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import jsonl
from reasonry.core.costs import CostLog, total_costs
from reasonry.core.messages import user
from reasonry.core.rows import FileStore, Row, Store
from reasonry.core.sampling import Completion, Request
from reasonry.core.sampling.base import SamplerStats, Skip
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.task import Problem
from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError, DataError, ResourceError
from reasonry.test_time.drawing import Drawing, draw, draw_async
from reasonry.test_time.pool import Pool, Question, by_question, canonical, check_rows, graded_row, same_texts
from reasonry.test_time.simulate import CategoricalSampler
from reasonry.test_time.stopping import Decision, Rule, make_rule

MAX_N = 24
RULES = (
    "fixed",
    "curtail",
    "certify:0.05",
    "certify:0.4",
    "certify:0.4:2",
    "certify:0.5:4",
    "beta:0.9",
    "doubling:0.6",
    "window:3",
    "martingale:0.3",
    "group-sequential:0.3",
    "group-sequential:0.4:unknown:4",
)
LAWS = (
    [0.95, 0.05, 0, 0, 0],
    [0.5, 0.3, 0.1, 0, 0.1],
    [0.4, 0.4, 0, 0, 0.2],
    [0, 0, 0, 0, 1.0],
    [0.2, 0.2, 0.3, 0.3, 0],
)
ANSWERS = ("7", "8", "9", "10", None)
QUESTIONS = [Question(f"q{i}", (user(f"Question {i}?"),)) for i in range(len(LAWS))]
NUMBER = make_verifier("number")


def simulated(seed: int = 0) -> CategoricalSampler:
    return CategoricalSampler({q.id: law for q, law in zip(QUESTIONS, LAWS, strict=True)}, seed=seed, answers=ANSWERS)


def read(completion: Completion, question: Question) -> Row:
    return graded_row(completion, question, NUMBER)


def drawing(questions: Sequence[Question], rule: Rule, store: Store | None = None, **options: Any) -> Drawing:
    return Drawing(questions, rule, read=read, store=store if store is not None else Store(), **options)


def drawn(
    rule: Rule, *, seed: int = 0, questions: Sequence[Question] = QUESTIONS, store: Store | None = None, **options: Any
) -> dict[str, Pool]:
    pools = dict(draw(drawing(questions, rule, store, **options), simulated(seed)))
    assert sorted(pools) == list(range(len(questions)))
    assert [pools[i].question for i in range(len(questions))] == list(questions)
    return {pool.question.id: pool for pool in pools.values()}


def plainly(rule: Rule, question: Question, seed: int) -> Decision:
    """The rule on the sampler's answers, one at a time."""
    watch = rule.start()
    answers = simulated(seed).sample([Request(question.id, question.messages, range(rule.max_n))])
    while not watch.observe(read(next(answers), question)["answer"]):
        pass
    return watch.decision()


class Recorder:
    """Hands on another sampler's completions and remembers what it was asked for."""

    identity: dict[str, Any] = {}  # noqa: RUF012 - the protocol's property
    determinism = "sample-stable"

    def __init__(self, inner: Any, *, leave_out: Skip = ()) -> None:
        self.inner, self.leave_out, self.stats = inner, leave_out, SamplerStats()
        self.calls: list[dict[str, list[int]]] = []

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        asked = {r.id: [i for i in r.indices if (r.id, i) not in skip] for r in requests}
        self.calls.append({name: indices for name, indices in asked.items() if indices})
        yield from self.inner.sample(requests, skip={*skip, *self.leave_out})


# ---------------------------------------------------------------- what is decided


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("min_round", [1, 4, 7])
def test_every_rule_decides_as_on_the_bare_sequence_of_answers(text: str, min_round: int) -> None:
    rule = make_rule(text, max_n=MAX_N)
    for seed in range(4):
        for name, pool in drawn(rule, seed=seed, min_round=min_round).items():
            assert pool.decision == plainly(rule, pool.question, seed), (name, seed)
            assert pool.num_used == pool.decision.num_seen == len(pool.used) <= len(pool.rows) <= MAX_N
            assert [(r["id"], r["index"]) for r in pool.rows] == [(name, i) for i in range(len(pool.rows))]


@pytest.mark.parametrize("text", RULES)
def test_with_rounds_as_small_as_can_be_no_sample_is_drawn_in_vain(text: str) -> None:
    for seed in range(6):
        sampler = simulated(seed)
        pools = [pool for _, pool in draw(drawing(QUESTIONS, make_rule(text, max_n=MAX_N)), sampler)]
        assert all(pool.num_used == len(pool.rows) for pool in pools)
        assert sampler.stats.num_completions == sum(pool.num_used for pool in pools)


@pytest.mark.parametrize("min_round", [2, 5])
@pytest.mark.parametrize("text", RULES)
def test_larger_rounds_waste_less_than_a_round_per_question(text: str, min_round: int) -> None:
    pools = drawn(make_rule(text, max_n=MAX_N), min_round=min_round)
    assert all(len(pool.rows) - pool.num_used < min_round for pool in pools.values())


@pytest.mark.parametrize("text", RULES)
def test_the_company_and_the_order_of_questions_change_nothing(text: str) -> None:
    rule = make_rule(text, max_n=MAX_N)
    together = drawn(rule)
    assert drawn(rule, questions=QUESTIONS[::-1]) == together
    for question in QUESTIONS:
        assert drawn(rule, questions=[question]) == {question.id: together[question.id]}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), text=st.sampled_from(RULES), min_round=st.sampled_from([1, 4, 7]), seed=st.integers(0, 20))
def test_a_drawing_goes_on_from_any_part_of_its_samples(
    data: st.DataObject, text: str, min_round: int, seed: int
) -> None:
    rule = make_rule(text, max_n=MAX_N)
    whole = drawn(rule, seed=seed, min_round=min_round)
    rows = [row for pool in whole.values() for row in pool.rows]
    keep = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    store = Store(row for row, is_kept in zip(rows, keep, strict=True) if is_kept)
    num_held = len(store.rows)
    sampler = simulated(seed)
    found = {pool.question.id: pool for _, pool in draw(drawing(QUESTIONS, rule, store, min_round=min_round), sampler)}
    assert found == whole
    assert sampler.stats.num_completions == len(rows) - num_held, "what is there is not drawn again"
    assert len(store.rows) == len(rows)


@pytest.mark.parametrize("text", RULES)
def test_samples_beyond_the_stop_are_not_looked_at(text: str) -> None:
    """A store may hold more than is needed, of a larger run or of another strategy."""
    rule = make_rule(text, max_n=MAX_N)
    store = Store(r for pool in drawn(make_rule("fixed", max_n=2 * MAX_N)).values() for r in pool.rows)
    sampler = simulated()
    found = {pool.question.id: pool for _, pool in draw(drawing(QUESTIONS, rule, store), sampler)}
    assert found == drawn(rule) and sampler.stats.num_completions == 0


@pytest.mark.parametrize("text", RULES)
def test_an_event_loop_draws_the_same(text: str) -> None:
    rule = make_rule(text, max_n=MAX_N)

    async def collect() -> dict[str, Pool]:
        steps = draw_async(drawing(QUESTIONS, rule, min_round=4), simulated())
        return {pool.question.id: pool async for _, pool in steps}

    assert asyncio.run(collect()) == drawn(rule, min_round=4)


# ---------------------------------------------------------------- what a round asks for


def test_a_round_asks_for_as_many_as_the_rule_needs_at_least_for_all_questions_at_once() -> None:
    """E(8, 0) = 511/9 > 2 / 0.05 > E(7, 0) = 255/8: nine equal answers are the fewest."""
    sampler = Recorder(ScriptedSampler({"q0": ["#### 7"], "q1": ["#### 8", *["#### 7"] * 40]}))
    rule = make_rule("certify:0.05", max_n=MAX_N)
    pools = dict(draw(drawing(QUESTIONS[:2], rule), sampler))
    assert sampler.calls[0] == {"q0": list(range(9)), "q1": list(range(9))}
    # The second answer needs E(a, 0) >= 6 / 0.05: a = 10 after the one that made it known; B, then eleven A.
    assert [pools[i].num_used for i in (0, 1)] == [9, 12]
    assert sampler.calls[1:] == [{"q1": [9, 10, 11]}], "a question that is settled takes no further part"
    assert [pools[i].decision.verdict for i in (0, 1)] == ["certified"] * 2


def test_a_fixed_number_is_one_round() -> None:
    sampler = Recorder(simulated())
    list(draw(drawing(QUESTIONS, make_rule("fixed", max_n=7)), sampler))
    assert sampler.calls == [{q.id: list(range(7)) for q in QUESTIONS}]


def test_curtailment_asks_for_the_shortest_way_to_an_outcome() -> None:
    sampler = Recorder(ScriptedSampler({"q0": ["#### 7", "#### 8", "#### 7", "#### 7", "#### 7", "#### 7"]}))
    pools = dict(draw(drawing(QUESTIONS[:1], make_rule("curtail", max_n=9)), sampler))
    # 5 of 9 would do; after 4 to 1 one more makes 5 to 1 with 3 left.
    assert [call["q0"] for call in sampler.calls] == [[0, 1, 2, 3, 4], [5]]
    assert pools[0].decision == Decision("decided", "7", "8", 6, None, pools[0].decision.detail)


def test_the_budget_is_never_exceeded_and_ends_without_a_verdict() -> None:
    for min_round in (1, 4, 100):
        sampler = Recorder(ScriptedSampler({"q0": ["#### 7", "#### 8"]}))
        pools = dict(draw(drawing(QUESTIONS[:1], make_rule("certify", max_n=10), min_round=min_round), sampler))
        assert pools[0].decision.verdict == "budget_exhausted" and len(pools[0].rows) == 10
        assert max(i for call in sampler.calls for i in call["q0"]) == 9


def test_a_settled_question_is_handed_out_before_the_next_round_is_drawn() -> None:
    sampler = Recorder(ScriptedSampler({"q0": ["#### 7"], "q1": ["#### 7", "#### 8"]}))
    steps = draw(drawing(QUESTIONS[:2], make_rule("certify", max_n=20)), sampler)
    assert next(steps)[0] == 0 and len(sampler.calls) == 1
    assert next(steps)[0] == 1 and len(sampler.calls) > 1


def test_every_fresh_row_is_announced_once_and_a_known_one_never() -> None:
    rule = make_rule("fixed", max_n=4)
    store = Store(drawn(rule)["q1"].rows)
    seen: list[tuple[str, int]] = []
    list(
        draw(drawing(QUESTIONS[:2], rule, store), simulated(), each=lambda row: seen.append((row["id"], row["index"])))
    )
    assert seen == [("q0", i) for i in range(4)]


def test_no_question_is_no_work() -> None:
    sampler = Recorder(simulated())
    assert list(draw(drawing([], make_rule("fixed", max_n=4)), sampler)) == [] and sampler.calls == []


# ---------------------------------------------------------------- what is refused


async def exhaust(steps: AsyncIterator[Any]) -> None:
    async for _ in steps:
        pass


@pytest.mark.parametrize("left_out", [{("q0", 0)}, {("q1", 3)}, {("q0", 2), ("q1", 2)}])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_sample_that_the_sampler_leaves_out_is_named_and_the_others_are_kept(
    left_out: set[tuple[str, int]], is_async: bool
) -> None:
    store = Store()
    rule = make_rule("fixed", max_n=4)

    def collect() -> None:
        steps = drawing(QUESTIONS[:2], rule, store), Recorder(simulated(), leave_out=left_out)
        asyncio.run(exhaust(draw_async(*steps))) if is_async else list(draw(*steps))

    name, index = min(left_out)
    with pytest.raises(ResourceError, match=f"no sample {index} of question '{name}'"):
        collect()
    assert len(store.rows) == 8 - len(left_out)
    sampler = Recorder(simulated())
    list(draw(drawing(QUESTIONS[:2], rule, store), sampler))
    assert {(name, i) for name, indices in sampler.calls[0].items() for i in indices} == left_out


def test_two_questions_with_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="two questions have the same id"):
        drawing([QUESTIONS[0], Question("q0", (user("Another?"),))], make_rule("fixed", max_n=2))


@pytest.mark.parametrize("min_round", [0, -3])
def test_a_round_of_nothing_is_refused(min_round: int) -> None:
    with pytest.raises(ConfigError, match=f"min_round = {min_round}"):
        drawing(QUESTIONS, make_rule("fixed", max_n=2), min_round=min_round)


# ---------------------------------------------------------------- rows

PROBLEM = Problem("q0", "Three and four?", "7")
ASKED = Question("q0", (user("Three and four?"),), PROBLEM)


def test_a_row_holds_the_answer_the_grade_and_the_mean_log_probability() -> None:
    row = graded_row(Completion("q0", 2, "so #### 7", "stop", 9, 3, (1, 2, 3), (-1.0, -0.5, 0.0)), ASKED, NUMBER)
    assert row == {
        "id": "q0",
        "index": 2,
        "text": "so #### 7",
        "finish": "stop",
        "answer": "7",
        "grade": "right",
        "reason": "equal",
        "num_prompt_tok": 9,
        "num_completion_tok": 3,
        "mean_logp": -0.5,
    }
    assert graded_row(Completion("q0", 0, "#### 8", "stop"), ASKED, NUMBER)["grade"] == "wrong"
    silent = graded_row(Completion("q0", 0, "Hm.", "stop"), ASKED, NUMBER)
    assert (silent["answer"], silent["grade"], silent["mean_logp"]) == (None, "ungradable", None)


def test_an_answer_nobody_can_grade_is_still_an_answer() -> None:
    row = graded_row(Completion("q0", 0, "#### 7", "stop"), ASKED._replace(problem=None), NUMBER)
    assert (row["answer"], row["grade"], row["reason"]) == ("7", "ungradable", "no oracle answer")


def test_of_a_cut_off_reply_only_a_marked_answer_counts() -> None:
    for question in (ASKED, ASKED._replace(problem=None)):
        cut = [graded_row(Completion("q0", 0, text, "length"), question, NUMBER) for text in ("3 + 4 is 7", "#### 7\n")]
        assert [row["answer"] for row in cut] == [None, "7"]


def sample_row(name: str, at: int, **changes: Any) -> Row:
    return {**graded_row(Completion(name, at, "#### 7", "stop", 0, 2), ASKED, NUMBER), "id": name, **changes}


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"id": None}, "'id' is missing or wrong"),
    "an index in words": ({"index": "one"}, "'index' is missing or wrong"),
    "an answer in digits": ({"answer": 7}, "'answer' is missing or wrong"),
    "a length in words": ({"num_prompt_tok": "two"}, "'num_prompt_tok' is missing or wrong"),
    "an unknown grade": ({"grade": "fine"}, "'grade' is missing or wrong"),
    "another task's problem": ({"id": "q9"}, "a sample of problem 'q9', which the task does not hold"),
    "an index beyond n": ({"index": 4}, "sample 4 of problem 'q0', but n is 4"),
    "an index below 0": ({"index": -1}, "sample -1 of problem 'q0'"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_stored_row_that_is_not_this_runs_is_refused_with_its_line(case: str) -> None:
    changes, message = BAD_ROWS[case]
    rows = [sample_row("q0", 0), sample_row("q0", 1, **changes)]
    check_rows(rows[:1], Path("s.jsonl"), {"q0"}, 4)
    with pytest.raises(DataError, match=message) as caught:
        check_rows(rows, Path("s.jsonl"), {"q0"}, 4)
    assert caught.value.place == "s.jsonl:2" and caught.value.remedy


def test_the_file_is_put_into_order_and_left_alone_when_it_is_in_order(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    order = {"b": 0, "a": 1}
    assert canonical(path, order) == [] and not path.exists()
    rows = [sample_row("a", 1), sample_row("b", 0), sample_row("a", 0), sample_row("b", 1), sample_row("a", 1)]
    jsonl.append(path, rows)
    wanted = [rows[1], rows[3], rows[2], rows[4]]
    assert canonical(path, order) == wanted == list(jsonl.read(path))
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert canonical(path, order) == wanted and (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_file_store_writes_before_it_remembers(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    with jsonl.JsonlWriter(path) as writer:
        store = FileStore([sample_row("q0", 0)], writer)
        store.put(sample_row("q0", 1))
        with pytest.raises(DataError):
            store.put(sample_row("q0", 2, mean_logp=float("nan")))
    assert set(store.rows) == {("q0", 0), ("q0", 1)}
    assert list(jsonl.read(path)) == [sample_row("q0", 1)], "what was there is not written again"


def test_costs_are_those_since_the_log_was_opened_and_add_up_over_sessions(tmp_path: Path) -> None:
    path = tmp_path / "costs.jsonl"
    assert total_costs(path) == {}
    one, two = ScriptedSampler({}), ScriptedSampler({})
    one.stats.num_completions = 100  # of earlier work
    log = CostLog(path, [one, two])
    log.write()
    assert not path.exists(), "nothing was spent"
    one.stats.num_completions += 3
    two.stats.num_completions += 4
    two.stats.seconds += 1.5
    log.tick()
    assert not path.exists(), "not every sample writes a row"
    two.stats.seconds += 1.0
    log.tick()
    log.write()
    with open(path, "a") as f:
        f.write('{"seconds": 1')  # the session was killed
    assert total_costs(path) == {
        "seconds": 2.5,
        "num_prompt_tok": 0,
        "num_completion_tok": 0,
        "num_completions": 7,
        "num_retries": 0,
        "num_cache_hits": 0,
    }
    assert len(path.read_text().splitlines()) == 2
    CostLog(path, [one]).write()
    assert json.loads(path.read_text().splitlines()[0])["num_completions"] == 7


def test_rows_are_sorted_into_pools_and_identical_texts_are_found() -> None:
    rows = [
        sample_row("a", 0),
        sample_row("b", 0),
        sample_row("b", 1),
        sample_row("c", 0),
        sample_row("c", 1, text="x"),
    ]
    assert {k: len(v) for k, v in by_question(rows, ["a", "b", "c", "d"]).items()} == {"a": 1, "b": 2, "c": 2, "d": 0}
    assert list(same_texts(rows)) == ["b"], "one sample alone, or two that differ, say nothing"


def test_the_made_up_laws_exercise_every_verdict() -> None:
    """Otherwise the tests above would compare less than they seem to."""
    verdicts = {p.decision.verdict for text in RULES for p in drawn(make_rule(text, max_n=MAX_N)).values()}
    assert verdicts == {"certified", "decided", "heuristic", "budget_exhausted"}
    stops = [p.num_used for text in RULES for p in drawn(make_rule(text, max_n=MAX_N)).values()]
    assert len(np.unique(stops)) >= 8
