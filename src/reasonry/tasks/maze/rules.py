"""What a walker can do: states, actions, and why an action is impossible. The rules, one line each; pure.

    state    (cell, carried colour or None, opened doors, cell of each key or None)
    up down left right   one cell on; into a closed door only with its key, which is used up, and the door stays open
    pick     takes the key that lies here; a key that was carried is left in its place

Every action costs 1, so a shortest plan has the fewest actions, picks included. A key is gone exactly when its door is
open, and carried when it lies nowhere while its door is closed.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

from reasonry.tasks.maze.layout import COLOURS, Maze

PICK = "pick"
STEPS: dict[str, tuple[int, int]] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
ACTIONS: tuple[str, ...] = (*STEPS, PICK)

Fault = Literal["edge", "wall", "door", "no key", "word"]
"""Why an action is impossible: it leaves the grid, meets a wall or a closed door, there is nothing to pick up, or it is
no action."""


class State(NamedTuple):
    """Where things are.

    Attributes:
        at: Cell of the walker.
        carried: Colour of its key, or None.
        opened: Whether each door is open.
        keys: Cell of each key, or None when it is carried or used up.
    """

    at: int
    carried: int | None
    opened: tuple[bool, ...]
    keys: tuple[int | None, ...]


class Refusal(NamedTuple):
    """Why an action is impossible.

    Attributes:
        fault: Which kind of mistake, for counting.
        reason: In words.
    """

    fault: Fault
    reason: str


def start_state(maze: Maze) -> State:
    """All doors closed, all keys where the maze has them, empty hands."""
    return State(maze.start, None, (False,) * len(maze.doors), maze.keys)


def act(maze: Maze, state: State, action: str) -> State | Refusal:
    """What an action leads to, or why it is impossible."""
    if action == PICK:
        return _pick(maze, state)
    if action not in STEPS:
        return Refusal("word", f"{action!r} is no action")
    x, y = maze.xy(state.at)
    right, down = STEPS[action]
    to_x, to_y = x + right, y + down
    if not (0 <= to_x < maze.width and 0 <= to_y < maze.width):
        return Refusal("edge", f"{action} from {x} {y} leaves the grid")
    to = to_y * maze.width + to_x
    if to in maze.doors:
        colour = maze.doors.index(to)
        if not state.opened[colour]:
            if state.carried != colour:
                has = "no key" if state.carried is None else f"the {COLOURS[state.carried]} key"
                closed = f"the closed {COLOURS[colour]} door at {to_x} {to_y} with {has}"
                return Refusal("door", f"{action} from {x} {y} meets {closed}")
            opened = tuple(is_open or number == colour for number, is_open in enumerate(state.opened))
            return State(to, None, opened, state.keys)
    elif maze.side in (to_x, to_y) and to not in maze.passages:
        return Refusal("wall", f"{action} from {x} {y} meets the wall at {to_x} {to_y}")
    return state._replace(at=to)


def _pick(maze: Maze, state: State) -> State | Refusal:
    if state.at not in state.keys:
        x, y = maze.xy(state.at)
        return Refusal("no key", f"no key lies at {x} {y}")
    colour = state.keys.index(state.at)
    keys: list[int | None] = list(state.keys)
    keys[colour] = None
    if state.carried is not None:
        keys[state.carried] = state.at
    return State(state.at, colour, state.opened, tuple(keys))
