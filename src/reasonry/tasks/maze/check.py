"""Is a plan legal, does it end on the goal, is it as short as can be, and where does it go wrong?"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

from reasonry.errors import DataError
from reasonry.tasks.maze.layout import Maze
from reasonry.tasks.maze.rules import Fault, Refusal, act, start_state
from reasonry.tasks.maze.search import optimal_len
from reasonry.tasks.maze.words import parse_plan, parse_question

Failing = Literal["", "no plan", "not at goal"] | Fault


class PlanVerdict(NamedTuple):
    """What became of a plan.

    Attributes:
        is_legal: Every action was possible.
        reaches_goal: It is legal and ends on the goal, which the paper calls feasible.
        is_optimal: It does so with the fewest actions.
        num_moves: Actions of the plan, picks included; those behind an impossible one count too.
        reason: In words: why it fails, or how long it is.
        failing: Which kind of mistake, for counting; empty when the goal is reached.
        wrong_at: Index of the first impossible action, or None.
        cells: Cells that were visited up to there, the start first; a cell comes twice where a key is picked up.
    """

    is_legal: bool
    reaches_goal: bool
    is_optimal: bool
    num_moves: int
    reason: str
    failing: Failing = ""
    wrong_at: int | None = None
    cells: tuple[int, ...] = ()


def is_maze(question: str, answer: str) -> bool:
    """Whether a question is a maze and its answer a plan, good or not."""
    if parse_plan(answer) is None:
        return False
    try:
        parse_question(question)
    except DataError:
        return False
    return True


def check_plan(question: str, answer: str) -> PlanVerdict:
    """Check the last plan of an answer (see `reasonry.tasks.maze.words.parse_plan`).

    Raises:
        DataError: The question is no maze, or a plan reaches a goal that cannot be reached, which cannot happen.
    """
    return check_actions(parse_question(question), parse_plan(answer))


def check_actions(maze: Maze, plan: tuple[str, ...] | None) -> PlanVerdict:
    """Check actions; None stands for an answer without a plan, which is not legal."""
    if plan is None:
        return PlanVerdict(False, False, False, 0, "no plan", "no plan", cells=(maze.start,))
    state, cells = start_state(maze), [maze.start]
    for number, action in enumerate(plan):
        then = act(maze, state, action)
        if isinstance(then, Refusal):
            reason = f"action {number + 1} of {len(plan)}: {then.reason}"
            return PlanVerdict(False, False, False, len(plan), reason, then.fault, number, tuple(cells))
        state = then
        cells.append(state.at)
    if state.at != maze.goal:
        (x, y), (goal_x, goal_y) = maze.xy(state.at), maze.xy(maze.goal)
        reason = f"ends at {x} {y}, not on the goal at {goal_x} {goal_y}"
        return PlanVerdict(True, False, False, len(plan), reason, "not at goal", cells=tuple(cells))
    fewest = optimal_len(maze)
    is_optimal = len(plan) == fewest
    told = "which is optimal" if is_optimal else f"{len(plan) - fewest} more than needed"
    return PlanVerdict(
        True, True, is_optimal, len(plan), f"goal reached in {len(plan)} actions, {told}", cells=tuple(cells)
    )
