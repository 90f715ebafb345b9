"""A scene as inline SVG: rooms, walls, doors and keys, and the way through them in the colour of the key it carries.

Lanes are those of `way`. Colours are the custom properties of the page (`reasonry.core.report.style`), with the
light ones where a page has none, as presentation attributes: they need no style sheet and follow light and dark.
Whatever text comes in is escaped.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report.style import LIGHT
from reasonry.core.text import escape_html
from reasonry.tasks.maze.rules import PICK
from reasonry.tasks.maze.scene import Point, Scene, Thing
from reasonry.tasks.maze.way import XY, middle, picks, stretches

CELL = 48
_MARGIN = 10
_WALL = 0.45

_INKS = {
    "red": f"var(--series-2,{LIGHT.series[1]})",
    "green": f"var(--series-3,{LIGHT.series[2]})",
    "blue": f"var(--series-1,{LIGHT.series[0]})",
}
_INK = f"var(--ink,{LIGHT.ink})"
_MUTED = f"var(--muted,{LIGHT.muted})"
_SURFACE = f"var(--surface,{LIGHT.surface})"
_GRID = f"var(--grid,{LIGHT.grid})"
_WRONG = f"var(--wrong,{LIGHT.wrong})"


def svg(scene: Scene, *, title: str = "", width_px: int = 360) -> str:
    """The drawing, as one ``<svg>`` element.

    Args:
        scene: What to draw.
        title: Read aloud to those who cannot see it, before what became of the plan.
        width_px: Width on the page; it is square.
    """
    size = scene["width"] * CELL + 2 * _MARGIN
    told = escape_html(". ".join(filter(None, (title, scene["told"]))))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="maze" role="img" viewBox="0 0 {size} {size}" '
        f'width="{width_px}" height="{width_px}" font-family="ui-sans-serif, system-ui, sans-serif">',
        f"<title>{told}</title>",
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
        *_ground(scene),
        *(_key(key, is_gone=False) for key in _left(scene)),
        *(_key(key, is_gone=True) for key in _taken(scene)),
        *(_door(door) for door in scene["doors"]),
        *_way(scene["path"]),
        _start(scene["start"]),
        _goal(scene["goal"]),
        *_picks(scene["path"]),
        *_mistake(scene),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


# ---------------------------------------------------------------- the ground


def _ground(scene: Scene) -> list[str]:
    whole = scene["width"] * CELL
    lines = [
        f'<path d="M{at * CELL} 0V{whole}M0 {at * CELL}H{whole}" stroke="{_GRID}" stroke-width="1"/>'
        for at in range(1, scene["width"])
    ]
    walls = "".join(f"M{x * CELL} {y * CELL}h{CELL}v{CELL}h-{CELL}z" for x, y in scene["walls"])
    return [
        f'<rect class="maze-floor" width="{whole}" height="{whole}" rx="6" fill="{_SURFACE}"/>',
        *lines,
        f'<path class="maze-wall" d="{walls}" fill="{_MUTED}" fill-opacity="{_WALL}"/>',
        f'<rect x="-3" y="-3" width="{whole + 6}" height="{whole + 6}" rx="7" fill="none" stroke="{_MUTED}" '
        f'stroke-width="6" stroke-opacity="{_WALL}"/>',
    ]


def _centre(x: int, y: int) -> XY:
    across, down = middle(x, y)
    return across * CELL, down * CELL


def _ink(colour: str) -> str:
    return _INKS.get(colour, _INK)


def _letter(text: str, x: float, y: float, fill: str, size: float) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size:g}" font-weight="700" text-anchor="middle" '
        f'dominant-baseline="central">{escape_html(text)}</text>'
    )


def _door(door: Thing) -> str:
    """A leaf in its colour with its initial, between two posts of wall."""
    x, y, ink = door["x"] * CELL, door["y"] * CELL, _ink(door["colour"])
    leaf = (
        f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="5" fill="{ink}" fill-opacity="0.22" '
        f'stroke="{ink}" stroke-width="4"/>'
    )
    initial = _letter(door["colour"][:1].upper(), x + 12, y + 13, ink, 14)
    return f'<g class="maze-door maze-{escape_html(door["colour"])}">{leaf}{initial}</g>'


def _key(key: Thing, *, is_gone: bool) -> str:
    """A key, pale where it was picked up."""
    x, y = _centre(key["x"], key["y"])
    ink = _ink(key["colour"])
    y -= 13
    bow = f'<circle cx="{x - 8:g}" cy="{y:g}" r="6" fill="none" stroke="{ink}" stroke-width="3.5"/>'
    shaft = (
        f'<path d="M{x - 2:g} {y:g}h17M{x + 9:g} {y:g}v6M{x + 14.5:g} {y:g}v6" fill="none" '
        f'stroke="{ink}" stroke-width="3.5" stroke-linecap="round"/>'
    )
    opacity = ' opacity="0.4"' if is_gone else ""
    return f'<g class="maze-key maze-{escape_html(key["colour"])}"{opacity}>{bow}{shaft}</g>'


def _goal(cell: Sequence[int]) -> str:
    """A flag whose foot is in the middle of the cell, where the way ends."""
    x, y = _centre(cell[0], cell[1])
    foot = f'<circle cx="{x:g}" cy="{y + 4:g}" r="4.5" fill="{_INK}"/>'
    pole = f'<path d="M{x:g} {y + 4:g}V{y - 18:g}" stroke="{_INK}" stroke-width="3" stroke-linecap="round"/>'
    cloth = f'<path d="M{x + 1:g} {y - 19.5:g}h19l-6 6.5 6 6.5h-19z" fill="{_INK}"/>'
    return f'<g class="maze-goal">{foot}{pole}{cloth}</g>'


def _start(cell: Sequence[int]) -> str:
    x, y = _centre(cell[0], cell[1])
    return (
        f'<g class="maze-start"><circle cx="{x:g}" cy="{y:g}" r="12" fill="{_SURFACE}" stroke="{_INK}" '
        f'stroke-width="3"/><circle cx="{x:g}" cy="{y:g}" r="4.5" fill="{_INK}"/></g>'
    )


def _taken(scene: Scene) -> list[Thing]:
    picked = {(point["x"], point["y"]) for point in scene["path"] if point["action"] == PICK}
    return [key for key in scene["keys"] if (key["x"], key["y"]) in picked]


def _left(scene: Scene) -> list[Thing]:
    taken = _taken(scene)
    return [key for key in scene["keys"] if key not in taken]


# ---------------------------------------------------------------- the way


def _way(path: Sequence[Point]) -> list[str]:
    """A line for each stretch of one colour, with an arrowhead on every second step."""
    found = stretches(path)
    lines = [_line(each.points, each.carried) for each in found]
    steps = [(start, stop, each.carried) for each in found for start, stop in each.steps]
    return [*lines, *(_arrow(start, stop, carried) for start, stop, carried in steps[::2])]


def _line(points: Sequence[XY], carried: str) -> str:
    d = "M" + "L".join(f"{x * CELL:g} {y * CELL:g}" for x, y in points)
    look = 'fill="none" stroke-linecap="round" stroke-linejoin="round"'
    name = f"maze-path maze-{escape_html(carried or 'empty')}"
    return (
        f'<path d="{d}" {look} stroke="{_SURFACE}" stroke-width="6" stroke-opacity="0.7"/>'
        f'<path class="{name}" d="{d}" {look} stroke="{_ink(carried)}" stroke-width="3"/>'
    )


def _arrow(start: XY, stop: XY, carried: str) -> str:
    """A head in the middle of a step."""
    (x0, y0), (x1, y1) = ((x * CELL, y * CELL) for x, y in (start, stop))
    length = max(1e-9, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    x, y = (x0 + x1) / 2 + 4 * dx, (y0 + y1) / 2 + 4 * dy
    wings = [(x - 9 * dx - side * 5 * dy, y - 9 * dy + side * 5 * dx) for side in (-1, 1)]
    d = f"M{x:g} {y:g}L" + "L".join(f"{a:g} {b:g}" for a, b in wings) + "z"
    return f'<path d="{d}" fill="{_ink(carried)}"/>'


def _picks(path: Sequence[Point]) -> list[str]:
    """A numbered disc where a key is picked up, in its colour."""
    parts: list[str] = []
    for number, colour, across, down in picks(path):
        x, y = across * CELL, down * CELL
        disc = f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="{_ink(colour)}"/>'
        parts.append(f'<g class="maze-pick">{disc}{_letter(str(number), x, y + 0.5, _SURFACE, 11)}</g>')
    return parts


def _mistake(scene: Scene) -> list[str]:
    """A cross where the way breaks off."""
    wrong = scene["wrong"]
    if wrong is None:
        return []
    x = (wrong["x"] + wrong["to_x"] + 1) / 2 * CELL
    y = (wrong["y"] + wrong["to_y"] + 1) / 2 * CELL
    arms = f'd="M{x - 8:g} {y - 8:g}l16 16m0 -16l-16 16" fill="none" stroke-linecap="round"'
    return [
        f'<g class="maze-wrong"><title>{escape_html(wrong["reason"])}</title>'
        f'<path {arms} stroke="{_SURFACE}" stroke-width="9"/><path {arms} stroke="{_WRONG}" stroke-width="5"/></g>'
    ]
