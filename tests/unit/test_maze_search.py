"""A* finds shortest plans: by hand, against networkx on the whole state space; its course is what it says it is."""

from __future__ import annotations

import networkx as nx
import pytest

from reasonry.errors import DataError
from reasonry.tasks.maze.generate import draw_any, draw_maze, is_solvable
from reasonry.tasks.maze.layout import SIZES, Maze
from reasonry.tasks.maze.rules import ACTIONS, State, act, start_state
from reasonry.tasks.maze.search import Search, optimal_len, search
from reasonry.tasks.maze.words import parse_question
from reasonry.tasks.word_problems.draw import Draw

MAZE = parse_question(
    "start 2 0 goal 0 6 key red 6 0 key green 4 5 key blue 1 1 door red 4 3 door green 3 4 door blue 3 2 "
    "wall 3 0 wall 3 1 wall 0 3 wall 1 3 wall 2 3 wall 3 3 wall 5 3 wall 6 3 wall 3 5 wall 3 6"
)


def whole_graph(maze: Maze) -> nx.DiGraph:
    """Every state that can be reached and what leads from one to another, by the readable rules."""
    graph = nx.DiGraph()
    graph.add_node(start_state(maze))
    todo = [start_state(maze)]
    while todo:
        state = todo.pop()
        for action in ACTIONS:
            then = act(maze, state, action)
            if isinstance(then, State):
                if then not in graph:
                    todo.append(then)
                graph.add_edge(state, then)
    return graph


def shortest(maze: Maze) -> int | None:
    graph = whole_graph(maze)
    lengths = nx.single_source_shortest_path_length(graph, start_state(maze))
    return min((length for state, length in lengths.items() if state.at == maze.goal), default=None)


def found(maze: Maze, seed: int = 0) -> Search:
    made = search(maze, Draw(seed))
    assert made is not None
    return made


@pytest.mark.parametrize("name", SIZES)
def test_plans_are_as_short_as_networkx_says_or_there_is_none(name: str) -> None:
    draw, num_solvable = Draw(11), 0
    for _ in range(40 if name == "large" else 80):
        maze = draw_any(SIZES[name], draw)
        expected, made = shortest(maze), search(maze, draw)
        assert (None if made is None else len(made.plan)) == expected
        assert is_solvable(maze) == (expected is not None)
        num_solvable += expected is not None
        if expected is not None:
            assert optimal_len(maze) == expected
    assert num_solvable >= 5


def test_the_fewest_actions_by_hand() -> None:
    assert optimal_len(MAZE) == shortest(MAZE) == 27
    beside = MAZE._replace(goal=MAZE.start + 7)  # one cell below the start
    assert search(beside) is not None
    assert optimal_len(beside) == 1


def test_a_goal_out_of_reach_is_said() -> None:
    closed = MAZE._replace(keys=(6, 39, 41))  # no key in the start's room
    assert search(closed) is None
    assert not is_solvable(closed)
    with pytest.raises(DataError, match="cannot be reached"):
        optimal_len(closed)


@pytest.mark.parametrize("name", SIZES)
def test_events_are_those_of_a_best_first_search(name: str) -> None:
    draw = Draw(5)
    for _ in range(15):
        maze = draw_maze(SIZES[name], draw)
        events, plan = found(maze)
        assert events[0][:4] == (False, maze.start, None, 0)
        assert events[1][:4] == (True, maze.start, None, 0)
        last = events[-1]
        assert (last.is_close, last.cell, last.cost, last.to_go) == (True, maze.goal, len(plan), 0)
        goal_x, goal_y = maze.xy(maze.goal)
        closes = [e for e in events if e.is_close]
        sums = [e.cost + e.to_go for e in closes]
        assert sums == sorted(sums), "a consistent heuristic never makes f fall"
        assert sum(e.cell == maze.goal for e in closes) == 1
        for event in events:
            x, y = maze.xy(event.cell)
            assert event.to_go == abs(x - goal_x) + abs(y - goal_y)
            assert event.cell not in maze.walls
        for number, event in enumerate(events):
            if event.is_close:
                same = [e for e in events[:number] if not e.is_close and e[1:4] == event[1:4]]
                assert same, "closed without having been created at this cost"
        assert sum(not e.is_close for e in events) >= len(closes)


def test_the_search_is_nondeterministic_and_its_plan_stays_shortest() -> None:
    made = [found(MAZE, seed) for seed in range(12)]
    assert len({m.events for m in made}) == 12
    assert {len(m.plan) for m in made} == {27}
    assert len({m.plan for m in made}) > 1
    assert found(MAZE, 3) == found(MAZE, 3)
    assert search(MAZE) == search(MAZE)


def test_both_the_order_of_neighbours_and_ties_are_random() -> None:
    second = {found(MAZE, seed).events[2].cell for seed in range(40)}
    assert second == {1, 9}, "left or down of the start is created first"
    # Left (f = 1 + 7) and down (f = 1 + 7) tie: either is closed first.
    third = {next(e.cell for e in found(MAZE, seed).events[2:] if e.is_close) for seed in range(40)}
    assert third == {1, 9}
