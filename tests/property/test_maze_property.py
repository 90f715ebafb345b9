"""Properties of mazes: always solvable, plans legal and shortest, broken plans named, texts lossless."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import DataError
from reasonry.tasks.maze.check import check_actions, check_plan
from reasonry.tasks.maze.generate import draw_any, draw_maze, is_solvable
from reasonry.tasks.maze.layout import SIZES, Maze, fingerprint
from reasonry.tasks.maze.rules import ACTIONS, Refusal, State, act, start_state
from reasonry.tasks.maze.scene import scene
from reasonry.tasks.maze.search import search
from reasonry.tasks.maze.svg import svg
from reasonry.tasks.maze.words import (
    WORDS,
    answer_text,
    parse_plan,
    parse_question,
    question_text,
    step_texts,
)
from reasonry.tasks.word_problems.draw import Draw

SEEDS = st.integers(0, 2**64)
NAMES = st.sampled_from(list(SIZES))
MAZES = st.builds(lambda name, seed: draw_maze(SIZES[name], Draw(seed)), NAMES, SEEDS)
PLANS = st.lists(st.sampled_from([*ACTIONS, "jump"]), max_size=30).map(tuple)


def fewest(maze: Maze) -> int | None:
    """Breadth-first over the readable rules."""
    first = start_state(maze)
    away, todo = {first: 0}, deque([first])
    while todo:
        state = todo.popleft()
        if state.at == maze.goal:
            return away[state]
        for action in ACTIONS:
            then = act(maze, state, action)
            if isinstance(then, State) and then not in away:
                away[then] = away[state] + 1
                todo.append(then)
    return None


@given(NAMES, SEEDS)
@settings(max_examples=150)
def test_the_room_test_agrees_with_a_search_of_all_states(name: str, seed: int) -> None:
    maze = draw_any(SIZES[name], Draw(seed))
    assert is_solvable(maze) == (fewest(maze) is not None) == (search(maze) is not None)


@given(MAZES, SEEDS)
@settings(max_examples=100)
def test_every_maze_is_solved_by_a_legal_shortest_plan(maze: Maze, seed: int) -> None:
    found = search(maze, Draw(seed))
    assert found is not None
    verdict = check_actions(maze, found.plan)
    assert verdict[:3] == (True, True, True)
    assert verdict.num_moves == len(found.plan) == fewest(maze)
    assert found.events[-1].cost == len(found.plan)


@given(MAZES, PLANS)
@settings(max_examples=200)
def test_a_verdict_names_the_first_impossible_action(maze: Maze, plan: tuple[str, ...]) -> None:
    verdict = check_actions(maze, plan)
    state: State | Refusal = start_state(maze)
    number = 0
    while number < len(plan) and isinstance(then := act(maze, state, plan[number]), State):
        state, number = then, number + 1
    assert verdict.is_legal == (number == len(plan))
    assert verdict.wrong_at == (None if verdict.is_legal else number)
    assert verdict.reaches_goal == (verdict.is_legal and state.at == maze.goal)
    assert not verdict.is_optimal or verdict.reaches_goal
    assert (verdict.failing == "") == verdict.reaches_goal
    assert len(verdict.cells) == number + 1
    made = scene(maze, plan)
    assert [(p["x"], p["y"]) for p in made["path"]] == [maze.xy(cell) for cell in verdict.cells]
    assert (made["wrong"] is None) == verdict.reaches_goal
    assert svg(made).startswith("<svg")


@given(MAZES, SEEDS)
@settings(max_examples=60)
def test_a_plan_without_its_picks_meets_a_closed_door(maze: Maze, seed: int) -> None:
    found = search(maze, Draw(seed))
    assert found is not None
    verdict = check_actions(maze, tuple(action for action in found.plan if action != "pick"))
    assert (verdict.is_legal, verdict.failing) == (False, "door")
    assert "with no key" in verdict.reason
    twice = check_actions(maze, (*found.plan[: found.plan.index("pick") + 1], "pick"))
    assert twice.failing == "no key"


@given(MAZES, SEEDS)
@settings(max_examples=60)
def test_texts_lose_nothing(maze: Maze, seed: int) -> None:
    found = search(maze, Draw(seed))
    assert found is not None
    question, steps, answer = question_text(maze), step_texts(found.events, maze.side), answer_text(found.plan)
    assert parse_question(question) == maze
    assert fingerprint(parse_question(question)) == fingerprint(maze)
    assert parse_plan(answer) == found.plan
    assert check_plan(question, answer).is_optimal
    assert set(" ".join([question, *steps, answer]).split()) <= set(WORDS)
    told = [step.split() for step in steps]
    assert [(int(x), int(y)) for _, x, y, *_ in told] == [maze.xy(event.cell) for event in found.events]
    assert [step[-2] for step in told] == [f"c{event.cost}" for event in found.events]


def is_refused(text: str) -> bool:
    try:
        parse_question(text)
    except DataError:
        return True
    return False


@given(MAZES, st.data())
def test_words_with_one_exchanged_are_another_maze_or_none(maze: Maze, data: st.DataObject) -> None:
    words = question_text(maze).split()
    number = data.draw(st.integers(0, len(words) - 1))
    words[number] = data.draw(st.sampled_from([*WORDS[:5], "red", "green", "0", "1", "2", "3", "4"]))
    text = " ".join(words)
    assert is_refused(text) or sorted(question_text(parse_question(text)).split()) == sorted(words)
