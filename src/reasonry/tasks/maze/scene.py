"""A maze with somebody's way through it, as plain data that a page can draw (`reasonry.tasks.maze.svg` does)."""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from reasonry.tasks.maze.check import check_actions
from reasonry.tasks.maze.layout import COLOURS, Maze
from reasonry.tasks.maze.rules import STEPS, State, act, start_state

Status = Literal["none", "optimal", "feasible", "failed"]


class Thing(TypedDict):
    """A door or a key: its cell and the name of its colour."""

    x: int
    y: int
    colour: str


class Point(TypedDict):
    """A point of the way.

    Attributes:
        x: Column.
        y: Row.
        action: What led here; empty for the start.
        carried: Colour of the key carried from here on; empty without one.
    """

    x: int
    y: int
    action: str
    carried: str


class Wrong(TypedDict):
    """Where the way breaks off.

    Attributes:
        x: Column of the last cell.
        y: Row of it.
        to_x: Column of the cell that could not be entered; the same where no step was tried.
        to_y: Row of it.
        reason: In words.
    """

    x: int
    y: int
    to_x: int
    to_y: int
    reason: str


class Scene(TypedDict):
    """All that is to be drawn; JSON values only.

    Attributes:
        width: Cells across.
        walls: Column and row of each.
        doors: By colour.
        keys: Where they lie at first.
        start: Column and row.
        goal: Column and row.
        path: Points in order, the start first; empty without a plan. Only what was possible is on it.
        wrong: Why the plan ends early, or None.
        status: What became of the plan; ``none`` without one.
        told: The same in words.
    """

    width: int
    walls: list[list[int]]
    doors: list[Thing]
    keys: list[Thing]
    start: list[int]
    goal: list[int]
    path: list[Point]
    wrong: Wrong | None
    status: Status
    told: str


def scene(maze: Maze, plan: Sequence[str] | None = None) -> Scene:
    """A maze, and the way that a plan takes up to its first impossible action.

    Raises:
        DataError: The plan reaches the goal of a maze that has no plan, which cannot happen.
    """

    def things(cells: Sequence[int]) -> list[Thing]:
        return [{"x": maze.xy(c)[0], "y": maze.xy(c)[1], "colour": COLOURS[i]} for i, c in enumerate(cells)]

    made: Scene = {
        "width": maze.width,
        "walls": [list(maze.xy(cell)) for cell in maze.walls],
        "doors": things(maze.doors),
        "keys": things(maze.keys),
        "start": list(maze.xy(maze.start)),
        "goal": list(maze.xy(maze.goal)),
        "path": [],
        "wrong": None,
        "status": "none",
        "told": "no plan",
    }
    if plan is None:
        return made
    verdict = check_actions(maze, tuple(plan))
    states = _states(maze, plan)
    actions = ["", *plan[: len(states) - 1]]
    made["path"] = [_point(maze, state, action) for state, action in zip(states, actions, strict=True)]
    made["status"] = "optimal" if verdict.is_optimal else "feasible" if verdict.reaches_goal else "failed"
    made["told"] = verdict.reason
    if verdict.wrong_at is not None:
        x, y = maze.xy(states[-1].at)
        right, down = STEPS.get(plan[verdict.wrong_at], (0, 0))
        made["wrong"] = {"x": x, "y": y, "to_x": x + right, "to_y": y + down, "reason": verdict.reason}
    elif not verdict.reaches_goal:
        x, y = maze.xy(states[-1].at)
        made["wrong"] = {"x": x, "y": y, "to_x": x, "to_y": y, "reason": verdict.reason}
    return made


def _states(maze: Maze, plan: Sequence[str]) -> list[State]:
    """The states up to the first impossible action, the first one included."""
    states = [start_state(maze)]
    for action in plan:
        then = act(maze, states[-1], action)
        if not isinstance(then, State):
            break
        states.append(then)
    return states


def _point(maze: Maze, state: State, action: str) -> Point:
    x, y = maze.xy(state.at)
    return {"x": x, "y": y, "action": action, "carried": "" if state.carried is None else COLOURS[state.carried]}


def draw(maze: Maze) -> str:
    """A maze in characters, a row a line.

    ``@`` start, ``*`` goal, ``#`` wall, ``.`` free, a small letter a key and a capital its door (r, g, b).
    """
    marks = dict.fromkeys(maze.walls, "#")
    marks |= {cell: COLOURS[colour][0].upper() for colour, cell in enumerate(maze.doors)}
    marks |= {cell: COLOURS[colour][0] for colour, cell in enumerate(maze.keys)}
    marks |= {maze.start: "@", maze.goal: "*"}
    width = maze.width
    return "\n".join(" ".join(marks.get(y * width + x, ".") for x in range(width)) for y in range(width))
