"""Green lists (KGW and Unigram): exact tests, which tokens are green, marking, presets, schemes as text."""

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines import SCHEMES, make_scheme, sequential_p
from reasonry.watermark.baselines.green_lists import (
    GreenReading,
    beta_binomial_log_e_path,
    biased,
    binomial_p_path,
    z_score,
)
from reasonry.watermark.baselines.kgw import KGW_PRESETS, Kgw
from reasonry.watermark.baselines.unigram import Unigram
from reasonry.watermark.keys import SecretKey

KEY = SecretKey.from_hex("5a" * 32)
OTHER = SecretKey.from_hex("c3" * 32)
ALPHA, NUM_RUNS, NUM_TOK = 0.02, 2000, 400
THREE_SE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / NUM_RUNS)
TEXTS = ["kgw", "kgw:gamma=0.5,context_tok=3", "kgw:preset=reference", "unigram"]


def null_hits(gamma: float) -> NDArray[np.bool_]:
    return stream(11, "null hits").random((NUM_TOK, NUM_RUNS)) < gamma


def marked_text(scheme: Any, num_tok: int, *, name: str) -> list[int]:
    marker, rng, ids = scheme.start(), stream(6, name), list[int]()
    for logits_V in 2.0 * stream(5, name).standard_normal((num_tok, scheme.vocab_size)):
        q_V = np.exp(logits_V - logits_V.max())
        ids.append(marker.step(q_V / q_V.sum(), ids, rng))
    return ids


# ---------------------------------------------------------------- tests on the count


def test_the_p_value_is_the_binomial_tail() -> None:
    hit_T = stream(1, "hits").random(300) < 0.4
    count_T, t_T = np.cumsum(hit_T), np.arange(1, 301)
    assert binomial_p_path(hit_T, 0.25) == pytest.approx(stats.binom.sf(count_T - 1, t_T, 0.25), rel=1e-10)
    assert binomial_p_path(np.ones(900, bool), 0.5)[-1] == pytest.approx(0.5**900, rel=1e-9)
    assert (binomial_p_path(np.zeros(5, bool), 0.25) == 1).all()


@pytest.mark.parametrize("gamma", [0.25, 0.5])
def test_no_p_value_is_too_small_at_a_length_fixed_beforehand(gamma: float) -> None:
    for num in (1, 7, 40):
        count = np.arange(num + 1)
        hits = np.arange(num)[:, None] < count  # column G has G hits
        p = binomial_p_path(hits, gamma)[-1]
        mass = stats.binom.pmf(count, num, gamma)
        for level in (*p, 0.02, 0.3):
            assert mass[p <= level].sum() <= level * (1 + 1e-9)


def test_the_z_score_is_the_one_that_transformers_reports() -> None:
    assert z_score(9, 20, gamma=0.25) == pytest.approx(4 / math.sqrt(3.75), abs=1e-12)
    assert math.isnan(z_score(0, 0, gamma=0.25))
    watermarking = pytest.importorskip("transformers.generation.watermarking")
    green, num = np.array([0, 9, 20, 133]), np.array([7, 20, 20, 401])
    theirs = watermarking.WatermarkDetector._compute_z_score(SimpleNamespace(greenlist_ratio=0.25), green, num)
    assert z_score(green, num, gamma=0.25) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 0.9])
def test_evidence_of_all_green_and_of_no_green_text_is_in_closed_form(gamma: float) -> None:
    t = np.arange(1, 201)
    all_green = np.log1p(-(gamma ** (t + 1))) - np.log((t + 1) * (1 - gamma)) - t * math.log(gamma)
    assert beta_binomial_log_e_path(np.ones(200, bool), gamma) == pytest.approx(all_green, abs=1e-9)
    assert beta_binomial_log_e_path(np.zeros(200, bool), gamma) == pytest.approx(-np.log(t + 1), abs=1e-9)


@pytest.mark.parametrize(("green", "num"), [(0, 3), (2, 9), (30, 60), (80, 400), (140, 400)])
def test_evidence_is_the_integral_over_green_rates(green: int, num: int) -> None:
    gamma = 0.25

    def ratio(p: float) -> float:
        return math.exp(green * math.log(p / gamma) + (num - green) * (math.log1p(-p) - math.log1p(-gamma)))

    integral = integrate.quad(ratio, gamma, 1 - 1e-12, points=[max(0.26, green / num)], limit=200)[0] / (1 - gamma)
    hit_T = np.arange(num) < green
    assert beta_binomial_log_e_path(hit_T, gamma)[-1] == pytest.approx(math.log(integral), abs=1e-6)


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.25, 0.5, 0.75]))
def test_the_mean_over_the_next_token_is_the_evidence_before_it(green: int, red: int, gamma: float) -> None:
    past = np.arange(green + red) < green
    before = beta_binomial_log_e_path(past, gamma)[-1] if len(past) else 0.0
    after = [beta_binomial_log_e_path(np.append(past, hit), gamma)[-1] - before for hit in (True, False)]
    assert gamma * math.exp(after[0]) + (1 - gamma) * math.exp(after[1]) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.25, 0.5])
def test_peeking_is_free_for_evidence_and_not_for_p_values(gamma: float) -> None:
    hit_TR = null_hits(gamma)
    crosses = beta_binomial_log_e_path(hit_TR, gamma).max(axis=0) >= -math.log(ALPHA)
    assert 0 < crosses.mean() <= ALPHA + THREE_SE
    p_TR = binomial_p_path(hit_TR, gamma)
    assert (p_TR.min(axis=0) <= ALPHA).mean() >= 5 * ALPHA
    assert np.mean([sequential_p(p_T)[-1] <= ALPHA for p_T in p_TR.T]) <= ALPHA + THREE_SE


@pytest.mark.parametrize("rate", [0.02, 0.25, 0.6])
def test_a_hundred_thousand_tokens_stay_finite(rate: float) -> None:
    hit_T = stream(1, "long").random(100_000) < rate
    log_e_T = beta_binomial_log_e_path(hit_T, 0.25)
    assert np.isfinite(log_e_T).all()
    if rate > 0.25:
        kl = rate * math.log(rate / 0.25) + (1 - rate) * math.log((1 - rate) / 0.75)
        assert log_e_T[-1] / 100_000 == pytest.approx(kl, rel=0.02)


# ---------------------------------------------------------------- which tokens are green


@pytest.mark.parametrize("seeding", ["lefthash", "selfhash"])
@pytest.mark.parametrize("context_tok", [1, 2, 4])
def test_marker_and_reader_agree_on_every_token(seeding: Any, context_tok: int) -> None:
    scheme = Kgw(KEY, vocab_size=300, gamma=0.4, context_tok=context_tok, seeding=seeding)
    ids = stream(2, "agree").integers(0, 300, 200).tolist()
    reading = scheme.read(ids)
    green = []
    for place in reading.position_T.tolist():
        list_V = scheme.green_list(ids[:place])
        assert list_V is not None
        green.append(list_V[ids[place]])
    assert sum(green) == reading.num_green
    assert binomial_p_path(np.array(green), 0.4) == pytest.approx(reading.p_T)
    num_before = context_tok - (seeding == "selfhash")
    assert reading.num_short_context == num_before
    if num_before:
        assert scheme.green_list(ids[: num_before - 1]) is None


@pytest.mark.parametrize("gamma", [0.25, 0.5])
@pytest.mark.parametrize("seeding", ["lefthash", "selfhash"])
def test_each_token_is_green_with_probability_gamma_and_by_itself(gamma: float, seeding: Any) -> None:
    scheme = Kgw(KEY, vocab_size=40_000, gamma=gamma, context_tok=3, seeding=seeding)
    a, b = scheme.green_list([5, 6, 7]), scheme.green_list([5, 6, 8])
    assert a is not None
    assert b is not None
    assert abs(a.mean() - gamma) < 4 * math.sqrt(gamma * (1 - gamma) / 40_000)
    if seeding == "lefthash":
        assert abs((a & b).mean() - gamma**2) < 4 * math.sqrt(gamma**2 / 40_000)
        longer = scheme.green_list([1, 5, 6, 7])
        assert longer is not None
        assert np.array_equal(longer, a), "only the last three tokens count"
    other = Kgw(OTHER, vocab_size=40_000, gamma=gamma, context_tok=3, seeding=seeding).green_list([5, 6, 7])
    assert other is not None
    assert not np.array_equal(other, a)


@pytest.mark.parametrize("text", TEXTS)
def test_ordinary_text_has_p_values_that_are_large_enough_over_keys(text: str) -> None:
    rng = stream(3, "null texts")
    ids = (rng.zipf(1.3, 600) % 400).tolist()
    p, crosses = [], 0
    for _ in range(500):
        reading = make_scheme(text, SecretKey(rng.bytes(32)), vocab_size=400).read(ids)
        p.append(reading.p_T[-1])
        crosses += reading.log_e_T.max() >= -math.log(ALPHA)
    for level in (0.02, 0.1, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 3 * math.sqrt(level * (1 - level) / 500)
    assert np.mean(np.array(p) <= 0.5) > 0.3, "nor is it far too large"
    assert crosses <= 500 * ALPHA + 3 * math.sqrt(500 * ALPHA)


def test_an_edit_reaches_two_fifths_of_the_lists_of_selfhash_and_all_of_lefthash() -> None:
    """Of four seeds' hashes and the new one, the least must be among the three that stay: probability 3/5."""
    rng = stream(4, "edits")
    before = rng.integers(0, 50_000, (3000, 4))
    edited = before.copy()
    edited[:, 0] = rng.integers(0, 50_000, 3000)
    for seeding, context_tok, expected in (("selfhash", 4, 0.6), ("lefthash", 3, 0.0)):
        scheme = Kgw(KEY, vocab_size=50_000, context_tok=context_tok, seeding=seeding)  # pyright: ignore[reportArgumentType]
        same = [scheme.words(a)[0] == scheme.words(b)[0] for a, b in zip(before, edited, strict=True)]
        assert np.mean(same) == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 3000))


def test_unigram_has_one_list_whatever_stands_before() -> None:
    scheme = Unigram(KEY, vocab_size=30_000, gamma=0.3)
    assert abs(scheme.green_V.mean() - 0.3) < 4 * math.sqrt(0.21 / 30_000)
    ids = stream(2, "unigram").permutation(30_000)[:500]
    assert scheme.read(ids).num_green == scheme.read(ids[::-1]).num_green == scheme.green_V[ids].sum()
    assert not np.array_equal(Unigram(OTHER, vocab_size=30_000, gamma=0.3).green_V, scheme.green_V)


# ---------------------------------------------------------------- marking and reading


def test_the_bias_is_delta_on_the_logits_of_green_tokens() -> None:
    q_V, green_V = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, False, True, False])
    marked_V = biased(q_V, green_V, 1.7)
    assert marked_V.sum() == pytest.approx(1.0, abs=1e-12)
    logit = np.log(marked_V) - np.log(q_V)
    assert logit - logit[1] == pytest.approx([1.7, 0.0, 1.7, 0.0], abs=1e-12)
    assert biased(q_V, green_V, 900.0) == pytest.approx([0.25, 0.0, 0.75, 0.0]), "no overflow"


@pytest.mark.parametrize(("delta", "is_changed"), [(2.0, True), (0.0, False)])
def test_the_law_of_a_token_is_visibly_changed(delta: float, is_changed: bool) -> None:
    scheme, rng = Kgw(KEY, vocab_size=4, gamma=0.5, delta=delta), stream(7, "law")
    green_V = scheme.green_list([3])
    assert green_V is not None
    assert 0 < green_V.sum() < 4
    q_V = np.array([0.4, 0.3, 0.2, 0.1])
    marker = scheme.start()
    count_V = np.bincount([marker.step(q_V, [0, 3], rng) for _ in range(4000)], minlength=4)
    assert (stats.chisquare(count_V, 4000 * q_V).pvalue < 1e-9) == is_changed
    assert stats.chisquare(count_V, 4000 * biased(q_V, green_V, delta)).pvalue > 1e-3


@pytest.mark.parametrize("text", TEXTS)
def test_marked_text_is_found_and_under_another_key_it_is_not(text: str) -> None:
    scheme, stranger = (make_scheme(text, key, vocab_size=2000) for key in (KEY, OTHER))
    ids = marked_text(scheme, 200, name="marked")
    mine, theirs = scheme.read(ids), stranger.read(ids)
    assert isinstance(mine, GreenReading)
    assert mine.p_T[-1] < 1e-8
    assert mine.log_e_T[-1] > 12
    assert mine.z_score > 5
    assert theirs.p_T[-1] > 1e-3
    assert theirs.log_e_T.max() < math.log(1e3)


def test_what_is_skipped_is_counted() -> None:
    loop = list(range(10)) * 30
    for scheme, num_scored, num_short in (
        (Kgw(KEY, vocab_size=20), 10, 1),
        (Kgw(KEY, vocab_size=20, context_tok=4), 10, 4),
        (Unigram(KEY, vocab_size=20), 10, 0),
    ):
        reading = scheme.read(loop)
        assert (len(reading.p_T), len(reading.log_e_T), reading.num_tok) == (num_scored, num_scored, 300)
        assert (reading.num_short_context, reading.num_duplicate) == (num_short, 300 - num_short - num_scored)
        assert reading.position_T.tolist() == list(range(num_short, num_short + num_scored))
    # One context with two continuations is two pieces of evidence; a fixed list has none for a token seen before.
    assert Kgw(KEY, vocab_size=20).read([1, 2, 1, 3, 1, 2]).position_T.tolist() == [1, 2, 3, 4]
    assert Unigram(KEY, vocab_size=20).read([1, 2, 1, 3, 1, 2]).position_T.tolist() == [0, 1, 3]


def test_selfhash_scores_each_deciding_pair_once() -> None:
    scheme = Kgw(KEY, vocab_size=12, context_tok=4, seeding="selfhash")
    ids = stream(9, "pairs").integers(0, 12, 400)
    word_N = scheme.words(ids)
    reading = scheme.read(ids)
    assert len(reading.p_T) == len(set(word_N.tolist())) <= 12 * 12
    assert reading.num_duplicate == len(word_N) - len(reading.p_T)
    num_grams = len({tuple(ids[i : i + 4]) for i in range(397)})
    assert len(reading.p_T) < num_grams / 2, "different h-grams are decided by the same pair"


@pytest.mark.parametrize("text", TEXTS)
def test_text_too_short_to_score_is_no_evidence(text: str) -> None:
    scheme = make_scheme(text, KEY, vocab_size=50)
    reading = scheme.read([])
    assert isinstance(reading, GreenReading)
    assert (reading.num_tok, len(reading.p_T), len(reading.log_e_T)) == (0, 0, 0)
    assert math.isnan(reading.z_score)
    assert isinstance(scheme.start().step(np.full(50, 0.02), [], stream(0, "first")), int)


@pytest.mark.parametrize("text", TEXTS)
def test_ten_thousand_tokens_are_read_in_tens_of_milliseconds(text: str) -> None:
    scheme, ids = make_scheme(text, KEY, vocab_size=32_000), stream(1, "long text").integers(0, 32_000, 10_000)
    best_s = math.inf
    for _ in range(3):
        start_s = time.process_time()
        scheme.read(ids)
        best_s = min(best_s, time.process_time() - start_s)
    assert best_s < 0.15


# ---------------------------------------------------------------- presets, schemes as text


def test_presets_are_the_published_settings() -> None:
    settings = {name: tuple(row)[:5] for name, row in KGW_PRESETS.items()}
    assert settings == {
        "huggingface": (0.25, 2.0, 1, "lefthash", 3.0),
        "reference": (0.25, 2.0, 4, "selfhash", 4.0),
        "markllm": (0.5, 2.0, 1, "lefthash", 4.0),
        "markmywords": (0.5, 2.5, 1, "lefthash", None),
    }
    ids = stream(1, "preset").integers(0, 90, 300)
    direct = Kgw(KEY, vocab_size=90, gamma=0.25, context_tok=4, seeding="selfhash")
    assert np.array_equal(make_scheme("kgw:preset=reference", KEY, vocab_size=90).read(ids).p_T, direct.read(ids).p_T)
    assert make_scheme("kgw:preset=markmywords,gamma=.3", KEY, vocab_size=9).name == "kgw:gamma=0.3,delta=2.5"


@pytest.mark.parametrize("name", SCHEMES)
def test_every_row_of_the_table_makes_a_scheme_whose_name_makes_it_again(name: str) -> None:
    scheme = make_scheme(name, KEY, vocab_size=64)
    assert make_scheme(scheme.name, KEY, vocab_size=64).name == scheme.name
    assert isinstance(scheme.is_distortion_free, bool)
    assert SCHEMES[name](KEY, vocab_size=64).name == scheme.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kgw:gamma=0.25,delta=2", "kgw"),
        (" kgw : gamma = 0.5 , context_tok = 2 ", "kgw:gamma=0.5,context_tok=2"),
        ("kgw:preset=reference", "kgw:context_tok=4,seeding=selfhash"),
        ("gumbel:context_tok=4", "gumbel"),
        ("gumbel:bets=averaged", "gumbel:bets=averaged"),
        ("unigram:delta=1.5", "unigram:delta=1.5"),
        ("inverse-transform:gap=0.4,band_tok=none", "inverse-transform:gap=0.4,band_tok=none"),
    ],
)
def test_a_scheme_is_named_by_what_differs_from_the_default(text: str, name: str) -> None:
    scheme = make_scheme(text, KEY, vocab_size=64)
    assert scheme.name == name
    assert make_scheme(name, KEY, vocab_size=64).name == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("kwg", "'kgw'"),
        ("gumble:context_tok=4", "'gumbel'"),
        ("", "Schemes: gumbel"),
        ("kgw:gama=0.3", "'gamma'"),
        ("kgw:vocab_size=3", "unknown parameter"),
        ("kgw:key=3", "unknown parameter"),
        ("synthid:table=1", "unknown parameter"),
        ("kgw:gamma", "gamma=VALUE"),
        ("kgw:gamma=", "gamma=VALUE"),
        ("kgw:gamma=0.3,gamma=0.4", "given twice"),
        ("kgw:gamma=a quarter", "not a number"),
        ("kgw:context_tok=1.5", "not a whole number"),
        ("kgw:seeding=self", "'selfhash'"),
        ("kgw:preset=huggingfac", "'huggingface'"),
        ("kgw:gamma=1", "gamma=1.0"),
        ("kgw:gamma=nan", "gamma=nan"),
        ("kgw:delta=-1", "delta=-1.0"),
        ("kgw:context_tok=0", "a context of 0 tokens"),
        ("kgw:prf=mix32", "mix64-v1"),
        ("unigram:prf=mix64-v1", "unknown parameter"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_scheme(text, KEY, vocab_size=64)
    assert hint in str(caught.value)


def test_ids_of_another_vocabulary_are_refused() -> None:
    for scheme in (Kgw(KEY, vocab_size=10), Unigram(KEY, vocab_size=10)):
        for ids in ([1, 2, 10], [1, -1, 2], [[1, 2]], [0.5, 1.0]):
            with pytest.raises(DataError):
                scheme.read(np.array(ids))
    with pytest.raises(ConfigError):
        Kgw(KEY, vocab_size=10, seeding="righthash")  # pyright: ignore[reportArgumentType]
