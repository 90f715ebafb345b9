"""Marked and unmarked texts of the synthetic language model, by the million tokens.

Token of a text: a step out of a pool of them (`reasonry.watermark.synthetic_model`), then by its laws over bins

    marked      S = first bin with cumsum(P) > U;  V = S with probability min(1, Q[S] / P[S]), else V ~ (Q - P)_+
    sampled     V ~ Q, S ~ P, independent           a text that does not know the key
    greedy      V = bin of argmax q, S ~ P

The first is the maximal coupling: V ~ Q exactly, P(V = S) = 1 - TV(Q, P). A detector with another anchor P' (more
noise, or none at all: uniform) draws its keyed bin from P' with the same U, as it would from the same key.

The same laws under the other schemes, each token with fresh keyed numbers:

    gumbel      r of the chosen token; given that token v won it is U^q_v (Beta(1/q_v, 1)), so no other token is needed
    kgw         is the token green?  P = G e^delta / (1 - G + G e^delta), G the mass of a random list, rate gamma each
    synthid     the m bits of the winner of the tournament on all V tokens

RECONSTRUCTED, as is the model: no published experiment is this one.

Shapes: P steps of the pool, V tokens of the vocabulary, N bins, T tokens of a text, R texts side by side, M rounds; C
tokens of all texts, K of a chunk.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.synthetic_model import StepLaws

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Laws = NDArray[np.float32]
Ints = NDArray[np.int64]
Kind = Literal["marked", "sampled", "greedy"]

_CHUNK = 1 << 21  # numbers of gathered laws at a time
_CHUNK_BITS = 1 << 23  # bits of a tournament at a time


class Texts(NamedTuple):
    """What a detector sees of R texts, each of shape ``(T, R)``.

    Attributes:
        match_TR: Whether the text's bin is the keyed one.
        p_text_TR: The detector's P of the text's bin.
        p_keyed_TR: Its P of the keyed bin.
    """

    match_TR: Bools
    p_text_TR: Floats
    p_keyed_TR: Floats


def draw_texts(laws: StepLaws, kind: Kind, *, num_tok: int, num_texts: int, rng: np.random.Generator) -> Texts:
    """Draw texts and read them as the detector would.

    Args:
        laws: The pool; each token takes a step of it at random.
        kind: ``marked``, ``sampled`` or ``greedy``, see the head of this file.
        num_tok: T.
        num_texts: R.
        rng: Source of everything: the key's numbers and the ordinary ones.

    Raises:
        ConfigError: There is no such kind.
    """
    _check_kind(kind)
    match_C, (p_text_C, p_keyed_C) = np.empty(num_tok * num_texts, dtype=np.bool_), np.empty((2, num_tok * num_texts))
    for cut, step_K in _steps(laws, num_tok * num_texts, rng):
        p0_KN, u_K, row_K = laws.p0_PN[step_K], rng.random(len(step_K)), np.arange(len(step_K))
        keyed_K = inverse_cdf(p0_KN, u_K)
        if kind == "marked":
            text_K = _coupled(laws.q_PN[step_K], p0_KN, keyed_K, rng)
        elif kind == "sampled":
            text_K = inverse_cdf(laws.q_PN[step_K], rng.random(len(step_K)))
        else:
            text_K = laws.greedy_P[step_K]
        if laws.detector_PN is not laws.p0_PN:
            p0_KN = laws.detector_PN[step_K]
            keyed_K = inverse_cdf(p0_KN, u_K)
        match_C[cut] = text_K == keyed_K
        p_text_C[cut], p_keyed_C[cut] = p0_KN[row_K, text_K], p0_KN[row_K, keyed_K]
    shape = (num_tok, num_texts)
    return Texts(match_C.reshape(shape), p_text_C.reshape(shape), p_keyed_C.reshape(shape))


def _coupled(q_KN: Laws, p0_KN: Laws, keyed_K: Ints, rng: np.random.Generator) -> Ints:
    """Text bins that agree with the keyed ones as often as can be."""
    row_K = np.arange(len(keyed_K))
    is_other_K = rng.random(len(keyed_K)) * p0_KN[row_K, keyed_K] >= q_KN[row_K, keyed_K]
    excess_KN = np.maximum(q_KN[is_other_K] - p0_KN[is_other_K], 0)
    # Without any excess the two laws differ by rounding only.
    other_K = np.where(excess_KN.any(axis=1), inverse_cdf(excess_KN, rng.random(len(excess_KN))), keyed_K[is_other_K])
    text_K = keyed_K.copy()
    text_K[is_other_K] = other_K
    return text_K


def gumbel_pivots(
    token_laws: StepLaws, kind: Kind, *, num_tok: int, num_texts: int, rng: np.random.Generator
) -> Floats:
    """Keyed uniform numbers of the tokens under the Gumbel scheme.

    Args:
        token_laws: A pool without binning; its anchor is not used.
        kind: Text that does not know the key has uniform pivots, sampled or greedy.
        num_tok: T.
        num_texts: R.
        rng: Source of everything.

    Returns:
        Shape ``(T, R)``, in [0, 1].

    Raises:
        ConfigError: There is no such kind.
    """
    _check_kind(kind)
    r_C = rng.random(num_tok * num_texts)
    if kind == "marked":
        for cut, step_K in _steps(token_laws, len(r_C), rng):
            q_KV = token_laws.q_PN[step_K]
            token_K = inverse_cdf(q_KV, rng.random(len(step_K)))
            r_C[cut] **= q_KV[np.arange(len(step_K)), token_K]
    return r_C.reshape(num_tok, num_texts)


def green_tokens(
    token_laws: StepLaws,
    kind: Kind,
    *,
    num_tok: int,
    num_texts: int,
    rng: np.random.Generator,
    gamma: float = 0.5,
    delta: float = 2.0,
) -> Bools:
    """Which tokens are green under KGW; arguments as `gumbel_pivots`, and the share of green and their bonus in nats.

    Returns:
        Shape ``(T, R)``.

    Raises:
        ConfigError: There is no such kind.
    """
    _check_kind(kind)
    chance_C = np.full(num_tok * num_texts, gamma)
    if kind == "marked":
        for cut, step_K in _steps(token_laws, len(chance_C), rng):
            q_KV = token_laws.q_PN[step_K]
            mass_K = np.einsum("kv,kv->k", q_KV, rng.random(q_KV.shape, dtype=np.float32) < gamma)
            chance_C[cut] = mass_K / (mass_K + (1 - mass_K) * math.exp(-delta))
    return (rng.random(len(chance_C)) < chance_C).reshape(num_tok, num_texts)


def tournament_bits(
    token_laws: StepLaws,
    kind: Kind,
    *,
    num_tok: int,
    num_texts: int,
    rng: np.random.Generator,
    num_rounds: int = 30,
) -> Bools:
    """Keyed bits of the tokens under SynthID; arguments as `gumbel_pivots`, and the rounds M of the tournament.

    A marked token takes about V M multiplications.

    Returns:
        Shape ``(T, R, M)``.

    Raises:
        ConfigError: There is no such kind.
    """
    _check_kind(kind)
    if kind != "marked":
        return _fair_bits((num_tok, num_texts, num_rounds), rng)
    bits_CM = np.empty((num_tok * num_texts, num_rounds), dtype=np.bool_)
    num_rows = max(1, _CHUNK_BITS // (num_rounds * token_laws.num_bins))
    for cut, step_K in _steps(token_laws, len(bits_CM), rng, num_rows=num_rows):
        p_KV = token_laws.q_PN[step_K]
        g_MKV = _fair_bits((num_rounds, *p_KV.shape), rng)
        for g_KV in g_MKV:
            won_KV = g_KV * p_KV
            p_KV = p_KV * (1 - won_KV.sum(axis=1, keepdims=True)) + won_KV
        winner_K = inverse_cdf(p_KV, rng.random(len(step_K)))
        bits_CM[cut] = g_MKV[:, np.arange(len(step_K)), winner_K].T
    return bits_CM.reshape(num_tok, num_texts, num_rounds)


def inverse_cdf(law_KN: NDArray[Any], u_K: ArrayLike) -> Ints:
    """For each row the first index whose cumulated weight exceeds u times the total; never one of weight 0.

    A row without any weight gives its last index.
    """
    cumulated_KN = np.cumsum(law_KN, axis=1, dtype=np.float64)
    total_K = cumulated_KN[:, -1]
    aim_K = np.minimum(np.asarray(u_K, dtype=np.float64) * total_K, np.nextafter(total_K, 0))
    return (cumulated_KN[:, :-1] <= aim_K[:, None]).sum(axis=1)


def _steps(
    laws: StepLaws, num: int, rng: np.random.Generator, *, num_rows: int | None = None
) -> Iterator[tuple[slice[int, int, None], Ints]]:
    """Tokens in chunks: where they go, and the steps they take."""
    size = num_rows or max(1, _CHUNK // laws.num_bins)
    for start in range(0, num, size):
        cut = slice(start, min(num, start + size))
        yield cut, rng.integers(laws.num_steps, size=cut.stop - cut.start)


def _fair_bits(shape: tuple[int, ...], rng: np.random.Generator) -> Bools:
    num = math.prod(shape)
    packed = rng.integers(256, size=-(-num // 8), dtype=np.uint8)
    return np.unpackbits(packed, count=num).view(np.bool_).reshape(shape)


def _check_kind(kind: str) -> None:
    kinds = ("marked", "sampled", "greedy")
    if kind not in kinds:
        raise ConfigError(f"unknown kind of text {kind!r}", remedy=nearest(kind, kinds) or f"Use {', '.join(kinds)}.")
