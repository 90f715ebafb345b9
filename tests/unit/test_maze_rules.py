"""What a walker can do, by hand, and the verdicts on plans that do it or do not."""

from __future__ import annotations

import pytest

from reasonry.errors import DataError
from reasonry.tasks.maze.check import check_actions, check_plan
from reasonry.tasks.maze.rules import ACTIONS, Refusal, State, act, start_state
from reasonry.tasks.maze.scene import draw
from reasonry.tasks.maze.words import parse_question

DRAWING = """\
. . @ # . . r
. b . # . . .
. . . B . . .
# # # # R # #
. . . G . . .
. . . # g . .
* . . # . . ."""
QUESTION = (
    "start 2 0 goal 0 6 key red 6 0 key green 4 5 key blue 1 1 door red 4 3 door green 3 4 door blue 3 2 "
    "wall 3 0 wall 3 1 wall 0 3 wall 1 3 wall 2 3 wall 3 3 wall 5 3 wall 6 3 wall 3 5 wall 3 6"
)
MAZE = parse_question(QUESTION)
TO_BLUE = "left down pick"
TO_RED = f"{TO_BLUE} down right right right right up right up pick"
TO_GREEN = f"{TO_RED} down left left down down down down pick"
WAY = f"{TO_GREEN} up left left left down down left"


def after(actions: str) -> State | Refusal:
    state: State | Refusal = start_state(MAZE)
    for action in actions.split():
        assert isinstance(state, State), state
        state = act(MAZE, state, action)
    return state


def standing(actions: str) -> State:
    state = after(actions)
    assert isinstance(state, State), state
    return state


def test_the_drawing_shows_the_maze() -> None:
    assert draw(MAZE) == DRAWING


def test_a_step_moves_and_nothing_else() -> None:
    assert after("down") == start_state(MAZE)._replace(at=9)
    assert after("down up") == start_state(MAZE)


def test_a_key_is_carried_and_used_up_and_its_door_stays_open() -> None:
    carrying = standing(TO_BLUE)
    assert (carrying.carried, carrying.keys) == (2, (6, 39, None))
    inside = standing(f"{TO_BLUE} down right right")
    assert (inside.carried, inside.opened, inside.keys) == (None, (False, False, True), (6, 39, None))
    assert MAZE.xy(inside.at) == (3, 2)
    again = standing(f"{TO_BLUE} down right right left right right")
    assert again == standing(f"{TO_BLUE} down right right right")


def test_a_key_left_for_another_lies_where_the_other_lay() -> None:
    question = QUESTION.replace("key red 6 0", "key red 0 0")
    maze = parse_question(question)
    state: State | Refusal = start_state(maze)
    for action in ("left", "down", "pick", "left", "up", "pick"):
        assert isinstance(state, State)
        state = act(maze, state, action)
    assert isinstance(state, State)
    assert (state.at, state.carried, state.keys) == (0, 0, (None, 39, 0))
    again = act(maze, state, "pick")
    assert isinstance(again, State)
    assert (again.carried, again.keys) == (2, (0, 39, None))


@pytest.mark.parametrize(
    ("actions", "fault", "told"),
    [
        ("up", "edge", "up from 2 0 leaves the grid"),
        ("right", "wall", "right from 2 0 meets the wall at 3 0"),
        ("down down right", "door", "right from 2 2 meets the closed blue door at 3 2 with no key"),
        (
            f"{TO_BLUE} down right right right down",
            "door",
            "down from 4 2 meets the closed red door at 4 3 with no",
        ),
        ("pick", "no key", "no key lies at 2 0"),
        ("jump", "word", "'jump' is no action"),
    ],
)
def test_what_is_impossible_is_named(actions: str, fault: str, told: str) -> None:
    found = after(actions)
    assert isinstance(found, Refusal)
    assert found.fault == fault
    assert told in found.reason
    verdict = check_plan(QUESTION, f"plan {actions} up")
    assert (verdict.is_legal, verdict.reaches_goal, verdict.is_optimal) == (False, False, False)
    assert verdict.failing == fault
    assert verdict.wrong_at == len(actions.split()) - 1
    assert verdict.num_moves == len(actions.split()) + 1
    assert told in verdict.reason
    assert f"action {len(actions.split())} of {verdict.num_moves}" in verdict.reason


def test_a_door_does_not_open_for_another_key() -> None:
    question = QUESTION.replace("key red 6 0", "key red 2 1")
    verdict = check_plan(question, "plan down pick down right")
    assert verdict.failing == "door"
    assert "the closed blue door at 3 2 with the red key" in verdict.reason


def test_the_verdict_on_a_shortest_plan_and_on_longer_ones() -> None:
    best = check_plan(QUESTION, f"plan {WAY}")
    assert best[:4] == (True, True, True, 27)
    assert best.reason == "goal reached in 27 actions, which is optimal"
    assert (best.failing, best.wrong_at, len(best.cells)) == ("", None, 28)
    assert (best.cells[0], best.cells[-1]) == (MAZE.start, MAZE.goal)
    longer = check_plan(QUESTION, f"plan down up {WAY}")
    assert longer[:4] == (True, True, False, 29)
    assert "2 more than needed" in longer.reason


def test_a_plan_has_to_end_on_the_goal() -> None:
    short = check_plan(QUESTION, f"plan {TO_GREEN}")
    assert short[:3] == (True, False, False)
    assert short.failing == "not at goal"
    assert "ends at 4 5, not on the goal at 0 6" in short.reason
    past = check_plan(QUESTION, f"plan {WAY} right")
    assert past[:3] == (True, False, False)
    back = check_plan(QUESTION, f"plan {WAY} right left")
    assert back[:3] == (True, True, False), "on the goal in the end, if late"


def test_no_plan_and_an_empty_plan_are_not_the_same() -> None:
    none = check_plan(QUESTION, "I cannot see the way.")
    assert (none.is_legal, none.failing, none.num_moves, none.cells) == (False, "no plan", 0, (MAZE.start,))
    empty = check_plan(QUESTION, "plan")
    assert (empty.is_legal, empty.failing) == (True, "not at goal")
    assert check_actions(MAZE, None) == none


def test_a_question_that_is_no_maze_is_refused() -> None:
    with pytest.raises(DataError, match="no maze"):
        check_plan("Is Tom a wumpus?", "plan up")


def test_there_are_five_actions() -> None:
    assert ACTIONS == ("up", "down", "left", "right", "pick")
