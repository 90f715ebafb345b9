"""Mazes, searches and plans in words, and back.

    question   start x y goal x y key c x y .. door c x y .. wall x y ..       keys and doors by colour, walls in order
    step       create|close x y carry c|none c<g> c<h>                         one for each event of the search
    answer     plan right up pick ..

The words are those of Searchformer (Lehnert et al., arXiv 2402.14083) with ``key``, ``door``, ``carry`` and colours
added; the paper's own format is not known, so this one is RECONSTRUCTED. A cell that is named nowhere is free; how
large the grid is follows from the number of walls, which is 4 * side - 2.
"""

# pyright: strict
from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from reasonry.errors import DataError
from reasonry.tasks.maze.layout import COLOURS, MAX_SIDE, NO_ROOM, NUM_OPENINGS, Maze, arms, cross, rooms
from reasonry.tasks.maze.rules import ACTIONS
from reasonry.tasks.maze.search import Event

PLAN = "plan"
NUM_COSTS = 128
"""Costs that have a word, ``c0`` to ``c127``; of 10,000 mazes of the largest size none needed more than ``c71``."""
NONE = "none"
_NUMBERS = tuple(map(str, range(2 * MAX_SIDE + 1)))

WORDS: tuple[str, ...] = (
    *("start", "goal", "key", "door", "wall", "create", "close", "carry", NONE, PLAN),
    *ACTIONS,
    *COLOURS,
    *_NUMBERS,
    *(f"c{cost}" for cost in range(NUM_COSTS)),
)
"""Every word of a question, a step and an answer, of all sizes."""


def question_text(maze: Maze) -> str:
    """The maze in words."""
    x_y = _cell_words(maze.side)
    coloured = [
        f"{what} {COLOURS[colour]} {x_y[cell]}"
        for what, cells in (("key", maze.keys), ("door", maze.doors))
        for colour, cell in enumerate(cells)
    ]
    walls = [f"wall {x_y[cell]}" for cell in maze.walls]
    return " ".join([f"start {x_y[maze.start]} goal {x_y[maze.goal]}", *coloured, *walls])


def step_texts(events: Iterable[Event], side: int) -> tuple[str, ...]:
    """The events of a search in words, on a grid with rooms of ``side`` cells across."""
    x_y = _cell_words(side)
    return tuple(
        [
            f"{'close' if is_close else 'create'} {x_y[cell]} carry "
            f"{NONE if carried is None else COLOURS[carried]} c{cost} c{to_go}"
            for is_close, cell, carried, cost, to_go in events
        ]
    )


def answer_text(plan: Sequence[str]) -> str:
    """A plan in words."""
    return " ".join([PLAN, *plan])


@functools.cache
def _cell_words(side: int) -> tuple[str, ...]:
    width = 2 * side + 1
    return tuple(f"{cell % width} {cell // width}" for cell in range(width * width))


def parse_plan(text: str) -> tuple[str, ...] | None:
    """The words behind the last ``plan`` of a text, on its line, whatever they are; None when there is no ``plan``.

    >>> parse_plan("close 1 2 carry none c4 c0 plan right pick")
    ('right', 'pick')
    """
    for line in reversed(text.splitlines()):
        words = line.split()
        if PLAN in words:
            return tuple(words[len(words) - words[::-1].index(PLAN) :])
    return None


_MAZE = re.compile(rf"(?<!\S)start(?:\s+(?:start|goal|key|door|wall|{'|'.join(COLOURS)}|[0-9]+)(?!\S))+")


def question_in(text: str) -> str:
    """The first run of words of a maze that begins with ``start``; the whole text when there is none."""
    found = _MAZE.search(text)
    return found.group() if found else text


@functools.lru_cache(maxsize=16_384)
def parse_question(text: str) -> Maze:
    """Read a maze from its words; white space and the order of its parts do not matter.

    Raises:
        DataError: It is no maze: a word out of place, a part that is missing or comes twice, a cell off the grid or
            where it cannot be. It may be unsolvable.
    """
    words = text.split()
    places: dict[str, list[tuple[int, int]]] = {what: [] for what in ("start", "goal", "wall")}
    coloured: dict[str, dict[str, tuple[int, int]]] = {"key": {}, "door": {}}
    at = 0
    while at < len(words):
        what = words[at]
        if what in places:
            places[what].append(_cell(words, at + 1))
            at += 3
        elif what in coloured:
            colour = words[at + 1] if at + 1 < len(words) else ""
            if colour not in COLOURS or colour in coloured[what]:
                raise _refused(f"{what} {colour!r}", f"A {what} has a colour of its own: {', '.join(COLOURS)}.")
            coloured[what][colour] = _cell(words, at + 2)
            at += 4
        else:
            raise _refused(f"{what!r} where a part begins", "Parts begin with start, goal, key, door or wall.")
    if len(places["start"]) != 1 or len(places["goal"]) != 1:
        raise _refused("not one start and one goal", "Write start x y goal x y.")
    colours = COLOURS[: len(coloured["door"])]
    if set(coloured["door"]) != set(colours) or set(coloured["key"]) != set(colours):
        raise _refused("keys and doors do not match", f"Use the first colours of {', '.join(COLOURS)}, one of each.")
    return _made(places, [coloured["key"][c] for c in colours], [coloured["door"][c] for c in colours])


def _made(
    places: dict[str, list[tuple[int, int]]], keys: Sequence[tuple[int, int]], doors: Sequence[tuple[int, int]]
) -> Maze:
    """The maze of these parts, once they are known to be one."""
    num_walls = len(places["wall"])
    side, rest = divmod(num_walls + NUM_OPENINGS - 1, 4)
    if rest or not 1 <= side <= MAX_SIDE:
        known = ", ".join(str(4 * each - NUM_OPENINGS + 1) for each in range(2, MAX_SIDE + 1))
        raise _refused(f"{num_walls} walls", f"Mazes have {known} of them.")
    width = 2 * side + 1

    def number(cell: tuple[int, int]) -> int:
        x, y = cell
        if x >= width or y >= width:
            raise _refused(f"{x} {y} off the grid", f"With {num_walls} walls it has {width} cells across.")
        return y * width + x

    walls, start, goal = {*map(number, places["wall"])}, number(places["start"][0]), number(places["goal"][0])
    key_cells, door_cells = tuple(map(number, keys)), tuple(map(number, doors))
    passages = tuple(cell for cell in cross(side) if cell not in walls and cell not in door_cells)
    inside = (start, goal, *key_cells)
    if any(rooms(side)[cell] == NO_ROOM for cell in inside) or len({start, goal}) < 2 or len({*key_cells}) < len(keys):
        raise _refused("start, goal or a key out of place", "They lie in rooms, and no two of a kind on one cell.")
    openings = {*door_cells, *passages}
    per_arm = sorted(len(openings.intersection(arm)) for arm in arms(side))
    if (
        len(walls) < num_walls
        or len({*door_cells}) < len(doors)
        or not walls.isdisjoint(door_cells)
        or per_arm != [0, 1, 1, 1]
    ):
        raise _refused("walls and doors do not part four rooms", "Three arms of the cross have one opening each.")
    return Maze(side, start, goal, key_cells, door_cells, passages)


def _cell(words: Sequence[str], at: int) -> tuple[int, int]:
    x_y = words[at : at + 2]
    if len(x_y) < 2 or any(word not in _NUMBERS for word in x_y):
        raise _refused(f"{' '.join(x_y)!r} where a cell should be", f"Write two numbers from 0 to {2 * MAX_SIDE}.")
    return int(x_y[0]), int(x_y[1])


def _refused(problem: str, remedy: str) -> DataError:
    return DataError(f"this is no maze: {problem}", place="question", remedy=remedy)
