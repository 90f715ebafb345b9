"""Bets on "the text symbol is the keyed symbol", a coin whose probability under the null hypothesis is known.

At a scored token M = 1{V = S} and p = p0(V). Given the past and V, M ~ Bernoulli(p) when the text does not know the
key. A bet pi turns that into an e-value

    e = pi / p  for a match,     (1 - pi) / (1 - p)  for a mismatch,     p e(match) + (1 - p) e(mismatch) = 1,

for any pi that is fixed before S is seen: it may depend on the past, on p0 and on V, so on p.

    paper     pi = 1 - delta/2                e = (1 - delta/2) / p,            (delta/2) / (1 - p)
    eps       pi = 1 - eps (1 - p)            e = eps + (1 - eps) / p,          eps
    power     pi = p^a                        e = p^(a - 1),                    (1 - p^a) / (1 - p)

"paper" is e* of arXiv 2602.17608. For n = 2 the two are the same. For n > 2 a mismatch of e* depends on which other
symbol the key chose; here is its mean over them, sum_{s != v} p0(s) e*(v, s) / (1 - p), an e-value as well and not
the paper's (`reasonry.watermark.e_values.log_e_star` is).

The other two families, and the grid of 17, are ours. A constant pi loses at a match wherever p > pi, and
predictable text is full of those; eps and power have pi > p for every p, so a match never loses. Which eps or a is
best depends on the text, on the anchor and on n; the average of the 17 e-processes is one too and at most
log 17 = 2.83 nats behind the best of them (`reasonry.watermark.e_process`).

Degenerate cases. p = 1: the bet is off, a match has e = 1; a mismatch is impossible, is finite and never favours
the watermark. p = 0 has no e-value and is refused: the anchor needs a floor. Logarithms throughout; accurate for
p down to 1e-300 and for 1 - p down to 1e-16.

Shapes: T scored tokens (any shape), G bets.
"""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.watermark.e_values import check_delta

FloatArray = NDArray[np.float64]

GRID_EPS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
GRID_POWERS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
_ROUNDING = 1e-6  # a sum of float32 probabilities may exceed 1 by that much and still means 1


class Increments(NamedTuple):
    """What a token adds to the log-wealth of each bet, nats.

    Attributes:
        match_TG: When the text symbol is the keyed one, shape of p followed by ``(G,)``.
        mismatch_TG: When it is not.
    """

    match_TG: FloatArray
    mismatch_TG: FloatArray


@dataclass(frozen=True)
class Bets:
    """A list of bets: first those of the eps family, then powers, then constants.

    Attributes:
        eps: Each in (0, 1).
        powers: Each a in (0, 1).
        deltas: Each a constant pi = 1 - delta/2.
    """

    eps: tuple[float, ...] = ()
    powers: tuple[float, ...] = ()
    deltas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("eps", self.eps), ("powers", self.powers)):
            for value in values:
                if not 0 < value < 1:
                    raise ConfigError(f"{name} has {value}, which is not strictly between 0 and 1")
        for delta in self.deltas:
            if not 0 < delta < 2:
                raise ConfigError(f"deltas has {delta}, which is not strictly between 0 and 2")
        if not len(self):
            raise ConfigError("no bet at all", remedy="Use mixture_bets().")

    def __len__(self) -> int:
        return len(self.eps) + len(self.powers) + len(self.deltas)

    @property
    def names(self) -> tuple[str, ...]:
        """Such as ``eps:0.05``, ``power:0.5``, ``paper:0.3``; shape ``(G,)``."""
        kinds = (("eps", self.eps), ("power", self.powers), ("paper", self.deltas))
        return tuple(f"{kind}:{value:g}" for kind, values in kinds for value in values)

    def log_increments(self, p_T: ArrayLike) -> Increments:
        """Logarithm of each bet's e-value for either outcome.

        Args:
            p_T: Anchor's probability of the TEXT's symbol, in (0, 1], any shape.

        Raises:
            DataError: A probability is not in (0, 1].
        """
        p = probabilities(p_T)
        is_sure = p == 1
        inner = np.where(is_sure, 0.5, p)
        log_p, log_rest = np.log(p), np.log1p(-inner)
        # The bets come first in memory: each is then one run over the tokens.
        match, mismatch = np.empty((2, len(self), *p.shape))
        eps, power, pi = self._columns(p.ndim)
        a, b = len(self.eps), len(self.eps) + len(self.powers)
        match[:a] = np.log1p(eps * (p - 1)) - log_p
        mismatch[:a] = np.log(eps)
        match[a:b] = (power - 1) * log_p
        mismatch[a:b] = np.where(is_sure, np.log(power), np.log(-np.expm1(power * np.log(inner))) - log_rest)
        match[b:] = np.where(is_sure, 0.0, np.log(pi) - log_p)
        mismatch[b:] = np.where(is_sure, 0.0, np.log1p(-pi) - log_rest)
        return Increments(np.moveaxis(match, 0, -1), np.moveaxis(mismatch, 0, -1))

    @cached_property
    def _parameters(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return np.array(self.eps), np.array(self.powers), 1 - np.array(self.deltas) / 2

    def _columns(self, ndim: int) -> tuple[FloatArray, ...]:
        return tuple(x.reshape(-1, *[1] * ndim) for x in self._parameters)


def mixture_bets() -> Bets:
    """The default: 17 bets, ten of the eps family and seven powers, without a parameter to choose."""
    return Bets(eps=GRID_EPS, powers=GRID_POWERS)


def paper_bet(delta: float, *, n: int) -> Bets:
    """The constant bet pi = 1 - delta/2 of arXiv 2602.17608; exactly its e* for n = 2, see above for n > 2.

    Args:
        delta: Radius of the ball around the anchor, within (0, 2 (n - 1) / n).
        n: Number of symbols.

    Raises:
        ConfigError: ``delta`` is out of range.
    """
    check_delta(delta, n)
    return Bets(deltas=(delta,))


def make_bets(text: str, *, n: int) -> Bets:
    """``mixture`` or ``paper:DELTA``.

    Raises:
        ConfigError: It is neither, or DELTA is out of range for n symbols.
    """
    kind, _, value = text.partition(":")
    if text == "mixture":
        return mixture_bets()
    if kind != "paper":
        raise ConfigError(
            f"unknown bet {text!r}", remedy=nearest(kind, ["mixture", "paper"]) or "Use mixture or paper:0.3."
        )
    try:
        delta = float(value)
    except ValueError:
        raise ConfigError(f"bet {text!r} has no number for delta", remedy="Write paper:0.3.") from None
    return paper_bet(delta, n=n)


def probabilities(p_T: ArrayLike) -> FloatArray:
    """Check the anchor's probabilities of text symbols; what exceeds 1 by rounding is 1.

    Raises:
        DataError: One of them is not in (0, 1].
    """
    p = np.asarray(p_T, dtype=np.float64)
    bad = ~((p > 0) & (p <= 1 + _ROUNDING))  # NaN is bad, too
    if bad.any():
        place = np.argwhere(bad)[0].tolist()
        raise DataError(
            f"the anchor's probability of a text symbol is {p[bad][0]}, not in (0, 1]",
            place=f"p_T{place}" if place else "",
            remedy="Put a floor under the anchor's law, the same one as at generation.",
        )
    return np.minimum(p, 1.0)
