"""Votes and curves against values worked out by hand and against every subset counted one by one."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.groups import MAX_VOTES
from reasonry.core.sampling.config import ScriptedConfig
from reasonry.core.sampling.scripted import SimulatedSolver
from reasonry.core.task import Problem
from reasonry.errors import ConfigError
from reasonry.test_time.claims import pools, runs
from reasonry.test_time.theory.plurality import plurality
from reasonry.test_time.votes import Graded, Vote, curves, vote

NAN = math.nan


def sample(answer: str | None, score: float = NAN, *, right: str | Sequence[str] = "x") -> Graded:
    if answer is None:
        return Graded(None, "ungradable", score)
    return Graded(answer, "right" if answer in right else "wrong", score)


def pool(answers: str, scores: Sequence[float] = (), *, right: str = "x") -> list[Graded]:
    """One sample a letter; ``-`` holds no answer."""
    scores = scores or [NAN] * len(answers)
    return [sample(None if a == "-" else a, s, right=right) for a, s in zip(answers, scores, strict=True)]


def voted(samples: Sequence[Graded], seed: int = 0, problem_id: str = "p") -> Vote:
    return vote(samples, seed=seed, problem_id=problem_id)


def enumerated(samples: Sequence[Graded], k: int) -> tuple[float, float, float]:
    """(maj@k, pass@k, bon@k) by going through every subset, with none of the formulas under test."""
    totals = np.zeros(3)
    subsets = list(itertools.combinations(samples, k))
    for subset in subsets:
        votes = Counter(s.answer for s in subset if s.answer is not None)
        leaders = [a for a, c in votes.items() if c == max(votes.values())]
        right = {s.answer for s in subset if s.grade == "right"}
        able = [s for s in subset if s.answer is not None] or list(subset)
        scored = [s for s in able if not math.isnan(s.score)] or able
        top = max((s.score for s in scored), default=NAN)
        best = [s for s in scored if s.score == top] or scored
        totals += (
            sum(a in right for a in leaders) / len(leaders) if leaders else 0.0,
            any(s.grade == "right" for s in subset),
            sum(s.grade == "right" for s in best) / len(best),
        )
    maj, any_right, best_right = totals / len(subsets)
    return maj, any_right, best_right


# ---------------------------------------------------------------- the vote


def test_samples_without_an_answer_never_win() -> None:
    assert voted(pool("------xxxy")) == Vote("x", "right", {"x": 3, "y": 1}, 6, False)


def test_nobody_wins_where_nobody_answered() -> None:
    assert voted(pool("---")) == Vote(None, "ungradable", {}, 3, False)


def test_the_winner_brings_its_own_grade() -> None:
    assert voted(pool("yyx")).grade == "wrong" and voted(pool("yxx")).grade == "right"
    unreadable = [Graded("z", "ungradable", NAN)] * 2  # the oracle could not be read: the answer votes all the same
    assert voted(unreadable) == Vote("z", "ungradable", {"z": 2}, 0, False)


def test_one_sample_is_its_own_vote() -> None:
    assert voted(pool("x")) == Vote("x", "right", {"x": 1}, 0, False)
    assert voted(pool("-")).answer is None


ANSWERS = st.lists(st.sampled_from([None, "x", "y", "z", "10", ""]), min_size=1, max_size=12)


@settings(deadline=None)
@given(ANSWERS, st.randoms(), st.integers(0, 9))
def test_the_order_of_samples_changes_nothing(answers: list[str | None], random, seed: int) -> None:
    samples = [sample(a, i / 7) for i, a in enumerate(answers)]
    shuffled = random.sample(samples, len(samples))
    assert voted(samples, seed) == voted(shuffled, seed)
    a, b = curves(samples), curves(shuffled)
    assert np.array_equal(a.maj_at_k, b.maj_at_k) and np.array_equal(a.pass_at_k, b.pass_at_k)
    assert a.best_of_k is not None and b.best_of_k is not None
    np.testing.assert_allclose(a.best_of_k, b.best_of_k, atol=1e-12)


@settings(deadline=None)
@given(ANSWERS, st.integers(0, 99))
def test_the_winner_has_the_most_votes(answers: list[str | None], seed: int) -> None:
    found = voted([sample(a) for a in answers], seed)
    assert found.counts == Counter(a for a in answers if a is not None)
    assert sum(found.counts.values()) + found.num_abstain == len(answers)
    if found.counts:
        assert found.counts[str(found.answer)] == max(found.counts.values()) == next(iter(found.counts.values()))
        assert found.was_tied == (list(found.counts.values()).count(max(found.counts.values())) > 1)


@pytest.mark.parametrize("leaders", ["xy", "wxyz"])
def test_a_tie_is_broken_uniformly_over_seeds_and_over_problems(leaders: str) -> None:
    samples = pool(leaders * 2 + "v")
    num = 2000
    for winners in (
        Counter(voted(samples, seed).answer for seed in range(num)),
        Counter(voted(samples, problem_id=f"p{i}").answer for i in range(num)),
    ):
        share = 1 / len(leaders)
        sigma = math.sqrt(num * share * (1 - share))
        assert set(winners) == set(leaders)
        assert all(abs(c - num * share) < 4 * sigma for c in winners.values()), winners


def test_a_tie_break_repeats_and_is_marked() -> None:
    samples = pool("xxyyz")
    assert voted(samples) == voted(samples)
    assert voted(samples).was_tied and not voted(pool("xxyz")).was_tied


# ---------------------------------------------------------------- the curves


def test_a_pool_by_hand() -> None:
    """Answers x x y -: maj@1 = 1/2; of six pairs xx, xy, xy (half each), x-, x- win and y- loses: 4/6; then xxy, xx-
    win and two xy- win half: 3/4; all four: x wins.
    """
    found = curves(pool("xxy-", [-1.0, -2.0, -0.5, -9.0]))
    np.testing.assert_allclose(found.maj_at_k, [1 / 2, 4 / 6, 3 / 4, 1], atol=1e-15)
    np.testing.assert_allclose(found.pass_at_k, [1 / 2, 5 / 6, 1, 1], atol=1e-15)
    # y has the highest score: it wins wherever it is drawn, so that only subsets without it can be right.
    assert found.best_of_k is not None
    np.testing.assert_allclose(found.best_of_k, [1 / 2, 3 / 6, 1 / 4, 0], atol=1e-15)


def test_the_last_point_of_the_vote_curve_is_the_vote() -> None:
    for answers in ("xxy", "xyy", "-xx", "--y", "x", "-"):
        won = voted(pool(answers)).grade == "right"
        assert curves(pool(answers)).maj_at_k[-1] == float(won)
    assert curves(pool("xxyy")).maj_at_k[-1] == 0.5
    assert curves(pool("xyz")).maj_at_k[-1] == pytest.approx(1 / 3)


def test_forms_that_a_finer_verifier_calls_right_compete_with_each_other() -> None:
    samples = pool("aabbcccd", right="ab")
    assert curves(samples).maj_at_k[-1] == 0.0 and voted(samples).answer == "c"
    samples = pool("aabbcc", right="ab")
    assert curves(samples).maj_at_k[-1] == pytest.approx(2 / 3)
    wins = sum(voted(samples, seed).grade == "right" for seed in range(900))
    assert abs(wins / 900 - 2 / 3) < 4 * math.sqrt(2 / 9 / 900)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([None, "x", "X", "y", "z"]), st.sampled_from([NAN, -2.0, -1.0, -0.5])),
        min_size=1,
        max_size=8,
    )
)
def test_curves_are_the_average_over_every_subset(rows: list[tuple[str | None, float]]) -> None:
    samples = [sample(a, s, right="xX") for a, s in rows]
    found = curves(samples)
    for k in range(1, len(samples) + 1):
        maj, any_right, best = enumerated(samples, k)
        assert found.maj_at_k[k - 1] == pytest.approx(maj, abs=1e-12)
        assert found.pass_at_k[k - 1] == pytest.approx(any_right, abs=1e-12)
        if found.best_of_k is not None:
            assert found.best_of_k[k - 1] == pytest.approx(best, abs=1e-12)
    assert (found.best_of_k is None) == all(math.isnan(s.score) for s in samples)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 30))
def test_two_votes_are_worth_no_more_than_one(num_right: int, num_wrong: int) -> None:
    """Two votes agree or tie, and a tie is a coin toss: maj@2 = maj@1 in every pool of two answers."""
    found = curves(pool("x" * num_right + "y" * num_wrong))
    if len(found.maj_at_k) > 1:
        assert found.maj_at_k[1] == pytest.approx(found.maj_at_k[0], abs=1e-12)
    assert found.maj_at_k[0] == pytest.approx(num_right / (num_right + num_wrong))


def test_an_even_vote_of_a_two_answer_law_is_the_odd_one_before() -> None:
    """For independent samples P(right wins 2j votes) = P(right wins 2j - 1); mean of the exact curves of many pools."""
    rng = np.random.default_rng(5)
    pools = ["".join(rng.choice(["x", "y"], 7, p=[0.6, 0.4])) for _ in range(4000)]
    mean = np.mean([curves(pool(p)).maj_at_k for p in pools], axis=0)
    np.testing.assert_allclose(mean[[1, 3, 5]], mean[[0, 2, 4]], atol=0.012)
    exact = sum(math.comb(3, i) * 0.6**i * 0.4 ** (3 - i) for i in (2, 3))
    assert abs(mean[2] - exact) < 0.02 and mean[2] - mean[0] > 0.02


def test_nobody_right_and_everybody_right() -> None:
    wrong = curves(pool("yyzz", [-1.0] * 4))
    assert wrong.best_of_k is not None
    assert not wrong.maj_at_k.any() and not wrong.pass_at_k.any() and not wrong.best_of_k.any()
    right = curves(pool("xxx", [-1.0, NAN, -2.0]))
    assert right.best_of_k is not None
    for curve in right:
        np.testing.assert_allclose(curve, 1)


def test_a_pool_without_any_answer_is_worth_nothing_at_every_k() -> None:
    found = curves(pool("-----"))
    assert found.maj_at_k.shape == (5,) and not found.maj_at_k.any() and not found.pass_at_k.any()
    assert found.best_of_k is None


def test_one_sample_has_curves_of_one_point() -> None:
    found = curves(pool("x", [-0.5]))
    assert [c.tolist() for c in found if c is not None] == [[1.0], [1.0], [1.0]]


def test_selection_by_score_needs_a_score() -> None:
    assert curves(pool("xy")).best_of_k is None
    found = curves(pool("xy", [NAN, -3.0])).best_of_k
    assert found is not None
    np.testing.assert_allclose(found, [0.5, 0.0])  # the unscored sample loses to the scored one


def test_the_largest_pool_is_counted_and_a_larger_one_refused() -> None:
    found = curves([sample("x")] * 600 + [sample("y")] * (MAX_VOTES - 600))
    assert np.isfinite(found.maj_at_k).all() and found.maj_at_k[-1] == 1.0
    with pytest.raises(ConfigError, match=f"exceeds {MAX_VOTES}"):
        curves([sample("x")] * (MAX_VOTES + 1))


# ---------------------------------------------------------------- the measurements behind the claims


def test_the_estimator_claim_measures_nothing_but_rounding() -> None:
    found = pools.estimator_error(num_pools=6, pool_size=6, seed=1)
    assert 0 <= found.value < 1e-13 and found.low == found.high == found.value and found.num == 6


def test_the_estimator_claim_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(samples: Sequence[Graded]):
        found = curves(samples)
        return found._replace(maj_at_k=found.maj_at_k * 0.99)

    monkeypatch.setattr(pools, "curves", off)
    assert pools.estimator_error(num_pools=3, pool_size=5, seed=1).value > 1e-3


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_law_of_a_plurality_vote_by_simulation(k: int) -> None:
    solver = SimulatedSolver([Problem("p", "", "40")], ScriptedConfig(accuracy=0.4, num_wrong=2, silent=0.2))
    law = solver.law("40")
    assert sum(law.values()) == pytest.approx(1)
    exact = plurality([p for name, p in law.items() if name], k, silent=law[""])
    rng = np.random.default_rng(k)
    num = 3000
    draws = rng.choice(len(law), (num, k), p=list(law.values()))
    names = list(law)
    wins = sum(
        voted([sample(names[i] or None, right="40") for i in row], seed).grade == "right"
        for seed, row in enumerate(draws)
    )
    assert abs(wins / num - exact) < 4 * math.sqrt(exact * (1 - exact) / num)
    if k == 1:
        assert exact == pytest.approx(law["40"])


def test_the_gain_of_voting_in_one_pool() -> None:
    assert runs.pool_gain(pool("xxy")) == pytest.approx(1 - 2 / 3)
    assert runs.pool_gain(pool("xyy")) == pytest.approx(0 - 1 / 3)
    assert runs.pool_gain(pool("x")) == 0
