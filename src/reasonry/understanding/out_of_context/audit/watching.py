"""Looks at a model on the way: how well the facts are known and what is inferred, on a few subjects."""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence

from reasonry.core.candidates.base import CandidateScorer
from reasonry.core.rows import Row
from reasonry.understanding.out_of_context.audit.compare import Scores, ranks_of
from reasonry.understanding.out_of_context.audit.plan import Plan
from reasonry.understanding.out_of_context.audit.questions import Question


class Watch:
    """Asks the same few questions again and again: facts and inferences, in the wording of training.

    Args:
        plan: Of an audit.
        num_subjects: Test subjects of each group.
    """

    def __init__(self, plan: Plan, *, num_subjects: int) -> None:
        self._pairs = plan.pairs
        kept = {(p.name, s) for p in plan.pairs for group in p.groups for s in group.test[:num_subjects]}
        self._asked = [
            q._replace(asked=q.asked._replace(candidates=q.asked.candidates[: q.num_within]))
            for q in plan.questions
            if q.kind in ("transfer", "fact") and not q.is_held_out and (q.pair, q.subject) in kept
        ]

    def __call__(self, scorer: CandidateScorer) -> Row:
        """``fact_rank``, the mean rank of facts over pairs, and ``index/PAIR``, the transfer index of each."""
        found = scorer.score([question.asked for question in self._asked])
        return self.row({q.id: each.logp for q, each in zip(self._asked, found, strict=True)})

    def from_scores(self, scores: Scores) -> Row:
        """The same from scores that are there already, such as those of the base model."""
        return self.row({q.id: scores[q.id][: q.num_within] for q in self._asked})

    def row(self, scores: Mapping[str, Sequence[float]]) -> Row:
        """The row of some scores."""
        asked: list[Question] = self._asked
        facts = [ranks_of(asked, scores, kind="fact", pair=pair.name) for pair in self._pairs]
        inferred = {pair.name: ranks_of(asked, scores, kind="transfer", pair=pair.name) for pair in self._pairs}
        ranks = [found.mean_rank for found in facts if found]
        return {
            "fact_rank": sum(ranks) / len(ranks),
            **{f"index/{name}": found.transfer_index for name, found in inferred.items() if found},
        }
