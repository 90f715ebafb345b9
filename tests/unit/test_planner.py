"""The planner: intervals that keep their word, curves equal to brute force, plans for easy, hard and broken pilots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from reasonry.core import groups
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.planner import success
from reasonry.test_time.planner.intervals import top_two, vote_success, votes_needed
from reasonry.test_time.planner.mixture import join, vote_mixtures
from reasonry.test_time.planner.pilot import Pilot, count_tokens, make_pilot
from reasonry.test_time.planner.plan import plan
from reasonry.test_time.planner.records import Plan, StrategyPlan
from reasonry.test_time.pool_files import Pool
from reasonry.test_time.theory.plurality import plurality
from reasonry.test_time.theory.sample_size import vote_normal
from reasonry.test_time.votes import Graded, curves

LAWS: dict[str, list[float]] = {
    "three answers": [0.5, 0.3, 0.2],
    "two answers": [0.6, 0.4],
    "close": [0.55, 0.45],
    "tie of two": [0.5, 0.5],
    "tie of two and a third": [0.4, 0.4, 0.2],
    "tie of three": [1 / 3] * 3,
    "tie of ten": [0.1] * 10,
    "nearly tied": [0.36, 0.34, 0.3],
    "long tail": [0.3] + [0.02] * 35,
    "ten equal rivals": [0.3] + [0.07] * 10,
    "seventeen equal rivals": [0.15] + [0.05] * 17,
    "zipf": (1 / np.arange(1, 200) ** 1.2 / np.sum(1 / np.arange(1, 200) ** 1.2)).tolist(),
    "easy": [0.9, 0.1],
    "all different": [0.001] * 1000,
    "certain": [1.0],
}


def pool(
    answers: Sequence[str | None],
    right: str | None = None,
    *,
    name: str = "q",
    scores: Sequence[float] | None = None,
    accepted: Sequence[bool] | None = None,
    tokens: int | None = 100,
    one_text: bool = False,
) -> Pool:
    n = len(answers)
    correct = tuple(None if right is None else a == right for a in answers)
    score = np.full(n, np.nan) if scores is None else np.array(scores, dtype=float)
    flags = (None,) * n if accepted is None else tuple(accepted)
    return Pool(name, tuple(answers), correct, score, (tokens,) * n, flags, one_text)


def random_pools(law_of, num: int, m: int, *, seed: int = 0, labelled: bool = True) -> list[Pool]:
    rng = np.random.default_rng(seed)
    pools = []
    for i in range(num):
        p = np.asarray(law_of(rng))
        drawn = rng.choice(len(p), size=m, p=p)
        pools.append(pool([str(a) for a in drawn], "0" if labelled else None, name=str(i)))
    return pools


def named(found: Plan, name: str) -> StrategyPlan:
    return next(s for s in found.strategies if s.name == name)


def plan_of(pools: Sequence[Pool], target: float = 0.95, **options) -> Plan:
    return plan(make_pilot(pools), target=target, tokens=count_tokens(pools), **options)


# ---------------------------------------------------------------- intervals


def true_relvar(law: Sequence[float]) -> float:
    p1, p2 = sorted([*law, 0.0], reverse=True)[:2]
    gap = p1 - p2
    return (p1 + p2 - gap**2) / gap**2 if gap > 1e-9 else math.inf


def simulated(law: Sequence[float], m: int, *, num: int = 1000, seed: int = 0):
    counts = np.sort(np.random.default_rng([seed, m]).multinomial(m, law, size=num), axis=1)[:, ::-1]
    counts = np.pad(counts, ((0, 0), (0, 1)))
    return top_two(counts[:, 0], counts[:, 1], np.full(num, m))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("m", [16, 64, 256])
def test_nine_in_ten_intervals_of_the_number_of_votes_hold_the_truth(name: str, m: int) -> None:
    law = LAWS[name]
    found = simulated(law, m)
    low, high = votes_needed(found.relvar_low, 0.05), votes_needed(found.relvar_high, 0.05)
    truth = votes_needed(true_relvar(law), 0.05)
    # Lower bounds of coverage of at least 0.9 in 1000 draws, with three standard errors of room.
    assert ((low <= truth * (1 + 1e-9)) & (truth <= high * (1 + 1e-9))).mean() >= 0.872
    p1, p2 = sorted([*law, 0.0], reverse=True)[:2]
    for low, value, high in (
        (found.p1_low, p1, found.p1_high),
        (found.p2_low, p2, found.p2_high),
        (found.gap_low, p1 - p2, found.gap_high),
    ):
        assert ((low <= value + 1e-9) & (value - 1e-9 <= high)).mean() >= 0.872


def test_coverage_at_the_reference_law_is_at_least_nine_in_ten() -> None:
    found = simulated([0.5, 0.3, 0.2], 64, num=1000, seed=1)
    truth = true_relvar([0.5, 0.3, 0.2])
    assert truth == pytest.approx(19)
    assert ((found.relvar_low <= truth) & (truth <= found.relvar_high)).mean() >= 0.9


def split_pilot(law: Sequence[float], m: int, *, num: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Half chooses the pair, the other half estimates: the honest way that needs no theory of selection."""
    rng = np.random.default_rng([7, m])
    choose = rng.multinomial(m // 2, law, size=num) + rng.random((num, len(law))) / 2
    rest = rng.multinomial(m - m // 2, law, size=num)
    pair = np.take_along_axis(rest, np.argsort(-choose, axis=1)[:, :2], axis=1)
    found = top_two(pair.max(axis=1), pair.min(axis=1), m - m // 2)
    wrong = pair[:, 0] < pair[:, 1]  # the choosing half had them the wrong way round
    return np.where(wrong, np.inf, found.relvar_low), np.where(wrong, np.inf, found.relvar_high)


@pytest.mark.parametrize("name", ["three answers", "two answers", "zipf"])
def test_no_part_of_the_pilot_need_be_set_aside_to_choose_the_pair(name: str) -> None:
    whole = simulated(LAWS[name], 256)
    _, split_high = split_pilot(LAWS[name], 256)
    assert np.isfinite(whole.relvar_high).mean() >= np.isfinite(split_high).mean()
    assert np.median(whole.relvar_high) < np.median(split_high)


def test_a_pilot_that_cannot_tell_the_favourite_needs_an_unbounded_number_of_votes() -> None:
    found = top_two(7, 6, 20)
    assert found.gap_low < 0 < found.gap
    assert math.isinf(float(found.relvar_high))
    assert math.isfinite(float(found.relvar_low))


def test_the_estimate_is_the_normal_formula() -> None:
    found = top_two([45, 33], [15, 20], [64, 64])
    assert votes_needed(found.relvar, 0.05) == pytest.approx(vote_normal(found.p1, found.p2, 0.05))
    assert vote_success(found.relvar, votes_needed(found.relvar, 0.05)) == pytest.approx(0.95)


def test_ends_enclose_the_estimate_and_more_votes_for_the_rival_mean_more_votes_needed() -> None:
    for m in (1, 2, 5, 17, 64, 256):
        for first in range(m + 1):
            second = np.arange(min(first, m - first) + 1)
            found = top_two(first, second, m)
            # The reason why the choice of the runner-up by its votes needs no correction at this end.
            assert (found.relvar_high[1:] >= found.relvar_high[:-1] * (1 - 1e-9)).all()
            assert (found.relvar_low <= found.relvar).all()
            assert (found.relvar <= found.relvar_high).all()
            for low, value, high in zip(found[3:9:2], (*found[:2], found.gap), found[4:9:2], strict=True):
                assert (low <= value + 1e-12).all()
                assert (value <= high + 1e-12).all()
            assert (np.isfinite(found.relvar_high) == (found.gap_low > 0)).all()


def test_votes_to_decide_are_enough_for_a_typical_pilot_of_that_size() -> None:
    found = top_two(36, 24, 60)
    total = int(found.votes_to_decide)
    assert total == math.ceil(NormalDist().inv_cdf(0.045) ** 2 / 0.2**2)
    assert top_two(round(0.6 * total) + 1, round(0.4 * total), total + 1).gap_low > -0.02
    assert top_two(5, 0, 5).gap_low > 0 >= top_two(4, 0, 4).gap_low
    assert top_two(1, 0, 1).votes_to_decide == 5
    assert math.isinf(float(top_two(3, 3, 6).votes_to_decide))


@pytest.mark.parametrize("votes", [(1, 2, 5), (3, 3, 5), (-1, -1, 5), (0, 0, 0)])
def test_votes_that_are_no_leaders_are_refused(votes: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="two leading answers"):
        top_two(*votes)


# ---------------------------------------------------------------- success curves


def labelled_pilot(m: int = 6) -> Pilot:
    rng = np.random.default_rng(3)
    pools = []
    for i in range(5):
        answers = [None if a == 3 else str(a) for a in rng.integers(0, 4, size=m)]
        scores = [math.nan if rng.random() < 0.2 else float(rng.integers(0, 3)) for _ in range(m)]
        flags = (rng.random(m) < 0.5).tolist()
        pools.append(pool(answers, "0", name=str(i), scores=scores, accepted=flags))
    return make_pilot(pools)


def subsets_mean(m: int, n: int, value) -> float:
    return float(np.mean([value(list(s)) for s in itertools.combinations(range(m), n)]))


def test_votes_and_coverage_in_the_pool_are_those_of_the_votes_module() -> None:
    pilot = labelled_pilot()
    n = np.arange(1, 7)
    vote, right = success.vote(pilot, n, seed=0, in_pool=True), success.accept_right(pilot, n, in_pool=True)
    for row in range(pilot.num_prompts):
        samples = [
            Graded(None if code < 0 else str(code), "right" if correct else "wrong", math.nan)
            for code, correct in zip(pilot.code_PM[row], pilot.correct_PM[row], strict=True)
        ]
        assert vote.success_PG[row] == pytest.approx(curves(samples).maj_at_k)
        assert right.success_PG[row] == pytest.approx(curves(samples).pass_at_k)


@pytest.mark.parametrize("recall", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("false_accept", [0.0, 0.4, 1.0])
def test_a_verifier_of_given_rates_equals_enumeration_of_its_verdicts(recall: float, false_accept: float) -> None:
    right = np.array([1, 1, 0, 0, 0], dtype=bool)
    pilot = make_pilot([pool(["r" if r else "w" for r in right], "r")])
    n = np.arange(1, 6)
    found = success.accept_at_rates(pilot, n, recall=recall, false_accept=false_accept, in_pool=True)
    expected, draws = np.zeros(5), np.zeros(5)
    for verdicts in itertools.product([False, True], repeat=5):
        rate = np.where(right, recall, false_accept)
        chance = float(np.where(verdicts, rate, 1 - rate).prod())

        def picked(seen: list[int], verdicts: tuple[bool, ...] = verdicts) -> float:
            accepted = [i for i in seen if verdicts[i]]
            return float(right[accepted or seen].mean())

        expected += chance * np.array([subsets_mean(5, k, picked) for k in n])
        none = [subsets_mean(5, j, lambda seen, v=verdicts: not any(v[i] for i in seen)) for j in range(5)]
        draws += chance * np.cumsum(none)
    assert found.success_PG[0] == pytest.approx(expected)
    assert found.draws_PG[0] == pytest.approx(draws)


def test_a_verifier_that_hardly_ever_accepts_lets_all_samples_be_drawn() -> None:
    pilot = make_pilot([pool(["w"] * 4, "r")])
    found = success.accept_at_rates(pilot, np.array([1, 7]), recall=0.5, false_accept=1e-200, in_pool=False)
    assert found.draws_PG[0] == pytest.approx([1, 7])


def test_recorded_verdicts_are_best_of_n_with_scores_zero_and_one() -> None:
    pilot = labelled_pilot()
    n = np.arange(1, 7)
    found = success.accept_flagged(pilot, n, in_pool=True)
    assert found.success_PG == pytest.approx(groups.best_of_k(pilot.accepted_PM, pilot.correct_PM).curve)
    attempts = [
        np.mean([next((i + 1 for i, a in enumerate(s) if a == 1), 6) for s in itertools.permutations(row)])
        for row in pilot.accepted_PM.tolist()
    ]
    assert found.draws_PG[:, -1] == pytest.approx(attempts)


def test_best_by_score_never_takes_a_sample_without_an_answer_while_there_is_another() -> None:
    pilot = make_pilot([pool(["r", None, "w"], "r", scores=[math.nan, 9.0, 1.0])])
    found = success.best_scored(pilot, np.array([1, 2, 3]), in_pool=True).success_PG[0]
    # Pairs: (r, silent) takes r, (r, w) takes the scored w, (silent, w) takes w.
    assert found == pytest.approx([1 / 3, 1 / 3, 0.0])


def test_plug_in_curves_tend_to_what_drawing_from_the_pool_tends_to() -> None:
    pilot = labelled_pilot()
    far = np.array([1, 400])
    best = success.best_scored(pilot, far, in_pool=False).success_PG
    assert best[:, 1] == pytest.approx(success.best_scored(pilot, np.array([6]), in_pool=True).success_PG[:, 0])
    right = success.accept_right(pilot, far, in_pool=False)
    assert right.success_PG[:, 1] == pytest.approx((pilot.num_right_P > 0).astype(float))
    for curve in (best, right.success_PG, success.vote(pilot, far, seed=0, in_pool=False).success_PG):
        assert curve[:, 0] == pytest.approx(pilot.num_right_P / 6, abs=0.05)


def test_simulated_votes_agree_with_exact_ones() -> None:
    pilot = labelled_pilot()
    n = np.array([1, 3, 6])
    assert pilot.num_prompts > 4  # so many are simulated
    exact = [
        [
            sum(
                plurality(pilot.votes_PK[row] / 6, int(k), target=t, silent=float(pilot.num_silent_P[row] / 6))
                for t in np.flatnonzero(pilot.right_PK[row])
            )
            for k in n
        ]
        for row in range(5)
    ]
    assert success.vote(pilot, n, seed=0, in_pool=False).success_PG == pytest.approx(np.array(exact), abs=0.04)
    flat = make_pilot([pool(["a", "a", "b"], "a", scores=[1.0] * 3), pool(["b", "a", "c"], "a", scores=[2.0] * 3)])
    weighted = success.weighted_vote(flat, np.array([1, 2, 3]), seed=0, in_pool=True).success_PG
    assert weighted == pytest.approx(success.vote(flat, np.array([1, 2, 3]), seed=0, in_pool=True).success_PG, abs=0.02)


def test_a_weighted_vote_lets_one_likely_sample_outvote_two_unlikely_ones() -> None:
    pilot = make_pilot([pool(["w", "w", "r"], "r", scores=[-3.0, -3.0, -1.0])])
    assert success.weighted_vote(pilot, np.array([3]), seed=0, in_pool=True).success_PG[0, 0] == 1.0


# ---------------------------------------------------------------- beyond the pools


@pytest.mark.parametrize("law", [[0.38, 0.25, 0.15, 0.12, 0.1], [0.5, 0.3, 0.2], [0.3, 0.5, 0.2]])
def test_beyond_the_pools_the_fitted_laws_are_nearer_to_the_truth_than_drawing_again(law: list[float]) -> None:
    fitted, drawn = [], []
    for seed in range(8):
        pilot = make_pilot(random_pools(lambda rng: law, 60, 24, seed=seed))
        n = np.array([24.0, 192.0])
        laws = np.stack([fit.predict(np.ones((1, 60)), n) for fit in vote_mixtures(pilot)])
        exact = success.vote(pilot, np.array([24]), seed=0, in_pool=True).success_PG.mean()
        fitted.append(join(np.array([exact]), laws, n).mean())
        drawn.append(success.vote(pilot, np.array([192]), seed=0, in_pool=False).success_PG.mean())
    truth = plurality(law, 192)
    assert abs(np.mean(fitted) - truth) < abs(np.mean(drawn) - truth) / 2
    assert abs(np.mean(fitted) - truth) < 0.06


def test_predictions_beyond_the_pools_hold_the_truth_where_all_prompts_are_alike() -> None:
    law = [0.38, 0.25, 0.15, 0.12, 0.1]
    held = 0
    for seed in range(10):
        vote = named(plan_of(random_pools(lambda rng: law, 40, 24, seed=seed), 0.9, max_n=128), "vote")
        point = vote.curve[-1]
        assert point.n == 128
        assert point.low is not None and point.high is not None
        held += point.low <= plurality(law, 128) <= point.high
    assert held >= 7  # 9 expected


def test_a_fitted_curve_meets_the_exact_value_and_fades_to_the_law() -> None:
    n = np.array([10.0, 11.0, 1000.0])
    joined = join(np.array([0.6]), np.array([[[0.7, 0.71, 0.9]]]), n)[0, 0]
    assert joined == pytest.approx([0.71 - 0.1 * 10 / 11 * (0.71 * 0.29) / 0.21, 0.9 - 0.1 * 0.01 * 0.09 / 0.21])


def test_the_ceiling_of_a_vote_is_the_share_of_prompts_whose_mode_is_right() -> None:
    def law(rng: np.random.Generator) -> list[float]:
        return [0.8, 0.1, 0.1] if rng.random() < 0.7 else [0.1, 0.6, 0.3]

    found = plan_of(random_pools(law, 200, 32), 0.9)
    ceiling = named(found, "vote").ceiling
    assert ceiling is not None
    assert ceiling.low is not None and ceiling.high is not None
    assert ceiling.low <= 0.7 <= ceiling.high
    assert ceiling.high - ceiling.low < 0.15
    assert math.isinf(named(found, "vote").n_hat)
    assert "more votes cannot help, a verifier can" in named(found, "vote").verdict


# ---------------------------------------------------------------- plans


def test_a_close_pilot_is_undecidable_and_says_how_many_votes_would_tell() -> None:
    found = plan_of([pool(["x"] * 7 + ["y"] * 6 + [f"z{i}" for i in range(7)])])
    vote = named(found, "vote")
    assert vote.n_high == math.inf
    assert found.status_P == ("undecided",)
    more = int(found.top.votes_to_decide[0]) - 20
    assert vote.verdict == f"undecidable at pilot size; about {more:,} more votes or a verifier"
    assert "the pilot cannot promise it" in found.recommendation


def test_a_clear_pilot_gets_a_number_with_an_interval_tokens_and_cost() -> None:
    found = plan_of([pool(["x"] * 45 + ["y"] * 15 + ["z"] * 4)], price_per_mtok=0.6)
    vote = named(found, "vote")
    assert (found.goal, found.recommended) == ("mode", "vote")
    assert vote.n_low is not None and vote.n_high is not None
    assert vote.n_low < vote.n_hat < vote.n_high < 100
    assert vote.n_hat % 2 == 1
    assert (
        plurality([45 / 64, 15 / 64, 4 / 64], int(vote.n_hat))
        >= 0.95
        > plurality([45 / 64, 15 / 64, 4 / 64], int(vote.n_hat) - 2)
    )
    assert vote.num_tok == 100 * vote.n_hat
    assert vote.cost == pytest.approx(100 * vote.n_hat * 0.6e-6)
    assert any("mode" in text for text in found.warnings)


def test_a_tied_runner_up_calls_for_a_verifier() -> None:
    found = plan_of([pool(["x"] * 10 + ["y"] * 10)])
    vote = named(found, "vote")
    assert math.isinf(vote.n_hat)
    assert vote.verdict == "the runner-up is tied: more votes cannot help; get a verifier"
    assert found.recommended == "self-correction (perfect verifier)"


def test_a_favourite_that_is_wrong_calls_for_a_verifier() -> None:
    found = plan_of([pool(["x"] * 45 + ["y"] * 15, "y")])
    assert "the favourite answer is wrong" in named(found, "vote").verdict
    assert math.isinf(named(found, "vote").n_hat)
    perfect = named(found, "best-of-n (perfect verifier)")
    assert perfect.n_hat == math.ceil(math.log(0.05) / math.log(0.75))
    assert [point.success for point in named(found, "vote").budgets][-1] < 1e-6


def test_a_pilot_without_any_answer_says_so() -> None:
    for pools in ([pool([None] * 20)], [pool([None] * 20, "r", name=str(i)) for i in range(12)]):
        found = plan_of(pools)
        assert found.recommended is None
        assert "No sample holds an answer" in found.recommendation
        assert named(found, "vote").verdict == "no sample holds an answer: there is nothing to vote on"
        assert all(math.isinf(s.n_hat) for s in found.strategies)
        assert set(found.status_P) == {"silent"}


def test_one_sample_decides_nothing() -> None:
    found = plan_of([pool(["x"])])
    assert named(found, "vote").n_high == math.inf
    assert "about 4 more votes" in named(found, "vote").verdict
    assert any("one sample per prompt" in text for text in found.warnings)


def test_one_text_over_and_over_counts_as_one_sample() -> None:
    found = plan_of([pool(["x"] * 64, one_text=True)])
    assert "not independent" in named(found, "vote").verdict
    assert named(found, "vote").n_high == math.inf
    assert any("same text" in text for text in found.warnings)
    assert named(plan_of([pool(["x"] * 64)]), "vote").n_high != math.inf


def test_a_price_of_zero_costs_nothing_and_no_price_costs_nobody_knows() -> None:
    pools = [pool(["x"] * 30 + ["y"] * 2)]
    assert named(plan_of(pools, price_per_mtok=0.0), "vote").cost == 0.0
    assert named(plan_of(pools), "vote").cost is None
    unknown = [pool(["x"] * 30 + ["y"] * 2, tokens=None)]
    found = plan_of(unknown, price_per_mtok=1.0)
    assert named(found, "vote").cost is None
    assert any("no token counts" in text for text in found.warnings)


def test_a_target_beyond_every_ceiling_is_called_unreachable() -> None:
    pools = [pool(["w"] * 20, "r", name=str(i)) for i in range(30)]
    pools += [pool(["r"] * 15 + ["w"] * 5, "r", name=f"r{i}") for i in range(30)]
    found = plan_of(pools, 0.9)
    assert found.recommended is None
    assert "No strategy reaches 90%" in found.recommendation
    # A right answer too rare for pools of 20 is not promised for pools of 1024 either.
    assert named(found, "best-of-n (perfect verifier)").curve[-1].success == pytest.approx(0.5, abs=0.02)
    assert "on 30 of 60 prompts no sample of the pilot is right" in named(found, "best-of-n (perfect verifier)").verdict


def test_an_imperfect_verifier_is_never_promised_past_its_ceiling() -> None:
    pools = random_pools(lambda rng: [0.2, 0.5, 0.3], 200, 24)
    found = plan_of(pools, 0.8, recall=0.9, false_accept=0.1)
    given = named(found, "best-of-n (given verifier)")
    limit = 0.2 * 0.9 / (0.2 * 0.9 + 0.8 * 0.1)
    assert given.ceiling is not None
    assert given.ceiling.value == pytest.approx(limit, abs=0.03)
    assert math.isinf(given.n_hat)
    at_four, at_sixteen = (point for point in given.budgets if point.n in (4, 16))
    assert at_four.success == pytest.approx(0.49281, abs=0.03)
    assert at_sixteen.success == pytest.approx(0.68693, abs=0.03)
    assert max(point.success for point in given.curve) < limit + 0.03


def test_self_correction_succeeds_as_often_as_best_of_n_and_draws_less() -> None:
    found = plan_of(random_pools(lambda rng: [0.4, 0.35, 0.25], 60, 24), 0.8)
    best, tries = named(found, "best-of-n (perfect verifier)"), named(found, "self-correction (perfect verifier)")
    assert (best.n_hat, best.n_low, best.n_high) == (tries.n_hat, tries.n_low, tries.n_high)
    assert tries.num_samples is not None and best.num_samples == best.n_hat
    assert tries.num_samples < best.num_samples
    expected = (1 - 0.6**tries.n_hat) / 0.4
    assert tries.num_samples == pytest.approx(expected, rel=0.1)


def test_recorded_scores_and_verdicts_bring_their_strategies_and_rates() -> None:
    rng = np.random.default_rng(0)
    pools = []
    for i in range(40):
        right = rng.random(24) < 0.4
        pools.append(
            pool(
                ["r" if r else f"w{rng.integers(3)}" for r in right],
                "r",
                name=str(i),
                scores=(right + rng.normal(size=24)).tolist(),
                accepted=np.where(right, rng.random(24) < 0.9, rng.random(24) < 0.2).tolist(),
            )
        )
    found = plan_of(pools, 0.7)
    names = {s.name for s in found.strategies}
    assert {"weighted vote", "best-of-n (scores)", "best-of-n (recorded verifier)"} <= names
    assert "self-correction (recorded verifier)" in names
    assert found.recall == pytest.approx(0.9, abs=0.05)
    assert found.false_accept == pytest.approx(0.2, abs=0.05)


def test_prompts_without_labels_are_left_out_of_accuracies_and_counted() -> None:
    pools = [*random_pools(lambda rng: [0.6, 0.4], 20, 16), pool(["x"] * 16, name="unlabelled")]
    found = plan_of(pools, 0.7)
    assert (found.num_prompts, found.num_planned, len(found.status_P)) == (21, 20, 21)
    assert any("1 of 21 prompts have no label" in text for text in found.warnings)


def test_a_plan_without_labels_averages_the_intervals_of_prompts() -> None:
    clear = [pool(["x"] * 60 + ["y"] * 4, name=f"c{i}") for i in range(9)]
    found = plan_of([*clear, pool(["x"] * 10 + ["y"] * 10, name="tied")], 0.8)
    vote = named(found, "vote")
    assert (found.goal, found.basis) == ("mode", "plug-in")
    assert vote.n_high is not None and vote.n_hat <= vote.n_high < 40
    # The tied prompt counts nothing at the lower end, so nine in ten is all that can be promised.
    above = named(plan_of([*clear, pool(["x"] * 10 + ["y"] * 10, name="tied")], 0.92), "vote")
    assert above.n_high == math.inf
    assert all(point.is_extrapolated for point in vote.curve)


def test_predictions_say_where_they_are_extrapolated() -> None:
    found = plan_of(random_pools(lambda rng: [0.6, 0.4], 20, 16), 0.7, max_n=64)
    assert found.basis == "finite pool"
    flags = {point.n: point.is_extrapolated for point in named(found, "vote").curve}
    assert not flags[16]
    assert flags[17]
    assert [point.n for point in named(found, "vote").budgets] == [1, 2, 4, 8, 16, 32, 64]


def test_a_band_of_few_prompts_that_all_succeed_leaves_room_for_others() -> None:
    found = plan_of([pool(["r"] * 16, "r", name=str(i)) for i in range(12)], 0.95)
    z2 = NormalDist().inv_cdf(0.95) ** 2
    first = named(found, "vote").curve[0]
    assert (first.success, first.high) == (1.0, 1.0)
    assert first.low == pytest.approx(12 / (12 + z2))
    assert named(found, "vote").n_hat == 1
    assert named(found, "vote").n_high == math.inf


def test_the_same_seed_gives_the_same_plan() -> None:
    pools = random_pools(lambda rng: rng.dirichlet([2, 1, 1]), 20, 16)
    assert plan_of(pools, 0.7, seed=3).strategies == plan_of(pools, 0.7, seed=3).strategies


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"target": 1.0}, "target"),
        ({"target": 0.9, "price_per_mtok": -1.0}, "price_per_mtok"),
        ({"target": 0.9, "recall": 0.9}, "recall, false_accept"),
        ({"target": 0.9, "recall": 1.1, "false_accept": 0.0}, "recall"),
        ({"target": 0.9, "max_n": 0}, "max_n"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, float], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of([pool(["x"])], **options)  # pyright: ignore[reportArgumentType]
    assert caught.value.place == place


def test_pools_of_different_sizes_are_planned_together() -> None:
    pools = random_pools(lambda rng: [0.6, 0.4], 10, 12) + random_pools(lambda rng: [0.6, 0.4], 10, 40, seed=1)
    found = plan_of(pools, 0.7)
    assert found.num_samples == (12, 40)
    assert any("Pools hold 12 to 40 samples" in text for text in found.warnings)


def test_no_pool_is_no_pilot() -> None:
    with pytest.raises(DataError, match="without prompts"):
        make_pilot([])
