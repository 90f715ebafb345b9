"""Mazes, searches and plans in words, and back; what is no maze is refused with what is wrong."""

from __future__ import annotations

import pytest

from reasonry.errors import DataError
from reasonry.tasks.maze.generate import draw_maze
from reasonry.tasks.maze.layout import SIZES, Maze
from reasonry.tasks.maze.search import Event, search
from reasonry.tasks.maze.words import (
    WORDS,
    answer_text,
    parse_plan,
    parse_question,
    question_in,
    question_text,
    step_texts,
)
from reasonry.tasks.word_problems.draw import Draw

QUESTION = (
    "start 2 0 goal 0 6 key red 6 0 key green 4 5 key blue 1 1 door red 4 3 door green 3 4 door blue 3 2 "
    "wall 3 0 wall 3 1 wall 0 3 wall 1 3 wall 2 3 wall 3 3 wall 5 3 wall 6 3 wall 3 5 wall 3 6"
)
# The same in tiny: one door, two passages, which are named nowhere.
TINY = "start 3 1 goal 0 4 key red 0 1 door red 0 2 wall 2 0 wall 1 2 wall 2 2 wall 3 2 wall 4 2 wall 2 3"


def test_a_question_is_read_as_it_is_meant() -> None:
    assert parse_question(QUESTION) == Maze(3, 2, 42, (6, 39, 8), (25, 31, 17), ())
    assert parse_question(TINY) == Maze(2, 8, 20, (5,), (10,), (7, 22))
    assert question_text(parse_question(QUESTION)) == QUESTION
    assert question_text(parse_question(TINY)) == TINY


def test_white_space_and_order_of_parts_do_not_matter() -> None:
    parts = QUESTION.split(" wall ")
    turned = "\n wall ".join(["wall 3 6", *parts[1:-1]]) + "\n\n " + parts[0]
    assert parse_question(turned) == parse_question(QUESTION)


@pytest.mark.parametrize("name", SIZES)
def test_everything_comes_back_and_every_word_is_in_the_vocabulary(name: str) -> None:
    draw = Draw(3)
    for _ in range(20):
        maze = draw_maze(SIZES[name], draw)
        assert parse_question(question_text(maze)) == maze
        found = search(maze, draw)
        assert found is not None
        steps = step_texts(found.events, maze.side)
        assert parse_plan(answer_text(found.plan)) == found.plan
        assert parse_plan(" ".join([*steps, answer_text(found.plan)])) == found.plan
        assert {len(step.split()) for step in steps} == {7}
        told = " ".join([question_text(maze), *steps, answer_text(found.plan)])
        assert set(told.split()) <= set(WORDS)


def test_an_event_in_words() -> None:
    events = [Event(False, 8, None, 0, 6), Event(True, 41, 2, 12, 3)]
    assert step_texts(events, 3) == ("create 1 1 carry none c0 c6", "close 6 5 carry blue c12 c3")


def test_words_are_single_and_different() -> None:
    assert len(set(WORDS)) == len(WORDS) == 155
    assert all(word.split() == [word] for word in WORDS)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("plan up pick", ("up", "pick")),
        ("plan", ()),
        ("  plan   up\n", ("up",)),
        ("plan up\nplan down", ("down",)),
        ("plan up plan left", ("left",)),
        ("my plan is up", ("is", "up")),
        ("plan up\nThat is all.", ("up",)),
        ("explanation up", None),
        ("planning up", None),
        ("", None),
    ],
)
def test_the_last_plan_counts(text: str, plan: tuple[str, ...] | None) -> None:
    assert parse_plan(text) == plan


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("start 2 0 ", "", "not one start and one goal"),
        ("goal 0 6", "goal 0 6 goal 0 5", "not one start and one goal"),
        ("start 2 0", "begin 2 0", "'begin' where a part begins"),
        ("start 2 0", "start 2", "where a cell should be"),
        ("start 2 0", "start 2 x", "where a cell should be"),
        ("wall 3 6", "wall 3", "where a cell should be"),
        ("key blue 1 1", "key pink 1 1", "key 'pink'"),
        ("key blue 1 1", "key red 1 1", "key 'red'"),
        ("key blue 1 1 ", "", "keys and doors do not match"),
        (" wall 3 6", "", "9 walls"),
        ("start 2 0", "start 8 0", "8 0 off the grid"),
        ("start 2 0", "start 3 0", "out of place"),
        ("start 2 0", "start 0 6", "out of place"),
        ("key blue 1 1", "key blue 6 0", "out of place"),
        ("wall 3 6", "wall 3 5", "do not part four rooms"),
        ("wall 3 6", "wall 1 1", "do not part four rooms"),
        ("door red 4 3", "door red 3 2", "do not part four rooms"),
        ("wall 3 3", "wall 4 3", "do not part four rooms"),
    ],
)
def test_what_is_no_maze_is_refused(old: str, new: str, told: str) -> None:
    assert QUESTION.count(old) == 1
    with pytest.raises(DataError, match="no maze") as caught:
        parse_question(QUESTION.replace(old, new))
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "start", "door", "key red", "wall 1 2", "start 1 1 goal 2 2"])
def test_pieces_of_a_maze_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="no maze"):
        parse_question(text)


def test_a_maze_is_found_within_other_words() -> None:
    assert question_in(f"user\n{QUESTION}\n\nThis is a grid. From the start, reach the goal.\nassistant\n") == QUESTION
    assert question_in("no maze here") == "no maze here"
    assert question_in(f"<|im_start|>user {TINY}<|im_end|>").startswith("start 3 1")
