"""A share, a mean and a ratio over questions, each with its 95 % interval.

    share    k of n: Wilson's
    mean     of a number for each question: percentiles of the bootstrap over questions
    ratio    sum of a / sum of b, two numbers for each question: the same, a and b of a question drawn together

Degenerate: of a single question there is no bootstrap interval.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.stats import bootstrap

_SEED = 20250206


class Mean(NamedTuple):
    """A mean over questions, or a ratio, with its bootstrap interval; the ends are None of a single question."""

    value: float
    low: float | None
    high: float | None


def mean_of(value_Q: NDArray[np.float64]) -> Mean:
    """The mean of questions, with its interval."""
    value = float(value_Q.mean())
    if len(value_Q) < 2:
        return Mean(value, None, None)
    found = bootstrap(value_Q, lambda x_RQ: x_RQ.mean(axis=1), seed=_SEED, vectorized=True, method="percentile")
    return Mean(value, found.interval.low, found.interval.high)


def ratio_of(above_Q: NDArray[np.float64], below_Q: NDArray[np.float64]) -> Mean:
    """The ratio of two sums over the same questions; resamples in which the second is 0 are impossible if one is not
    and counted as if it were the smallest number that there is.
    """
    value = float(above_Q.sum() / below_Q.sum())
    if len(above_Q) < 2:
        return Mean(value, None, None)
    both_Q2 = np.stack([above_Q, below_Q], axis=1)
    tiny = float(below_Q[below_Q > 0].min())

    def ratio(x_RQ2: NDArray[np.float64]) -> NDArray[np.float64]:
        sums_R2 = x_RQ2.sum(axis=1)
        return sums_R2[:, 0] / np.maximum(sums_R2[:, 1], tiny)

    found = bootstrap(both_Q2, ratio, seed=_SEED, vectorized=True, method="percentile")
    return Mean(value, found.interval.low, found.interval.high)
