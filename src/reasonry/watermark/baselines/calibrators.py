"""E-processes from pivots that are uniform without the mark and large with it, by betting on their density.

r_t is uniform on [0, 1) given the past when the text knows nothing of the key, so P_t = 1 - r_t is a p-value. For every
decreasing density f on [0, 1] the number f(P) has mean 1: a calibrator. If f_t depends on r_1 .. r_{t-1} only, then

    E_t = prod_{s <= t} f_s(1 - r_s)         is a martingale with mean 1: P(ever E_t >= 1/alpha) <= alpha

The calibrators here are the densities of the Gumbel scheme: a token of probability 1/kappa has r with density
kappa r^(kappa-1). `KAPPAS` spans tokens of probability 1 to 1/60.

    mixture     mean over kappa of prod_s kappa r_s^(kappa-1): each kappa keeps its own wealth, regret at most log 10
    per-step    prod_s mean over kappa of kappa r_s^(kappa-1): one fixed calibrator. Text of low entropy starves it
    adaptive    prod_s sum_k w_{s,k} kappa_k r_s^(kappa_k-1), weights learned from the past:
                    w_{t+1} = (A prior + sum_{s<=t} h_s) / (A + t)
                    h_{s,k} = w_{s,k} kappa_k r_s^(kappa_k-1) / (its sum over k)
    grenander   f_t = (C + (t-1) g_{t-1}) / (C + t-1), g the Grenander (1956) estimate from the past P: slopes of the
                least concave majorant of their empirical distribution function, the likeliest decreasing density
    averaged    the mean of the wealth of adaptive and grenander

Products of predictable calibrators, weights learned from the past, the online Grenander calibrator and the average of
the last two, which they recommend, are from Su, Wang and Zhao, "Online LLM watermark detection via e-processes" (arXiv
2602.14286). Reconstructed here, because their text was not at hand: the family over kappa; how weights are learned,
which is one step of expectation-maximisation a token towards the weights that would have won the most, from a prior
that puts half on the constant calibrator (kappa = 1); the mixing of the Grenander estimate with the uniform density,
without which one token beyond the largest P so far ends the process; and its refreshing after each of the first 16
tokens, then whenever the past has grown by an eighth. ``mixture`` is the usual mixture over a grid.

Shapes: T scored tokens, R texts side by side; all functions take ``(T,)`` or ``(T, R)``. Nothing here needs the pivots
to be Gumbel's: vLLM's and SGLang's, or those of a binary scheme, serve as well.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownVariableType=false
from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import DataError

FloatArray = NDArray[np.float64]

KAPPAS = np.array([1.0, 1.3, 1.7, 2.2, 3.0, 4.5, 7.0, 12.0, 25.0, 60.0])
"""Exponents of the calibrators; 1 is the constant one."""

_LOG_KAPPAS = np.log(KAPPAS)
_PRIOR = np.array([0.5, *[0.5 / (len(KAPPAS) - 1)] * (len(KAPPAS) - 1)])
_PRIOR_TOK = 4.0  # A: tokens that the prior over kappa is worth
_UNIFORM_TOK = 10.0  # C: tokens that the uniform density is worth
_REFRESH = 8
_LOWEST, _HIGHEST = 2.0**-54, 1 - 2.0**-53


def checked_pivots(r_T: ArrayLike) -> FloatArray:
    """Pivots as float64, within the open interval: 0 counts as 2^-54, and 1 (from 32-bit floats) as 1 - 2^-53.

    Raises:
        DataError: Not of shape (T,) or (T, R), or outside [0, 1].
    """
    r = np.asarray(r_T, dtype=np.float64)
    if r.ndim not in (1, 2):
        raise DataError(f"pivots of shape {r.shape}", remedy="Give (T,), or (T, R) with tokens first.")
    outside = ~((r >= 0) & (r <= 1))  # NaN is outside, too
    if outside.any():
        raise DataError(f"pivot {r[outside][0]} is outside [0, 1]", remedy="A pivot is a uniform number, not a score.")
    return np.clip(r, _LOWEST, _HIGHEST)


def mixture_log_e_path(r_T: ArrayLike) -> FloatArray:
    """The average over kappa of whole products; same shape, nats."""
    r = checked_pivots(r_T)
    sum_log_r = np.cumsum(np.log(r), axis=0)
    t = np.arange(1, len(r) + 1, dtype=np.float64).reshape(-1, *[1] * (r.ndim - 1))
    total = np.zeros_like(r)  # kappa = 1: no bet
    for kappa, log_kappa in zip(KAPPAS[1:], _LOG_KAPPAS[1:], strict=True):
        np.logaddexp(total, t * log_kappa + (kappa - 1) * sum_log_r, out=total)
    return total - np.log(len(KAPPAS))


def per_step_log_e_path(r_T: ArrayLike) -> FloatArray:
    """The product of one fixed calibrator, the average over kappa at each token; same shape, nats."""
    r = checked_pivots(r_T)
    log_r, density = np.log(r), np.zeros_like(r)
    for kappa, log_kappa in zip(KAPPAS, _LOG_KAPPAS, strict=True):
        density += np.exp(log_kappa + (kappa - 1) * log_r)
    return np.cumsum(np.log(density / len(KAPPAS)), axis=0)


def adaptive_log_e_path(r_T: ArrayLike) -> FloatArray:
    """The product of calibrators whose weights over kappa are learned from the tokens before; same shape, nats."""
    r = checked_pivots(r_T)
    log_r_TR = np.log(r if r.ndim == 2 else r[:, None])
    gain_TR = np.empty_like(log_r_TR)
    weight_RK = np.tile(_PRIOR_TOK * _PRIOR, (log_r_TR.shape[1], 1))  # not normalised: they add up to A + t
    for t, log_r_R in enumerate(log_r_TR):
        share_RK = np.exp(np.multiply.outer(log_r_R, KAPPAS - 1) + _LOG_KAPPAS)
        share_RK *= weight_RK
        total_R = share_RK.sum(axis=1)
        gain_TR[t] = total_R / (_PRIOR_TOK + t)
        weight_RK += share_RK / total_R[:, None]
    return np.cumsum(np.log(gain_TR), axis=0).reshape(r.shape)


def grenander_log_e_path(r_T: ArrayLike) -> FloatArray:
    """The product of Grenander estimates of the density of the p-values before; same shape, nats."""
    r = checked_pivots(r_T)
    p_TR = 1 - (r if r.ndim == 2 else r[:, None])
    gain_TR = np.ones_like(p_TR)
    for p_T, gain_T in zip(p_TR.T, gain_TR.T, strict=True):
        past = min(1, len(p_T))
        while past < len(p_T):
            until = min(len(p_T), past + max(1, past // _REFRESH))
            estimate = grenander_density(p_T[:past]).at(p_T[past:until])
            gain_T[past:until] = (_UNIFORM_TOK + past * estimate) / (_UNIFORM_TOK + past)
            past = until
    return np.cumsum(np.log(gain_TR), axis=0).reshape(r.shape)


def averaged_log_e_path(r_T: ArrayLike) -> FloatArray:
    """The mean of the adaptive and the Grenander process, which Su, Wang and Zhao recommend; same shape, nats."""
    return np.logaddexp(adaptive_log_e_path(r_T), grenander_log_e_path(r_T)) - np.log(2)


class StepDensity(NamedTuple):
    """A decreasing density on (0, 1] that is constant on M cells.

    Attributes:
        upper_M: Upper end of each cell, ascending; the last is 1. A cell contains its upper end.
        density_M: Its value there.
    """

    upper_M: FloatArray
    density_M: FloatArray

    def at(self, p_N: ArrayLike) -> FloatArray:
        """Its value at points in (0, 1]."""
        return self.density_M[np.searchsorted(self.upper_M, np.asarray(p_N, dtype=np.float64), side="left")]


def grenander_density(p_N: ArrayLike) -> StepDensity:
    """The likeliest decreasing density of at least one point in (0, 1].

    The slopes of the least concave majorant are the isotonic regression of the slopes of the empirical distribution
    function between its steps, weighted by the gaps.
    """
    from scipy.optimize import isotonic_regression

    points, counts = np.unique(np.asarray(p_N, dtype=np.float64), return_counts=True)
    upper = points if points[-1] == 1 else np.append(points, 1.0)
    gap = np.diff(upper, prepend=0.0)
    slope = np.zeros_like(gap)
    slope[: len(points)] = counts / counts.sum() / gap[: len(points)]
    fitted = cast(Any, isotonic_regression)(slope, weights=gap, increasing=False)
    return StepDensity(upper, np.asarray(fitted.x, dtype=np.float64))
