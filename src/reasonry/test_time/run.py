"""``reasonry solve``: sample, grade, vote, and the exact curves, in a run directory that continues.

Files: ``samples.jsonl`` (one graded sample a line, in the end in problem order), ``prompts.json`` (a hash of what each
problem asks, so that an edited task is not mixed into old samples), ``costs.jsonl`` (seconds and tokens per session;
the only file with clock times), ``results.json`` (depends on config and seed alone).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from reasonry.core import atomic, groups, jsonl, outcome
from reasonry.core.interrupt import GracefulStop
from reasonry.core.messages import Message, system, to_openai, user
from reasonry.core.models import find_causal_lm
from reasonry.core.outcome import Grade, Outcome, OutcomeCounts
from reasonry.core.progress import Progress
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.sampling import Completion, Request, Sampler, make_sampler
from reasonry.core.sampling.cached import CachedSampler
from reasonry.core.stats import Interval, wilson
from reasonry.core.task import Problem, Task
from reasonry.core.verify import Verifier, make_verifier
from reasonry.errors import ConfigError, DataError, Interrupted, ResourceError
from reasonry.tasks import load_task
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.votes import Graded, Vote, curves, vote

DEFAULT_NUM_PROBLEMS = 40
DEFAULT_SHOTS = 4
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations are for a calculator, not for a reader
_COST_INTERVAL_S = 2.0

Row = dict[str, Any]


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
        votes: Problem id -> vote.
        counts: Grades of all samples.
        vote_counts: Grades of all votes.
        vote_accuracy: Wilson interval of the share of problems whose vote is right (ungradable counts as not right).
        curves: Name (``maj@k``, ``pass@k``, ``best-of-k``) -> mean curve.
        costs: Seconds, tokens and completions over all sessions of the run.
        folder: The run directory.
    """

    task: Task
    rows: Sequence[Row]
    pools: Mapping[str, list[Graded]]
    votes: Mapping[str, Vote]
    counts: OutcomeCounts
    vote_counts: OutcomeCounts
    vote_accuracy: Interval
    curves: Mapping[str, CurveSummary]
    costs: Mapping[str, float]
    folder: Path


def solve(
    config: SolveConfig,
    *,
    sampler: Sampler | None = None,
    say: Callable[[str], None] = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Solved:
    """Run (or continue) ``reasonry solve``.

    Args:
        config: The resolved config.
        sampler: Used instead of the one the config names.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level, before the first sample is drawn.

    Raises:
        ReasonryError: See the errors of its parts. What was finished is in the run directory.
        Interrupted: The user asked to stop; run the same command again.
    """
    # Resolved first: a run without a limit is the run with the default one, and may grow from there.
    config = config.with_(limit=config.limit or _default_limit(config.task))
    if config.n > groups.MAX_VOTES:
        raise ConfigError(
            f"n = {config.n}, but votes are counted exactly for up to {groups.MAX_VOTES} samples per problem",
            place="n",
            remedy=f"Ask for at most {groups.MAX_VOTES}.",
        )
    task = load_task(config.task, num=config.limit, seed=config.seed)
    verifier = make_verifier(task.verifier if config.verifier == "auto" else config.verifier)
    head = prompt_head(task, config)
    requests = [_request(p, head, task, config) for p in task.problems]
    folder = config.run or default_folder("solve", config, Path(config.task).name, Path(config.model).name)
    if sampler is None and not (folder / "run.json").exists():
        _check_model(config)  # a slip in the model's name should not leave a run directory behind
    with Run("solve", config, folder=folder, seed=config.seed, warn=say) as run:
        samples = run.path("samples.jsonl")
        rows = _recovered(samples, say)
        order = {p.id: at for at, p in enumerate(task.problems)}
        _check_rows(rows, samples, order, config.n)
        done = {(row["id"], row["index"]) for row in rows}
        _check_prompts(run.path("prompts.json"), requests, task, verifier, sampled={pid for pid, _ in done})
        missing = sum((r.id, i) not in done for r in requests for i in r.indices)
        if missing:
            sampler = sampler or _make_sampler(config, task)
            run.record_environment(sampler.determinism)
            open_run(run, sampler.determinism)
            _draw(run, sampler, requests, done, task, verifier, say=say, missing=missing)
        else:
            open_run(run, "finished")
        rows = _canonical(samples, order)
        solved = _summarise(task, rows, config, run)
        atomic.write_json(run.path("results.json"), results_json(solved))
    return solved


def _default_limit(task: str) -> int | None:
    return DEFAULT_NUM_PROBLEMS if task.split(":")[0] == "word-problems" else None


def _check_model(config: SolveConfig) -> None:
    if config.model != "scripted" and not config.endpoint.base_url:
        find_causal_lm(config.model, config.model_options)


def _make_sampler(config: SolveConfig, task: Task) -> Sampler:
    sampler = make_sampler(
        config.model,
        config.sampling,
        seed=config.seed,
        endpoint=config.endpoint,
        options=config.model_options,
        batch_size=config.batch_size,
        scripted=config.scripted,
        problems=task.problems,
    )
    return CachedSampler(sampler, config.cache) if config.cache else sampler


def prompt_head(task: Task, config: SolveConfig) -> tuple[Message, ...]:
    """What stands before every question: the system message and the worked examples.

    Raises:
        ConfigError: More examples are asked for than the task has.
    """
    usable = [p for p in task.examples if p.solution]
    shots = min(DEFAULT_SHOTS, len(usable)) if config.shots is None else config.shots
    if shots > len(usable):
        raise ConfigError(
            f"shots = {shots}, but {task.name} has {len(usable)} worked examples",
            place="shots",
            remedy="Ask for fewer. A file's examples are those of the train.jsonl beside it.",
        )
    head = [system(config.system)] if config.system else []
    for example in usable[:shots]:
        head += [user(example.question), Message("assistant", _CALCULATOR.sub("", example.solution))]
    return tuple(head)


def _request(problem: Problem, head: tuple[Message, ...], task: Task, config: SolveConfig) -> Request:
    shown_by_example = any(m.role == "assistant" for m in head)
    given = config.instruction
    instruction = ("" if shown_by_example else task.instruction) if given is None else given
    question = f"{problem.question}\n\n{instruction}" if instruction else problem.question
    return Request(problem.id, (*head, user(question)), range(config.n))


# ---------------------------------------------------------------- samples on disk


def _recovered(path: Path, say: Callable[[str], None]) -> list[Row]:
    if not path.exists():
        return []
    recovery = jsonl.recover(path)
    if recovery.num_torn_bytes:
        say(f"dropped a torn last line of {recovery.num_torn_bytes} bytes from {path.name}; it is sampled again")
    return recovery.rows


_ROW_TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "index": (int,),
    "text": (str,),
    "finish": (str,),
    "answer": (str, type(None)),
    "grade": (str,),
    "reason": (str,),
    "num_completion_tok": (int,),
    "mean_logp": (int, float, type(None)),
}


def _check_rows(rows: Sequence[Row], path: Path, known: Collection[str], n: int) -> None:
    """Refuse samples that are not this run's, before anything is drawn and before anything is rewritten."""
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


def _check_prompts(
    path: Path, requests: Sequence[Request], task: Task, verifier: Verifier, *, sampled: Collection[str]
) -> None:
    """Refuse to mix samples of two versions of a problem: ids are often line numbers, and files get edited."""
    now: dict[str, str] = {}
    for request, problem in zip(requests, task.problems, strict=True):
        body = json.dumps([[to_openai(m) for m in request.messages], problem.answer, verifier.name], sort_keys=True)
        now[request.id] = hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    before = read_json(path) if path.exists() else {}
    if changed := [name for name in now if name in sampled and before.get(name, now[name]) != now[name]]:
        raise DataError(
            f"{len(changed)} problems are not what they were when they were sampled, such as {changed[0]!r}: "
            "question, answer, worked examples or verifier",
            place=task.source,
            remedy="Restore the task's files, or choose another --run. Nothing was changed.",
        )
    if before != {**before, **now}:
        atomic.write_json(path, {**before, **now})


def _draw(
    run: Run,
    sampler: Sampler,
    requests: Sequence[Request],
    done: set[tuple[str, int]],
    task: Task,
    verifier: Verifier,
    *,
    say: Callable[[str], None],
    missing: int,
) -> None:
    problems = {p.id: p for p in task.problems}
    total = sum(len(r.indices) for r in requests)
    costs = _CostLog(run.path("costs.jsonl"), sampler)
    with (
        jsonl.JsonlWriter(run.path("samples.jsonl")) as writer,
        GracefulStop(say) as stop,
        Progress("sampling", total=total, done=total - missing) as progress,
    ):
        try:
            for completion in sampler.sample(requests, skip=done):
                writer.write(_graded_row(completion, problems[completion.id], verifier))
                costs.tick()
                progress.advance()
                if stop.requested:
                    raise Interrupted("stopped on request; finished samples are kept", place=str(run.folder))
        except BaseException:
            with contextlib.suppress(ResourceError):  # the first error is the one to tell
                costs.write()
            raise
        costs.write()


def _graded_row(completion: Completion, problem: Problem, verifier: Verifier) -> Row:
    cut_off = completion.finish == "length"
    graded: Outcome = verifier.grade(completion.text, problem, cut_off=cut_off)
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


class _CostLog:
    """Appends what sampling cost every few seconds, so that a killed session's cost is not forgotten."""

    def __init__(self, path: Path, sampler: Sampler) -> None:
        self._path, self._sampler = path, sampler
        self._written = self._now()

    def _now(self) -> dict[str, float]:
        s = self._sampler.stats
        return {
            "seconds": s.seconds,
            "num_prompt_tok": s.num_prompt_tok,
            "num_completion_tok": s.num_completion_tok,
            "num_completions": s.num_completions,
            "num_retries": s.num_retries,
            "num_cache_hits": s.num_cache_hits,
        }

    def tick(self) -> None:
        if self._sampler.stats.seconds - self._written["seconds"] >= _COST_INTERVAL_S:
            self.write()

    def write(self) -> None:
        now = self._now()
        change = {k: now[k] - self._written[k] for k in now}
        if any(change.values()):
            jsonl.append(self._path, [change])
            self._written = now


def _canonical(path: Path, order: Mapping[str, int]) -> list[Row]:
    """All rows in (problem, index) order; the file is rewritten when it is in another (extended or retried runs)."""
    rows = list(jsonl.read(path))
    ordered = sorted({(r["id"], r["index"]): r for r in rows}.values(), key=lambda r: (order[r["id"]], r["index"]))
    if ordered != rows:
        lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in ordered)
        atomic.write_text(path, "".join(lines))
    return ordered


# ---------------------------------------------------------------- results


def _summarise(task: Task, rows: Sequence[Row], config: SolveConfig, run: Run) -> Solved:
    by_problem: dict[str, list[Graded]] = {p.id: [] for p in task.problems}
    for row in rows:
        score = row["mean_logp"] if row["mean_logp"] is not None else math.nan
        by_problem[row["id"]].append(Graded(row["answer"], row["grade"], score))
    votes = {pid: vote(pool, seed=config.seed, problem_id=pid) for pid, pool in by_problem.items()}
    per_problem = [curves(pool) for pool in by_problem.values()]
    named = {"maj@k": [c.maj_at_k for c in per_problem], "pass@k": [c.pass_at_k for c in per_problem]}
    best = [c.best_of_k for c in per_problem if c.best_of_k is not None]
    if len(best) == len(per_problem):
        named["best-of-k"] = best
    vote_counts = outcome.count(Outcome(v.grade, v.answer) for v in votes.values())
    return Solved(
        task=task,
        rows=rows,
        pools=by_problem,
        votes=votes,
        counts=outcome.count(Outcome(r["grade"]) for r in rows),
        vote_counts=vote_counts,
        vote_accuracy=wilson(vote_counts.num_right, vote_counts.total),
        curves={name: _mean(np.stack(each), config.seed) for name, each in named.items()},
        costs=_total_costs(run.path("costs.jsonl")),
        folder=run.folder,
    )


def _mean(curve_PK: np.ndarray, seed: int) -> CurveSummary:
    band = groups.mean_curve(curve_PK, seed=seed)
    if band.num_problems < 2:
        return CurveSummary(band.mean_K.tolist(), None, None)
    return CurveSummary(band.mean_K.tolist(), band.low_K.tolist(), band.high_K.tolist())


def _total_costs(path: Path) -> dict[str, float]:
    total: dict[str, float] = {}
    for row in jsonl.recover(path).rows if path.exists() else []:
        for key, value in row.items():
            total[key] = total.get(key, 0) + value
    return total


def results_json(solved: Solved) -> dict[str, Any]:
    """The content of ``results.json``: everything but clock times."""
    return {
        "task": solved.task.name,
        "source": solved.task.source,
        "num_problems": len(solved.task.problems),
        "num_samples": len(solved.rows),
        "samples": solved.counts._asdict(),
        "votes": solved.vote_counts._asdict(),
        "vote_accuracy": {
            "value": solved.vote_counts.num_right / solved.vote_counts.total,
            "low": solved.vote_accuracy.low,
            "high": solved.vote_accuracy.high,
            "level": solved.vote_accuracy.level,
            "method": solved.vote_accuracy.method,
        },
        "num_ties": sum(v.was_tied for v in solved.votes.values()),
        "num_completion_tok": sum(r["num_completion_tok"] for r in solved.rows),
        "curves": {name: curve._asdict() for name, curve in solved.curves.items()},
        "per_problem": {
            pid: {"answer": v.answer, "grade": v.grade, "votes": v.counts, "num_abstain": v.num_abstain}
            for pid, v in solved.votes.items()
        },
    }
