"""Simulated samplers follow the law they claim, repeat, and err where they say they do."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from reasonry.core.sampling.base import Completion, Request, Sampler
from reasonry.core.seeds import stream
from reasonry.core.task import Problem
from reasonry.core.verify.base import Verifier
from reasonry.core.verify.number import NumberVerifier
from reasonry.core.verify.text import ExactVerifier
from reasonry.errors import ConfigError
from reasonry.test_time.simulate import (
    BernoulliVerifier,
    CategoricalSampler,
    CorrelatedSampler,
    DriftingSampler,
    ExpertPool,
    LatencySampler,
    ScoredSampler,
    noisy_scores,
)

PROBS = [0.5, 0.3, 0.15, 0.05]


def drawn(sampler: Sampler, num: int, *, prompt: str = "p") -> list[Completion]:
    return list(sampler.sample([Request(prompt, (), range(num))]))


def read(completions: Sequence[Completion]) -> list[str | None]:
    return [NumberVerifier().extract(c.text) for c in completions]


def chi_square(counts: Sequence[int], probs: Sequence[float]) -> float:
    expected = np.array(probs) * sum(counts)
    return float(((np.array(counts) - expected) ** 2 / expected).sum())


# ---------------------------------------------------------------- categorical


def test_draws_follow_the_law() -> None:
    counts = Counter(read(drawn(CategoricalSampler(PROBS, seed=1), 20_000)))
    assert chi_square([counts[str(k)] for k in range(4)], PROBS) < 16.3  # 99.9 % of chi square with 3 degrees


def test_a_wrong_law_would_be_noticed() -> None:
    counts = Counter(read(drawn(CategoricalSampler(PROBS, seed=1), 20_000)))
    assert chi_square([counts[str(k)] for k in range(4)], [0.47, 0.33, 0.15, 0.05]) > 16.3


def test_a_draw_depends_on_seed_prompt_and_index_only() -> None:
    whole = drawn(CategoricalSampler(PROBS, seed=3), 300)
    assert drawn(CategoricalSampler(PROBS, seed=3), 300) == whole
    backwards = CategoricalSampler(PROBS, seed=3)
    singly = [next(backwards.sample([Request("p", (), (i,))])) for i in reversed(range(300))]
    assert singly[::-1] == whole
    assert read(drawn(CategoricalSampler(PROBS, seed=4), 300)) != read(whole)
    assert read(drawn(CategoricalSampler(PROBS, seed=3), 300, prompt="q")) != read(whole)


def test_samples_come_in_order_and_skipped_ones_are_left_out() -> None:
    sampler = CategoricalSampler(PROBS, num_tok=[1, 2, 3, 4])
    requests = [Request("b", (), (2, 0, 1)), Request("a", (), range(2))]
    got = list(sampler.sample(requests, skip=[("b", 1)]))
    assert [(c.id, c.index) for c in got] == [("b", 0), ("b", 2), ("a", 0), ("a", 1)]
    assert [c.num_completion_tok for c in got] == [int(str(a)) + 1 for a in read(got)]
    assert sampler.stats.num_completions == 4
    assert sampler.stats.num_completion_tok == sum(c.num_completion_tok for c in got)


def test_neighbouring_samples_and_prompts_are_not_correlated() -> None:
    sampler = CategoricalSampler([0.5, 0.5])
    x = np.array([[int(str(a)) for a in read(drawn(sampler, 200, prompt=f"p{i}"))] for i in range(100)]) - 0.5
    for left, right in ((x[:, :-1], x[:, 1:]), (x[:-1], x[1:])):
        assert abs((left * right).mean()) < 4 * 0.25 / math.sqrt(left.size)


def test_answers_are_read_by_the_number_and_by_the_exact_verifier() -> None:
    assert set(read(drawn(CategoricalSampler([0.5, 0.5], answers=["12", "7/3"]), 50))) == {"12", "7/3"}
    exact = ExactVerifier()
    plain = CategoricalSampler([0.5, 0.5], answers=["yes", "no"], mark="")
    assert {exact.extract(c.text) for c in drawn(plain, 50)} == {"yes", "no"}


def test_no_answer_is_read_by_nobody() -> None:
    sampler = CategoricalSampler([0.5, 0.5], answers=["1", None])
    silent = [c for c in drawn(sampler, 50) if NumberVerifier().extract(c.text) is None]
    assert 0 < len(silent) < 50
    assert all(ExactVerifier().extract(c.text) is None for c in silent)
    assert sampler.law() == {"1": 0.5, None: 0.5}


def test_prompts_may_have_laws_of_their_own() -> None:
    sampler = CategoricalSampler({"a": [1.0], "b": [0.0, 0.0, 1.0]})
    assert set(read(drawn(sampler, 30, prompt="a"))) == {"0"}
    assert set(read(drawn(sampler, 30, prompt="b"))) == {"2"}
    assert sampler.law("b")["2"] == 1.0
    with pytest.raises(ConfigError, match="'c'"):
        drawn(sampler, 1, prompt="c")


def test_an_answer_of_probability_zero_is_never_drawn() -> None:
    tenths = [0.1] * 10
    assert sum(tenths) != 1.0, "rounding leaves a gap below 1"
    answers = set(read(drawn(CategoricalSampler([0.0, *tenths, 0.0]), 20_000)))
    assert answers == {str(k) for k in range(1, 11)}


@pytest.mark.parametrize("probs", [[], [0.5, 0.4], [1.5, -0.5], [math.nan, 1.0], [[1.0]]])
def test_what_is_no_law_is_refused(probs: list[float]) -> None:
    with pytest.raises(ConfigError, match="law"):
        CategoricalSampler(probs)


def test_answers_and_lengths_must_fit_the_law() -> None:
    with pytest.raises(ConfigError, match="1 answers"):
        CategoricalSampler([0.5, 0.5], answers=["1"])
    with pytest.raises(ConfigError, match="3 lengths"):
        CategoricalSampler([0.5, 0.5], num_tok=[1, 2, 3])


def test_identities_are_json_and_tell_laws_apart() -> None:
    samplers = [
        CategoricalSampler(PROBS),
        CategoricalSampler(PROBS, seed=1),
        CategoricalSampler({"p": PROBS}),
        CorrelatedSampler(PROBS),
        CorrelatedSampler(PROBS, share=0.5),
        DriftingSampler(PROBS, PROBS, over=3),
        DriftingSampler(PROBS, PROBS, over=4),
        ScoredSampler(PROBS, noise=0.1),
        *(e.sampler for e in ExpertPool([0.1, 0.1])),
    ]
    assert all(isinstance(s, Sampler) for s in samplers)
    assert len({json.dumps(s.identity, sort_keys=True) for s in samplers}) == len(samplers)
    assert {s.determinism for s in samplers} == {"sample-stable"}


# ---------------------------------------------------------------- not independent, not identical


def test_correlated_samples_of_a_prompt_are_identical_and_prompts_follow_the_law() -> None:
    sampler = CorrelatedSampler(PROBS)
    firsts = []
    for i in range(2000):
        answers = read(drawn(sampler, 3, prompt=f"p{i}"))
        assert len(set(answers)) == 1
        firsts.append(answers[0])
    counts = Counter(firsts)
    assert chi_square([counts[str(k)] for k in range(4)], PROBS) < 16.3


def test_partly_correlated_samples_agree_as_often_as_they_should() -> None:
    # Two samples: both copies with share^2 and then equal, otherwise independent: equal with sum p^2.
    share, same = 0.6, sum(p * p for p in PROBS)
    sampler = CorrelatedSampler(PROBS, share=share)
    pairs = [read(drawn(sampler, 2, prompt=f"p{i}")) for i in range(4000)]
    expected = share**2 + (1 - share**2) * same
    assert np.mean([a == b for a, b in pairs]) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(4000))


def test_a_drifting_law_moves_with_the_index() -> None:
    sampler = DriftingSampler([1.0, 0.0], [0.0, 1.0], over=10)
    assert sampler.law_at(0).tolist() == [1.0, 0.0]
    assert sampler.law_at(5).tolist() == [0.5, 0.5]
    assert sampler.law_at(99).tolist() == [0.0, 1.0]
    rows = np.array([[int(str(a)) for a in read(drawn(sampler, 40, prompt=f"p{i}"))] for i in range(2000)])
    expected = np.minimum(1.0, np.arange(40) / 10)
    assert rows.mean(axis=0) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(2000))


def test_a_drift_between_laws_that_do_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not follow"):
        DriftingSampler([1.0], [0.5, 0.5], over=10)
    with pytest.raises(ConfigError, match="does not follow"):
        DriftingSampler([1.0], [1.0], over=0)
    with pytest.raises(ConfigError, match="share"):
        CorrelatedSampler([1.0], share=1.5)


# ---------------------------------------------------------------- scores and verdicts


def test_scores_are_the_truth_with_normal_noise() -> None:
    sampler = ScoredSampler(PROBS, noise=0.5, right=1)
    completions = drawn(sampler, 8000)
    scores = sampler.scores("p", range(8000))
    assert [sampler.score(c) for c in completions[:50]] == scores[:50].tolist()
    right = np.array(read(completions)) == "1"
    error = scores - right
    assert error.mean() == pytest.approx(0.0, abs=4 * 0.5 / math.sqrt(8000))
    assert error.std() == pytest.approx(0.5, rel=0.05)
    assert (np.abs(error) < 0.5).mean() == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.025)
    assert abs(np.corrcoef(error[:-1], error[1:])[0, 1]) < 4 / math.sqrt(8000)


def test_scores_without_noise_are_the_truth() -> None:
    sampler = ScoredSampler(PROBS, noise=0.0)
    assert sampler.scores("p", range(100)).tolist() == [float(a == "0") for a in read(drawn(sampler, 100))]
    with pytest.raises(ConfigError, match="define no score"):
        ScoredSampler(PROBS, noise=-1.0)
    with pytest.raises(ConfigError, match="define no score"):
        ScoredSampler(PROBS, noise=1.0, right=4)


def test_noisy_scores_of_an_array() -> None:
    correct = np.arange(20_000).reshape(100, 200) % 4 == 0
    error = noisy_scores(correct, noise=2.0, rng=stream(0, "scores")) - correct
    assert error.shape == (100, 200)
    assert error.std() == pytest.approx(2.0, rel=0.05)
    assert noisy_scores(correct, noise=0.0, rng=stream(0, "scores")).tolist() == correct.astype(float).tolist()


@pytest.mark.parametrize("how", ["text", "call", "accept"])
def test_a_verifier_errs_as_often_as_it_says(how: str) -> None:
    verifier = BernoulliVerifier(0.9, 0.2, seed=1, per="call" if how == "call" else "text")
    num = 4000
    for right, chance in ((True, 0.9), (False, 0.2)):
        said = "#### 7" if right else "#### 8"
        if how == "accept":
            accepted = verifier.accept("p", np.full(num, right)).tolist()
        elif how == "call":
            accepted = [verifier.grade(said, Problem("p", "?", "7")).is_right for _ in range(num)]
        else:
            accepted = [verifier.grade(said, Problem(f"p{i}", "?", "7")).is_right for i in range(num)]
        assert np.mean(accepted) == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / num))


def test_verdicts_repeat_for_the_same_reply_and_for_the_same_index() -> None:
    verifier = BernoulliVerifier(0.5, 0.5)
    problem = Problem("p", "?", "7")
    assert len({verifier.grade("#### 7", problem).grade for _ in range(20)}) == 1
    right = np.arange(50) % 2 == 0
    assert verifier.accept("p", right)[10:].tolist() == verifier.accept("p", right[10:], start=10).tolist()


def test_a_perfect_verifier_is_the_oracle_and_no_answer_is_no_verdict() -> None:
    verifier = BernoulliVerifier(1.0, 0.0)
    assert isinstance(verifier, Verifier)
    problem = Problem("p", "?", "7")
    assert [verifier.grade(f"#### {a}", problem).grade for a in (7, 8)] == ["right", "wrong"]
    assert BernoulliVerifier(1.0, 1.0).grade("nothing", problem).grade == "ungradable"
    assert verifier.extract("#### 7") == "7"
    with pytest.raises(ConfigError, match="recall"):
        BernoulliVerifier(1.2, 0.0)


# ---------------------------------------------------------------- experts


def test_experts_are_right_as_often_as_they_should_and_independently() -> None:
    pool = ExpertPool([0.2, 0.7, 0.7], seed=5)
    right = np.array([[a == "1" for a in read(drawn(e.sampler, 4000))] for e in pool])
    assert right.mean(axis=1) == pytest.approx([0.2, 0.7, 0.7], abs=4 * 0.5 / math.sqrt(4000))
    assert abs(np.corrcoef(right[1], right[2])[0, 1]) < 4 / math.sqrt(4000)
    assert (len(pool), pool.best, [e.name for e in pool[1:]]) == (3, 1, ["expert-1", "expert-2"])


def test_experts_know_the_answers_of_given_problems() -> None:
    problems = [Problem("a", "?", "12"), Problem("b", "?", "1/2"), Problem("c", "?", "Paris")]
    sure, never = ExpertPool([1.0, 0.0], problems=problems)
    assert [drawn(sure.sampler, 1, prompt=p.id)[0].text for p in problems] == ["#### 12", "#### 1/2", "#### Paris"]
    assert [drawn(never.sampler, 1, prompt=p.id)[0].text for p in problems] == ["#### 13", "#### 1.5", "#### not Paris"]
    assert [p.answer for p in ExpertPool.problems(2)] == ["1", "1"]


@pytest.mark.parametrize("probs", [[], [0.5, 1.5], [math.nan]])
def test_a_pool_needs_chances(probs: list[float]) -> None:
    with pytest.raises(ConfigError):
        ExpertPool(probs)


# ---------------------------------------------------------------- time


def _completed(sampler: LatencySampler, num: int, concurrency: int) -> list[tuple[int, Completion]]:
    async def go() -> list[tuple[int, Completion]]:
        return [x async for x in sampler.as_completed([Request("p", (), range(num))], concurrency=concurrency)]

    return asyncio.run(go())


def test_completion_order_depends_on_what_is_said_and_submission_order_does_not() -> None:
    # The right answer 0 takes ten times as long: among the first to complete it is rare, among the first submitted not.
    inner = CategoricalSampler([0.6, 0.4], seed=2)
    slow_when_right = LatencySampler(inner, lambda c: 10.0 if c.text.endswith("0") else 1.0)
    done = _completed(slow_when_right, 64, 16)
    assert sorted(number for number, _ in done) == list(range(64))
    assert Counter(read([c for _, c in done[:9]])).most_common(1)[0][0] == "1"
    submitted = [c for _, c in sorted(done, key=lambda x: x[0])]
    assert submitted == drawn(CategoricalSampler([0.6, 0.4], seed=2), 64)
    assert Counter(read(submitted[:9])).most_common(1)[0][0] == "0"


def test_a_slot_is_filled_the_moment_it_is_free() -> None:
    delays = [3.0, 1.0, 1.0, 1.0, 5.0]
    sampler = LatencySampler(CategoricalSampler([1.0]), lambda c: delays[c.index])
    # Two slots: 0 until 3, 1 until 1, 2 until 2, 3 until 3 (after 0, submitted earlier), 4 from 3 until 8.
    assert [number for number, _ in _completed(sampler, 5, 2)] == [1, 2, 0, 3, 4]
    assert sampler.stats.seconds == 8.0
    assert [c.index for c in drawn(sampler, 5)] == [0, 1, 2, 3, 4]
    assert sampler.stats.seconds == 8.0 + sum(delays)
    with pytest.raises(ConfigError, match="concurrency"):
        _completed(sampler, 1, 0)


def test_real_time_can_be_let_pass() -> None:
    sampler = LatencySampler(CategoricalSampler([1.0]), lambda c: 1.0, scale=0.01)
    loop = asyncio.new_event_loop()
    start = loop.time()
    loop.run_until_complete(_drain(sampler))
    assert loop.time() - start >= 0.03 * 0.9
    loop.close()


async def _drain(sampler: LatencySampler) -> None:
    async for _ in sampler.as_completed([Request("p", (), range(3))], concurrency=1):
        pass
