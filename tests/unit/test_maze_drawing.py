"""The scene of a maze and a plan as plain data, and its drawing: well-formed, escaped, in the page's colours."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from reasonry.core.report import Chart, Report, Section
from reasonry.core.report.style import LIGHT
from reasonry.tasks.maze.chart import maze_chart
from reasonry.tasks.maze.generate import draw_maze
from reasonry.tasks.maze.layout import SIZES
from reasonry.tasks.maze.scene import draw, scene
from reasonry.tasks.maze.search import search
from reasonry.tasks.maze.svg import svg
from reasonry.tasks.maze.words import parse_question
from reasonry.tasks.word_problems.draw import Draw

MAZE = parse_question(
    "start 3 1 goal 0 4 key red 0 1 door red 0 2 wall 2 0 wall 1 2 wall 2 2 wall 3 2 wall 4 2 wall 2 3"
)
WAY = ("left", "left", "left", "pick", "down", "down", "down")
SVG = "{http://www.w3.org/2000/svg}"


def classes(text: str) -> list[str]:
    root = ElementTree.fromstring(text)
    return [name for each in root.iter() for name in each.get("class", "").split()]


def test_a_maze_in_characters() -> None:
    assert draw(MAZE) == ". . # . .\nr . . @ .\nR # # # #\n. . # . .\n* . . . ."


def test_a_scene_holds_what_a_page_needs_and_is_json() -> None:
    made = scene(MAZE, WAY)
    assert json.loads(json.dumps(made)) == made
    assert made["width"] == 5
    assert (made["start"], made["goal"]) == ([3, 1], [0, 4])
    assert made["doors"] == [{"x": 0, "y": 2, "colour": "red"}]
    assert made["keys"] == [{"x": 0, "y": 1, "colour": "red"}]
    assert made["walls"] == [[2, 0], [1, 2], [2, 2], [3, 2], [4, 2], [2, 3]]
    assert [(p["x"], p["y"], p["action"], p["carried"]) for p in made["path"]] == [
        (3, 1, "", ""),
        (2, 1, "left", ""),
        (1, 1, "left", ""),
        (0, 1, "left", ""),
        (0, 1, "pick", "red"),
        (0, 2, "down", ""),
        (0, 3, "down", ""),
        (0, 4, "down", ""),
    ]
    assert (made["status"], made["wrong"]) == ("optimal", None)
    assert "goal reached in 7 actions" in made["told"]


@pytest.mark.parametrize(
    ("plan", "status", "num_points", "wrong"),
    [
        (None, "none", 0, None),
        ((*WAY, "up", "down"), "feasible", 10, None),
        (("left", "down", "left"), "failed", 2, (2, 1, 2, 2)),
        (("right", "right", "up"), "failed", 2, (4, 1, 5, 1)),
        (("pick", "left"), "failed", 1, (3, 1, 3, 1)),
        (("jump",), "failed", 1, (3, 1, 3, 1)),
        (WAY[:3], "failed", 4, (0, 1, 0, 1)),
        ((), "failed", 1, (3, 1, 3, 1)),
    ],
)
def test_the_way_ends_where_it_goes_wrong(
    plan: tuple[str, ...] | None, status: str, num_points: int, wrong: tuple[int, ...] | None
) -> None:
    made = scene(MAZE, plan)
    assert (made["status"], len(made["path"])) == (status, num_points)
    told = made["wrong"]
    assert (None if told is None else (told["x"], told["y"], told["to_x"], told["to_y"])) == wrong
    drawn = classes(svg(made))
    assert drawn.count("maze-wrong") == (wrong is not None)
    assert (told is None) or told["reason"] == made["told"]


def test_the_drawing_has_one_of_everything() -> None:
    drawn = classes(svg(scene(MAZE, WAY)))
    for name, num in (("maze", 1), ("maze-start", 1), ("maze-goal", 1), ("maze-key", 1), ("maze-door", 1)):
        assert drawn.count(name) == num
    # Without the key, with it, and again without it: three lines in two colours.
    assert drawn.count("maze-path") == 3
    assert drawn.count("maze-empty") == 2
    assert drawn.count("maze-pick") == 1
    assert "maze-path" not in classes(svg(scene(MAZE)))


def test_colours_are_the_pages_own_and_nothing_else_is_needed() -> None:
    text = svg(scene(MAZE, WAY))
    colours = set(re.findall(r'(?:fill|stroke)="([^"0-9][^"]*)"', text)) - {"none"}
    assert colours
    assert all(re.fullmatch(r"var\(--[a-z0-9-]+,#[0-9a-f]{6}\)", colour) for colour in colours)
    assert {colour[-8:-1] for colour in colours} <= {*LIGHT.series, LIGHT.ink, LIGHT.muted, LIGHT.surface, LIGHT.grid}
    assert "style" not in text
    assert "<script" not in text


def test_text_that_comes_in_is_escaped() -> None:
    title = '</title><script>alert(1)</script>"&'
    text = svg(scene(MAZE, ('"><script>',)), title=title)
    root = ElementTree.fromstring(text)
    assert "<script" not in text
    told = root.findtext(f"{SVG}title")
    assert told is not None
    assert told.startswith(title)
    made = scene(MAZE, WAY)
    made["doors"][0]["colour"] = '"/><script>'
    made["path"][0]["carried"] = '"/><script>'
    assert "<script" not in svg(made)
    ElementTree.fromstring(svg(made))


@pytest.mark.parametrize("name", SIZES)
def test_any_shortest_way_stays_on_the_floor(name: str) -> None:
    draw_of = Draw(8)
    for _ in range(10):
        maze = draw_maze(SIZES[name], draw_of)
        found = search(maze, draw_of)
        assert found is not None
        text = svg(scene(maze, found.plan))
        paths = [
            each for each in ElementTree.fromstring(text).iter(f"{SVG}path") if "maze-path" in each.get("class", "")
        ]
        assert len(paths) >= 2
        walls = set(maze.walls)
        for each in paths:
            numbers = list(map(float, re.findall(r"[0-9.]+", each.get("d", ""))))
            for x, y in zip(numbers[::2], numbers[1::2], strict=True):
                assert int(y // 48) * maze.width + int(x // 48) not in walls


@pytest.mark.parametrize("plan", [None, WAY, (*WAY, "up", "down"), WAY[:3], ("down",), ()])
def test_the_chart_of_a_scene_can_be_drawn_in_a_report(plan: tuple[str, ...] | None) -> None:
    vl_convert = pytest.importorskip("vl_convert")
    chart = maze_chart(scene(MAZE, plan))
    report = Report("Mazes", sections=[Section("Ways", [Chart(chart, title="A way", description="A maze.")])])
    block = report.to_json()["sections"][0]["blocks"][0]
    picture = vl_convert.vegalite_to_svg(block["spec"])
    assert LIGHT.series[1] in picture
    assert (LIGHT.wrong in picture) == (plan is not None and plan[:7] != WAY)
    carried = [each["data"]["values"] for each in chart["layer"] if each["mark"]["type"] == "line"]
    assert len(carried) == (plan is not None and len(plan) > 1)
    if plan == WAY:
        assert {row["stretch"]: row["colour"] for row in carried[0]} == {0: "no key", 1: "red", 2: "no key"}
