"""How often each strategy succeeds with n samples, for every prompt of a pilot.

Two readings of a pool of m samples, c of them right:

    finite pool   n <= m: the exact average over all subsets of n samples, which is unbiased (`reasonry.core.groups`)
    plug-in       n samples drawn with replacement from the pool, as if its shares were the probabilities

A verifier that accepts X samples of the pool, A of them right, and a choice among the accepted (among all if none is):

    none_n  = C(m - X, n) / C(m, n)   or   (1 - X/m)^n
    P_n     = (1 - none_n) A / X + none_n (c - A) / (m - X)

with A = X = c for a perfect verifier, the recorded verdicts for one that was run, and the average over
A ~ Bin(c, recall), X - A ~ Bin(m - c, false accept) for one of given rates. Trying one sample after the other until the
verifier accepts, n times at most, succeeds as often (an accepted sample is as good as any other) and draws
sum_{j<n} none_j samples on average.

Every function takes n_G in ascending order; with ``in_pool`` none of them may exceed the smallest pool.

Symbols: P prompts, M largest pool, K answers, G grid of sample numbers, R rows of a simulation.
"""

# pyright: strict
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import groups
from reasonry.core.seeds import stream
from reasonry.test_time.planner.pilot import Pilot
from reasonry.test_time.theory.plurality import plurality
from reasonry.test_time.theory.selection_ceiling import binary_verifier

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROWS = 16384
"""Simulated votes: a mean over prompts is off by at most 0.004 (one standard error) where nothing exact is at hand."""
_EXACT_PROMPTS = 4  # an exact plug-in vote takes some 10 ms for each prompt and n
_TIE = 1e-12


class Curves(NamedTuple):
    """Result of one strategy; ``draws_PG`` is the expected number of samples drawn."""

    success_PG: FloatArray
    draws_PG: FloatArray


# ---------------------------------------------------------------- verifiers


def accept_right(pilot: Pilot, n_G: IntArray, *, in_pool: bool) -> Curves:
    """A perfect verifier: pass@n."""
    right = pilot.num_right_P
    return _accept(pilot, n_G, right, right, in_pool=in_pool)


def accept_flagged(pilot: Pilot, n_G: IntArray, *, in_pool: bool) -> Curves:
    """The verifier whose verdicts the pilot holds."""
    flagged = pilot.accepted_PM == 1
    return _accept(pilot, n_G, flagged.sum(axis=1), (flagged & pilot.correct_PM).sum(axis=1), in_pool=in_pool)


def accept_at_rates(pilot: Pilot, n_G: IntArray, *, recall: float, false_accept: float, in_pool: bool) -> Curves:
    """A verifier of given rates; each sample is judged once, independently."""
    success_PG, draws_PG = np.empty((2, pilot.num_prompts, n_G.size))
    for m, c, rows in _alike(pilot.num_samples_P, pilot.num_right_P):
        if not in_pool:
            p = c / m
            success_PG[rows] = binary_verifier(p, n_G, recall=recall, false_accept=false_accept)
            draws_PG[rows] = _draws(p * recall + (1 - p) * false_accept, n_G)
            continue
        # The joint law of X and A, as P(X) and E[A; X].
        right, wrong = _binomial(c, recall), _binomial(m - c, false_accept)
        prob_X = np.convolve(right, wrong)
        accepted_right_X = np.convolve(np.arange(c + 1) * right, wrong)
        none_XJ = _none_accepted(m)
        none_XG = none_XJ[:, n_G]
        x = np.arange(m + 1)
        picked_X = accepted_right_X / np.maximum(x, 1)
        spared_X = (c * prob_X - accepted_right_X) / np.maximum(m - x, 1)
        success_PG[rows] = picked_X @ (1 - none_XG) + spared_X @ none_XG
        draws_PG[rows] = np.cumsum(prob_X @ none_XJ)[n_G - 1]
    return Curves(success_PG, draws_PG)


def _accept(pilot: Pilot, n_G: IntArray, accepted_P: IntArray, right_P: IntArray, *, in_pool: bool) -> Curves:
    """X accepted of which A are right, both known."""
    m, c, x, a = (v.astype(np.float64)[:, None] for v in (pilot.num_samples_P, pilot.num_right_P, accepted_P, right_P))
    none_PG: FloatArray = (1 - x / m) ** n_G
    draws_PG = _draws(x / m, n_G)
    if in_pool:
        for size, num, rows in _alike(pilot.num_samples_P, accepted_P):
            none_J = _none_accepted(size)[num]
            none_PG[rows] = none_J[n_G]
            draws_PG[rows] = np.cumsum(none_J)[n_G - 1]
    picked = np.where(x > 0, a / np.maximum(x, 1), 0.0)
    spared = np.where(x < m, (c - a) / np.maximum(m - x, 1), 0.0)
    return Curves((1 - none_PG) * picked + none_PG * spared, draws_PG)


@lru_cache(maxsize=8)
def _none_accepted(m: int) -> FloatArray:
    """none_XJ: probability that j of m samples, drawn without replacement, avoid all X accepted; shape (m+1, m+1)."""
    x, j = np.arange(m + 1)[:, None], np.arange(m)[None, :]
    step: FloatArray = np.maximum(m - x - j, 0) / (m - j)
    return np.concatenate([np.ones((m + 1, 1)), np.cumprod(step, axis=1, dtype=np.float64)], axis=1)


def _draws(accept: FloatArray | float, n_G: IntArray) -> FloatArray:
    """Expected samples until the first accepted one, at most n."""
    a = np.asarray(accept, dtype=np.float64)
    some = np.where((a > 0) & (a < 1), a, 0.5)
    several = -np.expm1(n_G * np.log1p(-some)) / some  # (1 - (1-a)^n) / a, accurate for tiny a too
    return np.where(a >= 1, 1.0, np.where(a > 0, several, n_G.astype(np.float64)))


def _binomial(num: int, p: float) -> FloatArray:
    """P(Bin(num, p) = 0..num), by ratios outward from the mode: no term overflows and small ones stay accurate."""
    if p in (0.0, 1.0):
        return np.eye(num + 1)[num if p else 0]
    mode, k, odds = min(num, int((num + 1) * p)), np.arange(num + 1), p / (1 - p)
    up = np.cumprod((num - k[mode:-1]) / (k[mode:-1] + 1) * odds)
    down = np.cumprod((k[1 : mode + 1] / (num - k[1 : mode + 1] + 1) / odds)[::-1])[::-1]
    pmf = np.concatenate([down, [1.0], up])
    return pmf / pmf.sum()


def _alike(*keys: IntArray) -> list[tuple[int, int, IntArray]]:
    """Prompts that share a pair of numbers, so that each pair is worked out once."""
    pairs, back = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    order = np.argsort(back.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(back.ravel()))[:-1]
    return [(int(a), int(b), rows) for (a, b), rows in zip(pairs.tolist(), np.split(order, ends), strict=True)]


# ---------------------------------------------------------------- scores


def best_scored(pilot: Pilot, n_G: IntArray, *, in_pool: bool) -> Curves:
    """The highest-scored sample; one without an answer loses to all others, one without a score to all scored ones."""
    rank_PM = _preference(pilot)
    success_PG = np.empty((pilot.num_prompts, n_G.size))
    for m in np.unique(pilot.num_samples_P).tolist():
        rows = np.flatnonzero(pilot.num_samples_P == m)
        rank, right = rank_PM[rows, :m], pilot.correct_PM[rows, :m].astype(np.float64)
        if in_pool:
            success_PG[rows] = groups.best_of_k(rank, right).curve[:, n_G - 1]
        else:
            # With replacement the best is among the lowest i with probability (i / m)^n; ties share their success.
            share = np.linspace(0.0, 1.0, m + 1, dtype=np.float64)[:, None]
            upto: FloatArray = np.power(share, n_G.astype(np.float64))
            success_PG[rows] = _tied_means(rank, right) @ np.diff(upto, axis=0)
    return Curves(success_PG, _all_drawn(pilot, n_G))


def _preference(pilot: Pilot) -> FloatArray:
    """Dense ranks in the order in which best-of-n prefers samples, equal where it does not care."""
    silent = (pilot.code_PM < 0) & pilot.has_answers
    unscored = np.isnan(pilot.score_PM)
    score = np.where(unscored | silent, 0.0, pilot.score_PM)
    kind = np.where(silent, 0, np.where(unscored, 1, 2))
    order = np.lexsort((score, kind), axis=-1)
    sorted_score, sorted_kind = (np.take_along_axis(v, order, axis=-1) for v in (score, kind))
    rises = np.zeros(order.shape)
    rises[:, 1:] = (np.diff(sorted_kind, axis=1) > 0) | (sorted_score[:, 1:] > sorted_score[:, :-1])
    rank = np.empty(order.shape)
    np.put_along_axis(rank, order, np.cumsum(rises, axis=1), axis=-1)
    return rank


def _tied_means(rank: FloatArray, right: FloatArray) -> FloatArray:
    """``right`` in ascending rank, averaged within equal ranks."""
    order = np.argsort(rank, axis=1, kind="stable")
    ranked, value = np.take_along_axis(rank, order, axis=1), np.take_along_axis(right, order, axis=1)
    starts = np.ones(ranked.shape, dtype=bool)
    starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(starts.ravel()) - 1
    mean = np.bincount(group, weights=value.ravel()) / np.bincount(group)
    return mean[group].reshape(rank.shape)


# ---------------------------------------------------------------- votes


def vote(pilot: Pilot, n_G: IntArray, *, seed: int, in_pool: bool) -> Curves:
    """Plurality vote: exact in the pool, and as plug-in for a few prompts; simulated plug-in for many."""
    if in_pool:
        success_PG = _pool_votes(pilot, n_G)
    elif pilot.num_prompts <= _EXACT_PROMPTS:
        success_PG = np.stack([_plug_in_vote(pilot, row, n_G) for row in range(pilot.num_prompts)])
    else:
        success_PG = _simulate(pilot, np.ones(pilot.code_PM.shape), n_G, seed=seed, replace=True)
    return Curves(success_PG, _all_drawn(pilot, n_G))


def _pool_votes(pilot: Pilot, n_G: IntArray) -> FloatArray:
    """maj@n; of pools beyond what can be counted exactly the first samples, which are as good as any."""
    success_PG = np.zeros((pilot.num_prompts, n_G.size))
    width = pilot.votes_PK.shape[1]
    cache: dict[tuple[bytes, int, int], FloatArray] = {}
    for row, size in enumerate(pilot.num_samples_P.tolist()):
        votes, num_silent = pilot.votes_PK[row], int(size - pilot.votes_PK[row].sum())
        if size > groups.MAX_VOTES:
            code = pilot.code_PM[row, : groups.MAX_VOTES]
            votes, num_silent = np.bincount(code[code >= 0], minlength=width), int((code < 0).sum())
        given = np.flatnonzero(votes)
        for at in np.flatnonzero(pilot.right_PK[row, given]).tolist():
            # Answers with equally many votes have the same curve.
            key = (votes[given].tobytes(), int(votes[given[at]]), num_silent)
            if key not in cache:
                cache[key] = groups.maj_at_k(votes[given], at, num_abstain=num_silent)
            success_PG[row] += cache[key][n_G - 1]
    return success_PG


def _plug_in_vote(pilot: Pilot, row: int, n_G: IntArray) -> FloatArray:
    share = pilot.votes_PK[row] / pilot.num_samples_P[row]
    silent = 1 - float(share.sum())
    targets = np.flatnonzero(pilot.right_PK[row] & (share > 0)).tolist()
    won = [[plurality(share, n, target=target, silent=max(silent, 0.0)) for n in n_G.tolist()] for target in targets]
    return np.array(won).sum(axis=0) if targets else np.zeros(n_G.size)


def weighted_vote(pilot: Pilot, n_G: IntArray, *, seed: int, in_pool: bool) -> Curves:
    """Vote with weights exp(score); where no answer in a subset has a weight, a plain vote. Simulated."""
    top = np.where(np.isnan(pilot.score_PM), -np.inf, pilot.score_PM).max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    weight_PM = np.where(np.isnan(pilot.score_PM), 0.0, np.exp(pilot.score_PM - top))
    return Curves(_simulate(pilot, weight_PM, n_G, seed=seed, replace=not in_pool), _all_drawn(pilot, n_G))


def _simulate(pilot: Pilot, weight_PM: FloatArray, n_G: IntArray, *, seed: int, replace: bool) -> FloatArray:
    """Mean success of votes over random orders of each pool, or over samples drawn with replacement; shape (P, G)."""
    num, width = pilot.num_prompts, pilot.votes_PK.shape[1] + 1  # the last column takes silent samples
    base = np.tile(np.arange(num), max(1, _ROWS // num))
    weighted = bool((weight_PM != 1).any())
    right_RK = pilot.right_PK[base]
    start_R = np.arange(base.size)[:, None] * width
    votes_RK = np.zeros((base.size, width))
    sum_RK = np.zeros_like(votes_RK) if weighted else votes_RK
    rng = stream(seed, "plan", "replace" if replace else "order")
    order = None if replace else _shuffled(pilot, base, rng)
    success_G: list[FloatArray] = []
    drawn = 0
    for n in n_G.tolist():  # ascending: each vote adds to the one before
        if order is None:
            sample = (rng.random((base.size, n - drawn)) * pilot.num_samples_P[base, None]).astype(np.int64)
        else:
            sample = order[:, drawn:n]
        drawn = n
        code = pilot.code_PM[base[:, None], sample]
        cell = (start_R + np.where(code < 0, width - 1, code)).ravel()
        votes_RK += np.bincount(cell, minlength=votes_RK.size).reshape(votes_RK.shape)
        if weighted:
            weight = weight_PM[base[:, None], sample].ravel()
            sum_RK += np.bincount(cell, weights=weight, minlength=votes_RK.size).reshape(votes_RK.shape)
        won_R = _won(sum_RK[:, :-1], votes_RK[:, :-1], right_RK)
        success_G.append(won_R.reshape(-1, num).mean(axis=0))
    return np.stack(success_G, axis=1)


def _shuffled(pilot: Pilot, base: IntArray, rng: np.random.Generator) -> IntArray:
    key = rng.random((base.size, pilot.code_PM.shape[1]))
    key[~pilot.valid_PM[base]] = 2.0
    return np.argsort(key, axis=1)


def _won(sum_RK: FloatArray, votes_RK: FloatArray, right_RK: NDArray[np.bool_]) -> FloatArray:
    """Chance that a right answer is on top, ties shared; 0 where nobody voted."""
    total = np.where(sum_RK.max(axis=1, keepdims=True) > 0, sum_RK, votes_RK)
    best = total.max(axis=1, keepdims=True)
    leads = (total >= best * (1 - _TIE)) & (best > 0)
    return (leads & right_RK).sum(axis=1) / np.maximum(leads.sum(axis=1), 1)


def _all_drawn(pilot: Pilot, n_G: IntArray) -> FloatArray:
    return np.broadcast_to(n_G.astype(np.float64), (pilot.num_prompts, n_G.size))
