"""Keyed 64-bit words by index, for schemes whose key is a table or a sequence, and uniforms made of words.

    word(i) = mix64(mix64(i xor k1) + k2)      k1, k2: 16 bytes derived from the secret, one pair for each purpose
    u       = (floor(word / 2^12) + 1/2) / 2^52      strictly inside (0, 1), so that log(u) and log(1 - u) are finite

Integers only: every machine computes the same bits. Like ``mix64-v1``, of statistical and not of cryptographic quality.
"""

# pyright: strict
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.baselines.base import Floats
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import mix64
from reasonry.watermark.prf.mixing import U64


class KeyWords:
    """The words of one key for one purpose.

    Args:
        key: The secret.
        purpose: What they are for; other purposes give unrelated words.
    """

    __slots__ = ("_pair",)

    def __init__(self, key: SecretKey, purpose: str) -> None:
        self._pair = np.frombuffer(key.derive(purpose, 16), dtype="<u8").astype(np.uint64)

    def __repr__(self) -> str:
        return "<KeyWords>"

    def __reduce__(self) -> str:
        raise TypeError("keyed words hold a key: they are not serialised")

    def __call__(self, index_N: NDArray[np.integer[Any]]) -> U64:
        """The words at these indices, any shape."""
        before, after = self._pair
        x_N = mix64(index_N.astype(np.uint64) ^ before)
        x_N += after
        return mix64(x_N)


def open_uniforms(words_N: U64) -> Floats:
    """Numbers strictly between 0 and 1 from the upper 52 bits of each word."""
    return ((words_N >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
