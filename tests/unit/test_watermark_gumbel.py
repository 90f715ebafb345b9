"""The Gumbel watermark: its analytic values, the law of its pivots, error levels of all tests on them, marking."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines import make_scheme, sequential_p
from reasonry.watermark.baselines.calibrators import KAPPAS, grenander_density
from reasonry.watermark.baselines.gumbel import (
    BETS,
    Gumbel,
    gumbel_expected_score,
    gumbel_growth_nats,
    gumbel_log_e_path,
    gumbel_p_path,
)
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of

KEY = SecretKey.from_hex("5a" * 32)
OTHER = SecretKey.from_hex("c3" * 32)
ALPHA, NUM_RUNS, NUM_TOK = 0.02, 2000, 400
THREE_SE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / NUM_RUNS)
SPIKED = np.array([0.5, 0.25, 0.15, 0.1])


@pytest.fixture(scope="module")
def null_pivots() -> NDArray[np.float64]:
    return stream(11, "null pivots").random((NUM_TOK, NUM_RUNS))


@pytest.fixture(scope="module")
def null_wealth(null_pivots: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    found = {name: log_e_path(null_pivots) for name, log_e_path in BETS.items() if name != "averaged"}
    found["averaged"] = np.logaddexp(found["adaptive"], found["grenander"]) - math.log(2)
    assert np.allclose(found["averaged"][:, :3], BETS["averaged"](null_pivots[:, :3]), rtol=0, atol=1e-12)
    return found


def laws(num: int, vocab_size: int, *, scale: float, name: str) -> NDArray[np.float64]:
    logits = scale * stream(5, name).standard_normal((num, vocab_size))
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def marked_text(scheme: Gumbel, num_tok: int, *, name: str, scale: float = 3.0) -> list[int]:
    marker, rng, ids = scheme.start(), stream(6, name), list[int]()
    for q_V in laws(num_tok, scheme.vocab_size, scale=scale, name=name):
        ids.append(marker.step(q_V, ids, rng))
    return ids


# ---------------------------------------------------------------- analytic values


def test_the_mean_score_is_a_harmonic_number_where_tokens_are_equally_probable() -> None:
    assert gumbel_expected_score([1, 1 / 2, 1 / 4]) == pytest.approx([1.0, 1.5, 25 / 12], abs=1e-12)
    assert gumbel_expected_score(1 / 100) == pytest.approx(sum(1 / k for k in range(1, 101)), abs=1e-11)


@pytest.mark.parametrize("p", [0.9, 0.3, 0.07])
def test_the_mean_score_is_the_series(p: float) -> None:
    k = np.arange(1, 2_000_001, dtype=np.float64)
    rest = 1 / (p * (k[-1] + 0.5))  # what is left of sum 1 / (p k^2)
    assert gumbel_expected_score(p) == pytest.approx((1 / (k * (1 + k * p))).sum() + rest, abs=1e-9)


def test_growth_of_the_bet_that_knows_the_law_is_entropy_less_what_is_certain() -> None:
    assert gumbel_growth_nats([1.0, 0.0]) == pytest.approx(0.0, abs=1e-15)
    for m in (2, 5, 100):
        assert gumbel_growth_nats(np.full(m, 1 / m)) == pytest.approx(math.log(m) - 1 + 1 / m, abs=1e-12)
    assert gumbel_growth_nats([0.5, 0.25, 0.25]) == pytest.approx(1.5 * math.log(2) - 0.625, abs=1e-12)


def test_marked_tokens_have_the_mean_score_and_the_growth_of_the_formulas() -> None:
    scheme = Gumbel(KEY, vocab_size=50_000, context_tok=2)
    contexts = contexts_of(stream(3, "contexts").integers(0, 50_000, 60_002), 2)
    num = len(contexts.hash_N)
    r_NV = np.stack([scheme.uniforms(contexts, np.full(num, v)) for v in range(len(SPIKED))], axis=1)
    token_N = (-np.log(r_NV) / SPIKED).argmin(axis=1)
    r_N, p_N = r_NV[np.arange(num), token_N], SPIKED[token_N]
    score_N = -np.log1p(-r_N)
    for p in SPIKED:
        of_p = score_N[p_N == p]
        assert abs(of_p.mean() - gumbel_expected_score(p)) < 4 * of_p.std() / math.sqrt(len(of_p))
    gain_N = (1 / p_N - 1) * np.log(r_N) - np.log(p_N)
    assert abs(gain_N.mean() - gumbel_growth_nats(SPIKED)) < 4 * gain_N.std() / math.sqrt(num)
    assert stats.kstest(r_NV[:, 0], "uniform").pvalue > 1e-3


# ---------------------------------------------------------------- p-values


def test_the_p_value_is_the_tail_of_a_gamma_law() -> None:
    r_T = stream(1, "r").random(300)
    score_T = np.cumsum(-np.log1p(-r_T))
    assert gumbel_p_path(r_T) == pytest.approx([stats.gamma.sf(s, t) for t, s in enumerate(score_T, 1)], rel=1e-10)


@pytest.mark.parametrize("num_tok", [1, 10, 300])
def test_p_values_are_uniform_at_a_length_fixed_beforehand(num_tok: int, null_pivots: NDArray[np.float64]) -> None:
    assert stats.kstest(gumbel_p_path(null_pivots)[num_tok - 1], "uniform").pvalue > 1e-3


def test_p_values_of_one_text_are_uniform_over_keys() -> None:
    text = stream(2, "text").integers(0, 400, 120)
    rng = stream(2, "keys")
    p = [Gumbel(SecretKey(rng.bytes(32)), vocab_size=400).read(text).p_T[-1] for _ in range(800)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_peeking_at_p_values_raises_false_alarms_fivefold_and_paying_for_looks_mends_it(
    null_pivots: NDArray[np.float64],
) -> None:
    p_TR = gumbel_p_path(null_pivots)
    assert (p_TR.min(axis=0) <= ALPHA).mean() >= 5 * ALPHA
    assert np.mean([sequential_p(p_T)[-1] <= ALPHA for p_T in p_TR.T]) <= ALPHA + THREE_SE


# ---------------------------------------------------------------- e-processes


@pytest.mark.parametrize("name", BETS)
def test_an_e_process_ever_crosses_with_at_most_its_level(
    name: str, null_wealth: dict[str, NDArray[np.float64]]
) -> None:
    crosses = null_wealth[name].max(axis=0) >= -math.log(ALPHA)
    assert 0 < crosses.mean() <= ALPHA + THREE_SE


@pytest.mark.parametrize("name", BETS)
def test_the_mean_over_the_next_pivot_is_the_wealth_before_it(name: str) -> None:
    num = 1000
    past = np.array([0.9, 0.35, 0.998, 0.6, 0.97, 0.12, 0.83])  # on the edges of the cells below
    for t in range(len(past) + 1):
        middle_R = (np.arange(num) + 0.5) / num
        r_TR = np.vstack([np.repeat(past[:t, None], num, axis=1), middle_R])
        before = math.exp(BETS[name](past[:t])[-1]) if t else 1.0
        assert np.exp(BETS[name](r_TR)[-1]).mean() == pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("name", BETS)
def test_texts_side_by_side_are_texts_one_by_one(name: str) -> None:
    r_TR = stream(4, "side by side").random((60, 5)) ** 0.4
    assert np.array_equal(BETS[name](r_TR), np.stack([BETS[name](r_T) for r_T in r_TR.T], axis=1))
    assert BETS[name](np.empty(0)).shape == (0,)


@pytest.mark.parametrize("name", BETS)
def test_the_past_does_not_change_when_text_is_added(name: str) -> None:
    r_T = stream(4, "prefix").random(150) ** 0.5
    assert np.array_equal(BETS[name](r_T)[:70], BETS[name](r_T[:70]))


def test_the_mixture_is_the_average_of_whole_products_and_loses_little_to_the_best() -> None:
    r_T = stream(4, "mixture").random(200) ** 0.3
    products = np.cumsum(np.log(KAPPAS) + (KAPPAS - 1) * np.log(r_T)[:, None], axis=0)
    expected = np.log(np.exp(products - products.max()).mean(axis=1)) + products.max()
    assert gumbel_log_e_path(r_T) == pytest.approx(expected, abs=1e-9)
    assert (products.max(axis=1) - gumbel_log_e_path(r_T) <= math.log(10) + 1e-9).all()


def test_adaptive_weights_follow_their_recursion() -> None:
    r_T = stream(4, "adaptive").random(40) ** 0.5
    weight, wealth, expected = 4 * np.array([0.5] + [0.5 / 9] * 9), 0.0, []
    for t, r in enumerate(r_T):
        density = KAPPAS * r ** (KAPPAS - 1)
        wealth += math.log(float(weight @ density) / (4 + t))
        weight = weight + weight * density / float(weight @ density)
        expected.append(wealth)
    assert BETS["adaptive"](r_T) == pytest.approx(expected, abs=1e-10)


def test_low_entropy_starves_one_fixed_calibrator_and_not_the_ones_that_learn() -> None:
    rng = stream(4, "low entropy")
    is_certain = rng.random((NUM_TOK, 100)) < 0.8
    r_TR = rng.random((NUM_TOK, 100)) ** np.where(is_certain, 1.0, 0.05)
    wealth = {name: log_e_path(r_TR) for name, log_e_path in BETS.items()}
    found = {name: (log_e.max(axis=0) >= -math.log(ALPHA)).mean() for name, log_e in wealth.items()}
    median = {name: float(np.median(log_e[-1])) for name, log_e in wealth.items()}
    assert median["per-step"] < 0 < median["mixture"]
    assert min(median["adaptive"], median["grenander"], median["averaged"]) > median["mixture"] + 20
    assert min(found["adaptive"], found["grenander"], found["averaged"]) >= 0.99


@pytest.mark.parametrize("name", BETS)
def test_pivots_at_both_ends_and_very_long_texts_stay_finite(name: str) -> None:
    assert np.isfinite(BETS[name]([0.0, 1.0, 0.0, 1.0, 0.5])).all()
    assert np.isfinite(gumbel_p_path([0.0, 1.0])).all()
    rng = stream(4, "long")
    for r_T in (rng.random(20_000), rng.random(20_000) ** 0.05, np.zeros(3_000), np.ones(3_000)):
        assert np.isfinite(BETS[name](r_T)).all()


def test_what_is_no_pivot_is_refused() -> None:
    for bad in ([0.5, -0.1], [0.5, 1.5], [math.nan], np.full((2, 2, 2), 0.5)):
        with pytest.raises(DataError):
            gumbel_p_path(bad)
        with pytest.raises(DataError):
            gumbel_log_e_path(bad)


def test_the_grenander_estimate_of_a_small_sample_is_the_known_one() -> None:
    estimate = grenander_density([0.2, 0.1, 0.6])
    assert estimate.upper_M == pytest.approx([0.1, 0.2, 0.6, 1.0])
    assert estimate.density_M == pytest.approx([10 / 3, 10 / 3, 5 / 6, 0.0])
    # A small gap after a large one: the majorant spans both.
    assert grenander_density([0.5, 0.6]).density_M == pytest.approx([5 / 3, 5 / 3, 0.0])


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=40))
def test_the_grenander_estimate_is_a_decreasing_density_whose_integral_majorises_the_sample(p: list[float]) -> None:
    estimate = grenander_density(p)
    gap = np.diff(estimate.upper_M, prepend=0.0)
    assert (np.diff(estimate.density_M) <= 1e-9 * estimate.density_M[:-1]).all()
    assert (estimate.density_M * gap).sum() == pytest.approx(1.0, abs=1e-9)
    share = np.searchsorted(np.sort(p), estimate.upper_M, side="right") / len(p)
    above = np.cumsum(estimate.density_M * gap) - share
    assert (above >= -1e-9).all()
    slope_changes = np.append(np.diff(estimate.density_M) < -1e-9 * estimate.density_M[:-1], True)
    assert above[slope_changes] == pytest.approx(0.0, abs=1e-9), "it touches the sample wherever it bends"


# ---------------------------------------------------------------- marking and reading


def test_the_marker_takes_the_largest_keyed_root() -> None:
    scheme = Gumbel(KEY, vocab_size=len(SPIKED), context_tok=2)
    for a in range(4):
        history = [0, a, 1]
        r_V = scheme.uniforms(contexts_of(np.array([a, 1, 0]), 2), np.arange(4))
        assert scheme.start().step(SPIKED, history, stream(0, "unused")) == int((r_V ** (1 / SPIKED)).argmax())


def test_one_token_and_two_in_a_row_have_the_law_of_the_model() -> None:
    scheme, rng = Gumbel(KEY, vocab_size=50_000, context_tok=2), stream(9, "histories")
    second = np.array([0.1, 0.2, 0.3, 0.4])
    count = np.zeros((4, 4))
    for before in rng.integers(0, 50_000, (6_000, 2)).tolist():
        marker = scheme.start()
        a = marker.step(SPIKED, before, rng)
        count[a, marker.step(second, [*before, a], rng)] += 1
    assert stats.chisquare(count.ravel(), np.outer(SPIKED, second).ravel() * count.sum()).pvalue > 1e-3


def test_a_context_marks_once_and_is_drawn_with_ordinary_randomness_after_that() -> None:
    scheme, q_V = Gumbel(KEY, vocab_size=100, context_tok=2), np.full(100, 0.01)
    first = {scheme.start().step(q_V, [7, 8], stream(i, "first")) for i in range(20)}
    assert len(first) == 1
    marker = scheme.start()
    marker.step(q_V, [7, 8], stream(0, "first"))
    assert len({marker.step(q_V, [7, 8], stream(i, "again")) for i in range(20)}) > 10
    assert len({scheme.start().step(q_V, [8], stream(i, "short")) for i in range(20)}) > 10


def test_tokens_of_probability_zero_are_never_drawn() -> None:
    scheme, rng = Gumbel(KEY, vocab_size=6, context_tok=1), stream(1, "zero")
    q_V = np.array([0.0, 0.5, 0.0, 1e-300, 0.5, 0.0])
    tokens = {scheme.start().step(q_V, [a % 6], rng) for a in range(50)}
    assert tokens <= {1, 3, 4}
    assert scheme.start().step(np.array([0, 0, 1.0, 0, 0, 0]), [3], rng) == 2


@pytest.mark.parametrize(
    "text", ["gumbel", "gumbel:context_tok=1,bets=averaged", "gumbel:prf=blake2b-v1,bets=adaptive"]
)
def test_marked_text_is_found_and_under_another_key_it_is_not(text: str) -> None:
    scheme, stranger = (make_scheme(text, key, vocab_size=500) for key in (KEY, OTHER))
    assert isinstance(scheme, Gumbel)
    ids = marked_text(scheme, 200, name="marked")
    mine, theirs = scheme.read(ids), stranger.read(ids)
    assert mine.p_T[-1] < 1e-12
    assert mine.log_e_T[-1] > 25
    assert theirs.p_T[-1] > 1e-3
    assert theirs.log_e_T.max() < math.log(1e3)
    assert np.array_equal(mine.position_T, theirs.position_T)


def test_what_is_skipped_is_counted() -> None:
    scheme = Gumbel(KEY, vocab_size=50, context_tok=4)
    reading = scheme.read(list(range(10)) * 30)
    assert reading.position_T.tolist() == list(range(4, 14))
    assert (reading.num_tok, reading.num_short_context, reading.num_duplicate) == (300, 4, 286)
    assert len(reading.p_T) == len(reading.log_e_T) == 10
    for ids in ([], [1, 2, 3], [1, 2, 3, 4]):
        short = scheme.read(ids)
        assert (short.num_short_context, len(short.p_T), len(short.log_e_T)) == (len(ids), 0, 0)


def test_a_loop_is_no_evidence_under_any_key() -> None:
    rng = stream(8, "keys of loops")
    loud = 0
    for _ in range(300):
        reading = Gumbel(SecretKey(rng.bytes(32)), vocab_size=50, context_tok=2).read([3, 1, 4, 1, 5] * 80)
        loud += reading.log_e_T.max() >= -math.log(ALPHA)
    assert loud <= 300 * ALPHA + 3 * math.sqrt(300 * ALPHA)


def test_bad_settings_and_ids_are_refused() -> None:
    with pytest.raises(ConfigError, match="adaptive"):
        Gumbel(KEY, vocab_size=10, bets="adaptiv")
    with pytest.raises(ConfigError, match="0 tokens"):
        Gumbel(KEY, vocab_size=10, context_tok=0)
    with pytest.raises(ConfigError, match="mix64-v1"):
        Gumbel(KEY, vocab_size=10, prf="md5")
    with pytest.raises(ConfigError):
        Gumbel(KEY, vocab_size=1)
    for ids in ([1, 2, 10], [1, -1, 2], [[1, 2]], [0.5, 1.0]):
        with pytest.raises(DataError):
            Gumbel(KEY, vocab_size=10).read(np.array(ids))


def test_ten_thousand_tokens_are_read_in_tens_of_milliseconds() -> None:
    scheme, ids = Gumbel(KEY, vocab_size=32_000), stream(1, "long text").integers(0, 32_000, 10_000)
    best_s = math.inf
    for _ in range(3):
        start_s = time.process_time()
        scheme.read(ids)
        best_s = min(best_s, time.process_time() - start_s)
    assert best_s < 0.1
