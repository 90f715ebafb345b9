"""From curves to numbers: the interval of a prediction, and the fewest samples that reach a target.

Where predictions come from the pools themselves, prompts are resampled: a percentile bootstrap of all curves at once,
from the same resamples; what lies beyond the pools by a fitted law of prompts is fitted again to each resample. The
bootstrap sees only the prompts that are there: where all of them agree Wilson's interval stands in for it, and no end
goes beyond Wilson's for P prompts that all succeed (or all fail), P / (P + z^2). Elsewhere a strategy brings closed
forms of both ends (`Ends`), which do not fall with n and are searched by bisection.

Symbols: P prompts, G grid of sample numbers, B resamples, X columns of several strategies side by side.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import groups
from reasonry.core.seeds import stream
from reasonry.core.stats import resample_counts
from reasonry.test_time.planner.mixture import Mixture, join
from reasonry.test_time.planner.pilot import Pilot, TokenCount
from reasonry.test_time.planner.records import Ceiling, Prediction, StrategyPlan
from reasonry.test_time.planner.success import Curves
from reasonry.test_time.theory.plurality import smallest_n

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Form = Callable[[FloatArray], FloatArray]
"""From sample numbers, shape (G,), to mean success, shape (G,)."""

_MOST = 10_000_000  # where the search of a closed form gives up
_ROUNDING = 1e-12
_REFITS = 200  # fits of a law of prompts to resampled prompts


class Ends(NamedTuple):
    """Closed forms of a prediction's interval, each from sample numbers (G,) to mean success (G,)."""

    low: Form
    high: Form


@dataclass(frozen=True)
class Strategy:
    """A strategy before its numbers are read.

    Attributes:
        name: As in the plan.
        about: As in the plan.
        needs: As in the plan.
        curves: Over the grid, for every prompt.
        ceiling: As in the plan, before a fitted law of prompts replaces its numbers.
        ends: Closed forms of the interval.
        centre: Closed form of the mean.
        beyond: Fitted laws of prompts that continue the curve beyond the pools: the truth is between them.
        has_limit: That law says what success tends to.
        is_vote: An unweighted vote.
    """

    name: str
    about: str
    needs: str
    curves: Curves
    ceiling: Ceiling | None
    ends: Ends | None = None
    centre: Form | None = None
    beyond: tuple[Mixture, ...] = ()
    has_limit: bool = False
    is_vote: bool = False


class Predicted(NamedTuple):
    """Mean success over the grid with both ends, shape (G,); the ends are None when nothing is known."""

    mean_G: FloatArray
    low_G: FloatArray | None
    high_G: FloatArray | None
    ceiling: Ceiling | None


def share(value_P: FloatArray, level: float, what: str) -> Ceiling:
    """Mean over prompts with Wilson's interval; of all values in [0, 1] a share has the largest variance."""
    mean = float(value_P.mean())
    if value_P.size < 2:
        return Ceiling(mean, None, None, what)
    low, high = _wilson(np.array([mean]), value_P.size, level)
    return Ceiling(mean, float(low[0]), float(high[0]), what)


def _wilson(mean: FloatArray, num: int, level: float) -> tuple[FloatArray, FloatArray]:
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (mean + z2 / (2 * num)) / (1 + z2 / num)
    half = np.sqrt(z2 * (mean * (1 - mean) / num + z2 / (4 * num**2))) / (1 + z2 / num)
    return np.clip(centre - half, 0.0, mean), np.clip(centre + half, mean, 1.0)


def predict_in_pool(
    strategies: Sequence[Strategy], n_G: IntArray, *, exact_up_to: int, seed: int, num_boot: int, level: float
) -> list[Predicted]:
    """Predictions of several prompts from their pools, and from fitted laws beyond them."""
    # Self-correction has the curve of best-of-n with the same verifier: one bootstrap for both.
    once = {id(s.curves.success_PG): s for s in strategies}
    stacked_PX = np.concatenate([s.curves.success_PG for s in once.values()], axis=1)
    band = groups.mean_curve(stacked_PX, seed=seed, num_boot=num_boot, level=level)
    low_X, high_X = _wilson(np.clip(band.mean_K, 0, 1), band.num_problems, level)
    agree_X = np.ptp(stacked_PX, axis=0) == 0
    low_X, high_X = np.where(agree_X, low_X, band.low_K), np.where(agree_X, high_X, band.high_K)
    columns = np.split(np.stack([band.mean_K, *_modest(low_X, high_X, band.num_problems, level)]), len(once), axis=1)
    found: dict[int, Predicted] = {}
    for (key, s), column in zip(once.items(), columns, strict=True):
        mean_G, low_G, high_G = np.clip(column, 0.0, 1.0)
        pooled = Predicted(mean_G, low_G, high_G, s.ceiling)
        found[key] = _continue(s, n_G, pooled, exact_up_to=exact_up_to, seed=seed, level=level)
    return [found[id(s.curves.success_PG)] for s in strategies]


def _continue(
    strategy: Strategy, n_G: IntArray, pooled: Predicted, *, exact_up_to: int, seed: int, level: float
) -> Predicted:
    """The fitted law of prompts in place of what lies beyond the pools, and in place of the ceiling."""
    at = int(np.flatnonzero(n_G == exact_up_to)[0])
    if not strategy.beyond or (at + 1 == n_G.size and not strategy.has_limit):
        return pooled
    num = strategy.curves.success_PG.shape[0]
    resampled = resample_counts(stream(seed, "mixture"), num, num_boot=_REFITS)
    count_BP = np.concatenate([np.ones((1, num)), *(counts.astype(np.float64) for counts in resampled)])
    n = n_G[at:].astype(np.float64)
    n_or_limit = np.append(n, math.inf) if strategy.has_limit else n
    fitted_LBG = np.stack([law.predict(count_BP, n_or_limit) for law in strategy.beyond])
    exact_B = count_BP @ strategy.curves.success_PG[:, at] / num
    beyond_LBG = join(exact_B, fitted_LBG[:, :, : n.size], n)
    low_G, high_G = _quantiles(beyond_LBG, num, level)
    ceiling = pooled.ceiling
    if ceiling is not None and strategy.has_limit:
        low, high = _quantiles(fitted_LBG[:, :, -1:], num, level)
        ceiling = Ceiling(float(fitted_LBG[:, 0, -1].mean()), float(low[0]), float(high[0]), ceiling.what)
    assert pooled.low_G is not None and pooled.high_G is not None
    return Predicted(
        np.concatenate([pooled.mean_G[: at + 1], beyond_LBG[:, 0].mean(axis=0)]),
        np.concatenate([pooled.low_G[: at + 1], low_G]),
        np.concatenate([pooled.high_G[: at + 1], high_G]),
        ceiling,
    )


def _quantiles(value_LBG: FloatArray, num: int, level: float) -> tuple[FloatArray, FloatArray]:
    """Outermost ends of the laws over their resamples, the first of which is the estimate."""
    low, high = np.quantile(value_LBG[:, 1:], [(1 - level) / 2, (1 + level) / 2], axis=1)
    low, high = np.minimum(low, value_LBG[:, 0]).min(axis=0), np.maximum(high, value_LBG[:, 0]).max(axis=0)
    return _modest(low, high, num, level)


def _modest(low: FloatArray, high: FloatArray, num: int, level: float) -> tuple[FloatArray, FloatArray]:
    """No end beyond Wilson's for prompts that all succeed, or all fail: there may be others, not seen yet."""
    furthest = float(_wilson(np.ones(1), num, level)[0][0])
    return np.minimum(low, furthest), np.maximum(high, 1 - furthest)


def predict_plug_in(strategy: Strategy, n_G: IntArray) -> Predicted:
    """One prompt, or prompts without labels: closed forms of both ends, widened to hold the curve."""
    mean, n = strategy.curves.success_PG.mean(axis=0), n_G.astype(np.float64)
    if strategy.ends is None:
        return Predicted(mean, None, None, strategy.ceiling)
    low, high = np.minimum(strategy.ends.low(n), mean), np.maximum(strategy.ends.high(n), mean)
    return Predicted(mean, low, high, strategy.ceiling)


class Priced(NamedTuple):
    """What samples cost."""

    tokens: TokenCount | None
    price_per_mtok: float | None

    def num_tok(self, num_samples: float) -> float | None:
        """Completion tokens; None when the pilot does not know them."""
        return None if self.tokens is None else num_samples * self.tokens.mean_tok

    def cost(self, num_samples: float) -> float | None:
        """Money; None without tokens or a price."""
        tokens = self.num_tok(num_samples)
        return None if tokens is None or self.price_per_mtok is None else tokens * self.price_per_mtok / 1e6


def read(
    strategy: Strategy,
    predicted: Predicted,
    pilot: Pilot,
    n_G: IntArray,
    *,
    target: float,
    exact_up_to: int,
    priced: Priced,
) -> StrategyPlan:
    """Read a strategy's numbers off its curves; verdict and reasons stay empty.

    Args:
        strategy: The strategy.
        predicted: Its mean success over the grid, with both ends.
        pilot: The prompts its curves are of.
        n_G: The grid.
        target: Success asked for.
        exact_up_to: Largest n at which the curves are finite-pool values; 0 when all are plug-in values, and the
            interval of n comes from closed forms.
        priced: Tokens and price.
    """
    mean_G, low_G, high_G, ceiling = predicted
    draws_G = strategy.curves.draws_PG.mean(axis=0)
    curve = tuple(
        Prediction(
            n,
            float(mean_G[g]),
            None if low_G is None else float(low_G[g]),
            None if high_G is None else float(high_G[g]),
            float(draws_G[g]),
            priced.num_tok(float(draws_G[g])),
            priced.cost(float(draws_G[g])),
            n > exact_up_to,
        )
        for g, n in enumerate(n_G.tolist())
    )
    n_hat = _n_hat(strategy, pilot, n_G, mean_G, target, closed=exact_up_to == 0)
    if exact_up_to and low_G is not None and high_G is not None:
        n_low, n_high = _crossing(n_G, high_G, target), _crossing(n_G, low_G, target)
    elif strategy.ends is not None:
        n_low, n_high = _first(strategy.ends.high, target), _first(strategy.ends.low, target)
    else:
        n_low = n_high = None
    if strategy.is_vote:
        n_hat, n_low, n_high = _odd(n_hat), n_low and _odd(n_low), n_high and _odd(n_high)
    num_samples = None
    if (draws_G == n_G).all():
        num_samples = n_hat if math.isfinite(n_hat) else None
    elif n_hat <= n_G[-1]:
        num_samples = _at(n_hat, n_G, draws_G)
    return StrategyPlan(
        name=strategy.name,
        about=strategy.about,
        needs=strategy.needs,
        n_hat=n_hat,
        n_low=None if n_low is None else min(n_low, n_hat),
        n_high=None if n_high is None else max(n_high, n_hat),
        num_samples=num_samples,
        num_tok=None if num_samples is None else priced.num_tok(num_samples),
        cost=None if num_samples is None else priced.cost(num_samples),
        ceiling=ceiling,
        curve=curve,
        budgets=tuple(point for point in curve if point.n & (point.n - 1) == 0),
        verdict="",
        reasons=(),
    )


def _n_hat(
    strategy: Strategy, pilot: Pilot, n_G: IntArray, mean_G: FloatArray, target: float, *, closed: bool
) -> float:
    if not closed:
        return _crossing(n_G, mean_G, target)
    if strategy.centre is not None:
        return _first(strategy.centre, target)
    if strategy.is_vote and pilot.num_prompts == 1:
        right = np.flatnonzero(pilot.right_PK[0] & (pilot.votes_PK[0] > 0))
        if right.size == 1:
            shares = pilot.votes_PK[0] / pilot.num_samples_P[0]
            silent = float(pilot.num_silent_P[0] / pilot.num_samples_P[0])
            found = smallest_n(shares, 1 - target, target=int(right[0]), silent=silent)
            return math.inf if found is None else float(found)
    return _crossing(n_G, mean_G, target)


def _crossing(n_G: IntArray, value_G: FloatArray, target: float) -> float:
    """Fewest samples at which a curve over the grid reaches the target, interpolated between grid points."""
    reached = np.flatnonzero(value_G >= target - _ROUNDING)
    if not reached.size:
        return math.inf
    g = int(reached[0])
    if g == 0:
        return float(n_G[0])
    return float(
        math.ceil(float(np.interp(target, value_G[g - 1 : g + 1], n_G[g - 1 : g + 1].astype(np.float64))) - 1e-9)
    )


def _at(n: float, n_G: IntArray, value_G: FloatArray) -> float:
    return float(np.interp(n, n_G.astype(np.float64), value_G))


def _first(rising: Form, target: float) -> float:
    """Fewest samples at which a closed form that does not fall reaches the target; inf beyond `_MOST`."""

    def enough(n: int) -> bool:
        return float(rising(np.array([n], dtype=np.float64))[0]) >= target - _ROUNDING

    low, high = 0, 1
    while not enough(high):
        low, high = high, high * 2
        if high > _MOST:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def _odd(n: float) -> float:
    """The next odd number: between two answers an even one wins exactly as often as the odd one before it."""
    return n if math.isinf(n) else n + 1 - n % 2
