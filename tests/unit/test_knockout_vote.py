"""Knockout as a strategy: tournaments of many questions at once, a judge's verdicts kept row by row."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.messages import user
from reasonry.core.rows import Store
from reasonry.core.sampling import Request
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.scoring import Pair, PairwiseJudge
from reasonry.core.task import Problem
from reasonry.errors import DataError
from reasonry.test_time import knockout_vote
from reasonry.test_time.knockout_vote import KEY, KnockoutVote, check_comparisons
from reasonry.test_time.pool import Question
from reasonry.test_time.strategies import BestOfN, Result

NUMBERS = {f"q{i}": [str((7 * i + 3 * j) % 11) for j in range(n)] for i, n in enumerate((1, 2, 5, 8, 9))}
QUESTIONS = [Question(name, (user(name),)) for name in NUMBERS]


class Larger:
    """A judge that prefers the larger number, and counts what it is asked."""

    def __init__(self) -> None:
        self.calls: list[list[Pair]] = []

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        self.calls.append(list(pairs))
        return [float(float(p.first) > float(p.second)) for p in pairs]

    @property
    def num_pairs(self) -> int:
        return sum(map(len, self.calls))


def vote(judge: Any = None, *, n: int = 9, **options: Any) -> KnockoutVote:
    return KnockoutVote(ScriptedSampler(NUMBERS), "exact", n=n, judge=judge, **options)


def scripted(*texts: str) -> ScriptedSampler:
    return ScriptedSampler({"q": list(texts)})


ASK = Question("q", (user("q"),))


# ---------------------------------------------------------------- who wins


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 16])
def test_a_judge_that_knows_finds_the_best_with_one_match_less_than_samples(n: int) -> None:
    for seed in range(5):
        judge = Larger()
        result = vote(judge, n=n, seed=seed).run(QUESTIONS[4])
        texts = [r["text"] for r in result.rows]
        assert result.answer == max(texts, key=float) and result.strategy == "knockout"
        assert judge.num_pairs <= n - 1 and len(judge.calls) <= math.ceil(math.log2(n)) if n > 1 else not judge.calls
        assert sum(result.weights.values()) == n - 1, "every match has a winner"
        assert not result.was_tied and result.warnings == ()


def test_equal_answers_need_no_judge() -> None:
    judge = Larger()
    result = KnockoutVote(scripted("3"), "exact", n=8, judge=judge).run(ASK)
    assert result.answer == "3" and judge.calls == [] and result.weights == {"3": 7.0}


def test_a_sample_without_an_answer_does_not_enter() -> None:
    judge = Larger()
    result = KnockoutVote(scripted("3", "", "5", " "), "exact", n=4, judge=judge).run(ASK)
    assert result.answer == "5" and judge.num_pairs == 1 and result.parse_rate == 0.5
    nobody = KnockoutVote(scripted("", " "), "exact", n=3, judge=judge).run(Problem("q", "q", "5"))
    assert (nobody.answer, nobody.grade, nobody.weights) == (None, "ungradable", {}) and judge.num_pairs == 1


def test_without_a_judge_the_higher_score_wins() -> None:
    def score(prompt: str, reply: str) -> float:
        return -float(reply)

    for seed in range(5):
        by_score = vote(score=score, seed=seed).run_batch(QUESTIONS)
        best = BestOfN(ScriptedSampler(NUMBERS), "exact", n=9, score=score).run_batch(QUESTIONS)
        assert [r.answer for r in by_score] == [r.answer for r in best]
        assert not any(r.was_tied for r in by_score)


def test_a_judge_that_cannot_say_leaves_it_to_a_fair_coin_and_that_is_told() -> None:
    found = [
        KnockoutVote(scripted("3", "5"), "exact", n=2, judge=lambda pairs: [math.nan], seed=s).run(ASK)
        for s in range(200)
    ]
    wins = sum(r.answer == "3" for r in found)
    assert 70 < wins < 130  # 100 expected, 4 standard deviations are 28
    assert all(r.was_tied for r in found)
    assert {r.warnings for r in found} == {("the judge could not tell in 1 of 1 matches",)}
    tied = KnockoutVote(scripted("3", "5"), "exact", n=2, judge=lambda pairs: [0.5]).run(ASK)
    assert tied.was_tied and tied.warnings == (), "a tie is a verdict"


# ---------------------------------------------------------------- a model as judge


class JudgeModel(ScriptedSampler):
    """Reads the two numbers out of a judge's prompt and picks the larger, or the place that it likes."""

    def __init__(self, likes: str = "") -> None:
        super().__init__({})
        self.likes = likes

    def answer(self, request: Request, index: int) -> str:
        text = request.messages[-1].content
        first, second = re.findall(r"(?m)^NUMBER (\d+)$", text)
        return f"[[{self.likes or ('A' if int(first) > int(second) else 'B')}]]"


def numbered(*numbers: int) -> ScriptedSampler:
    return ScriptedSampler({"q": [f"NUMBER {n}" for n in numbers]})


def test_a_model_compares_in_both_orders() -> None:
    judge = PairwiseJudge(JudgeModel())
    result = KnockoutVote(numbered(4, 9, 2, 7), r"regex:(\d+)", n=4, judge=judge).run(ASK)
    assert result.answer == "9" and not result.was_tied
    assert judge.stats.num_verdicts == 6, "three matches, two games each"


def test_a_judge_that_likes_a_place_decides_nothing() -> None:
    winners = set()
    for seed in range(30):
        judge = PairwiseJudge(JudgeModel("A"))
        result = KnockoutVote(numbered(4, 9), r"regex:(\d+)", n=2, judge=judge, seed=seed).run(ASK)
        winners.add(result.answer)
        assert result.was_tied
    assert winners == {"4", "9"}


def test_a_judge_whose_verdict_cannot_be_read_counts_as_a_half() -> None:
    judge = PairwiseJudge(JudgeModel("neither of them"))
    result = KnockoutVote(numbered(4, 9), r"regex:(\d+)", n=2, judge=judge).run(ASK)
    assert result.answer in ("4", "9") and result.was_tied
    assert judge.position_bias().num_unreadable == 1


# ---------------------------------------------------------------- many at once, and again


def told(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    return [(r.id, r.answer, r.text, r.weights, r.was_tied, r.warnings) for r in results]


def test_the_tournaments_of_a_batch_are_judged_together_and_end_as_alone() -> None:
    judge = Larger()
    whole = vote(judge).run_batch(QUESTIONS)
    assert [len(c) for c in judge.calls] == sorted([len(c) for c in judge.calls], reverse=True)
    assert len(judge.calls) <= 4, "one call per round for all questions"
    assert told([vote(Larger()).run(q) for q in QUESTIONS]) == told(whole)
    assert told(vote(Larger()).run_batch(QUESTIONS[::-1])) == told(whole)[::-1]
    assert told(asyncio.run(vote(Larger()).arun_batch(QUESTIONS))) == told(whole)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 5), chunk=st.sampled_from([1, 3, 64]))
def test_a_tournament_goes_on_from_any_of_its_verdicts(data: st.DataObject, seed: int, chunk: int) -> None:
    def judged(pairs: Sequence[Pair]) -> list[float]:
        """Wins, ties and silences."""
        return [(math.nan, 0.5, 1.0, 0.0)[(3 * int(p.first) + int(p.second)) % 4] for p in pairs]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knockout_vote, "_CHUNK", chunk)
        first = vote(judged, seed=seed)
        whole = first.run_batch(QUESTIONS)
        rows = list(first.comparisons.rows.values())
        keep = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        asked: list[Pair] = []

        def counted(pairs: Sequence[Pair]) -> list[float]:
            asked.extend(pairs)
            return judged(pairs)

        second = vote(counted, seed=seed)
        finished: list[None] = []
        kept = Store((row for row, is_kept in zip(rows, keep, strict=True) if is_kept), key=KEY)
        second.keep_in(kept, lambda: finished.append(None))
        assert told(second.run_batch(QUESTIONS)) == told(whole)
        assert len(asked) == len(finished) == len(rows) - sum(keep)
        assert {frozenset(r.items()) for r in kept.rows.values()} == {frozenset(r.items()) for r in rows}


def test_asking_again_asks_the_judge_nothing() -> None:
    judge = Larger()
    strategy = vote(judge)
    first, num = strategy.run_batch(QUESTIONS), judge.num_pairs
    assert strategy.run_batch(QUESTIONS) == first and judge.num_pairs == num > 0


# ---------------------------------------------------------------- what a judge may say

BAD_VERDICTS: dict[str, tuple[Any, str]] = {
    "too few": ([1.0], r"returned shape \(1,\) for 2 items"),
    "too many": ([1.0, 0.0, 1.0], r"returned shape \(3,\) for 2 items"),
    "above one": ([1.0, 1.5], "returned 1.5, which is no probability"),
    "below zero": ([-0.1, 1.0], "returned -0.1, which is no probability"),
    "infinite": ([math.inf, 1.0], "returned inf, which is no probability"),
    "words": (["A", "B"], "not numbers"),
    "nothing": (None, "returned shape"),
}


@pytest.mark.parametrize("case", BAD_VERDICTS)
def test_a_bad_verdict_is_a_data_error_and_none_of_its_batch_is_kept(case: str) -> None:
    said, message = BAD_VERDICTS[case]
    strategy = KnockoutVote(scripted("1", "2", "3", "4"), "exact", n=4, judge=lambda pairs: said)
    with pytest.raises(DataError, match=message):
        strategy.run(ASK)
    assert strategy.comparisons.rows == {}, "a continued run would stumble over it again"


def test_a_judge_that_fails_leaves_the_verdicts_before_it() -> None:
    calls = itertools.count()

    def judge(pairs: Sequence[Pair]) -> list[float]:
        if next(calls) == 1:
            raise ConnectionError("gone")
        return [1.0] * len(pairs)

    strategy = KnockoutVote(scripted("1", "2", "3", "4"), "exact", n=4, judge=judge)
    with pytest.raises(ConnectionError):
        strategy.run(ASK)
    assert len(strategy.comparisons.rows) == 2, "the first round"
    strategy.run(ASK)
    assert len(strategy.comparisons.rows) == 3


GOOD = {"id": "q", "first": 0, "second": 1, "win": 0.5}


@pytest.mark.parametrize("win", [0, 1, 0.5, None])
def test_what_a_judge_can_have_said_is_read_back(win: Any) -> None:
    check_comparisons([GOOD, {**GOOD, "win": win}], Path("c.jsonl"))


@pytest.mark.parametrize("changes", [{"win": 2}, {"win": "1"}, {"win": -0.5}])
def test_what_no_judge_can_have_said_is_refused_with_its_line(changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"not a row of c\.jsonl") as caught:
        check_comparisons([GOOD, {**GOOD, **changes}], Path("c.jsonl"))
    assert caught.value.place == "c.jsonl:2"
    with pytest.raises(DataError):
        check_comparisons([{"id": "q", "first": 0, "second": 1}], Path("c.jsonl"))


def test_a_silent_judge_is_kept_as_null() -> None:
    strategy = KnockoutVote(scripted("1", "2"), "exact", n=2, judge=lambda pairs: [math.nan])
    strategy.run(ASK)
    (row,) = strategy.comparisons.rows.values()
    assert row["win"] is None and set(row) == {*KEY, "win"}
