"""A scene as a Vega-Lite chart, for a report's `reasonry.core.report.Chart`: what `svg` draws, with tooltips.

A chart names light colours, and the page puts the dark ones in their place.
"""

from __future__ import annotations

import math
from typing import Any

from reasonry.core.report.channels import Spec, words
from reasonry.core.report.style import LIGHT
from reasonry.tasks.maze.rules import PICK
from reasonry.tasks.maze.scene import Scene
from reasonry.tasks.maze.way import middle, picks, stretches

INKS = {"red": LIGHT.series[1], "green": LIGHT.series[2], "blue": LIGHT.series[0], "no key": LIGHT.ink}
_EMPTY = "no key"
_WIDTH_PX = 360
_KEY = "M-.95,0a.36,.36 0 1,0 .72,0a.36,.36 0 1,0 -.72,0M-.23,0H.9M.5,0V.38M.86,0V.38"
_FLAG = "M-.05,.5V-1H1L.65,-.65L1,-.3H.1V.5Z"

_Rows = list[dict[str, Any]]


def maze_chart(scene: Scene) -> Spec:
    """A maze and a way through it: colours say which key is carried, numbers where one is picked up."""
    return {
        **{"width": _WIDTH_PX, "height": _WIDTH_PX},
        "layer": [*_ground(scene), *_things(scene), *_way(scene), *_picks(scene), *_ends(scene)],
        "resolve": {"scale": {"color": "independent"}},
    }


def _place(scene: Scene) -> Spec:
    scale: Spec = {"domain": [0, scene["width"]], "nice": False}
    quiet: Spec = {"type": "quantitative", "axis": None}
    return {
        "x": {"field": "x", **quiet, "scale": scale},
        "y": {"field": "y", **quiet, "scale": {**scale, "reverse": True}},
    }


def _layer(scene: Scene, rows: _Rows, mark: Spec, **channels: Any) -> list[Spec]:
    """One layer with data of its own; none without rows."""
    if not rows:
        return []
    return [{"data": {"values": rows}, "mark": mark, "encoding": {**_place(scene), **channels}}]


def _ink(*, legend: Spec | None = None) -> Spec:
    """The colour of a row's ``colour``."""
    scale: Spec = {"domain": list(INKS), "range": list(INKS.values())}
    return {"field": "colour", "type": "nominal", "scale": scale, "legend": legend}


def _ground(scene: Scene) -> list[Spec]:
    ends: Spec = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    whole: _Rows = [{"x": 0, "y": 0, "x2": scene["width"], "y2": scene["width"]}]
    walls: _Rows = [{"x": x, "y": y, "x2": x + 1, "y2": y + 1} for x, y in scene["walls"]]
    floor: Spec = {"type": "rect", "color": LIGHT.surface, "stroke": LIGHT.muted, "tooltip": False}
    wall: Spec = {"type": "rect", "color": LIGHT.muted, "opacity": 0.45, "tooltip": False}
    return [*_layer(scene, whole, floor, **ends), *_layer(scene, walls, wall, **ends)]


def _things(scene: Scene) -> list[Spec]:
    """Doors with their initial, and keys; pale keys are picked up."""
    cell_px = _WIDTH_PX / scene["width"]
    doors: _Rows = [{**_middle(d["x"], d["y"]), "colour": d["colour"], "what": "door"} for d in scene["doors"]]
    initials: _Rows = [
        {"x": d["x"] + 0.22, "y": d["y"] + 0.27, "colour": d["colour"], "text": d["colour"][:1].upper()}
        for d in scene["doors"]
    ]
    picked = {(point["x"], point["y"]) for point in scene["path"] if point["action"] == PICK}
    keys: _Rows = [
        {
            **{"x": key["x"] + 0.5, "y": key["y"] + 0.24, "colour": key["colour"], "what": "key"},
            "left": 0.4 if (key["x"], key["y"]) in picked else 1.0,
        }
        for key in scene["keys"]
    ]
    told: Spec = {"tooltip": [words("colour", "colour"), words("what", "it is")]}
    left: Spec = {"opacity": {"field": "left", "type": "quantitative", "scale": None}}
    # The area of a square mark, less its outline.
    leaf: Spec = {"type": "square", "size": (cell_px - 5) ** 2, "strokeWidth": 4, "fillOpacity": 0.2, "opacity": 1}
    key: Spec = {"type": "point", "shape": _KEY, "size": cell_px**2 / 3.5, "strokeWidth": 3, "filled": False}
    letter: Spec = {"type": "text", "fontWeight": 700, "tooltip": False}
    return [
        *_layer(scene, doors, leaf, fill=_ink(), stroke=_ink(), **told),
        *_layer(scene, initials, letter, color=_ink(), text={"field": "text", "type": "nominal"}),
        *_layer(scene, keys, key, color=_ink(), **left, **told),
    ]


def _way(scene: Scene) -> list[Spec]:
    """A line for each stretch, and an arrowhead on every second step."""
    found = stretches(scene["path"])
    line: _Rows = [
        {"x": round(x, 3), "y": round(y, 3), "stretch": number, "order": order, "colour": each.carried or _EMPTY}
        for number, each in enumerate(found)
        for order, (x, y) in enumerate(each.points)
    ]
    steps = [(start, stop, each.carried or _EMPTY) for each in found for start, stop in each.steps]
    heads: _Rows = [
        {
            **{"x": round((x0 + x1) / 2, 3), "y": round((y0 + y1) / 2, 3), "colour": carried},
            "angle": round(math.degrees(math.atan2(x1 - x0, y0 - y1))) % 360,
        }
        for (x0, y0), (x1, y1), carried in steps[::2]
    ]
    legend: Spec = {"title": "carrying", "orient": "bottom", "symbolType": "stroke", "values": _carried(scene)}
    order: Spec = {"field": "order", "type": "quantitative"}
    angle: Spec = {"field": "angle", "type": "quantitative", "scale": None}
    look: Spec = {"type": "line", "strokeWidth": 3, "tooltip": False}
    head: Spec = {"type": "point", "shape": "triangle-up", "size": 55, "filled": True, "opacity": 1, "tooltip": False}
    stretch: Spec = {"field": "stretch", "type": "nominal"}
    return [
        *_layer(scene, line, look, color=_ink(legend=legend), order=order, detail=stretch),
        *_layer(scene, heads, head, color=_ink(), angle=angle),
    ]


def _carried(scene: Scene) -> list[str]:
    carried = {point["carried"] or _EMPTY for point in scene["path"]}
    return [name for name in INKS if name in carried]


def _picks(scene: Scene) -> list[Spec]:
    """Numbered discs where keys are picked up."""
    rows: _Rows = [
        {"x": round(x, 3), "y": round(y, 3), "colour": colour, "number": str(number)}
        for number, colour, x, y in picks(scene["path"])
    ]
    told: Spec = {"tooltip": [words("number", "pick"), words("colour", "key")]}
    disc: Spec = {"type": "circle", "size": 200, "opacity": 1}
    text: Spec = {"type": "text", "fontSize": 10.5, "fontWeight": 700, "color": LIGHT.surface, "tooltip": False}
    return [
        *_layer(scene, rows, disc, color=_ink(), **told),
        *_layer(scene, rows, text, text={"field": "number", "type": "nominal"}),
    ]


def _ends(scene: Scene) -> list[Spec]:
    """Start, goal, and a cross where the way breaks off."""
    cell_px = _WIDTH_PX / scene["width"]
    start: _Rows = [{**_middle(*scene["start"]), "what": "start"}]
    goal: _Rows = [{**_middle(*scene["goal"]), "what": "goal"}]
    wrong = scene["wrong"]
    cross: _Rows = []
    if wrong is not None:
        x, y = (wrong["x"] + wrong["to_x"] + 1) / 2, (wrong["y"] + wrong["to_y"] + 1) / 2
        cross = [{"x": x, "y": y, "what": wrong["reason"]}]
    told: Spec = {"tooltip": [words("what", "here")]}
    ring: Spec = {"type": "point", "size": 330, "filled": True, "fill": LIGHT.surface, "stroke": LIGHT.ink}
    dot: Spec = {"type": "circle", "size": 50, "color": LIGHT.ink, "opacity": 1, "tooltip": False}
    flag: Spec = {"type": "point", "shape": _FLAG, "size": cell_px**2 / 2.2, "filled": True, "color": LIGHT.ink}
    mark: Spec = {"type": "point", "shape": "M-1,-1L1,1M1,-1L-1,1", "size": 180, "stroke": LIGHT.wrong}
    return [
        *_layer(scene, start, {**ring, "strokeWidth": 3, "opacity": 1}, **told),
        *_layer(scene, start, dot),
        *_layer(scene, goal, {**flag, "opacity": 1}, **told),
        *_layer(scene, cross, {**mark, "strokeWidth": 5, "strokeCap": "round", "opacity": 1}, **told),
    ]


def _middle(x: int, y: int) -> dict[str, Any]:
    across, down = middle(x, y)
    return {"x": across, "y": down}
