"""Regret: what was lost against the best expert, and the bounds that hold for it.

    cumulative regret   R(T) = max_i sum_t r_t(i) - sum_t <p_t, r_t>         of one sequence of rewards r_t in [0, 1]^K
    simple regret       reg(T) = max_i mu_i - <p_T, mu>                      of the last choice, mu_i the mean rewards

    hedge               R(T) <= sqrt(T ln K / 2)      on every sequence, eta = sqrt(8 ln K / T)
    hedge, anytime      R(T) <= sqrt(T ln K)          on every sequence, eta_t = sqrt(4 ln K / t)
    exp3                R(T) <= 2 sqrt((e - 1) T K ln K)                     in expectation
    ucb1                R(T) <= sum_i 8 ln T / D_i + (1 + pi^2 / 3) sum_i D_i,  D_i = max mu - mu_i, rewards independent

Self-correction (Huang et al. 2025, Theorem on Algorithm 1): when some expert is lambda-suboptimal and the controller
has simple regret reg(T), the last attempt u(T) has

    max_u r(q, u) - E r(q, u(T)) <= lambda + reg(T),         lambda = max_u r(q, u) - max_i mu_i.

Sources: Cesa-Bianchi and Lugosi 2006 (Theorems 2.2, 2.3), Auer et al. 2002a (Corollary 3.2), 2002b (Theorem 1). The
constant of the anytime hedge: ln K / eta_T + sum_t eta_t / 8 with eta_t = sqrt(c ln K / t) is sqrt(T ln K) times
1 / sqrt(c) + sqrt(c) / 4, which is least, 1, at c = 4.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]


def hedge_bound(num_plays: int, num_arms: int, *, anytime: bool = False) -> float:
    """Largest cumulative regret that hedge can have after T plays of K arms, on any sequence of rewards."""
    _check(num_plays, num_arms)
    return math.sqrt(num_plays * math.log(num_arms) / (1 if anytime else 2))


def exp3_bound(num_plays: int, num_arms: int) -> float:
    """Largest expected cumulative regret of exp3 with horizon T."""
    _check(num_plays, num_arms)
    return 2 * math.sqrt((math.e - 1) * num_plays * num_arms * math.log(num_arms))


def ucb1_bound(means: ArrayLike, num_plays: int) -> float:
    """Largest expected cumulative regret of ucb1 when the rewards of each arm are independent with these means."""
    gaps = _gaps(means)
    _check(num_plays, gaps.size)
    lost = gaps[gaps > 0]
    return float((8 * math.log(num_plays) / lost).sum() + (1 + math.pi**2 / 3) * lost.sum())


def cumulative_regret(rewards_TK: ArrayLike, choices: ArrayLike) -> float:
    """R(T) against the best fixed arm in hindsight.

    Args:
        rewards_TK: Shape ``(T, K)``: what every arm would have got in every play.
        choices: Shape ``(T,)``: the arms played, or ``(T, K)``: the chances they were played with (the expected
            regret given the rewards).

    Raises:
        DataError: The shapes do not fit, or a reward is not in [0, 1].
    """
    rewards = np.asarray(rewards_TK, dtype=np.float64)
    if rewards.ndim != 2 or not rewards.size or not ((rewards >= 0) & (rewards <= 1)).all():
        raise DataError(f"rewards of shape {rewards.shape} are not a matrix of numbers in [0, 1]")
    chosen = np.asarray(choices)
    if chosen.shape == rewards.shape:
        got = float((chosen * rewards).sum())
    elif chosen.shape == rewards.shape[:1] and chosen.dtype.kind in "iu":
        got = float(rewards[np.arange(len(chosen)), chosen].sum())
    else:
        raise DataError(f"choices of shape {chosen.shape} do not fit rewards of shape {rewards.shape}")
    return float(rewards.sum(axis=0).max()) - got


def simple_regret(means: ArrayLike, probs: ArrayLike) -> float:
    """reg(T): expected loss of one choice with chances ``probs``, both of shape ``(K,)``.

    Raises:
        DataError: The shapes do not fit, or the chances do not sum to 1.
    """
    gaps, p = _gaps(means), np.asarray(probs, dtype=np.float64)
    if p.shape != gaps.shape or (p < 0).any() or abs(p.sum() - 1) > 1e-9:
        raise DataError(f"chances {p.tolist()!s:.200} do not fit {gaps.size} means")
    return float(gaps @ p)


class CorrectionBound(NamedTuple):
    """Both sides of ``max_u r(q, u) - E r(q, u(T)) <= lambda + reg(T)`` for one problem.

    Attributes:
        shortfall: Left side: best possible reward minus the expected reward of the last attempt.
        suboptimality: lambda: best possible reward minus that of the best expert.
        regret: reg(T), or the bound on it that was given.
        holds: Whether the inequality is true, up to rounding.
    """

    shortfall: float
    suboptimality: float
    regret: float
    holds: bool


def correction_bound(
    best_reward: float, means: ArrayLike, *, last_reward: float, regret: float, slack: float = 1e-9
) -> CorrectionBound:
    """The guarantee of self-correction as a check.

    Args:
        best_reward: max_u r(q, u): the reward of a perfect answer, 1 for a binary verifier.
        means: Shape ``(K,)``: mean reward of each expert on this problem.
        last_reward: E r(q, u(T)), exact or measured.
        regret: reg(T): exact (`simple_regret`) or a bound on it.
        slack: What ``last_reward`` may be short of for noise: 1e-9 when exact, its standard error times some factor
            when measured.
    """
    top = float(np.asarray(means, dtype=np.float64).max())
    shortfall, suboptimality = best_reward - last_reward, best_reward - top
    return CorrectionBound(shortfall, suboptimality, regret, shortfall <= suboptimality + regret + slack)


def _gaps(means: ArrayLike) -> FloatArray:
    mu = np.asarray(means, dtype=np.float64)
    if mu.ndim != 1 or not mu.size or not ((mu >= 0) & (mu <= 1)).all():
        raise DataError(f"means of shape {mu.shape} are not a row of numbers in [0, 1]")
    return mu.max() - mu


def _check(num_plays: int, num_arms: int) -> None:
    if num_plays < 1 or num_arms < 1:
        raise ConfigError(f"num_plays={num_plays}, num_arms={num_arms}: both must be at least 1")
