"""Evidence for a watermark that may be looked at after every token: wealth of an average of bets.

e_t^g is the e-value of bet g at the t-th scored token (`reasonry.watermark.bets`). For a text that does not know the
key its mean, given all that came before and the text symbol, is 1.

    E_t = (1/G) sum_g prod_{i<=t} e_i^g                                                             E_0 = 1

    late start:   A_t^g = (A_{t-1}^g + w_t) e_t^g,   w_j = 1 / (j (j+1)),   A_0 = 0
                  E_t = (1/G) sum_g A_t^g + 1 - sum_{j<=t} w_j = (1/G) sum_g A_t^g + 1 / (t+1)

Both are nonnegative martingales with mean 1, so P(ever E_t >= 1/alpha) <= alpha (Ville 1939): reject at the first
crossing, look as often as you like; min(1, 1 / max_t E_t) is a p-value at any time. An average of e-processes is one,
and log E_t is never more than log G below the best bet.

Late start is for a text whose first part is not marked, such as a person's prefix. The start j is bet on with weight
w_j, weight not yet used is kept as cash. The price is at most log(j (j+1)) nats for a mark that begins at token j.

Wealth by products and its anytime validity are arXiv 2602.17608 (with one bet, e*); the average over bets and the late
start are ours, from the standard theory of e-processes (Ramdas et al. 2023, Statistical Science 38).

Wealth is kept in logarithms: a million tokens neither overflow nor underflow. The running maximum is a p-value's
reciprocal and no e-value: what is averaged or given to e-BH (`reasonry.watermark.combine`) is E_t at a stopping time.

Shapes: T scored tokens, R sequences side by side, G bets.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import DataError
from reasonry.watermark.bets import Bets, probabilities
from reasonry.watermark.combine import check_alpha

FloatArray = NDArray[np.float64]
_Scalar = TypeVar("_Scalar", bound=np.generic)

_BLOCK_TOK = 8192  # tokens at a time: G rows of them stay in a processor's cache
_BLOCK_ROWS = 64
_MAX_SPREAD_NATS = 600.0  # exp(-600) is far above the smallest float


class EProcess:
    """The evidence in one text for one key, kept up to date token by token. The state is G numbers and a count.

    Args:
        bets: Which bets to average.
        late_start: Allow for a first part without a mark.

    Attributes:
        bets: The bets.
        late_start: As given.
        num_scored: Tokens taken in.
        log_e_nats: log E now.
        max_log_e_nats: The most evidence at any time, at least 0; never falls.
    """

    __slots__ = ("_log_wealth_G", "bets", "late_start", "log_e_nats", "max_log_e_nats", "num_scored")

    def __init__(self, bets: Bets, *, late_start: bool = False) -> None:
        self.bets = bets
        self.late_start = late_start
        self.num_scored = 0
        self.log_e_nats = 0.0
        self.max_log_e_nats = 0.0
        self._log_wealth_G = np.full(len(bets), -math.inf if late_start else 0.0)

    def push(self, match: bool, p: float) -> float:
        """Take in one scored token.

        Args:
            match: Whether the text symbol is the keyed symbol.
            p: Anchor's probability of the text symbol, in (0, 1].

        Returns:
            log E now, nats.

        Raises:
            DataError: ``p`` is not in (0, 1]; the state is then as it was.
        """
        increments = self.bets.log_increments(p)
        self.num_scored += 1
        wealth, t = self._log_wealth_G, self.num_scored
        if self.late_start:
            np.logaddexp(wealth, _log_start_weight(t), out=wealth)
        wealth += increments.match_TG if match else increments.mismatch_TG
        log_e = _log_mean_exp(wealth)
        if self.late_start:
            log_e = np.logaddexp(log_e, -math.log(t + 1))
        self.log_e_nats = float(log_e)
        self.max_log_e_nats = max(self.max_log_e_nats, self.log_e_nats)
        return self.log_e_nats

    @property
    def best_bet(self) -> str:
        """Name of the bet with the most wealth; of equals the first."""
        return self.bets.names[int(self._log_wealth_G.argmax())]

    @property
    def p_anytime(self) -> float:
        """Anytime-valid p-value 1 / max E; 0.0 where it is below the smallest float."""
        return math.exp(-self.max_log_e_nats)

    def __repr__(self) -> str:
        return (
            f"EProcess(num_scored={self.num_scored}, log_e_nats={self.log_e_nats:.4g}, "
            f"max_log_e_nats={self.max_log_e_nats:.4g}, best_bet={self.best_bet!r})"
        )


def log_e_path(match_T: ArrayLike, p_T: ArrayLike, bets: Bets, *, late_start: bool = False) -> FloatArray:
    """Log E after each token of whole sequences: what `EProcess.push` returns one by one.

    Works in blocks, so beside the result and a copy of p it needs a few MB. Sequences of different lengths stand
    side by side when the shorter ones are continued with matches of p = 1: these add nothing (with ``late_start`` they
    count as tokens).

    Args:
        match_T: Whether text symbol and keyed symbol agree, booleans of shape ``(T,)`` or ``(T, R)``.
        p_T: Anchor's probability of the text symbol, the same shape, in (0, 1].
        bets: Which bets to average.
        late_start: Allow for a first part without a mark.

    Returns:
        The same shape, nats.

    Raises:
        DataError: The shapes differ, ``match_T`` is not boolean, or a probability is not in (0, 1].
    """
    match, p = np.asarray(match_T), probabilities(p_T)
    if match.shape != p.shape or match.ndim not in (1, 2):
        raise DataError(
            f"match_T has shape {match.shape} and p_T {p.shape}",
            remedy="Give both as (T,), or as (T, R), tokens first.",
        )
    if match.dtype != np.bool_:
        if match.size:
            raise DataError(f"match_T holds {match.dtype}, not booleans", remedy="Compare the symbols first.")
        match = match.astype(np.bool_)
    path = np.empty(p.shape)
    all_p_RT, all_match_RT, all_path_RT = _rows(p), _rows(match), _rows(path)
    for rows in _blocks(len(all_p_RT), _BLOCK_ROWS):
        p_RT, match_RT, path_RT = all_p_RT[rows], all_match_RT[rows], all_path_RT[rows]
        num_rows, num_tok = p_RT.shape
        wealth_GR = np.full((len(bets), num_rows), -math.inf if late_start else 0.0)
        for cut in _blocks(num_tok, max(1, _BLOCK_TOK // num_rows)):
            log_e_GRT = _chosen(match_RT[:, cut], np.ascontiguousarray(p_RT[:, cut]), bets)
            if late_start:
                t = np.arange(cut.start + 1, cut.stop + 1, dtype=np.float64)
                _accumulate_late(log_e_GRT, wealth_GR, _log_start_weight(t))
                path_RT[:, cut] = np.logaddexp(_log_mean_exp(log_e_GRT), -np.log(t + 1))
            else:
                log_e_GRT[:, :, 0] += wealth_GR
                np.cumsum(log_e_GRT, axis=2, out=log_e_GRT)
                path_RT[:, cut] = _log_mean_exp(log_e_GRT)
            wealth_GR = log_e_GRT[:, :, -1].copy()
    return path


def anytime_p(log_e_T: ArrayLike) -> FloatArray:
    """Anytime-valid p-value after each token, ``min(1, 1 / max E so far)``; shape ``(T,)`` or ``(T, R)``."""
    return np.exp(-np.maximum(np.maximum.accumulate(np.asarray(log_e_T, dtype=np.float64), axis=0), 0.0))


def crossing(log_e_T: ArrayLike, alpha: float) -> int | None:
    """Number of scored tokens at which the watermark is detected, None when it never is.

    Args:
        log_e_T: log E after each token, shape ``(T,)``, nats.
        alpha: False-alarm probability allowed, in (0, 1), chosen before looking.

    Returns:
        The first t, counted from 1, with ``E_t >= 1 / alpha``.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: ``log_e_T`` is not one sequence.
    """
    log_e = np.asarray(log_e_T, dtype=np.float64)
    if log_e.ndim != 1:
        raise DataError(f"log_e_T has shape {log_e.shape}, not (T,)", remedy="crossings() takes (T, R).")
    first = float(crossings(log_e[:, None], alpha)[0])
    return None if math.isinf(first) else int(first)


def crossings(log_e_TR: ArrayLike, alpha: float) -> FloatArray:
    """`crossing` of each of R sequences, shape ``(R,)``; inf where it never happens, so that medians are right.

    Raises:
        ConfigError: ``alpha`` is out of range.
    """
    check_alpha(alpha)
    log_e = np.asarray(log_e_TR, dtype=np.float64)
    if not len(log_e):
        return np.full(log_e.shape[1:], np.inf)
    reached = log_e >= -math.log(alpha)
    return np.where(reached.any(axis=0), reached.argmax(axis=0) + 1.0, np.inf)


def _rows(x_T: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """A view with one row for each sequence."""
    return (x_T[:, None] if x_T.ndim == 1 else x_T).T


def _blocks(num: int, size: int) -> Iterator[slice[int, int, None]]:
    for start in range(0, num, size):
        yield slice(start, min(num, start + size))


def _chosen(match_RT: NDArray[np.bool_], p_RT: FloatArray, bets: Bets) -> FloatArray:
    """Log e-value of what happened, shape (G, R, T)."""
    won, lost = bets.log_increments(p_RT)
    return np.where(match_RT, np.moveaxis(won, -1, 0), np.moveaxis(lost, -1, 0))


def _accumulate_late(log_e_GRT: FloatArray, wealth_GR: FloatArray, log_weight_T: FloatArray) -> None:
    """Turn increments into log A, in place.

    With C_t the sum of increments since the block began: A_t = exp(C_t) (A_0 + sum_{j<=t} w_j exp(-C_{j-1})).
    """
    total = np.cumsum(log_e_GRT, axis=2)
    paid_in = log_weight_T - (total - log_e_GRT)
    paid_in[:, :, 0] = np.logaddexp(paid_in[:, :, 0], wealth_GR)
    top = paid_in.max(axis=2, keepdims=True)
    if float((top - paid_in.min(axis=2, keepdims=True)).max()) < _MAX_SPREAD_NATS:
        paid_in = top + np.log(np.cumsum(np.exp(paid_in - top), axis=2))
    else:
        # Five times slower, and right whatever the spread.
        np.logaddexp.accumulate(paid_in, axis=2, out=paid_in)
    np.add(total, paid_in, out=log_e_GRT)


def _log_start_weight(t: ArrayLike) -> FloatArray:
    """Logarithm of w_t = 1 / (t (t + 1))."""
    t = np.asarray(t, dtype=np.float64)
    return -np.log(t) - np.log1p(t)


def _log_mean_exp(log_x_G: FloatArray) -> FloatArray:
    """Logarithm of the mean of exp over the first axis; finite wherever the largest entry is."""
    top = log_x_G.max(axis=0)
    return top + np.log(np.exp(log_x_G - top).mean(axis=0))
