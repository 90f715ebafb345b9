"""The anchor that needs no model: every symbol has probability 1/n.

The keyed symbol is floor(draw n / 2^64) in integers, so every symbol has probability 1/n to within 2^-64. From 32 bits
of the word the symbols of a large n would be off by n / 2^32 of their probability, and a long text adds that up. With
every token its own symbol n is the size of the vocabulary.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.anchors.base import Keyed
from reasonry.watermark.prf import Words, labels
from reasonry.watermark.prf.mixing import U64


class UniformAnchor:
    """All symbols alike.

    Args:
        vocab_size: Number of tokens; used when every token is its own symbol.
    """

    context_tok = 0

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def read(
        self, ids_T: NDArray[np.int64], position_S: NDArray[np.int64], words_K: Sequence[Words], num_bins: int
    ) -> Keyed:
        """Compare a text with the keyed symbols; see `Anchor.read`."""
        token_S = ids_T[position_S]
        match_SK = np.empty((len(position_S), len(words_K)), dtype=np.bool_)
        for k, words in enumerate(words_K):
            if num_bins:
                match_SK[:, k] = labels(words.label_N, token_S, num_bins) == keyed_symbol(words.draw_N, num_bins)
            else:
                match_SK[:, k] = token_S == keyed_symbol(words.draw_N, self.vocab_size)
        return Keyed(match_SK, 1.0 / (num_bins or self.vocab_size))


def keyed_symbol(draw_N: U64, num_symbols: int) -> NDArray[np.int64]:
    """floor(draw n / 2^64) for n below 2^32: the upper word of a product of 96 bits."""
    n, half = np.uint64(num_symbols), np.uint64(32)
    carry_N = ((draw_N & np.uint64(0xFFFFFFFF)) * n) >> half
    return (((draw_N >> half) * n + carry_N) >> half).view(np.int64)
