"""What every chart is made of: its data records and the Vega-Lite channels they share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reasonry.core.report.style import LIGHT

Spec = dict[str, Any]

_OUTCOME_COLOURS = {"right": LIGHT.right, "wrong": LIGHT.wrong, "ungradable": LIGHT.ungradable}
_ANY_NUMBER = ",.6~g"


@dataclass(frozen=True, slots=True)
class Series:
    """A named line.

    Attributes:
        name: In the legend.
        x: Positions.
        y: Values, as many as ``x``; None leaves a gap.
        low: Lower ends of the band, or None for no band.
        high: Upper ends of the band.
        dashed: For bounds, oracles and baselines.
        faint: For noise behind the line that matters: thin, pale and grey.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    dashed: bool = False
    faint: bool = False

    def __post_init__(self) -> None:
        for name in ("y", "low", "high"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.x):
                raise ValueError(f"series {self.name!r}: {len(values)} values of {name} for {len(self.x)} of x")


@dataclass(frozen=True, slots=True)
class Measure:
    """A labelled value with an optional interval; ``group`` gives it a colour."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of a scatter; ``label`` is in its tooltip, ``group`` gives it a colour."""

    x: float
    y: float
    label: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A labelled straight line across the chart: chance, a target, a bound.

    Attributes:
        value: Where it stands.
        label: Its words, under its right end, or over its top.
        is_left: They stand under its left end: curves come down to the line on the right.
    """

    value: float
    label: str = ""
    is_left: bool = False


def distinct(values: Iterable[str]) -> list[str]:
    """Each value once, in order of first appearance."""
    return list(dict.fromkeys(values))


def quantity(field: str, title: str, form: str, **scale: Any) -> Spec:
    """A quantitative channel; ``form`` is a d3 number format, empty for the axis's own choice."""
    axis: Spec = {"title": title, "tickCount": 5}
    if form:
        axis["format"] = form
    return {"field": field, "type": "quantitative", "axis": axis, **({"scale": scale} if scale else {})}


def category(field: str, labels: Sequence[str], title: str) -> Spec:
    """A nominal x channel in the given order; long labels are tilted."""
    longest = max(map(len, labels), default=0)
    tilted = longest * len(labels) > 60
    axis = {"labelAngle": -30 if tilted else 0, "title": title, "labelOverlap": False}
    return {"field": field, "type": "nominal", "sort": list(labels), "axis": axis}


def name_colours(field: str, names: Sequence[str]) -> Spec:
    """The colour channel of named groups; outcomes keep their own colours everywhere."""
    colours = [_OUTCOME_COLOURS.get(name, LIGHT.series[i % len(LIGHT.series)]) for i, name in enumerate(names)]
    scale = {"domain": list(names), "range": colours}
    return {"field": field, "type": "nominal", "legend": name_legend(names), "scale": scale}


def name_legend(names: Sequence[str]) -> Spec | None:
    """A legend where there is something to tell apart."""
    return {"title": None} if len(names) > 1 else None


def words(field: str, title: str) -> Spec:
    """A tooltip line of text."""
    return {"field": field, "type": "nominal", "title": title or field}


def figure(field: str, title: str, form: str) -> Spec:
    """A tooltip line of a number."""
    return {"field": field, "type": "quantitative", "title": title or field, "format": form or _ANY_NUMBER}


def interval_line(form: str) -> tuple[Spec, Spec]:
    """The transform that writes a row's interval as text, and its tooltip line.

    Text, because Vega formats a missing number as 0; the page leaves out a line that is empty.
    """
    ends = [f"format(datum.{end}, {json.dumps(form or _ANY_NUMBER)})" for end in ("low", "high")]
    text = f"isValid(datum.low) && isValid(datum.high) ? {ends[0]} + ' to ' + {ends[1]} : ''"
    return {"calculate": text, "as": "interval"}, words("interval", "interval")


def reference_layers(references: Sequence[Reference], channel: str) -> list[Spec]:
    """Dashed lines across ``channel``, each with its label: under an end, or over its top."""
    layers: list[Spec] = []
    # Its own data: a layer inherits the chart's rows and would be drawn once for each of them.
    one_row = {"values": [{}]}
    for reference in references:
        here: Spec = {channel: {"datum": reference.value}}
        layers.append(
            {
                "data": one_row,
                "mark": {"type": "rule", "strokeDash": [4, 4], "strokeWidth": 1.25, "color": LIGHT.muted},
                "encoding": here,
            }
        )
        if not reference.label:
            continue
        place: Spec = {"align": "right", "dx": -2, "dy": 10} if channel == "y" else {"align": "center", "dy": -8}
        end: Spec = {"x": {"value": "width"}} if channel == "y" else {"y": {"value": 0}}
        if channel == "y" and reference.is_left:
            place, end = {**place, "align": "left", "dx": 2}, {"x": {"value": 0}}
        mark: Spec = {"type": "text", "text": reference.label, "fontSize": 11.5, **place}
        # The ground's colour behind the letters keeps them readable where they meet a line.
        for look in (
            {"stroke": LIGHT.ground, "strokeWidth": 3, "color": LIGHT.ground},
            {"color": LIGHT.muted},
        ):
            layers.append({"data": one_row, "mark": {**mark, **look}, "encoding": {**here, **end}})
    return layers
