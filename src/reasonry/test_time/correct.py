"""Self-correction as a strategy of ``reasonry solve``: experts from the config, attempts kept in ``attempts.jsonl``.

The verifier that answers "right" or "wrong" between attempts is the task's own, hence an oracle, unless ``score`` names
a judge or a reward model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reasonry.core import jsonl
from reasonry.core.outcome import Outcome
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.sampling import Sampler
from reasonry.core.sampling.cached import CachedSampler
from reasonry.core.sampling.lazy import LazySampler
from reasonry.core.scoring.judge import Judging
from reasonry.core.verify import Verifier
from reasonry.core.work import Say, Work, working
from reasonry.errors import ConfigError
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.make import scorer_of
from reasonry.test_time.pool import Question
from reasonry.test_time.self_correction.budget import Budget
from reasonry.test_time.self_correction.experts import Expert, prompted
from reasonry.test_time.self_correction.loop import Corrected, self_correct
from reasonry.test_time.self_correction.pools import make_pool, read_pool
from reasonry.test_time.self_correction.store import JsonlStore
from reasonry.test_time.self_correction.store import Row as Attempt
from reasonry.test_time.stopping import Decision
from reasonry.test_time.strategies import Result

ATTEMPTS = "attempts.jsonl"
_ORACLE = ("auto", "verifier")


def check_correction(config: SolveConfig) -> None:
    """Refuse what self-correction cannot do, before anything is loaded.

    Raises:
        ConfigError: A stopping rule, an unknown scorer or pool of experts, or a budget that buys nothing.
    """
    if config.stop != "fixed":
        raise ConfigError(
            f"self-correct with the stopping rule {config.stop!r}",
            place="stop",
            remedy="It stops at the first success; n is the most attempts. Leave stop out.",
        )
    if config.score == "logp":
        raise ConfigError(
            "self-correct by log-probabilities",
            place="score",
            remedy="It needs a verdict on each attempt: verifier, judge, judge:MODEL or reward:MODEL.",
        )
    if config.score not in _ORACLE:
        scorer_of(config, LazySampler(_unasked))
    read_pool(config.correction.experts)
    _budget(config)


def _unasked() -> Sampler:
    raise AssertionError("a scorer is named, not used")


def make_experts(config: SolveConfig, questions: Sequence[Question], given: Sampler | None) -> list[Expert]:
    """The pool of experts; with a given sampler they differ by prompt only."""
    pool = config.correction.experts
    if given is not None:
        return [
            Expert(name, given, prompted(system=e.system, instruction=e.instruction), {"instruction": e.instruction})
            for name, e in read_pool(pool).items()
        ]
    experts = make_pool(
        pool,
        config.model,
        config.sampling,
        seed=config.seed,
        endpoint=config.endpoint,
        options=config.model_options,
        batch_size=config.batch_size,
        scripted=config.scripted,
        problems=[q.problem for q in questions if q.problem is not None],
    )
    if config.cache is None:
        return experts
    cached = {id(e.sampler): CachedSampler(e.sampler, config.cache) for e in experts}
    return [replace(e, sampler=cached[id(e.sampler)]) for e in experts]


def correct(
    config: SolveConfig,
    run: Run,
    questions: Sequence[Question],
    experts: Sequence[Expert],
    verifier: Verifier,
    *,
    say: Say,
) -> list[Result]:
    """Correct every question; rows of ``samples.jsonl`` are made from the attempts.

    Raises:
        ReasonryError: See `self_correct`.
        Interrupted: The user asked to stop.
    """
    options = config.correction
    by_oracle = config.score in _ORACLE
    judge = verifier if by_oracle else scorer_of(config, experts[0].sampler)
    asked = [e.sampler for e in experts] + ([judge.sampler] if isinstance(judge, Judging) else [])
    samplers = list({id(sampler): sampler for sampler in asked}.values())
    results: list[Result] = []
    with (
        working(run, "correcting", total=len(questions), unit="problems", samplers=samplers, say=say) as work,
        _WorkingStore(run, work, say) as store,
    ):
        corrections = self_correct(
            list(questions),
            experts,
            judge,
            controller=options.controller,
            max_attempts=config.n,
            budget=_budget(config),
            concurrency=options.concurrency,
            output=options.output,
            feedback=options.feedback,
            history_window=options.history_window,
            stop_at=options.stop_at,
            scale="sigmoid" if config.score.startswith("reward:") else "none",
            reader=None if by_oracle else verifier,
            seed=config.seed,
            store=store,
        )
        for question, corrected in zip(questions, corrections, strict=True):
            results.append(_result(corrected, question, verifier))
            work.tick()
    jsonl.write(run.path("samples.jsonl"), [row for result in results for row in result.rows])
    return results


def _budget(config: SolveConfig) -> Budget:
    c = config.correction
    return Budget(
        max_tok=c.max_tok,
        max_s=c.max_s,
        max_cost=c.max_cost,
        prompt_price_per_mtok=c.prompt_price_per_mtok,
        completion_price_per_mtok=c.price_per_mtok,
        scope="problem",
    )


class _WorkingStore(JsonlStore):
    """A store that counts costs, and stops on request after a row is safe."""

    def __init__(self, run: Run, work: Work, say: Say) -> None:
        super().__init__(run.path(ATTEMPTS))
        self._work = work
        if self.num_torn_bytes:
            say(f"dropped a torn last line of {self.num_torn_bytes} bytes from {ATTEMPTS}; the attempt is made again")

    def put(self, row: Attempt) -> None:
        """Keep a row."""
        super().put(row)
        self._work.tick(advance=False)


def _row(attempt: Attempt, question: Question, verifier: Verifier) -> Row:
    failed = attempt["finish"] == "error"
    graded = Outcome("ungradable", None, attempt["reason"])
    if not failed and question.problem is not None:
        graded = verifier.grade(attempt["text"], question.problem, cut_off=attempt["finish"] == "length")
    return {
        "id": attempt["id"],
        "index": attempt["attempt"],
        "text": attempt["text"],
        "finish": attempt["finish"],
        "answer": graded.answer,
        "grade": graded.grade,
        "reason": graded.reason,
        "num_prompt_tok": attempt["num_prompt_tok"],
        "num_completion_tok": attempt["num_completion_tok"],
        "mean_logp": None,
        "expert": attempt["expert"],
        "reward": attempt["reward"],
    }


def _result(corrected: Corrected, question: Question, verifier: Verifier) -> Result:
    rows = [_row(attempt, question, verifier) for attempt in corrected.rows]
    chosen = rows[corrected.attempt] if corrected.attempt is not None else None
    weights: dict[str, float] = {}
    for row in rows:
        if row["answer"] is not None:
            weights[row["answer"]] = max(weights.get(row["answer"], 0.0), row["reward"] or 0.0)
    warnings: list[str] = []
    if corrected.leak:
        warnings.append("the verifier's critique had told the reference answer before this attempt")
    if corrected.num_failed:
        warnings.append(f"{corrected.num_failed} of {len(rows)} attempts failed")
    decision = Decision(
        "decided" if corrected.stop == "success" else "budget_exhausted",
        corrected.answer,
        None,
        len(rows),
        None,
        f"stopped by {corrected.stop} after {len(rows)} attempts",
    )
    return Result(
        id=corrected.id,
        answer=chosen["answer"] if chosen else None,
        text=corrected.text,
        grade=chosen["grade"] if chosen else "ungradable",
        strategy="self-correct",
        decision=decision,
        weights=dict(sorted(weights.items(), key=lambda pair: -pair[1])),
        num_used=len(rows),
        num_drawn=len(rows),
        num_prompt_tok=sum(r["num_prompt_tok"] for r in rows),
        num_completion_tok=sum(r["num_completion_tok"] for r in rows),
        parse_rate=sum(r["answer"] is not None for r in rows) / max(1, len(rows)),
        was_tied=False,
        warnings=tuple(warnings),
        rows=rows,
    )
