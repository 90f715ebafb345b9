"""Is it the same, within a margin? Two one-sided tests (TOST), for a mean and for a share.

    H0: |theta - target| >= margin      H1: |theta - target| < margin
    p = max( p of "theta <= target - margin",  p of "theta >= target + margin" )                          [1]

Equivalence at level a is p <= a; the interval of level 1 - 2 a then lies within the margin (for the t test exactly, for
the share with Clopper-Pearson limits). A test of difference that finds nothing is no evidence of equality; this is.
Means use Student's t, shares exact binomial tails.

[1] Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from reasonry.core.stats._special import t_quantile
from reasonry.core.stats.intervals import Interval, clopper_pearson
from reasonry.errors import ConfigError, DataError

_special = cast(Any, special)


class EquivalenceResult(NamedTuple):
    """Result of a test of equivalence.

    Attributes:
        estimate: The mean or share.
        p_value: Of the hypothesis that it is off by the margin or more.
        interval: Of level 1 - 2 alpha.
        is_equivalent: Whether ``p_value <= alpha``.
        method: Name of the test.
    """

    estimate: float
    p_value: float
    interval: Interval
    is_equivalent: bool
    method: str


def equivalent_mean(
    value_N: ArrayLike, *, margin: float, target: float = 0.0, alpha: float = 0.05
) -> EquivalenceResult:
    """Whether a mean is within ``margin`` of ``target``; for paired differences take the target 0.

    Args:
        value_N: Shape ``(N,)``, independent, N >= 2.
        margin: Above 0, in the unit of the values.
        target: What it should be.
        alpha: Level of the test.

    Raises:
        ConfigError: ``margin`` or ``alpha`` is out of range.
        DataError: Fewer than two values, or one that is not finite.
    """
    _check(margin, alpha)
    value = np.asarray(value_N, dtype=np.float64)
    if value.ndim != 1 or value.size < 2 or not np.isfinite(value).all():
        raise DataError(f"values of shape {value.shape} are not two or more finite numbers")
    mean, df = float(value.mean()), value.size - 1
    error = float(value.std(ddof=1)) / math.sqrt(value.size)
    away = margin - abs(mean - target)  # to the nearer end of the margin: the larger p belongs to it
    if error == 0.0:  # all values are equal: there is nothing to be uncertain about
        p_value = 0.0 if away > 0 else 1.0
    else:
        p_value = float(_special.stdtr(df, -away / error))
    half = t_quantile(1 - alpha, df) * error
    interval = Interval(mean - half, mean + half, 1 - 2 * alpha, "student t")
    return EquivalenceResult(mean, p_value, interval, p_value <= alpha, "two one-sided t tests")


def equivalent_share(
    num_success: int, num_trials: int, *, margin: float, target: float, alpha: float = 0.05
) -> EquivalenceResult:
    """Whether a share is within ``margin`` of ``target``.

    Args:
        num_success: Successes.
        num_trials: Independent trials, 1 or more.
        margin: Above 0.
        target: Share that it should be. An end of the margin beyond 0 or 1 holds of itself.
        alpha: Level of the test.

    Raises:
        ConfigError: ``margin``, ``target`` or ``alpha`` is out of range.
        DataError: The counts are impossible.
    """
    _check(margin, alpha)
    if not 0.0 <= target <= 1.0:
        raise ConfigError(f"target={target} is not a share", remedy="Write 0.25 for 25 %.")
    interval = clopper_pearson(num_success, num_trials, level=1 - 2 * alpha)
    if num_trials == 0:
        raise DataError("a share needs trials")
    low, high = target - margin, target + margin
    above = float(_special.bdtrc(num_success - 1, num_trials, low)) if low >= 0 and num_success > 0 else float(low >= 0)
    below = float(_special.bdtr(num_success, num_trials, high)) if high <= 1 else 0.0
    p_value = max(above, below)
    return EquivalenceResult(
        num_success / num_trials, p_value, interval, p_value <= alpha, "two one-sided exact binomial tests"
    )


def _check(margin: float, alpha: float) -> None:
    if not margin > 0:
        raise ConfigError(f"margin={margin} is not above 0")
    if not 0.0 < alpha < 0.5:
        raise ConfigError(f"alpha={alpha} is not between 0 and 0.5")
