"""A graph as a model sees it, thought by thought: a slider goes through the thoughts.

The fill of a vertex is its inner product with the thought, none below 0; its outline says where it is in the search.
The colour of an edge is the attention that it is paid where the thought is made. Edges are broad where they begin and
taper to where they end, which is read more surely than arrowheads (Holten and van Wijk, CHI 2009) and needs no room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reasonry.core.report.channels import Spec, figure, words
from reasonry.core.report.style import LIGHT
from reasonry.tasks.graphs.graph import Graph, distances, present
from reasonry.training.continuous_cot.probe.groups import KINDS, By, Kind, kind_of, vertex_groups
from reasonry.training.continuous_cot.probe.layout import Layout, layout
from reasonry.training.continuous_cot.probe.records import Observation

KIND_NAMES: dict[Kind, str] = {
    "optimal": "optimal",
    "other_frontier": "other frontier",
    "earlier": "reached before",
    "not_reached": "not reached",
}
KIND_COLOURS: dict[Kind, str] = {
    "optimal": LIGHT.series[2],
    "other_frontier": LIGHT.series[3],
    "earlier": LIGHT.series[0],
    "not_reached": LIGHT.ungradable,
}
_ROW_PX = 62
_NODE_SIZE = 560
_BROAD_PX, _NARROW_PX = 6.0, 0.6
_LEGEND_PX = 110
_BOW_ROWS, _NUM_BOW_POINTS = 0.36, 9


def graph_drawing(seen: Observation, *, by: By = "distance") -> Spec:
    """The drawing of one graph.

    Args:
        seen: What was seen on it, with one thought or more.
        by: What the frontier is.
    """
    graph, place = seen.graph, layout(seen.graph)
    num = len(seen.dots_CN)
    nodes = _nodes(seen, place, by)
    x: Spec = {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1], "nice": False}}
    rows = [-0.6, place.num_rows - 0.35]
    y: Spec = {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": rows, "reverse": True}}
    where: Spec = {"x": x, "y": y}
    now: Spec = {"filter": "datum.thought == thought"}
    dots = [node["value"] for node in nodes]
    high = max(1e-9, *dots)
    shade: Spec = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [0, high], "range": list(LIGHT.ramp), "clamp": True},
        "legend": _gradient("inner product"),
    }
    kinds: list[Kind] = [kind for kind in KINDS if any(node["kind"] == KIND_NAMES[kind] for node in nodes)]
    outline: Spec = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": [KIND_NAMES[k] for k in kinds], "range": [KIND_COLOURS[k] for k in kinds]},
        "legend": {
            **{"title": None, "orient": "bottom", "symbolType": "circle"},
            **{"symbolFillColor": "transparent", "symbolStrokeWidth": 3},
        },
    }
    dark: Spec = {"test": f"datum.value > {0.55 * high}", "value": LIGHT.ground}
    tooltip = [
        words("node", "vertex"),
        words("role", "it is"),
        words("steps", "distance"),
        words("kind", "now"),
        figure("value", "inner product", ".3f"),
    ]
    layers: list[Spec] = [
        *_edge_layers(seen, place, x, y, now),
        {
            "transform": [now],
            "mark": {"type": "circle", "size": _NODE_SIZE, "opacity": 1, "strokeWidth": 3},
            "encoding": {**where, "fill": shade, "stroke": outline, "tooltip": tooltip},
        },
        {
            "transform": [now],
            "mark": {"type": "text", "fontSize": 11.5, "tooltip": False},
            "encoding": {
                **where,
                "text": {"field": "node", "type": "nominal"},
                "color": {"condition": dark, "value": LIGHT.ink},
            },
        },
        *_role_layers(graph, place, x, y),
        *_split_layers(place),
    ]
    return {
        "height": math.ceil(_ROW_PX * (place.num_rows + 0.25)),
        "data": {"values": nodes},
        "params": [
            {
                "name": "thought",
                "value": 1,
                "bind": {"input": "range", "min": 1, "max": num, "step": 1, "name": "thought "},
            }
        ],
        "layer": layers,
        "resolve": {"scale": {"color": "independent", "fill": "independent", "stroke": "independent"}},
    }


def _gradient(title: str) -> Spec:
    return {"title": title, "gradientLength": _LEGEND_PX, "gradientThickness": 8, "tickCount": 3, "padding": 8}


def _nodes(seen: Observation, place: Layout, by: By) -> list[dict[str, Any]]:
    graph = seen.graph
    away = distances(graph)
    roles = _roles(graph)
    found: list[dict[str, Any]] = []
    for c, dots_N in enumerate(seen.dots_CN.tolist(), 1):
        groups = vertex_groups(graph, c, by=by)
        for node, dot in zip(present(graph), dots_N, strict=True):
            steps = away[node]
            found.append(
                {
                    **{"thought": c, "node": str(node), "x": round(place.x[node], 4), "y": place.y[node]},
                    "value": round(dot, 4),
                    "kind": KIND_NAMES[kind_of(groups, node)],
                    "steps": "never reached" if steps is None else str(steps),
                    "role": roles.get(node, ""),
                }
            )
    return found


def _roles(graph: Graph) -> dict[int, str]:
    return {graph.root: "root", graph.target: "target", graph.distractor: "wrong candidate"}


def _edge_layers(seen: Observation, place: Layout, x: Spec, y: Spec, now: Spec) -> list[Spec]:
    """Edges, and attention to them where it was read; drawn under the vertices."""
    graph, paid_CE = seen.graph, seen.attention_CE
    rows: list[dict[str, Any]] = []
    for c in range(1, len(seen.dots_CN) + 1):
        for number, ends in enumerate(graph.edges):
            paid = None if paid_CE is None else round(float(paid_CE[c - 1, number]), 4)
            told: dict[str, Any] = {"thought": c, "edge": number, "label": f"{ends[0]} to {ends[1]}", "paid": paid}
            rows += [{**told, "along": a, "x": x_at, "y": y_at} for a, x_at, y_at in _course(place, *ends)]
    encoding: Spec = {
        **{"x": x, "y": y, "detail": {"field": "edge", "type": "nominal"}},
        "order": {"field": "along", "type": "quantitative"},
        "size": {
            "field": "along",
            "type": "quantitative",
            "scale": {"domain": [0, 1], "range": [_BROAD_PX, _NARROW_PX]},
            "legend": None,
        },
        "tooltip": [words("label", "edge")],
    }
    look: Spec = {"color": LIGHT.rule}
    if paid_CE is not None:
        look = {}
        encoding["tooltip"] = [words("label", "edge"), figure("paid", "attention", ".3f")]
        encoding["color"] = {
            "field": "paid",
            "type": "quantitative",
            "scale": {"domain": [0, max(1e-9, float(paid_CE.max()))], "range": [LIGHT.rule, LIGHT.series[1]]},
            "legend": _gradient("attention"),
        }
    return [{"data": {"values": rows}, "transform": [now], "mark": {"type": "trail", **look}, "encoding": encoding}]


def _course(place: Layout, source: int, target: int) -> list[tuple[float, float, float]]:
    """Points (share of the way, x, y) of an edge: straight, or bowed between two vertices of a row.

    A straight line within a row would run behind whatever stands between its ends.
    """
    ends = [(place.x[node], place.y[node]) for node in (source, target)]
    is_bowed = ends[0][1] == ends[1][1]
    num = _NUM_BOW_POINTS if is_bowed else 2
    found: list[tuple[float, float, float]] = []
    for number in range(num):
        a = number / (num - 1)
        x, y = ((1 - a) * start + a * stop for start, stop in zip(*ends, strict=True))
        found.append((round(a, 3), round(x, 4), round(y - is_bowed * _BOW_ROWS * 4 * a * (1 - a), 3)))
    return found


def _role_layers(graph: Graph, place: Layout, x: Spec, y: Spec) -> list[Spec]:
    rows = [{"x": place.x[node], "y": place.y[node], "role": role} for node, role in _roles(graph).items()]
    mark: Spec = {"type": "text", "fontSize": 11, "dy": 22, "tooltip": False}
    encoding: Spec = {"x": x, "y": y, "text": {"field": "role", "type": "nominal"}}
    halo: Spec = {"stroke": LIGHT.ground, "strokeWidth": 3, "color": LIGHT.ground}
    return [
        {"data": {"values": rows}, "mark": {**mark, **look}, "encoding": encoding}
        for look in (halo, {"color": LIGHT.ink, "fontWeight": 600})
    ]


def _split_layers(place: Layout) -> list[Spec]:
    """A hairline before the vertices that are never reached, and what they are."""
    if place.split is None:
        return []
    channel = "x" if place.is_beside else "y"
    at: Spec = {channel: {"datum": place.split}}
    label: Spec = {"type": "text", "text": "never reached", "fontSize": 11.5, "color": LIGHT.muted, "align": "left"}
    corner: Spec = {"y": {"value": 6}} if place.is_beside else {"x": {"value": 0}}
    one_row = {"values": [{}]}
    return [
        {"data": one_row, "mark": {"type": "rule", "strokeDash": [3, 4], "color": LIGHT.rule}, "encoding": at},
        {"data": one_row, "mark": {**label, "dx": 6 if place.is_beside else 0, "dy": 0 if place.is_beside else 12},
         "encoding": {**at, **corner}},
    ]  # fmt: skip


def drawn(observations: Sequence[Observation], num: int) -> list[Observation]:
    """The first graphs of those with the most thoughts."""
    most = max((len(seen.dots_CN) for seen in observations), default=0)
    return [seen for seen in observations if len(seen.dots_CN) == most][:num]
