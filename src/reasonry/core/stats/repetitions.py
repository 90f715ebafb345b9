"""A mean over few repetitions, such as trainings, with its t interval: mean +- t_{(1 + level)/2, n - 1} s / sqrt(n)."""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from reasonry.core.stats._special import t_quantile


class Spread(NamedTuple):
    """A mean over repetitions.

    Attributes:
        mean: NaN without values.
        low: Lower end of the t interval; the mean itself for one value.
        high: Upper end.
        num: Values.
    """

    mean: float
    low: float
    high: float
    num: int


def spread(values: Iterable[float], *, level: float = 0.95) -> Spread:
    """Mean and t interval; NaN is left out.

    Args:
        values: One for each repetition.
        level: Coverage of the interval.
    """
    found = np.array([v for v in values if not math.isnan(v)], dtype=np.float64)
    if not len(found):
        return Spread(math.nan, math.nan, math.nan, 0)
    mean = float(found.mean())
    if len(found) == 1:
        return Spread(mean, mean, mean, 1)
    half = t_quantile((1 + level) / 2, len(found) - 1) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Spread(mean, mean - half, mean + half, len(found))
