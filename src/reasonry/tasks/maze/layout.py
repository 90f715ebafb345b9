"""The grid: four square rooms round a cross of walls, three openings in it, doors in some of them.

    . . .|. . .      side = 3: 2 * side + 1 = 7 cells across; x goes right, y goes down; the cells with x = side or
    . . .|. . .      y = side are the cross. Its four arms part four rooms of side x side cells; the middle is a wall.
    . . .+. . .
    -R---#--G--      Three arms have one opening each, of one cell; the fourth arm has none. So the rooms are the
    . . .|. . .      vertices of a path, and there is one way from each to each. An opening is a door of some colour,
    . . .B. . .      or a passage, which is always open.
    . . .|. . .

A cell is a number, ``y * width + x``; a colour is its index in `COLOURS`. Two mazes have the same canonical form
exactly when a rotation, a reflection and a renaming of colours turn one into the other.

The paper (Su et al., arXiv 2502.03275) shows such mazes and says little of how they are made; all sizes but ``paper``,
and passages, are RECONSTRUCTED for models that are trained on a CPU.
"""

# pyright: strict
from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

from reasonry.errors import ConfigError, nearest

COLOURS = ("red", "green", "blue")
NUM_OPENINGS = 3
NO_ROOM = -1
_NUM_HASH_BYTES = 8


class Size(NamedTuple):
    """How large mazes are.

    Attributes:
        name: What the user types.
        side: Cells across a room.
        num_colours: Doors, and as many keys; other openings are passages.
    """

    name: str
    side: int
    num_colours: int

    @property
    def width(self) -> int:
        """Cells across the grid."""
        return 2 * self.side + 1


SIZES: dict[str, Size] = {
    size.name: size for size in (Size("tiny", 2, 1), Size("small", 2, 2), Size("paper", 3, 3), Size("large", 4, 3))
}
DEFAULT_SIZE = "paper"
MAX_SIDE = max(size.side for size in SIZES.values())


class Maze(NamedTuple):
    """A maze with its start and goal.

    Attributes:
        side: Cells across a room.
        start: Where the walker begins.
        goal: Where it has to end.
        keys: Cell of the key of each colour.
        doors: Cell of the door of each colour.
        passages: Other openings, in order.
    """

    side: int
    start: int
    goal: int
    keys: tuple[int, ...]
    doors: tuple[int, ...]
    passages: tuple[int, ...]

    @property
    def width(self) -> int:
        """Cells across the grid."""
        return 2 * self.side + 1

    @property
    def walls(self) -> tuple[int, ...]:
        """Cells of the cross that are no opening, in order."""
        openings = {*self.doors, *self.passages}
        return tuple(cell for cell in cross(self.side) if cell not in openings)

    def xy(self, cell: int) -> tuple[int, int]:
        """Column and row of a cell."""
        y, x = divmod(cell, self.width)
        return x, y


def size_for(argument: str) -> Size:
    """``""`` (the paper's), ``small``, or the cells across a room, such as ``2``.

    Raises:
        ConfigError: There is no such size.
    """
    if argument in SIZES:
        return SIZES[argument]
    # Of two sizes with rooms alike, the number means the one with more doors.
    by_side = {str(size.side): size for size in SIZES.values()}
    if not argument or argument in by_side:
        return by_side[argument] if argument else SIZES[DEFAULT_SIZE]
    remedy = " ".join(filter(None, (nearest(argument, SIZES), f"Sizes: {', '.join((*SIZES, *by_side))}.")))
    raise ConfigError(f"unknown size {argument!r} of a maze", place=f"maze:{argument}", remedy=remedy)


@functools.cache
def cross(side: int) -> tuple[int, ...]:
    """Cells of the cross, in order."""
    width = 2 * side + 1
    return tuple(cell for cell in range(width * width) if side in divmod(cell, width))


@functools.cache
def arms(side: int) -> tuple[tuple[int, ...], ...]:
    """The four arms of the cross (up, down, left, right of its middle), each with its cells in order."""
    width = 2 * side + 1
    return (
        tuple(y * width + side for y in range(side)),
        tuple(y * width + side for y in range(side + 1, width)),
        tuple(side * width + x for x in range(side)),
        tuple(side * width + x for x in range(side + 1, width)),
    )


@functools.cache
def rooms(side: int) -> tuple[int, ...]:
    """For each cell the number of its room (0 1 above 2 3), or `NO_ROOM` on the cross."""
    width = 2 * side + 1

    def room(cell: int) -> int:
        y, x = divmod(cell, width)
        return NO_ROOM if side in (x, y) else 2 * (y > side) + (x > side)

    return tuple(room(cell) for cell in range(width * width))


@functools.cache
def floor(side: int) -> tuple[int, ...]:
    """Cells of the four rooms, in order."""
    return tuple(cell for cell, room in enumerate(rooms(side)) if room != NO_ROOM)


@functools.cache
def symmetries(side: int) -> tuple[tuple[int, ...], ...]:
    """The eight symmetries of the square as maps from cell to cell, the identity first."""
    last = 2 * side
    width = last + 1

    def image(cell: int, number: int) -> int:
        y, x = divmod(cell, width)
        x = last - x if number & 1 else x
        y = last - y if number & 2 else y
        return x * width + y if number & 4 else y * width + x

    return tuple(tuple(image(cell, number) for cell in range(width * width)) for number in range(8))


def canonical(maze: Maze) -> tuple[int, ...]:
    """The same tuple for a maze and all its images under symmetries of the square and renamings of colours."""
    side, start, goal, keys, doors, passages = maze

    def told(to: tuple[int, ...]) -> tuple[int, ...]:
        pairs = sorted([(to[door], to[key]) for door, key in zip(doors, keys, strict=True)])
        others = sorted([to[cell] for cell in passages])
        return (side, to[start], to[goal], *[cell for pair in pairs for cell in pair], *others)

    return min(map(told, symmetries(side)))


def fingerprint(maze: Maze) -> int:
    """A well-mixed integer, equal for mazes of one canonical form and the same on every machine."""
    told = " ".join(map(str, canonical(maze)))
    return int.from_bytes(hashlib.blake2b(told.encode(), digest_size=_NUM_HASH_BYTES).digest())
