"""The wealth of the bets along a text, for several keys at once.

    log W_g,k(t) = sum of the log e-values of bet g under key k over the scored tokens up to t
    E_k(t)  = mean over g of W_g,k(t)          E(t) = mean over k of E_k(t)

Averages of e-processes are e-processes, so E may be looked at after every token, and one threshold serves any number of
keys. With a late start the wealth of a bet is A(t) + 1/(t + 1), A(t) = (A(t-1) + w_t) e_t, w_t = 1 / (t (t + 1)): an
average over the token at which betting begins, plus the part that has not begun.

Where the null probability p is one number (uniform anchor) counts of matches are enough: see `counts`.

Legend: S scored tokens, K keys, G bets.
"""

# pyright: strict
from __future__ import annotations

import functools
import math
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.bets import Bets
from reasonry.watermark.detection.counts import Peak, gains_at, log_mean, peak_of_counts, peak_of_path

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_CELLS = 1 << 20  # most numbers in flight: bounds memory whatever the number of keys


class Pushed(NamedTuple):
    """What a push did.

    Attributes:
        num_used: Tokens it took; fewer than given when it stopped at the threshold.
        crossed: Tokens taken when the threshold was reached for the first time; None when that was not now.
        log_e_S: The path of log E over the tokens taken; empty unless asked for.
    """

    num_used: int
    crossed: int | None
    log_e_S: Floats


class Wealth:
    """Streaming wealth of G bets under K keys.

    Args:
        bets: The bets.
        num_keys: K.
        log_threshold: Level of log E to watch for.
        stops: Take no more tokens once it is reached.
        late_start: Average over the token at which betting begins.
    """

    def __init__(
        self,
        bets: Bets,
        *,
        num_keys: int,
        log_threshold: float = math.inf,
        stops: bool = True,
        late_start: bool = False,
    ) -> None:
        self.bets = bets
        self.num_scored = 0
        self.max_log_e = 0.0
        self.has_crossed = False
        self._log_threshold = log_threshold
        self._stops = stops
        self._late_start = late_start
        self._num_keys = num_keys
        self._log_w_KG = np.zeros((num_keys, len(bets)))
        self._log_a_KG = np.full_like(self._log_w_KG, -np.inf)  # late start: log sum_j w_j / W(j - 1)
        self.num_match_K = np.zeros(num_keys, dtype=np.int64)

    @property
    def is_stopped(self) -> bool:
        """True when no more tokens are taken."""
        return self._stops and self.has_crossed

    @property
    def log_e_K(self) -> Floats:
        """Log E of each key now."""
        return log_mean(self._effective(self._log_w_KG, self._log_a_KG, self.num_scored), axis=-1)

    @property
    def log_e(self) -> float:
        """Log E now, averaged over the keys."""
        return self.average(self.log_e_K)

    @staticmethod
    def average(log_e_K: Floats) -> float:
        """Log of the average of the keys' E."""
        return float(log_mean(log_e_K, axis=-1))

    def best_bet(self, key: int) -> str:
        """Name of the bet that has won most under a key."""
        log_w_G = self._log_w_KG[key]
        if self._late_start:
            log_w_G = log_w_G + self._log_a_KG[key]  # what was won since betting began, not since the text did
        return _names(self.bets)[int(log_w_G.argmax())]

    def push(self, match_SK: Bools, p_SK: Floats | float, *, path: bool = False) -> Pushed:
        """Take tokens in order, up to the one at which the threshold is reached.

        Args:
            match_SK: Whether text symbol and keyed symbol agree.
            p_SK: Null probability of agreement, in (0, 1]; one number when it is the same everywhere.
            path: Return log E after every token.
        """
        nothing = np.empty(0)
        if self.is_stopped or len(match_SK) == 0:
            return Pushed(0, None, nothing)
        if not isinstance(p_SK, np.ndarray) and not self._late_start and not path:
            crossed = self._push_counts(match_SK, p_SK)
            return Pushed(crossed if self.is_stopped and crossed else len(match_SK), crossed, nothing)
        crossed = None
        paths: list[Floats] = []
        step = max(1, _CELLS // self._log_w_KG.size)
        num_used = 0
        for start in range(0, len(match_SK), step):
            part = slice(start, start + step)
            log_e_S, at = self._push_each(match_SK[part], p_SK[part] if isinstance(p_SK, np.ndarray) else p_SK)
            if at is not None:
                crossed = start + at
            num_used += len(log_e_S)
            paths.append(log_e_S)
            if self.is_stopped:
                break
        return Pushed(num_used, crossed, np.concatenate(paths) if path else nothing)

    # ------------------------------------------------------------ any p

    def _push_each(self, match_SK: Bools, p_SK: Floats | float) -> tuple[Floats, int | None]:
        log_w_SKG = np.cumsum(self._increments(match_SK, p_SK), axis=0) + self._log_w_KG
        log_a_SKG = log_w_SKG
        if self._late_start:
            t_S = self.num_scored + 1.0 + np.arange(len(match_SK))
            before_SKG = np.concatenate([self._log_w_KG[None], log_w_SKG[:-1]])
            joins_SKG = -np.log(t_S * (t_S + 1))[:, None, None] - before_SKG
            log_a_SKG = np.logaddexp.accumulate(np.concatenate([self._log_a_KG[None], joins_SKG]))[1:]
        num_S = self.num_scored + 1 + np.arange(len(match_SK))
        log_e_SK = log_mean(self._effective(log_w_SKG, log_a_SKG, num_S[:, None, None]), axis=-1)
        log_e_S = log_mean(log_e_SK, axis=-1)
        crossed = self._noted(peak_of_path(log_e_S, self.max_log_e, **self._watched()))
        num_used = crossed if self.is_stopped and crossed else len(match_SK)
        self._log_w_KG = log_w_SKG[num_used - 1].copy()
        if self._late_start:
            self._log_a_KG = log_a_SKG[num_used - 1].copy()
        self.num_scored += num_used
        self.num_match_K += match_SK[:num_used].sum(0)
        return log_e_S[:num_used], crossed

    def _increments(self, match_SK: Bools, p_SK: Floats | float) -> Floats:
        p = p_SK if isinstance(p_SK, np.ndarray) else np.full(match_SK.shape, p_SK)
        flat = self.bets.log_increments(p.reshape(-1))
        chosen = np.where(match_SK.reshape(-1, 1), flat.match_TG, flat.mismatch_TG)
        return chosen.reshape(*match_SK.shape, -1)

    def _effective(self, log_w: Floats, log_a: Floats, num_scored: NDArray[np.int64] | int) -> Floats:
        if not self._late_start:
            return log_w
        return np.logaddexp(log_w + log_a, -np.log1p(num_scored))

    # ------------------------------------------------------------ one p: counts are enough

    def _push_counts(self, match_SK: Bools, p: float) -> int | None:
        gains = gains_at(self.bets, p)
        crossed = self._noted(peak_of_counts(match_SK, gains, self._log_w_KG, self.max_log_e, **self._watched()))
        num_used = crossed if self.is_stopped and crossed else len(match_SK)
        matches_K = np.add.reduce(match_SK[:num_used], axis=0, dtype=np.int64)
        won_KG, lost_KG = matches_K[:, None] * gains.match_G, (num_used - matches_K)[:, None] * gains.mismatch_G
        self._log_w_KG = self._log_w_KG + won_KG + lost_KG
        self.num_scored += num_used
        self.num_match_K += matches_K
        return crossed

    # ------------------------------------------------------------

    def _watched(self) -> _Watched:
        return {"threshold": math.inf if self.has_crossed else self._log_threshold, "stops": self._stops}

    def _noted(self, peak: Peak) -> int | None:
        self.max_log_e = peak.log_e
        self.has_crossed |= peak.crossed is not None
        return peak.crossed


class _Watched(TypedDict):
    threshold: float
    stops: bool


@functools.lru_cache(maxsize=64)
def _names(bets: Bets) -> tuple[str, ...]:
    return bets.names
