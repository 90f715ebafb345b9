"""What holds for every pilot: ends enclose estimates, probabilities stay so, order and names do not matter."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reasonry.test_time.planner import success
from reasonry.test_time.planner.intervals import top_two, votes_needed
from reasonry.test_time.planner.pilot import make_pilot
from reasonry.test_time.planner.plan import plan
from reasonry.test_time.pool_files import Pool

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def pools(draw: st.DrawFn, *, labelled: bool | None = None) -> list[Pool]:
    is_labelled = draw(st.booleans()) if labelled is None else labelled
    has_scores, has_flags = draw(st.booleans()), draw(st.booleans())
    found = []
    for i in range(draw(st.integers(1, 6))):
        n = draw(st.integers(1, 8))
        answers = draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n))
        scores = draw(st.lists(st.floats(-3, 3), min_size=n, max_size=n)) if has_scores else [math.nan] * n
        flags = draw(st.lists(st.booleans(), min_size=n, max_size=n)) if has_flags else [None] * n
        correct = tuple(a == "a" if is_labelled else None for a in answers)
        found.append(Pool(str(i), tuple(answers), correct, np.array(scores), (7,) * n, tuple(flags), False))
    return found


@st.composite
def votes(draw: st.DrawFn) -> tuple[int, int, int]:
    first = draw(st.integers(0, 300))
    second = draw(st.integers(0, first))
    return first, second, max(1, first + second + draw(st.integers(0, 300)))


@given(votes(), st.floats(0.5, 0.99))
def test_intervals_enclose_their_estimates_and_widen_with_their_level(v: tuple[int, int, int], level: float) -> None:
    found, wider = top_two(*v, level=level), top_two(*v, level=(1 + level) / 2)
    for name in ("p1", "p2", "gap", "relvar"):
        low, value, high = (float(getattr(found, key)) for key in (f"{name}_low", name, f"{name}_high"))
        assert low <= value + 1e-9 * abs(value) + 1e-12
        assert value <= high + 1e-9 * abs(value) + 1e-12
        assert float(getattr(wider, f"{name}_low")) <= low + 1e-9 * abs(low) + 1e-12
        assert float(getattr(wider, f"{name}_high")) >= high - 1e-9 * abs(high) - 1e-12 if math.isfinite(high) else True
    assert (votes_needed(found.relvar_high, 0.05) < math.inf) == (found.gap_low > 0)


@given(votes(), st.integers(2, 5))
def test_a_pilot_several_times_the_size_with_the_same_shares_is_more_certain(
    v: tuple[int, int, int], times: int
) -> None:
    small, large = top_two(*v), top_two(*(times * x for x in v))
    assert large.gap_low >= small.gap_low - 1e-9
    assert large.relvar_high <= small.relvar_high * (1 + 1e-9)


@QUICK
@given(pools(labelled=True), st.floats(0, 1), st.floats(0, 1))
def test_success_is_a_probability_and_one_sample_is_right_as_often_as_any(
    found: list[Pool], recall: float, false_accept: float
) -> None:
    pilot = make_pilot(found)
    smallest = int(pilot.num_samples_P.min())
    share = pilot.num_right_P / pilot.num_samples_P
    for in_pool, n in ((True, np.arange(1, smallest + 1)), (False, np.array([1, 2, 7, 50]))):
        curves = [
            success.accept_right(pilot, n, in_pool=in_pool),
            success.accept_at_rates(pilot, n, recall=recall, false_accept=false_accept, in_pool=in_pool),
            success.accept_flagged(pilot, n, in_pool=in_pool),
            success.vote(pilot, n, seed=0, in_pool=True) if in_pool else None,
        ]
        for curve in curves:
            if curve is None:
                continue
            assert (curve.success_PG >= -1e-12).all()
            assert (curve.success_PG <= 1 + 1e-12).all()
            np.testing.assert_allclose(curve.success_PG[:, 0], share, atol=1e-12)
            np.testing.assert_allclose(curve.draws_PG[:, 0], 1)
            assert (np.diff(curve.draws_PG, axis=1) >= -1e-12).all()
            assert (curve.draws_PG <= n + 1e-9).all()
        perfect = curves[0].success_PG  # pyright: ignore[reportOptionalMemberAccess]
        assert (np.diff(perfect, axis=1) >= -1e-12).all()
        sure = success.accept_at_rates(pilot, n, recall=1.0, false_accept=0.0, in_pool=in_pool)
        np.testing.assert_allclose(sure.success_PG, perfect, atol=1e-12)


@QUICK
@given(pools(), st.sampled_from([0.3, 0.6, 0.95]))
def test_every_plan_is_complete_and_its_intervals_hold_its_numbers(found: list[Pool], target: float) -> None:
    made = plan(make_pilot(found), target=target, max_n=64, recall=0.9, false_accept=0.2, num_boot=50)
    assert made.recommendation
    assert made.recommended in {None, *(s.name for s in made.strategies)}
    for s in made.strategies:
        assert s.verdict
        assert s.n_hat >= 1
        assert s.n_low is None or s.n_low <= s.n_hat
        assert s.n_high is None or s.n_hat <= s.n_high
        for point in s.curve:
            assert -1e-9 <= point.success <= 1 + 1e-9
            assert point.low is None or point.low <= point.success + 1e-9
            assert point.high is None or point.success <= point.high + 1e-9


@QUICK
@given(pools(labelled=True), st.randoms(use_true_random=False))
def test_neither_the_order_of_samples_nor_the_names_of_answers_matter_to_exact_curves(found: list[Pool], rng) -> None:
    def mixed(p: Pool) -> Pool:
        order = list(range(p.num_samples))
        rng.shuffle(order)
        other = {"a": "z", "b": "a", "c": "m", None: None}
        return Pool(
            p.id,
            tuple(other[p.answers[i]] for i in order),
            tuple(p.correct[i] for i in order),
            p.scores[order],
            p.num_tok,
            tuple(p.accepted[i] for i in order),
            False,
        )

    before, after = make_pilot(found), make_pilot([mixed(p) for p in found])
    n = np.arange(1, int(before.num_samples_P.min()) + 1)
    for curve in (success.accept_right, success.accept_flagged, success.best_scored):
        np.testing.assert_allclose(
            curve(before, n, in_pool=True).success_PG, curve(after, n, in_pool=True).success_PG, atol=1e-12
        )
    np.testing.assert_allclose(
        success.vote(before, n, seed=0, in_pool=True).success_PG,
        success.vote(after, n, seed=0, in_pool=True).success_PG,
        atol=1e-12,
    )
