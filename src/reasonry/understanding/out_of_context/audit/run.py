"""A whole audit: scan, base model, tuning, tuned model, verdicts.

    RUN/scores-base.jsonl        scores of the base model
    RUN/ARM/metrics.jsonl        the training of an arm, with looks at facts and inferences
    RUN/ARM/checkpoints/         its weights
    RUN/ARM/scores.jsonl         scores of the model after it; without a training, of the one that was given
    RUN/train*.jsonl, probes.jsonl, added-*.jsonl    rows for other tools
    RUN/results.json             what came of it

Running the command again goes on where it was killed, and asks nothing twice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from reasonry.core import atomic, jsonl
from reasonry.core.candidates.base import CandidateScorer
from reasonry.core.costs import total_costs
from reasonry.core.learning import COSTS, METRICS, OpenRun, open_nothing, say_nothing
from reasonry.core.made_with import MadeWith
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.understanding.out_of_context.audit.arms import Arm, TrainRow
from reasonry.understanding.out_of_context.audit.classify import Rule
from reasonry.understanding.out_of_context.audit.config import VERB, AuditConfig
from reasonry.understanding.out_of_context.audit.early_stop import early_stop, looks_of
from reasonry.understanding.out_of_context.audit.forgetting import locality_of
from reasonry.understanding.out_of_context.audit.gate import Judged, gate
from reasonry.understanding.out_of_context.audit.models import LocalModels, Models
from reasonry.understanding.out_of_context.audit.outcome import Judging, PairOutcome, judge
from reasonry.understanding.out_of_context.audit.plan import Plan, make_plan
from reasonry.understanding.out_of_context.audit.questions import OF_BASE_ALONE, Question
from reasonry.understanding.out_of_context.audit.results import GIVEN, ArmOutcome, Audited
from reasonry.understanding.out_of_context.audit.scoring import as_scores, kinds_of, score_questions, text_tokens
from reasonry.understanding.out_of_context.audit.watching import Watch
from reasonry.understanding.out_of_context.audit.writing import write_rows

RESULTS, BASE_SCORES, SCORES = "results.json", "scores-base.jsonl", "scores.jsonl"


def audit(
    config: AuditConfig,
    *,
    say: Say = say_nothing,
    open_run: OpenRun = open_nothing,
    models: Models | None = None,
) -> Audited:
    """Audit a file of facts, or go on with it.

    Args:
        config: Of the run.
        say: Told what a user should know.
        open_run: Told of the open run.
        models: Whoever has the models; those that the config names when not given.

    Raises:
        ReasonryError: As `make_plan` and `LocalModels`.
        RunMismatchError: The run began with other facts or models.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    folder = config.run or default_folder("probe-out-of-context-audit", config, config.model)
    plan = make_plan(config, say=say)  # what cannot be asked leaves no run behind
    models = models or LocalModels(config)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("statistical")
        open_run(run, "statistical")
        record = MadeWith(run.folder)
        for name, value in plan.identity.items():
            record.check(name, value)
        done = _Audit(run, config, plan, models, record, say).run()
        atomic.write_json(run.path(RESULTS), done.to_json())
    return done


class _Audit:
    """One run."""

    def __init__(self, run: Run, config: AuditConfig, plan: Plan, models: Models, record: MadeWith, say: Say) -> None:
        self._run, self._config, self._plan, self._models = run, config, plan, models
        self._record, self._say = record, say
        self._watch = Watch(plan, num_subjects=config.train.look_subjects)
        tests = config.tests
        self._judging = Judging(
            Rule(tests.level, tests.least_index, tests.prior_margin, tests.prior_share),
            config.seed,
            tests.num_permutations,
            tests.num_boot,
        )

    def run(self) -> Audited:
        """All of it."""
        plan, config = self._plan, self._config
        files = write_rows(self._run.folder, plan.arms, plan.questions) if plan.pairs else []
        arms: list[ArmOutcome] = []
        base: dict[str, Row] = {}
        if plan.pairs:
            base = self._scores(self._run, BASE_SCORES, plan.questions, self._models.base, "base")
            after = [q for q in plan.questions if q.kind not in OF_BASE_ALONE]
            if config.tuned:
                rows = self._scores(self._run, SCORES, after, self._models.tuned, GIVEN)
                arms.append(self._outcome(GIVEN, base, rows, None, [], 0.0))
            for arm, rows in plan.arms.items():
                arms.append(self._arm(arm, rows, base, after))
        else:
            self._say("no pair of relations is flagged, so nothing is asked; name one with --pairs given:implied")
        judged = [
            Judged(o.pair.name, o.verdict.kind, o.after.transfer_index.value) for o in (arms[0].pairs if arms else [])
        ]
        return Audited(
            config=config,
            folder=self._run.folder,
            arms=arms,
            judging=self._judging,
            gate=gate(judged, limit=config.max_hallucination_index, counts=config.counts),
            wordings=plan.wordings,
            base_scorer=self._told("base", base),
            num_facts=len(plan.table.facts),
            num_dropped={str(reason): num for reason, num in plan.table.num_dropped.items()},
            chosen_by=plan.chosen_by,
            skipped=plan.skipped,
            num_questions=len(plan.questions),
            files=files,
        )

    # ------------------------------------------------------------ one model

    def _scores(
        self, part: Run, name: str, questions: Sequence[Question], make: Callable[[], CandidateScorer], label: str
    ) -> dict[str, Row]:
        def made() -> CandidateScorer:
            scorer = make()
            self._record.check(f"{label} scorer", scorer.identity)
            return scorer

        return score_questions(part, name, questions, made, label=label, say=self._say)

    def _told(self, label: str, rows: dict[str, Row]) -> dict[str, Any]:
        return {**(self._record.get(f"{label} scorer") or {}), "scored_as": kinds_of(rows)}

    def _arm(self, arm: Arm, rows: list[TrainRow], base: dict[str, Row], after: Sequence[Question]) -> ArmOutcome:
        part = copy.copy(self._run)
        part.folder = self._run.folder / arm
        part.folder.mkdir(exist_ok=True)
        atomic.sweep(part.folder)
        log: list[Row] = []

        def trained() -> CandidateScorer:
            made = self._models.train(arm, rows, part, self._watch, say=self._say)
            log.extend(made.rows)
            return made.scorer

        scores = self._scores(part, SCORES, after, trained, arm)
        metrics = part.path(METRICS)
        log = log or (jsonl.recover(metrics).rows if metrics.exists() else [])
        seconds = total_costs(part.path(COSTS)).get("seconds", 0.0)
        return self._outcome(arm, base, scores, rows, log, seconds)

    def _outcome(
        self,
        name: str,
        base: dict[str, Row],
        after: dict[str, Row],
        rows: list[TrainRow] | None,
        log: list[Row],
        seconds: float,
    ) -> ArmOutcome:
        config, plan = self._config, self._plan
        old, new = as_scores(base, config.probes.score), as_scores(after, config.probes.score)
        outcomes = judge(plan.pairs, plan.questions, old, new, self._judging)
        return ArmOutcome(
            name=name,
            pairs=outcomes,
            locality=locality_of(plan.questions, old, new, text_tokens(base)),
            num_rows=None if rows is None else len(rows),
            num_added=None if rows is None else sum(row.source != "file" for row in rows),
            num_steps=None if rows is None else len(log),
            loss=float(log[-1]["loss"]) if log else None,
            early_stop=None if rows is None else self._early_stop(log, outcomes),
            at_start=self._watch.from_scores(old),
            scorer=self._told(name, after),
            log=log,
            seconds=seconds,
        )

    def _early_stop(self, log: list[Row], outcomes: Sequence[PairOutcome]) -> Any:
        wanted = ("generalisation", "prior knowledge")
        unwanted = [o.pair.name for o in outcomes if o.verdict.kind not in wanted and o.pair.label != "causal"]
        tests = self._config.tests
        return early_stop(looks_of(log), pairs=unwanted, eps=tests.learned_rank, tau=tests.least_index)
