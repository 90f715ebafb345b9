"""Samples of a run: what is asked, the graded rows that come back, and where they are kept.

A *pool* is what was drawn for one question, in submission order (sample index 0, 1, 2, ...). Rules that stop early
look at samples in that order only: the order in which answers happen to arrive depends on their length, and often on
whether they are right.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from reasonry.core import jsonl
from reasonry.core.messages import Message
from reasonry.core.outcome import Grade, Outcome
from reasonry.core.rows import Row
from reasonry.core.sampling import Completion
from reasonry.core.task import Problem
from reasonry.core.verify import Verifier
from reasonry.errors import DataError
from reasonry.test_time.stopping import Decision

Key = tuple[str, int]


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


def canonical(path: Path, order: Mapping[str, int]) -> list[Row]:
    """All rows in (problem, index) order; the file is rewritten when it is in another (extended or retried runs)."""
    rows = list(jsonl.read(path)) if path.exists() else []
    ordered = sorted({(r["id"], r["index"]): r for r in rows}.values(), key=lambda r: (order[r["id"]], r["index"]))
    if ordered != rows:
        jsonl.write(path, ordered)
    return ordered


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
