"""The wealth of the bets along a text, for several keys at once.

    log W_g,k(t) = sum of the log e-values of bet g under key k over the scored tokens up to t
    E_k(t)  = mean over g of W_g,k(t)          E(t) = mean over k of E_k(t)

Averages of e-processes are e-processes, so E may be looked at after every token, and one threshold serves any number of
keys. With a late start the wealth of a bet is A(t) + 1/(t + 1), A(t) = (A(t-1) + w_t) e_t, w_t = 1 / (t (t + 1)): an
average over the token at which betting begins, plus the part that has not begun.

Where the null probability p is one number (uniform anchor) the wealth depends on the counts of matches and mismatches
alone. Then blocks of tokens are bounded by their ends, and only a block that could hold a new maximum is looked into:
the result is the same, the work is a fraction.

Legend: S scored tokens, K keys, G bets, J blocks.
"""

# pyright: strict
from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.bets import Bets

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_BLOCK_TOK = 32
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
        self._log_w_KG = np.zeros((num_keys, len(bets.names)))
        self._log_a_KG = np.full_like(self._log_w_KG, -np.inf)  # late start: log sum_j w_j / W(j - 1)
        self.num_match_K = np.zeros(num_keys, dtype=np.int64)

    @property
    def is_stopped(self) -> bool:
        """True when no more tokens are taken."""
        return self._stops and self.has_crossed

    @property
    def log_e_K(self) -> Floats:
        """Log E of each key now."""
        return _log_mean(self._effective(self._log_w_KG, self._log_a_KG, self.num_scored), axis=-1)

    @property
    def log_e(self) -> float:
        """Log E now, averaged over the keys."""
        return float(_log_mean(self.log_e_K, axis=-1))

    def best_bet(self, key: int) -> str:
        """Name of the bet that has won most under a key."""
        log_w_G = self._log_w_KG[key]
        if self._late_start:
            log_w_G = log_w_G + self._log_a_KG[key]  # what was won since betting began, not since the text did
        return self.bets.names[int(log_w_G.argmax())]

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
        log_e_SK = _log_mean(self._effective(log_w_SKG, log_a_SKG, num_S[:, None, None]), axis=-1)
        log_e_S = _log_mean(log_e_SK, axis=-1)
        crossed = self._note(log_e_S)
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
        a_G, b_G = _increments_at(self.bets, p)
        start_J = np.arange(0, len(match_SK), _BLOCK_TOK)
        per_block_JK = np.add.reduceat(match_SK, start_J, axis=0, dtype=np.int64)
        matches_JK = np.concatenate([np.zeros((1, self._num_keys), np.int64), np.cumsum(per_block_JK, axis=0)])
        misses_JK = np.append(start_J, len(match_SK))[:, None] - matches_JK
        step = max(1, _CELLS // self._log_w_KG.size)
        crossed = None
        for first in range(0, len(start_J), step):
            last = min(first + step, len(start_J))
            at = slice(first, last + 1)
            found = self._push_blocks(match_SK, matches_JK[at], misses_JK[at], start_J[first:last], a_G, b_G)
            crossed = found if crossed is None else crossed
            if self.is_stopped:
                break
        num_used = crossed if self.is_stopped and crossed else len(match_SK)
        matches_K = match_SK[:num_used].sum(0) if num_used < len(match_SK) else matches_JK[-1]
        self._log_w_KG = self._log_w_KG + matches_K[:, None] * a_G + (num_used - matches_K)[:, None] * b_G
        self.num_scored += num_used
        self.num_match_K += matches_K
        return crossed

    def _push_blocks(
        self,
        match_SK: Bools,
        matches_JK: NDArray[np.int64],
        misses_JK: NDArray[np.int64],
        start_J: NDArray[np.int64],
        a_G: Floats,
        b_G: Floats,
    ) -> int | None:
        """Look into the blocks that may hold a new maximum; the token count at which the threshold is reached, if any.

        ``matches_JK`` and ``misses_JK`` have one row more than there are blocks: counts before each, after the last.
        """

        def log_e(matches_XK: NDArray[np.int64], misses_XK: NDArray[np.int64]) -> Floats:
            return self._log_e_of_counts(matches_XK, matches_XK, misses_XK, misses_XK, a_G, b_G)

        at_end_J = log_e(matches_JK[1:], misses_JK[1:])
        bound_J = self._log_e_of_counts(matches_JK[:-1], matches_JK[1:], misses_JK[:-1], misses_JK[1:], a_G, b_G)
        crossed = None
        known_J = np.maximum(np.maximum.accumulate(at_end_J), self.max_log_e)
        for j in np.flatnonzero(bound_J > known_J - 1e-9):
            if bound_J[j] <= self.max_log_e:  # a block before it has done better meanwhile
                continue
            block_SK = match_SK[start_J[j] : start_J[j] + _BLOCK_TOK]
            matches_SK = matches_JK[j] + np.cumsum(block_SK, axis=0)
            log_e_S = log_e(matches_SK, misses_JK[j] + np.cumsum(~block_SK, axis=0))
            at = self._note(log_e_S)
            if at is not None:
                crossed = int(start_J[j]) + at
                if self.is_stopped:
                    break
        return crossed

    def _log_e_of_counts(
        self,
        least_match_XK: NDArray[np.int64],
        most_match_XK: NDArray[np.int64],
        least_miss_XK: NDArray[np.int64],
        most_miss_XK: NDArray[np.int64],
        a_G: Floats,
        b_G: Floats,
    ) -> Floats:
        """Largest log E over counts within these bounds: each bet takes the end that is better for it."""
        matches_XKG = np.where(a_G > 0, most_match_XK[..., None], least_match_XK[..., None])
        misses_XKG = np.where(b_G > 0, most_miss_XK[..., None], least_miss_XK[..., None])
        log_w_XKG = matches_XKG * a_G + misses_XKG * b_G + self._log_w_KG
        return _log_mean(_log_mean(log_w_XKG, axis=-1), axis=-1)

    # ------------------------------------------------------------

    def _note(self, log_e_S: Floats) -> int | None:
        """Keep the maximum; the number of tokens at which the threshold is reached for the first time."""
        crossed = None
        if not self.has_crossed and float(log_e_S.max()) >= self._log_threshold:
            crossed = int((log_e_S >= self._log_threshold).argmax()) + 1
            self.has_crossed = True
            if self._stops:
                log_e_S = log_e_S[:crossed]
        self.max_log_e = max(self.max_log_e, float(log_e_S.max()))
        return crossed


@functools.lru_cache(maxsize=64)
def _increments_at(bets: Bets, p: float) -> tuple[Floats, Floats]:
    """What a match and a mismatch add to each bet where p is always the same."""
    one = bets.log_increments(np.array([p]))
    return one.match_TG[0], one.mismatch_TG[0]


def _log_mean(x: Floats, *, axis: int) -> Floats:
    """Log of the mean of exp(x)."""
    if x.shape[axis] == 1:
        return x.squeeze(axis)
    top = x.max(axis=axis, keepdims=True)
    return np.log(np.exp(x - top).mean(axis=axis)) + top.squeeze(axis)
