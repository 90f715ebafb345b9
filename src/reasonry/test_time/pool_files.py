r"""Pools of finished samples read from JSON Lines: the common beginning of ``reasonry plan`` and ``reasonry curve``.

Three shapes of row are read, and may be mixed:

    solve      {"id", "index", "text", "answer", "grade", "num_completion_tok", "mean_logp", ...}: ``samples.jsonl``
    generic    {"prompt_id" | "problem_id" | "id", "sample_id" | "index", "answer", "score", "correct" | "grade",
               "accepted", "tokens" | "num_completion_tok", "text", "seed"}; a file without any id is one problem's
    wide       one row per problem: {"completions", "preds", "scores" | "agg_scores", "completion_tokens", "answer",
               "unique_id" | "problem"}, the columns of huggingface/search-and-learn, where ``answer`` is the oracle's

A wide row's answer is what the last closed ``\boxed{...}`` of ``preds`` (else of the completion) holds, without white
space and dollar signs, and it is right when it equals ``answer`` in the same form: no algebra. A list of step scores
becomes one score by ``aggregate`` (the last one, as search-and-learn does by default).

A line that is not a row, or a value of the wrong kind, is an error with ``file:line``. A value that is merely absent
is counted: no answer, score or token count is ever made up.
"""

# pyright: strict
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core import jsonl
from reasonry.core.outcome import Grade
from reasonry.errors import DataError, nearest
from reasonry.test_time.selection import StepAggregation, aggregate_steps

Row = Mapping[str, Any]

SAMPLES = "samples.jsonl"
_ID_KEYS = ("prompt_id", "problem_id", "id")
_INDEX_KEYS = ("sample_id", "index")
_SCORE_KEYS = ("score", "mean_logp")
_TOKEN_KEYS = ("tokens", "num_completion_tok", "completion_tokens")
_WHOLE_ID_KEYS = (*_ID_KEYS, "unique_id", "problem")
_BOX = "\\boxed{"
_BRACE = re.compile(r"[{}]")
_MAX_BOXES = 32  # boxes that are never closed must not make reading quadratic


@dataclass(frozen=True, slots=True)
class Pool:
    """The samples of one problem; all sequences have length N.

    Attributes:
        id: The problem.
        answers: Canonical answer, None when there is none.
        correct: Whether the sample is right; None when nobody said. A sample graded ungradable is not right when it
            holds no answer, and unknown when it does.
        scores: Shape (N,), NaN when unknown.
        num_tok: Completion tokens, None when unknown.
        accepted: A verifier's verdict, None when there is none.
        is_one_text: There are at least two texts, all the same and more than a bare answer: not independent samples.
    """

    id: str
    answers: tuple[str | None, ...]
    correct: tuple[bool | None, ...]
    scores: NDArray[np.float64]
    num_tok: tuple[int | None, ...]
    accepted: tuple[bool | None, ...]
    is_one_text: bool

    @property
    def num_samples(self) -> int:
        """N."""
        return len(self.answers)

    @property
    def is_labelled(self) -> bool:
        """Whether any sample is known to be right or wrong."""
        return any(c is not None for c in self.correct)


@dataclass(frozen=True, slots=True)
class Pools:
    """What a file holds.

    Attributes:
        path: The file that was read.
        pools: One per problem, in order of first appearance; none is empty.
        score_fields: The columns that scores came from.
        skipped: Reason -> rows left out.
        missing: What is absent -> samples without it (``answer``, ``label``, ``score``, ``token count``), and how many
            samples were ``ungradable``.
    """

    path: Path
    pools: tuple[Pool, ...]
    score_fields: tuple[str, ...]
    skipped: Mapping[str, int]
    missing: Mapping[str, int]

    @property
    def num_samples(self) -> int:
        """Samples of all problems."""
        return sum(pool.num_samples for pool in self.pools)


class _Sample(NamedTuple):
    answer: str | None
    correct: bool | None
    score: float
    num_tok: int | None
    accepted: bool | None
    text: str | None


def read_pools(path: Path | str, *, aggregate: StepAggregation = "last") -> Pools:
    """Read the pools of a JSON Lines file, or of a run directory that holds a ``samples.jsonl``.

    Args:
        path: The file or the folder. A torn last line of a run's own log is counted; of any other file it is an error.
        aggregate: How the step scores of one sample become its score.

    Raises:
        DataError: With ``file:line``: a line is not a row, a value is of the wrong kind, or one sample stands twice
            with different contents; or the file cannot be read or holds no sample.
    """
    path = Path(path)
    is_run = path.is_dir()
    if is_run:
        path = path / SAMPLES
        if not path.exists():
            raise DataError(
                f"the folder holds no {SAMPLES}",
                place=str(path.parent),
                remedy="Give a run directory of reasonry solve, or a JSON Lines file of samples.",
            )
    reader = _Reader(path, aggregate)
    if is_run:
        recovery = jsonl.recover(path)
        rows: Iterable[dict[str, Any]] = recovery.rows
        if recovery.num_torn_bytes:
            reader.skipped["torn last line"] += 1
    else:
        rows = jsonl.read(path)
    for line, row in enumerate(rows, 1):
        reader.add(row, line)
    return reader.result()


class _Reader:
    """Gathers rows into pools."""

    def __init__(self, path: Path, aggregate: StepAggregation) -> None:
        self.skipped: Counter[str] = Counter()
        self._path = path
        self._aggregate: StepAggregation = aggregate
        self._samples: dict[str, list[_Sample]] = {}
        self._seen: dict[tuple[str, str, str], tuple[Row, int]] = {}
        self._score_fields: dict[str, None] = {}
        self._num_ungradable = 0
        self._has_ids: bool | None = None

    def add(self, row: Row, line: int) -> None:
        """Take one row in."""
        if any(isinstance(row.get(key), list) for key in ("completions", "preds")):
            self._add_wide(row, line)
        else:
            self._add_sample(row, line)

    def result(self) -> Pools:
        """Everything taken in."""
        if not self._samples:
            shown = f" ({sum(self.skipped.values())} rows skipped)" if self.skipped else ""
            remedy = "A row needs an answer, or whether it is correct, or a score."
            raise DataError(f"no sample in the file{shown}", place=str(self._path), remedy=remedy)
        pools = tuple(_pool(name, samples) for name, samples in self._samples.items())
        flat = [sample for samples in self._samples.values() for sample in samples]
        missing = {
            "answer": sum(s.answer is None for s in flat),
            "label": sum(s.correct is None for s in flat),
            "score": sum(math.isnan(s.score) for s in flat),
            "token count": sum(s.num_tok is None for s in flat),
            "ungradable": self._num_ungradable,
        }
        return Pools(self._path, pools, tuple(self._score_fields), dict(self.skipped), missing)

    # ------------------------------------------------------------ one row, one sample

    def _add_sample(self, row: Row, line: int) -> None:
        key = next((k for k in _ID_KEYS if row.get(k) is not None), None)
        if self._has_ids is None:
            self._has_ids = key is not None
        if self._has_ids != (key is not None):
            raise self._error(
                "this row has no id, others have" if self._has_ids else "this row has an id, earlier ones have none",
                line,
                remedy=f"Give every row {', '.join(_ID_KEYS[:-1])} or {_ID_KEYS[-1]}; or none, for a single problem.",
            )
        name = self._name(row, key, line) if key else ""
        if self._is_repeated(row, name, line):
            return
        if not any(k in row for k in ("answer", "correct", "grade", *_SCORE_KEYS)):
            self.skipped["no answer, label or score"] += 1
            return
        answer = self._answer(row.get("answer"), line)
        text = row.get("text")
        sample = _Sample(
            answer,
            self._correct(row, answer, line),
            self._score(row, line),
            self._tokens(row, line),
            self._flag(row.get("accepted"), "accepted", line),
            text if isinstance(text, str) else None,
        )
        self._samples.setdefault(name, []).append(sample)

    def _is_repeated(self, row: Row, name: str, line: int) -> bool:
        """Whether the same row was there before; the same sample with other contents is an error."""
        index = next((row[k] for k in _INDEX_KEYS if row.get(k) is not None), None)
        if index is None:
            return False
        key = (name, repr(index), repr(row.get("seed")))
        before, at = self._seen.setdefault(key, (row, line))
        if at == line:
            return False
        if before != row:
            raise self._error(
                f"sample {index!r} of problem {name!r} stands on line {at} too, with other contents",
                line,
                remedy="Keep one of them, or number the samples differently.",
            )
        self.skipped["the same row again"] += 1
        return True

    def _name(self, row: Row, key: str, line: int) -> str:
        value = row[key]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._error(f"{key} = {_shown(value)} is neither text nor an integer", line)
        return str(value)

    def _answer(self, value: object, line: int) -> str | None:
        if isinstance(value, str):
            return " ".join(value.split()) or None
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(int(value)) if value == int(value) else repr(value)
        raise self._error(f"answer = {_shown(value)} is neither text, a number nor null", line)

    def _correct(self, row: Row, answer: str | None, line: int) -> bool | None:
        if row.get("correct") is not None:
            return self._flag(row["correct"], "correct", line)
        grade = row.get("grade")
        if grade is None:
            return None
        if grade not in get_args(Grade):
            hint = nearest(str(grade), get_args(Grade)) or f"Known: {', '.join(get_args(Grade))}."
            raise self._error(f"grade = {_shown(grade)}", line, remedy=hint)
        if grade == "ungradable":
            self._num_ungradable += 1
            return False if answer is None else None
        return grade == "right"

    def _flag(self, value: object, key: str, line: int) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        if value in (0, 1):
            return value == 1
        raise self._error(f"{key} = {_shown(value)} is neither true, false nor null", line)

    def _score(self, row: Row, line: int) -> float:
        key = next((k for k in _SCORE_KEYS if row.get(k) is not None), None)
        if key is None:
            return math.nan
        self._score_fields[key] = None
        return self._one_score(row[key], key, line)

    def _one_score(self, value: object, key: str, line: int) -> float:
        if isinstance(value, list):
            steps = [self._one_score(step, key, line) for step in cast("list[object]", value)]
            try:
                return float(aggregate_steps([steps], self._aggregate)[0])
            except DataError as e:
                raise self._error(e.problem, line) from e
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"{key} = {_shown(value)} is not a number", line)
        try:
            return float(value)
        except OverflowError as e:
            raise self._error(f"{key} = {_shown(value)} is not a number of float64", line) from e

    def _tokens(self, row: Row, line: int) -> int | None:
        key = next((k for k in _TOKEN_KEYS if row.get(k) is not None), None)
        return self._one_count(row[key], key, line) if key else None

    def _one_count(self, value: object, key: str, line: int) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or int(value) != value:
            raise self._error(f"{key} = {_shown(value)} is not a number of tokens", line)
        return int(value)

    # ------------------------------------------------------------ one row, one problem

    def _add_wide(self, row: Row, line: int) -> None:
        key = next((k for k in _WHOLE_ID_KEYS if row.get(k) is not None), None)
        name = self._name(row, key, line) if key else f"line {line}"
        if name in self._samples:
            raise self._error(f"problem {name!r} stands on an earlier line too", line, remedy="Keep one of them.")
        texts = self._column(row, "completions", line)
        preds = self._column(row, "preds", line)
        length = len(texts if texts is not None else preds or [])
        score_key = next((k for k in ("agg_scores", "scores") if row.get(k) is not None), "scores")
        columns = {
            "preds": preds,
            score_key: self._column(row, score_key, line),
            "completion_tokens": self._column(row, "completion_tokens", line),
        }
        for column, values in columns.items():
            if values is not None and len(values) != length:
                raise self._error(f"{column} holds {len(values)} values for {length} samples", line)
        if not length:
            self.skipped["a problem without samples"] += 1
            return
        if columns[score_key] is not None:
            self._score_fields[score_key] = None
        oracle = self._oracle(row, line)
        nothing: list[object] = [None] * length
        samples: list[_Sample] = []
        for text, pred, score, tokens in zip(
            texts if texts is not None else nothing,
            preds if preds is not None else nothing,
            columns[score_key] or nothing,
            columns["completion_tokens"] or nothing,
            strict=True,
        ):
            if not isinstance(text, str | None) or not isinstance(pred, str | None):
                raise self._error("completions and preds hold text", line)
            answer = _boxed(text or "") if preds is None else _bare(_boxed(pred or "") or pred or "")
            is_right = None if oracle is None else answer == oracle
            num_tok = self._one_count(tokens, "completion_tokens", line)
            samples.append(_Sample(answer, is_right, self._one_score(score, score_key, line), num_tok, None, text))
        self._samples[name] = samples

    def _oracle(self, row: Row, line: int) -> str | None:
        value = self._answer(row.get("answer"), line)
        return None if value is None else _bare(_boxed(value) or value)

    def _column(self, row: Row, key: str, line: int) -> list[object] | None:
        value = row.get(key)
        if value is None or isinstance(value, list):
            return cast("list[object] | None", value)
        raise self._error(f"{key} = {_shown(value)} is not a list, one entry per sample", line)

    def _error(self, problem: str, line: int, *, remedy: str = "Mend or remove this line.") -> DataError:
        return DataError(problem, place=f"{self._path}:{line}", remedy=remedy)


def _pool(name: str, samples: Sequence[_Sample]) -> Pool:
    texts = {s.text for s in samples}
    first = samples[0].text
    return Pool(
        name,
        tuple(s.answer for s in samples),
        tuple(s.correct for s in samples),
        np.array([s.score for s in samples], dtype=np.float64),
        tuple(s.num_tok for s in samples),
        tuple(s.accepted for s in samples),
        # Replies that are nothing but the answer are the same whenever the answers agree.
        len(samples) > 1 and len(texts) == 1 and first is not None and " ".join(first.split()) != samples[0].answer,
    )


def _boxed(text: str) -> str | None:
    r"""What the last closed ``\boxed{...}`` holds, in bare form; None without one."""
    end = len(text)
    for _ in range(_MAX_BOXES):
        start = text.rfind(_BOX, 0, end)
        if start < 0:
            break
        depth = 1
        for brace in _BRACE.finditer(text, start + len(_BOX)):
            depth += 1 if brace.group() == "{" else -1
            if depth == 0:
                return _bare(text[start + len(_BOX) : brace.start()])
        end = start
    return None


def _bare(text: str) -> str | None:
    return "".join(text.replace("$", "").split()) or None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
