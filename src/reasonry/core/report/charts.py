"""Vega-Lite specifications of curves with bands, scatters and heat maps.

Plain dictionaries: building one needs no package. Nothing is sorted or dropped; a value of None or NaN
leaves a gap. Number formats are d3's: ``.0%``, ``.2f``, ``~s``; empty leaves the choice to the axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reasonry.core.report.channels import (
    Reference,
    Series,
    Spec,
    Spot,
    category,
    distinct,
    figure,
    interval_line,
    name_colours,
    name_legend,
    quantity,
    reference_layers,
    words,
)
from reasonry.core.report.style import LIGHT

_MAX_DOTTED = 40
_MAX_NUMBERED_COLUMNS = 8
_MAX_NUMBERED_CELLS = 120
_FEW_TICKS = 6


def curve_chart(
    series: Sequence[Series],
    *,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    log_y: bool = False,
    band: bool = True,
    y_format: str = "",
    y_domain: tuple[float, float] | None = None,
    references: Sequence[Reference] = (),
) -> Spec:
    """Lines with confidence bands; with ``log_x`` ticks double, with ``log_y`` they are powers of ten.

    Raises:
        ValueError: No series, two of one name, ``log_x`` with a position that is not positive, or ``log_y`` with
            a value, an end of a band, a reference or a domain that is not.
    """
    names = [s.name for s in series]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"curves need distinct names, got {names}")
    positions = sorted({float(x) for s in series for x in s.x})
    x = _positions(positions, x_title, log_x=log_x)
    y = _heights(series, references, y_title, y_format, domain=y_domain, log_y=log_y)
    colour = name_colours("series", names)
    if legend := name_legend(names):
        legend |= {"symbolType": "stroke", "symbolOpacity": 1, "symbolStrokeWidth": 2.5, "symbolSize": 220}
        colour["legend"] = legend
    is_faint = [s.faint for s in series]
    colour["scale"]["range"] = [
        LIGHT.muted if faint else own for faint, own in zip(is_faint, colour["scale"]["range"], strict=True)
    ]
    where: Spec = {"x": x, "y": y, "color": colour}
    layers: list[Spec] = []
    if band and any(s.low is not None and s.high is not None for s in series):
        layers.append(
            {
                "mark": {"type": "area", "opacity": 0.13, "interpolate": "monotone"},
                "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
                "encoding": {**where, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            }
        )
    dashes: Spec = {
        "field": "series",
        "type": "nominal",
        "legend": legend,
        "scale": {"domain": names, "range": [[5, 4] if s.dashed else [1, 0] for s in series]},
    }
    line: Spec = {"mark": {"type": "line", "interpolate": "monotone"}, "encoding": {**where, "strokeDash": dashes}}
    if any(is_faint):
        # A layer of its own: width as a channel would be drawn into the legend's marks.
        faint = {"field": "series", "oneOf": [s.name for s in series if s.faint]}
        mark = {**line["mark"], "strokeWidth": 1, "strokeOpacity": 0.6}
        layers.append({"mark": mark, "transform": [{"filter": faint}], "encoding": where})
        line["transform"] = [{"filter": {"not": faint}}]
    layers.append(line)
    write_interval, interval = interval_line(y_format)
    near: Spec = {"type": "point", "on": "pointermove", "nearest": True, "clear": "pointerout"}
    pointed_at: Spec = {"param": "near", "empty": False}
    alone: Spec = {"test": "datum.alone === true"}  # a single point has no line: it must show itself
    layers.append(
        {
            "mark": {"type": "point", "filled": True},
            "params": [{"name": "near", "select": {**near, "fields": ["x", "series"]}}],
            "encoding": {
                **where,
                "opacity": {
                    "condition": [{**pointed_at, "value": 1}, {**alone, "value": 1}],
                    "value": 1 if len(positions) <= _MAX_DOTTED and not any(is_faint) else 0,
                },
                "size": {"condition": [{**pointed_at, "value": 120}, {**alone, "value": 70}], "value": 28},
                "tooltip": [
                    words("series", "series"),
                    figure("x", x_title, ""),
                    figure("y", y_title, y_format),
                    interval,
                ],
            },
        }
    )
    rows = [_curve_row(s, i) for s in series for i in range(len(s.x))]
    return {
        "data": {"values": rows},
        "transform": [write_interval],
        "layer": [*layers, *reference_layers(references, "y")],
    }


def scatter(
    spots: Sequence[Spot],
    *,
    x_title: str,
    y_title: str,
    x_format: str = "",
    y_format: str = "",
    log_x: bool = False,
    diagonal: bool = False,
    references: Sequence[Reference] = (),
) -> Spec:
    """Points, coloured by group; ``diagonal`` draws y = x, for calibration and paired comparisons.

    Raises:
        ValueError: ``log_x`` with a position that is not positive.
    """
    if log_x and any(s.x <= 0 for s in spots):
        raise ValueError("a logarithmic x axis needs positive positions")
    groups = distinct(s.group for s in spots if s.group)
    x_scale = {"type": "log", "nice": False} if log_x else {"zero": False}
    x = quantity("x", x_title, x_format, **x_scale)
    y = quantity("y", y_title, y_format, zero=False)
    layers: list[Spec] = []
    if diagonal and spots:
        ends = [min(min(s.x, s.y) for s in spots), max(max(s.x, s.y) for s in spots)]
        layers.append(
            {
                "data": {"values": [{"x": end, "y": end} for end in ends]},
                "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1.25, "color": LIGHT.muted},
                "encoding": {"x": x, "y": y},
            }
        )
    tooltip = [words("label", "label")] if any(s.label for s in spots) else []
    tooltip += [figure("x", x_title, x_format), figure("y", y_title, y_format)]
    encoding: Spec = {"x": x, "y": y, "tooltip": tooltip}
    if groups:
        encoding["color"] = name_colours("group", groups)
        tooltip.insert(0, words("group", "group"))
    size = 60 if len(spots) <= 300 else 22
    layers.append({"mark": {"type": "point", "filled": True, "size": size, "opacity": 0.65}, "encoding": encoding})
    rows = [{"x": s.x, "y": s.y, "label": s.label, "group": s.group} for s in spots]
    return {"data": {"values": rows}, "layer": [*layers, *reference_layers(references, "y")]}


def heatmap(
    values: Sequence[Sequence[float | None]],
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    row_title: str,
    column_title: str,
    value_title: str,
    value_format: str = ".2f",
    domain: tuple[float, float] | None = None,
) -> Spec:
    """A matrix as colour, with its numbers written in while they fit: attention, confusion, grids.

    Raises:
        ValueError: The labels do not fit the matrix, or are not distinct.
    """
    num_rows, num_columns = len(row_labels), len(column_labels)
    if len(values) != num_rows or any(len(line) != num_columns for line in values):
        raise ValueError(f"{num_rows} x {num_columns} labels do not fit the matrix")
    if len(set(row_labels)) != num_rows or len(set(column_labels)) != num_columns:
        raise ValueError("the labels of a heat map must be distinct along each side")
    finite = [v for line in values for v in line if v is not None and math.isfinite(v)]
    low, high = domain or (min(finite, default=0.0), max(finite, default=1.0))
    x = category("column", column_labels, column_title)
    y: Spec = {"field": "row", "type": "nominal", "sort": list(row_labels), "title": row_title}
    shade: Spec = {
        "field": "value",
        "type": "quantitative",
        "title": value_title,
        "scale": {"domain": [low, high], "range": list(LIGHT.ramp)},
        "legend": {"gradientLength": 160, "gradientThickness": 8, "format": value_format},
    }
    tooltip = [
        words("row", row_title),
        words("column", column_title),
        figure("value", value_title, value_format),
    ]
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "stroke": LIGHT.ground, "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": shade, "tooltip": tooltip},
        }
    ]
    if num_columns <= _MAX_NUMBERED_COLUMNS and num_rows * num_columns <= _MAX_NUMBERED_CELLS:
        # Far up the ramp a cell stands out from the ground, so its number takes the ground's colour.
        stands_out: Spec = {"test": f"datum.value > {low + 0.6 * (high - low)}", "value": LIGHT.ground}
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 11.5},
                "transform": [{"filter": "isValid(datum.value)"}],
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {"condition": stands_out, "value": LIGHT.ink},
                    "text": {"field": "value", "type": "quantitative", "format": value_format},
                },
            }
        )
    rows = [
        {"row": row, "column": column, "value": value}
        for row, line in zip(row_labels, values, strict=True)
        for column, value in zip(column_labels, line, strict=True)
    ]
    return {"height": max(1, num_rows) * 36, "data": {"values": rows}, "layer": layers}


def _positions(positions: Sequence[float], title: str, *, log_x: bool) -> Spec:
    """The x channel of curves: powers of two on a logarithmic axis, whole numbers where all are whole."""
    if not log_x:
        x = quantity("x", title, "", zero=False, nice=False)
        finite = [p for p in positions if math.isfinite(p)]
        if all(p == int(p) for p in finite):
            x["axis"] |= {"tickMinStep": 1, "format": ",d"}
            low, high = (int(min(finite)), int(max(finite))) if finite else (0, 0)
            if high - low < _FEW_TICKS:  # Vega would put ticks between them, and their labels would be those beside
                whole = list(range(low, high + 1))
                x["axis"] |= {"values": whole, "tickCount": len(whole)}
        return x
    if not positions or positions[0] <= 0:
        raise ValueError("a logarithmic x axis needs positive positions")
    x = quantity("x", title, ",.4~g", type="log", base=2, nice=False)
    powers = range(math.floor(math.log2(positions[0])), math.ceil(math.log2(positions[-1])) + 1)
    values = [2.0**p for p in powers][:: -(-len(powers) // 8)]
    # With fewer ticks asked for than values given, Vega leaves out every other one.
    x["axis"] |= {"values": values, "tickCount": len(values)}
    return x


def _heights(
    series: Sequence[Series],
    references: Sequence[Reference],
    title: str,
    form: str,
    *,
    domain: tuple[float, float] | None,
    log_y: bool,
) -> Spec:
    """The y channel of curves: powers of ten on a logarithmic axis."""
    if not log_y:
        return quantity("y", title, form, **({"domain": list(domain)} if domain else {"zero": False}))
    columns = [column for s in series for column in (s.y, s.low, s.high) if column is not None]
    heights = [v for column in columns for v in column if v is not None and not math.isnan(v)]
    if min([*heights, *(r.value for r in references), *(domain or ())], default=1.0) <= 0:
        raise ValueError("a logarithmic y axis needs positive values")
    scale: Spec = {"domain": list(domain)} if domain else {"nice": True}
    # 10k reads better than 10,000; but 1m is no way to write a thousandth.
    plain = "~s" if min(heights, default=1.0) >= 1 else "~g"
    return quantity("y", title, form or plain, type="log", base=10, **scale)


def _curve_row(s: Series, i: int) -> Spec:
    row: Spec = {"series": s.name, "x": s.x[i], "y": s.y[i]}
    if len(s.x) == 1:
        row["alone"] = True
    if s.low is not None and s.high is not None:
        row |= {"low": s.low[i], "high": s.high[i]}
    return row
