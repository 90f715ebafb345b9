"""A synthetic language model with an anchor: marked and unmarked text by the million tokens, without a network.

Step of a text: independent of the others, V tokens,

    z = s N(0, 1)^V,  s ~ Uniform(low, high)       logits of the target
    q = softmax(z / T)                             what the text is drawn from
    a = z + 0.2 s nu N(0, 1)^V                     logits of the anchor: the target's, disturbed by nu
    p0 = softmax(a / T_a)
    bins: each token in one of n bins, independent and uniform; n = V: each token is its own bin
    P[b] = sum of p0 over bin b, then (1 - eta) P + eta / n with eta = 1e-4;  Q[b] = sum of q over bin b

Token of a text: a step out of a pool of them, then by its laws

    marked      S = first bin with cumsum(P) > U;  V = S with probability min(1, Q[S] / P[S]), else V ~ (Q - P)_+
    sampled     V ~ Q, S ~ P, independent           a text that does not know the key
    greedy      V = bin of argmax q, S ~ P

The first is the maximal coupling: V ~ Q exactly, P(V = S) = 1 - TV(Q, P). A detector with another anchor P' (more noise,
or none at all: uniform) draws its keyed bin from P' with the same U, as it would from the same key.

The same laws under the other schemes, each step with fresh keyed numbers:

    gumbel      r of the chosen token; given that token v won it is U^q_v (Beta(1/q_v, 1)), so no other token is needed
    kgw         is the token green?  P = G e^delta / (1 - G + G e^delta), G the mass of a random list, rate gamma each
    synthid     the m bits of the winner of the tournament on all V tokens

RECONSTRUCTED: the paper of the scheme (Huang et al. 2026, arXiv 2602.17608) measured Llama-2-7B-chat with Phi-3-mini as
the anchor and gives no such model. This generator is ours. Calibration "A" was chosen so that the absolute numbers of
tokens match theirs, 72 for their e-value and 84.5 for SEAL, with SEAL's released T_a = 2; "B" has an anchor that is
not flattened. Whatever holds in one of them holds at one operating point. Real text has steps that depend on each
other and contexts that repeat; here no step knows another.

Shapes: P steps of the pool, V tokens of the vocabulary, N bins, T tokens of a text, R texts side by side, M rounds.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Laws = NDArray[np.float32]
Ints = NDArray[np.int64]
Kind = Literal["marked", "sampled", "greedy"]

FLOOR = 1e-4
_NOISE_UNIT = 0.2  # an anchor's noise is counted in fifths of the scale of its logits
_BLOCK_STEPS = 512  # fixed: the pool depends on it
_CHUNK = 1 << 21  # numbers of gathered laws at a time
_CHUNK_BITS = 1 << 23  # bits of a tournament at a time


@dataclass(frozen=True)
class Anchor:
    """A law of the next token that both sides can compute.

    Attributes:
        temperature: T_a. Infinite: no model at all, every bin alike.
        noise: nu, its distance from the target.
        drift: More noise, of this anchor alone: for a detector whose anchor is not the generator's.
    """

    temperature: float
    noise: float = 0.0
    drift: float = 0.0


UNIFORM = Anchor(math.inf)


@dataclass(frozen=True)
class SyntheticModel:
    """Target and anchor.

    Attributes:
        scale: Lower and upper end of the scale s of the logits.
        anchor: The generator's anchor.
        temperature: T, of the target.
        vocab_size: V.
    """

    scale: tuple[float, float]
    anchor: Anchor
    temperature: float = 0.7
    vocab_size: int = 600

    def with_anchor(self, **changes: float) -> SyntheticModel:
        """The same target with another anchor; the arguments are those of `Anchor`."""
        return replace(self, anchor=replace(self.anchor, **changes))


CALIBRATIONS = {
    "A": SyntheticModel(scale=(4.2, 12.5), anchor=Anchor(2.0, noise=0.42)),
    "B": SyntheticModel(scale=(2.0, 8.0), anchor=Anchor(0.7, noise=0.9)),
}


def calibration(name: str) -> SyntheticModel:
    """``A`` or ``B``, see the head of this file.

    Raises:
        ConfigError: There is no such calibration.
    """
    if name not in CALIBRATIONS:
        raise ConfigError(
            f"unknown calibration {name!r}",
            remedy=nearest(name, CALIBRATIONS) or f"There are {', '.join(CALIBRATIONS)}.",
        )
    return CALIBRATIONS[name]


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


@dataclass(frozen=True)
class StepLaws:
    """A pool of steps, reduced to bins; rows sum to 1 to the accuracy of 32-bit floats.

    Attributes:
        q_PN: Q, the target's law of the bin.
        p0_PN: P, the generator's anchor's, not below eta / n.
        detector_PN: P', the detector's anchor's; the same array when it is the same anchor.
        greedy_P: Bin of the likeliest token.
        entropy_nats_P: Entropy of q over tokens.
        anchor_entropy_nats_P: Entropy of p0 over tokens, without floor.
    """

    q_PN: Laws
    p0_PN: Laws
    detector_PN: Laws
    greedy_P: Ints
    entropy_nats_P: Floats = field(repr=False)
    anchor_entropy_nats_P: Floats = field(repr=False)

    @property
    def num_steps(self) -> int:
        """P."""
        return len(self.q_PN)

    @property
    def num_bins(self) -> int:
        """N."""
        return self.q_PN.shape[1]

    @property
    def match_rate_P(self) -> Floats:
        """1 - TV(Q, P): how often text and key agree in a marked text, shape ``(P,)``."""
        return np.minimum(self.q_PN, self.p0_PN).sum(axis=1, dtype=np.float64)


def make_laws(
    model: SyntheticModel, *, num_bins: int, num_steps: int, seed: int, detector: Anchor | None = None
) -> StepLaws:
    """A pool of steps.

    Target, noise and bins come from streams of their own: models that differ in temperature or noise only are compared
    on the same steps. Memory is 8 bytes per step and bin (12 with a detector's anchor) and 20 MB.

    Args:
        model: Target and anchor.
        num_bins: n, from 2 to the size of the vocabulary; the latter is no binning.
        num_steps: P.
        seed: Seed of the pool.
        detector: The detector's anchor; the generator's when not given. Its noise is the generator's own where both have
            noise, and its drift is added to that.

    Raises:
        ConfigError: A number is out of range.
    """
    _check(model, detector, num_bins, num_steps)
    q_PN, p0_PN = np.empty((2, num_steps, num_bins), dtype=np.float32)
    seen_PN = p0_PN if detector is None or detector == model.anchor else np.empty_like(p0_PN)
    greedy_P = np.empty(num_steps, dtype=np.int64)
    entropy_P, anchor_entropy_P = np.empty((2, num_steps))
    for rows in _slices(num_steps, _BLOCK_STEPS):
        step = _Block(model, num_bins, seed, rows)
        q_BV, p0_BV = step.target(), step.anchor(model.anchor)
        q_PN[rows] = step.binned(q_BV)
        p0_PN[rows] = _floored(step.binned(p0_BV), model.anchor)
        if detector is not None and seen_PN is not p0_PN:
            seen_PN[rows] = _floored(step.binned(step.anchor(detector)), detector)
        greedy_P[rows] = step.bin_of(q_BV.argmax(axis=1))
        entropy_P[rows], anchor_entropy_P[rows] = _entropy(q_BV), _entropy(p0_BV)
    return StepLaws(q_PN, p0_PN, seen_PN, greedy_P, entropy_P, anchor_entropy_P)


class _Block:
    """Some steps at the level of tokens."""

    def __init__(self, model: SyntheticModel, num_bins: int, seed: int, rows: slice[int, int, None]) -> None:
        # A block is always drawn whole, so that a longer pool begins with the shorter one.
        self._shape = (_BLOCK_STEPS, model.vocab_size)
        self._seed, self._number, self._num = seed, rows.start // _BLOCK_STEPS, rows.stop - rows.start
        self._model, self._num_bins = model, num_bins
        scale_B1 = self._stream("scale").uniform(*model.scale, _BLOCK_STEPS)[: self._num, None].astype(np.float32)
        self._unit_B1 = np.float32(_NOISE_UNIT) * scale_B1
        self._z_BV = scale_B1 * self._normal("logits")
        self._bin_BV = None
        if num_bins < model.vocab_size:
            self._bin_BV = self._stream("bins").integers(num_bins, size=self._shape, dtype=np.int16)[: self._num]

    def target(self) -> Laws:
        return _softmax(self._z_BV / np.float32(self._model.temperature))

    def anchor(self, anchor: Anchor) -> Laws:
        if math.isinf(anchor.temperature):
            return np.full_like(self._z_BV, 1 / self._model.vocab_size)
        logits_BV = self._z_BV
        for size, name in ((anchor.noise, "noise"), (anchor.drift, "drift")):
            if size:
                logits_BV = logits_BV + np.float32(size) * self._unit_B1 * self._normal(name)
        return _softmax(logits_BV / np.float32(anchor.temperature))

    def binned(self, law_BV: Laws) -> Floats:
        if self._bin_BV is None:
            mass_BN = law_BV.astype(np.float64)
        else:
            n = self._num_bins
            cell_BV = self._bin_BV + n * np.arange(self._num)[:, None]
            mass_BN = np.bincount(cell_BV.ravel(), law_BV.ravel(), n * self._num).reshape(self._num, n)
        return mass_BN / mass_BN.sum(axis=1, keepdims=True)

    def bin_of(self, token_B: NDArray[np.int64]) -> Ints:
        if self._bin_BV is None:
            return token_B
        return self._bin_BV[np.arange(self._num), token_B].astype(np.int64)

    def _normal(self, name: str) -> Laws:
        return self._stream(name).standard_normal(self._shape, dtype=np.float32)[: self._num]

    def _stream(self, name: str) -> np.random.Generator:
        return seeds.stream(self._seed, "synthetic steps", name, self._number)


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
    aim_K = np.asarray(u_K, dtype=np.float64) * cumulated_KN[:, -1]
    return (cumulated_KN[:, :-1] <= aim_K[:, None]).sum(axis=1)


def _steps(
    laws: StepLaws, num: int, rng: np.random.Generator, *, num_rows: int | None = None
) -> Iterator[tuple[slice[int, int, None], Ints]]:
    """Tokens in chunks: where they go, and the steps they take."""
    for cut in _slices(num, num_rows or max(1, _CHUNK // laws.num_bins)):
        yield cut, rng.integers(laws.num_steps, size=cut.stop - cut.start)


def _slices(num: int, size: int) -> Iterator[slice[int, int, None]]:
    for start in range(0, num, size):
        yield slice(start, min(num, start + size))


def _fair_bits(shape: tuple[int, ...], rng: np.random.Generator) -> Bools:
    num = math.prod(shape)
    packed = rng.integers(256, size=-(-num // 8), dtype=np.uint8)
    return np.unpackbits(packed, count=num).view(np.bool_).reshape(shape)


def _softmax(logits_BV: Laws) -> Laws:
    weight_BV = np.exp(logits_BV - logits_BV.max(axis=1, keepdims=True))
    return weight_BV / weight_BV.sum(axis=1, keepdims=True)


def _entropy(law_BV: Laws) -> Floats:
    return -(law_BV * np.log(np.maximum(law_BV, np.float32(1e-30)))).sum(axis=1, dtype=np.float64)


def _floored(law_BN: Floats, anchor: Anchor) -> Floats:
    n = law_BN.shape[1]
    if math.isinf(anchor.temperature):
        return np.full_like(law_BN, 1 / n)
    return (1 - FLOOR) * law_BN + FLOOR / n


def _check_kind(kind: str) -> None:
    kinds = ("marked", "sampled", "greedy")
    if kind not in kinds:
        raise ConfigError(f"unknown kind of text {kind!r}", remedy=nearest(kind, kinds) or f"Use {', '.join(kinds)}.")


def _check(model: SyntheticModel, detector: Anchor | None, num_bins: int, num_steps: int) -> None:
    if not 2 <= num_bins <= model.vocab_size:
        raise ConfigError(f"{num_bins} bins for {model.vocab_size} tokens", remedy="Use 2 to one for each token.")
    if num_steps < 1:
        raise ConfigError(f"a pool of {num_steps} steps", remedy="Use at least 1.")
    if not 0 < model.scale[0] <= model.scale[1] < math.inf:
        raise ConfigError(f"scale={model.scale} is not a lower and an upper end above 0")
    for temperature in (model.temperature, *(a.temperature for a in (model.anchor, detector) if a)):
        if not temperature > 0:
            raise ConfigError(f"a temperature of {temperature}", remedy="Use a positive one.")
