"""Scores of samples: what selection goes by.

    logp       mean log-probability per token, already in the rows; costs nothing
    verifier   1 for an answer graded right, 0 otherwise: an oracle, for ceilings and for tasks with a checker
    anything else: a `reasonry.core.scoring.Scorer` (reward model, judge, a function)

A sample that cannot be scored has NaN; selection then prefers any scored one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reasonry.core.rows import Row, Store, check_kept
from reasonry.core.scoring import Item, Scorer, check_scores
from reasonry.errors import DataError
from reasonry.test_time.pool import Pool

FloatArray = NDArray[np.float64]

_CHUNK = 256  # samples between two writes: what a kill loses at most


class Scores(Protocol):
    """Scores the used samples of pools."""

    @property
    def name(self) -> str:
        """Shown in reports."""
        ...

    def of(self, pools: Sequence[Pool]) -> list[FloatArray]:
        """One array per pool, shape (num_used,); NaN where a sample has no score."""
        ...


class LogpScores:
    """Mean log-probability per token."""

    name = "logp"

    def of(self, pools: Sequence[Pool]) -> list[FloatArray]:
        """Read from the rows.

        Raises:
            DataError: The sampler reported no log-probability at all.
        """
        found = [np.array([math.nan if (v := r["mean_logp"]) is None else v for r in p.used]) for p in pools]
        if found and all(np.isnan(scores).all() for scores in found):
            raise DataError(
                "no sample has log-probabilities, so there is nothing to score by",
                remedy="With an endpoint ask for them (--endpoint.logprobs), or choose another --score.",
            )
        return found


class OracleScores:
    """1 for a right answer, 0 for any other: the best that any scorer can do."""

    name = "verifier"

    def of(self, pools: Sequence[Pool]) -> list[FloatArray]:
        """Read from the grades.

        Raises:
            DataError: A question has no oracle answer.
        """
        for pool in pools:
            if pool.question.problem is None:
                raise DataError(
                    f"question {pool.question.id!r} has no oracle answer to verify against",
                    remedy="Give a Problem with its answer, or choose another scorer.",
                )
        return [np.array([float(r["grade"] == "right") for r in p.used]) for p in pools]


class ModelScores:
    """Scores by a `Scorer`, each sample once."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.name = scorer.name
        self.store = Store()
        self._finished: Callable[[], None] = lambda: None

    def keep_in(self, store: Store, finished: Callable[[], None]) -> None:
        """Keep rows {id, index, score} in ``store``, and call ``finished`` after each fresh one."""
        self.store, self._finished = store, finished

    def of(self, pools: Sequence[Pool]) -> list[FloatArray]:
        """Score what is not in the store yet, then read the store.

        Raises:
            DataError: The scorer returned something that is not one number per sample.
        """
        missing = [(p, row) for p in pools for row in p.used if (p.question.id, row["index"]) not in self.store.rows]
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            items = [Item(pool.question.messages, row["text"]) for pool, row in part]
            values = check_scores(self.scorer.score(items), len(items), name=self.name)
            for (pool, row), value in zip(part, values.tolist(), strict=True):
                scored = {"id": pool.question.id, "index": row["index"], "score": _kept(value)}
                self.store.put(scored)
                self._finished()
        return [np.array([read_score(self.store.rows[p.question.id, r["index"]]) for r in p.used]) for p in pools]


def _kept(value: float) -> float | str | None:
    """JSON has no NaN and no infinity."""
    return None if math.isnan(value) else str(value) if math.isinf(value) else value


def check_scores_kept(rows: Sequence[Row], path: Path) -> None:
    """Refuse rows of ``scores.jsonl`` that nobody could have written.

    Raises:
        DataError: With the line.
    """
    check_kept(
        rows, path, lambda row: isinstance(s := row.get("score", ""), int | float | None) or s in ("inf", "-inf")
    )


def read_score(row: Row) -> float:
    """The score of a row of ``scores.jsonl``."""
    return math.nan if row["score"] is None else float(row["score"])
