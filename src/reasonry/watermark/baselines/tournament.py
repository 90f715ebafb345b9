"""The mathematics of SynthID's tournament: the hash, the winner's law, and tests on the bits that it leaves.

    hash     h <- (h + x) A + 1 in 64-bit integers that wrap around, A = 6364136223846793005
    law      p_0 = q,  p_l(v) = p_{l-1}(v) (1 + g_l(v) - sum_u g_l(u) p_{l-1}(u)),  l = 1..m
    mean     sum g / n over the n bits that count;           p = P(Binomial(n, 1/2) >= sum g), exact
    weighted sum w g / sum w, w = linspace(10, 1, m) scaled to sum m;       p by the normal of variance sum w^2 / 4
    e        average over lambda_0 in {.05 .. .6} x decay in {1 .. .7} of prod (1 + lambda_l (2 g - 1)),
             lambda_l = lambda_0 decay^(l-1): each member is one bet for the whole text                        [ours]

Dathathri et al., Nature 634 (2024) 818. The normal p-value is an approximation, a poor one far out in its tail; the
other two tests are exact for fair and independent bits.

Legend: N scored tokens, M rounds (m), K candidate tokens, G bets.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.baselines.base import Floats, Ints

Bits = NDArray[np.uint8]

MULTIPLIER = np.int64(6364136223846793005)
STAKES = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
DECAYS = (1.0, 0.95, 0.85, 0.7)


class TournamentScores(NamedTuple):
    """What the tournament left in a text, one entry per scored token, each over the text up to it.

    Attributes:
        mean_N: Mean of the g-values.
        weighted_mean_N: Mean weighted by round, the first one most.
        p_mean_N: Exact p-value of the mean.
        p_weighted_N: p-value of the weighted mean, by the normal distribution.
        log_e_N: Logarithm of the e-process.
    """

    mean_N: Floats
    weighted_mean_N: Floats
    p_mean_N: Floats
    p_weighted_N: Floats
    log_e_N: Floats


def hash_tokens(hash_N: Ints, token_NK: Ints) -> Ints:
    """Take K further tokens into each of N hashes, in 64-bit integers that wrap around."""
    for column in range(token_NK.shape[1]):
        hash_N = (hash_N + token_NK[:, column]) * MULTIPLIER + 1
    return hash_N


def tournament(q_K: Floats, g_KM: NDArray[Any]) -> Floats:
    """Law of the winner: candidates drawn from ``q_K`` meet in pairs, the larger g-value goes on, ties by lot."""
    p_K = q_K / q_K.sum()
    for g_K in g_KM.T:
        p_K = p_K * (1.0 + g_K - float(g_K @ p_K))
    return p_K


def depth_weights(num_rounds: int) -> Floats:
    """Weights of the rounds, falling from 10 to 1 in equal steps and then scaled to sum to their number."""
    weight_M = np.linspace(10.0, 1.0, num_rounds)
    return weight_M * (num_rounds / weight_M.sum())


def first_reads(cell_NM: Ints) -> NDArray[np.bool_]:
    """True where a cell of the table is read for the first time, row by row."""
    first = np.unique(cell_NM, return_index=True)[1]
    is_first = np.zeros(cell_NM.size, dtype=np.bool_)
    is_first[first] = True
    return is_first.reshape(cell_NM.shape)


def score_bits(g_NM: NDArray[Any], counts_NM: NDArray[np.bool_]) -> TournamentScores:
    """Scores, p-values and e-process of g-values that are fair and independent bits under the null.

    Args:
        g_NM: Zeros and ones.
        counts_NM: Which of them count.
    """
    from scipy.special import bdtrc, ndtr

    weight_M = depth_weights(g_NM.shape[1])
    ones_N = np.cumsum((g_NM * counts_NM).sum(axis=1, dtype=np.int64))
    num_N = np.cumsum(counts_NM.sum(axis=1, dtype=np.int64))
    weighted_N = np.cumsum((g_NM * counts_NM) @ weight_M)
    weight_N = np.cumsum(counts_NM @ weight_M)
    spread_N = np.sqrt(0.25 * np.cumsum(counts_NM @ weight_M**2))
    # P(X >= k) = P(X > k - 1); for k = 0 it is one.
    p_mean_N = np.where(ones_N > 0, bdtrc(np.maximum(ones_N - 1, 0), np.maximum(num_N, 1), 0.5), 1.0)
    return TournamentScores(
        mean_N=ones_N / np.maximum(num_N, 1),
        weighted_mean_N=weighted_N / np.maximum(weight_N, 1e-300),
        p_mean_N=p_mean_N,
        p_weighted_N=ndtr((0.5 * weight_N - weighted_N) / np.maximum(spread_N, 1e-300)),
        log_e_N=log_e_bits(g_NM, counts_NM),
    )


def log_e_bits(g_NM: NDArray[Any], counts_NM: NDArray[np.bool_]) -> Floats:
    """The e-process of `score_bits`, shape (N,)."""
    num_rounds = g_NM.shape[1]
    stake_GM = np.array([[stake * decay**depth for depth in range(num_rounds)] for stake in STAKES for decay in DECAYS])
    win_NM, loss_NM = counts_NM & (g_NM > 0), counts_NM & (g_NM == 0)
    log_wealth_NG = np.cumsum(win_NM @ np.log1p(stake_GM).T + loss_NM @ np.log1p(-stake_GM).T, axis=0)
    top_N1 = log_wealth_NG.max(axis=1, keepdims=True)
    return np.log(np.exp(log_wealth_NG - top_N1).mean(axis=1)) + top_N1[:, 0]
