"""What a tuning leaves of everything else: first answers to questions about the world, and plain sentences.

same         share of questions whose first answer is the same before and after
forgetting   mean -log p per token of the sentences of `locality`, after less before, nats
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reasonry.understanding.out_of_context.audit.compare import Scores
from reasonry.understanding.out_of_context.audit.locality import TEXTS
from reasonry.understanding.out_of_context.audit.questions import Question


class Locality(NamedTuple):
    """What is left of everything else.

    Attributes:
        num_common: Questions about the world.
        right_before: Share of right first answers.
        right_after: The same after tuning.
        same: Share of questions with the same first answer.
        nats_before: Mean -log p per token of plain sentences; NaN where the scorer knows no tokens.
        nats_after: After tuning.
    """

    num_common: int
    right_before: float
    right_after: float
    same: float
    nats_before: float
    nats_after: float

    @property
    def forgetting(self) -> float:
        """Nats per token that plain sentences got harder."""
        return self.nats_after - self.nats_before


def locality_of(questions: Sequence[Question], before: Scores, after: Scores, num_tok: Mapping[str, int]) -> Locality:
    """What is left of everything else.

    Args:
        questions: Of the audit.
        before: Scores of the base model.
        after: Of the tuned one.
        num_tok: Tokens of each plain sentence, by the id of its question; empty where they are not known.
    """
    common = [q for q in questions if q.kind == "common" and q.id in before and q.id in after]
    first = [(_first(before[q.id]), _first(after[q.id])) for q in common]
    texts = [q for q in questions if q.kind == "text" and num_tok.get(q.id)]
    total = sum(num_tok[q.id] for q in texts)
    assert len(texts) in (0, len(TEXTS))

    def nats(scores: Scores) -> float:
        return -sum(scores[q.id][0] for q in texts) / total if total else math.nan

    def share(flags: Sequence[bool]) -> float:
        return sum(flags) / len(flags) if flags else math.nan

    return Locality(
        num_common=len(common),
        right_before=share([old == q.right for (old, _), q in zip(first, common, strict=True)]),
        right_after=share([new == q.right for (_, new), q in zip(first, common, strict=True)]),
        same=share([old == new for old, new in first]),
        nats_before=nats(before),
        nats_after=nats(after),
    )


def _first(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
