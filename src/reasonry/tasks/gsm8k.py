"""GSM8K (Cobbe et al., 2021, arXiv:2110.14168): grade-school word problems that people wrote.

A row has ``question`` and ``answer``; the answer is a worked solution with calculator annotations ``<<3*4=12>>`` and a
last line ``#### 12``. Read from a JSONL file, from a folder with ``train.jsonl`` and ``test.jsonl``, or from the hub.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from reasonry.core import jsonl
from reasonry.core.task import Problem, Task
from reasonry.errors import ConfigError, DataError, MissingDependencyError, ResourceError, nearest

HUB_ID = "openai/gsm8k"
NUM_EXAMPLES = 8
HUB_CONFIG = "main"
MARK = "####"
# Short on purpose: asked to think "step by step", small instruct models ramble and never reach the mark.
INSTRUCTION = "Show each calculation in one short line. End with #### and the number."

_ANNOTATION = re.compile(r"<<[^<>]*>>")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def final_answer(text: str, *, place: str = "") -> str:
    """The number after the last ``####``, without currency sign and thousands separators (``1,000`` -> ``1000``).

    Raises:
        DataError: There is no ``####``, or no number after it.
    """
    _, mark, tail = text.rpartition(MARK)
    if not mark:
        raise DataError(
            f"the answer has no {MARK!r}: ...{text[-40:]!r}",
            place=place,
            remedy=f"GSM8K answers end with a line like '{MARK} 12'; mend this row.",
        )
    number = re.sub(r"[$,\s]", "", tail).removesuffix(".")
    if not _NUMBER.fullmatch(number):
        raise DataError(
            f"{tail.strip()[:60]!r} after {MARK!r} is not a number",
            place=place,
            remedy=f"GSM8K answers end with a line like '{MARK} 12'; mend this row.",
        )
    return number


def _column(row: Mapping[str, Any], name: str, place: str) -> str:
    if name not in row:
        hint = nearest(name, row) or f"The row has: {', '.join(row) or 'nothing'}."
        raise DataError(f"missing column {name!r}", place=place, remedy=hint)
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"column {name!r} holds {value!r}", place=place, remedy="It has to be a non-empty string.")
    return value


def problem(row: Mapping[str, Any], *, split: str, number: int, place: str) -> Problem:
    """One row as a problem.

    Args:
        row: With columns ``question`` and ``answer``.
        split: Name of the split, for the id.
        number: Line number from 1, for the id.
        place: Where the row stands, for errors.

    Raises:
        DataError: A column is missing or empty, or the answer does not end with ``#### number``.
    """
    question, solution = _column(row, "question", place), _column(row, "answer", place)
    return Problem(
        id=f"gsm8k-{split}-{number:05d}",
        question=question.strip(),
        answer=final_answer(solution, place=place),
        solution=solution,
        metadata={"steps": len(_ANNOTATION.findall(solution))},
    )


def _find_file(path: Path, split: str) -> Path:
    """The JSONL file of a split."""
    if path.is_dir():
        file = path / f"{split}.jsonl"
        if not file.is_file():
            found = sorted(p.name for p in path.glob("*.jsonl"))
            remedy = f"The folder holds {', '.join(found)}." if found else "The folder holds no .jsonl file."
            raise DataError(f"no {split}.jsonl in this folder", place=str(path), remedy=remedy)
        return file
    if not path.exists():
        remedy = f"Give a JSONL file, a folder with train.jsonl and test.jsonl, or the hub id {HUB_ID}."
        raise DataError("no such file or folder", place=str(path), remedy=remedy)
    return path


def _hub_rows(split: str) -> Iterable[Mapping[str, Any]]:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as e:
        raise MissingDependencyError(
            f"the package 'datasets' is not installed, and {HUB_ID} is read through it",
            remedy='Install it with: pip install "reasonry[train]", or give the path of a JSONL file.',
        ) from e
    try:
        return datasets.load_dataset(HUB_ID, HUB_CONFIG, split=split)
    except ValueError as e:
        raise DataError(f"cannot read split {split!r}: {e}", place=HUB_ID, remedy="Splits: train, test.") from e
    except OSError as e:
        raise ResourceError(
            f"cannot fetch the data set: {e}",
            place=HUB_ID,
            remedy="Check the network, or give the path of a JSONL file.",
        ) from e


def _rows(source: str | Path, split: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Rows with their places."""
    if str(source) == HUB_ID and not Path(source).exists():
        for number, row in enumerate(_hub_rows(split), 1):
            yield row, f"{HUB_ID}/{split}:{number}"
    else:
        for number, row in enumerate(jsonl.read(source), 1):
            yield row, f"{source}:{number}"


def read(path_or_hub_id: str | Path, *, split: str = "test", limit: int | None = None) -> Task:
    """GSM8K as a task graded by number.

    Args:
        path_or_hub_id: A JSONL file, a folder that holds ``<split>.jsonl``, or the hub id ``openai/gsm8k``.
        split: ``train`` or ``test``; a file names its own split by its stem.
        limit: Read the first rows only.

    Returns:
        Problems with ids ``gsm8k-<split>-<line number>`` and metadata ``steps``, the number of annotations.

    Raises:
        DataError: A missing or empty file, or a row that cannot be used (with ``file:line``).
        ConfigError: ``limit`` is below 1.
        MissingDependencyError: The hub is asked for and ``datasets`` is not installed.
        ResourceError: The hub cannot be reached.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}", place="limit", remedy="Ask for at least 1 problem, or leave it out.")
    source: str | Path = path_or_hub_id
    if str(source) != HUB_ID or Path(source).exists():
        source = _find_file(Path(source), split)
        split = source.stem
    problems = _problems(source, split, limit)
    if not problems:
        raise DataError("the file is empty", place=str(source), remedy="Expected one JSON object per line.")
    return Task(
        name=f"gsm8k-{split}",
        problems=problems,
        instruction=INSTRUCTION,
        examples=_examples(source, split),
        source=str(source),
    )


def _problems(source: str | Path, split: str, limit: int | None) -> tuple[Problem, ...]:
    rows = enumerate(islice(_rows(source, split), limit), 1)
    return tuple(problem(row, split=split, number=number, place=place) for number, (row, place) in rows)


def _examples(source: str | Path, split: str) -> tuple[Problem, ...]:
    """The first training problems, when the training split is at hand and is not itself the task."""
    if split == "train":
        return ()
    if isinstance(source, Path):
        source = source.with_name("train.jsonl")
        if not source.exists():
            return ()
    return _problems(source, "train", NUM_EXAMPLES)


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``gsm8k`` or ``gsm8k:train`` from the hub; ``seed`` has no effect, the order is that of the data set."""
    del seed
    return read(HUB_ID, split=argument or "test", limit=num)
