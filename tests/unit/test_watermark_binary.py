"""Christ, Gunn and Zamir's bits: the code, the law of the text, the tests."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines.binary import ChristBinary, HuffmanCode
from reasonry.watermark.baselines.scored import context_before
from reasonry.watermark.keys import SecretKey

ALPHA = 0.02


def numbered_key(number: int) -> SecretKey:
    return SecretKey(number.to_bytes(32, "big"))


def marked_text(scheme: ChristBinary, num_tok: int, *, seed: int) -> list[int]:
    rng, marker, ids = stream(seed, "marked"), scheme.start(), []
    for _ in range(num_tok):
        ids.append(marker.step(rng.dirichlet(np.full(scheme.vocab_size, 0.3)), ids, rng))
    return ids


# ---------------------------------------------------------------- the code


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40).filter(any))
def test_the_code_is_huffmans_and_prefix_free(weights: list[float]) -> None:
    law = np.array(weights)
    code = HuffmanCode(law)
    paths = ["".join(map(str, code.path(token).bit_B.astype(int))) for token in range(len(law))]
    assert sum(2.0 ** -len(path) for path in paths) == 1.0
    assert not any(b.startswith(a) for a, b in zip(sorted(paths), sorted(paths)[1:], strict=False))
    # Huffman's total length is the sum of the weights of all merged nodes, whatever the ties.
    heap, total = list(map(float, law)), 0.0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    length = sum(w * len(path) for w, path in zip(weights, paths, strict=True))
    assert length == pytest.approx(total, rel=1e-9, abs=1e-300)


def test_a_dyadic_law_has_words_as_long_as_its_surprise() -> None:
    law = np.array([1 / 16, 1 / 2, 1 / 8, 1 / 16, 1 / 4])
    lengths = [len(HuffmanCode(law).path(token).bit_B) for token in range(5)]
    assert lengths == [4, 1, 3, 4, 2]
    assert {len(HuffmanCode(np.ones(64)).path(token).bit_B) for token in range(64)} == {6}


def test_tokens_without_weight_do_not_make_the_tree_a_chain() -> None:
    law = np.zeros(1000)
    law[0] = 1.0
    code = HuffmanCode(law)
    assert max(len(code.path(token).bit_B) for token in range(1000)) <= 12


def test_every_node_covers_the_tokens_whose_paths_pass_it() -> None:
    code = HuffmanCode(stream(0, "nodes").random(23))
    for token in range(23):
        place = int(np.flatnonzero(code.leaf_order_V == token)[0])
        nodes, bits = code.path(token)
        assert nodes[0] == code.root
        assert len(set(nodes.tolist())) == len(nodes)
        for node, bit in zip(nodes, bits, strict=True):
            assert code.low_M[node] <= place < code.high_M[node]
            assert bit == (place >= code.middle_M[node])
    assert (code.low_M[code.root], code.high_M[code.root]) == (0, 23)


# ---------------------------------------------------------------- the law of the text


def test_the_chances_along_a_path_multiply_to_the_models_law() -> None:
    code = HuffmanCode(stream(0, "code law").random(17))
    q = stream(1, "model law").dirichlet(np.full(17, 0.5))
    below = np.concatenate([[0.0], np.cumsum(q[code.leaf_order_V])])
    for token in range(17):
        chance = 1.0
        for node, bit in zip(*code.path(token), strict=True):
            low, middle, high = below[[code.low_M[node], code.middle_M[node], code.high_M[node]]]
            chance *= (high - middle if bit else middle - low) / (high - low)
        assert chance == pytest.approx(q[token], rel=1e-9)


@pytest.mark.parametrize("law", [None, [5, 1, 1, 3, 1]])
def test_a_marked_step_has_the_models_law_over_contexts(law: list[int] | None) -> None:
    q, rng = np.array([0.05, 0.0, 0.45, 0.2, 0.3]), stream(0, "chi-square")
    scheme = ChristBinary(numbered_key(1), vocab_size=5, law=law, context_tok=6)
    marker, num = scheme.start(), 5000
    histories = [[(i // 5**k) % 5 for k in range(6)] for i in range(num)]
    counts = np.bincount([marker.step(q, history, rng) for history in histories], minlength=5)
    assert counts[1] == 0
    positive = q > 0
    assert stats.chisquare(counts[positive], num * q[positive]).pvalue > 1e-3


def test_a_certain_token_is_drawn_whatever_the_key() -> None:
    q, rng = np.zeros(37), stream(0, "certain")
    q[11] = 1.0
    for number in range(50):
        assert ChristBinary(numbered_key(number), vocab_size=37).start().step(q, [1, 2, 3, 4], rng) == 11


# ---------------------------------------------------------------- the tests


def test_a_reading_follows_the_bits_of_the_text() -> None:
    scheme = ChristBinary(numbered_key(3), vocab_size=6, context_tok=2)
    ids = [1, 2, 0, 5, 4, 1, 2, 3]
    reading = scheme.read(ids)
    assert reading.position_T.tolist() == [2, 3, 4, 5, 6]
    assert (reading.num_short_context, reading.num_duplicate) == (2, 1)
    expected, total, num_bits = [], 0.0, 0
    for position in reading.position_T:
        context = context_before(ids[:position], 2)
        assert context is not None
        nodes, bits = scheme.code.path(ids[position])
        for u, bit in zip(scheme.uniforms(context, nodes), bits, strict=True):
            total += -math.log(u) if bit else -math.log1p(-u)
            num_bits += 1
        expected.append(stats.gamma.sf(total, num_bits))
    assert np.allclose(reading.p_T, expected, rtol=1e-9)


def test_both_tests_keep_their_level_on_a_text_that_repeats_itself() -> None:
    ids = np.tile(stream(0, "loop").integers(0, 12, 90), 2)[:120]
    law = stream(0, "unigram").random(12)
    num_keys, num_p, num_e = 2000, 0, 0
    for number in range(num_keys):
        reading = ChristBinary(numbered_key(number), vocab_size=12, law=law).read(ids)
        num_p += reading.p_T[-1] <= ALPHA
        num_e += reading.log_e_T.max() >= -math.log(ALPHA)
    limit = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / num_keys)
    assert 0.008 <= num_p / num_keys <= limit
    assert num_e / num_keys <= limit


def test_a_marked_text_is_found_under_its_key_and_no_other() -> None:
    law = stream(0, "code").random(60)
    scheme = ChristBinary(numbered_key(1), vocab_size=60, law=law)
    ids = marked_text(scheme, 80, seed=4)
    reading = scheme.read(ids)
    assert reading.p_T[-1] < 1e-8
    assert reading.log_e_T[-1] > 12
    other = ChristBinary(numbered_key(2), vocab_size=60, law=law).read(ids)
    assert other.p_T[-1] > 1e-3
    assert other.log_e_T.max() < -math.log(ALPHA)
    # The code is part of the mark: another one reads other bits.
    assert ChristBinary(numbered_key(1), vocab_size=60).read(ids).log_e_T.max() < -math.log(ALPHA)


def test_a_code_for_the_texts_law_finds_the_mark_earlier_than_an_even_one() -> None:
    # The model draws from the unigram law at every step, so Huffman's bits are nearly fair.
    law = np.array([2.0**-k for k in range(1, 12)] + [2.0**-11])
    evidence = {}
    for name, code_law in (("fitting", law), ("even", None)):
        scheme = ChristBinary(numbered_key(1), vocab_size=12, law=code_law)
        totals = []
        for seed in range(5):
            rng, marker, ids = stream(seed, "fit"), scheme.start(), []
            for _ in range(120):
                ids.append(marker.step(law, ids, rng))
            totals.append(scheme.read(ids).log_e_T[-1])
        evidence[name] = np.mean(totals)
    assert evidence["fitting"] > 1.2 * evidence["even"] > 0


def test_a_text_without_a_whole_context_says_nothing() -> None:
    for num_tok in (0, 3, 4):
        reading = ChristBinary(numbered_key(1), vocab_size=9).read(list(range(num_tok)))
        assert len(reading.p_T) == len(reading.log_e_T) == 0
        assert (reading.num_tok, reading.num_short_context) == (num_tok, num_tok)


def test_what_cannot_be_is_refused() -> None:
    key = numbered_key(1)
    for law in ([1, 2], [1, -1, 1], [0, 0, 0], [1, math.nan, 1], "counts"):
        with pytest.raises(ConfigError, match="law"):
            ChristBinary(key, vocab_size=3, law=law)
    with pytest.raises(ConfigError, match="context"):
        ChristBinary(key, vocab_size=3, context_tok=0)
    with pytest.raises(ConfigError, match="vocabulary"):
        ChristBinary(key, vocab_size=1)
    with pytest.raises(DataError, match="vocabulary of 3"):
        ChristBinary(key, vocab_size=3).read([0, 1, 2, 3, 0])
