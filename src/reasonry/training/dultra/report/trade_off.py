"""Accuracy against what it costs: one line for each kind of policy, intervals both ways, and the frontier of them all.

A click on a name in the legend puts the others back. Filled points lie on the frontier; hollow ones are dominated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from reasonry.core.report.channels import Reference, Spec, distinct, figure, quantity, reference_layers, words
from reasonry.core.report.style import LIGHT

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
_DASHES = ([1, 0], [5, 3], [2, 2], [8, 3, 2, 3], [1, 3])
_LEGEND_COLUMNS, _NARROW_PX = 5, 600
_FEW_POWERS = 4


class TradeOff(NamedTuple):
    """A point.

    Attributes:
        label: The policy.
        family: What it is a setting of: its line.
        cost: What it costs, above 0.
        cost_low: Lower end of its interval.
        cost_high: Upper end.
        accuracy: Share of right answers.
        low: Lower end of its interval.
        high: Upper end.
        is_dominated: Whether another point is better.
    """

    label: str
    family: str
    cost: float
    cost_low: float
    cost_high: float
    accuracy: float
    low: float
    high: float
    is_dominated: bool


def trade_off_chart(
    points: Sequence[TradeOff], *, cost_title: str, cost_format: str = ".3~g", target: float | None = None
) -> Spec:
    """Accuracy over cost, the cost on a logarithmic axis.

    Args:
        points: At least one; of a family, joined in order of cost.
        cost_title: What the cost is, with its unit.
        cost_format: d3 format of costs.
        target: Draw a line at this accuracy.

    Raises:
        ValueError: No points, or a cost that is not above 0.
    """
    if not points or min(p.cost_low for p in points) <= 0:
        raise ValueError("accuracy over cost needs points, and costs above 0")
    families = distinct(p.family for p in points)
    x = _cost_axis(points, cost_title, cost_format)
    y = quantity("y", "accuracy", ".0%", domain=[0, 1], nice=False)
    colours = [LIGHT.series[i % len(LIGHT.series)] for i in range(len(families))]
    turn = [i // len(LIGHT.series) % len(_SHAPES) for i in range(len(families))]
    rows = [
        {
            **{"label": p.label, "family": p.family, "x": p.cost, "y": p.accuracy, "low": p.low, "high": p.high},
            **{"x_low": p.cost_low, "x_high": p.cost_high, "dominated": p.is_dominated},
            "turn": turn[families.index(p.family)],
            "interval": f"{p.low:.1%} to {p.high:.1%}",
            "spread": f"{p.cost_low:.3g} to {p.cost_high:.3g}" if p.cost_high > p.cost_low else "",
            "place": "dominated" if p.is_dominated else "on the frontier",
        }
        for p in sorted(points, key=lambda p: (families.index(p.family), p.cost, p.accuracy))
    ]
    num_lines = -(-len(families) // _LEGEND_COLUMNS)
    num_columns = f"width < {_NARROW_PX} ? 2 : {-(-len(families) // num_lines)}"
    legend: Spec = {"title": None, "columns": {"signal": num_columns}, "symbolStrokeWidth": 2}
    by_family: Spec = {"field": "family", "type": "nominal"}
    colour: Spec = {**by_family, "scale": {"domain": families, "range": colours}, "legend": legend}
    shape: Spec = {
        **by_family,
        "scale": {"domain": families, "range": [_SHAPES[i] for i in turn]},
        "legend": legend,
    }
    fill: Spec = {
        "condition": {"test": "datum.dominated", "value": LIGHT.ground},
        **by_family,
        "scale": colour["scale"],
        "legend": None,
    }

    def faint(shown: float) -> Spec:
        return {"condition": {"param": "picked", "value": shown}, "value": 0.06}

    where: Spec = {"x": x, "y": y, "color": colour}
    tooltip = [
        words("label", "policy"),
        figure("y", "accuracy", ".1%"),
        words("interval", "95 %"),
        figure("x", cost_title, cost_format),
        words("spread", "95 %"),
        words("place", "place"),
    ]
    layers: list[Spec] = [
        {
            "data": {"values": _staircase(points)},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 7, "opacity": 0.16},
            "encoding": {"x": x, "y": y, "color": {"value": LIGHT.muted}},
        },
        # One layer for each kind of dash: as a channel it would be drawn into the legend's marks.
        *(
            {
                "transform": [{"filter": f"datum.turn === {i}"}],
                "mark": {"type": "line", "strokeWidth": 1.6, "strokeDash": _DASHES[i]},
                "encoding": {**where, "opacity": faint(0.75)},
            }
            for i in range(max(turn) + 1)
        ),
        {
            "mark": {"type": "rule", "strokeWidth": 1.2},
            "encoding": {**where, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "opacity": faint(0.4)},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 1.2},
            "encoding": {**where, "x": {**x, "field": "x_low"}, "x2": {"field": "x_high"}, "opacity": faint(0.4)},
        },
        {
            "params": [{"name": "picked", "select": {"type": "point", "fields": ["family"]}, "bind": "legend"}],
            "mark": {"type": "point", "size": 62, "strokeWidth": 1.8},
            "encoding": {**where, "shape": shape, "fill": fill, "opacity": faint(1), "tooltip": tooltip},
        },
    ]
    if target is not None:
        layers += reference_layers([Reference(target, f"{target:.0%}", is_left=True)], "y")
    return {"data": {"values": rows}, "layer": layers}


def _cost_axis(points: Sequence[TradeOff], title: str, form: str) -> Spec:
    low, high = min(p.cost_low for p in points), max(p.cost_high for p in points)
    powers = range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)
    ticks = [2.0**power for power in powers][:: max(1, len(powers) // 8)]
    if len(powers) <= _FEW_POWERS:  # else two ticks may be all there is
        ticks = sorted([*ticks, *(1.5 * tick for tick in ticks)])
    x = quantity("x", title, form, type="log", base=2, nice=False, domain=[low / 1.15, high * 1.15])
    x["axis"] |= {"values": ticks, "tickCount": len(ticks)}
    return x


def _staircase(points: Sequence[TradeOff]) -> list[Spec]:
    """The best accuracy that each cost buys, up to the largest cost."""
    stairs: list[Spec] = []
    best = -math.inf
    for p in sorted(points, key=lambda p: (p.cost, -p.accuracy)):
        if p.accuracy > best:
            best = p.accuracy
            stairs.append({"x": p.cost, "y": best})
    return [*stairs, {"x": max(p.cost for p in points), "y": best}]
