"""Tokens until detection, and tamper-resistance: paths and planes whose answer is known."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc

from reasonry.core.seeds import stream
from reasonry.core.stats import clopper_pearson
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.bench import (
    Outcome,
    bonferroni_crossing,
    bonferroni_path,
    first_crossing,
    hull_area,
    last_recrossing,
    summarize,
    tamper_resistance,
    worst_attack,
)

# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("p", "last", "first"),
    [
        ([0.5, 0.01, 0.5, 0.01, 0.02], 4, 2),
        ([0.5, 0.5, 0.01], 3, 3),
        ([0.01, 0.01, 0.01], 1, 1),
        ([0.01, 0.01, 0.03], math.inf, 1),
        ([0.5, 0.6, 0.7], math.inf, math.inf),
        ([0.02], 1, 1),
        ([0.03], math.inf, math.inf),
        ([], math.inf, math.inf),
    ],
)
def test_the_last_recrossing_and_the_first_crossing_of_a_path(p: list[float], last: float, first: float) -> None:
    assert float(last_recrossing(p, alpha=0.02)) == last
    assert float(first_crossing(p, alpha=0.02)) == first


def test_a_path_that_falls_has_one_crossing() -> None:
    p = np.minimum.accumulate(stream(0, "falling").random((300, 50)), axis=0)
    assert (last_recrossing(p) == first_crossing(p)).all()


def test_texts_side_by_side_are_sized_like_each_on_its_own() -> None:
    p = stream(0, "side").random((200, 30)) ** 6
    for size in (last_recrossing, first_crossing, bonferroni_crossing):
        assert size(p, alpha=0.05).tolist() == [float(size(p[:, r], alpha=0.05)) for r in range(30)]
        assert size(p[:, 0]).shape == ()
        assert size(np.zeros((0, 3))).tolist() == [math.inf] * 3


def test_the_bonferroni_rule_spends_alpha_over_k_times_k_plus_one() -> None:
    alpha, k = 0.02, np.arange(1, 51)
    bound = alpha / (k * (k + 1))
    for stop in (1, 2, 7, 50):
        p = np.where(k >= stop, bound * (1 - 1e-9), bound * (1 + 1e-9))
        assert float(bonferroni_crossing(p, alpha=alpha)) == stop
        assert float(first_crossing(bonferroni_path(p), alpha=alpha)) == stop
    assert float(bonferroni_crossing(bound * 1.001, alpha=alpha)) == math.inf
    assert (alpha / (np.arange(1, 10**6) * np.arange(2.0, 10**6 + 1))).sum() == pytest.approx(alpha, rel=1e-5)
    assert bonferroni_path([0.01, 0.001, 0.5, 0.0]) == pytest.approx([0.02, 0.006, 0.006, 0.0])
    assert bonferroni_path([0.9]).tolist() == [1.0]


def test_tokens_that_were_read_but_not_scored_count() -> None:
    p, read = [0.5, 0.01, 0.5, 0.0001], [5, 6, 9, 12]
    assert float(first_crossing(p, read_T=read)) == 6
    assert float(last_recrossing(p, read_T=read)) == 12
    assert float(bonferroni_crossing(p, read_T=read)) == 12
    assert float(last_recrossing([0.01, 0.01], read_T=[5, 6])) == 5


def test_peeking_at_fixed_length_p_values_errs_and_the_anytime_rules_do_not() -> None:
    """Sums of scores of unmarked text, 600 tokens, alpha 0.02."""
    score_TR = stream(0, "peek").exponential(size=(600, 2000)).cumsum(axis=0)
    p_TR = gammaincc(np.arange(1.0, 601)[:, np.newaxis], score_TR)

    def rate(size: np.ndarray) -> tuple[float, float]:
        found = clopper_pearson(int(np.isfinite(size).sum()), size.size, level=0.998)
        return found.low, found.high

    assert rate(first_crossing(p_TR))[0] > 0.15
    assert rate(bonferroni_crossing(p_TR))[0] <= 0.02
    low, high = rate(last_recrossing(p_TR))
    assert low <= 0.02 <= high, "detected at the end: the level of the fixed length"
    assert (first_crossing(p_TR) <= bonferroni_crossing(p_TR)).all()


@pytest.mark.parametrize("p", [[0.5, math.nan], [1.5], [-0.1], [[[0.1]]], 0.5])
def test_what_is_no_path_of_p_values_is_refused(p) -> None:
    for size in (last_recrossing, first_crossing, bonferroni_crossing, bonferroni_path):
        with pytest.raises(DataError, match="p-value"):
            size(p)


def test_levels_and_shapes_that_do_not_fit_are_refused() -> None:
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigError, match="alpha"):
            first_crossing([0.5], alpha=alpha)
    with pytest.raises(DataError, match="read_T"):
        last_recrossing([0.5, 0.1], read_T=[1])


# ---------------------------------------------------------------- summaries


def test_the_median_has_the_textbook_interval_of_order_statistics() -> None:
    # Binomial tables: n = 10 gives X_2 .. X_9 at 97.85 %, n = 25 gives X_8 .. X_18 at 95.67 %.
    for num, low, high in ((6, 1, 6), (10, 2, 9), (25, 8, 18), (100, 40, 61)):
        summary = summarize(np.arange(1.0, num + 1))
        assert (summary.low_tok, summary.high_tok) == (low, high)
        assert summary.median_tok == (num + 1) / 2
    few = summarize([3.0, 5.0, 4.0, 9.0, 1.0])
    assert (few.low_tok, few.median_tok, few.high_tok) == (0.0, 4.0, math.inf), "five texts carry no 95 % interval"


def test_texts_that_were_not_detected_are_infinite_and_counted() -> None:
    summary = summarize([math.inf] * 6 + [10.0] * 14)
    assert (summary.median_tok, summary.low_tok, summary.high_tok) == (10.0, 10.0, math.inf)
    assert (summary.num_texts, summary.num_detected, summary.share_detected) == (20, 14, 0.7)
    assert summary.detected == clopper_pearson(14, 20)
    assert summarize([math.inf] * 20).median_tok == math.inf
    assert summarize([1.0, math.inf]).median_tok == math.inf


def test_the_interval_of_the_median_covers_at_its_level() -> None:
    rng, covered = stream(0, "cover"), 0
    for _ in range(2000):
        size = rng.geometric(0.02, 41).astype(float)
        size[size > 120] = math.inf
        summary = summarize(size, level=0.9)
        covered += summary.low_tok <= 35 <= summary.high_tok  # median of Geometric(0.02): 1 - 0.98^35 = 0.507
    assert clopper_pearson(covered, 2000, level=0.998).high >= 0.9
    assert covered < 2000


@pytest.mark.parametrize("sizes", [[], [[1.0]], [-1.0], [math.nan]])
def test_sizes_that_are_none_are_refused(sizes) -> None:
    with pytest.raises(DataError, match="token counts"):
        summarize(sizes)


# ---------------------------------------------------------------- tamper-resistance


@pytest.mark.parametrize("base", [1.0, 0.8, 0.01])
def test_useless_attacks_leave_half_the_share_and_a_free_one_leaves_nothing(base: float) -> None:
    baseline = Outcome(0.9, base)
    assert tamper_resistance(baseline, {}).value == pytest.approx(base / 2)
    useless = {"a": Outcome(0.9, base), "b": Outcome(0.3, base), "c": Outcome(0.0, 0.0)}
    assert tamper_resistance(baseline, useless).value == pytest.approx(base / 2)
    assert tamper_resistance(baseline, {"free": Outcome(0.9, 0.0)}).value == pytest.approx(0.0)


def test_an_attack_adds_the_triangle_below_the_diagonal() -> None:
    # (x, y) below the line from (0, 0) to (1, w) adds a triangle of area (w x - y) / 2.
    baseline = Outcome(0.8, 0.9)
    found = tamper_resistance(baseline, {"one": Outcome(0.6, 0.3), "inside": Outcome(0.4, 0.6)})
    assert found.value == pytest.approx(0.9 / 2 - (0.9 * 0.75 - 0.3) / 2)
    assert found.hull_area == pytest.approx(0.9 - found.value)
    assert (found.num_attacks, found.worst, found.worst_share_detected) == (2, None, 0.9)


def test_quality_above_the_baseline_counts_as_equal_to_it() -> None:
    baseline = Outcome(0.5, 1.0)
    better, equal = (tamper_resistance(baseline, {"a": Outcome(q, 0.4)}) for q in (0.9, 0.5))
    assert better.value == equal.value == pytest.approx(0.5 - 0.6 / 2)


def test_a_stronger_set_of_attacks_never_raises_the_resistance() -> None:
    rng = stream(0, "hull")
    for _ in range(50):
        base = Outcome(float(rng.uniform(0.2, 1)), float(rng.uniform(0, 1)))
        attacks = {str(i): Outcome(float(rng.random()), float(rng.random())) for i in range(6)}
        values = [tamper_resistance(base, dict(list(attacks.items())[:n])).value for n in range(7)]
        assert (np.diff(values) <= 1e-12).all()
        assert 0 <= values[-1] <= values[0] <= base.share_detected / 2 + 1e-12


def test_a_watermark_that_is_never_detected_resists_nothing() -> None:
    baseline = Outcome(0.9, 0.0)
    assert tamper_resistance(baseline, {}).value == 0.0
    assert tamper_resistance(baseline, {"a": Outcome(0.5, 0.0), "b": Outcome(0.9, 0.02)}).value == 0.0


def test_the_worst_attack_keeps_the_quality_and_leaves_the_fewest() -> None:
    baseline = Outcome(1.0, 1.0)
    attacks = {
        "weak": Outcome(1.0, 0.9),
        "strong but poor": Outcome(0.79, 0.0),
        "even": Outcome(0.8, 0.4),
        "even, better": Outcome(0.85, 0.4),
        "even, later": Outcome(0.85, 0.4),
    }
    assert worst_attack(baseline, attacks) == "even, better"
    assert worst_attack(baseline, attacks, keep=0.7) == "strong but poor"
    found = tamper_resistance(baseline, attacks)
    assert (found.worst, found.worst_share_detected) == ("even, better", 0.4)
    assert worst_attack(baseline, {}) is None


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([(0, 0), (1, 0), (0, 1)], 0.5),
        ([(0, 0), (1, 0), (1, 1), (0, 1), (0.5, 0.5), (0, 0)], 1.0),
        ([(0, 0), (1, 1), (2, 2), (0.5, 0.5)], 0.0),
        ([(0.3, 0.3)] * 5, 0.0),
        ([(0, 0), (1, 0)], 0.0),
        ([(0, 0), (1, 0), (0.5, 1e-14)], 0.0),
        ([(1e6, 1e6), (1e6 + 1, 1e6), (1e6, 1e6 + 1)], 0.5),
        ([(0, 0), (1e-9, 0), (0, 1e-9)], 0.5e-18),
        ([], 0.0),
    ],
)
def test_the_area_of_a_hull_also_where_it_is_flat(points, area: float) -> None:
    assert hull_area(points) == pytest.approx(area, rel=1e-6, abs=1e-30)


def test_outcomes_that_are_none_are_refused() -> None:
    good = Outcome(0.5, 0.5)
    for bad in (Outcome(0.5, 1.1), Outcome(-1.0, 0.5), Outcome(math.nan, 0.5), Outcome(0.5, math.nan)):
        with pytest.raises(DataError, match=r"poor: .* is not a quality and a share"):
            tamper_resistance(good, {"poor": bad})
        with pytest.raises(DataError, match="the baseline"):
            tamper_resistance(bad, {})
    with pytest.raises(DataError, match="quality 0"):
        tamper_resistance(Outcome(0.0, 0.5), {})
    with pytest.raises(ConfigError, match="keep"):
        tamper_resistance(good, {}, keep=1.5)
    for points in ([(0, 0, 0)] * 3, [0.0, 1.0, 2.0], [(0, math.inf)] * 3):
        with pytest.raises(DataError, match="points in the plane"):
            hull_area(points)
