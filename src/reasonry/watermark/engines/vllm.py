"""Reads the Gumbel watermark of vLLM, single key and dual key, function ``philox4x32-10-v1``.

Philox4x32-10 (Salmon et al., SC 2011) maps four 32-bit counter words and two key words to four words. The context c
of h tokens is absorbed four at a time, then the token v picks one word of a last block:

    s <- (0x574D4358, h, 0, 0)
    s <- philox(s xor (c_i, c_i+1, c_i+2, c_i+3), key = (k_lo xor i, k_hi))               for i = 0, 4, 8, ...
    w =  philox((floor(v / 4), s_0, s_1, s_2), key = (k_lo xor s_3, k_hi xor 0x574D544B)) [v mod 4]
    u =  (floor(w / 2^8) + 1) / (2^24 + 1), rounded to float32

A block that the context does not fill has 0xFFFFFFFF - j in its place j. Contexts consist of output tokens only: before
the first one stand h times 0xFFFFFFFF. So neither prompt nor model is needed, and all tokens of an output are scored.

Dual key: key A and key B are the first 8 bytes (big-endian) of SHA-256("key_a" | key) and SHA-256("key_b" | key), the
key as 8 bytes, big-endian. Generation uses B with probability alpha; under speculative decoding drafts use A,
corrections B. The engine's detector adds up

    s = (1 - alpha) a + alpha b,      a = -log(1 - u_A),  b = -log(1 - u_B)

and takes the sum for a gamma variable with the right mean and variance. Here the law of s under the null hypothesis
is used exactly: with x = s (w - w') / (w w'), w = max(alpha, 1 - alpha), w' = 1 - w,

    P(S > s) = exp(-s / w) (1 + (s / w) (1 - exp(-x)) / x)          r = 1 - P(S > s), uniform

(two exponentials with unequal weights; alpha = 1/2 is the limit x = 0, alpha = 0 or 1 the limit x = infinity).

The mark of the first context (nothing but padding) depends on the first token alone, which many texts share: across a
corpus it is one number, not many. Sources: vLLM's documentation of text watermarking and its published test vectors.

Legend: T tokens of a text, C contexts, H tokens of a context, V tokens asked about, N scored tokens.
"""

# pyright: strict
from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError
from reasonry.watermark.engines.reading import (
    U64,
    FloatArray,
    Ids,
    PivotReading,
    Scored,
    check_context_tok,
    check_ids,
    check_key,
    first_contexts,
)

DEFAULT_CONTEXT_TOK = 4
DEFAULT_ALPHA = 0.1

_MASK = np.uint64(0xFFFFFFFF)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_NUM_ROUNDS = 10
_CONTEXT_DOMAIN = 0x574D4358
_TOKEN_DOMAIN = np.uint64(0x574D544B)
_HALF = np.uint64(32)
_BLOCK = 4


def philox4x32_10(counter: tuple[U64, U64, U64, U64], key: tuple[U64, U64]) -> tuple[U64, U64, U64, U64]:
    """Philox4x32-10 on arrays of any shapes that broadcast together.

    Args:
        counter: Four arrays of 32-bit words, held in 64 bits.
        key: Two such arrays.

    Returns:
        Four arrays of 32-bit words, held in 64 bits.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for round_ in range(_NUM_ROUNDS):
        if round_:
            k0, k1 = (k0 + _KEY_STEPS[0]) & _MASK, (k1 + _KEY_STEPS[1]) & _MASK
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2  # below 2^64: no carry is lost
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ k0,
            product1 & _MASK,
            (product0 >> _HALF) ^ c3 ^ k1,
            product0 & _MASK,
        )
    return c0, c1, c2, c3


def words(context_CH: ArrayLike, token: ArrayLike, key: int) -> U64:
    """The 32-bit words of contexts and tokens.

    Args:
        context_CH: Shape (C, H), token ids; -1 stands for nothing.
        token: Shape (V,) for all pairs, or (C, V) for every context's own tokens.
        key: 64 bits.

    Returns:
        Shape (C, V), in 64 bits.
    """
    context = _as_words(context_CH)
    width = context.shape[1]
    low, high = np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)
    zero = np.zeros(len(context), dtype=np.uint64)
    state = (zero + np.uint64(_CONTEXT_DOMAIN), zero + np.uint64(width), zero, zero)
    for offset in range(0, width, _BLOCK):
        block = [context[:, offset + j] if offset + j < width else _MASK - np.uint64(j) for j in range(_BLOCK)]
        mixed = (state[0] ^ block[0], state[1] ^ block[1], state[2] ^ block[2], state[3] ^ block[3])
        state = philox4x32_10(mixed, (zero + (low ^ np.uint64(offset)), zero + high))
    s0, s1, s2, s3 = (word[:, np.newaxis] for word in state)
    token_CV = _as_words(token)
    token_key = (low ^ s3, zero[:, np.newaxis] + (high ^ _TOKEN_DOMAIN))
    out = philox4x32_10((token_CV >> np.uint64(2), s0, s1, s2), token_key)
    return np.choose((token_CV & np.uint64(3)).astype(np.intp), out)


def uniforms(context_CH: ArrayLike, token: ArrayLike, key: int) -> FloatArray:
    """The pseudo-random numbers u of contexts and tokens, strictly between 0 and 1.

    Args:
        context_CH: See `words`.
        token: See `words`.
        key: See `words`.

    Returns:
        Shape (C, V).
    """
    mantissa = (words(context_CH, token, key) >> np.uint64(8)).astype(np.float64)
    # The engine compares and scores in single precision; so the numbers are those, bit for bit.
    return ((mantissa + 1) / (2**24 + 1)).astype(np.float32).astype(np.float64)


def pivots(ids: Ids, key: int, *, context_tok: int = DEFAULT_CONTEXT_TOK, from_start: bool = True) -> PivotReading:
    """Pivots of a text under one key (``algorithm: gumbel``).

    Args:
        ids: Shape (T,), the output's token ids, without the prompt.
        key: The engine's key, 64 bits.
        context_tok: The engine's ``context_width``.
        from_start: The text begins where the output began, so that the first tokens' contexts are known to be
            padding. If not, they are left out and counted as short. (To say yes wrongly loses nothing but a few
            tokens' evidence.)

    Raises:
        ConfigError: The key or the width is out of range.
        DataError: ``ids`` are not token ids.
    """
    scored = _scored(ids, context_tok, from_start)
    u_N = _of_pairs(scored, check_key(key))
    return _reading(ids, scored, u_N, -np.log1p(-u_N))


def dual_pivots(
    ids: Ids,
    key: int,
    *,
    alpha: float = DEFAULT_ALPHA,
    context_tok: int = DEFAULT_CONTEXT_TOK,
    from_start: bool = True,
) -> PivotReading:
    """Pivots of a text under the two keys derived from one (``algorithm: dual_key_gumbel``).

    Args:
        ids: Shape (T,), the output's token ids, without the prompt.
        key: The engine's key, 64 bits.
        alpha: Weight of key B's score; any value gives a valid test, the best is the share of tokens that key B
            chose. The engine's configuration has 0.1.
        context_tok: The engine's ``context_width``.
        from_start: See `pivots`.

    Raises:
        ConfigError: The key, ``alpha`` or the width is out of range.
        DataError: ``ids`` are not token ids.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ConfigError(f"alpha={alpha} is not between 0 and 1")
    scored = _scored(ids, context_tok, from_start)
    keys = dual_keys(key)
    score_a_N, score_b_N = (-np.log1p(-_of_pairs(scored, k)) for k in keys)
    score_N = (1 - alpha) * score_a_N + alpha * score_b_N
    return _reading(ids, scored, null_cdf(score_N, alpha), score_N)


class DualKeys(NamedTuple):
    """The two keys derived from one.

    Attributes:
        a: Used with probability 1 - alpha, and for drafts.
        b: Used with probability alpha, and for corrections of drafts.
    """

    a: int
    b: int


def dual_keys(key: int) -> DualKeys:
    """Keys A and B of a dual-key watermark.

    Raises:
        ConfigError: The key is out of range.
    """
    secret = check_key(key).to_bytes(8, "big")
    a, b = (int.from_bytes(hashlib.sha256(name + secret).digest()[:8], "big") for name in (b"key_a", b"key_b"))
    return DualKeys(a, b)


def null_cdf(score: ArrayLike, alpha: float) -> FloatArray:
    """P((1 - alpha) a + alpha b <= score) for independent standard exponentials a and b.

    Args:
        score: Any shape, at least 0.
        alpha: Weight of b, 0 to 1.

    Returns:
        Same shape, kept strictly between 0 and 1.
    """
    s = np.asarray(score, dtype=np.float64)
    large = max(alpha, 1 - alpha)
    small = 1 - large
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = s * (large - small) / (large * small)  # infinite where one key has all the weight
        shrink = np.where(x > 0, -np.expm1(-x) / x, 1.0)
    log_tail = -s / large + np.log1p(s / large * shrink)
    return np.clip(-np.expm1(log_tail), 2.0**-53, 1 - 2.0**-53)


def _as_words(ids: ArrayLike) -> U64:
    signed: NDArray[np.integer[Any]] = np.asarray(ids)
    return signed.astype(np.int64).astype(np.uint64) & _MASK  # -1 becomes 0xFFFFFFFF


def _scored(ids: Ids, context_tok: int, from_start: bool) -> Scored:
    width = check_context_tok(context_tok)
    padding = np.full(width if from_start else 0, _MASK, dtype=np.uint64)
    return first_contexts(padding, check_ids(ids), context_tok=width)


def _of_pairs(scored: Scored, key: int) -> FloatArray:
    return uniforms(scored.context_NH, scored.token_N[:, np.newaxis], key)[:, 0]


def _reading(ids: Ids, scored: Scored, r_N: FloatArray, score_N: FloatArray) -> PivotReading:
    return PivotReading(r_N, scored.position_N, score_N, len(ids), scored.num_short_context, scored.num_duplicate)
