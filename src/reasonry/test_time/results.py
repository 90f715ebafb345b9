"""What a run of ``reasonry solve`` found, as numbers: grades, the strategy's answers, curves, replays."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reasonry.core import groups, outcome
from reasonry.core.outcome import Outcome, OutcomeCounts
from reasonry.core.rows import Row
from reasonry.core.stats import Interval, wilson
from reasonry.core.task import Task
from reasonry.test_time.pool import by_question
from reasonry.test_time.replay import Replay, replay_rules
from reasonry.test_time.strategies import Result
from reasonry.test_time.votes import Graded, Vote, curves, vote
from reasonry.test_time.weighted_curve import weighted_at_k


class CurveSummary(NamedTuple):
    """A mean curve over problems for k = 1..N; the 95 % bootstrap band over problems needs at least two of them."""

    mean: list[float]
    low: list[float] | None
    high: list[float] | None


@dataclass(frozen=True)
class Solved:
    """What ``solve`` found.

    Attributes:
        task: The problems.
        rows: Graded samples in problem order, as in ``samples.jsonl``.
        pools: Problem id -> its graded samples.
        results: Problem id -> what the strategy answered.
        counts: Grades of all samples.
        answer_counts: Grades of the strategy's answers.
        accuracy: Wilson interval of the share of problems answered right (ungradable counts as not right).
        votes: Problem id -> plain vote over all its samples, whatever the strategy.
        vote_counts: Grades of all votes.
        vote_accuracy: Wilson interval of the votes.
        curves: Name (``maj@k``, ``pass@k``, ``bon@k``, ``weighted@k``) -> mean curve. Empty when pools differ in
            size: a pool that was ended by what it held is no random sample, and its curve would be biased.
        replays: What each stopping rule would have done on pools of fixed size.
        costs: Seconds, tokens and completions over all sessions of the run.
        folder: The run directory.
        strategy: Name of the strategy.
        stop: Name of the stopping rule.
    """

    task: Task
    rows: Sequence[Row]
    pools: Mapping[str, list[Graded]]
    results: Mapping[str, Result]
    counts: OutcomeCounts
    answer_counts: OutcomeCounts
    accuracy: Interval
    votes: Mapping[str, Vote]
    vote_counts: OutcomeCounts
    vote_accuracy: Interval
    curves: Mapping[str, CurveSummary]
    replays: Sequence[Replay]
    costs: Mapping[str, float]
    folder: Path
    strategy: str
    stop: str

    @property
    def verdicts(self) -> dict[str, int]:
        """Why drawing ended -> problems."""
        return dict(Counter(r.verdict for r in self.results.values()).most_common())

    @property
    def warnings(self) -> dict[str, int]:
        """Each kind of warning (numbers left out) -> how many problems have it."""
        kinds: Counter[str] = Counter()
        for result in self.results.values():
            kinds.update({_kind(text) for text in result.warnings})
        return dict(kinds.most_common())


def even_n(solved: Solved) -> str:
    """A note where the last sample bought nothing: an even number adds ties, and between two answers nothing else."""
    if not solved.curves or solved.strategy != "self-consistency":
        return ""
    curve = solved.curves["maj@k"].mean
    n = len(curve)
    if n % 2 or curve[-1] > curve[-2]:
        return ""
    return (
        f"n = {n} is even, and the last sample bought nothing: maj@{n - 1} = {curve[-2]:.1%} = maj@{n}."
        " Between two answers an even vote is exactly as good as the odd one below it."
    )


def _kind(text: str) -> str:
    """A warning without its numbers, so that those of many problems are one line."""
    return re.sub(r"\b\d+ of \d+\b", "some", re.sub(r"\ball \d+\b", "all", text))


def summarise(
    task: Task,
    rows: Sequence[Row],
    results: Mapping[str, Result],
    *,
    scores: Mapping[tuple[str, int], float] | None,
    is_fixed: bool,
    strategy: str,
    stop: str,
    seed: int,
    costs: Mapping[str, float],
    folder: Path,
) -> Solved:
    """Put a run's numbers together.

    Args:
        task: The problems.
        rows: All samples.
        results: The strategy's answers by problem id.
        scores: Of samples by (problem id, index); None for mean log-probabilities.
        is_fixed: Every problem has the same number of independent samples.
        strategy: Name of the strategy.
        stop: Name of the stopping rule.
        seed: Root of tie-breaks and resampling.
        costs: See `Solved`.
        folder: See `Solved`.
    """
    pools = {
        pid: [Graded(r["answer"], r["grade"], _score(r, scores)) for r in pool]
        for pid, pool in by_question(rows, [p.id for p in task.problems]).items()
    }
    votes = {pid: vote(pool, seed=seed, problem_id=pid) for pid, pool in pools.items()}
    vote_counts = outcome.count(Outcome(v.grade, v.answer) for v in votes.values())
    answer_counts = outcome.count(Outcome(r.grade or "ungradable") for r in results.values())
    return Solved(
        task=task,
        rows=rows,
        pools=pools,
        results=results,
        counts=outcome.count(Outcome(r["grade"]) for r in rows),
        answer_counts=answer_counts,
        accuracy=wilson(answer_counts.num_right, answer_counts.total),
        votes=votes,
        vote_counts=vote_counts,
        vote_accuracy=wilson(vote_counts.num_right, vote_counts.total),
        curves=_curves(pools, seed) if is_fixed else {},
        replays=replay_rules(by_question(rows, pools), seed=seed) if is_fixed else (),
        costs=costs,
        folder=folder,
        strategy=strategy,
        stop=stop,
    )


def _score(row: Row, scores: Mapping[tuple[str, int], float] | None) -> float:
    if scores is not None:
        return scores.get((row["id"], row["index"]), math.nan)
    return row["mean_logp"] if row["mean_logp"] is not None else math.nan


def _curves(pools: Mapping[str, Sequence[Graded]], seed: int) -> dict[str, CurveSummary]:
    per_problem = [curves(pool) for pool in pools.values()]
    named = {"maj@k": [c.maj_at_k for c in per_problem], "pass@k": [c.pass_at_k for c in per_problem]}
    best = [c.best_of_k for c in per_problem if c.best_of_k is not None]
    if len(best) == len(per_problem):
        named["bon@k"] = best
        named["weighted@k"] = [weighted_at_k(pool, seed=seed, problem_id=pid) for pid, pool in pools.items()]
    return {name: _mean(np.stack(each), seed) for name, each in named.items()}


def _mean(curve_PK: np.ndarray, seed: int) -> CurveSummary:
    band = groups.mean_curve(curve_PK, seed=seed)
    if band.num_problems < 2:
        return CurveSummary(band.mean_K.tolist(), None, None)
    return CurveSummary(band.mean_K.tolist(), band.low_K.tolist(), band.high_K.tolist())


def results_json(solved: Solved) -> dict[str, Any]:
    """The content of ``results.json``: everything but clock times."""
    used = [r.num_used for r in solved.results.values()]
    drawn = [r.num_drawn for r in solved.results.values()]
    return {
        "task": solved.task.name,
        "source": solved.task.source,
        "strategy": solved.strategy,
        "stop": solved.stop,
        "num_problems": len(solved.task.problems),
        "num_samples": len(solved.rows),
        "samples": solved.counts._asdict(),
        "parse_rate": 1 - sum(r["answer"] is None for r in solved.rows) / max(1, len(solved.rows)),
        "answers": solved.answer_counts._asdict(),
        "accuracy": _interval(solved.answer_counts, solved.accuracy),
        "mean_n": float(np.mean(used)),
        "p95_n": float(np.quantile(used, 0.95)),
        "mean_drawn": float(np.mean(drawn)),
        "verdicts": solved.verdicts,
        "votes": solved.vote_counts._asdict(),
        "vote_accuracy": _interval(solved.vote_counts, solved.vote_accuracy),
        "num_ties": sum(v.was_tied for v in solved.votes.values()),
        "num_completion_tok": sum(r["num_completion_tok"] for r in solved.rows),
        "curves": {name: curve._asdict() for name, curve in solved.curves.items()},
        "replays": [replay._asdict() for replay in solved.replays],
        "warnings": solved.warnings,
        "per_problem": {
            pid: {
                "answer": r.answer,
                "grade": r.grade,
                "weights": r.weights,
                "num_abstain": sum(row["answer"] is None for row in r.rows[: r.num_used]),
                "num_used": r.num_used,
                "num_drawn": r.num_drawn,
                "verdict": r.verdict,
                "log_e_nats": r.decision.log_e_nats,
            }
            for pid, r in solved.results.items()
        },
    }


def _interval(counts: OutcomeCounts, interval: Interval) -> dict[str, Any]:
    return {
        "value": counts.num_right / counts.total,
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "method": interval.method,
    }
