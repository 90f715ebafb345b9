"""Closed-form confidence intervals: one proportion, the difference of two, a correlation.

    Wilson           { p : |p_hat - p| <= z sqrt(p (1 - p) / n) }                                        [1]
    Clopper-Pearson  [ Beta^-1(a/2; k, n-k+1), Beta^-1(1 - a/2; k+1, n-k) ],  a = 1 - level              [2]
    Newcombe         d - sqrt((p1 - l1)^2 + (u2 - p2)^2),  d + sqrt((u1 - p1)^2 + (p2 - l2)^2)           [3]
                     d = p1 - p2, (l, u) the Wilson limits of each proportion (his method 10)
    Fisher           tanh(atanh r -+ z / sqrt(n - 3))                                                    [4]

Clopper-Pearson covers at least at the level; the others cover about at the level on average.

[1] Wilson, JASA 22 (1927) 209.  [2] Clopper and Pearson, Biometrika 26 (1934) 404.
[3] Newcombe, Statistics in Medicine 17 (1998) 873.  [4] Fisher, Metron 1 (1921) 3.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

from reasonry.core.stats._special import betaincinv, ndtri
from reasonry.errors import ConfigError, DataError


class Interval(NamedTuple):
    """A confidence interval.

    Attributes:
        low: Lower end.
        high: Upper end.
        level: Nominal coverage, e.g. 0.95.
        method: How it was computed, for the report.
    """

    low: float
    high: float
    level: float
    method: str


def check_level(level: float) -> None:
    """Refuse a coverage level that is not strictly between 0 and 1.

    Raises:
        ConfigError: With the value, e.g. for 95 instead of 0.95.
    """
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level={level} is not between 0 and 1", remedy="Write 0.95 for 95 %.")


def wilson(num_success: int, num_trials: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion. Without trials it is [0, 1].

    Args:
        num_success: Successes, ``0 <= num_success <= num_trials``.
        num_trials: Independent trials.
        level: Nominal coverage.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: The counts are impossible.
    """
    check_level(level)
    _check_counts(num_success, num_trials)
    if num_trials == 0:
        return Interval(0.0, 1.0, level, "wilson")
    p = num_success / num_trials
    z2_n = ndtri((1 + level) / 2) ** 2 / num_trials
    centre = (p + z2_n / 2) / (1 + z2_n)
    half = math.sqrt(z2_n * (p * (1 - p) + z2_n / 4)) / (1 + z2_n)
    # The ends at k = 0 and k = n are 0 and 1 in exact arithmetic.
    low = 0.0 if num_success == 0 else max(centre - half, 0.0)
    high = 1.0 if num_success == num_trials else min(centre + half, 1.0)
    return Interval(low, high, level, "wilson")


def clopper_pearson(num_success: int, num_trials: int, *, level: float = 0.95) -> Interval:
    """Exact (conservative) interval of a proportion from inverting two binomial tests. Without trials it is
    [0, 1].

    Args:
        num_success: Successes, ``0 <= num_success <= num_trials``.
        num_trials: Independent trials.
        level: Coverage that is guaranteed.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: The counts are impossible.
    """
    check_level(level)
    _check_counts(num_success, num_trials)
    tail = (1 - level) / 2
    fails = num_trials - num_success
    low = 0.0 if num_success == 0 else betaincinv(num_success, fails + 1, tail)
    high = 1.0 if fails == 0 else betaincinv(num_success + 1, fails, 1 - tail)
    return Interval(low, high, level, "clopper-pearson")


def newcombe_difference(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Interval:
    """Newcombe's hybrid score interval of ``p_first - p_second`` for two independent samples.

    For the same problems answered twice use `mcnemar_exact`, or `bootstrap` on the paired differences: they
    are not independent.

    Args:
        first: (successes, trials) of the first sample.
        second: (successes, trials) of the second.
        level: Nominal coverage.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: The counts are impossible, or a sample has no trials.
    """
    limits = [wilson(*counts, level=level) for counts in (first, second)]
    if 0 in (first[1], second[1]):
        raise DataError(f"a difference of proportions needs trials in both samples, not {first} and {second}")
    p1, p2 = first[0] / first[1], second[0] / second[1]
    down = math.hypot(p1 - limits[0].low, limits[1].high - p2)
    up = math.hypot(limits[0].high - p1, p2 - limits[1].low)
    return Interval(max(p1 - p2 - down, -1.0), min(p1 - p2 + up, 1.0), level, "newcombe")


def fisher_interval(r: float, n: int, *, level: float = 0.95) -> Interval:
    """Fisher z interval of a Pearson correlation, for about bivariate normal data.

    Args:
        r: The sample correlation; at -1 and 1 the interval is that point.
        n: Pairs it was computed from, at least 4.
        level: Nominal coverage.

    Raises:
        ConfigError: ``level`` is out of range.
        DataError: ``r`` is not within [-1, 1], or ``n`` is below 4.
    """
    check_level(level)
    if not -1.0 <= r <= 1.0:
        raise DataError(f"r={r} is not a correlation")
    if n < 4:
        raise DataError(f"n={n} pairs carry no interval", remedy="Fisher's interval needs at least 4.")
    if abs(r) == 1.0:
        return Interval(r, r, level, "fisher-z")
    half = ndtri((1 + level) / 2) / math.sqrt(n - 3)
    centre = math.atanh(r)
    return Interval(math.tanh(centre - half), math.tanh(centre + half), level, "fisher-z")


def _check_counts(num_success: int, num_trials: int) -> None:
    if not 0 <= num_success <= num_trials:
        raise DataError(f"{num_success} successes in {num_trials} trials are impossible")
