"""Decodings that are kept step by step: to look at, and to replay.

``shown.jsonl`` has a row for each policy and prompt, with the text of every token, the step that revealed it and, for
planners, the probability of every eligible position at every step. ``trajectories/POLICY.jsonl`` holds the same
decodings as `trajectory_file` writes them. They are the first repetition of the first prompts, token for token those
of the comparison.

Shapes: B rows, L answer, S steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from reasonry.core.rows import Row, Store
from reasonry.training.dultra import trajectory_file
from reasonry.training.dultra.decoding import Seen, until_end
from reasonry.training.dultra.frontier.measure import Bench, decode_prompts, seeds_of
from reasonry.training.dultra.frontier.results import Frontier
from reasonry.training.dultra.trajectory import NEVER

FOLDER = "trajectories"
KEY = ("policy", "number")
MOST_POLICIES = 8
"""As many as this are all shown."""
MOST_SHOWN = 6
"""Of more than that, so many."""
_DIGITS = 4


class ShownRow(NamedTuple):
    """A decoding to look at.

    Attributes:
        policy: Label.
        number: Which prompt, from 0.
        prompt: Its text.
        text: The answer, without what follows its end token.
        tokens: Text of each token.
        revealed_at: Step from 0 that revealed each; -1 where none did.
        forced: Whether the policy chose nothing itself, for each step.
        right: Whether the answer is right.
        share: Share of its parts that are right.
        q: Probability of revealing, for each step and position; None where not eligible; empty for rules.
    """

    policy: str
    number: int
    prompt: str
    text: str
    tokens: list[str]
    revealed_at: list[int]
    forced: list[bool]
    right: bool
    share: float
    q: list[list[float | None]]

    @property
    def nfe(self) -> int:
        """Forward passes."""
        return len(self.forced)


def chosen(result: Frontier) -> list[str]:
    """Labels of the policies whose decodings are shown.

    All of few, in their order; else those of each kind that a user would pick, planners before rules, from few passes
    to many: a kind's fastest setting at the target accuracy, or, where it has none, its most accurate one if it is a
    planner's or no kind has any.
    """
    if len(result.policies) <= MOST_POLICIES:
        return [policy.label for policy in result.policies]
    picks = [
        result.of(family.fastest or family.most_accurate)
        for family in result.families
        if family.fastest is not None or family.name.startswith("planner") or result.fastest is None
    ]
    ranked = sorted(
        picks,
        key=lambda p: (p.accuracy.value < result.target, not p.family.startswith("planner"), p.nfe.value),
    )
    return [p.label for p in sorted(ranked[:MOST_SHOWN], key=lambda p: p.nfe.value)]


def missing(store: Store, labels: Sequence[str], num: int) -> list[str]:
    """Labels of which some of the first ``num`` decodings are not kept yet."""
    return [label for label in labels if any((label, index) not in store.rows for index in range(num))]


def keep(store: Store, folder: Path, label: str, *, bench: Bench, num: int) -> None:
    """Decode the first ``num`` prompts once more and keep what happened.

    Args:
        store: Where rows go.
        folder: The run directory.
        label: The policy's.
        bench: What decodes.
        num: How many are kept.
    """
    denoiser, prompts = bench.denoiser, bench.prompts
    q_BS: list[list[list[float | None]]] = [[] for _ in range(num)]

    def note(seen: Seen) -> None:
        if seen.decision.logit_BL is None:
            return
        q_AL = torch.sigmoid(seen.decision.logit_BL.double())
        eligible_AL = seen.context.eligible_BL
        for row, q_L, eligible_L in zip(seen.rows_A.tolist(), q_AL.tolist(), eligible_AL.tolist(), strict=True):
            q_BS[row].append([round(q, _DIGITS) if is_in else None for q, is_in in zip(q_L, eligible_L, strict=True)])

    t = decode_prompts(bench, 0, num, repetition=0, record=note).trajectory
    seeds_B = seeds_of(bench.seed, start=0, num=num, repetition=0)
    origin = trajectory_file.origin_of(denoiser, bench.policy, bench.config)
    trajectory_file.write(folder / FOLDER / f"{slug(label)}.jsonl", t, seeds_B=seeds_B, origin=origin)
    answer_BL = until_end(t.tokens_BL, denoiser.end_id).numpy(force=True)
    judged = prompts.judge(0, answer_BL)
    for row in range(num):
        nfe = int(t.nfe_B[row])
        shown = ShownRow(
            policy=label,
            number=row,
            prompt=prompts.spell_prompt(row),
            text=prompts.text(answer_BL[row].tolist()),
            tokens=prompts.spell(t.tokens_BL[row].tolist()),
            revealed_at=[int(step) for step in t.revealed_at_BL[row].tolist()],
            forced=t.is_forced_BS[row, :nfe].tolist(),
            right=judged.right[row],
            share=judged.share[row],
            q=q_BS[row],
        )
        store.put(shown._asdict())


def read(store: Store, labels: Sequence[str], num: int) -> list[ShownRow]:
    """The kept decodings of these policies, prompt by prompt."""
    return [ShownRow(**store.rows[label, index]) for index in range(num) for label in labels]


def is_row(row: Row) -> bool:
    """Whether a row of a file is one that `keep` writes."""
    if set(row) != set(ShownRow._fields):
        return False
    lists: list[Any] = [row[name] for name in ("tokens", "revealed_at", "forced", "q")]
    if not all(isinstance(value, list) for value in lists) or len(row["tokens"]) != len(row["revealed_at"]):
        return False
    steps = [step for step in row["revealed_at"] if step != NEVER]
    is_within = all(isinstance(step, int) and 0 <= step < len(row["forced"]) for step in steps)
    return is_within and isinstance(row["policy"], str) and isinstance(row["number"], int)


def slug(label: str) -> str:
    """A file's name for a policy."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")
