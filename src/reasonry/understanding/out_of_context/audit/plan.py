"""From a file of facts to what will be asked: pairs, wordings, questions, rows of every arm. No model is needed."""

# pyright: strict
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.tasks.facts.fact import FactTable
from reasonry.tasks.facts.read import read_facts
from reasonry.tasks.facts.templates import read_templates
from reasonry.understanding.out_of_context.audit.arms import AS_IS, Arm, TrainRow, find_arms, rows_of
from reasonry.understanding.out_of_context.audit.config import AuditConfig
from reasonry.understanding.out_of_context.audit.pairs import AuditPair, audit_pair, read_labels, read_pair
from reasonry.understanding.out_of_context.audit.questions import Question, general_questions, pair_questions
from reasonry.understanding.out_of_context.audit.wordings import Wordings, read_wordings, wordings_of
from reasonry.understanding.out_of_context.scan.risk import scan

_WHOLE = 1 << 60


class Plan(NamedTuple):
    """What an audit does.

    Attributes:
        table: The facts.
        pairs: That are audited.
        wordings: Of their relations.
        questions: About all pairs, and of locality and forgetting; none without pairs.
        arms: Rows of each training, in order; none where a tuned model is given.
        chosen_by: ``scan`` or ``user``.
        skipped: Flagged pairs that cannot be audited, with the reason.
    """

    table: FactTable
    pairs: list[AuditPair]
    wordings: dict[str, Wordings]
    questions: list[Question]
    arms: dict[Arm, list[TrainRow]]
    chosen_by: str
    skipped: dict[str, str]

    @property
    def identity(self) -> dict[str, str]:
        """Hashes of what decides the results besides settings and models."""
        asked = [[q.id, q.right, q.asked.prompt, *q.asked.candidates] for q in self.questions]
        rows = {arm: [[row.prompt, row.completion] for row in rows] for arm, rows in self.arms.items()}
        return {"questions": _digest(asked), **{f"{arm} training rows": _digest(each) for arm, each in rows.items()}}


def make_plan(config: AuditConfig, *, say: Say) -> Plan:
    """Read, scan, choose, ask.

    Args:
        config: Of the audit.
        say: Told what was left out.

    Raises:
        DataError: The facts cannot be read, or a pair that the user named cannot be audited.
        ConfigError: A pair, a label or a template that the facts do not have.
    """
    templates = read_templates(config.templates) if config.templates else None
    table = read_facts(Path(config.facts).expanduser(), templates=templates)
    return plan_of(table, config, say=say)


def plan_of(table: FactTable, config: AuditConfig, *, say: Say) -> Plan:
    """`make_plan` of facts that are read already."""
    for reason, num in table.num_dropped.items():
        first = next(one for one in table.dropped if one.reason == reason)
        say(f"left out {num} rows, {reason}; the first: {first.place}: {first.detail}")
    labels = read_labels(config.label, table.relations)
    if config.pairs:
        chosen = [read_pair(text, table.relations, place="pairs") for text in config.pairs]
    else:
        flagged = scan(table, seed=config.seed).flagged
        chosen = [(pair.given, pair.implied) for pair in flagged[: config.max_pairs]]
        if len(flagged) > len(chosen):
            rest = ", ".join(f"{pair.given}:{pair.implied}" for pair in flagged[len(chosen) :][:5])
            say(f"{len(flagged) - len(chosen)} more pairs are flagged and not audited (--max-pairs): {rest} ...")
    probes, skipped = config.probes, dict[str, str]()
    pairs: list[AuditPair] = []
    whole: list[AuditPair] = []
    for given, implied in dict.fromkeys([*chosen, *(pair for pair in labels if not config.pairs)]):
        label = labels.get((given, implied), "")
        try:
            every = audit_pair(
                table, given, implied, label=label, max_groups=_WHOLE, max_subjects=_WHOLE, seed=config.seed
            )
        except DataError as e:
            if config.pairs or label:
                raise
            skipped[f"{given}:{implied}"] = e.problem
            say(f"skipped {given}:{implied}: {e.problem}")
            continue
        whole.append(every)
        pairs.append(
            audit_pair(
                table,
                given,
                implied,
                label=label,
                max_groups=probes.max_groups,
                max_subjects=probes.max_subjects,
                seed=config.seed,
            )
        )
        _tell(pairs[-1], say)
    for given, implied in labels.keys() - {(pair.given, pair.implied) for pair in pairs}:
        say(f"{given}:{implied} has a label and is not audited")
    audited = {relation for pair in pairs for relation in (pair.given, pair.implied)}
    wordings = _wordings(config, table, audited) if pairs else {}
    questions = [
        question
        for pair in pairs
        for question in pair_questions(
            table,
            pair,
            wordings,
            foils=probes.foils,
            max_candidates=probes.max_candidates,
            num_in_context=probes.num_in_context,
            seed=config.seed,
        )
    ]
    if pairs:
        questions += general_questions([answer for name in table.relations for answer in table.objects(name)])
    names: Sequence[Arm] = () if config.tuned or not pairs else (AS_IS, *find_arms(config.what_if))
    arms: dict[Arm, list[TrainRow]] = {
        arm: rows_of(
            arm,
            table,
            whole,
            tau=config.decorrelate_below,
            not_known=next(iter(probes.foils), ""),
            seed=config.seed,
        )
        for arm in dict.fromkeys(names)
    }
    return Plan(table, pairs, wordings, questions, arms, "user" if config.pairs else "scan", skipped)


def _wordings(config: AuditConfig, table: FactTable, audited: set[str]) -> dict[str, Wordings]:
    given = read_wordings(config.wordings)
    found = wordings_of(table, given=given, num_held_out=config.probes.num_wordings, place=config.wordings)
    return {relation: one for relation, one in found.items() if relation in audited}


def _tell(pair: AuditPair, say: Say) -> None:
    """What of a pair is not asked."""
    parts = [
        (pair.num_no_bridge, "groups without bridge subjects are not asked: nothing to infer from"),
        (pair.num_no_test, "groups without test subjects are not asked"),
        (pair.num_unsampled_groups, "groups are left out by the sample (--probes.max-groups)"),
        (pair.num_unsampled, "test subjects are left out by the sample (--probes.max-subjects)"),
    ]
    for num, what in parts:
        if num:
            say(f"{pair.name}: {num} {what}")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()[:32]
