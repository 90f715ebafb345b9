"""What the green-list schemes share: how a list biases a step, and what the count of green tokens says.

Of G green among T scored tokens, Binomial(T, gamma) without the mark:

    p-value     P(Binomial(T, gamma) >= G), exact
    z score     (G - gamma T) / sqrt(T gamma (1 - gamma)), as others report it; its normal p-value is not used
    e-process   [ int_gamma^1 p^G (1-p)^(T-G) dp / (1 - gamma) ] / ( gamma^G (1-gamma)^(T-G) )
                = B(G+1, T-G+1) P(Beta(G+1, T-G+1) > gamma) / ( (1-gamma) gamma^G (1-gamma)^(T-G) )

    marking     q'_x = q_x exp(delta [x is green]) / sum,    q after temperature and top-p

The Beta-binomial mixture is Robbins' (1970); `reasonry.core.stats.log_e_value` evaluates it in logarithms.

Legend: T scored tokens, R texts side by side, V vocabulary, N words.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from reasonry.core.stats import log_e_value
from reasonry.errors import ConfigError
from reasonry.watermark.baselines.base import Floats, Ints, Reading

_special = cast(Any, special)

U64 = NDArray[np.uint64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class GreenReading(Reading):
    """A `Reading` with the counts behind it.

    Attributes:
        num_green: Green tokens among the scored ones.
        z_score: See `z_score`; NaN when nothing was scored.
    """

    num_green: int = 0
    z_score: float = math.nan


def binomial_p_path(hit_T: ArrayLike, gamma: float) -> Floats:
    """p-value after each token, for a length fixed beforehand: P(Binomial(t, gamma) >= hits so far).

    Args:
        hit_T: Whether each scored token is green, shape (T,) or (T, R).
        gamma: Probability of that without the mark.
    """
    num_hit = np.cumsum(np.asarray(hit_T, dtype=np.int64), axis=0)
    t = np.arange(1, len(num_hit) + 1).reshape(-1, *[1] * (num_hit.ndim - 1))
    tail = np.asarray(_special.betainc(np.maximum(num_hit, 1), t - num_hit + 1, gamma), dtype=np.float64)
    return np.where(num_hit == 0, 1.0, tail)


def beta_binomial_log_e_path(hit_T: ArrayLike, gamma: float) -> Floats:
    """Evidence log E after each token, the uniform mixture over green rates above gamma; same arguments, nats."""
    num_hit = np.cumsum(np.asarray(hit_T, dtype=np.int64), axis=0)
    t = np.arange(1, len(num_hit) + 1).reshape(-1, *[1] * (num_hit.ndim - 1))
    return log_e_value(num_hit, t, null=gamma, alternative="greater")


def z_score(num_green: ArrayLike, num_scored: ArrayLike, *, gamma: float) -> Floats:
    """(G - gamma T) / sqrt(T gamma (1 - gamma)); NaN where T is 0."""
    num, green = np.asarray(num_scored, dtype=np.float64), np.asarray(num_green, dtype=np.float64)
    spread = np.sqrt(num * gamma * (1 - gamma))
    return np.divide(green - gamma * num, spread, out=np.full(np.broadcast(num, green).shape, math.nan), where=num > 0)


def is_green(word_N: U64, gamma: float) -> Bools:
    """Whether the upper 32 bits of keyed words are below gamma 2^32."""
    return (word_N >> np.uint64(32)) < np.uint64(round(gamma * 2**32))


def green_reading(
    green_T: Bools, position_T: Ints, *, gamma: float, num_tok: int, num_short_context: int, num_duplicate: int
) -> GreenReading:
    """What green and other tokens say; both arrays in the order of the text."""
    num_green = int(green_T.sum())
    return GreenReading(
        position_T,
        binomial_p_path(green_T, gamma),
        beta_binomial_log_e_path(green_T, gamma),
        num_tok=num_tok,
        num_short_context=num_short_context,
        num_duplicate=num_duplicate,
        num_green=num_green,
        z_score=float(z_score(num_green, len(green_T), gamma=gamma)),
    )


def check_green_list(gamma: float, delta: float) -> None:
    """Refuse a list or a bonus that cannot mark.

    Raises:
        ConfigError: ``gamma`` is not strictly between 0 and 1, or ``delta`` is not a finite number of at least 0.
    """
    if not 2**-32 <= gamma <= 1 - 2**-32:
        raise ConfigError(f"gamma={gamma} is not strictly between 0 and 1", remedy="Use 0.25 or 0.5.")
    if not 0 <= delta < math.inf:
        raise ConfigError(f"delta={delta} is no bonus on logits", remedy="Use 0.5 to 3.")


def biased(q_V: Floats, green_V: Bools, delta: float) -> Floats:
    """The law after a bonus of ``delta`` on the logits of green tokens; sums to one."""
    # Never exp(delta) > 1: a large bonus overflows, where a penalty on the others only underflows.
    weight_V = q_V * np.where(green_V, 1.0, math.exp(-delta))
    return weight_V / weight_V.sum()
