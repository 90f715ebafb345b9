"""Evidence that may be looked at after every observation: e-processes and time-uniform intervals.

Bet that the mean of observations x_i in [0, 1] is theta and not m. With s = sum x_i and f = n - s, the stake

    L_n(theta; m) = (theta / m)^s ((1 - theta) / (1 - m))^f

is multiplied by at most 1 in expectation at each observation with mean m: by exactly 1 for x in {0, 1}, and
for any x in [0, 1] because a^x b^(1-x) <= x a + (1 - x) b. Mixing over a Beta(a, b) prior on theta keeps this
and is closed:

    two-sided   E_n(m) = B(a + s, b + f) / B(a, b) / ( m^s (1 - m)^f )             null: mean = m   [1, 2]
    greater     E_n(m) * P(Beta(a + s, b + f) > m) / P(Beta(a, b) > m)             null: mean <= m
    less        the same with < for >                                              null: mean >= m

"greater" mixes over theta > m only. Such stakes expect less the lower the true mean is, so the null reaches
down to every smaller mean. With a = b = 1 and m = 1/2 it is 2^(n+1) B(s+1, f+1) P(Beta(s+1, f+1) > 1/2), and
n successes in a row give (2^(n+1) - 1) / (n + 1).

Ville: P( sup_n E_n >= 1/alpha ) <= alpha under the null. So 1 / max E is a p-value at any stopping time, and

    { m : E_n(m) < 1 / alpha }   covers the mean at all n at once with probability >= 1 - alpha           [2]

E_n(m) is convex in m on a log scale with its minimum at s / n, so this is an interval; its ends come from
bisection.

[1] Ville, "Etude critique de la notion de collectif" (1939); Robbins, Ann. Math. Statist. 41 (1970) 1397.
[2] Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    Ann. Statist. 49 (2021) 1055, arXiv 1810.08240 (the beta-binomial mixture boundary).
"""

# pyright: strict
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.stats._special import betainc, betaln, xlog1py, xlogy
from reasonry.core.stats.intervals import Interval, check_level
from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]
Side = Literal["greater", "less", "two-sided"]

_BISECTIONS = 60  # the ends lie in [0, 1]: far below one unit in the last place
_TINY_TAIL = 1e-280  # below this betainc loses digits to underflow


def log_e_value(
    total: ArrayLike,
    num: ArrayLike,
    *,
    null: ArrayLike = 0.5,
    alternative: Side = "greater",
    prior: tuple[float, float] = (1.0, 1.0),
) -> FloatArray:
    """Evidence against a null mean after observations in [0, 1], in nats. All arguments broadcast.

    Args:
        total: Sum s of the observations (successes), ``0 <= total <= num``.
        num: Observations n.
        null: The mean m under the null, strictly between 0 and 1.
        alternative: "greater" tests mean <= m, "less" tests mean >= m, "two-sided" tests mean = m.
        prior: The Beta(a, b) mixture. It decides power, never validity, and must not depend on the data.

    Returns:
        Natural logarithm of E_n(m), finite for any counts. Reject at level alpha as soon as it reaches
        ``-log(alpha)``, at whatever time.

    Raises:
        ConfigError: ``null``, ``alternative`` or ``prior`` is out of range.
        DataError: ``total`` is not within [0, num].
    """
    if alternative not in ("greater", "less", "two-sided"):
        raise ConfigError(
            f"unknown alternative={alternative!r}",
            remedy=nearest(alternative, ["greater", "less", "two-sided"]),
        )
    _check_prior(prior)
    mean = np.asarray(null, dtype=np.float64)
    outside = ~((mean > 0) & (mean < 1))
    if outside.any():
        raise ConfigError(f"null={mean[outside][0]} is not strictly between 0 and 1")
    s, f = _successes_failures(total, num)

    a, b = prior
    log_e = betaln(a + s, b + f) - betaln(a, b) - xlogy(s, mean) - xlog1py(f, -mean)
    if alternative == "greater":
        log_e = log_e + _log_beta_sf(a + s, b + f, mean) - _log_beta_sf(a, b, mean)
    elif alternative == "less":
        log_e = log_e + _log_beta_sf(b + f, a + s, 1 - mean) - _log_beta_sf(b, a, 1 - mean)
    return log_e


@dataclass(slots=True)
class BernoulliEProcess:
    """The evidence of `log_e_value`, kept up to date one observation at a time.

    The state is four numbers; a run that is resumed builds it again from the JSON of ``dataclasses.asdict``.

    Attributes:
        null: The mean under the null.
        alternative: See `log_e_value`.
        total: Sum of the observations so far.
        num: Observations so far.
        max_log_e_nats: The most evidence seen at any time; never falls.
    """

    null: float = 0.5
    alternative: Side = "greater"
    total: float = 0.0
    num: int = 0
    max_log_e_nats: float = 0.0

    def __post_init__(self) -> None:
        log_e_value(self.total, self.num, null=self.null, alternative=self.alternative)

    @property
    def log_e_nats(self) -> float:
        """Evidence now: log E_n."""
        return float(log_e_value(self.total, self.num, null=self.null, alternative=self.alternative))

    @property
    def p_value(self) -> float:
        """Anytime-valid p-value ``1 / max E``: it may be read, and sampling stopped, at any time."""
        return math.exp(-self.max_log_e_nats)

    def update(self, value: float) -> float:
        """Take in one observation in [0, 1] and return log E_n in nats.

        Raises:
            DataError: ``value`` is outside [0, 1]; the state is then as it was.
        """
        if not 0.0 <= value <= 1.0:
            raise DataError(f"observation {value} is outside [0, 1]", remedy="Scale it by its bounds.")
        self.total += float(value)
        self.num += 1
        log_e = self.log_e_nats
        self.max_log_e_nats = max(self.max_log_e_nats, log_e)
        return log_e

    def rejects(self, alpha: float) -> bool:
        """Whether the null was rejected at level ``alpha`` now or at any time before."""
        return self.max_log_e_nats >= -math.log(alpha)


def anytime_interval(
    total: float,
    num: int,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
    prior: tuple[float, float] = (1.0, 1.0),
) -> Interval:
    """Interval of a bounded mean that is valid at every sample size at once.

    Args:
        total: Sum of the observations.
        num: Observations; with none the interval is ``bounds``.
        level: Probability that no interval of the whole sequence misses the mean.
        bounds: Lower and upper bound of an observation, known beforehand.
        prior: See `log_e_value`.

    Raises:
        ConfigError: ``level``, ``bounds`` or ``prior`` is out of range.
        DataError: ``total`` is not possible within the bounds.
    """
    low, high = _invert(np.array([total], dtype=np.float64), np.array([num]), level, bounds, prior)
    return Interval(float(low[0]), float(high[0]), level, "anytime beta-binomial mixture")


class ConfidenceSequence(NamedTuple):
    """Result of `confidence_sequence`.

    Attributes:
        low_N: Lower end after each observation.
        high_N: Upper end after each observation.
        level: Probability that the mean is inside at all times.
    """

    low_N: FloatArray
    high_N: FloatArray
    level: float


def confidence_sequence(
    value_N: ArrayLike,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
    prior: tuple[float, float] = (1.0, 1.0),
    intersect: bool = True,
) -> ConfidenceSequence:
    """Time-uniform confidence sequence of a bounded mean, for independent or martingale-difference
    observations.

    Args:
        value_N: Shape ``(N,)``, in the order in which the observations came.
        level: Probability that the mean is inside all N intervals (and all later ones).
        bounds: Lower and upper bound of an observation, known beforehand.
        prior: See `log_e_value`.
        intersect: Keep what all intervals so far have in common. It stays valid and never widens; should it
            run empty (low above high), the mean was not constant or this is one of the rare misses.

    Raises:
        ConfigError: ``level``, ``bounds`` or ``prior`` is out of range.
        DataError: An observation is outside the bounds.
    """
    value = np.asarray(value_N, dtype=np.float64)
    if value.ndim != 1 or not ((value >= bounds[0]) & (value <= bounds[1])).all():
        raise DataError(
            f"observations of shape {value.shape} are not a list of numbers within {bounds}",
            remedy="Give the bounds that hold for every possible observation, not those of the sample.",
        )
    low, high = _invert(np.cumsum(value), np.arange(1, value.size + 1), level, bounds, prior)
    if intersect:
        low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    return ConfidenceSequence(low, high, level)


def _invert(
    total: FloatArray,
    num: NDArray[np.int64],
    level: float,
    bounds: tuple[float, float],
    prior: tuple[float, float],
) -> tuple[FloatArray, FloatArray]:
    check_level(level)
    _check_prior(prior)
    floor, width = bounds[0], bounds[1] - bounds[0]
    if not 0 < width < math.inf:
        raise ConfigError(f"bounds={bounds} are not an interval")
    s, f = _successes_failures((total - floor * num) / width, num)
    threshold = -math.log1p(-level)
    log_mixture = betaln(prior[0] + s, prior[1] + f) - betaln(*prior)

    def excluded(mean: FloatArray) -> NDArray[np.bool_]:
        return log_mixture - xlogy(s, mean) - xlog1py(f, -mean) >= threshold

    centre = s / np.maximum(num, 1)
    low_out, low_in = np.zeros_like(s), centre.copy()
    high_in, high_out = centre.copy(), np.ones_like(s)
    for _ in range(_BISECTIONS):
        middle = (low_out + low_in) / 2
        out = excluded(middle)
        low_out, low_in = np.where(out, middle, low_out), np.where(out, low_in, middle)
        middle = (high_in + high_out) / 2
        out = excluded(middle)
        high_out, high_in = np.where(out, middle, high_out), np.where(out, high_in, middle)
    # Rounded outwards. An end that no observation speaks against is exact.
    low = np.where(s == 0, 0.0, low_out)
    high = np.where(f == 0, 1.0, high_out)
    return floor + width * low, floor + width * high


def _check_prior(prior: tuple[float, float]) -> None:
    if not min(prior) > 0 or not math.isfinite(sum(prior)):
        raise ConfigError(f"prior={prior} is not a Beta distribution", remedy="Both numbers must be positive.")


def _successes_failures(total: ArrayLike, num: ArrayLike) -> tuple[FloatArray, FloatArray]:
    s, n = np.broadcast_arrays(np.asarray(total, dtype=np.float64), np.asarray(num, dtype=np.float64))
    slack = 1e-9 * np.maximum(n, 1.0)  # a sum of observations carries rounding
    bad = ~((n >= 0) & (s >= -slack) & (s <= n + slack))  # NaN is bad, too
    if bad.any():
        raise DataError(
            f"a total of {s[bad][0]} is impossible for num={n[bad][0]:.0f}",
            remedy="Each observation contributes between 0 and 1 (after scaling by its bounds).",
        )
    s = np.clip(s, 0.0, n)
    return s, n - s


def _log_beta_sf(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> FloatArray:
    """Logarithm of P(Beta(a, b) > x), accurate also where the probability itself underflows."""
    a_, b_, x_ = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (a, b, x)))
    tail = betainc(b_, a_, 1 - x_)
    far = tail < _TINY_TAIL
    with np.errstate(divide="ignore"):
        log_tail = np.log(tail)
    if far.any():
        # I_y(p, q) = y^p (1-y)^q / (p B(p, q)) * 2F1(p + q, 1; p + 1; y), a series of positive terms. So far
        # in the tail y < p / (p + q), and they fall geometrically from the start.
        p, q, y = b_[far], a_[far], 1 - x_[far]
        log_tail = np.where(far, 0.0, log_tail)
        log_front = xlogy(p, y) + xlog1py(q, -y) - np.log(p) - betaln(p, q)
        log_tail[far] = log_front + np.log(_tail_series(p, q, y))
    return log_tail


def _tail_series(p: FloatArray, q: FloatArray, y: FloatArray) -> FloatArray:
    term, total, step = np.ones_like(p), np.ones_like(p), 0
    while (term > 1e-17 * total).any():
        term = term * (p + q + step) / (p + 1 + step) * y
        total = total + term
        step += 1
    return total
