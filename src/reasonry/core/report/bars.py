"""Vega-Lite specifications of bars, histograms and forest plots: values that belong to labels or to bins.

Plain dictionaries, with the conventions of `reasonry.core.report.charts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reasonry.core.report.channels import (
    Measure,
    Reference,
    Spec,
    category,
    distinct,
    figure,
    interval_line,
    name_colours,
    quantity,
    reference_layers,
    words,
)
from reasonry.core.report.style import LIGHT

_EDGE_SLACK = 1e-9


def bar_chart(
    bars: Sequence[Measure],
    *,
    x_title: str,
    y_title: str,
    y_format: str = "",
    stacked: bool = False,
    references: Sequence[Reference] = (),
) -> Spec:
    """Upright bars in the given order with interval whiskers; groups stand side by side, or ``stacked``.

    Groups named right, wrong and ungradable take the colours of outcomes.
    """
    labels, groups = distinct(b.label for b in bars), distinct(b.group for b in bars if b.group)
    shared: Spec = {"x": category("label", labels, x_title)}
    shared["x"]["scale"] = {"paddingInner": 0.3, "paddingOuter": 0.2}
    y = {**quantity("value", y_title, y_format), "stack": "zero" if stacked else None}
    if groups and not stacked:
        shared["xOffset"] = {"field": "group", "type": "nominal", "sort": groups}
    encoding: Spec = {**shared, "y": y, "tooltip": _measure_tooltip(x_title, y_title, y_format, groups)}
    if groups:
        encoding["color"] = name_colours("group", groups)
        # Stacks follow the legend, the first group at the bottom, and not the alphabet.
        encoding["order"] = {"field": "rank", "type": "quantitative"}
    # Rounded ends belong to whole bars; as a default of all bars they would also break binned ones.
    ends: Spec = {} if stacked else {"cornerRadiusEnd": 2}
    layers: list[Spec] = [{"mark": {"type": "bar", "opacity": 0.88, **ends}, "encoding": encoding}]
    if not stacked and any(b.low is not None for b in bars):
        layers.append(
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": LIGHT.ink},
                "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
                "encoding": {**shared, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            }
        )
    rows = _measure_rows(bars, groups)
    write_interval, _ = interval_line(y_format)
    layers += reference_layers(references, "y")
    return {"data": {"values": rows}, "transform": [write_interval], "layer": layers}


def interval_chart(
    rows: Sequence[Measure],
    *,
    x_title: str,
    x_format: str = "",
    x_domain: tuple[float, float] | None = None,
    references: Sequence[Reference] = (),
) -> Spec:
    """A forest plot: a line per label, a dot with its interval, in the given order from the top."""
    labels, groups = distinct(r.label for r in rows), distinct(r.group for r in rows if r.group)
    axis: Spec = {"title": None, "labelLimit": 240, "grid": True}
    shared: Spec = {"y": {"field": "label", "type": "nominal", "sort": labels, "axis": axis}}
    look: Spec = {"color": LIGHT.series[0]}
    if groups:
        look = {}
        shared["color"] = name_colours("group", groups)
        shared["yOffset"] = {"field": "group", "type": "nominal", "sort": groups}
    x = quantity("value", x_title, x_format, **({"domain": list(x_domain)} if x_domain else {"zero": False}))
    interval: Spec = {
        "mark": {"type": "rule", "strokeWidth": 2.5, "opacity": 0.5, "strokeCap": "round", **look},
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "encoding": {**shared, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    dot: Spec = {
        "mark": {"type": "point", "filled": True, "size": 95, "opacity": 1, **look},
        "encoding": {**shared, "x": x, "tooltip": _measure_tooltip("", x_title, x_format, groups)},
    }
    return {
        "height": max(1, len(labels)) * (34 if len(groups) < 2 else 18 * len(groups)),
        "data": {"values": _measure_rows(rows, groups)},
        "transform": [interval_line(x_format)[0]],
        "layer": [*reference_layers(references, "x"), interval, dot],
    }


def histogram(
    values: Mapping[str, Sequence[float]] | Sequence[float],
    *,
    x_title: str,
    y_title: str = "count",
    bins: int = 30,
    references: Sequence[Reference] = (),
) -> Spec:
    """Counts in at most ``bins`` + 1 bins with round edges; a mapping stacks its groups.

    Bins [edge, edge + step) are counted here, so a report carries counts and not every value. Values that are
    not finite are left out, and the axis says how many.

    Raises:
        ValueError: ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"a histogram needs at least one bin, not {bins}")
    groups = dict(values) if isinstance(values, Mapping) else {"": values}
    finite = {name: [float(v) for v in vs if math.isfinite(v)] for name, vs in groups.items()}
    num_skipped = sum(map(len, groups.values())) - sum(map(len, finite.values()))
    everything = [v for vs in finite.values() for v in vs]
    low, high = (min(everything), max(everything)) if everything else (0.0, 1.0)
    step = _round_step((high - low) / bins)
    rows: list[Spec] = []
    for rank, (name, vs) in enumerate(finite.items()):
        counts: dict[int, int] = {}
        for v in vs:
            # An edge such as 0.3 / 0.1 falls just below its whole number in binary.
            bin_index = math.floor(v / step + _EDGE_SLACK)
            counts[bin_index] = counts.get(bin_index, 0) + 1
        for i in sorted(counts):
            edges: Spec = {"bin": _shown(i * step), "bin_end": _shown((i + 1) * step)}
            rows.append({**edges, "count": counts[i], "group": name, "rank": rank})
    title = f"{x_title} ({num_skipped} not finite, left out)" if num_skipped else x_title
    x: Spec = {**quantity("bin", title, ""), "bin": {"binned": True, "step": step}}
    y: Spec = {**quantity("count", y_title, "~s"), "stack": "zero"}
    tooltip = [figure("bin", "from", ""), figure("bin_end", "below", ""), figure("count", y_title, ",d")]
    encoding: Spec = {"x": x, "x2": {"field": "bin_end"}, "y": y, "tooltip": tooltip}
    if len(groups) > 1:
        encoding |= {
            "color": name_colours("group", list(groups)),
            "order": {"field": "rank", "type": "quantitative"},
        }
        tooltip.insert(0, words("group", "group"))
    layers: list[Spec] = [{"mark": {"type": "bar", "binSpacing": 1, "opacity": 0.88}, "encoding": encoding}]
    return {"data": {"values": rows}, "layer": [*layers, *reference_layers(references, "x")]}


def _measure_rows(measures: Sequence[Measure], groups: Sequence[str]) -> list[Spec]:
    rank = {group: i for i, group in enumerate(groups)}
    rows: list[Spec] = []
    for m in measures:
        row: Spec = {"label": m.label, "value": m.value, "low": m.low, "high": m.high}
        rows.append({**row, "group": m.group, "rank": rank.get(m.group, 0)} if groups else row)
    return rows


def _measure_tooltip(label: str, title: str, form: str, groups: Sequence[str]) -> list[Spec]:
    grouped = [words("group", "group")] if groups else []
    return [words("label", label), *grouped, figure("value", title, form), interval_line(form)[1]]


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is at least ``rough``."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - _EDGE_SLACK))


def _shown(edge: float) -> float:
    """``edge`` without the last binary digits, which only a computer would write."""
    return float(f"{edge:.12g}")
