"""The line of a way through a maze: it keeps to the right, and a step that is taken again gets a lane of its own.

There and back then stand side by side, and no stretch hides another. Coordinates are cells: (0.5, 0.5) is the middle of
the first one, y goes down.
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from reasonry.tasks.maze.rules import PICK
from reasonry.tasks.maze.scene import Point

LANE = 0.1
"""Distance of neighbouring lanes, in cells; ways that pass five times in one direction share the outermost."""
_MAX_LANES = 4

XY = tuple[float, float]
_Step = tuple[int, int]


class Stretch(NamedTuple):
    """A part of the way on which the same key is carried.

    Attributes:
        carried: Its colour; empty without one.
        points: Of the line.
        steps: Ends of each single step, for arrowheads.
    """

    carried: str
    points: list[XY]
    steps: list[tuple[XY, XY]]


class Pick(NamedTuple):
    """A key is picked up.

    Attributes:
        number: The how many-th pick it is, from 1.
        colour: Of the key.
        x: Where its number goes: the lower right of its cell, picks of one cell side by side.
        y: Likewise.
    """

    number: int
    colour: str
    x: float
    y: float


def picks(path: Sequence[Point]) -> list[Pick]:
    """The picks of a way, in order."""
    points = [point for point in path if point["action"] == PICK]
    to_come = Counter((point["x"], point["y"]) for point in points)
    found: list[Pick] = []
    for number, point in enumerate(points, 1):
        at = point["x"], point["y"]
        to_come[at] -= 1
        found.append(Pick(number, point["carried"], at[0] + 0.77 - 0.36 * to_come[at], at[1] + 0.79))
    return found


def middle(x: int, y: int) -> XY:
    """The middle of a cell."""
    return x + 0.5, y + 0.5


def stretches(path: Sequence[Point]) -> list[Stretch]:
    """The line of a way, a stretch for each change of hands; none for a way without a step."""
    stops, steps, shifts = _lanes(path)
    corners = _corners(stops, steps, shifts)
    found: list[Stretch] = []
    first = 0
    for number in range(1, len(steps) + 1):
        if number < len(steps) and stops[number]["carried"] == stops[first]["carried"]:
            continue
        # A turn back belongs to what is carried from there on.
        points = [*(xy for corner in corners[first:number] for xy in corner), corners[number][0]]
        ends = [(corners[k][-1], corners[k + 1][0]) for k in range(first, number)]
        found.append(Stretch(stops[first]["carried"], points, ends))
        first = number
    return found


def _lanes(path: Sequence[Point]) -> tuple[list[Point], list[_Step], list[float]]:
    """The points where the way goes on to another cell, its direction there, and its distance to the middle."""
    walked: Counter[tuple[int, int, _Step]] = Counter()
    stops = list(path[:1])
    steps: list[_Step] = []
    shifts: list[float] = []
    for before, point in pairwise(path):
        step = (point["x"] - before["x"], point["y"] - before["y"])
        if step == (0, 0):  # a key is picked up: from here on in its colour
            stops[-1] = point
            continue
        lane = walked[before["x"], before["y"], step]
        walked[before["x"], before["y"], step] += 1
        stops.append(point)
        steps.append(step)
        shifts.append(LANE * (0.5 + min(lane, _MAX_LANES - 1)))
    return stops, steps, shifts


def _corners(stops: Sequence[Point], steps: Sequence[_Step], shifts: Sequence[float]) -> list[list[XY]]:
    """Where the line is at each stop: one point, or two where it turns back or changes lane."""
    sides = [(-dy * shift, dx * shift) for (dx, dy), shift in zip(steps, shifts, strict=True)]
    found: list[list[XY]] = []
    for number, stop in enumerate(stops):
        x, y = middle(stop["x"], stop["y"])
        before = sides[number - 1] if number else None
        after = sides[number] if number < len(steps) else None
        if before is None or after is None:
            dx, dy = before or after or (0.0, 0.0)
            found.append([(x + dx, y + dy)])
        elif before[0] * after[0] or before[1] * after[1]:  # on one line
            points = [(x + before[0], y + before[1]), (x + after[0], y + after[1])]
            found.append(points[:1] if before == after else points)
        else:
            found.append([(x + before[0] + after[0], y + before[1] + after[1])])
    return found
