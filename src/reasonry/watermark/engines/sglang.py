"""Reads the Gumbel watermark of SGLang, single key and dual key, on 32-bit MurmurHash3 (Appleby 2011).

    M(w_1, ..., w_m)   murmur3_x86_32 of the m little-endian words, seed 0
    ctx = M(c_1, ..., c_h)             the context: the h tokens before, prompt included
    u   = (M(k_lo, k_hi, ctx, v) + 1/2) / 2^32
    score -log(1 - u)

Dual key: a coin that both sides can compute picks the key of a context,

    key A where M(a_lo, a_hi, b_lo, b_hi, ctx) < floor(P 2^32), otherwise key B     (P: the engine's mixing probability)

and only the picked key's u counts, so that the pivots are uniform as with one key.

The context of an output's first tokens ends in the prompt. Without the prompt's last h tokens they are left out and
counted as short. The engine marks at most 4096 distinct contexts of a request; later tokens are no evidence, and are
not scored. Positions that the engine sampled without the mark (greedy steps, steps behind its entropy gate) look like
the null hypothesis and dilute the evidence; they cannot be told from ids.

Source: SGLang's documentation of its detection protocol and its published known-answer vectors.

Legend: T tokens of a text, C contexts, H tokens of a context, V tokens asked about, N scored tokens.
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

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
DEFAULT_MIXING = 0.5
MAX_CONTEXTS = 4096
"""Distinct contexts of a request that the engine marks at most."""

_MAX_CONTEXT_TOK = 64
_MASK = np.uint64(0xFFFFFFFF)
_HEX_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})")


def parse_key(text: str) -> int:
    """A key as the engine's configuration writes it: 1 to 16 hexadecimal digits, with or without ``0x``.

    Raises:
        ConfigError: Something else. The message does not repeat the key.
    """
    found = _HEX_KEY.fullmatch(text)
    if found is None:
        raise ConfigError("the key is not a hexadecimal number", remedy="Write 1 to 16 digits of 0-9 and a-f.")
    return int(found[1], 16)


def murmur3_32(words: Sequence[ArrayLike], *, seed: int = 0) -> U64:
    """murmur3_x86_32 of the bytes of 32-bit little-endian words.

    Args:
        words: One entry per word, scalars or arrays of any shapes that broadcast together.
        seed: 32 bits.

    Returns:
        32-bit hashes, held in 64 bits.
    """
    state = np.asarray(seed, dtype=np.uint64)
    for word in words:
        value = np.asarray(word, dtype=np.uint64)
        value = _rotate((value * np.uint64(0xCC9E2D51)) & _MASK, 15)
        state = state ^ ((value * np.uint64(0x1B873593)) & _MASK)
        state = (_rotate(state, 13) * np.uint64(5) + np.uint64(0xE6546B64)) & _MASK
    state = state ^ np.uint64(4 * len(words))
    state = ((state ^ (state >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & _MASK
    state = ((state ^ (state >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & _MASK
    return state ^ (state >> np.uint64(16))


def context_hash(context_CH: ArrayLike) -> U64:
    """Hashes of contexts.

    Args:
        context_CH: Shape (C, H), token ids, oldest first.

    Returns:
        Shape (C,).
    """
    context = _as_words(context_CH)
    return murmur3_32([context[:, j] for j in range(context.shape[1])])


def uniforms(context_CH: ArrayLike, token: ArrayLike, key: int) -> FloatArray:
    """The pseudo-random numbers u of contexts and tokens, strictly between 0 and 1.

    Args:
        context_CH: Shape (C, H), token ids.
        token: Shape (V,) for all pairs, or (C, V) for every context's own tokens.
        key: 64 bits.

    Returns:
        Shape (C, V).
    """
    hash_C1 = context_hash(context_CH)[:, np.newaxis]
    return (murmur3_32([*_key_words(key), hash_C1, _as_words(token)]).astype(np.float64) + 0.5) / 2**32


def picks_key_a(context_CH: ArrayLike, keys: tuple[int, int], *, mixing: float = DEFAULT_MIXING) -> NDArray[np.bool_]:
    """Whether the coin of a context shows key A.

    Args:
        context_CH: Shape (C, H), token ids.
        keys: Keys A and B.
        mixing: P, strictly between 0 and 1.

    Returns:
        Shape (C,).

    Raises:
        ConfigError: ``mixing`` is out of range.
    """
    if not 0.0 < mixing < 1.0:
        raise ConfigError(f"mixing={mixing} is not strictly between 0 and 1")
    coin_C = murmur3_32([*_key_words(keys[0]), *_key_words(keys[1]), context_hash(context_CH)])
    return coin_C < np.uint64(int(mixing * 2**32))


def pivots(
    ids: Ids,
    key: int,
    *,
    context_tok: int = DEFAULT_CONTEXT_TOK,
    prompt_tail: Ids | None = None,
    max_contexts: int | None = MAX_CONTEXTS,
) -> PivotReading:
    """Pivots of a text under one key.

    Args:
        ids: Shape (T,), the output's token ids, without the prompt.
        key: The engine's key, 64 bits; for a hexadecimal string see `parse_key`.
        context_tok: The engine's ``context_window``, at most 64.
        prompt_tail: The last tokens of the prompt. Fewer than ``context_tok`` are taken for a whole prompt, and the
            first contexts for as short as the engine's were. None or nothing: not known.
        max_contexts: Distinct contexts that are scored at most; None for all, for a text that is known to join several
            outputs.

    Raises:
        ConfigError: The key, the width or the number of contexts is out of range.
        DataError: ``ids`` or ``prompt_tail`` are not token ids.
    """
    check_key(key)
    return _read(ids, (key, key), None, context_tok, prompt_tail, max_contexts)


def dual_pivots(
    ids: Ids,
    keys: tuple[int, int],
    *,
    mixing: float = DEFAULT_MIXING,
    context_tok: int = DEFAULT_CONTEXT_TOK,
    prompt_tail: Ids | None = None,
    max_contexts: int | None = MAX_CONTEXTS,
) -> PivotReading:
    """Pivots of a text under two keys.

    Args:
        ids: Shape (T,), the output's token ids, without the prompt.
        keys: The engine's ``key`` and ``key_b``.
        mixing: The engine's ``mixing_probability``: the share of contexts that key A marks.
        context_tok: See `pivots`.
        prompt_tail: See `pivots`.
        max_contexts: See `pivots`.

    Raises:
        ConfigError: A key, ``mixing``, the width or the number of contexts is out of range.
        DataError: ``ids`` or ``prompt_tail`` are not token ids.
    """
    check_key(keys[0], what="key A")
    check_key(keys[1], what="key B")
    return _read(ids, keys, mixing, context_tok, prompt_tail, max_contexts)


def _read(
    ids: Ids,
    keys: tuple[int, int],
    mixing: float | None,
    context_tok: int,
    prompt_tail: Ids | None,
    max_contexts: int | None,
) -> PivotReading:
    width = check_context_tok(context_tok, most=_MAX_CONTEXT_TOK)
    if max_contexts is not None and max_contexts < 1:
        raise ConfigError(f"max_contexts={max_contexts} scores nothing", remedy="Use None for no limit.")
    id_T = check_ids(ids)
    tail = check_ids(() if prompt_tail is None else prompt_tail, what="prompt_tail")[-width:]
    groups: list[Scored] = []
    if 0 < len(tail) < width:
        # Contexts of a prompt shorter than the window grow by one token each; no two of them are equal.
        num_growing = min(width - len(tail), len(id_T))
        stream = np.concatenate([tail, id_T])
        for i in range(num_growing):
            context = stream[np.newaxis, : len(tail) + i]
            groups.append(Scored(context, id_T[i : i + 1], np.array([i], dtype=np.int64), 0, 0))
    num_growing = len(groups)
    whole = first_contexts(tail, id_T, context_tok=width)
    groups.append(whole._replace(num_short_context=whole.num_short_context - num_growing))
    r_T = np.concatenate([_of_pairs(group, keys, mixing) for group in groups])
    position_T = np.concatenate([group.position_N for group in groups])
    return _capped(r_T, position_T, len(id_T), groups[-1], max_contexts)


def _capped(
    r_T: FloatArray, position_T: NDArray[np.int64], num_tok: int, whole: Scored, cap: int | None
) -> PivotReading:
    num_duplicate, num_past_cap = whole.num_duplicate, 0
    if cap is not None and len(r_T) > cap:
        # The engine stops at the token that used the last context up: nothing after it is looked at.
        end = int(position_T[cap - 1]) + 1
        r_T, position_T = r_T[:cap], position_T[:cap]
        num_past_cap = num_tok - end
        num_duplicate = end - cap - whole.num_short_context
    return PivotReading(r_T, position_T, -np.log1p(-r_T), num_tok, whole.num_short_context, num_duplicate, num_past_cap)


def _of_pairs(scored: Scored, keys: tuple[int, int], mixing: float | None) -> FloatArray:
    token_N1 = scored.token_N[:, np.newaxis]
    u_a_N = uniforms(scored.context_NH, token_N1, keys[0])[:, 0]
    if mixing is None:
        return u_a_N
    u_b_N = uniforms(scored.context_NH, token_N1, keys[1])[:, 0]
    return np.where(picks_key_a(scored.context_NH, keys, mixing=mixing), u_a_N, u_b_N)


def _key_words(key: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)


def _rotate(word: U64, num_bits: int) -> U64:
    return ((word << np.uint64(num_bits)) | (word >> np.uint64(32 - num_bits))) & _MASK


def _as_words(ids: ArrayLike) -> U64:
    signed: NDArray[np.integer[Any]] = np.asarray(ids)
    return signed.astype(np.uint64) & _MASK
