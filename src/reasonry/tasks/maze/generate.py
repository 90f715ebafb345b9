"""Random mazes that can be solved, made as in section "Keys-Finding Maze" of Token Assorted (arXiv 2502.03275).

    1. One of the four arms of the cross, at random, stays a wall. Each other arm gets an opening at a random cell.
    2. The colours go to random openings; openings left over are passages.
    3. Start, goal and one key of each colour lie on different random cells of the rooms.
    4. Drawn again until a closed door stands between start and goal, and the goal can be reached.

With three colours, rule 4 says that start and goal are in different rooms. Keys may lie anywhere, also where the walker
never comes. The paper shows pictures and says little more, so the rules are RECONSTRUCTED; with them, at the paper's
size, plans have 14.8 actions on average, a median of 11, and a search 134 events (over 10,000 mazes).

Whether the goal can be reached depends only on which rooms things are in, so it is worked out once per such pattern.
"""

# pyright: strict
from __future__ import annotations

import functools
from typing import NamedTuple

from reasonry.core.choices import Choices
from reasonry.tasks.maze.layout import NUM_OPENINGS, Maze, Size, arms, floor, rooms

# The rooms on both sides of each arm: up, down, left, right of the middle.
_PARTED = ((0, 1), (2, 3), (0, 2), (1, 3))

_Standing = tuple[frozenset[int], int | None, tuple[int | None, ...]]


class Pattern(NamedTuple):
    """A maze of which only the rooms are known.

    Attributes:
        start: Room of the start.
        goal: Room of the goal.
        keys: Room of the key of each colour.
        doors: Arm of the door of each colour.
        passages: Arms with a passage.
    """

    start: int
    goal: int
    keys: tuple[int, ...]
    doors: tuple[int, ...]
    passages: tuple[int, ...]


def draw_maze(size: Size, draw: Choices) -> Maze:
    """A maze that keeps rules 1 to 4."""
    while True:
        maze = draw_any(size, draw)
        pattern = pattern_of(maze)
        if _needs_a_key(pattern) and _is_solvable(pattern):
            return maze


def draw_any(size: Size, draw: Choices) -> Maze:
    """A maze by rules 1 to 3, which may be unsolvable."""
    side, num = size.side, size.num_colours
    dropped = draw.below(len(_PARTED))
    openings = [draw.pick(arm) for number, arm in enumerate(arms(side)) if number != dropped]
    mixed = draw.sample(openings, NUM_OPENINGS)
    start, goal, *keys = draw.sample(floor(side), 2 + num)
    return Maze(side, start, goal, tuple(keys), tuple(mixed[:num]), tuple(sorted(mixed[num:])))


def pattern_of(maze: Maze) -> Pattern:
    """Which rooms things are in."""
    room_of, arm_of = rooms(maze.side), _arm_of(maze.side)
    return Pattern(
        room_of[maze.start],
        room_of[maze.goal],
        tuple([room_of[key] for key in maze.keys]),
        tuple([arm_of[door] for door in maze.doors]),
        tuple([arm_of[cell] for cell in maze.passages]),
    )


@functools.cache
def _arm_of(side: int) -> dict[int, int]:
    return {cell: number for number, arm in enumerate(arms(side)) for cell in arm}


def is_solvable(maze: Maze) -> bool:
    """Whether there is a plan."""
    return _is_solvable(pattern_of(maze))


def _reach(room: int, open_arms: frozenset[int]) -> frozenset[int]:
    """Rooms that can be reached through open arms."""
    reached = {room}
    while more := {b for arm in open_arms for a, b in (_PARTED[arm], _PARTED[arm][::-1]) if a in reached} - reached:
        reached |= more
    return frozenset(reached)


@functools.cache
def _needs_a_key(pattern: Pattern) -> bool:
    return pattern.goal not in _reach(pattern.start, frozenset(pattern.passages))


@functools.cache
def _is_solvable(pattern: Pattern) -> bool:
    """Search over (rooms within reach, colour carried, room of each key; None when carried or used up)."""
    seen: set[_Standing] = {(_reach(pattern.start, frozenset(pattern.passages)), None, pattern.keys)}
    todo = [*seen]
    while todo:
        reached, carried, keys = todo.pop()
        if pattern.goal in reached:
            return True
        found: list[_Standing] = [
            (reached, colour, _picked(keys, colour, carried)) for colour, room in enumerate(keys) if room in reached
        ]
        if carried is not None and not reached.isdisjoint(ends := _PARTED[pattern.doors[carried]]):
            is_open = frozenset(pattern.passages)
            beyond = frozenset[int]().union(*(_reach(room, is_open) for room in ends))
            found.append((reached | beyond, None, keys))
        todo += [each for each in found if each not in seen]
        seen.update(found)
    return False


def _picked(keys: tuple[int | None, ...], colour: int, carried: int | None) -> tuple[int | None, ...]:
    now = list(keys)
    if carried is not None:
        now[carried] = keys[colour]
    now[colour] = None
    return tuple(now)
