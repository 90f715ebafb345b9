"""How many tokens a detector needs: three sizes of one text, and their summary over many.

p_k is the p-value after k tokens of a text of T tokens:

    last re-crossing   smallest n with p_k <= alpha for all k >= n; infinite when p_T > alpha
    anytime            smallest n with p_n <= alpha, for p-values that hold at every time at once (1 / e)
    Bonferroni         smallest n with p_n < alpha / (n (n + 1)); as the bounds sum to alpha, valid for any p-values

The first is the "size" of MarkMyWords (Piet et al. 2023): it reads the whole text before it says where the evidence had
become sufficient, so it is a description and no stopping rule: one who stops at the first p_k <= alpha instead errs
more often than alpha. The authors' code returns the index of the last p-value above alpha, which is n - 1. The second
is what a detector with an e-process has, and the third turns p-values for a fixed length into one (Huang et al. 2026).
How much peeking costs: with sums of Gumbel scores at alpha = 0.02, a fifth of all unmarked texts has a first crossing
of the fixed-length p-value within 600 tokens.

Over N texts the median size is given with the interval of the order statistics X_(j) and X_(N+1-j), the largest j with
2 P(Binomial(N, 1/2) < j) <= 1 - level. It assumes nothing about the law of the sizes, and infinite ones are as good as
others. Texts that were never detected count as infinite, and their share has a Clopper-Pearson interval.

Legend: T tokens, R texts side by side, N texts.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.stats import Interval, check_level, clopper_pearson
from reasonry.core.stats._special import binomial_half_cdf
from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]

DEFAULT_ALPHA = 0.02


def last_recrossing(p_TR: ArrayLike, *, alpha: float = DEFAULT_ALPHA, read_T: ArrayLike | None = None) -> FloatArray:
    """Tokens from which on the p-value stays at or below alpha: the size of MarkMyWords.

    Args:
        p_TR: Shape (T,) or (T, R), p-values after each token.
        alpha: Level, strictly between 0 and 1.
        read_T: Shape (T,), tokens of the text that had been read when each p-value was computed, for paths with an
            entry per scored token only; 1, 2, ..., T by default.

    Returns:
        Shape () or (R,), in tokens, infinite where the last p-value is above alpha or there is none.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: A p-value is not within 0 and 1, or the shapes do not fit.
    """
    p, read = _checked(p_TR, alpha, read_T)
    above = p > alpha
    # Counted from the end: how many p-values in a row are at or below alpha.
    num_below = np.logical_and.accumulate(~above[::-1], axis=0).sum(axis=0)
    return _at(read, len(p) - num_below)


def first_crossing(p_TR: ArrayLike, *, alpha: float = DEFAULT_ALPHA, read_T: ArrayLike | None = None) -> FloatArray:
    """Tokens at which a path of p-values first is at or below alpha: the size of an anytime-valid detector.

    With p-values that are only valid at a fixed length this is peeking, and the level is not alpha.

    Args:
        p_TR: See `last_recrossing`.
        alpha: See `last_recrossing`.
        read_T: See `last_recrossing`.

    Returns:
        See `last_recrossing`.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: A p-value is not within 0 and 1, or the shapes do not fit.
    """
    p, read = _checked(p_TR, alpha, read_T)
    return _at(read, _first(p <= alpha))


def bonferroni_crossing(
    p_TR: ArrayLike, *, alpha: float = DEFAULT_ALPHA, read_T: ArrayLike | None = None
) -> FloatArray:
    """Tokens at which a path of p-values first is below ``alpha / (k (k + 1))`` at its k-th entry.

    Args:
        p_TR: See `last_recrossing`; each valid at its own length.
        alpha: See `last_recrossing`.
        read_T: See `last_recrossing`. Entries that are not there cost nothing: k counts looks, not tokens.

    Returns:
        See `last_recrossing`.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: A p-value is not within 0 and 1, or the shapes do not fit.
    """
    p, read = _checked(p_TR, alpha, read_T)
    return _at(read, _first(p * _looks(p) < alpha))


def bonferroni_path(p_TR: ArrayLike) -> FloatArray:
    """Anytime-valid p-values from p-values that hold at a fixed length: ``min over j <= k of p_j j (j + 1)``, at most
    1.

    Args:
        p_TR: Shape (T,) or (T, R).

    Returns:
        Same shape, falling along the first axis.

    Raises:
        DataError: A p-value is not within 0 and 1.
    """
    p, _ = _checked(p_TR, DEFAULT_ALPHA, None)
    return np.minimum.accumulate(np.minimum(p * _looks(p), 1.0), axis=0)


class SizeSummary(NamedTuple):
    """Sizes of many texts.

    Attributes:
        median_tok: Median size, infinite when fewer than half the texts were detected.
        low_tok: Lower end of its interval, 0 when there are too few texts for one.
        high_tok: Upper end, infinite when there are too few texts for one.
        level: Coverage that is guaranteed.
        num_texts: Texts.
        num_detected: Texts with a finite size.
        detected: Share of them, with its interval.
    """

    median_tok: float
    low_tok: float
    high_tok: float
    level: float
    num_texts: int
    num_detected: int
    detected: Interval

    @property
    def share_detected(self) -> float:
        """Detected texts over all texts."""
        return self.num_detected / self.num_texts


def summarize(size_N: ArrayLike, *, level: float = 0.95) -> SizeSummary:
    """Median size and share of detected texts, with intervals.

    Args:
        size_N: Shape (N,), sizes in tokens, infinite where the text was not detected. Texts must be independent.
        level: Coverage of both intervals, each on its own.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: No sizes, or one that is negative or not a number.
    """
    check_level(level)
    size = np.asarray(size_N, dtype=np.float64)
    if size.ndim != 1 or not size.size or not (size >= 0).all():
        raise DataError(
            f"sizes of shape {size.shape} are not a list of token counts",
            remedy="One number per text, at least 0; infinity for a text that was not detected.",
        )
    ordered = np.sort(size)
    num = len(ordered)
    place = _order_statistic(num, level)
    num_detected = int(np.isfinite(ordered).sum())
    return SizeSummary(
        float((ordered[(num - 1) // 2] + ordered[num // 2]) / 2),
        float(ordered[place - 1]) if place else 0.0,
        float(ordered[num - place]) if place else math.inf,
        level,
        num,
        num_detected,
        clopper_pearson(num_detected, num, level=level),
    )


def _order_statistic(num: int, level: float) -> int:
    """Largest j with 2 P(Binomial(num, 1/2) < j) <= 1 - level; 0 when even j = 1 covers too little."""
    low, high = 0, num // 2 + 1
    while high - low > 1:
        middle = (low + high) // 2
        if 2 * binomial_half_cdf(middle - 1, num) <= 1 - level:
            low = middle
        else:
            high = middle
    return low


def _checked(p_TR: ArrayLike, alpha: float, read_T: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha={alpha} is not strictly between 0 and 1")
    p = np.asarray(p_TR, dtype=np.float64)
    if p.ndim not in (1, 2):
        raise DataError(f"p-values of shape {p.shape} are not paths", remedy="Give shape (T,), or (T, R) for R texts.")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise DataError(f"{p[bad][0]} is not a p-value", remedy="An e-value becomes one as min(1, 1 / e).")
    read = np.arange(1, len(p) + 1, dtype=np.float64) if read_T is None else np.asarray(read_T, dtype=np.float64)
    if read.shape != p.shape[:1]:
        raise DataError(f"read_T of shape {read.shape} does not fit p-values of shape {p.shape}")
    return p, read


def _looks(p_TR: FloatArray) -> FloatArray:
    k = np.arange(1, len(p_TR) + 1, dtype=np.float64)
    return (k * (k + 1)).reshape(-1, *[1] * (p_TR.ndim - 1))


def _first(hit_TR: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the first hit along the first axis, its length where there is none."""
    if not len(hit_TR):
        return np.zeros(hit_TR.shape[1:], dtype=np.intp)
    return np.where(hit_TR.any(axis=0), hit_TR.argmax(axis=0), len(hit_TR))


def _at(read_T: FloatArray, index: NDArray[np.intp]) -> FloatArray:
    return np.asarray(np.append(read_T, math.inf)[index])
