"""Power of bets on a match: growth of log-wealth per token, exactly, from the laws of the bins.

Q is the target's law of the text's bin V, P the anchor's of the keyed bin S, and V and S are coupled maximally:

    joint law     P(V = S = v) = min(Q, P)(v);   else w(v, s) = (Q - P)_+(v) (P - Q)_+(s) / TV
    growth        sum_v min(Q, P)(v) log e(match | P(v)) + (Q - P)_+(v) log e(mismatch | P(v))           of a bet
    best growth   sum_v Q(v) KL( Bernoulli(min(1, P(v) / Q(v))) || Bernoulli(P(v)) )
    information   I(V; S) = sum_v,s w(v, s) log( w(v, s) / (Q(v) P(s)) )

The best growth is that of the bet pi(v) = P(S = v | V = v), which knows Q: no bet on the match of v and s has more. The
information is the same with the whole keyed bin for evidence, e(v, s) = P(S = s | V = v) / P(s), and so the limit of
every detector that reads one token at a time. With two bins a mismatch says which bin was keyed: they agree.

Tokens are log(1/alpha) / growth, the limit of the mean for small alpha. A mixture grows like its best bet and pays up
to log G once (`reasonry.watermark.e_process`); at alpha = 0.02 that is not small. An oracle for a whole text takes the
mean over its steps: it knows the law of each, where one bet has to do for all.

The growth of the paper's e-value is in arXiv 2602.17608 (`reasonry.watermark.e_values.log_growth`); for two bins it is
that of the bet "paper". The others are ours. Degenerate cases: a bin with Q = 0 adds nothing; P must be positive where
Q is.

Shapes: N bins, G bets, P steps; laws may have any shape ``(..., N)`` in front of the bins.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import DataError
from reasonry.watermark.bets import Bets
from reasonry.watermark.combine import check_alpha
from reasonry.watermark.synthetic_model import SyntheticModel, make_laws

FloatArray = NDArray[np.float64]

_SUM_SLACK = 1e-5
_CHUNK = 1 << 20  # probabilities at a time; each has a number per bet and outcome


class _Parts(NamedTuple):
    """Of two laws, all of shape ``(..., N)``: themselves, what they share, and what each has more than the other."""

    q: FloatArray
    p0: FloatArray
    shared: FloatArray
    surplus: FloatArray
    deficit: FloatArray


def growth(q_N: ArrayLike, p0_N: ArrayLike, bets: Bets) -> FloatArray:
    """Expected log-increment of each bet at a marked token.

    Args:
        q_N: The target's law of the bin, shape ``(..., N)``.
        p0_N: The anchor's, the same shape, positive where ``q_N`` is.
        bets: G bets.

    Returns:
        Shape ``(..., G)``, nats per token; negative for a bet that loses.

    Raises:
        DataError: They are not laws over the same bins.
    """
    laws = _parts(q_N, p0_N)
    # Where no text is, nothing is won or lost; a match at p = 1 is worth nothing for any bet.
    won_G, lost_G = bets.log_increments(np.where(laws.q > 0, laws.p0, 1.0))
    return np.einsum("...n,...ng->...g", laws.shared, won_G) + np.einsum("...n,...ng->...g", laws.surplus, lost_G)


def mean_growth(q_PN: NDArray[Any], p0_PN: NDArray[Any], bets: Bets) -> FloatArray:
    """`growth` averaged over the steps of a pool, shape ``(G,)``; memory for some of them at a time.

    Raises:
        DataError: As for `growth`.
    """
    num_rows = max(1, _CHUNK // q_PN.shape[1])
    total_G = np.zeros(len(bets))
    for start in range(0, len(q_PN), num_rows):
        rows = slice(start, start + num_rows)
        total_G += growth(q_PN[rows], p0_PN[rows], bets).sum(axis=0)
    return total_G / len(q_PN)


def best_growth(q_N: ArrayLike, p0_N: ArrayLike) -> FloatArray:
    """Growth of the best bet on a match, which knows ``q_N``; shape ``(...)``, nats per token.

    Raises:
        DataError: As for `growth`.
    """
    laws = _parts(q_N, p0_N)
    # Bernoulli(m) against Bernoulli(p), weighted by q, with q m = shared and q (1 - m) = surplus.
    return _divergence(laws.shared, laws.q * laws.p0) + _divergence(laws.surplus, laws.q * (1 - laws.p0))


def coupling_information(q_N: ArrayLike, p0_N: ArrayLike) -> FloatArray:
    """Mutual information of text bin and keyed bin under the maximal coupling; shape ``(...)``, nats per token.

    Raises:
        DataError: As for `growth`.
    """
    laws = _parts(q_N, p0_N)
    # w off the diagonal is a product, so its logarithm is a sum.
    apart = laws.surplus.sum(axis=-1)
    return (
        _divergence(laws.shared, laws.q * laws.p0)
        + _divergence(laws.surplus, laws.q)
        + _divergence(laws.deficit, laws.p0)
        - _divergence(apart[..., None], np.ones_like(apart)[..., None])
    )


class PowerPoint(NamedTuple):
    """Power on text of one temperature.

    Attributes:
        temperature: Of the target.
        num_bins: n.
        entropy_nats: Of the target's law over tokens, mean over steps.
        anchor_entropy_nats: Of the anchor's.
        match_rate: How often text and key agree, mean over steps.
        bet: Name of the bet that grows most.
        growth_nats: Its growth per token, which is the mixture's.
        tok: log(1/alpha) / growth; infinite when nothing grows.
        best_growth_nats: Of the bet that knows the target's law.
        best_tok: The same for it.
        information_nats: Limit of all detectors that read one token at a time.
    """

    temperature: float
    num_bins: int
    entropy_nats: float
    anchor_entropy_nats: float
    match_rate: float
    bet: str
    growth_nats: float
    tok: float
    best_growth_nats: float
    best_tok: float
    information_nats: float


def temperature_sweep(
    model: SyntheticModel,
    temperatures: Sequence[float],
    bets: Bets,
    *,
    num_bins: int,
    seed: int,
    anchor_follows: bool = True,
    num_steps: int = 4096,
    alpha: float = 0.02,
) -> list[PowerPoint]:
    """Power against entropy: the same steps of the synthetic model at several temperatures.

    Args:
        model: Target and anchor; its temperature is replaced.
        temperatures: Of the target.
        bets: G bets; the one with the largest growth counts.
        num_bins: n.
        seed: Of the pool of steps.
        anchor_follows: Whether the anchor has the target's temperature, or keeps its own.
        num_steps: P.
        alpha: False-alarm probability.

    Returns:
        One point per temperature, in their order.

    Raises:
        ConfigError: A number is out of range.
    """
    check_alpha(alpha)
    points: list[PowerPoint] = []
    for temperature in temperatures:
        at = replace(model, temperature=temperature)
        if anchor_follows and not math.isinf(model.anchor.temperature):
            at = at.with_anchor(temperature=temperature)
        laws = make_laws(at, num_bins=num_bins, num_steps=num_steps, seed=seed)
        growth_G = mean_growth(laws.q_PN, laws.p0_PN, bets)
        best = float(best_growth(laws.q_PN, laws.p0_PN).mean())
        top = int(growth_G.argmax())
        points.append(
            PowerPoint(
                temperature,
                num_bins,
                float(laws.entropy_nats_P.mean()),
                float(laws.anchor_entropy_nats_P.mean()),
                float(laws.match_rate_P.mean()),
                bets.names[top],
                float(growth_G[top]),
                _tokens(float(growth_G[top]), alpha),
                best,
                _tokens(best, alpha),
                float(coupling_information(laws.q_PN, laws.p0_PN).mean()),
            )
        )
    return points


def _tokens(growth_nats: float, alpha: float) -> float:
    return -math.log(alpha) / growth_nats if growth_nats > 0 else math.inf


def _divergence(weight_N: FloatArray, reference_N: FloatArray) -> FloatArray:
    """Sum of w log(w / r) over the last axis, 0 where w is."""
    is_there = weight_N > 0
    ratio = np.divide(weight_N, reference_N, out=np.ones_like(weight_N), where=is_there)
    return (weight_N * np.log(ratio)).sum(axis=-1)


def _parts(q_N: ArrayLike, p0_N: ArrayLike) -> _Parts:
    q, p0 = np.asarray(q_N, dtype=np.float64), np.asarray(p0_N, dtype=np.float64)
    if q.shape != p0.shape or not q.ndim:
        raise DataError(f"q_N has shape {q.shape} and p0_N {p0.shape}", remedy="Give laws over the same bins.")
    for name, law in (("q_N", q), ("p0_N", p0)):
        if not (law >= 0).all() or not (np.abs(law.sum(axis=-1) - 1) <= _SUM_SLACK).all():
            raise DataError(f"{name} holds what is no probability law")
    if ((p0 == 0) & (q > 0)).any():
        raise DataError("p0_N is 0 where q_N is not", remedy="Put a floor under the anchor's law.")
    q, p0 = q / q.sum(axis=-1, keepdims=True), p0 / p0.sum(axis=-1, keepdims=True)
    return _Parts(q, p0, np.minimum(q, p0), np.maximum(q - p0, 0), np.maximum(p0 - q, 0))
