"""Accuracy under parallelism (AUP): one number for a curve of accuracy against tokens per forward pass (d3LLM).

Points (rho_i, y_i) in order of rho, accuracies in percent, those with y_i < y_1 - 5 left out:

    AUP  = rho_1 y_1 + sum_{i >= 2} (rho_i - rho_{i-1}) (y_i W(y_i) + y_{i-1} W(y_{i-1})) / 2
    W(y) = min(exp(-3 (1 - y / y_max)), 1)

where y_max is the best accuracy of any method on the task, not of this curve. (1, 80) and (2, 79) with y_max = 80 give
158.0462. The first term has no weight, as in d3LLM's own script; theirs refuses a curve whose last point has fallen by
more than 5, where its description drops such points, as is done here. Of points with the same rho the most accurate
comes first, and counts as y_1.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from reasonry.errors import ConfigError


class Point(NamedTuple):
    """A setting of a method.

    Attributes:
        tokens_per_forward: rho, more than 0.
        accuracy_percent: y, 0 to 100.
    """

    tokens_per_forward: float
    accuracy_percent: float


def weight(accuracy_percent: float, best_percent: float, *, steepness: float = 3.0) -> float:
    """W(y), 1 at the best accuracy and above."""
    return min(math.exp(-steepness * (1 - accuracy_percent / best_percent)), 1.0)


def aup(
    points: Iterable[tuple[float, float]],
    best_percent: float | None = None,
    *,
    steepness: float = 3.0,
    max_drop_percent: float = 5.0,
) -> float:
    """Accuracy under parallelism of a method, in percent times tokens.

    Args:
        points: `Point` or pairs, in any order.
        best_percent: y_max; by default the best of these points, which is right for a single method alone.
        steepness: How fast lower accuracy loses weight.
        max_drop_percent: Points that lie lower than this under the first one are left out.

    Raises:
        ConfigError: No points, one out of range, or a best accuracy that is not above 0.
    """
    curve = sorted((Point(*map(float, point)) for point in points), key=lambda p: (p[0], -p[1]))
    if not curve:
        raise ConfigError("a curve without points has no area", remedy="Measure at least one setting.")
    for rho, y in curve:
        if not (0 < rho < math.inf and 0 <= y <= 100):
            raise ConfigError(
                f"({rho}, {y}) is no point of a curve",
                remedy="Tokens per forward are above 0, accuracy is a percentage.",
            )
    best = max(p.accuracy_percent for p in curve) if best_percent is None else best_percent
    if not 0 < best <= 100:
        raise ConfigError(
            f"the best accuracy is {best}", remedy="It is a percentage above 0: without it nothing can be compared."
        )
    first = curve[0]
    curve = [p for p in curve if p.accuracy_percent >= first.accuracy_percent - max_drop_percent]
    heights = [p.accuracy_percent * weight(p.accuracy_percent, best, steepness=steepness) for p in curve]
    area = sum(
        (curve[i].tokens_per_forward - curve[i - 1].tokens_per_forward) * (heights[i] + heights[i - 1]) / 2
        for i in range(1, len(curve))
    )
    return first.tokens_per_forward * first.accuracy_percent + area
