"""Shortest plans by A*, and the nondeterministic A* whose course is the reasoning.

    f = g + h      g actions so far, h = |x - x_goal| + |y - y_goal|, ties broken at random, neighbours in random order
    create         a state is put on the frontier, or on it again at lower cost
    close          the state with the least f leaves it; the search ends when that is one at the goal

h changes by at most 1 with an action (by 0 with `pick`) and every action costs 1, so h is consistent: a state is closed
at its least cost, once, and the plan is a shortest one. Searchformer (Lehnert et al., arXiv 2402.14083) writes such
traces; what they look like for this maze is RECONSTRUCTED.

Fast form of `reasonry.tasks.maze.rules`: a *layer* is one arrangement of keys (cells, carried, used up), and a state is
``layer * 256 + cell``. Within a layer only the cell changes.
"""

# pyright: strict
from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple

from reasonry.core.choices import Choices
from reasonry.errors import DataError
from reasonry.tasks.maze.layout import Maze, cross
from reasonry.tasks.maze.rules import ACTIONS, PICK, STEPS

_CELL_BITS = 8
_CELL_MASK = (1 << _CELL_BITS) - 1
_STATE_BITS, _TIE_BITS = 32, 32
_F_SHIFT = _STATE_BITS + _TIE_BITS
_STATE_MASK = (1 << _STATE_BITS) - 1
_ORDERS = tuple(tuple(itertools.permutations(range(num))) for num in range(len(ACTIONS) + 1))
_CARRIED, _USED = -1, -2

_Arrangement = tuple[int, ...]


class Event(NamedTuple):
    """One event of a search.

    Attributes:
        is_close: Closed rather than created.
        cell: Where the walker is.
        carried: Colour of the key it has, or None.
        cost: g, actions from the start.
        to_go: h, the distance to the goal through walls.
    """

    is_close: bool
    cell: int
    carried: int | None
    cost: int
    to_go: int


class Search(NamedTuple):
    """A search that found the goal.

    Attributes:
        events: In order.
        plan: Actions of a shortest plan.
    """

    events: tuple[Event, ...]
    plan: tuple[str, ...]


class _Layer(NamedTuple):
    """What is special about an arrangement.

    Attributes:
        keys: Cell of each key, `_CARRIED` or `_USED`.
        carried: Colour that is carried, or None.
        lying: Colour of the key at a cell.
        closed: Colour of the closed door at a cell.
    """

    keys: _Arrangement
    carried: int | None
    lying: dict[int, int]
    closed: dict[int, int]


class _Layers:
    """The layers of a maze, numbered as they are met."""

    def __init__(self, maze: Maze) -> None:
        self._maze = maze
        self._numbers: dict[_Arrangement, int] = {}
        self.layers: list[_Layer] = []
        self._after: dict[tuple[int, int, int], int] = {}
        self.number(maze.keys)

    def number(self, keys: _Arrangement) -> int:
        found = self._numbers.get(keys)
        if found is None:
            found = self._numbers[keys] = len(self.layers)
            carried = keys.index(_CARRIED) if _CARRIED in keys else None
            lying = {cell: colour for colour, cell in enumerate(keys) if cell >= 0}
            closed = {self._maze.doors[colour]: colour for colour, cell in enumerate(keys) if cell != _USED}
            self.layers.append(_Layer(keys, carried, lying, closed))
        return found

    def after_picking(self, layer: int, colour: int, cell: int) -> int:
        known = self._after.get((layer, colour, cell))
        if known is None:
            old = self.layers[layer]
            keys = list(old.keys)
            keys[colour] = _CARRIED
            if old.carried is not None:
                keys[old.carried] = cell
            known = self._after[layer, colour, cell] = self.number(tuple(keys))
        return known

    def after_opening(self, layer: int, colour: int) -> int:
        keys = self.layers[layer].keys
        return self.number((*keys[:colour], _USED, *keys[colour + 1 :]))


@functools.cache
def _neighbours_without_walls(side: int) -> tuple[tuple[int, ...], ...]:
    """Cells beside each cell of a room or opening, those of the cross left out."""
    width, on_cross = 2 * side + 1, set(cross(side))

    def beside(cell: int) -> tuple[int, ...]:
        y, x = divmod(cell, width)
        near = [(x + right, y + down) for right, down in STEPS.values()]
        cells = [b * width + a for a, b in near if 0 <= a < width and 0 <= b < width]
        return tuple(each for each in cells if each not in on_cross)

    return tuple(map(beside, range(width * width)))


def _neighbours(maze: Maze) -> list[tuple[int, ...]]:
    found = list(_neighbours_without_walls(maze.side))
    for opening in (*maze.doors, *maze.passages):
        for cell in found[opening]:
            found[cell] = (*found[cell], opening)
    return found


@functools.cache
def _distances(side: int, goal: int) -> tuple[int, ...]:
    """Distance of each cell to the goal through walls."""
    width = 2 * side + 1
    goal_y, goal_x = divmod(goal, width)
    return tuple(abs(y - goal_y) + abs(x - goal_x) for y, x in (divmod(cell, width) for cell in range(width * width)))


def search(maze: Maze, draw: Choices | None = None) -> Search | None:
    """Search for the goal.

    Args:
        maze: A maze.
        draw: Decides the order of neighbours and between equal f. Without it both are fixed; the plan is as short.

    Returns:
        None when the goal cannot be reached.
    """
    layers = _Layers(maze)
    layer_of, goal = layers.layers, maze.goal
    beside, to_go = _neighbours(maze), _distances(maze.side, maze.goal)
    below: Callable[[int], int] | None = None if draw is None else draw.below
    num_ties = 1 << _TIE_BITS
    push, pop = heapq.heappush, heapq.heappop

    start = maze.start
    costs: dict[int, int] = {start: 0}
    parents: dict[int, int] = {}
    frontier = [to_go[start] << _F_SHIFT | start]
    events = [Event(False, start, None, 0, to_go[start])]
    num_pushed = 0
    while frontier:
        item = pop(frontier)
        state = item & _STATE_MASK
        number, cell = state >> _CELL_BITS, state & _CELL_MASK
        layer, cost = layer_of[number], costs[state]
        if (item >> _F_SHIFT) - to_go[cell] > cost:
            continue  # it was closed since, at a lower cost
        events.append(Event(True, cell, layer.carried, cost, to_go[cell]))
        if cell == goal:
            return Search(tuple(events), _plan(state, parents, maze.width))
        base, doors = state - cell, layer.closed
        nexts: list[int] = []
        for near in beside[cell]:
            if near not in doors:
                nexts.append(base | near)
            elif doors[near] == layer.carried:
                nexts.append(layers.after_opening(number, doors[near]) << _CELL_BITS | near)
        if cell in layer.lying:
            nexts.append(layers.after_picking(number, layer.lying[cell], cell) << _CELL_BITS | cell)
        orders = _ORDERS[len(nexts)]
        cost += 1
        for i in orders[below(len(orders))] if below is not None else orders[0]:
            found = nexts[i]
            if costs.get(found, cost + 1) <= cost:
                continue  # as it is for every closed state
            costs[found] = cost
            parents[found] = state
            near = found & _CELL_MASK
            h = to_go[near]
            num_pushed += 1
            tie = num_pushed if below is None else below(num_ties)
            push(frontier, (cost + h) << _F_SHIFT | tie << _STATE_BITS | found)
            events.append(Event(False, near, layer_of[found >> _CELL_BITS].carried, cost, h))
    return None


def _plan(state: int, parents: dict[int, int], width: int) -> tuple[str, ...]:
    """Actions that lead to a state."""
    names = {right + down * width: name for name, (right, down) in STEPS.items()}
    names[0] = PICK
    plan: list[str] = []
    while state in parents:
        before = parents[state]
        plan.append(names[(state & _CELL_MASK) - (before & _CELL_MASK)])
        state = before
    return tuple(reversed(plan))


@functools.lru_cache(maxsize=16_384)
def optimal_len(maze: Maze) -> int:
    """Actions of a shortest plan.

    Raises:
        DataError: The goal cannot be reached.
    """
    found = search(maze)
    if found is None:
        raise DataError("the goal of the maze cannot be reached", place="maze", remedy="Give one that has a plan.")
    return len(found.plan)
