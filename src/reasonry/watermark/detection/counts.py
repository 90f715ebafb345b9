"""The largest log E of a piece of text whose null probability of agreement is one number.

Then the wealth of a bet depends on how many matches and mismatches there were, not on their order:

    log W_g,k = w_g,k + matches_k a_g + mismatches_k b_g,        E = mean over g and k of W_g,k

Where all bets gain at matches (a >= 0 >= b) a maximum lies at a match, so only matches are looked at. Where those are
many (several keys, few symbols), blocks of tokens are bounded by the counts at their ends, each bet taking the end that
is better for it, and only a block that could hold a new maximum is looked into. The result is the same either way.

Legend: S tokens, K keys, G bets, J blocks, T tokens of a block, R tokens that are looked at, X any.
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
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_BLOCK_TOK = 32
_FEW = 512  # matches that are looked at one by one in any case
_CELLS = 1 << 16  # numbers in flight, unless there are more bets and keys: they stay in the processor's cache


class Gains(NamedTuple):
    """What a token adds to the log-wealth of each bet, nats.

    Attributes:
        match_G: When text and key agree.
        mismatch_G: When they do not.
        at_matches_only: No bet loses at a match or gains at a mismatch.
    """

    match_G: Floats
    mismatch_G: Floats
    at_matches_only: bool


class Peak(NamedTuple):
    """The largest log E so far, and the number of tokens at which it first reached a threshold; None if it did not."""

    log_e: float
    crossed: int | None


@functools.lru_cache(maxsize=64)
def gains_at(bets: Bets, p: float) -> Gains:
    """Gains where the null probability is ``p``."""
    one = bets.log_increments(np.array([p]))
    match_G, mismatch_G = one.match_TG[0], one.mismatch_TG[0]
    return Gains(match_G, mismatch_G, bool((match_G >= 0).all() and (mismatch_G <= 0).all()))


def peak_of_path(log_e_S: Floats, known: float, *, threshold: float, stops: bool) -> Peak:
    """The peak of values that are all there.

    Args:
        log_e_S: Log E after each token.
        known: The largest before.
        threshold: To be reached; inf if it was before.
        stops: Nothing counts after the token at which it is reached.
    """
    crossed = None
    top = float(np.maximum.reduce(log_e_S))
    if top >= threshold:
        crossed = int((log_e_S >= threshold).argmax()) + 1
        if stops:
            top = float(np.maximum.reduce(log_e_S[:crossed]))
    return Peak(max(known, top), crossed)


def peak_of_counts(
    match_SK: Bools, gains: Gains, log_w_KG: Floats, known: float, *, threshold: float, stops: bool
) -> Peak:
    """The peak of a piece of text.

    Args:
        match_SK: Whether text symbol and keyed symbol agree; at least one token.
        gains: At its null probability.
        log_w_KG: Log-wealth before it.
        known: The largest log E before it.
        threshold: To be reached; inf if it was before.
        stops: Nothing counts after the token at which it is reached.
    """
    num_keys = log_w_KG.shape[0]
    at_R = np.flatnonzero(match_SK.any(axis=1)) if gains.at_matches_only else np.arange(len(match_SK))
    if len(at_R) * num_keys > max(_FEW, 2 * len(match_SK) * num_keys // _BLOCK_TOK):
        return _peak_in_blocks(match_SK, gains, log_w_KG, known, threshold=threshold, stops=stops)
    before_K, crossed = np.zeros(num_keys, dtype=np.int64), None
    step = max(1, _CELLS // log_w_KG.size)
    for first in range(0, len(at_R), step):
        piece_R = at_R[first : first + step]
        matches_RK = np.cumsum(match_SK[piece_R], axis=0) + before_K
        before_K = matches_RK[-1]
        log_e_R = _log_e(gains, log_w_KG, matches_RK, (piece_R + 1)[:, None] - matches_RK)
        known, at = peak_of_path(log_e_R, known, threshold=threshold, stops=stops)
        if at is not None:
            crossed, threshold = int(piece_R[at - 1]) + 1, math.inf
            if stops:
                break
    return Peak(known, crossed)


def log_mean(x: Floats, *, axis: int) -> Floats:
    """Log of the mean of exp(x)."""
    if x.shape[axis] == 1:
        return x.squeeze(axis)
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    mean = np.add.reduce(np.exp(x - top), axis=axis) / x.shape[axis]
    return np.log(mean) + top.squeeze(axis)


# ------------------------------------------------------------ blocks


def _peak_in_blocks(
    match_SK: Bools, gains: Gains, log_w_KG: Floats, known: float, *, threshold: float, stops: bool
) -> Peak:
    start_J = np.arange(0, len(match_SK), _BLOCK_TOK)
    per_block_JK = np.add.reduceat(match_SK, start_J, axis=0, dtype=np.int64)
    # Counts before each block, and after the last.
    matches_JK = np.concatenate([np.zeros((1, log_w_KG.shape[0]), np.int64), np.cumsum(per_block_JK, axis=0)])
    misses_JK = np.append(start_J, len(match_SK))[:, None] - matches_JK
    step = max(1, _CELLS // log_w_KG.size)
    crossed = None
    for first in range(0, len(start_J), step):
        ends = slice(first, first + step + 1)
        blocks = _Blocks(match_SK, start_J[first : first + step], matches_JK[ends], misses_JK[ends])
        known, at = _peak_of_blocks(blocks, gains, log_w_KG, known, threshold=threshold, stops=stops)
        if at is not None:
            crossed, threshold = at, math.inf
            if stops:
                break
    return Peak(known, crossed)


class _Blocks(NamedTuple):
    match_SK: Bools
    start_J: Ints
    matches_JK: Ints  # one row more than there are blocks
    misses_JK: Ints


def _peak_of_blocks(
    blocks: _Blocks, gains: Gains, log_w_KG: Floats, known: float, *, threshold: float, stops: bool
) -> Peak:
    match_SK, start_J, matches_JK, misses_JK = blocks
    at_end_J = _log_e(gains, log_w_KG, matches_JK[1:], misses_JK[1:])
    bound_J = _largest_log_e(gains, log_w_KG, blocks)
    known_J = np.maximum(np.maximum.accumulate(at_end_J), known)
    waiting, crossed = np.flatnonzero(bound_J > known_J - 1e-9), None
    num_at_once = 1  # grows: a mark that is found early costs little, and text that never stops is read by many
    while len(waiting):
        now, waiting = waiting[:num_at_once], waiting[num_at_once:]
        now = now[bound_J[now] > known]  # or a block before has done better meanwhile
        num_at_once = min(2 * num_at_once, max(1, _CELLS // (_BLOCK_TOK * log_w_KG.size)))
        if not len(now):
            continue
        token_JT = start_J[now, None] + np.arange(_BLOCK_TOK)
        is_text_JT1 = (token_JT < len(match_SK))[..., None]
        match_JTK = match_SK[np.minimum(token_JT, len(match_SK) - 1)]
        matches_JTK = matches_JK[now, None] + np.cumsum(match_JTK & is_text_JT1, axis=1)
        misses_JTK = misses_JK[now, None] + np.cumsum(~match_JTK & is_text_JT1, axis=1)
        log_e_JT = _log_e(gains, log_w_KG, matches_JTK, misses_JTK)
        known, at = peak_of_path(log_e_JT.ravel(), known, threshold=threshold, stops=stops)
        if at is not None:
            crossed, threshold = int(token_JT.flat[at - 1]) + 1, math.inf
            if stops:
                break
    return Peak(known, crossed)


def _largest_log_e(gains: Gains, log_w_KG: Floats, blocks: _Blocks) -> Floats:
    """Log E with the better end of each block for each bet, shape (J,)."""
    most_match_JK, least_match_JK = blocks.matches_JK[1:], blocks.matches_JK[:-1]
    most_miss_JK, least_miss_JK = blocks.misses_JK[1:], blocks.misses_JK[:-1]
    if gains.at_matches_only:
        return _log_e(gains, log_w_KG, most_match_JK, least_miss_JK)
    won, lost, _ = gains
    log_w_GJK = _times(won.clip(min=0), most_match_JK) + _times(won.clip(max=0), least_match_JK)
    log_w_GJK += _times(lost.clip(min=0), most_miss_JK) + _times(lost.clip(max=0), least_miss_JK)
    return _averaged(log_w_GJK, log_w_KG)


def _log_e(gains: Gains, log_w_KG: Floats, matches_XK: Ints, misses_XK: Ints) -> Floats:
    """Log E at counts, shape (X,)."""
    log_w_GXK = _times(gains.match_G, matches_XK)
    log_w_GXK += _times(gains.mismatch_G, misses_XK)
    return _averaged(log_w_GXK, log_w_KG)


def _times(gain_G: Floats, counts_XK: Ints) -> Floats:
    return np.multiply.outer(gain_G, counts_XK.astype(np.float64))


def _averaged(log_w_GXK: Floats, log_w_KG: Floats) -> Floats:
    # The bets come first in memory: sums over them are then sums of long rows.
    log_w_GXK += log_w_KG.T.reshape(len(log_w_GXK), *[1] * (log_w_GXK.ndim - 2), -1)
    return log_mean(log_mean(log_w_GXK, axis=0), axis=-1)
