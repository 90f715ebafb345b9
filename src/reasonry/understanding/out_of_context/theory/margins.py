"""What weights say to questions: logits, margins, cross entropy, ranks.

    logits(s, r)      = W (e_s + e_r)
    h_{(s,r),a'}(W)   = (e_{a*} - e_{a'})^T W (e_s + e_r)      the margin over a wrong answer a'
    loss              = mean over questions of log(1 + sum_{a' != a*} exp(-h_a'))

With that form losses far below the precision of 1 stay exact. A rank is 0-based and a mid-rank: answers with the same
logit share the mean of their places, so that a model that says nothing has the mean rank (C - 1) / 2 of C candidates
and not an accident of their order. For the same reason an answer counts as right only when it is likelier than every
other. Logits closer than 1e-9 of the largest are the same: of a combined W the ties are exact but for rounding.

W (A, C): answers by columns; C = |S| + 2. Shapes as in `table`; K candidates.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.understanding.out_of_context.theory.table import (
    Floats,
    Ints,
    Questions,
    Table,
    relation_of_answers,
)

_TIE = 1e-9


class Scores(NamedTuple):
    """How well questions are answered.

    Attributes:
        loss: Mean cross entropy, nats.
        accuracy: Share whose right answer is likelier than every other.
        rank_all: Mean rank among all answers, 0 best.
        rank_within: Mean rank among answers of the same relation.
        chance_within: (n - 1) / 2.
    """

    loss: float
    accuracy: float
    rank_all: float
    rank_within: float
    chance_within: float


def logits_of(weights_AC: Floats, questions: Questions, num_subjects: int) -> Floats:
    """W (e_s + e_r), (Q, A)."""
    columns = weights_AC[:, questions.subject_Q] + weights_AC[:, num_subjects + questions.relation_Q]
    return np.ascontiguousarray(columns.T)


def margins_of(logits_QA: Floats, answer_Q: Ints) -> Floats:
    """H of each question and wrong answer, (Q, A); infinite at the right one."""
    own_Q1 = np.take_along_axis(logits_QA, answer_Q[:, None], 1)
    margins_QA = own_Q1 - logits_QA
    np.put_along_axis(margins_QA, answer_Q[:, None], np.inf, 1)
    return margins_QA


def cross_entropy(logits_QA: Floats, answer_Q: Ints) -> Floats:
    """log(1 + sum over wrong answers of exp(-h)), (Q,), nats."""
    behind_QA = -margins_of(logits_QA, answer_Q)
    most_Q1 = np.maximum(behind_QA.max(1, keepdims=True), 0.0)
    others_Q = np.exp(behind_QA - most_Q1).sum(1)
    return most_Q1[:, 0] + np.log1p(others_Q + np.expm1(-most_Q1[:, 0]))


def mid_ranks(logits_QK: Floats, place_Q: Ints, *, tie: float = 0.0) -> Floats:
    """0-based rank of the candidate at ``place_Q``; those within ``tie`` share the mean of their places. (Q,)."""
    own_Q1 = np.take_along_axis(logits_QK, place_Q[:, None], 1)
    above_Q = (logits_QK > own_Q1 + tie).sum(1)
    below_Q = (logits_QK < own_Q1 - tie).sum(1)
    return (above_Q + logits_QK.shape[1] - 1 - below_Q) / 2


def score(logits_QV: Floats, questions: Questions, table: Table) -> Scores:
    """How well questions are answered; of no questions, NaN.

    Args:
        logits_QV: Answers are the first 2n; what follows (other tokens) counts for loss and accuracy.
        questions: Which.
        table: Of these.
    """
    n = table.num_groups
    if not len(questions):
        return Scores(np.nan, np.nan, np.nan, np.nan, (n - 1) / 2)
    tie = _TIE * float(np.abs(logits_QV).max())
    is_right_Q = margins_of(logits_QV, questions.answer_Q).min(1) > tie
    logits_QA = logits_QV[:, : 2 * n]
    within_Q = np.empty(len(questions))
    relation_A = relation_of_answers(table)
    for relation in (0, 1):
        mine = questions.relation_Q == relation
        own = np.flatnonzero(relation_A == relation)
        place = questions.answer_Q[mine] - own[0]
        within_Q[mine] = mid_ranks(logits_QA[mine][:, own], place, tie=tie)
    return Scores(
        loss=float(cross_entropy(logits_QV, questions.answer_Q).mean()),
        accuracy=float(is_right_Q.mean()),
        rank_all=float(mid_ranks(logits_QA, questions.answer_Q, tie=tie).mean()),
        rank_within=float(within_Q.mean()),
        chance_within=(n - 1) / 2,
    )


class HeldOutMargins(NamedTuple):
    """Smallest and largest margins of the test questions over three kinds of wrong answers.

    Attributes:
        within: Over implications of other groups, (smallest, largest).
        own_fact: Over the fact of the own group.
        other_facts: Over facts of other groups.
    """

    within: tuple[float, float]
    own_fact: tuple[float, float]
    other_facts: tuple[float, float]


def held_out_margins(weights_AC: Floats, table: Table) -> HeldOutMargins:
    """Margins of all test questions, by kind of the wrong answer."""
    n, questions = table.num_groups, table.test
    margins_QA = margins_of(logits_of(weights_AC, questions, table.num_subjects), questions.answer_Q)
    group_Q = questions.answer_Q - n
    facts_QG, own_Q1 = margins_QA[:, :n], group_Q[:, None]
    others_QG = np.arange(n)[None] != own_Q1
    within = margins_QA[:, n:][others_QG]
    own, other = np.take_along_axis(facts_QG, own_Q1, 1), facts_QG[others_QG]
    return HeldOutMargins(_ends(within), _ends(own), _ends(other))


def least_margin(weights_AC: Floats, questions: Questions, num_subjects: int) -> float:
    """The smallest margin over all questions and wrong answers."""
    return float(margins_of(logits_of(weights_AC, questions, num_subjects), questions.answer_Q).min())


def cosine(first_AC: Floats, second_AC: Floats) -> float:
    """Cosine of two matrices as vectors; NaN where one is 0."""
    length = float(np.linalg.norm(first_AC) * np.linalg.norm(second_AC))
    return float((first_AC * second_AC).sum()) / length if length else float("nan")


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())
