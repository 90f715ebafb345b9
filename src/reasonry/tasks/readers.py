"""Problems from JSONL files of any of the usual shapes, and back to JSONL.

A row is told by its columns (further columns are kept in the metadata):

- ``question`` + ``answer``, optionally ``id``, ``solution``, ``metadata``: what `write_problems` writes. Without a
  ``solution`` column, an answer that contains ``####`` is a worked solution, and the answer is what follows.
- ``prompt`` + ``solution``, optionally ``id``, ``metadata``: TRL's columns. A prompt is a string or a list of messages
  whose last user message is the question; the solution is the answer, again after ``####`` where there is one.

Rows without an id get ``<file stem>-<line number>``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import jsonl
from reasonry.core.atomic import write_text
from reasonry.core.messages import parse_message, read_trajectories
from reasonry.core.task import Problem, Task
from reasonry.core.verify.number import canonical_number
from reasonry.errors import ConfigError, DataError
from reasonry.tasks import gsm8k
from reasonry.tasks.maze import verifier as maze
from reasonry.tasks.maze.check import is_maze

_TRAJECTORY_COLUMNS = ("messages", "conversations", "completion")
_INSTRUCTIONS = {
    "number": gsm8k.INSTRUCTION,
    "math": "Solve it step by step. Then write the final answer inside \\boxed{}.",
    "exact": "Reply with the answer only.",
    maze.NAME: maze.INSTRUCTION,
}


class FileCheck(NamedTuple):
    """What a data file holds.

    Attributes:
        kind: ``problems`` or ``trajectories``.
        num_rows: Rows, all of them readable.
        counts: Named counts worth knowing before a run.
    """

    kind: str
    num_rows: int
    counts: Mapping[str, int]


def _text(row: Mapping[str, Any], column: str, place: str) -> str:
    value = row[column]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        kind = type(value).__name__
        raise DataError(f"column {column!r} holds a {kind}: {value!r:.80}", place=place, remedy="Write a string there.")
    return value


def _filled(text: str, column: str, place: str) -> str:
    if not text.strip():
        raise DataError(f"column {column!r} is empty", place=place, remedy="Fill it in or remove the row.")
    return text


def _prompt(row: Mapping[str, Any], place: str) -> str:
    """The question in a TRL prompt."""
    prompt = row["prompt"]
    if not isinstance(prompt, list):
        return _text(row, "prompt", place)
    messages = [parse_message(m, place=place) for m in prompt if isinstance(m, Mapping)]
    if len(messages) != len(prompt):
        raise DataError("column 'prompt' is a list of other things than messages", place=place)
    asked = [m.content for m in messages if m.role == "user"]
    if not asked:
        raise DataError("column 'prompt' holds no user message", place=place, remedy="The last one is the question.")
    return asked[-1]


def _after_mark(text: str) -> tuple[str, str]:
    """(answer, worked solution): the text after the last ``####``, if any, is the answer."""
    _, mark, tail = text.rpartition(gsm8k.MARK)
    return (tail.strip(), text) if mark else (text, "")


def _problem(row: Mapping[str, Any], *, default_id: str, place: str) -> Problem:
    if "question" in row and "answer" in row:
        used = {"question", "answer", "solution"}
        question, answer = _text(row, "question", place), _text(row, "answer", place)
        if "solution" in row:
            solution = _text(row, "solution", place)
        else:
            answer, solution = _after_mark(answer)
        _filled(answer, "answer", place)
    elif "prompt" in row and "solution" in row:
        used = {"prompt", "solution"}
        question = _prompt(row, place)
        answer, solution = _after_mark(_text(row, "solution", place))
        _filled(answer, "solution", place)
    else:
        raise DataError(
            f"the row has the columns {', '.join(row) or '(none)'}",
            place=place,
            remedy="A problem needs 'question' and 'answer', or 'prompt' and 'solution'.",
        )
    metadata = row.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise DataError(f"column 'metadata' holds {metadata!r:.80}", place=place, remedy="It has to be an object.")
    extra = {k: v for k, v in row.items() if k not in used | {"id", "metadata"}}
    name = _filled(_text(row, "id", place), "id", place) if "id" in row else default_id
    return Problem(name, _filled(question, "question", place), answer, solution, {**extra, **metadata})


def _verifier(problems: Sequence[Problem]) -> str:
    """``number`` if every answer is one, ``maze-plan`` if every row is a maze with its plan, ``math`` if some answer
    is LaTeX, else ``exact``.
    """
    if all(canonical_number(p.answer) is not None for p in problems):
        return "number"
    if all(is_maze(p.question, p.answer) for p in problems):
        return maze.NAME
    return "math" if any("\\" in p.answer or "$" in p.answer for p in problems) else "exact"


def _is_gsm8k(path: Path) -> bool:
    """Whether the first row has GSM8K's columns, and nothing that says otherwise."""
    row = next(jsonl.read(path), {})
    answer = row.get("answer")
    return set(row) == {"question", "answer"} and isinstance(answer, str) and gsm8k.MARK in answer


def read_file(path: Path, *, limit: int | None = None) -> Task:
    """A JSONL file of problems, in GSM8K's columns or one of the shapes above.

    Raises:
        DataError: A missing or empty file, a row that is no problem, or an id that occurs twice (``file:line``).
        ConfigError: ``limit`` is below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}", place="limit", remedy="Ask for at least 1 problem, or leave it out.")
    if _is_gsm8k(path):
        return gsm8k.read(path, limit=limit)
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, row in enumerate(islice(jsonl.read(path), limit), 1):
        place = f"{path}:{number}"
        problem = _problem(row, default_id=f"{path.stem}-{number:05d}", place=place)
        if problem.id in lines:
            remedy = f"Line {lines[problem.id]} has it too; samples are kept by id, so give each row its own."
            raise DataError(f"duplicate id {problem.id!r}", place=place, remedy=remedy)
        lines[problem.id] = number
        problems.append(problem)
    if not problems:
        raise DataError("the file is empty", place=str(path), remedy="Expected one JSON object per line.")
    verifier = _verifier(problems)
    return Task(path.stem, tuple(problems), verifier, _INSTRUCTIONS[verifier], source=str(path))


def write_problems(path: str | Path, problems: Sequence[Problem]) -> None:
    """Write problems as JSONL, all or nothing; `read_file` gives them back unchanged.

    Raises:
        DataError: An id occurs twice, a text is empty, or something is not a JSON value.
        ResourceError: The file cannot be written; an older file is then as it was.
    """
    twice = [name for name, count in Counter(p.id for p in problems).items() if count > 1]
    if twice:
        raise DataError(f"duplicate id {twice[0]!r}", place=str(path), remedy="Samples are kept by id; make it unique.")
    lines: list[str] = []
    for p in problems:
        row = {
            "id": p.id,
            "question": p.question,
            "answer": p.answer,
            "solution": p.solution,
            "metadata": dict(p.metadata),
        }
        for column in ("id", "question", "answer"):
            _filled(row[column], column, f"{path}: problem {p.id!r}")
        try:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False)
            line.encode("utf-8")
        except (TypeError, ValueError) as e:
            raise DataError(f"problem {p.id!r} is not JSON: {e}", place=str(path)) from e
        if json.loads(line) != row:
            remedy = "Use lists for tuples, and strings for keys."
            raise DataError(f"metadata of problem {p.id!r} would change in JSON", place=str(path), remedy=remedy)
        lines.append(line + "\n")
    write_text(Path(path), "".join(lines))


def check_file(path: str | Path) -> FileCheck:
    """Read a file of problems or of trajectories to its end.

    Raises:
        DataError: At the first row that cannot be used (``file:line``).
    """
    path = Path(path)
    first = next(jsonl.read(path), {})
    if any(column in first for column in _TRAJECTORY_COLUMNS):
        found = list(read_trajectories(path))
        counts = Counter(f"outcome {t.outcome.grade if t.outcome else 'missing'}" for t in found)
        counts["messages"] = sum(len(t.messages) for t in found)
        counts["tool calls"] = sum(len(m.tool_calls) for t in found for m in t.messages)
        return FileCheck("trajectories", len(found), counts)
    task = read_file(path)
    counts = Counter({f"verifier {task.verifier}": len(task.problems)})
    counts["with a worked solution"] = sum(bool(p.solution) for p in task.problems)
    return FileCheck("problems", len(task.problems), counts)
