"""Tasks: questions with oracle answers, from the package's own generators or from files.

`load_task` takes what a user types: a registered name (`TASKS`), a path, or a hub id. A row of `TASKS` names a function
``(argument, *, num, seed) -> Task``, where ``argument`` is what follows the colon in ``name:argument``; it is imported
when it is used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

from reasonry.core.task import Problem, Task
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.tasks import gsm8k
from reasonry.tasks.readers import FileCheck, check_file, read_file, write_problems

__all__ = ["TASKS", "FileCheck", "Problem", "Task", "TaskRow", "check_file", "load_task", "write_problems"]


class TaskRow(NamedTuple):
    """A registered task.

    Attributes:
        name: What the user types.
        target: ``module:attribute`` of its loader.
        line: What it is, in one line.
    """

    name: str
    target: str
    line: str


TASKS: dict[str, TaskRow] = {
    row.name: row
    for row in (
        TaskRow(
            "word-problems",
            "reasonry.tasks.word_problems:from_spec",
            "Generated grade-school word problems of 1 to 6 steps; word-problems:1-3 for a range of steps.",
        ),
        TaskRow(
            "gsm8k",
            "reasonry.tasks.gsm8k:from_spec",
            "GSM8K from the hub (openai/gsm8k), test split; gsm8k:train for the other. Or give a path.",
        ),
        TaskRow(
            "prosqa",
            "reasonry.tasks.graphs.named:from_spec",
            "Generated graph questions in words; prosqa:3 or prosqa:2-4 for hops.",
        ),
        TaskRow(
            "prontoqa",
            "reasonry.tasks.pronto:from_spec",
            "Generated true-or-false questions by rules of a made-up ontology; prontoqa:3 for hops.",
        ),
        TaskRow(
            "maze",
            "reasonry.tasks.maze.named:from_spec",
            "Generated mazes with keys and doors, solved by a plan; maze:small (or tiny, large) for their size.",
        ),
        TaskRow(
            "running-totals",
            "reasonry.tasks.running_totals:from_spec",
            "Generated chains of sums on digits, modulo 10; running-totals:5 or running-totals:4-6 for operations.",
        ),
        TaskRow(
            "facts",
            "reasonry.tasks.facts.named:from_spec",
            "Made-up facts to train on, and questions held out; facts:sport-music or facts:city-language:shift.",
        ),
    )
}


def load_task(spec: str, *, num: int | None = None, seed: int = 0) -> Task:
    """The task that ``spec`` names.

    Args:
        spec: A registered name, optionally with an argument after a colon (``word-problems:1-3``); the path of a JSONL
            file (see `reasonry.tasks.readers`) or of a folder with GSM8K's ``test.jsonl``; or ``openai/gsm8k``.
            A registered name wins over a file of that name; write ``./name`` for the file.
        num: How many problems: how many to generate, or how many to read from the start. None takes the default number
            of a generator and all rows of a file.
        seed: Seed of a generator; files ignore it.

    Raises:
        ConfigError: Nothing of that name, a bad argument, or ``num`` below 1.
        DataError: A path that does not exist, or rows that cannot be used.
        MissingDependencyError: The hub is asked for and ``datasets`` is not installed.
    """
    if num is not None and num < 1:
        raise ConfigError(f"{num} problems were asked for", place="num", remedy="Ask for 1 or more.")
    name, _, argument = spec.partition(":")
    if name in TASKS:
        module, _, attribute = TASKS[name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)(argument, num=num, seed=seed)
    path = Path(spec)
    if spec == gsm8k.HUB_ID and not path.exists():
        return gsm8k.read(spec, limit=num)
    if spec and path.is_dir():
        return gsm8k.read(path, limit=num)
    if spec and path.exists():
        return read_file(path, limit=num)
    known = f"Known: {', '.join(TASKS)}, {gsm8k.HUB_ID}, or the path of a JSONL file."
    remedy = " ".join(part for part in (nearest(name, [*TASKS, gsm8k.HUB_ID]), known) if part)
    if "/" in spec or "\\" in spec or path.suffix:
        raise DataError(f"no such file, folder or task: {spec!r}", place=spec, remedy=remedy)
    raise ConfigError(f"unknown task {spec!r}", place="task", remedy=remedy)
