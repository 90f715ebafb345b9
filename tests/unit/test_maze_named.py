"""Mazes by name: splits, the same bytes everywhere, the task and its verifier, files, and the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from reasonry.cli.main import main
from reasonry.core.task import Problem
from reasonry.core.verify import OF_TASKS, make_verifier
from reasonry.errors import ConfigError
from reasonry.tasks import check_file, load_task, write_problems
from reasonry.tasks.maze.check import check_plan
from reasonry.tasks.maze.layout import SIZES, canonical, fingerprint
from reasonry.tasks.maze.named import from_spec, mazes, solved, texts
from reasonry.tasks.maze.words import parse_question
from reasonry.tasks.reasoning_text import SPLITS, make_texts, split_of
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker

TINY = "start 3 1 goal 0 4 key red 0 1 door red 0 2 wall 2 0 wall 1 2 wall 2 2 wall 3 2 wall 4 2 wall 2 3"
BEST = "plan left left left pick down down down"


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("size", SIZES)
def test_texts_are_solved_mazes_of_their_size(size: str) -> None:
    found = make_texts(f"maze:{size}", num=12, seed=3)
    assert len({text.question for text in found}) == 12
    for text in found:
        verdict = check_plan(text.question, text.answer)
        assert verdict.is_optimal
        assert text.steps[-1].startswith("close ")
        assert text.steps[-1].endswith(f"c{verdict.num_moves} c0")
        assert parse_question(text.question).side == SIZES[size].side


@pytest.mark.parametrize("size", ["tiny", "paper"])
def test_splits_share_no_maze_not_even_turned(size: str) -> None:
    forms = {}
    for split in SPLITS:
        for seed in (0, 1):
            made = mazes(size, num=150, seed=seed, split=split)
            assert {split_of(fingerprint(maze)) for maze in made} == {split}
            assert len(set(made)) == 150
            forms.setdefault(split, set()).update(canonical(maze) for maze in made)
    assert not forms["train"] & forms["test"]
    assert not forms["train"] & forms["validation"]
    assert not forms["validation"] & forms["test"]


def test_fewer_are_the_first_of_more_and_seeds_differ() -> None:
    many = texts("small", num=20, seed=0, split="train")
    assert texts("small", num=7, seed=0, split="train") == many[:7]
    assert texts("2", num=7, seed=0, split="train") == many[:7]
    assert texts("small", num=7, seed=1, split="train") != many[:7]
    assert make_texts("maze", num=2) == make_texts("maze:paper", num=2)


def test_a_search_depends_on_the_seed_and_its_maze_alone() -> None:
    maze = parse_question(TINY)
    assert solved(maze, 0) == solved(maze, 0)
    assert solved(maze, 0).search.events != solved(maze, 1).search.events


def test_the_same_bytes_on_every_machine() -> None:
    found = {
        size: hashlib.sha256(json.dumps(make_texts(f"maze:{size}", num=20, seed=7, split="test")).encode()).hexdigest()
        for size in SIZES
    }
    assert {size: digest[:16] for size, digest in found.items()} == {
        "tiny": "9e1f3ca9bbd59c96",
        "small": "a67b50e0ffef19aa",
        "paper": "d93828591ef858f0",
        "large": "5fd441a9d38fd6c9",
    }


def test_more_mazes_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonry.tasks.maze.named._MAX_IN_VAIN", 3)
    with pytest.raises(ConfigError, match="different mazes of size tiny were found for test"):
        mazes("tiny", num=5000, seed=0, split="test")
    with pytest.raises(ConfigError, match="unknown size 'huge'"):
        make_texts("maze:huge", num=1)
    with pytest.raises(ConfigError, match="how many texts of maze"):
        make_texts("maze")


def test_a_goal_out_of_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be reached"):
        solved(parse_question(TINY.replace("key red 0 1", "key red 0 3")), 0)


# ---------------------------------------------------------------- the verifier


@pytest.mark.parametrize(
    ("reply", "grade", "reason"),
    [
        (BEST, "right", "goal reached"),
        (f"I go left.\n{BEST}\nDone.", "right", "goal reached"),
        (f"{BEST} up down", "right", "longer than needed"),
        ("plan left left left down", "wrong", "into a closed door"),
        ("plan up up", "wrong", "leaves the grid"),
        ("plan down", "wrong", "into a wall"),
        ("plan pick", "wrong", "no key to pick up"),
        ("plan left jump", "wrong", "a word that is no action"),
        ("plan left", "wrong", "ends beside the goal"),
        ("left left", "ungradable", "no answer found"),
    ],
)
def test_replies_are_graded_by_the_rules(reply: str, grade: str, reason: str) -> None:
    outcome = make_verifier("maze-plan").grade(reply, Problem("p", TINY, "plan of somebody else"))
    assert (outcome.grade, outcome.reason) == (grade, reason)


def test_optimal_asks_for_a_shortest_plan() -> None:
    strict = make_verifier("maze-plan:optimal")
    assert strict.name == "maze-plan:optimal"
    assert strict.grade(BEST, Problem("p", TINY, BEST)).is_right
    longer = strict.grade(f"{BEST} up down", Problem("p", TINY, BEST))
    assert (longer.grade, longer.reason) == ("wrong", "longer than needed")
    with pytest.raises(ConfigError, match="Write maze-plan or maze-plan:optimal"):
        make_verifier("maze-plan:best")
    assert list(OF_TASKS) == ["maze-plan"]


def test_a_plan_that_was_cut_off_does_not_count() -> None:
    verifier = make_verifier("maze-plan")
    assert verifier.extract(f" {BEST}  ", cut_off=False) == BEST
    assert verifier.extract(BEST, cut_off=True) is None
    assert verifier.extract(f"{BEST}\nand then", cut_off=True) == BEST
    outcome = verifier.grade(BEST, Problem("p", TINY, BEST), cut_off=True)
    assert (outcome.grade, outcome.reason) == ("ungradable", "cut off before an answer")


def test_a_maze_is_found_in_a_prompt_and_without_one_nothing_is_graded() -> None:
    verifier = make_verifier("maze-plan")
    assert verifier.grade(BEST, Problem("p", f"user\n{TINY}\nFind the way.", BEST)).is_right
    outcome = verifier.grade(BEST, Problem("p", "Who is Tom?", BEST))
    assert outcome.grade == "ungradable"
    assert "no maze" in outcome.reason


def test_the_grader_of_worked_examples_takes_any_right_plan() -> None:
    from reasonry.core.models.word_level import word_level_tokenizer
    from reasonry.tasks.maze.words import WORDS

    maker = PieceMaker(word_level_tokenizer(WORDS))
    examples = make_texts("maze:tiny", num=6)
    grader = Grader(maker, examples)
    assert (grader.verifier.name, grader.needs_question) == ("maze-plan", True)
    question, answer = examples[0].question, examples[0].answer
    back = {"up": "down", "down": "up", "left": "right", "right": "left"}
    first = answer.split()[1]
    longer = answer.replace("plan", f"plan {first} {back[first]}", 1)
    for reply, grade in ((f"### {answer}", "right"), (f"### {longer}", "right"), ("### plan", "wrong")):
        assert grader.grade(reply, answer, cut_off=False, question=question).grade == grade
    assert grader.grade(answer, answer, cut_off=False, question=question).grade == "ungradable", "no marker"
    with pytest.raises(ValueError, match="grades by the question"):
        grader.grade(f"### {answer}", answer, cut_off=False)
    mixed = Grader(maker, [*examples, examples[0]._replace(question="Who is Tom?")])
    assert (mixed.verifier.name, mixed.needs_question) == ("exact", False)


# ---------------------------------------------------------------- the task


@pytest.mark.parametrize("argument", ["", "tiny"])
def test_the_task_grades_its_own_answers(argument: str) -> None:
    task = from_spec(argument, num=6, seed=0)
    verifier = make_verifier(task.verifier)
    assert (task.name, len(task.problems), len(task.examples)) == (f"maze:{argument}" if argument else "maze", 6, 2)
    assert len({p.id for p in (*task.problems, *task.examples)}) == 8
    for problem in (*task.problems, *task.examples):
        assert verifier.grade(problem.answer, problem).is_right
        assert problem.solution.endswith(problem.answer)
        assert problem.metadata["steps"] == len(problem.solution.splitlines()) - 1
        assert problem.metadata["actions"] == len(problem.answer.split()) - 1
        assert verifier.grade("plan", problem).grade == "wrong"
    questions = {parse_question(p.question) for p in task.problems}
    assert {split_of(fingerprint(maze)) for maze in questions} == {"test"}
    assert load_task(task.name, num=6).problems == task.problems


def test_a_file_of_mazes_keeps_its_verifier(tmp_path: Path) -> None:
    task = from_spec("small", num=4, seed=0)
    write_problems(tmp_path / "mazes.jsonl", task.problems)
    read = load_task(str(tmp_path / "mazes.jsonl"))
    assert (read.problems, read.verifier, read.instruction) == (task.problems, "maze-plan", task.instruction)
    assert check_file(tmp_path / "mazes.jsonl").counts["verifier maze-plan"] == 4


def test_the_command_line_lists_and_makes_mazes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tasks", "--json"]) == 0
    assert "maze" in [row["name"] for row in json.loads(capsys.readouterr().out)["tasks"]]
    out = tmp_path / "p.jsonl"
    assert main(["data", "make", "maze:tiny", "--num", "5", "--seed", "2", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num"] == 5
    first = out.read_bytes()
    assert main(["data", "make", "maze:tiny", "--num", "5", "--seed", "2", "--out", str(out)]) == 0
    assert out.read_bytes() == first
    assert main(["data", "check", str(out), "--json"]) == 0
    assert "maze-plan" in capsys.readouterr().out
    assert main(["data", "make", "maze:huge", "--out", str(out)]) == 2
    assert "Sizes: tiny, small, paper, large" in capsys.readouterr().err
    assert out.read_bytes() == first
