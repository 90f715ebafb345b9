"""A callback that audits a fine-tuning while it runs: what is inferred that the facts do not say.

    callback = OutOfContextCallback("facts.jsonl", every_n_steps=50, stop_above=0.5)
    SFTTrainer(model=..., train_dataset=..., callbacks=[callback]).train()
    callback.outcomes                                   # verdicts, before against after

Any `transformers.Trainer` will do, TRL's `SFTTrainer` among them. Looks go into the trainer's ``log_history`` and
into ``out_of_context.jsonl`` of its output folder: ``fact_rank`` is the mean rank of the facts (0: learned),
``index/PAIR`` is 0 at chance and 1 where the second relation is wholly inferred from the first. The model is scored
in eval mode and given back as it was. With several processes the first one looks, at its own copy of the model;
sharded weights have none, and are refused.
"""

# TRL and transformers export their classes lazily, which is private by the letter.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reasonry.core import atomic, jsonl
from reasonry.core.candidates.hf import WeightsScorer
from reasonry.core.config import from_dict
from reasonry.core.models.load import LoadedModel
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.facts.fact import FactTable
from reasonry.understanding.out_of_context.audit.classify import Rule
from reasonry.understanding.out_of_context.audit.config import AuditConfig
from reasonry.understanding.out_of_context.audit.outcome import Judging, PairOutcome, judge
from reasonry.understanding.out_of_context.audit.plan import Plan, make_plan, plan_of
from reasonry.understanding.out_of_context.audit.watching import Watch

LOOKS = "out_of_context.jsonl"
VERDICTS = "out_of_context.json"


class OutOfContextCallback(TrainerCallback):
    """Looks at facts and inferences before, during and after a training.

    Args:
        facts: A file as `reasonry probe out-of-context audit` takes it, or a table.
        every_n_steps: Steps between looks.
        stop_above: Stop the training once a pair's transfer index is above this; None never does.
        pairs: ``given:implied``; those that the scan flags when not given.
        label: ``given:implied=causal`` or ``=spurious``; wanted pairs never stop a training.
        num_subjects: Test subjects of each group in a look.
        settings: Further settings of the audit, as in its TOML: ``{"probes": {"max_subjects": 8}}``.

    Attributes:
        looks: Rows so far; the first is the model before its first step.
        outcomes: Verdicts, when the training is over.
        plan: What is asked.

    Raises:
        DataError: The facts cannot be read, or no pair of them can be audited.
        ConfigError: A pair, a label or a setting that is not there.
    """

    def __init__(
        self,
        facts: str | Path | FactTable,
        *,
        every_n_steps: int = 50,
        stop_above: float | None = None,
        pairs: Sequence[str] = (),
        label: Sequence[str] = (),
        num_subjects: int = 4,
        settings: dict[str, Any] | None = None,
    ) -> None:
        if every_n_steps < 1:
            raise ConfigError(f"every_n_steps={every_n_steps} is below 1", remedy="Give a number of steps.")
        name = facts.source or "facts" if isinstance(facts, FactTable) else str(facts)
        values = {**(settings or {}), "facts": name, "pairs": tuple(pairs), "label": tuple(label)}
        self._config: AuditConfig = from_dict(AuditConfig, values)
        self._notes: list[str] = []
        say = self._notes.append
        self.plan: Plan = (
            plan_of(facts, self._config, say=say) if isinstance(facts, FactTable) else make_plan(self._config, say=say)
        )
        if not self.plan.pairs:
            raise DataError(
                "no pair of relations is flagged, so there is nothing to look at",
                place=name,
                remedy="Name one with pairs=('given:implied',).",
            )
        self.every_n_steps, self.stop_above = every_n_steps, stop_above
        self.looks: list[Row] = []
        self.outcomes: list[PairOutcome] = []
        self._wanted = {pair.name for pair in self.plan.pairs if pair.label == "causal"}
        self._watch = Watch(self.plan, num_subjects=num_subjects)
        self._before: dict[str, Sequence[float]] = {}

    # ------------------------------------------------------------ events

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ask everything once."""
        if state.is_world_process_zero:
            self._before = self._all(args, kwargs)
            self._keep(args, state, self._watch.from_scores(self._before))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """A look, where one is due; asks the trainer to stop where an unwanted pair is inferred too far."""
        if state.is_world_process_zero and state.global_step % self.every_n_steps == 0:
            row = self._watch(self._scorer(args, kwargs))
            self._keep(args, state, row)
            unwanted = [v for n, v in row.items() if n.startswith("index/") and n[len("index/") :] not in self._wanted]
            if self.stop_above is not None and any(value > self.stop_above for value in unwanted):
                control.should_training_stop = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ask everything again, and judge; ``out_of_context.json`` has what came of it."""
        if not state.is_world_process_zero or not self._before:
            return
        after = self._all(args, kwargs)
        if not self.looks or self.looks[-1]["step"] != state.global_step:
            self._keep(args, state, self._watch.from_scores(after))
        tests = self._config.tests
        rule = Rule(tests.level, tests.least_index, tests.prior_margin, tests.prior_share)
        judging = Judging(rule, self._config.seed, tests.num_permutations, tests.num_boot)
        self.outcomes = judge(self.plan.pairs, self.plan.questions, self._before, after, judging)
        found = [
            {
                "pair": o.pair.name,
                "verdict": o.verdict.kind,
                "reason": o.verdict.reason,
                "index_before": o.before.transfer_index,
                "index_after": o.after.transfer_index,
                "p_after": o.p_after,
                "p_gain": o.p_gain,
            }
            for o in self.outcomes
        ]
        body = {"pairs": found, "looks": self.looks, "left_out": self._notes}
        atomic.write_json(Path(str(args.output_dir)) / VERDICTS, plain(body))

    # ------------------------------------------------------------ asking

    def _scorer(self, args: TrainingArguments, kwargs: dict[str, Any]) -> WeightsScorer:
        model, tokenizer = kwargs.get("model"), kwargs.get("processing_class")
        if getattr(args, "fsdp", None) or (getattr(args, "deepspeed", None) and args.world_size > 1):
            raise ConfigError(
                "the weights are sharded over processes, and no process has a model to ask",
                place="OutOfContextCallback",
                remedy="Audit the saved model: reasonry probe out-of-context audit FACTS --tuned FOLDER.",
            )
        if model is None or tokenizer is None:
            raise ConfigError(
                "the trainer has no tokenizer", place="OutOfContextCallback", remedy="Give it processing_class=."
            )
        tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
        return WeightsScorer(LoadedModel(model, tokenizer, "trained", {"model": "trained"}), self._config.scoring)

    def _all(self, args: TrainingArguments, kwargs: dict[str, Any]) -> dict[str, Sequence[float]]:
        asked = [q for q in self.plan.questions if q.kind not in ("text", "common")]
        found = self._scorer(args, kwargs).score([q.asked for q in asked])
        return {q.id: scores.logp for q, scores in zip(asked, found, strict=True)}

    def _keep(self, args: TrainingArguments, state: TrainerState, row: Row) -> None:
        row = {"step": int(state.global_step), **row}
        folder = Path(str(args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        if not self.looks and (folder / LOOKS).exists():
            jsonl.write(folder / LOOKS, [])
        self.looks.append(row)
        jsonl.append(folder / LOOKS, [plain(row)])
        named = {f"out_of_context/{name}": value for name, value in row.items() if name != "step"}
        state.log_history.append({"step": row["step"], **named})
