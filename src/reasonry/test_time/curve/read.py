"""Which samples a curve may be drawn from: reading them, and refusing those that would lie.

The finite-pool averages assume that the samples of a problem are exchangeable and that their number does not depend on
them. A run with an adaptive stop breaks the second: it draws on while the votes are close, so that its large pools are
those of its hard problems and every pool ends at a moment its own votes chose. Self-correction breaks the first: each
attempt has seen the one before.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reasonry.core import jsonl
from reasonry.core.run import read_json
from reasonry.errors import DataError
from reasonry.test_time.curve.config import CurveConfig
from reasonry.test_time.pool_files import SAMPLES, Pool, read_pools

SCORES = "scores.jsonl"


class Remark(NamedTuple):
    """A line that the reader should know; a warning when it bears on what the curves say."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class CurveData:
    """Pools that a curve is drawn from.

    Attributes:
        path: The file that was read.
        pools: One per problem, every one with a label, in order of first appearance.
        score_fields: Where scores came from.
        has_answers: Some sample holds an answer.
        has_scores: Some sample has a score.
        remarks: What the reader should know about the samples.
        is_biased: They were ended by what they held, and the user asked for their curve all the same.
    """

    path: Path
    pools: tuple[Pool, ...]
    score_fields: tuple[str, ...]
    has_answers: bool
    has_scores: bool
    remarks: tuple[Remark, ...]
    is_biased: bool

    @property
    def num_samples(self) -> int:
        """Samples of all problems."""
        return sum(p.num_samples for p in self.pools)

    @property
    def smallest(self) -> Pool:
        """The pool that ends the curve."""
        return min(self.pools, key=lambda p: p.num_samples)


def load(config: CurveConfig) -> CurveData:
    """Read the samples that ``config`` names.

    Raises:
        DataError: With ``file:line`` what is wrong with the file; or no sample is labelled right or wrong; or the
            samples are not a random sample of fixed size.
    """
    folder = _run_folder(config.samples)
    reason = _why_biased(folder) if folder else ""
    if reason and not config.biased:
        raise DataError(
            reason,
            place=str(config.samples),
            remedy="Sample again with --stop fixed; or add --biased to see the curve for what it is worth.",
        )
    found = read_pools(config.samples, aggregate=config.aggregate)
    pools = list(found.pools)
    remarks = [Remark(f"biased: {reason}", True)] if reason else []
    remarks += [Remark(f"{num} rows skipped: {why}") for why, num in found.skipped.items()]
    score_fields = found.score_fields
    if folder and (folder / SCORES).exists():
        pools, score_fields = _with_recorded_scores(pools, folder), (SCORES,)
    if not any(p.is_labelled for p in pools):
        raise DataError(
            "no sample is labelled right or wrong, and a curve of accuracy needs that",
            place=str(found.path),
            remedy="Add the column 'correct' (true or false) or 'grade' (right or wrong) to the rows; or, with one row "
            "per problem, the right 'answer'.",
        )
    labelled = [p for p in pools if p.is_labelled]
    if len(labelled) < len(pools):
        num = len(pools) - len(labelled)
        remarks.append(Remark(f"{num} of {len(pools)} problems are left out: none of their samples is labelled", True))
    kept = [p for p in labelled if p.num_samples >= config.min_samples]
    if not kept:
        most = max(p.num_samples for p in labelled)
        raise DataError(
            f"no problem has {config.min_samples} samples; the largest pool holds {most}",
            place=str(found.path),
            remedy="Lower --min-samples.",
        )
    if len(kept) < len(labelled):
        num = len(labelled) - len(kept)
        remarks.append(
            Remark(f"{num} of {len(labelled)} problems are left out: fewer than {config.min_samples} samples", True)
        )
    return CurveData(
        path=found.path,
        pools=tuple(kept),
        score_fields=score_fields,
        has_answers=any(a is not None for p in kept for a in p.answers),
        has_scores=any(not np.isnan(p.scores).all() for p in kept),
        remarks=(*remarks, *_remarks(kept)),
        is_biased=bool(reason),
    )


# ---------------------------------------------------------------- run directories


def _run_folder(samples: Path) -> Path | None:
    """The run directory that the samples stand in, if they do."""
    folder = samples if samples.is_dir() else samples.parent if samples.name == SAMPLES else None
    return folder if folder is not None and (folder / "run.json").exists() else None


def _why_biased(folder: Path) -> str:
    """Why the samples of a run are not a random sample of fixed size; empty when they are."""
    config = _run_config(folder)
    if config.get("strategy") == "self-correct":
        return "the run made self-correction attempts, of which each has seen the one before: they are not independent"
    if (stop := config.get("stop", "fixed")) != "fixed":
        return (
            f"the run ended each problem by the stopping rule {stop!r}, so that how many samples a problem has depends "
            "on what they say, and averages over their subsets are biased"
        )
    return ""


def _run_config(folder: Path) -> dict[str, Any]:
    if read_json(folder / "run.json").get("verb") != "solve":
        return {}
    path = folder / "config.toml"
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise DataError(f"the run's config cannot be read: {e}", place=str(path)) from e


def _with_recorded_scores(pools: Sequence[Pool], folder: Path) -> list[Pool]:
    """The pools with what the run's reward model or judge said in place of mean log-probabilities."""
    given = {(r.get("id"), r.get("index")): r.get("score") for r in jsonl.recover(folder / SCORES).rows}
    order: dict[str, list[Any]] = {}
    for row in jsonl.recover(folder / SAMPLES).rows:
        order.setdefault(str(row.get("id")), []).append(row.get("index"))
    scored: list[Pool] = []
    for pool in pools:
        indices = order.get(pool.id, [])
        if len(indices) != pool.num_samples:
            raise DataError(
                f"problem {pool.id!r} has {len(indices)} rows but {pool.num_samples} samples",
                place=str(folder / SAMPLES),
                remedy="Run the solve command again: it puts the file in order.",
            )
        values = [_number(given.get((pool.id, i)), folder) for i in indices]
        scored.append(replace(pool, scores=np.array(values, dtype=np.float64)))
    return scored


def _number(value: Any, folder: Path) -> float:
    """A recorded score: JSON has no NaN and no infinity, so they stand as null and as text."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError) as e:
        raise DataError(f"score = {value!r} is not a number", place=str(folder / SCORES)) from e


# ---------------------------------------------------------------- remarks


def _remarks(pools: Sequence[Pool]) -> list[Remark]:
    """What the samples lack; nothing when they lack nothing."""
    total = sum(p.num_samples for p in pools)
    silent = sum(a is None for p in pools for a in p.answers)
    unlabelled = sum(c is None for p in pools for c in p.correct)
    unscored = sum(int(np.isnan(p.scores).sum()) for p in pools)
    alike = sum(p.is_one_text for p in pools)
    disputed = sum(bool(disputed_answers(p)) for p in pools)
    found: list[Remark] = []
    if 0 < silent < total:
        found.append(Remark(f"{silent} of {total} samples hold no answer: they never vote and are never selected"))
    if unlabelled:
        found.append(Remark(f"{unlabelled} of {total} samples have no label and count as not right"))
    if 0 < unscored < total:
        text = f"{unscored} of {total} samples have no score: they are selected only where nothing is scored"
        found.append(Remark(text))
    if disputed:
        text = (
            f"in {disputed} problems one answer is labelled right in a sample and wrong in another: it counts as right"
        )
        found.append(Remark(text, True))
    if alike:
        text = (
            f"in {alike} problems all samples are the same text: they are not independent, and worth no more than one"
        )
        found.append(Remark(text, True))
    return found


def disputed_answers(pool: Pool) -> set[str]:
    """Answers that are labelled right in one sample and wrong in another."""
    labels: dict[str, set[bool]] = {}
    for answer, correct in zip(pool.answers, pool.correct, strict=True):
        if answer is not None and correct is not None:
            labels.setdefault(answer, set()).add(correct)
    return {answer for answer, seen in labels.items() if len(seen) > 1}
