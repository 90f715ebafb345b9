"""Integer mixing in numpy: 64 bits for contexts and keyed words, 32 bits for the labels of whole vocabularies.

    mix64(x)           SplitMix64's finaliser (Steele, Lea and Flood 2014; constants of Stafford's "Mix13")
    context hash       c <- (c xor (x + 1)) * M, c <- c xor (c >> 32), over the h tokens, oldest first; unkeyed
    label(v; s1, s2)   x = v * C1 + s1; x ^= x >> 16; x *= C2; x ^= x >> 13; x += s2; x *= C3; x ^= x >> 16
                       (x mod 2^31) mod n                                     Murmur3's finaliser with a second seed

Legend: T tokens of a text, N contexts, H tokens of a context, n symbols. All arithmetic is modulo 2^64 or 2^32.
"""

# pyright: strict
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError

U64 = NDArray[np.uint64]
Ints = NDArray[np.integer[Any]]

_CONTEXT_START = np.uint64(0x243F6A8885A308D3)  # digits of pi: nothing up the sleeve
_CONTEXT_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_TOKEN_FACTOR = np.uint64(0xD1342543DE82EF95)
_STEP = 2.0**-53

C1, C2, C3 = 0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35
MASK31 = 0x7FFFFFFF


class Contexts(NamedTuple):
    """The contexts of a text: row i is what stands before token ``i + H``.

    Attributes:
        hash_N: Unkeyed 64-bit hash of each; equal hashes are taken for equal contexts.
        ids_NH: The tokens themselves, oldest first; a view.
    """

    hash_N: U64
    ids_NH: NDArray[np.int64]


def mix64(x_N: U64) -> U64:
    """A bijection of 64-bit words in which every input bit reaches every output bit."""
    out = x_N >> np.uint64(30)
    np.bitwise_xor(out, x_N, out=out)
    np.multiply(out, np.uint64(0xBF58476D1CE4E5B9), out=out)
    np.bitwise_xor(out, out >> np.uint64(27), out=out)
    np.multiply(out, np.uint64(0x94D049BB133111EB), out=out)
    np.bitwise_xor(out, out >> np.uint64(31), out=out)
    return out


def contexts_of(ids_T: Ints, context_tok: int) -> Contexts:
    """Contexts of every token that has ``context_tok`` tokens before it, ``T - H`` of them (none in a short text).

    Raises:
        ConfigError: ``context_tok`` is below 1.
    """
    if context_tok < 1:
        raise ConfigError(f"a context of {context_tok} tokens", remedy="Use at least 1.")
    ids = np.ascontiguousarray(ids_T, dtype=np.int64)
    num = max(0, len(ids) - context_tok)
    if num == 0:
        return Contexts(np.empty(0, np.uint64), np.empty((0, context_tok), np.int64))
    words = _words(ids)
    hash_N = _hash([words[lag : lag + num] for lag in range(context_tok)])
    # A sliding window; numpy's own function for it takes longer than all hashes of a short text.
    ids_NH: NDArray[np.int64] = np.ndarray((num, context_tok), np.int64, ids, strides=(ids.itemsize, ids.itemsize))
    ids_NH.flags.writeable = False
    return Contexts(hash_N, ids_NH)


def contexts_of_rows(ids_NH: Ints) -> Contexts:
    """The last H tokens of N texts as contexts."""
    ids = np.ascontiguousarray(ids_NH, dtype=np.int64)
    return Contexts(_hash(list(_words(ids).T)), ids)


def _words(ids: NDArray[np.int64]) -> U64:
    """Tokens as words of the hash, x + 1."""
    return ids.view(np.uint64) + np.uint64(1)


def _hash(columns: list[U64]) -> U64:
    hash_N = np.full(len(columns[0]), _CONTEXT_START)
    for column_N in columns:
        np.bitwise_xor(hash_N, column_N, out=hash_N)
        np.multiply(hash_N, _CONTEXT_FACTOR, out=hash_N)
        np.bitwise_xor(hash_N, hash_N >> np.uint64(32), out=hash_N)
    return hash_N


def uniforms(words_N: U64) -> NDArray[np.float64]:
    """Numbers in [0, 1) from the upper 53 bits of each word."""
    return (words_N >> np.uint64(11)).astype(np.float64) * _STEP


def token_words(seed_N: U64, token_N: Ints) -> U64:
    """A word for each pair of a seed and a token; the arguments broadcast."""
    return mix64(seed_N ^ ((token_N.astype(np.uint64) + np.uint64(1)) * _TOKEN_FACTOR))


def split_seed(label_N: U64) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The two 32-bit seeds in a label word: the lower and the upper half."""
    return label_N.astype(np.uint32), (label_N >> np.uint64(32)).astype(np.uint32)


def labels(label_N: U64, token_N: Ints, num_bins: int) -> NDArray[np.uint32]:
    """Symbol in ``0 .. num_bins - 1`` of tokens under label words; the arguments broadcast."""
    low_N, high_N = split_seed(label_N)
    x = token_N.astype(np.uint32) * np.uint32(C1) + low_N
    x ^= x >> np.uint32(16)
    x *= np.uint32(C2)
    x ^= x >> np.uint32(13)
    x += high_N
    x *= np.uint32(C3)
    x ^= x >> np.uint32(16)
    x &= np.uint32(MASK31)
    if num_bins & (num_bins - 1) == 0:  # a power of two: the same residue without a division
        return x & np.uint32(num_bins - 1)
    return x % np.uint32(num_bins)
