"""Votes over finished samples, and the exact value of every smaller sample size.

For a problem with pool of N samples, of which answer o was given c_o times and a_N hold no answer:

    vote      = the o with the largest c_o, ties broken uniformly by the problem's own random stream
    maj@k     = P(a right answer wins the vote among k samples drawn without replacement)
    bon@k     = P(the highest-scored of k that holds an answer is right)
    pass@k    = P(at least one of k is right) = 1 - C(N - c, k) / C(N, k)

(Huang et al. 2025, section 3, for the rules; the finite-pool averages are ``reasonry.core.groups``.) A sample without
an answer never wins a vote and never counts as right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from reasonry.core import groups, seeds
from reasonry.core.outcome import Grade
from reasonry.test_time.selection import majority, selection_scores


class Graded(NamedTuple):
    """One graded sample: canonical answer (None when there is none), grade, score (NaN when unknown)."""

    answer: str | None
    grade: Grade
    score: float


class Vote(NamedTuple):
    """Result of a vote.

    Attributes:
        answer: The winner, None when no sample holds an answer.
        grade: The winner's grade; ungradable when there is no winner.
        counts: Votes of each answer, most first, ties in order of first appearance.
        num_abstain: Samples without an answer.
        was_tied: Several answers shared the most votes.
    """

    answer: str | None
    grade: Grade
    counts: dict[str, int]
    num_abstain: int
    was_tied: bool


class Curves(NamedTuple):
    """Curves for k = 1..N, each of shape (N,); ``best_of_k`` is None when scores are missing."""

    maj_at_k: np.ndarray
    pass_at_k: np.ndarray
    best_of_k: np.ndarray | None


def vote(samples: Sequence[Graded], *, seed: int, problem_id: str) -> Vote:
    """Plurality vote with a seeded uniform tie-break, so that the order of samples gives nobody an advantage."""
    choice = majority([s.answer for s in samples], rng=seeds.stream(seed, "tie", problem_id))
    if choice.answer is None:
        return Vote(None, "ungradable", {}, choice.num_abstain, False)
    grades = {s.grade for s in samples if s.answer == choice.answer}  # one, unless a verifier changes its mind
    grade: Grade = next(g for g in get_args(Grade) if g in grades)
    counts = {answer: int(votes) for answer, votes in choice.weights.items()}
    return Vote(choice.answer, grade, counts, choice.num_abstain, choice.was_tied)


def curves(samples: Sequence[Graded]) -> Curves:
    """Exact maj@k, pass@k and bon@k of one problem's pool."""
    total = len(samples)
    k = np.arange(1, total + 1)
    right = np.array([s.grade == "right" for s in samples])
    # The forms are those that vote: a verifier with finer equality than its own canonical form (math) may call several
    # of them right, and they then compete with each other as in `vote`. Exactly one wins, so their chances add up.
    counts = Counter(s.answer for s in samples if s.answer is not None)
    right_answers = {s.answer for s in samples if s.grade == "right" and s.answer is not None}
    names = sorted(counts)
    votes = [counts[name] for name in names] or [0]
    abstain = total - sum(counts.values())
    maj = np.zeros(total)
    for answer in sorted(right_answers):
        maj += groups.maj_at_k(votes, names.index(answer), num_abstain=abstain)
    scores = np.array([s.score for s in samples], dtype=float)
    best: np.ndarray | None = None
    if np.isfinite(scores).any():
        key = selection_scores([s.answer for s in samples], scores)
        best = groups.best_of_k(key, right.astype(float)).curve
    return Curves(maj, groups.pass_at_k(int(right.sum()), total, k), best)
