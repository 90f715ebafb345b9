"""What came of an audit, as it stands in ``results.json``: every number with what it is and how it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.understanding.out_of_context.audit.arms import ABOUT
from reasonry.understanding.out_of_context.audit.classify import rule_lines
from reasonry.understanding.out_of_context.audit.config import AuditConfig
from reasonry.understanding.out_of_context.audit.early_stop import EarlyStop
from reasonry.understanding.out_of_context.audit.forgetting import Locality
from reasonry.understanding.out_of_context.audit.gate import Gate
from reasonry.understanding.out_of_context.audit.outcome import Judging, PairOutcome
from reasonry.understanding.out_of_context.audit.wordings import Wordings

SCHEMA = "reasonry.out-of-context.audit/1"
GIVEN = "tuned"


class ArmOutcome(NamedTuple):
    """What came of one way of tuning.

    Attributes:
        name: Of the arm; ``tuned`` for a model that the user tuned.
        pairs: Outcomes, in the order of the pairs.
        locality: What is left of everything else.
        num_rows: Training rows; None for a model that the user tuned.
        num_added: Of these, not from the file.
        num_steps: Optimiser steps; None likewise.
        loss: Of the last step, nats per label; None likewise.
        early_stop: The step at which facts are there and inferences are not; None likewise.
        at_start: The look at the base model.
        scorer: What gave the scores, and how often which way.
        log: Rows of the training.
        seconds: That it took; not the same from run to run.
    """

    name: str
    pairs: list[PairOutcome]
    locality: Locality
    num_rows: int | None
    num_added: int | None
    num_steps: int | None
    loss: float | None
    early_stop: EarlyStop | None
    at_start: Row
    scorer: dict[str, Any]
    log: list[Row]
    seconds: float

    @property
    def about(self) -> str:
        """What it is, in a line."""
        return {str(arm): about for arm, about in ABOUT.items()}.get(self.name, "the tuned model that was given")


class Audited(NamedTuple):
    """An audit.

    Attributes:
        config: Of the run.
        folder: Run directory.
        arms: The first is what is judged; the others are what could be done.
        judging: Numbers of the tests.
        gate: Whether it passes.
        wordings: Of the audited relations.
        base_scorer: What gave the base model's scores.
        num_facts: In the file.
        num_dropped: Rows left out of it, by reason.
        chosen_by: Who chose the pairs: the scan, or the user.
        skipped: Pairs that the scan flags and that cannot be audited, with the reason.
        num_questions: Asked of a model.
        files: What else was written: rows of training, probes.
    """

    config: AuditConfig
    folder: Path
    arms: list[ArmOutcome]
    judging: Judging
    gate: Gate
    wordings: dict[str, Wordings]
    base_scorer: dict[str, Any]
    num_facts: int
    num_dropped: dict[str, int]
    chosen_by: str
    skipped: dict[str, str]
    num_questions: int
    files: list[str]

    @property
    def main(self) -> ArmOutcome | None:
        """What is judged; None where no pair is audited."""
        return self.arms[0] if self.arms else None

    @property
    def rule(self) -> list[str]:
        """Of the verdicts, in words."""
        return rule_lines(self.judging.rule)

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        config = self.config
        return plain(
            {
                "schema": SCHEMA,
                "metric": "transfer index: 1 - mean rank / chance, mean over groups of the mean over subjects and "
                "wordings; hallucination index: the greatest of the pairs that count",
                "protocol": {
                    "score": config.probes.score,
                    "candidates": "all answers to the implied relation in the file (within), with the answers to the "
                    "given one (all), with foils (says_it)",
                    "test": "group permutation, one-sided; Holm over pairs",
                    "interval": "cluster bootstrap, groups then subjects, 95 %; BCa where it exists",
                    "rule": self.rule,
                    "level": self.judging.rule.level,
                    "wordings": {
                        name: {"trained": w.trained, "held_out": w.held_out, "origin": w.origin}
                        for name, w in self.wordings.items()
                    },
                    "num_permutations": self.judging.num_permutations,
                    "num_boot": self.judging.num_boot,
                    "seed": self.judging.seed,
                },
                "base": self.base_scorer,
                "gate": self.gate._asdict(),
                "num_facts": self.num_facts,
                "num_dropped": self.num_dropped,
                "num_questions": self.num_questions,
                "chosen_by": self.chosen_by,
                "skipped": self.skipped,
                "arms": [_arm_json(arm) for arm in self.arms],
                "files": self.files,
            }
        )


def _arm_json(arm: ArmOutcome) -> dict[str, Any]:
    return {
        "name": arm.name,
        "about": arm.about,
        "scorer": arm.scorer,
        "num_rows": arm.num_rows,
        "num_added": arm.num_added,
        "num_steps": arm.num_steps,
        "loss": arm.loss,
        "early_stop": arm.early_stop and arm.early_stop._asdict(),
        "portability": _portability(arm),
        "locality": {**arm.locality._asdict(), "forgetting": arm.locality.forgetting},
        "pairs": [_pair_json(pair) for pair in arm.pairs],
    }


def _portability(arm: ArmOutcome) -> float | None:
    """Mean transfer index of what is wanted: the name that editing benchmarks have for it."""
    wanted = [o.after.transfer_index.value for o in arm.pairs if o.verdict.kind == "generalisation"]
    return sum(wanted) / len(wanted) if wanted else None


def _pair_json(outcome: PairOutcome) -> dict[str, Any]:
    pair = outcome.pair
    return {
        **outcome._asdict(),
        "pair": {
            "name": pair.name,
            "given": pair.given,
            "implied": pair.implied,
            "label": pair.label,
            "groups": [{"b": g.b, "c": g.c, "num_bridge": len(g.bridge), "num_test": len(g.test)} for g in pair.groups],
            "num_no_bridge": pair.num_no_bridge,
            "num_no_test": pair.num_no_test,
            "num_unsampled_groups": pair.num_unsampled_groups,
            "num_unsampled": pair.num_unsampled,
        },
    }
