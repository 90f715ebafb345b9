"""Where the right answer stands among candidates, ties shared.

    rank      r = #{j : s_j > s_right} + #{j != right : s_j = s_right} / 2        0 is best
    chance    (C - 1) / 2        the mean of r when the answer is placed at random; a model without a preference (all
                                 scores equal) has exactly this rank, whatever the order of the candidates
    hits@1    1 / (number tied at the top) if the right answer is among them, else 0
    MRR       mean of 1 / (r + 1); with ties, the mean over the places that the tied candidates share
    margin    s_right - max over j != right of s_j

Symbols: C candidates, Q questions, s scores of any scale (larger is better; -inf is allowed, NaN is not).
Degenerate cases: one candidate has rank 0, chance 0, hits@1 and MRR 1, and no margin (NaN). Both -inf: margin NaN.
"Mean rank" as 0-based place of the right answer: Huang et al. 2025 (arXiv 2506.10887); sharing ties by their mean is
added here, because sorting breaks them by position.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


class Placing(NamedTuple):
    """Where the right answer stands in one question.

    Attributes:
        rank: 0-based mid-rank.
        hit: hits@1, ties shared, in [0, 1].
        reciprocal: 1 / (rank + 1), averaged over the places shared by ties.
        margin: Right minus best other, in the scale of the scores; NaN without another candidate.
        chance: Mean rank of a random order.
    """

    rank: float
    hit: float
    reciprocal: float
    margin: float
    chance: float


class RankSummary(NamedTuple):
    """Means over questions.

    Attributes:
        num: Questions.
        mean_rank: Of the right answers, 0 best.
        chance: Mean of (C - 1)/2.
        hits_at_1: Share of questions whose right answer stands first.
        mrr: Mean reciprocal rank.
        mean_margin: Over questions that have a margin; NaN without any.
        gain: 1 - mean_rank / chance: 1 is always first, 0 chance, negative worse than chance; NaN where chance is 0.
    """

    num: int
    mean_rank: float
    chance: float
    hits_at_1: float
    mrr: float
    mean_margin: float
    gain: float


def mid_ranks(scores: ArrayLike) -> FloatArray:
    """0-based ranks along the last axis, largest first, ties sharing the mean of their places.

    Args:
        scores: Shape (..., C).

    Returns:
        Shape (..., C), float64; each row adds up to C (C - 1) / 2.

    Raises:
        ValueError: A score is NaN.
    """
    given: FloatArray = np.asarray(scores, dtype=np.float64)
    if np.isnan(given).any():
        raise ValueError("a score is NaN, which has no rank")
    above = (given[..., None, :] > given[..., :, None]).sum(-1)
    tied = (given[..., None, :] == given[..., :, None]).sum(-1) - 1
    return above + tied / 2


def chance_rank(num_candidates: int) -> float:
    """Mean 0-based rank of a random order, (C - 1) / 2."""
    return (num_candidates - 1) / 2


def place(scores: Sequence[float], right: int) -> Placing:
    """Where candidate number ``right`` stands.

    Raises:
        ValueError: A score is NaN.
        IndexError: There is no such candidate.
    """
    if not 0 <= right < len(scores):
        raise IndexError(f"candidate {right} of {len(scores)}")
    if any(math.isnan(s) for s in scores):
        raise ValueError("a score is NaN, which has no rank")
    mine = scores[right]
    others = [s for j, s in enumerate(scores) if j != right]
    above = sum(s > mine for s in others)
    tied = sum(s == mine for s in others)
    best = max(others, default=math.nan)
    return Placing(
        rank=above + tied / 2,
        hit=0.0 if above else 1 / (tied + 1),
        reciprocal=sum(1 / (above + k + 1) for k in range(tied + 1)) / (tied + 1),
        margin=mine - best if math.isfinite(mine) or math.isfinite(best) else math.nan,
        chance=chance_rank(len(scores)),
    )


def summarise(placings: Sequence[Placing]) -> RankSummary:
    """Means over questions; all NaN for none."""
    num = len(placings)
    if not num:
        return RankSummary(0, *[math.nan] * 6)
    mean_rank = sum(p.rank for p in placings) / num
    chance = sum(p.chance for p in placings) / num
    margins = [p.margin for p in placings if not math.isnan(p.margin)]
    return RankSummary(
        num=num,
        mean_rank=mean_rank,
        chance=chance,
        hits_at_1=sum(p.hit for p in placings) / num,
        mrr=sum(p.reciprocal for p in placings) / num,
        mean_margin=sum(margins) / len(margins) if margins else math.nan,
        gain=1 - mean_rank / chance if chance else math.nan,
    )
