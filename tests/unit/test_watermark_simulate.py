"""The synthetic model: its texts follow the laws they are drawn from, exactly where these are known."""

import importlib.util
import itertools
import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError
from reasonry.watermark.baselines.gumbel import gumbel_expected_score
from reasonry.watermark.baselines.synthid import tournament
from reasonry.watermark.bets import mixture_bets
from reasonry.watermark.claims import false_alarms, simulation
from reasonry.watermark.e_process import crossings, log_e_path
from reasonry.watermark.e_values import log_e_star, maximal_coupling
from reasonry.watermark.simulate import (
    Kind,
    Texts,
    draw_texts,
    green_tokens,
    gumbel_pivots,
    inverse_cdf,
    tournament_bits,
)
from reasonry.watermark.synthetic_model import (
    FLOOR,
    UNIFORM,
    Anchor,
    StepLaws,
    SyntheticModel,
    calibration,
    make_laws,
)

A, B = calibration("A"), calibration("B")
SMALL = SyntheticModel(scale=(2.0, 6.0), anchor=Anchor(1.0, noise=1.0), vocab_size=40)
P0 = [0.1, 0.2, 0.3, 0.4]
Q = [0.35, 0.0, 0.6, 0.05]
NULLS: tuple[Kind, ...] = ("sampled", "greedy")


def one_step(q_N: list[float], p0_N: list[float], detector_N: list[float] | None = None) -> StepLaws:
    """A pool of one step."""
    q, p0 = np.array([q_N], dtype=np.float32), np.array([p0_N], dtype=np.float32)
    detector = p0 if detector_N is None else np.array([detector_N], dtype=np.float32)
    nothing = np.zeros(1)
    return StepLaws(q, p0, detector, q.argmax(axis=1), nothing, nothing)


def texts_of(laws: StepLaws, kind: Kind, num_texts: int = 2000, num_tok: int = 50) -> Texts:
    return draw_texts(laws, kind, num_tok=num_tok, num_texts=num_texts, rng=stream(0, "texts", kind))


def joint_counts(texts: Texts, p0_N: list[float]) -> np.ndarray:
    """How often each pair (text bin, keyed bin) came; bins are told apart by their probabilities."""
    p0 = np.array(p0_N, dtype=np.float32).astype(np.float64)
    pairs = [(p[..., None] == p0).argmax(axis=-1) for p in (texts.p_text_TR, texts.p_keyed_TR)]
    counts = np.zeros((len(p0), len(p0)), dtype=np.int64)
    np.add.at(counts, (pairs[0].ravel(), pairs[1].ravel()), 1)
    return counts


def assert_follows(counts: np.ndarray, law: np.ndarray) -> None:
    possible = law > 1e-12
    assert not counts[~possible].any(), "what has probability 0 came"
    expected = law[possible] / law[possible].sum() * counts.sum()
    assert scipy_stats.chisquare(counts[possible], expected).pvalue > 1e-3


def within(values: np.ndarray, mean: float, *, num_se: float = 4.0) -> bool:
    flat = np.asarray(values, dtype=np.float64).ravel()
    return bool(abs(flat.mean() - mean) < num_se * max(flat.std(), 1e-9) / math.sqrt(flat.size))


# ---------------------------------------------------------------- texts


def test_a_marked_text_is_the_maximal_coupling_with_the_targets_law_for_the_text() -> None:
    counts = joint_counts(texts_of(one_step(Q, P0), "marked"), P0)
    assert_follows(counts, maximal_coupling(Q, P0))
    assert_follows(counts.sum(axis=1), np.array(Q))
    assert_follows(counts.sum(axis=0), np.array(P0))


def test_a_text_that_does_not_know_the_key_is_independent_of_it() -> None:
    assert_follows(joint_counts(texts_of(one_step(Q, P0), "sampled"), P0), np.outer(Q, P0))


def test_a_greedy_text_takes_the_likeliest_bin_and_the_keyed_bin_still_follows_the_anchor() -> None:
    assert_follows(joint_counts(texts_of(one_step(Q, P0), "greedy"), P0), np.outer([0, 0, 1, 0], P0))


@pytest.mark.parametrize("num_bins", [2, 7, 40])
def test_text_and_key_agree_as_often_as_the_laws_overlap(num_bins: int) -> None:
    laws = make_laws(SMALL, num_bins=num_bins, num_steps=700, seed=1)
    assert within(texts_of(laws, "marked").match_TR, float(laws.match_rate_P.mean()))
    by_chance = float((laws.q_PN * laws.p0_PN).sum(axis=1).mean())
    assert within(texts_of(laws, "sampled").match_TR, by_chance)
    likeliest = laws.p0_PN[np.arange(700), laws.greedy_P]
    assert within(texts_of(laws, "greedy").match_TR, float(likeliest.mean()))


def test_equal_laws_agree_always_and_sure_text_only_by_chance() -> None:
    assert texts_of(one_step(P0, P0), "marked").match_TR.all()
    sure = texts_of(one_step([0, 1, 0, 0], P0), "marked")
    assert (sure.p_text_TR == np.float32(0.2)).all()
    assert within(sure.match_TR, 0.2)


def test_without_a_mark_the_match_has_the_probability_that_the_detector_computes() -> None:
    for detector in (None, SMALL.with_anchor(drift=3.0).anchor, UNIFORM):
        laws = make_laws(SMALL, num_bins=5, num_steps=500, seed=2, detector=detector)
        for kind in NULLS:
            texts = texts_of(laws, kind)
            assert within(texts.match_TR - texts.p_text_TR, 0.0)
            assert within(np.exp(log_e_star(texts.match_TR, texts.p_keyed_TR, delta=0.3, n=5)), 1.0)


def test_a_detector_with_another_anchor_draws_its_symbol_from_the_same_uniform_number() -> None:
    # V = S, for the target's law is the generator's anchor's: 0 iff U < .5. The detector's symbol is 0 iff U < .25.
    texts = texts_of(one_step([0.5, 0.5], [0.5, 0.5], [0.25, 0.75]), "marked")
    assert within(texts.match_TR, 0.75)
    missed = ~texts.match_TR
    assert (texts.p_text_TR[missed] == 0.25).all(), "a miss has U in [.25, .5): text 0, keyed symbol 1"
    assert (texts.p_keyed_TR[missed] == 0.75).all()


def test_a_drifted_anchor_matches_less_and_a_uniform_one_least() -> None:
    rates = [
        texts_of(make_laws(A, num_bins=4, num_steps=600, seed=0, detector=detector), "marked").match_TR.mean()
        for detector in (None, A.with_anchor(drift=1.0).anchor, A.with_anchor(drift=4.0).anchor, UNIFORM)
    ]
    assert (np.diff(rates) < -0.02).all(), rates


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_same_seed_gives_the_same_texts(kind: Kind) -> None:
    laws = make_laws(SMALL, num_bins=3, num_steps=50, seed=0)
    one, two = (draw_texts(laws, kind, num_tok=9, num_texts=4, rng=stream(5, "x")) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert one.match_TR.shape == one.p_text_TR.shape == (9, 4)


def test_a_draw_never_has_weight_zero_whatever_the_uniform_number() -> None:
    law = np.array([[0.0, 0.3, 0.0, 0.7, 0.0]])
    assert inverse_cdf(law, [0.0]).tolist() == [1]
    assert inverse_cdf(law, [0.3]).tolist() == [3]
    assert inverse_cdf(law, [1 - 2.0**-53]).tolist() == [3]
    assert inverse_cdf(law * 1e-30, [1.0]).tolist() == [3], "rounding at the upper end"


# ---------------------------------------------------------------- pools


def test_the_calibrations_have_the_entropies_and_the_distance_that_they_were_chosen_for() -> None:
    for model, target, anchor, distance in ((A, 0.58, 2.25, 0.183), (B, 1.23, 1.20, 0.104)):
        laws = make_laws(model, num_bins=2, num_steps=4000, seed=0)
        assert laws.entropy_nats_P.mean() == pytest.approx(target, abs=0.04)
        assert laws.anchor_entropy_nats_P.mean() == pytest.approx(anchor, abs=0.08)
        assert 1 - laws.match_rate_P.mean() == pytest.approx(distance, abs=0.006)


def test_laws_are_laws_and_the_anchors_have_a_floor() -> None:
    for num_bins in (2, 16, 40):
        laws = make_laws(SMALL, num_bins=num_bins, num_steps=600, seed=3)
        assert laws.q_PN.sum(axis=1) == pytest.approx(np.ones(600), abs=1e-6)
        assert laws.p0_PN.sum(axis=1) == pytest.approx(np.ones(600), abs=1e-6)
        assert laws.p0_PN.min() >= np.float32(FLOOR / num_bins) * 0.999
        assert laws.detector_PN is laws.p0_PN


def test_without_binning_each_token_is_its_own_symbol() -> None:
    laws = make_laws(SMALL, num_bins=40, num_steps=300, seed=3)
    q = laws.q_PN.astype(np.float64)
    entropy = -(q * np.log(np.maximum(q, 1e-300))).sum(axis=1)
    assert laws.entropy_nats_P == pytest.approx(entropy, abs=1e-5)
    assert np.array_equal(laws.greedy_P, q.argmax(axis=1))


def test_a_longer_pool_begins_with_the_shorter_one_and_other_anchors_stand_beside_the_same_target() -> None:
    long = make_laws(SMALL, num_bins=4, num_steps=1300, seed=3)
    short = make_laws(SMALL, num_bins=4, num_steps=600, seed=3)
    assert np.array_equal(long.q_PN[:600], short.q_PN)
    assert np.array_equal(long.p0_PN[:600], short.p0_PN)
    other = make_laws(SMALL.with_anchor(temperature=3.0), num_bins=4, num_steps=600, seed=3)
    assert np.array_equal(other.q_PN, short.q_PN)
    assert not np.array_equal(other.p0_PN, short.p0_PN)
    assert not np.array_equal(make_laws(SMALL, num_bins=4, num_steps=600, seed=4).q_PN, short.q_PN)


def test_an_anchor_without_noise_at_the_targets_temperature_is_the_target() -> None:
    laws = make_laws(SMALL.with_anchor(temperature=0.7, noise=0.0), num_bins=8, num_steps=200, seed=0)
    assert laws.p0_PN == pytest.approx((1 - FLOOR) * laws.q_PN + FLOOR / 8, abs=1e-6)
    assert laws.anchor_entropy_nats_P == pytest.approx(laws.entropy_nats_P)


def test_a_uniform_anchor_has_equal_bins() -> None:
    laws = make_laws(SMALL.with_anchor(temperature=math.inf), num_bins=3, num_steps=20, seed=0)
    assert (laws.p0_PN == np.float32(1 / 3)).all()
    assert laws.anchor_entropy_nats_P == pytest.approx(np.full(20, math.log(40)))
    same = make_laws(SMALL, num_bins=3, num_steps=20, seed=0, detector=UNIFORM)
    assert (same.detector_PN == np.float32(1 / 3)).all()
    assert same.p0_PN.std() > 0.1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_bins": 1}, "1 bins for 40 tokens"),
        ({"num_bins": 41}, "41 bins for 40 tokens"),
        ({"num_steps": 0}, "pool of 0 steps"),
        ({"model": SyntheticModel(scale=(3.0, 2.0), anchor=UNIFORM)}, "scale"),
        ({"model": SMALL.with_anchor(temperature=0.0)}, "temperature of 0"),
        ({"model": SMALL.with_anchor(noise=-1.0)}, "not negative"),
        ({"detector": Anchor(math.nan)}, "temperature of nan"),
    ],
)
def test_what_is_no_model_is_refused(change: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_laws(**{"model": SMALL, "num_bins": 2, "num_steps": 5, "seed": 0, **change})


def test_an_unknown_calibration_or_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="There are A, B"):
        calibration("C")
    laws = one_step(Q, P0)
    for make in (draw_texts, gumbel_pivots, green_tokens, tournament_bits):
        with pytest.raises(ConfigError, match="marked"):
            make(laws, "market", num_tok=2, num_texts=2, rng=stream(0, "x"))  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------- other schemes


def test_pivots_of_marked_tokens_have_the_mean_score_of_the_scheme() -> None:
    r_TR = gumbel_pivots(one_step(Q, P0), "marked", num_tok=50, num_texts=1000, rng=stream(0, "gumbel"))
    expected = sum(q * float(gumbel_expected_score(q)) for q in Q if q)
    assert within(-np.log1p(-r_TR), expected)
    sure = gumbel_pivots(one_step([1.0, 0.0], [0.5, 0.5]), "marked", num_tok=50, num_texts=100, rng=stream(0, "sure"))
    assert scipy_stats.kstest(sure.ravel(), "uniform").pvalue > 1e-3, "a sure token carries no mark"


def test_pivots_are_the_largest_keyed_numbers_of_a_direct_simulation() -> None:
    r_NV = stream(0, "direct").random((20_000, 4))
    with np.errstate(divide="ignore"):
        winner_N = (np.log(r_NV) / np.array(Q)).argmax(axis=1)
    direct = r_NV[np.arange(20_000), winner_N]
    drawn = gumbel_pivots(one_step(Q, P0), "marked", num_tok=20, num_texts=1000, rng=stream(1, "gumbel"))
    assert scipy_stats.kstest(direct, drawn.ravel()).pvalue > 1e-3


@pytest.mark.parametrize(("gamma", "delta"), [(0.5, 2.0), (0.25, 1.0)])
def test_green_tokens_come_as_often_as_enumeration_says(gamma: float, delta: float) -> None:
    rate = 0.0
    for green in itertools.product((0, 1), repeat=4):
        mass = float(np.dot(green, Q))
        chance = mass * math.exp(delta) / (mass * math.exp(delta) + 1 - mass)
        rate += math.prod(gamma if g else 1 - gamma for g in green) * chance
    green_TR = green_tokens(
        one_step(Q, P0), "marked", num_tok=50, num_texts=2000, rng=stream(0, "green"), gamma=gamma, delta=delta
    )
    assert within(green_TR, rate)


def test_the_bits_of_the_winner_are_those_of_the_tournament() -> None:
    q = np.array([0.5, 0.3, 0.2])
    law = np.zeros(4)
    for bits in itertools.product((0, 1), repeat=6):
        g_KM = np.array(bits).reshape(3, 2)
        np.add.at(law, g_KM @ np.array([2, 1]), tournament(q, g_KM) / 64)
    found = tournament_bits(
        one_step(q.tolist(), q.tolist()), "marked", num_tok=40, num_texts=2000, rng=stream(0, "bits"), num_rounds=2
    )
    assert found.shape == (40, 2000, 2)
    assert_follows(np.bincount((found @ [2, 1]).ravel(), minlength=4), law)


def test_the_first_round_has_the_mean_that_collisions_leave() -> None:
    laws = make_laws(A, num_bins=A.vocab_size, num_steps=512, seed=0)
    bits = tournament_bits(laws, "marked", num_tok=20, num_texts=100, rng=stream(0, "rounds"), num_rounds=3)
    collisions = float((laws.q_PN.astype(np.float64) ** 2).sum(axis=1).mean())
    assert within(bits[..., 0], 0.75 - 0.25 * collisions)


@pytest.mark.parametrize("kind", NULLS)
def test_a_text_that_does_not_know_the_key_has_fair_statistics(kind: Kind) -> None:
    laws, sizes = one_step(Q, P0), {"num_tok": 40, "num_texts": 500}
    pivots = gumbel_pivots(laws, kind, rng=stream(0, "r", kind), **sizes)
    assert scipy_stats.kstest(pivots.ravel(), "uniform").pvalue > 1e-3
    assert within(green_tokens(laws, kind, rng=stream(0, "g", kind), gamma=0.3, **sizes), 0.3)
    assert within(tournament_bits(laws, kind, rng=stream(0, "b", kind), **sizes), 0.5)


# ---------------------------------------------------------------- what is measured on it


def test_the_mixture_needs_the_tokens_that_its_growth_promises() -> None:
    laws = make_laws(B, num_bins=16, num_steps=4000, seed=0)
    texts = texts_of(laws, "marked", num_texts=300, num_tok=60)
    tok_R = crossings(log_e_path(texts.match_TR, texts.p_text_TR, mixture_bets()), 0.02)
    assert 9 <= np.median(tok_R) <= 15


SIZES = {"num_steps": 2000, "alpha": 0.02, "seed": 0}


def test_a_condition_that_is_not_kept_fails_the_reduction_and_is_named() -> None:
    settings = {"setting": "A", "other_setting": "B", "num_seeds": 2, "num_texts": 150, "num_tok": 250, **SIZES}
    settings |= {"num_null": 200, "delta": 0.3, "seal_tok": [50, 150]}
    kept = simulation.token_reduction(paper_tok=[40, 120], **settings)
    assert "NOT KEPT" not in kept.detail
    assert kept.low < kept.value < kept.high
    missed = simulation.token_reduction(paper_tok=[400, 500], **settings)
    assert missed.low == 0.0
    assert missed.value == kept.value
    assert "NOT KEPT: e* within [400, 500]" in missed.detail


def test_the_mixture_beats_the_papers_bet_where_the_anchor_is_not_flattened() -> None:
    found = simulation.mixture_share(
        setting="B", other_setting="A", other_bins=[16], num_seeds=3, num_texts=400, num_tok=300, delta=0.3, **SIZES
    )
    assert found.value < 0.7
    assert "n=16" in found.detail


def test_e_processes_keep_their_level_where_peeking_at_p_values_does_not() -> None:
    kept = false_alarms.anytime_alarms(setting="A", bins=[2], num_texts=1000, num_tok=150, delta=0.3, **SIZES)
    lost = false_alarms.peeking_alarms(setting="A", num_texts=1000, num_tok=150, **SIZES)
    assert kept.value <= 0.03
    assert lost.value > 0.05
    assert kept.low <= kept.value <= kept.high
    assert all(name in lost.detail for name in ("SEAL", "Gumbel", "SynthID", "KGW"))


def test_the_released_base_verifier_errs_at_a_fixed_length_and_the_correct_one_does_not() -> None:
    found = false_alarms.base_verifier_alarms(setting="A", num_texts=600, num_tok=200, **SIZES)
    assert found.low > 0.25
    assert "NOT KEPT" not in found.detail


def test_the_benchmark_gives_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "watermark_power.py"
    spec = importlib.util.spec_from_file_location("watermark_power", path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    monkeypatch.setattr(benchmark, "NUM_STEPS", 1000)
    row = benchmark.anchored(benchmark.CASES[0], 64, 40, 0)
    assert row["median_tok"] is None, "the paper's bet is lost on 64 bins"
    assert row["num_bins"] == 64
    names = [case.name for case in benchmark.CASES]
    assert len(set(names)) == len(names)
