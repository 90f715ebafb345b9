"""Green lists from the context (KGW): a keyed part gamma of the vocabulary gets a bonus delta on its logits.

    lefthash    seed = keyed word of the h tokens before
    selfhash    seed = min over the tokens a among the last h, the new token x included, of word(a, x)
                (anchored minhash: an edit of another token leaves x as it was unless that token gave the minimum)
    green       upper 32 bits of token_words(seed, x) < gamma 2^32
    marking and tests: `reasonry.watermark.baselines.green_lists`

A token is scored when its keyed word occurs for the first time. For lefthash that is the first occurrence of the pair
(context, token): the lists of one context are fixed, but different tokens are green independently. For selfhash it is
the first occurrence of a pair (a, x) that decided, which is stricter than counting every h-gram once.

Kirchenbauer et al. (arXiv 2301.10226; selfhash: arXiv 2306.04634). Different from the published
software: every token is green with probability gamma by itself, so that G is exactly binomial (there gamma V tokens of
a random permutation are); numbers are integer hashes (there seeded generators, which differ between devices); lefthash
hashes all h tokens (Hugging Face's seeds with the last one whatever h is); and under selfhash every token of the
vocabulary is tried (there the likeliest 40).

Legend: T scored tokens, V vocabulary, W tokens of a selfhash window.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.baselines.base import Floats, Ints, draw
from reasonry.watermark.baselines.green_lists import (
    U64,
    Bools,
    GreenReading,
    biased,
    check_green_list,
    green_reading,
    is_green,
)
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, context_before, token_ids
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of, make_prf, token_words

Seeding = Literal["lefthash", "selfhash"]
SEEDINGS = ("lefthash", "selfhash")


class KgwPreset(NamedTuple):
    """Settings of a published implementation.

    Attributes:
        gamma: Share of green tokens.
        delta: Bonus on their logits, nats.
        context_tok: Width h; under selfhash it counts the new token.
        seeding: What the seed is made of.
        z_threshold: Above this z score it reports a watermark; None where it goes by a p-value.
        source: Where the settings stand.
    """

    gamma: float
    delta: float
    context_tok: int
    seeding: Seeding
    z_threshold: float | None
    source: str


KGW_PRESETS: Mapping[str, KgwPreset] = {
    "huggingface": KgwPreset(0.25, 2.0, 1, "lefthash", 3.0, "transformers, WatermarkingConfig and WatermarkDetector"),
    "reference": KgwPreset(0.25, 2.0, 4, "selfhash", 4.0, "jwkirchenbauer/lm-watermarking, recommended settings"),
    "markllm": KgwPreset(0.5, 2.0, 1, "lefthash", 4.0, "THU-BPM/MarkLLM, config/KGW.json"),
    "markmywords": KgwPreset(0.5, 2.5, 1, "lefthash", None, "wagner-group/MarkMyWords; it sweeps the context width"),
}


class Kgw:
    """The scheme under a key.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        gamma: Share of green tokens.
        delta: Bonus on their logits, nats; decides nothing at detection.
        context_tok: Width h. Under selfhash it counts the new token.
        seeding: ``lefthash`` or ``selfhash``.
        prf: The keyed function.

    Raises:
        ConfigError: An argument is out of range or unknown.
    """

    is_distortion_free = False

    def __init__(
        self,
        key: SecretKey,
        *,
        vocab_size: int,
        gamma: float = 0.25,
        delta: float = 2.0,
        context_tok: int = 1,
        seeding: Seeding = "lefthash",
        prf: str = "mix64-v1",
    ) -> None:
        check_vocab_size(vocab_size)
        check_green_list(gamma, delta)
        if context_tok < 1:
            raise ConfigError(f"a context of {context_tok} tokens", remedy="Use at least 1.")
        if seeding not in SEEDINGS:
            raise ConfigError(f"unknown seeding={seeding!r}", remedy=nearest(seeding, SEEDINGS))
        self.name = text_form("kgw", Kgw, gamma=gamma, delta=delta, context_tok=context_tok, seeding=seeding, prf=prf)
        self.vocab_size = vocab_size
        self.gamma, self.delta = gamma, delta
        self.context_tok, self.seeding = context_tok, seeding
        self._prf = make_prf(prf, key)

    @property
    def history_tok(self) -> int:
        """Tokens that must stand before a token that is marked or scored."""
        return self.context_tok - (self.seeding == "selfhash")

    def start(self) -> KgwMarker:
        """A marker for a new text."""
        return KgwMarker(self)

    def green_list(self, history: Sequence[int]) -> Bools | None:
        """Which tokens are green after ``history``, shape (V,); None while it is too short."""
        if len(history) < self.history_tok:
            return None
        token_V = self._token_V
        if self.seeding == "lefthash":
            context = context_before(history, self.context_tok)
            assert context is not None
            seed_V = self._prf.words(context).draw_N
        else:
            seed_V = self._own_word_V
            before = np.array(history[len(history) - self.history_tok :], dtype=np.int64)
            for word in self._token_seeds(before):
                seed_V = np.minimum(seed_V, token_words(word, token_V))
        return is_green(token_words(seed_V, token_V), self.gamma)

    @cached_property
    def _token_V(self) -> Ints:
        return np.arange(self.vocab_size)

    @cached_property
    def _own_word_V(self) -> U64:
        """word(x, x) of every token."""
        return token_words(self._token_seeds(self._token_V), self._token_V)

    def _token_seeds(self, token_N: Ints) -> U64:
        """The keyed word of each token as a context of its own."""
        return self._prf.words(contexts_of(np.append(token_N, 0), 1)).draw_N

    def words(self, ids_T: Ints) -> U64:
        """The keyed words of all tokens that have enough before them, ``T - history_tok`` of them or none."""
        token_N = ids_T[self.history_tok :]
        if self.seeding == "lefthash":
            seed_N = self._prf.words(contexts_of(ids_T, self.context_tok)).draw_N
        elif len(token_N) == 0:
            return np.empty(0, np.uint64)
        else:
            window_NW = sliding_window_view(self._token_seeds(ids_T), self.context_tok)
            seed_N = token_words(window_NW, token_N[:, None]).min(axis=1)
        return token_words(seed_N, token_N)

    def read(self, ids: Ids) -> GreenReading:
        """Test a text.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        ids_T = token_ids(ids, self.vocab_size)
        word_N = self.words(ids_T)
        row_N = np.flatnonzero(SeenContexts().first_seen(word_N))
        return green_reading(
            is_green(word_N[row_N], self.gamma),
            row_N + self.history_tok,
            gamma=self.gamma,
            num_tok=len(ids_T),
            num_short_context=len(ids_T) - len(word_N),
            num_duplicate=len(word_N) - len(row_N),
        )


class KgwMarker:
    """Marks one text; keeps nothing, because a repeated context has the same list."""

    def __init__(self, scheme: Kgw) -> None:
        self._scheme = scheme

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """Draw the next token; see `reasonry.watermark.baselines.base.Marker`."""
        green_V = self._scheme.green_list(history)
        if green_V is not None:
            q_V = biased(q_V, green_V, self._scheme.delta)
        return draw(q_V, rng.random())


def make_kgw(
    key: SecretKey,
    *,
    vocab_size: int,
    preset: str = "huggingface",
    gamma: float | None = None,
    delta: float | None = None,
    context_tok: int | None = None,
    seeding: Seeding | None = None,
    prf: str = "mix64-v1",
) -> Kgw:
    """The scheme with the settings of a row of `KGW_PRESETS`, except for those that are given.

    Raises:
        ConfigError: Unknown preset, or an argument out of range.
    """
    row = KGW_PRESETS.get(preset)
    if row is None:
        remedy = nearest(preset, KGW_PRESETS) or f"There are {', '.join(KGW_PRESETS)}."
        raise ConfigError(f"unknown preset={preset!r} of kgw", remedy=remedy)
    return Kgw(
        key,
        vocab_size=vocab_size,
        gamma=row.gamma if gamma is None else gamma,
        delta=row.delta if delta is None else delta,
        context_tok=row.context_tok if context_tok is None else context_tok,
        seeding=row.seeding if seeding is None else seeding,
        prf=prf,
    )
