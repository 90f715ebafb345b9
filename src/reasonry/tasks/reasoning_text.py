"""A question with its reasoning written out step by step, and where such texts come from by name.

A row of `TEXTS` names a function ``(argument, *, num, seed, split) -> list[ReasoningText]``, where ``argument`` is what
follows the colon in ``name:argument``; it is imported when it is used. Splits of one name never share a text, whatever
seeds and numbers they are made with.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from reasonry.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from reasonry.tasks.graphs.graph import Graph

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
NUM_SHARES = 10
"""Of ten questions, one is for testing, one for validation, eight are for training (on average)."""


class ReasoningText(NamedTuple):
    """A worked example.

    Attributes:
        question: What is asked, in plain text.
        steps: The reasoning, one step after the other; empty where the source has none.
        answer: The right answer.
        graph: The same question as a graph, where it is about one.
    """

    question: str
    steps: tuple[str, ...]
    answer: str
    graph: Graph | None = None


class TextRow(NamedTuple):
    """A registered source of worked examples.

    Attributes:
        usage: What the user types.
        target: ``module:attribute`` of its function.
        line: What it is, in one line.
    """

    usage: str
    target: str
    line: str


TEXTS: dict[str, TextRow] = {
    "prosqa": TextRow(
        "prosqa[:HOPS]",
        "reasonry.tasks.graphs.named:texts",
        "Generated: which of two things is somebody, along HOPS edges of a made-up ontology; 3-4 unless given.",
    ),
    "prontoqa": TextRow(
        "prontoqa[:HOPS]",
        "reasonry.tasks.pronto:texts",
        "Generated: true or false by HOPS rules of a made-up ontology; 5 unless given.",
    ),
    "word-problems": TextRow(
        "word-problems[:STEPS]",
        "reasonry.tasks.equations:word_problem_texts",
        "Generated grade-school word problems, with their equations as steps; 1-6 steps unless given.",
    ),
    "gsm8k": TextRow(
        "gsm8k[:PATH]",
        "reasonry.tasks.equations:gsm8k_texts",
        "GSM8K from the hub or a folder, with its equations as steps.",
    ),
    "maze": TextRow(
        "maze[:SIZE]",
        "reasonry.tasks.maze.named:texts",
        "Generated mazes with keys and doors, the events of an A* search as steps; tiny, small, paper or large.",
    ),
    "running-totals": TextRow(
        "running-totals[:OPERATIONS]",
        "reasonry.tasks.running_totals:texts",
        "Generated chains of sums on digits, one operation a step; 8 operations unless given.",
    ),
}


def split_of(number: int) -> Split:
    """The split that a fingerprint (any well-mixed integer) belongs to."""
    share = number % NUM_SHARES
    return "test" if share == 0 else "validation" if share == 1 else "train"


def split_of_text(text: str) -> Split:
    """The split that a question belongs to: by its BLAKE2b hash, so the same on every machine."""
    return split_of(int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()))


def check_split(split: str) -> None:
    """Refuse what is no split.

    Raises:
        ConfigError: With the splits that there are.
    """
    if split not in SPLITS:
        remedy = " ".join(filter(None, (nearest(split, SPLITS), f"Splits: {', '.join(SPLITS)}.")))
        raise ConfigError(f"unknown split {split!r}", place="split", remedy=remedy)


def make_texts(name: str, *, num: int | None = None, seed: int = 0, split: Split = "train") -> list[ReasoningText]:
    """Worked examples from the source that ``name`` names.

    Args:
        name: A registered name, optionally with an argument after a colon (``prosqa:3``, ``word-problems:2-4``), or
            the path of a JSON or JSONL file or of a folder (see `reasonry.tasks.graphs.read_texts.read_split`). A
            registered name wins over a file of that name; write ``./name`` for the file.
        num: How many to generate, or the most to read from the start; None reads all of a file; a generator needs it.
        seed: Of a generator; files ignore it.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        ConfigError: Nothing of that name, a bad argument or split, ``num`` below 1 or missing for a generator.
        DataError: A path that does not exist, or a row that cannot be used (with ``file:line``).
        MissingDependencyError: The hub is asked for and ``datasets`` is not installed.
        ResourceError: The hub cannot be reached.
    """
    check_split(split)
    if num is not None and num < 1:
        raise ConfigError(f"{num} texts were asked for", place="num", remedy="Ask for 1 or more.")
    first, _, argument = name.partition(":")
    if first in TEXTS:
        module, _, attribute = TEXTS[first].target.partition(":")
        return getattr(importlib.import_module(module), attribute)(argument, num=num, seed=seed, split=split)
    path = Path(name)
    if name and path.exists():
        from reasonry.tasks.graphs.read_texts import read_split

        return read_split(path, split=split, limit=num)
    known = f"Known: {', '.join(row.usage for row in TEXTS.values())}, or the path of a JSON or JSONL file."
    remedy = " ".join(filter(None, (nearest(first, TEXTS), known)))
    if "/" in name or "\\" in name or path.suffix:
        raise DataError(f"no such file, folder or source of texts: {name!r}", place=name, remedy=remedy)
    raise ConfigError(f"unknown source of texts {name!r}", place="texts", remedy=remedy)


def needed(num: int | None, name: str) -> int:
    """How many texts a generator is to make.

    Raises:
        ConfigError: It was not said.
    """
    if num is None:
        raise ConfigError(
            f"how many texts of {name} is not said", place="num", remedy="A generator has no end; give a number."
        )
    return num


def parse_range(argument: str, *, default: tuple[int, int], most: int, usage: str) -> tuple[int, int]:
    """``3`` or ``3-4`` as the lowest and the highest number; an empty argument is the default.

    Raises:
        ConfigError: It is no range from 1 to ``most``.
    """
    if not argument:
        return default
    low, dash, high = argument.partition("-")
    high = high if dash else low
    if low.isdecimal() and high.isdecimal() and 1 <= int(low) <= int(high) <= most:
        return int(low), int(high)
    raise ConfigError(f"cannot read {argument!r}", place=usage, remedy=f"Write 3 or 2-3, from 1 to {most}.")
