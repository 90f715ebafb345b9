"""SEAL's statistics: how often text symbol and keyed symbol agree, against how often they would by chance.

M_t says whether they agree at the t-th scored token. The keyed symbol S_t is drawn from the anchor's law p0_t, so
without the mark M_t is Bernoulli(p_t) with p_t = p0_t(symbol of the TEXT), whatever the text, and

    C_T = sum M_t,    p-value = P(PoissonBinomial(p_1 .. p_T) >= C_T),     exact for a length fixed beforehand

The law of the sum comes from the recursion  f_t(k) = f_{t-1}(k) (1 - p_t) + f_{t-1}(k-1) p_t  in float64. All terms are
positive, so the tail keeps its relative accuracy down to the smallest floats; below it is 0. Time is O(T^2).

    version          success probability                     released verifier (SEAL, realgourmet/SEAL, 2025)
    correct          p0_t(symbol of the text)                "pro"
    released-base    p0_t(keyed symbol)                      "base": M_t is no Bernoulli of it, and the p-value is too
                                                             small: a false alarm in every second or third text
    lite             gamma, the same for all                 "lite": uniform anchor with 1/gamma symbols, binomial

``released-base`` is here to be measured, not to be used. SEAL: Huang et al. (2025), the generator that arXiv 2602.17608
reads with e-values; these e-processes are `reasonry.watermark.e_process`.

Shapes: T scored tokens, R texts side by side.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.watermark.baselines.base import Floats
from reasonry.watermark.baselines.green_lists import binomial_p_path

Version = Literal["correct", "released-base", "lite"]

_CACHED = 1 << 16  # numbers of the recursion at a time: half a megabyte


def poisson_binomial_p_path(match_T: ArrayLike, p_T: ArrayLike) -> Floats:
    """p-value of the count of matches after each token: P(PoissonBinomial(p_1 .. p_t) >= matches so far).

    Args:
        match_T: Whether each trial succeeded, booleans of shape (T,), or (T, R) for R sequences side by side.
        p_T: Probability of that without the mark, the same shape, in [0, 1].

    Returns:
        The same shape.

    Raises:
        DataError: The shapes differ or a probability is outside [0, 1].
    """
    match, p = _checked(match_T, p_T, "p_T")
    match_TR, p_TR = (match, p) if p.ndim == 2 else (match[:, None], p[:, None])
    path_TR = np.empty_like(p_TR)
    num_at_once = max(1, _CACHED // (len(p) + 1))
    for start in range(0, p_TR.shape[1], num_at_once):
        cut = slice(start, start + num_at_once)
        path_TR[:, cut] = _path(match_TR[:, cut], p_TR[:, cut])
    return path_TR.reshape(p.shape)


def _path(match_TR: NDArray[np.bool_], p_TR: Floats) -> Floats:
    num_tok = len(p_TR)
    law_KR = np.zeros((num_tok + 1, p_TR.shape[1]))
    law_KR[0] = 1.0
    moved_KR, miss_TR = np.empty_like(law_KR), 1 - p_TR
    k_K1 = np.arange(num_tok + 1)[:, None]
    count_TR = np.cumsum(match_TR, axis=0)
    path_TR = np.empty_like(p_TR)
    for t in range(num_tok):
        np.multiply(law_KR[: t + 1], p_TR[t], out=moved_KR[: t + 1])
        law_KR[: t + 1] *= miss_TR[t]
        law_KR[1 : t + 2] += moved_KR[: t + 1]
        least, most = count_TR[t].min(), count_TR[t].max()
        # Above the largest count all sequences sum alike; only between the counts does it matter whose row it is.
        path_TR[t] = law_KR[most : t + 2].sum(axis=0)
        if least < most:
            between = slice(int(least), int(most))
            path_TR[t] += np.where(k_K1[between] >= count_TR[t], law_KR[between], 0.0).sum(axis=0)
    return np.minimum(path_TR, 1.0)


def seal_p_path(
    match_T: ArrayLike,
    p_text_T: ArrayLike,
    p_keyed_T: ArrayLike | None = None,
    *,
    version: Version = "correct",
    gamma: float = 0.5,
) -> Floats:
    """p-value after each token by one of SEAL's verifiers.

    Args:
        match_T: Whether text symbol and keyed symbol agree, booleans of shape (T,) or (T, R).
        p_text_T: The anchor's probability of the text's symbol, the same shape.
        p_keyed_T: Its probability of the keyed symbol; needed for ``released-base`` only.
        version: See the head of this file.
        gamma: Probability of each symbol, for ``lite`` only.

    Returns:
        The same shape.

    Raises:
        ConfigError: Unknown version, ``p_keyed_T`` missing, or ``gamma`` out of range.
        DataError: The shapes differ or a probability is outside [0, 1].
    """
    if version not in get_args(Version):
        raise ConfigError(f"unknown version={version!r}", remedy=nearest(version, get_args(Version)))
    if version == "lite":
        if not 0 < gamma < 1:
            raise ConfigError(f"gamma={gamma} is not strictly between 0 and 1", remedy="For n symbols it is 1 / n.")
        match, _ = _checked(match_T, p_text_T, "p_text_T")
        return binomial_p_path(match, gamma)
    if version == "correct":
        return poisson_binomial_p_path(match_T, p_text_T)
    if p_keyed_T is None:
        raise ConfigError("version='released-base' reads p_keyed_T", remedy="Give the probability of the keyed symbol.")
    return poisson_binomial_p_path(match_T, p_keyed_T)


def _checked(match_T: ArrayLike, p_T: ArrayLike, name: str) -> tuple[NDArray[np.bool_], Floats]:
    match, p = np.asarray(match_T), np.asarray(p_T, dtype=np.float64)
    if match.shape != p.shape or match.ndim not in (1, 2):
        raise DataError(
            f"match_T has shape {match.shape} and {name} {p.shape}",
            remedy="Give both as (T,), or as (T, R), tokens first.",
        )
    if match.size and match.dtype != np.bool_:
        raise DataError(f"match_T holds {match.dtype}, not booleans", remedy="Compare the symbols first.")
    outside = ~((p >= 0) & (p <= 1))  # NaN is outside, too
    if outside.any():
        raise DataError(f"{name} holds {p[outside][0]}, which is no probability")
    return match.astype(np.bool_), p
