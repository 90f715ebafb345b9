"""Unigram: one green list for all steps, so that it withstands edits better than a list from the context.

    green_v = upper 32 bits of token_words(seed of the key, v) < gamma 2^32,  fixed for the key
    marking and tests: `reasonry.watermark.baselines.green_lists`

Only the first occurrence of each token is scored: whether a token is green is decided once, so its second occurrence is
no second piece of evidence, and with repetitions the count of green tokens would not be binomial.

Zhao, Ananth, Li and Wang (arXiv 2306.17439). Different from their software: every token is green with probability gamma
by itself (there exactly gamma V tokens of a shuffled vocabulary), which makes the binomial exact.

The price of one list for all: who sees much marked text can tell which tokens are green.

Legend: T scored tokens, V vocabulary.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasonry.watermark.baselines.base import Floats, draw
from reasonry.watermark.baselines.green_lists import (
    Bools,
    GreenReading,
    biased,
    check_green_list,
    green_reading,
    is_green,
)
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, token_ids
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import token_words


class Unigram:
    """The scheme under a key.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        gamma: Share of green tokens.
        delta: Bonus on their logits, nats; decides nothing at detection.

    Attributes:
        green_V: The list, shape (V,).

    Raises:
        ConfigError: An argument is out of range.
    """

    is_distortion_free = False

    def __init__(self, key: SecretKey, *, vocab_size: int, gamma: float = 0.5, delta: float = 2.0) -> None:
        check_vocab_size(vocab_size)
        check_green_list(gamma, delta)
        self.name = text_form("unigram", Unigram, gamma=gamma, delta=delta)
        self.vocab_size = vocab_size
        self.gamma, self.delta = gamma, delta
        seed = np.frombuffer(key.derive("baselines unigram", 8), dtype="<u8").astype(np.uint64)
        self.green_V: Bools = is_green(token_words(seed, np.arange(vocab_size)), gamma)

    def start(self) -> UnigramMarker:
        """A marker for a new text."""
        return UnigramMarker(self)

    def read(self, ids: Ids) -> GreenReading:
        """Test a text.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        ids_T = token_ids(ids, self.vocab_size)
        first_N = np.sort(np.unique(ids_T, return_index=True)[1]).astype(np.int64)
        return green_reading(
            self.green_V[ids_T[first_N]],
            first_N,
            gamma=self.gamma,
            num_tok=len(ids_T),
            num_short_context=0,
            num_duplicate=len(ids_T) - len(first_N),
        )


class UnigramMarker:
    """Marks one text; keeps nothing."""

    def __init__(self, scheme: Unigram) -> None:
        self._scheme = scheme

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """Draw the next token; see `reasonry.watermark.baselines.base.Marker`."""
        return draw(biased(q_V, self._scheme.green_V, self._scheme.delta), rng.random())
