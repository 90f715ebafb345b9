"""Measurements behind the claims about finite pools: the estimators are exact, and without bias."""

from __future__ import annotations

import itertools
import math

import numpy as np

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.core.sampling import Request, ScriptedConfig
from reasonry.core.sampling.scripted import SimulatedSolver
from reasonry.core.task import Problem
from reasonry.test_time.theory.plurality import plurality
from reasonry.test_time.votes import Graded, curves


def estimator_error(*, num_pools: int, pool_size: int, seed: int) -> Measurement:
    """Largest difference between the exact pool estimators and enumerating every subset of every size."""
    worst = 0.0
    for i in range(num_pools):
        rng = seeds.stream(seed, "pool", i)
        answers = [None if a == 0 else str(a) for a in rng.integers(0, 5, pool_size)]
        scores = np.where(rng.random(pool_size) < 0.15, math.nan, rng.integers(0, 4, pool_size) / 3)
        pool = [Graded(a, "right" if a == "1" else "wrong", s) for a, s in zip(answers, scores, strict=True)]
        found = curves(pool)
        for k in range(1, pool_size + 1):
            subsets = list(itertools.combinations(pool, k))
            for curve, rule in (
                (found.maj_at_k, _vote_wins),
                (found.pass_at_k, _any_right),
                (found.best_of_k, _best_right),
            ):
                if curve is not None:
                    brute = math.fsum(rule(s) for s in subsets) / len(subsets)
                    worst = max(worst, abs(brute - float(curve[k - 1])))
    return Measurement(worst, worst, worst, num_pools, seed, "maximum over pools, rules and k")


def _vote_wins(subset: tuple[Graded, ...]) -> float:
    votes: dict[str, int] = {}
    for s in subset:
        if s.answer is not None:
            votes[s.answer] = votes.get(s.answer, 0) + 1
    most = max(votes.values(), default=0)
    leaders = [a for a, c in votes.items() if c == most]
    return 1 / len(leaders) if "1" in leaders else 0.0


def _any_right(subset: tuple[Graded, ...]) -> float:
    return float(any(s.grade == "right" for s in subset))


def _best_right(subset: tuple[Graded, ...]) -> float:
    able = [s for s in subset if s.answer is not None] or list(subset)
    scored = [s for s in able if not math.isnan(s.score)] or able
    top = max((s.score for s in scored if not math.isnan(s.score)), default=math.nan)
    best = scored if math.isnan(top) else [s for s in scored if s.score == top]
    return sum(s.grade == "right" for s in best) / len(best)


def curve_bias(*, num_problems: int, n: int, k: int, seed: int) -> Measurement:
    """Mean maj@k of pools of n simulated samples minus the exact probability under the simulated law."""
    problems = [Problem(f"p{i}", "", "40") for i in range(num_problems)]
    solver = SimulatedSolver(problems, ScriptedConfig(accuracy=0.4, num_wrong=3, silent=0.1), seed=seed)
    law = solver.law("40")
    silent = law.pop("")
    exact = plurality(list(law.values()), k, silent=silent)
    values: list[float] = []
    for problem in problems:
        texts = [c.text for c in solver.sample([Request(problem.id, (), range(n))])]
        answers = [t.rsplit(" ", 1)[1] if "####" in t else None for t in texts]
        pool = [Graded(a, "right" if a == "40" else "wrong", math.nan) for a in answers]
        values.append(float(curves(pool).maj_at_k[k - 1]))
    mean, half = float(np.mean(values)), 2.576 * float(np.std(values, ddof=1)) / math.sqrt(num_problems)
    bias = mean - exact
    return Measurement(bias, bias - half, bias + half, num_problems, seed, f"99 % normal interval; exact {exact:.6f}")
