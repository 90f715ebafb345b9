"""Readers of engines' watermarks: published test vectors, plain re-writings, which tokens are scored, the null law."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.engines import PivotReading, sglang, vllm

# vLLM's published outputs of 64, 48 and 16 tokens, and what its own detector makes of them.
VLLM_KEY_42 = [
    46, 24, 45, 80, 14, 26, 22, 124, 21, 45, 16, 30, 5, 89, 0, 10, 27, 70, 80, 62, 1, 11, 117, 53, 10, 45, 94, 37, 43,
    22, 78, 49, 119, 9, 22, 118, 82, 75, 32, 24, 84, 27, 122, 66, 78, 64, 124, 17, 91, 12, 51, 15, 75, 64, 127, 45,
    112, 15, 83, 114, 121, 109, 24, 77,
]  # fmt: skip
VLLM_KEY_2P32 = [
    21, 10, 73, 94, 19, 61, 85, 42, 95, 116, 105, 47, 58, 36, 74, 42, 95, 70, 34, 37, 125, 29, 64, 85, 70, 73, 44, 90,
    47, 107, 25, 70, 98, 41, 1, 51, 8, 57, 99, 88, 80, 119, 55, 15, 121, 43, 124, 56, 34, 87, 115, 65, 4, 110, 53, 77,
    58, 126, 19, 72, 64, 113, 109, 123,
]  # fmt: skip
VLLM_KEY_MAX = [
    46, 42, 38, 34, 30, 26, 22, 18, 14, 10, 6, 2, 44, 125, 121, 117, 88, 6, 97, 12, 86, 121, 0, 106, 98, 119, 101, 36,
    47, 110, 25, 24, 102, 6, 101, 37, 114, 50, 53, 127, 109, 80, 69, 5, 96, 60, 14, 42, 38, 58, 118, 79, 4, 110, 42,
    102, 66, 80, 72, 33, 78, 106, 67, 52,
]  # fmt: skip
VLLM_REPEATED = [
    14, 3, 13, 2, 1, 8, 3, 3, 3, 10, 2, 2, 5, 15, 11, 3, 3, 6, 2, 5, 12, 11, 3, 3, 3, 6, 2, 5, 1, 3, 3, 3, 10, 6, 2, 5,
    1, 3, 3, 3, 6, 13, 9, 4, 11, 3, 3, 3,
]  # fmt: skip
VLLM_DUAL_KEY_0 = [
    70, 56, 91, 90, 72, 68, 17, 78, 21, 116, 104, 62, 15, 100, 82, 13, 88, 70, 112, 62, 79, 57, 11, 113, 88, 80, 23, 90,
    79, 42, 18, 60, 10, 73, 94, 64, 96, 71, 35, 56, 38, 93, 37, 54, 82, 127, 0, 45, 37, 75, 19, 92, 68, 127, 28, 56, 45,
    69, 8, 1, 110, 39, 127, 56,
]  # fmt: skip
VLLM_DUAL_KEY_42 = [
    46, 56, 6, 122, 30, 100, 121, 67, 63, 116, 13, 65, 90, 47, 25, 88, 120, 31, 2, 37, 40, 34, 92, 28, 45, 126, 94, 90,
    18, 36, 74, 102, 10, 13, 101, 51, 29, 29, 46, 81, 63, 2, 29, 78, 121, 89, 124, 109, 123, 34, 30, 93, 4, 110, 28, 34,
    105, 41, 5, 48, 81, 120, 60, 70,
]  # fmt: skip

SGLANG_KEY_A, SGLANG_KEY_B = sglang.parse_key("0123456789abcdef"), sglang.parse_key("fedcba9876543210")

READERS: dict[str, Callable[[Sequence[int], int], PivotReading]] = {
    "vllm": lambda ids, key: vllm.pivots(ids, key),
    "vllm dual .1": lambda ids, key: vllm.dual_pivots(ids, key),
    "vllm dual .5": lambda ids, key: vllm.dual_pivots(ids, key, alpha=0.5),
    "vllm dual 1": lambda ids, key: vllm.dual_pivots(ids, key, alpha=1.0),
    "sglang": lambda ids, key: sglang.pivots(ids, key),
    "sglang dual": lambda ids, key: sglang.dual_pivots(ids, (key, key ^ 0x5555), mixing=0.3),
}


def words(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.array([v], dtype=np.uint64) for v in values)


# ---------------------------------------------------------------- vLLM


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_has_the_known_answers_of_random123(counter, key, expected) -> None:
    out = vllm.philox4x32_10(words(*counter), words(*key))  # pyright: ignore[reportArgumentType]
    assert tuple(int(w[0]) for w in out) == expected


def test_words_and_uniforms_are_those_vllm_publishes() -> None:
    contexts, tokens = [[1, 2, 3, 4], [4, 5, 6, 7]], [7, 8]
    assert vllm.words(contexts, tokens, 42).tolist() == [[425429266, 2706218805], [2494036831, 3424185538]]
    mantissas = np.array([[1661833, 10571167], [9742331, 13375724]])
    expected = ((mantissas + 1) / (2**24 + 1)).astype(np.float32)
    assert (vllm.uniforms(contexts, tokens, 42) == expected).all()
    own = vllm.uniforms(contexts, [[7], [8]], 42)
    assert own.tolist() == [[expected[0, 0]], [expected[1, 1]]]


@pytest.mark.parametrize(
    ("ids", "key", "width", "score", "num_scored"),
    [
        (VLLM_KEY_42, 42, 4, 296.27295787856264, 64),
        (VLLM_KEY_42, 43, 4, 63.25096716585621, 64),
        (VLLM_KEY_2P32, 2**32, 5, 263.04926919645095, 64),
        (VLLM_KEY_MAX, 2**64 - 1, 16, 220.2767573421712, 64),
        (VLLM_REPEATED, 42, 1, 34.40948699058768, 15),
    ],
    ids=["right key", "wrong key", "width 5", "width 16", "repeated contexts"],
)
def test_scores_of_published_outputs_are_those_of_vllms_detector(ids, key, width, score, num_scored) -> None:
    reading = vllm.pivots(ids, key, context_tok=width)
    assert (reading.num_scored, reading.num_tok, reading.num_short_context) == (num_scored, len(ids), 0)
    assert reading.num_duplicate == len(ids) - num_scored
    assert reading.score_T.sum() == pytest.approx(score, rel=1e-14)
    assert (reading.score_T == -np.log1p(-reading.r_T)).all()


def test_dual_key_scores_of_published_outputs_are_those_of_vllms_detector() -> None:
    assert vllm.dual_keys(0) == (15691511769010696906, 9736202488081271922)
    assert vllm.dual_keys(42) == (37150756557148556, 15826636237805488045)
    assert vllm.dual_pivots(VLLM_DUAL_KEY_0, 0).score_T.sum() == pytest.approx(241.81126265648692, rel=1e-14)
    by_other_weight = vllm.dual_pivots(VLLM_DUAL_KEY_42, 42, alpha=0.2)
    assert by_other_weight.score_T.sum() == pytest.approx(215.24386344560963, rel=1e-14)


def plain_philox(c: list[int], k: list[int]) -> list[int]:
    for i in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        k0, k1 = (k[0] + i * 0x9E3779B9) % 2**32, (k[1] + i * 0xBB67AE85) % 2**32
        c = [q >> 32 ^ c[1] ^ k0, q % 2**32, p >> 32 ^ c[3] ^ k1, p % 2**32]
    return c


def plain_vllm_word(context: list[int], token: int, key: int) -> int:
    low, high = key % 2**32, key >> 32
    state = [0x574D4358, len(context), 0, 0]
    for i in range(0, len(context), 4):
        block = (context[i : i + 4] + [0xFFFFFFFF - j for j in range(len(context[i : i + 4]), 4)])[:4]
        state = plain_philox([a ^ b for a, b in zip(state, block, strict=True)], [low ^ i, high])
    return plain_philox([token >> 2, *state[:3]], [low ^ state[3], high ^ 0x574D544B])[token % 4]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9])
def test_whole_arrays_give_what_the_formulas_give_number_by_number(width: int) -> None:
    rng = stream(0, "plain", width)
    contexts, tokens = rng.integers(0, 2**32, (5, width)), rng.integers(0, 2**32, 6)
    key = int(rng.integers(0, 2**63)) * 2 + 1
    plain = [[plain_vllm_word(c, t, key) for t in tokens.tolist()] for c in contexts.tolist()]
    assert vllm.words(contexts, tokens, key).tolist() == plain
    hashes = [[plain_murmur([key % 2**32, key >> 32, plain_murmur(c), t]) for t in tokens] for c in contexts.tolist()]
    assert sglang.uniforms(contexts, tokens, key).tolist() == ((np.array(hashes) + 0.5) / 2**32).tolist()


def test_the_padding_before_an_output_is_minus_one() -> None:
    first = vllm.pivots([5, 6, 7, 8, 9], 3)
    assert first.position_T.tolist() == [0, 1, 2, 3, 4]
    contexts = [[-1, -1, -1, -1], [-1, -1, -1, 5], [-1, -1, 5, 6], [-1, 5, 6, 7], [5, 6, 7, 8]]
    assert first.r_T.tolist() == vllm.uniforms(contexts, [[5], [6], [7], [8], [9]], 3)[:, 0].tolist()
    excerpt = vllm.pivots([5, 6, 7, 8, 9], 3, from_start=False)
    assert (excerpt.position_T.tolist(), excerpt.num_short_context) == ([4], 4)
    assert excerpt.r_T[0] == first.r_T[4]


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 0.4999999, 0.5, 0.8, 1.0])
def test_the_pivot_of_two_keys_is_the_exact_law_of_the_weighted_score(alpha: float) -> None:
    s = np.array([1e-4, 0.1, 0.7, 1.0, 2.5, 9.0, 16.0])
    a, b = 1 - alpha, alpha
    if alpha in (0.0, 1.0):
        tail = np.exp(-s)
    elif abs(alpha - 0.5) < 1e-3:
        tail = (1 + 2 * s) * np.exp(-2 * s)
    else:
        tail = (a * np.exp(-s / a) - b * np.exp(-s / b)) / (a - b)
    assert vllm.null_cdf(s, alpha) == pytest.approx(1 - tail, rel=1e-6, abs=1e-9)
    assert vllm.null_cdf(s, alpha) == pytest.approx(vllm.null_cdf(s, 1 - alpha), rel=1e-12)
    assert 0 < vllm.null_cdf(0.0, alpha) < vllm.null_cdf(1e6, alpha) < 1


def test_with_all_weight_on_one_key_two_keys_read_like_that_one() -> None:
    a, b = vllm.dual_keys(9)
    for alpha, key in ((0.0, a), (1.0, b)):
        dual, single = vllm.dual_pivots(VLLM_KEY_42, 9, alpha=alpha), vllm.pivots(VLLM_KEY_42, key)
        assert dual.r_T == pytest.approx(single.r_T, rel=1e-9)


# ---------------------------------------------------------------- SGLang


def plain_murmur(values: list[int], seed: int = 0) -> int:
    h = seed
    for w in values:
        k = int(w) * 0xCC9E2D51 % 2**32
        k = (k << 15 | k >> 17) % 2**32 * 0x1B873593 % 2**32
        h ^= k
        h = ((h << 13 | h >> 19) % 2**32 * 5 + 0xE6546B64) % 2**32
    h ^= 4 * len(values)
    h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
    h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
    return h ^ h >> 16


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [
        (b"", 0, 0),
        (b"", 1, 0x514E28B7),
        (b"", 0xFFFFFFFF, 0x81F16F39),
        (b"\xff\xff\xff\xff", 0, 0x76293B50),
        (b"\x21\x43\x65\x87", 0, 0xF55B516B),
        (b"\x21\x43\x65\x87", 0x5082EDEE, 0x2362F9DE),
        (b"\x00\x00\x00\x00", 0, 0x2362F9DE),
        (b"test", 0, 0xBA6BD213),
        (b"test", 0x9747B28C, 0x704B81DC),
        (b"aaaa", 0x9747B28C, 0x5A97808A),
        (b"abcd", 0x9747B28C, 0xF0478627),
    ],
)
def test_murmur3_of_known_strings_has_the_published_values(data: bytes, seed: int, expected: int) -> None:
    values = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    assert int(sglang.murmur3_32(values, seed=seed)) == expected


def test_hashes_coins_and_uniforms_are_those_sglang_publishes() -> None:
    contexts = [[1, 2, 3, 4], [4, 3, 2, 1]]
    assert sglang.context_hash(contexts).tolist() == [1145416960, 47748951]
    tokens = [0, 1, 17, 8191, 8192, 16396]
    published = {
        SGLANG_KEY_A: [1293512163, 858402549, 2305555132, 2450309311, 227333036, 2684237202],
        SGLANG_KEY_B: [221641642, 4015047244, 843143906, 1076944989, 3882127500, 2413234263],
    }
    for context, (key, hashes) in zip(contexts, published.items(), strict=True):
        assert sglang.uniforms([context], tokens, key)[0].tolist() == [(h + 0.5) / 2**32 for h in hashes]
    coins = [("1111222233334444", False), ("9999aaaabbbbcccc", True)]
    for context, key, (other, is_a) in zip(contexts, published, coins, strict=True):
        assert sglang.picks_key_a([context], (key, sglang.parse_key(other))).tolist() == [is_a]
    assert float(sglang.uniforms([[1, 2, 3, 4]], [5], 0x2A)[0, 0]) == 0.5990760888671502


def test_the_prompts_tail_completes_the_first_contexts() -> None:
    aligned = sglang.pivots([17], SGLANG_KEY_A, prompt_tail=[9, 1, 2, 3, 4])
    assert aligned.score_T.tolist() == [-math.log1p(-(2305555132 + 0.5) / 2**32)]
    unknown = sglang.pivots([1, 2, 3, 4, 17], SGLANG_KEY_A)
    assert (unknown.r_T.tolist(), unknown.position_T.tolist()) == (aligned.r_T.tolist(), [4])
    assert (unknown.num_short_context, unknown.num_tok) == (4, 5)
    assert sglang.pivots([1, 2, 3], SGLANG_KEY_A, prompt_tail=[]).num_short_context == 3


def test_a_prompt_shorter_than_the_window_gives_shorter_contexts() -> None:
    reading = sglang.pivots([2, 3, 4, 5, 6], 7, prompt_tail=[1])
    contexts = [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
    expected = [sglang.uniforms([c], [t], 7)[0, 0] for c, t in zip(contexts, [2, 3, 4, 5, 6], strict=True)]
    assert reading.r_T.tolist() == expected
    assert (reading.position_T.tolist(), reading.num_short_context) == ([0, 1, 2, 3, 4], 0)
    brief = sglang.pivots([2, 3], 7, prompt_tail=[1])
    assert (brief.r_T.tolist(), brief.num_short_context) == (expected[:2], 0)


def test_repeats_are_no_evidence_and_do_not_use_the_cap_up() -> None:
    first = sglang.pivots([1, 2, 1, 3, 4], 5, context_tok=1, max_contexts=3)
    repeated = sglang.pivots([1, 2, 1, 2, 3, 4, 999, 0], 5, context_tok=1, max_contexts=3)
    assert repeated.r_T[:2].tolist() == first.r_T[:2].tolist()
    assert repeated.position_T.tolist() == [1, 2, 5]
    assert (repeated.num_short_context, repeated.num_duplicate, repeated.num_past_cap) == (1, 2, 2)


def test_no_more_than_4096_contexts_are_scored_unless_asked_for() -> None:
    ids = list(range(5000))
    capped, whole = sglang.pivots(ids, 5), sglang.pivots(ids, 5, max_contexts=None)
    assert (capped.num_scored, capped.num_past_cap, whole.num_scored, whole.num_past_cap) == (4096, 900, 4996, 0)
    assert capped.r_T.tolist() == whole.r_T[:4096].tolist()


def test_colliding_hashes_of_different_contexts_are_both_scored() -> None:
    collision = [[55826, 167495], [62387, 187178]]
    assert len(set(sglang.context_hash(collision).tolist())) == 1
    assert sglang.pivots([*collision[0], 17, *collision[1], 18], 5, context_tok=2).num_scored == 4


def test_the_coin_picks_the_key_and_both_sides_of_it_are_used() -> None:
    ids = stream(0, "coin").integers(0, 50_000, 3000)
    a, b = sglang.pivots(ids, 5), sglang.pivots(ids, 6)
    for mixing in (0.3, 0.9):
        dual = sglang.dual_pivots(ids, (5, 6), mixing=mixing)
        used_a = dual.r_T == a.r_T
        assert (used_a | (dual.r_T == b.r_T)).all()
        assert float(used_a.mean()) == pytest.approx(mixing, abs=4 * math.sqrt(mixing * (1 - mixing) / 3000))


# ---------------------------------------------------------------- both


@pytest.mark.parametrize("name", READERS)
def test_pivots_of_unmarked_text_are_uniform_over_ids_and_keys(name: str) -> None:
    rng = stream(1, "null", name)
    r = []
    for _ in range(60):
        key = int.from_bytes(rng.bytes(8), "little")
        r.append(READERS[name](rng.integers(0, 50_000, 400).tolist(), key).r_T)
    pooled = np.concatenate(r)
    assert pooled.size > 23_000
    assert scipy_stats.kstest(pooled, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(pooled[1:], pooled[:-1])[0, 1]) < 4 / math.sqrt(pooled.size)
    assert pooled.min() > 0
    assert pooled.max() < 1


def mark(uniforms: Callable[[list[list[int]]], np.ndarray], num: int, start: list[int], width: int = 4) -> list[int]:
    """The Gumbel rule for 64 equally probable tokens: the largest number wins."""
    ids = list(start)
    for _ in range(num):
        ids.append(int(uniforms([ids[-width:]])[0].argmax()))
    return ids[len(start) :]


@pytest.mark.parametrize(("engine", "before"), [(vllm, [-1] * 4), (sglang, [1, 2, 3, 4])], ids=["vllm", "sglang"])
def test_text_marked_by_the_gumbel_rule_scores_the_harmonic_number_with_its_key_only(engine, before: list[int]) -> None:
    """The largest of m uniforms has -log(1 - r) of mean 1 + 1/2 + ... + 1/m and variance 1 + 1/4 + ... + 1/m^2."""
    tail = {} if engine is vllm else {"prompt_tail": before}
    right, wrong = [], []
    for key in range(100, 108):
        ids = mark(lambda c, key=key: engine.uniforms(c, np.arange(64), key), 80, before)
        right.append(engine.pivots(ids, key, **tail).score_T)
        wrong.append(engine.pivots(ids, key + 50, **tail).score_T)
    scores, others = np.concatenate(right), np.concatenate(wrong)
    m = np.arange(1, 65)
    assert scores.size == 640
    assert scores.mean() == pytest.approx((1 / m).sum(), abs=4 * math.sqrt((1 / m**2).sum() / scores.size))
    assert others.mean() == pytest.approx(1, abs=4 / math.sqrt(others.size))
    assert scipy_stats.kstest(-np.expm1(-scores), "uniform").pvalue < 1e-30, "the null test sees a mark"


def test_text_marked_with_two_keys_is_seen_by_the_reader_of_two_keys() -> None:
    keys = (21, 22)

    def picked(contexts: list[list[int]]) -> np.ndarray:
        is_a = sglang.picks_key_a(contexts, keys, mixing=0.5)[:, np.newaxis]
        return np.where(is_a, *(sglang.uniforms(contexts, np.arange(64), k) for k in keys))

    ids = mark(picked, 300, [1, 2, 3, 4])
    dual, single = sglang.dual_pivots(ids, keys), sglang.pivots(ids, keys[0])
    assert dual.score_T.mean() > 4
    assert 2 < single.score_T.mean() < 3.8
    by_a = mark(lambda c: vllm.uniforms(c, np.arange(64), vllm.dual_keys(5).a), 300, [-1] * 4)
    assert -np.log1p(-vllm.dual_pivots(by_a, 5).r_T).mean() > 4


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("num_words", [1, 3, 50])
@pytest.mark.parametrize("num_tok", [0, 1, 4, 5, 200])
def test_every_token_is_scored_or_counted_and_no_context_is_scored_twice(name, num_words, num_tok) -> None:
    ids = stream(2, "count", num_words).integers(0, num_words, num_tok).tolist()
    reading = READERS[name](ids, 77)
    counted = reading.num_short_context + reading.num_duplicate + reading.num_past_cap
    assert reading.num_scored + counted == reading.num_tok == num_tok
    assert reading.r_T.shape == reading.position_T.shape == reading.score_T.shape
    padding = [-1] * 4 if name.startswith("vllm") else []
    contexts = [tuple((padding + ids)[i : i + 4]) for i in range(len(padding + ids) - 4)]
    offset = 4 - len(padding)
    first = sorted(contexts.index(c) + offset for c in set(contexts))
    assert reading.position_T.tolist() == first


@pytest.mark.parametrize("ids", [[-1, 2], [1.5], [True, False], [[1, 2], [3, 4]], [2**32], [2**64 - 1], ["a"], 5])
def test_what_is_no_list_of_token_ids_is_refused(ids) -> None:
    for read in (lambda: vllm.pivots(ids, 1), lambda: sglang.pivots(ids, 1), lambda: vllm.dual_pivots(ids, 1)):
        with pytest.raises(DataError, match="ids"):
            read()
    with pytest.raises(DataError, match="prompt_tail"):
        sglang.pivots([1], 1, prompt_tail=ids)


@pytest.mark.parametrize("key", [-1, 2**64, 2.0, True, "2a"])
def test_a_key_that_is_no_64_bit_number_is_refused_without_being_shown(key) -> None:
    for read in (
        lambda: vllm.pivots([1], key),
        lambda: vllm.dual_pivots([1], key),
        lambda: sglang.pivots([1], key),
        lambda: sglang.dual_pivots([1], (3, key)),
    ):
        with pytest.raises(ConfigError, match="64 bits") as error:
            read()
        assert str(key) not in str(error.value).replace("0 <= key < 2**64", "")


def test_settings_out_of_range_are_refused() -> None:
    for alpha in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError, match="alpha"):
            vllm.dual_pivots([1], 1, alpha=alpha)
    for mixing in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigError, match="mixing"):
            sglang.dual_pivots([1, 2, 3, 4, 5], (1, 2), mixing=mixing)
    for read, width in ((vllm.pivots, 0), (vllm.pivots, -3), (sglang.pivots, 0), (sglang.pivots, 65)):
        with pytest.raises(ConfigError, match="context_tok"):
            read([1], 1, context_tok=width)
    with pytest.raises(ConfigError, match="max_contexts"):
        sglang.pivots([1], 1, max_contexts=0)


def test_hexadecimal_keys_are_read_as_the_engine_reads_them() -> None:
    assert [sglang.parse_key(t) for t in ("2a", "0x2A", "0X2a", "f" * 16)] == [42, 42, 42, 2**64 - 1]
    for text in ("", "0x", "+1", "1" * 17, "xyz", " 2a"):
        with pytest.raises(ConfigError, match="hexadecimal"):
            sglang.parse_key(text)


def test_the_two_keys_of_vllm_come_from_sha256() -> None:
    digest = hashlib.sha256(b"key_b" + bytes(7) + b"\x2a").digest()
    assert vllm.dual_keys(42).b == int.from_bytes(digest[:8], "big")


def test_a_reader_needs_numpy_only() -> None:
    script = (
        "import sys\n"
        "from reasonry.watermark.engines import sglang, vllm\n"
        "print({'torch', 'scipy', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
