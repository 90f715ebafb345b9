"""Curves of one problem's pool, for the sample sizes asked for.

    maj       P(a right answer wins the vote among k)                     `groups.maj_at_k`, summed over right answers
    bon       P(the highest-scored of k that holds an answer is right)    `groups.best_of_k` of `selection_scores`
    weighted  P(a right answer wins the weighted vote among k)            `weighted_curve`
    pass      P(at least one of k is right)                               `groups.pass_at_k`

All are averages over every subset of size k, so that a pool larger than the largest k lends all its samples to every
point. A sample without a label counts as not right. In a pool whose file holds no answers at all, bon goes by scores
alone.
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core import groups
from reasonry.test_time.pool_files import Pool
from reasonry.test_time.selection import Transform, score_weights, selection_scores
from reasonry.test_time.weighted_curve import weighted_curve

FloatArray = NDArray[np.float64]
Metric = Literal["maj", "bon", "weighted", "pass"]
METRICS: tuple[Metric, ...] = get_args(Metric)


class PoolCurve(NamedTuple):
    """One metric of one pool: its values at each k, and their Monte Carlo standard errors (0: exact)."""

    value_K: FloatArray
    standard_error_K: FloatArray


def right_answers(pool: Pool) -> set[str]:
    """Answers that some sample is labelled right for."""
    return {a for a, c in zip(pool.answers, pool.correct, strict=True) if c and a is not None}


def votes_of(pool: Pool) -> dict[str, int]:
    """Votes of each answer, most first."""
    return dict(Counter(a for a in pool.answers if a is not None).most_common())


def maj(pool: Pool, k: Sequence[int]) -> PoolCurve:
    """maj@k; several right answers compete with each other, and exactly one wins."""
    votes = votes_of(pool)
    names = list(votes)
    curve = np.zeros(pool.num_samples)
    silent = pool.num_samples - sum(votes.values())
    for answer in sorted(right_answers(pool)):
        curve += groups.maj_at_k(list(votes.values()), names.index(answer), num_abstain=silent)
    return _exact(np.minimum(curve, 1.0), k)


def bon(pool: Pool, k: Sequence[int], *, has_answers: bool) -> PoolCurve:
    """bon@k."""
    right = np.array([c is True for c in pool.correct], dtype=np.float64)
    key = selection_scores(pool.answers, pool.scores) if has_answers else pool.scores
    return _exact(groups.best_of_k(key, right).curve, k)


def weighted(
    pool: Pool,
    k: Sequence[int],
    *,
    transform: Transform,
    beta: float,
    num_orders: int,
    rng: np.random.Generator,
) -> PoolCurve:
    """weighted@k."""
    voting = np.where([a is None for a in pool.answers], np.nan, pool.scores)
    weights = score_weights(voting, transform=transform, beta=beta).weight_N
    found = weighted_curve(pool.answers, weights, right=right_answers(pool), rng=rng, k=k, num_orders=num_orders)
    return PoolCurve(found.curve_K, found.standard_error_K)


def pass_(pool: Pool, k: Sequence[int]) -> PoolCurve:
    """pass@k."""
    num_right = sum(c is True for c in pool.correct)
    return PoolCurve(groups.pass_at_k(num_right, pool.num_samples, np.asarray(k)), np.zeros(len(k)))


def _exact(curve_N: FloatArray, k: Sequence[int]) -> PoolCurve:
    return PoolCurve(curve_N[np.asarray(k) - 1], np.zeros(len(k)))
