"""SynthID's tournament: its bits, its law, its p-values and its e-process."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines.synthid import SynthID
from reasonry.watermark.baselines.tournament import (
    MULTIPLIER,
    depth_weights,
    first_reads,
    log_e_bits,
    score_bits,
    tournament,
)
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of

ALPHA = 0.02


def numbered_key(number: int) -> SecretKey:
    return SecretKey(number.to_bytes(32, "big"))


def random_law(rng: np.random.Generator, vocab_size: int) -> np.ndarray:
    return rng.dirichlet(np.full(vocab_size, 0.3))


def marked_text(scheme: SynthID, num_tok: int, *, seed: int) -> list[int]:
    rng, marker, ids = stream(seed, "marked"), scheme.start(), []
    for _ in range(num_tok):
        ids.append(marker.step(random_law(rng, scheme.vocab_size), ids, rng))
    return ids


# ---------------------------------------------------------------- the same bits as transformers


def theirs_and_ours(*, table_size: int, keys: list[int], vocab_size: int = 50_000):
    torch = pytest.importorskip("torch")
    from transformers.generation.logits_process import SynthIDTextWatermarkLogitsProcessor

    theirs = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5,
        keys=keys,
        sampling_table_size=table_size,
        sampling_table_seed=0,
        context_history_size=1024,
        device=torch.device("cpu"),
    )
    ours = SynthID(numbered_key(1), vocab_size=vocab_size, table=theirs.sampling_table.numpy(), keys=keys)
    return torch, theirs, ours


@pytest.mark.parametrize("table_size", [65536, 1000])
def test_g_values_are_those_of_transformers_bit_by_bit(table_size: int) -> None:
    rng = stream(0, "keys", table_size)
    keys = [654, 400, 836, 2**62 + 12345, *rng.integers(0, 2**63, 26).tolist()]
    torch, theirs, ours = theirs_and_ours(table_size=table_size, keys=keys)
    ids = rng.integers(0, 50_000, 300)
    expected = theirs.compute_g_values(torch.from_numpy(ids)[None])[0].numpy()
    assert expected.shape == (296, 30)
    assert np.array_equal(ours.g_values(ids), expected)
    assert 0.4 < expected.mean() < 0.6


def test_the_law_of_a_marked_step_is_that_of_transformers() -> None:
    keys = list(range(100, 130))
    torch, theirs, ours = theirs_and_ours(table_size=65536, keys=keys, vocab_size=40)
    q_V, context = random_law(stream(0, "law"), 40), [7, 3, 39, 0]
    g_VM = ours.step_g_values(np.array([context]), np.arange(40))
    logits = torch.log(torch.from_numpy(q_V))[None]
    expected = torch.exp(theirs.update_scores(logits, torch.from_numpy(g_VM.astype(np.int64))[None]))[0].numpy()
    assert np.allclose(tournament(q_V, g_VM), expected, atol=1e-12)
    assert np.array_equal(ours.g_values([*context, 5])[0], g_VM[5]), "the reader sees the bits that the marker saw"


def test_repeated_contexts_are_those_of_transformers() -> None:
    torch, theirs, _ = theirs_and_ours(table_size=64, keys=[1])
    ids = np.array([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 9, 1, 2, 3, 4, 8])
    expected = theirs.compute_context_repetition_mask(torch.from_numpy(ids)[None])[0].numpy().astype(bool)
    assert np.array_equal(SeenContexts().first_seen(contexts_of(ids, 4).hash_N), expected)
    reading = SynthID(numbered_key(1), vocab_size=50).read(ids)
    assert reading.position_T.tolist() == (np.flatnonzero(expected) + 4).tolist()
    assert (reading.num_tok, reading.num_short_context, reading.num_duplicate) == (16, 4, 2)


# ---------------------------------------------------------------- the law of the text


def test_the_mean_over_all_bits_of_the_winners_law_is_the_models_law() -> None:
    for num_tokens, num_rounds in ((2, 1), (3, 1), (3, 3), (4, 2)):
        q = random_law(stream(0, "mean law", num_tokens, num_rounds), num_tokens)
        laws = [
            tournament(q, np.array(bits).reshape(num_tokens, num_rounds))
            for bits in itertools.product((0, 1), repeat=num_tokens * num_rounds)
        ]
        assert np.allclose(np.mean(laws, axis=0), q, atol=1e-15)
        assert np.allclose(np.sum(laws, axis=1), 1, atol=1e-15)


def test_one_round_is_a_match_between_two_draws() -> None:
    q, g = np.array([0.2, 0.5, 0.3]), np.array([[1], [0], [1]])
    expected = np.zeros(3)
    for a, b in itertools.product(range(3), repeat=2):
        winners = [a, b] if g[a, 0] == g[b, 0] else [a if g[a, 0] > g[b, 0] else b]
        for winner in winners:
            expected[winner] += q[a] * q[b] / len(winners)
    assert np.allclose(tournament(q, g), expected, atol=1e-15)


def test_marked_steps_have_the_models_law_over_keys_and_contexts() -> None:
    q, rng, num = np.array([0.05, 0.0, 0.45, 0.2, 0.3]), stream(0, "chi-square"), 2500
    tokens = []
    for number in range(num // 125):
        marker = SynthID(numbered_key(number), vocab_size=5).start()
        tokens += [
            marker.step(q, [4, *context], rng) for context in itertools.product(range(5), range(5), range(5), [1])
        ]
    counts = np.bincount(tokens, minlength=5)
    assert counts[1] == 0
    positive = q > 0
    assert stats.chisquare(counts[positive], num * q[positive]).pvalue > 1e-3


def test_round_keys_never_name_the_same_round_twice() -> None:
    for number in range(50):
        scheme = SynthID(numbered_key(number), vocab_size=8, num_cells=64, num_rounds=32)
        g = scheme.step_g_values(np.array([[0, 1, 2, 3]]), np.arange(8))
        assert g.shape == (8, 32)
        residues = scheme._keys % 64
        assert len(set(residues.tolist())) == 32


# ---------------------------------------------------------------- validity


def test_the_e_process_is_a_martingale_over_every_table_of_bits() -> None:
    counts = np.array([[True, True], [True, False], [True, True]])
    wealth = {}
    for bits in itertools.product((0, 1), repeat=6):
        wealth[bits] = np.exp(log_e_bits(np.array(bits).reshape(3, 2), counts))
    for row in range(3):
        for past in itertools.product((0, 1), repeat=2 * row):
            now = [w[row] for bits, w in wealth.items() if bits[: 2 * row] == past]
            before = 1.0 if row == 0 else next(w[row - 1] for bits, w in wealth.items() if bits[: 2 * row] == past)
            assert np.mean(now) == pytest.approx(before, rel=1e-13)
    # A bit that does not count changes nothing.
    assert np.array_equal(wealth[0, 0, 0, 0, 0, 0], wealth[0, 0, 0, 1, 0, 0])


def test_the_exact_p_value_is_the_binomial_tail() -> None:
    g = stream(0, "binomial").integers(0, 2, (12, 5))
    counts = stream(1, "binomial").random((12, 5)) < 0.8
    num, ones = np.cumsum(counts.sum(axis=1)), np.cumsum((g * counts).sum(axis=1))
    scores = score_bits(g, counts)
    assert np.allclose(scores.p_mean_N, stats.binom.sf(ones - 1, num, 0.5), rtol=1e-12)
    assert np.allclose(scores.mean_N, ones / num)
    zeros = score_bits(np.zeros((3, 5), int), np.ones((3, 5), bool))
    assert zeros.p_mean_N.tolist() == [1.0, 1.0, 1.0]


def test_the_weighted_mean_is_the_published_one() -> None:
    weights = depth_weights(30)
    assert (weights[0] / weights[-1], weights.sum()) == (pytest.approx(10), pytest.approx(30))
    assert np.allclose(np.diff(weights, n=2), 0)
    g = stream(0, "weighted").integers(0, 2, (50, 30))
    scores = score_bits(g, np.ones(g.shape, bool))
    expected = (g @ weights).sum() / (50 * 30)
    assert scores.weighted_mean_N[-1] == pytest.approx(expected)
    deviation = math.sqrt(0.25 * (weights**2).sum() / (50 * 30**2))
    assert scores.p_weighted_N[-1] == pytest.approx(stats.norm.sf((expected - 0.5) / deviation))


def test_every_test_keeps_its_level_on_a_text_that_repeats_itself() -> None:
    # Contexts come back, and 120 tokens of 30 bits are 3600 reads of a table of 1024 cells.
    ids = np.tile(stream(0, "loop").integers(0, 30, 100), 2)[:130]
    num_keys, alarms = 1500, dict.fromkeys(("mean", "weighted", "e", "double"), 0.0)
    for number in range(num_keys):
        scheme = SynthID(numbered_key(number), vocab_size=30, num_cells=1024)
        scores = scheme.scores(ids)
        alarms["mean"] += float(scores.p_mean_N[-1] <= ALPHA)
        alarms["weighted"] += float(scores.p_weighted_N[-1] <= ALPHA)
        alarms["e"] += float(scores.log_e_N.max() >= -math.log(ALPHA))
        g = scheme.g_values(ids)
        alarms["double"] += float(stats.binom.sf(g.sum() - 1, g.size, 0.5) <= ALPHA)
    limit = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / num_keys)
    rates = {name: count / num_keys for name, count in alarms.items()}
    assert max(rates["mean"], rates["weighted"], rates["e"]) <= limit
    assert min(rates["mean"], rates["weighted"]) >= 0.006, "a test that never rejects is calibrated for nothing"
    assert rates["double"] >= 0.1, "bits that are counted again whenever they are read again"


def test_cells_count_where_they_are_read_first() -> None:
    cells = np.array([[3, 5], [5, 3], [7, 7], [1, 5]])
    assert first_reads(cells).tolist() == [[True, True], [False, False], [True, False], [True, False]]


# ---------------------------------------------------------------- power, and what is refused


def test_a_marked_text_is_found_under_its_key_and_no_other() -> None:
    scheme = SynthID(numbered_key(1), vocab_size=60)
    ids = marked_text(scheme, 60, seed=3)
    scores = scheme.scores(ids)
    assert scores.p_mean_N[-1] < 1e-8
    assert scores.p_weighted_N[-1] < 1e-8
    assert scores.weighted_mean_N[-1] > scores.mean_N[-1] > 0.55
    assert scheme.read(ids).log_e_T[-1] > 15
    other = SynthID(numbered_key(2), vocab_size=60).read(ids)
    assert other.p_T[-1] > 1e-3
    assert other.log_e_T.max() < -math.log(ALPHA)
    weighted = SynthID(numbered_key(1), vocab_size=60, statistic="weighted").read(ids)
    assert np.array_equal(weighted.p_T, scores.p_weighted_N)


def test_a_reading_of_a_prefix_is_the_prefix_of_the_reading() -> None:
    scheme = SynthID(numbered_key(1), vocab_size=9)
    ids = stream(0, "prefix").integers(0, 9, 80)
    whole, part = scheme.read(ids), scheme.read(ids[:50])
    num = len(part.position_T)
    assert np.array_equal(whole.position_T[:num], part.position_T)
    assert np.array_equal(whole.p_T[:num], part.p_T)
    assert np.array_equal(whole.log_e_T[:num], part.log_e_T)


@pytest.mark.parametrize("num_tok", [0, 1, 4])
def test_a_text_without_a_whole_context_says_nothing(num_tok: int) -> None:
    reading = SynthID(numbered_key(1), vocab_size=9).read(list(range(num_tok)))
    assert len(reading.p_T) == len(reading.log_e_T) == len(reading.position_T) == 0
    assert (reading.num_tok, reading.num_short_context) == (num_tok, num_tok)


@pytest.mark.parametrize(
    "wrong", [{"num_rounds": 0}, {"context_tok": 0}, {"num_cells": 100}, {"statistic": "median"}, {"keys": []}]
)
def test_parameters_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        SynthID(numbered_key(1), vocab_size=9, **wrong)


def test_other_tables_and_vocabularies_are_refused() -> None:
    key = numbered_key(1)
    for table in ([0, 1, 2], [], "bits"):
        with pytest.raises(ConfigError, match="zeros and ones"):
            SynthID(key, vocab_size=9, table=table)
    with pytest.raises(DataError, match="vocabulary of 9"):
        SynthID(key, vocab_size=9).read([1, 2, 3, 9])


def test_the_module_says_what_it_is_and_shows_no_key() -> None:
    scheme = SynthID(numbered_key(1), vocab_size=9, num_rounds=12)
    assert scheme.name == "synthid:num_rounds=12"
    assert scheme.is_distortion_free
    assert "0x" in repr(scheme) and str(scheme._keys[0]) not in repr(scheme)
    assert MULTIPLIER == 6364136223846793005
