"""Texts for tests of detection: numpy only, marked without any model.

A text follows one law over tokens at every step. Marking couples that law with the keyed symbol, exactly as a generator
does (`reasonry.watermark.e_values.coupled_law`), so the law of the text stays what it was.

Shapes: V tokens, n symbols, S positions, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core.seeds import stream
from reasonry.watermark.anchors import Keyed
from reasonry.watermark.anchors.uniform import keyed_symbol
from reasonry.watermark.baselines.base import draw
from reasonry.watermark.e_values import coupled_law
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Words, contexts_of_rows, labels, make_prf, uniforms
from reasonry.watermark.profile import Profile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def profile_of(vocab_size: int = 1000, **fields: Any) -> Profile:
    """A profile with a uniform anchor; contexts of 2 tokens, so that short texts have something to score."""
    return Profile(**{"tokenizer_hash": "0" * 32, "vocab_size": vocab_size, "context_tok": 2, **fields})


def key_of(*names: str | int) -> SecretKey:
    """A key of its own for each name."""
    return SecretKey(stream(0, "key", *names).bytes(32))


def random_text(num_tok: int, *names: str | int, vocab_size: int = 1000) -> Ints:
    """Uniform token ids, which know nothing of any key."""
    return stream(0, "text", *names).integers(0, vocab_size, num_tok)


def loop_text(period: int, num_tok: int, *names: str | int, vocab_size: int = 1000) -> Ints:
    """The same few random tokens again and again."""
    return np.resize(random_text(period, "loop", *names, vocab_size=vocab_size), num_tok)


def uniform_law(vocab_size: int) -> Floats:
    """The law with the highest entropy."""
    return np.full(vocab_size, 1 / vocab_size)


def zipf_law(vocab_size: int, exponent: float = 1.0) -> Floats:
    """q(v) proportional to (v + 1)^-exponent."""
    weight_V = (1.0 + np.arange(vocab_size)) ** -exponent
    return weight_V / weight_V.sum()


class NumpyAnchor:
    """An anchor that computes its law in numpy. The law of tokens is ``law_V`` at every step, unless overridden.

    Args:
        law_V: Law over tokens.
        floor: Share of the uniform law mixed into the law over symbols.
    """

    context_tok: int | None = 0

    def __init__(self, law_V: Floats, *, floor: float = 1e-4) -> None:
        self.law_V = law_V
        self.floor = floor

    def token_laws(self, ids_T: Ints, position_S: Ints) -> Floats:
        """Law of the token at each position, from what stands before it; shape (S, V)."""
        return np.broadcast_to(self.law_V, (len(position_S), len(self.law_V)))

    def symbol_laws(self, ids_T: Ints, position_S: Ints, words: Words, num_bins: int) -> Floats:
        """Law of the keyed symbol at each position, shape (S, n)."""
        law_SV = self.token_laws(ids_T, position_S)
        if num_bins:
            label_SV = labels(words.label_N[:, None], np.arange(law_SV.shape[1]), num_bins)
            law_SV = np.stack(
                [np.bincount(row, law, num_bins) for row, law in zip(label_SV, law_SV, strict=True)]
                or [np.empty((0, num_bins))]
            ).reshape(-1, num_bins)
        return (1 - self.floor) * law_SV + self.floor / law_SV.shape[1]

    def read(self, ids_T: Ints, position_S: Ints, words_K: Sequence[Words], num_bins: int) -> Keyed:
        """Compare a text with the keyed symbols."""
        match_KS, p_KS = [], []
        for words in words_K:
            law_SN = self.symbol_laws(ids_T, position_S, words, num_bins)
            token_S = ids_T[position_S]
            symbol_S = labels(words.label_N, token_S, num_bins).astype(np.int64) if num_bins else token_S
            match_KS.append(inverse_cdf(law_SN, uniforms(words.draw_N)) == symbol_S)
            p_KS.append(np.take_along_axis(law_SN, symbol_S[:, None], 1)[:, 0])
        return Keyed(np.stack(match_KS, 1), np.stack(p_KS, 1))


class WindowAnchor(NumpyAnchor):
    """An anchor whose law depends on each of the last ``context_tok`` tokens; None: on the whole text so far."""

    def __init__(self, vocab_size: int, *, context_tok: int | None) -> None:
        super().__init__(zipf_law(vocab_size))
        self.context_tok = context_tok

    def token_laws(self, ids_T: Ints, position_S: Ints) -> Floats:
        shift_S = []
        for i in position_S.tolist():
            window = ids_T[max(0, i - self.context_tok) if self.context_tok is not None else 0 : i]
            shift_S.append(int((window * np.arange(1, 2 * len(window), 2)).sum()) if len(window) else 0)
        return np.stack([np.roll(self.law_V, shift) for shift in shift_S])


def inverse_cdf(law_SN: Floats, u_S: Floats) -> Ints:
    """First symbol whose cumulative probability exceeds u."""
    return (np.cumsum(law_SN, 1) <= u_S[:, None]).sum(1).clip(max=law_SN.shape[1] - 1)


def marked_text(
    key: SecretKey,
    profile: Profile,
    law_V: Floats,
    num_tok: int,
    *,
    rng: np.random.Generator,
    anchor: NumpyAnchor | None = None,
    before: Sequence[int] = (),
) -> Ints:
    """``num_tok`` tokens of law ``law_V``, coupled with the key wherever the context is new.

    Args:
        key: The key.
        profile: How to mark; ``dedup="none"`` marks repeated contexts, too.
        law_V: Law of each token.
        num_tok: Length, without ``before``.
        rng: Ordinary randomness.
        anchor: Law of the keyed symbol; uniform when not given.
        before: A beginning that is not marked; part of the result.
    """
    h, n = profile.context_tok, profile.num_bins or profile.vocab_size
    prf, token_V = make_prf(profile.prf, key), np.arange(len(law_V))
    ids, seen = [int(i) for i in before], set[int]()
    for _ in range(num_tok):
        contexts = contexts_of_rows(np.array([ids[-h:]], dtype=np.int64)) if len(ids) >= h else None
        if contexts is None or (profile.dedup != "none" and int(contexts.hash_N[0]) in seen):
            ids.append(draw(law_V, rng.random()))
            continue
        seen.add(int(contexts.hash_N[0]))
        words = prf.words(contexts)
        symbol_V = labels(words.label_N, token_V, n).astype(np.int64) if profile.num_bins else token_V
        if anchor is None:
            law_N, keyed = uniform_law(n), int(keyed_symbol(words.draw_N, n)[0])
        else:
            law_1N = anchor.symbol_laws(np.array(ids, dtype=np.int64), np.array([len(ids)]), words, profile.num_bins)
            law_N, keyed = law_1N[0], int(inverse_cdf(law_1N, uniforms(words.draw_N))[0])
        ids.append(draw(coupled_law(law_V, symbol_V, law_N, keyed), rng.random()))
    return np.array(ids, dtype=np.int64)
