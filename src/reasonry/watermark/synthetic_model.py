"""A synthetic language model with an anchor: the laws of its steps, without a network.

Step of a text: independent of the others, V tokens,

    z = s N(0, 1)^V,  s ~ Uniform(low, high)       logits of the target
    q = softmax(z / T)                             what the text is drawn from
    a = z + 0.2 s nu N(0, 1)^V                     logits of the anchor: the target's, disturbed by nu
    p0 = softmax(a / T_a)
    bins: each token in one of n bins, independent and uniform; n = V: each token is its own bin
    P[b] = sum of p0 over bin b, then (1 - eta) P + eta / n with eta = 1e-4;  Q[b] = sum of q over bin b

`reasonry.watermark.simulate` draws texts from these laws.

RECONSTRUCTED: the paper of the scheme (Huang et al. 2026, arXiv 2602.17608) measured Llama-2-7B-chat with Phi-3-mini as
the anchor and gives no such model. This generator is ours. Calibration "A" was chosen so that the absolute numbers of
tokens come near theirs: 72 for their e-value and 84.5 for SEAL, here about 69 and 86, with SEAL's released T_a = 2. "B"
has an anchor that is not flattened. What holds in one of them holds at one operating point. Real text has steps that
depend on each other and contexts that repeat; here no step knows another.

Shapes: P steps of the pool, V tokens of the vocabulary, B steps of a block, N bins.
"""

# pyright: strict
from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest

Floats = NDArray[np.float64]
Laws = NDArray[np.float32]
Ints = NDArray[np.int64]

FLOOR = 1e-4
_NOISE_UNIT = 0.2  # an anchor's noise is counted in fifths of the scale of its logits
_BLOCK_STEPS = 512  # fixed: the pool depends on it


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
        detector: The detector's anchor; the generator's when not given. Both are disturbed by the same normal numbers,
            times their noise each; drift has numbers of its own.

    Raises:
        ConfigError: A number is out of range.
    """
    _check(model, detector, num_bins, num_steps)
    q_PN, p0_PN = np.empty((2, num_steps, num_bins), dtype=np.float32)
    seen_PN = p0_PN if detector is None or detector == model.anchor else np.empty_like(p0_PN)
    greedy_P = np.empty(num_steps, dtype=np.int64)
    entropy_P, anchor_entropy_P = np.empty((2, num_steps))
    for start in range(0, num_steps, _BLOCK_STEPS):
        rows = slice(start, min(num_steps, start + _BLOCK_STEPS))
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
        # Rows come out of each stream in order: a longer pool begins with the shorter one.
        num = rows.stop - rows.start
        self._shape, self._rows_B = (num, model.vocab_size), np.arange(num)
        self._model, self._num_bins = model, num_bins
        self._seed, self._number = seed, rows.start // _BLOCK_STEPS
        scale_B1 = self._stream("scale").uniform(*model.scale, (num, 1)).astype(np.float32)
        self._unit_B1 = np.float32(_NOISE_UNIT) * scale_B1
        self._z_BV = scale_B1 * self._normal("logits")
        self._bin_BV = None
        if num_bins < model.vocab_size:
            self._bin_BV = self._stream("bins").integers(num_bins, size=self._shape, dtype=np.int32)

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
            cell_BV = self._bin_BV + n * self._rows_B[:, None]
            mass_BN = np.bincount(cell_BV.ravel(), law_BV.ravel(), n * len(law_BV)).reshape(-1, n)
        return mass_BN / mass_BN.sum(axis=1, keepdims=True)

    def bin_of(self, token_B: NDArray[np.int64]) -> Ints:
        if self._bin_BV is None:
            return token_B
        return self._bin_BV[self._rows_B, token_B].astype(np.int64)

    def _normal(self, name: str) -> Laws:
        return self._stream(name).standard_normal(self._shape, dtype=np.float32)

    def _stream(self, name: str) -> np.random.Generator:
        return seeds.stream(self._seed, "synthetic steps", name, self._number)


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


def _check(model: SyntheticModel, detector: Anchor | None, num_bins: int, num_steps: int) -> None:
    if not 2 <= num_bins <= model.vocab_size:
        raise ConfigError(f"{num_bins} bins for {model.vocab_size} tokens", remedy="Use 2 to one for each token.")
    if num_steps < 1:
        raise ConfigError(f"a pool of {num_steps} steps", remedy="Use at least 1.")
    if not 0 < model.scale[0] <= model.scale[1] < math.inf:
        raise ConfigError(f"scale={model.scale} is not a lower and an upper end above 0")
    anchors = [a for a in (model.anchor, detector) if a]
    for temperature in (model.temperature, *(a.temperature for a in anchors)):
        if not temperature > 0:
            raise ConfigError(f"a temperature of {temperature}", remedy="Use a positive one.")
    for anchor in anchors:
        if not (0 <= anchor.noise < math.inf and 0 <= anchor.drift < math.inf):
            raise ConfigError(f"{anchor}: noise and drift are finite and not negative")
