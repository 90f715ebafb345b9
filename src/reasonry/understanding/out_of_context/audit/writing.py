"""Rows that an audit leaves for other tools: training and probes in TRL's prompt-completion columns.

train.jsonl            the rows that were learnt, or would be: prompt, completion, and where they are from
train-ARM.jsonl        the same of each arm
added-decorrelate.jsonl, added-not-known.jsonl    the added rows alone, to be put into a file of one's own
probes.jsonl           what was asked; ``completion`` is the inferred answer and nothing to train on
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reasonry.core import jsonl
from reasonry.understanding.out_of_context.audit.arms import AS_IS, Arm, TrainRow
from reasonry.understanding.out_of_context.audit.questions import Question

PROBES = "probes.jsonl"


def write_rows(folder: Path, arms: Mapping[Arm, list[TrainRow]], questions: Sequence[Question]) -> list[str]:
    """Write all files; their names.

    Args:
        folder: Run directory.
        arms: Rows of each arm.
        questions: Of the audit; plain sentences are no probes and stay out.
    """
    written: list[str] = []

    def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        jsonl.write(folder / name, rows)
        written.append(name)

    for arm, rows in arms.items():
        write("train.jsonl" if arm == AS_IS else f"train-{arm}.jsonl", [train_row(row) for row in rows])
        if added := [row for row in rows if row.source != "file"]:
            write(f"added-{arm}.jsonl", [train_row(row) for row in added])
    write(PROBES, [probe_row(question) for question in questions if question.kind != "text"])
    return written


def train_row(row: TrainRow) -> dict[str, Any]:
    """A row to train on, as TRL's `SFTTrainer` takes it; further columns say where it is from."""
    return {
        "prompt": row.prompt,
        "completion": row.completion,
        "subject": row.subject,
        "relation": row.relation,
        "source": row.source,
    }


def probe_row(question: Question) -> dict[str, Any]:
    """A probe in the same columns."""
    prompt, candidates = question.asked
    return {
        "prompt": prompt,
        "completion": candidates[question.right],
        "candidates": list(candidates),
        "right": question.right,
        "num_within": question.num_within,
        "kind": question.kind,
        "pair": question.pair,
        "group": question.group,
        "subject": question.subject,
        "wording": question.wording,
        "is_held_out": question.is_held_out,
        "id": question.id,
    }
