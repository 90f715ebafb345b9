"""The grid, its symmetries, and what random mazes look like, with the numbers that are known of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest

from reasonry.errors import ConfigError
from reasonry.tasks.maze.generate import draw_any, draw_maze, is_solvable, pattern_of
from reasonry.tasks.maze.layout import (
    SIZES,
    Maze,
    arms,
    canonical,
    cross,
    fingerprint,
    floor,
    rooms,
    size_for,
    symmetries,
)
from reasonry.tasks.maze.search import search
from reasonry.tasks.word_problems.draw import Draw


def test_the_grid_of_the_paper() -> None:
    assert len(cross(3)) == 13
    assert len(floor(3)) == 36
    assert arms(3) == ((3, 10, 17), (31, 38, 45), (21, 22, 23), (25, 26, 27))
    assert Counter(rooms(3)) == {-1: 13, 0: 9, 1: 9, 2: 9, 3: 9}
    assert [rooms(3)[cell] for cell in (0, 6, 42, 48)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("argument", "name"),
    [("", "paper"), ("3", "paper"), ("paper", "paper"), ("2", "small"), ("tiny", "tiny"), ("4", "large")],
)
def test_sizes_by_name_and_by_number(argument: str, name: str) -> None:
    assert size_for(argument).name == name


@pytest.mark.parametrize("argument", ["smal", "5", "0", "3x3", "-1"])
def test_other_sizes_are_refused_with_those_that_there_are(argument: str) -> None:
    with pytest.raises(ConfigError, match="Sizes: tiny, small, paper, large, 2, 3, 4") as caught:
        size_for(argument)
    assert ("Did you mean 'small'?" in str(caught.value)) == (argument == "smal")


def test_symmetries_are_the_group_of_the_square() -> None:
    maps = symmetries(2)
    assert len(set(maps)) == 8
    assert maps[0] == tuple(range(25))
    for one in maps:
        assert sorted(one) == list(range(25))
        assert {tuple(one[cell] for cell in other) for other in maps} == set(maps)


def moved(maze: Maze, number: int, order: tuple[int, ...]) -> Maze:
    to = symmetries(maze.side)[number]
    return Maze(
        maze.side,
        to[maze.start],
        to[maze.goal],
        tuple(to[maze.keys[i]] for i in order),
        tuple(to[maze.doors[i]] for i in order),
        tuple(sorted(to[cell] for cell in maze.passages)),
    )


@pytest.mark.parametrize("name", SIZES)
def test_the_canonical_form_is_that_of_all_images_and_of_nothing_else(name: str) -> None:
    draw = Draw(1)
    for _ in range(5):
        maze = draw_maze(SIZES[name], draw)
        orders = list(permutations(range(len(maze.doors))))
        images = [moved(maze, number, order) for number in range(8) for order in orders]
        assert {canonical(image) for image in images} == {canonical(maze)}
        assert {fingerprint(image) for image in images} == {fingerprint(maze)}
        lengths = {len(found.plan) for image in images if (found := search(image)) is not None}
        assert len(lengths) == 1
    mazes = [draw_maze(SIZES[name], draw) for _ in range(300)]
    by_form: dict[tuple[int, ...], Maze] = {}
    for maze in mazes:
        other = by_form.setdefault(canonical(maze), maze)
        orders = permutations(range(len(maze.doors)))
        assert other in {moved(maze, number, order) for order in orders for number in range(8)}


@pytest.mark.parametrize("name", SIZES)
def test_random_mazes_keep_the_rules(name: str) -> None:
    size, draw = SIZES[name], Draw(2)
    for _ in range(60):
        maze = draw_maze(size, draw)
        openings = [*maze.doors, *maze.passages]
        assert sorted(len(set(openings) & set(arm)) for arm in arms(size.side)) == [0, 1, 1, 1]
        assert (len(maze.doors), len(maze.keys)) == (size.num_colours, size.num_colours)
        things = [maze.start, maze.goal, *maze.keys]
        assert len(set(things)) == len(things)
        assert set(things) <= set(floor(size.side))
        assert rooms(size.side)[maze.start] != rooms(size.side)[maze.goal]
        found = search(maze, draw)
        assert found is not None
        assert "pick" in found.plan
        assert len(maze.walls) == 4 * size.side - 2


def test_mazes_are_drawn_uniformly() -> None:
    draw = Draw(3)
    drawn = [draw_any(SIZES["paper"], draw) for _ in range(4000)]
    for counts, num in (
        (Counter(frozenset(range(4)) - set(pattern_of(m).doors) for m in drawn), 4),
        (Counter(m.start for m in drawn), 36),
        (Counter(m.keys[2] for m in drawn), 36),
        (Counter(m.doors[0] for m in drawn), 12),
    ):
        assert len(counts) == num
        expected = 4000 / num
        chi = sum((n - expected) ** 2 / expected for n in counts.values())
        assert chi < num - 1 + 5 * np.sqrt(2 * (num - 1))
    share = sum(is_solvable(m) for m in drawn) / 4000
    assert 0.2 < share < 0.45  # a start and goal in one room count as well


def test_the_numbers_of_the_paper_size() -> None:
    """Of 400 mazes: plans 14.6 on average, median 11, most 46; 141 events, most 1338; 1 to 4 picks 56, 26, 15, 3 %."""
    draw, num = Draw(4), 1500
    searches = [search(draw_maze(SIZES["paper"], draw), draw) for _ in range(num)]
    found = [each for each in searches if each is not None]
    assert len(found) == num
    plans = np.array([len(each.plan) for each in found])
    events = np.array([len(each.events) for each in found])
    picks = Counter(each.plan.count("pick") for each in found)
    assert abs(plans.mean() - 14.6) < 0.9
    assert np.median(plans) == 11
    assert 40 <= plans.max() <= 60
    assert abs(events.mean() - 141) < 30  # its standard error over 400 mazes is 10
    assert 900 <= events.max() <= 1800
    for num_picks, share in ((1, 0.56), (2, 0.26), (3, 0.15), (4, 0.03)):
        assert abs(picks[num_picks] / num - share) < 0.05
    assert picks[0] == 0


def test_a_stream_of_mazes_does_not_repeat_itself() -> None:
    draw = Draw(5)
    mazes = [draw_maze(SIZES["paper"], draw) for _ in range(200)]
    assert len(set(mazes)) == 200
    assert all(a != b for a, b in pairwise(mazes))
