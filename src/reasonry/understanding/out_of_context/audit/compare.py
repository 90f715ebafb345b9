"""From scores to what is said of a pair: ranks by subject, tests by group, before against after.

    rank_SC       mid-rank of every candidate c among the c's, mean over wordings
    T             mean over groups of the mean rank of the group's label       (permutation.py)
    gain          the same test on rank after - rank before
    sign flip     per group, mean rank of the label after - before, exchanged with fair signs
    says_it       share of questions whose first answer is the label, foils among the candidates
    says_foil     share of questions whose first answer is a foil
    p_right       exp(logp of the label) / sum over the c's of exp(logp), mean over questions

Subjects count by their mean over wordings, groups by their mean over subjects; both are the units that repeat. The
sign-flip test is two-sided and coarse: with five groups its least p-value is 1/16.

Legend: S subjects, C candidates, G groups, Q questions.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.candidates.ranks import mid_ranks, place
from reasonry.core.stats import paired_permutation
from reasonry.understanding.out_of_context.audit.measures import group_means, of_label, transfer_index
from reasonry.understanding.out_of_context.audit.permutation import GroupTest, group_permutation_test
from reasonry.understanding.out_of_context.audit.questions import Kind, Question

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scores = Mapping[str, Sequence[float]]
"""Scores of a question's candidates, by its id."""


class Ranks(NamedTuple):
    """Where the labels stand, by subject.

    Attributes:
        subjects: S of them.
        group_S: Their groups, 0 to G - 1.
        label_G: Each group's candidate; -1 where subjects of one group have different ones.
        rank_SC: Mean over wordings.
        own_S: Rank of each subject's own candidate.
        own_all_S: Its rank among all answers of the file, c's and b's.
        num_candidates: C.
        num_all: Answers of the file that are candidates.
        hits_at_1: Share of questions.
        mrr: Mean reciprocal rank.
        margin: Own less best other, mean over questions, nats.
        p_right: Mean.
        says_it: Share of questions, foils among the candidates.
        says_foil: Share of questions.
        num_questions: How many.
    """

    subjects: tuple[str, ...]
    group_S: Ints
    label_G: Ints
    rank_SC: Floats
    own_S: Floats
    own_all_S: Floats
    num_candidates: int
    num_all: int
    hits_at_1: float
    mrr: float
    margin: float
    p_right: float
    says_it: float
    says_foil: float
    num_questions: int

    @property
    def mean_GC(self) -> Floats:
        """Mean rank of each candidate in each group."""
        return group_means(self.rank_SC, self.group_S, num_groups=len(self.label_G))

    @property
    def mean_rank(self) -> float:
        """Mean over groups of their subjects' mean."""
        return float(group_means(self.own_S, self.group_S, num_groups=len(self.label_G)).mean())

    @property
    def mean_rank_all(self) -> float:
        """The same among c's and b's."""
        return float(group_means(self.own_all_S, self.group_S, num_groups=len(self.label_G)).mean())

    @property
    def transfer_index(self) -> float:
        """Transfer index of the mean rank."""
        return transfer_index(self.mean_rank, self.num_candidates)


def ranks_of(
    questions: Sequence[Question],
    scores: Scores,
    *,
    kind: Kind,
    pair: str,
    only: Callable[[Question], bool] = lambda question: True,
) -> Ranks | None:
    """Ranks of one kind of questions about a pair; None where there are none of the kind.

    Args:
        questions: Of the audit.
        scores: Of the model.
        kind: Of the questions.
        pair: Name.
        only: Which of them.
    """
    asked = [q for q in questions if q.kind == kind and q.pair == pair and only(q) and q.id in scores]
    if not asked:
        return None
    # Groups that lost all their questions to a filter would have no mean.
    groups = {group: number for number, group in enumerate(sorted({q.group for q in asked}))}
    by_subject: dict[tuple[int, str], list[int]] = {}
    for number, question in enumerate(asked):
        by_subject.setdefault((groups[question.group], question.subject), []).append(number)
    num_within = asked[0].num_within
    rank_QC = mid_ranks(np.array([scores[q.id][:num_within] for q in asked], dtype=np.float64))
    label_G = np.full(len(groups), -2)
    rank_SC: list[Floats] = []
    own_S: list[float] = []
    all_S: list[float] = []
    for (group, _), theirs in by_subject.items():
        right = asked[theirs[0]].right
        label_G[group] = right if label_G[group] in (-2, right) else -1
        rank_SC.append(rank_QC[theirs].mean(0))
        own_S.append(float(rank_SC[-1][right]))
        all_S.append(_mean([place(scores[q.id][: q.num_answers], q.right).rank for q in (asked[n] for n in theirs)]))
    placings = [place(scores[q.id][:num_within], q.right) for q in asked]
    margins = [p.margin for p in placings if math.isfinite(p.margin)]
    first = [max(range(len(scores[q.id])), key=scores[q.id].__getitem__) for q in asked]
    return Ranks(
        subjects=tuple(subject for _, subject in by_subject),
        group_S=np.array([group for group, _ in by_subject]),
        label_G=label_G,
        rank_SC=np.array(rank_SC),
        own_S=np.array(own_S),
        own_all_S=np.array(all_S),
        num_candidates=num_within,
        num_all=asked[0].num_answers,
        hits_at_1=_mean([p.hit for p in placings]),
        mrr=_mean([p.reciprocal for p in placings]),
        margin=_mean(margins),
        p_right=_mean([_share(scores[q.id][:num_within], q.right) for q in asked]),
        says_it=_mean([at == q.right for at, q in zip(first, asked, strict=True)]),
        says_foil=_mean([at >= q.num_answers for at, q in zip(first, asked, strict=True)]),
        num_questions=len(asked),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _share(logp: Sequence[float], right: int) -> float:
    values = np.asarray(logp, dtype=np.float64)
    top = values.max()
    if not math.isfinite(top):
        return 1 / len(values)
    shares = np.exp(values - top)
    return float(shares[right] / shares.sum())


# ---------------------------------------------------------------- tests


class Compared(NamedTuple):
    """Before against after, on the same questions.

    Attributes:
        before: Group-permutation test of the base model.
        after: Of the tuned one.
        gain: Of the change.
        sign_flip_p: Sign flips of the groups' changes, two-sided.
        change: Mean rank after less before.
    """

    before: GroupTest
    after: GroupTest
    gain: GroupTest
    sign_flip_p: float
    change: float


def transfer_test(ranks: Ranks, *, seed: int, num_samples: int) -> GroupTest:
    """The group-permutation test of one model."""
    return group_permutation_test(ranks.mean_GC, ranks.label_G, seed=seed, num_samples=num_samples)


def compare(before: Ranks, after: Ranks, *, seed: int, num_samples: int) -> Compared:
    """Tests of a pair.

    Args:
        before: Of the base model.
        after: Of the tuned one, same subjects and candidates.
        seed: Of sampled permutations.
        num_samples: How many.
    """
    assert before.subjects == after.subjects and (before.label_G == after.label_G).all()
    change_GC = after.mean_GC - before.mean_GC
    change_G = of_label(change_GC, after.label_G)
    flips = paired_permutation(change_G, seed=seed, num_resamples=num_samples)
    return Compared(
        before=transfer_test(before, seed=seed, num_samples=num_samples),
        after=transfer_test(after, seed=seed, num_samples=num_samples),
        gain=group_permutation_test(change_GC, after.label_G, seed=seed, num_samples=num_samples),
        sign_flip_p=flips.p_value,
        change=float(change_G.mean()),
    )
