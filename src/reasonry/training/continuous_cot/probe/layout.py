"""Where vertices stand in a drawing of a graph: in rows by distance from the root, what it never reaches apart.

Reached vertices stand in the row of their distance. The others form a block of their own: beside it where both fit
into one line, else below it. Their rows count from those of them that no edge of theirs leads to; in a cycle without
such, from its smallest vertex. Within a row vertices are moved towards the mean place of their neighbours in the rows
above and below, a few times up and down (the barycentre rule of Sugiyama, Tagawa and Toda, 1981), so that edges cross
less.

Coordinates: x in 0 to 1 from left to right, y in rows from the top.
"""

# pyright: strict
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reasonry.tasks.graphs.graph import Graph, distances, present

MOST_IN_A_LINE = 11
"""Vertices that may stand beside each other."""
_NUM_SWEEPS = 6
_GAP_ROWS = 0.6

Rows = list[list[int]]


class Layout(NamedTuple):
    """Places of vertices.

    Attributes:
        x: Of each vertex that the graph names, 0 to 1.
        y: Row from the top, likewise; not whole below a gap.
        num_rows: Height.
        split: Where the block of vertices never reached begins: x if it is beside, y if it is below; None without.
        is_beside: Which of the two.
    """

    x: dict[int, float]
    y: dict[int, float]
    num_rows: float
    split: float | None
    is_beside: bool


def layout(graph: Graph) -> Layout:
    """Place the vertices that an edge or the question names."""
    away = distances(graph)
    near = _ordered(graph, _by_row({v: d for v, d in enumerate(away) if d is not None}))
    far = _ordered(graph, _by_row(_rows_of_rest(graph, [v for v in present(graph) if away[v] is None])))
    wide_near, wide_far = _width(near), _width(far)
    if not far:
        x, y = _placed(near, 0.0, 1.0, 0.0)
        return Layout(x, y, len(near), None, True)
    if wide_near + wide_far <= MOST_IN_A_LINE:
        split = wide_near / (wide_near + wide_far)
        x, y = _placed(near, 0.0, split, 0.0)
        x_far, y_far = _placed(far, split, 1.0, 0.0)
        return Layout({**x, **x_far}, {**y, **y_far}, max(len(near), len(far)), split, True)
    x, y = _placed(near, 0.0, 1.0, 0.0)
    below = len(near) + _GAP_ROWS
    x_far, y_far = _placed(far, 0.0, 1.0, below)
    return Layout({**x, **x_far}, {**y, **y_far}, below + len(far), below - _GAP_ROWS / 2 - 0.5, False)


def _rows_of_rest(graph: Graph, rest: Sequence[int]) -> dict[int, int]:
    """Breadth first from vertices that none of the rest leads to."""
    inside = set(rest)
    edges = [(s, t) for s, t in graph.edges if s in inside and t in inside]
    entered = {t for _, t in edges}
    row: dict[int, int] = {}
    seeds = [v for v in rest if v not in entered]
    while len(row) < len(inside):
        level = seeds or [next(v for v in rest if v not in row)]
        seeds, depth = [], 0
        while level:
            row.update((v, depth) for v in level)
            level = list(dict.fromkeys(t for s, t in edges if s in level and t not in row))
            depth += 1
    return row


def _by_row(row: Mapping[int, int]) -> Rows:
    rows: Rows = [[] for _ in range(max(row.values(), default=-1) + 1)]
    for node, number in sorted(row.items()):
        rows[number].append(node)
    return rows


def _ordered(graph: Graph, rows: Rows) -> Rows:
    """Each row in an order with fewer crossings."""
    inside = {node for row in rows for node in row}
    beside: dict[int, set[int]] = defaultdict(set)
    for s, t in graph.edges:
        if s in inside and t in inside:
            beside[s].add(t)
            beside[t].add(s)
    rows = [list(row) for row in rows]
    place = _relative(rows)
    for sweep in range(_NUM_SWEEPS):
        numbers = range(len(rows))
        for number in numbers if sweep % 2 == 0 else reversed(numbers):
            key: dict[int, float] = {}
            for node in rows[number]:
                pulls = [place[other] for other in beside[node] if other not in rows[number]]
                key[node] = sum(pulls) / len(pulls) if pulls else place[node]
            rows[number].sort(key=lambda node: (key[node], node))
            place.update(_relative([rows[number]]))
    return rows


def _relative(rows: Rows) -> dict[int, float]:
    return {node: (at + 0.5) / len(row) for row in rows for at, node in enumerate(row)}


def _placed(rows: Rows, left: float, right: float, top: float) -> tuple[dict[int, float], dict[int, float]]:
    across = _relative(rows)
    down = {node: top + number for number, row in enumerate(rows) for node in row}
    return {node: left + (right - left) * at for node, at in across.items()}, down


def _width(rows: Rows) -> int:
    return max(map(len, rows), default=0)
