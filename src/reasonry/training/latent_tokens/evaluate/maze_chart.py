"""A maze with a model's way through it as a Vega-Lite chart, for the report.

The way is drawn in the colour of the key that it carries, to the right of its direction, so that there and back stand
side by side; a cross marks where it breaks off.
"""

# pyright: strict
from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from reasonry.core.report.style import LIGHT
from reasonry.tasks.maze.scene import Point, Scene

SIZE_PX = 280
_LANE = 0.11
_INKS = {"red": LIGHT.series[1], "green": LIGHT.series[2], "blue": LIGHT.series[0], "": LIGHT.series[5]}

Spec = dict[str, Any]


def maze_chart(scene: Scene) -> Spec:
    """The chart of a scene."""
    side = scene["width"]
    cells = [{"x": x, "y": y, "kind": "free"} for x in range(side) for y in range(side)]
    walls = [{"x": x, "y": y} for x, y in scene["walls"]]
    doors = [{**door, "what": f"{door['colour']} door"} for door in scene["doors"]]
    keys = [
        {"x": k["x"] + 0.5, "y": k["y"] + 0.5, "colour": k["colour"], "what": f"{k['colour']} key"}
        for k in scene["keys"]
    ]
    marks = [
        {"x": scene["start"][0] + 0.5, "y": scene["start"][1] + 0.5, "sign": "S", "what": "start"},
        {"x": scene["goal"][0] + 0.5, "y": scene["goal"][1] + 0.5, "sign": "G", "what": "goal"},
    ]
    layers = [
        _rects(cells, fill=LIGHT.surface, stroke=LIGHT.grid),
        _rects(walls, fill=LIGHT.muted, stroke=LIGHT.muted, opacity=0.55),
        _doors(doors),
        *_way(scene["path"]),
        _points(keys, shape="diamond", size=260),
        _signs(marks, LIGHT.ink, 15),
        *_wrong(scene),
    ]
    return {
        "width": SIZE_PX,
        "height": SIZE_PX,
        "layer": layers,
        "resolve": {"scale": {"x": "shared", "y": "shared"}},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, side], "nice": False}},
            "y": {
                "field": "y",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, side], "nice": False, "reverse": True},
            },
        },
    }


def _rects(cells: list[Spec], *, fill: str, stroke: str, opacity: float = 1.0) -> Spec:
    rows = [{"x": cell["x"], "y": cell["y"], "x2": cell["x"] + 1, "y2": cell["y"] + 1} for cell in cells]
    return {
        "data": {"values": rows},
        "mark": {"type": "rect", "color": fill, "stroke": stroke, "strokeWidth": 1, "fillOpacity": opacity},
        "encoding": {"x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }


def _doors(doors: list[Spec]) -> Spec:
    rows = [{**d, "x": d["x"] + 0.08, "y": d["y"] + 0.08, "x2": d["x"] + 0.92, "y2": d["y"] + 0.92} for d in doors]
    return {
        "data": {"values": rows},
        "mark": {"type": "rect", "strokeWidth": 3, "fillOpacity": 0.18},
        "encoding": {"x2": {"field": "x2"}, "y2": {"field": "y2"}, **_inks(), "stroke": _ink(), "tooltip": _what()},
    }


def _points(rows: list[Spec], *, shape: str, size: int) -> Spec:
    look = {"type": "point", "filled": True, "shape": shape, "size": size, "opacity": 1, "stroke": LIGHT.surface}
    return {"data": {"values": rows}, "mark": look, "encoding": {**_inks(), "tooltip": _what()}}


def _signs(rows: list[Spec], colour: str, size: int) -> Spec:
    return {
        "data": {"values": rows},
        "mark": {"type": "text", "fontSize": size, "fontWeight": "bold", "color": colour, "dy": -1},
        "encoding": {"text": {"field": "sign", "type": "nominal"}, "tooltip": _what()},
    }


def _way(path: list[Point]) -> list[Spec]:
    """A line for each step, with an arrowhead in its middle."""
    steps: list[Spec] = []
    for number, (before, point) in enumerate(pairwise(path), 1):
        dx, dy = point["x"] - before["x"], point["y"] - before["y"]
        if not (dx or dy):  # a key is picked up
            continue
        shift_x, shift_y = -dy * _LANE + 0.5, dx * _LANE + 0.5
        x, y, x2, y2 = before["x"] + shift_x, before["y"] + shift_y, point["x"] + shift_x, point["y"] + shift_y
        told = f"{number}. {point['action']}" + (f", carrying {before['carried']}" if before["carried"] else "")
        place = {"x": x, "y": y, "x2": x2, "y2": y2, "what": told, "colour": before["carried"]}
        steps.append(
            {**place, "mid_x": (x + x2) / 2, "mid_y": (y + y2) / 2, "angle": math.degrees(math.atan2(dx, -dy))}
        )
    heads = [{**step, "x": step["mid_x"], "y": step["mid_y"]} for step in steps]
    line = {"type": "rule", "strokeWidth": 2.5, "opacity": 0.9, "strokeCap": "round"}
    head = {"type": "point", "filled": True, "shape": "triangle-up", "size": 42, "opacity": 1}
    angle = {"field": "angle", "type": "quantitative", "scale": None}
    return [
        {
            "data": {"values": steps},
            "mark": line,
            "encoding": {"x2": {"field": "x2"}, "y2": {"field": "y2"}, **_inks(), "tooltip": _what()},
        },
        {"data": {"values": heads}, "mark": head, "encoding": {**_inks(), "angle": angle, "tooltip": _what()}},
    ]


def _wrong(scene: Scene) -> list[Spec]:
    """A cross where the way breaks off."""
    wrong = scene["wrong"]
    if wrong is None:
        return []
    x, y = (wrong["x"] + wrong["to_x"] + 1) / 2, (wrong["y"] + wrong["to_y"] + 1) / 2
    side = scene["width"]
    row = {
        "x": min(max(x, 0.2), side - 0.2),
        "y": min(max(y, 0.2), side - 0.2),
        "sign": "\u2715",
        "what": wrong["reason"],
    }
    return [_signs([row], LIGHT.wrong, 19)]


def _ink() -> Spec:
    scale = {"domain": list(_INKS), "range": list(_INKS.values())}
    return {"field": "colour", "type": "nominal", "scale": scale, "legend": None}


def _inks() -> Spec:
    return {"color": _ink()}


def _what() -> Spec:
    return {"field": "what", "type": "nominal", "title": "what"}
