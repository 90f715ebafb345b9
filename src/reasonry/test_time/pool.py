"""Samples of a run: what is asked, the graded rows that come back, and where they are kept.

A *pool* is what was drawn for one question, in submission order (sample index 0, 1, 2, ...). Rules that stop early
look at samples in that order only: the order in which answers happen to arrive depends on their length, and often on
whether they are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, get_args

from reasonry.core import jsonl
from reasonry.core.messages import Message
from reasonry.core.outcome import Grade, Outcome
from reasonry.core.sampling import Completion, Sampler
from reasonry.core.task import Problem
from reasonry.core.verify import Verifier
from reasonry.errors import DataError
from reasonry.test_time.stopping import Decision

Row = dict[str, Any]
Key = tuple[str, int]

_COST_INTERVAL_S = 2.0
_COSTS = ("seconds", "num_prompt_tok", "num_completion_tok", "num_completions", "num_retries", "num_cache_hits")


class Question(NamedTuple):
    """One prompt and, where it is known, the problem with the oracle answer.

    Attributes:
        id: Key of its samples.
        messages: The conversation, ending with the turn to answer.
        problem: The problem; None when nobody knows the right answer.
    """

    id: str
    messages: tuple[Message, ...]
    problem: Problem | None = None


@dataclass(slots=True)
class Pool:
    """Samples of one question.

    Attributes:
        question: What was asked.
        rows: All samples drawn, in submission order.
        num_used: How many of them the stopping rule looked at; those after it were drawn in the same round.
        decision: Why drawing ended.
    """

    question: Question
    rows: list[Row]
    num_used: int
    decision: Decision

    @property
    def used(self) -> list[Row]:
        """The samples that count."""
        return self.rows[: self.num_used]


def graded_row(completion: Completion, question: Question, verifier: Verifier) -> Row:
    """A completion as a row of ``samples.jsonl``; without a problem the answer is found but not graded."""
    cut_off = completion.finish == "length"
    if question.problem is None:
        graded = Outcome("ungradable", verifier.extract(completion.text, cut_off=cut_off), "no oracle answer")
    else:
        graded = verifier.grade(completion.text, question.problem, cut_off=cut_off)
    logps = completion.logps
    return {
        "id": completion.id,
        "index": completion.index,
        "text": completion.text,
        "finish": completion.finish,
        "answer": graded.answer,
        "grade": graded.grade,
        "reason": graded.reason,
        "num_prompt_tok": completion.num_prompt_tok,
        "num_completion_tok": completion.num_completion_tok,
        "mean_logp": math.fsum(logps) / len(logps) if logps else None,
    }


class Store:
    """Rows by key, in memory.

    Args:
        rows: What is there already.
        key: Fields that name a row.
    """

    def __init__(self, rows: Iterable[Row] = (), *, key: tuple[str, ...] = ("id", "index")) -> None:
        self._key = itemgetter(*key)
        self.rows: dict[Any, Row] = {self._key(row): row for row in rows}

    def put(self, row: Row) -> None:
        """Keep a row."""
        self.rows[self._key(row)] = row


class FileStore(Store):
    """Rows kept in memory and appended to a JSONL file as they come."""

    def __init__(
        self, rows: Iterable[Row], writer: jsonl.JsonlWriter, *, key: tuple[str, ...] = ("id", "index")
    ) -> None:
        super().__init__(rows, key=key)
        self._writer = writer

    def put(self, row: Row) -> None:
        """Write the row, then keep it."""
        self._writer.write(row)
        super().put(row)


# ---------------------------------------------------------------- samples on disk

_ROW_TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "index": (int,),
    "text": (str,),
    "finish": (str,),
    "answer": (str, type(None)),
    "grade": (str,),
    "reason": (str,),
    "num_prompt_tok": (int,),
    "num_completion_tok": (int,),
    "mean_logp": (int, float, type(None)),
}


def check_rows(rows: Sequence[Row], path: Path, known: Collection[str], n: int) -> None:
    """Refuse samples that are not this run's, before anything is drawn and before anything is rewritten.

    Raises:
        DataError: With the line.
    """
    for line, row in enumerate(rows, 1):
        place = f"{path}:{line}"
        wrong = [k for k, types in _ROW_TYPES.items() if k not in row or not isinstance(row[k], types)]
        if wrong or row["grade"] not in get_args(Grade):
            raise DataError(
                f"not a sample: {wrong[0] if wrong else 'grade'!r} is missing or wrong",
                place=place,
                remedy="Remove the line, and the sample is drawn again; or restore the file.",
            )
        if row["id"] not in known:
            raise DataError(
                f"a sample of problem {row['id']!r}, which the task does not hold",
                place=place,
                remedy="Has the task's file changed since the run began? Restore it, or choose another --run.",
            )
        if not 0 <= row["index"] < n:
            raise DataError(
                f"sample {row['index']} of problem {row['id']!r}, but n is {n}",
                place=place,
                remedy="Remove the line, or restore the file.",
            )


def check_kept(rows: Sequence[Row], path: Path, is_sound: Callable[[Row], bool]) -> None:
    """Refuse rows that are not of a file's kind.

    Raises:
        DataError: With the line.
    """
    for line, row in enumerate(rows, 1):
        if not is_sound(row):
            raise DataError(
                f"not a row of {path.name}: {row}"[:200],
                place=f"{path}:{line}",
                remedy="Remove the line, and it is made again; or restore the file.",
            )


def canonical(path: Path, order: Mapping[str, int]) -> list[Row]:
    """All rows in (problem, index) order; the file is rewritten when it is in another (extended or retried runs)."""
    rows = list(jsonl.read(path)) if path.exists() else []
    ordered = sorted({(r["id"], r["index"]): r for r in rows}.values(), key=lambda r: (order[r["id"]], r["index"]))
    if ordered != rows:
        jsonl.write(path, ordered)
    return ordered


class CostLog:
    """Appends what sampling cost every few seconds, so that a killed session's cost is not forgotten."""

    def __init__(self, path: Path, samplers: Sequence[Sampler]) -> None:
        self._path, self._samplers = path, samplers
        self._written = self._now()

    def _now(self) -> dict[str, float]:
        stats = [s.stats for s in self._samplers]
        return {name: sum(getattr(s, name) for s in stats) for name in _COSTS}

    def tick(self) -> None:
        """Write when the last row is some seconds old."""
        if sum(s.stats.seconds for s in self._samplers) - self._written["seconds"] >= _COST_INTERVAL_S:
            self.write()

    def write(self) -> None:
        """Write what came since the last row."""
        now = self._now()
        change = {k: now[k] - self._written[k] for k in now}
        if any(change.values()):
            jsonl.append(self._path, [change])
            self._written = now


def total_costs(path: Path) -> dict[str, float]:
    """The sum of all rows of a cost log."""
    total: dict[str, float] = {}
    for row in jsonl.recover(path).rows if path.exists() else []:
        for key, value in row.items():
            total[key] = total.get(key, 0) + value
    return total


def by_question(rows: Sequence[Row], ids: Collection[str]) -> dict[str, list[Row]]:
    """Rows per question, every question included."""
    pools: dict[str, list[Row]] = {name: [] for name in ids}
    for row in rows:
        pools[row["id"]].append(row)
    return pools


def same_texts(rows: Sequence[Row]) -> Iterator[str]:
    """Ids of the questions of which several samples were drawn and all have the same text."""
    for name, pool in by_question(rows, dict.fromkeys(r["id"] for r in rows)).items():
        if len(pool) > 1 and len({r["text"] for r in pool}) == 1:
            yield name
