"""Measurement behind the claim that a pilot predicts what more samples of the same problems give."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np

from reasonry.core import jsonl
from reasonry.core.claims import Measurement
from reasonry.core.rows import Row
from reasonry.test_time.claims.runs import demo_config, run_folder
from reasonry.test_time.planner.pilot import make_pilot
from reasonry.test_time.planner.plan import plan
from reasonry.test_time.planner.records import Prediction
from reasonry.test_time.pool_files import read_pools
from reasonry.test_time.run import solve
from reasonry.test_time.votes import Graded, curves

STRATEGIES = {"vote": "maj_at_k", "best-of-n (scores)": "best_of_k"}


def pilot_misses(
    *, num_problems: int, num_pilot: int, n: int, ks: list[int], seed: int, level: float = 0.9, folder: str = ""
) -> Measurement:
    """Predictions from a pilot whose interval misses what other samples of the same problems give.

    Of n samples of each problem the first ``num_pilot`` are the pilot; the others are the truth, as exact maj@k and
    bon@k for each k of ``ks``, some beyond the pilot's size.
    """
    config = demo_config(seed=seed, num_problems=num_problems, n=n)
    solved = solve(config.with_(run=run_folder("plan-agreement", config, folder)))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "pilot.jsonl"
        jsonl.write(path, [row for row in solved.rows if row["index"] < num_pilot])
        found = plan(make_pilot(read_pools(path).pools), target=0.9, level=level, max_n=max(ks), seed=seed)
    truth = _measured([row for row in solved.rows if row["index"] >= num_pilot])
    misses = 0
    shown: list[str] = []
    for strategy, curve in STRATEGIES.items():
        predicted = {p.n: p for p in next(s for s in found.strategies if s.name == strategy).curve}
        for k in ks:
            value = truth[curve][k - 1]
            misses += not _holds(predicted[k], value)
            shown.append(f"{strategy} {k}: {predicted[k].success:.3f} for {value:.3f}")
    return Measurement(misses, misses, misses, len(ks) * len(STRATEGIES), seed, "; ".join(shown))


def _measured(rows: list[Row]) -> dict[str, np.ndarray]:
    pools: dict[str, list[Graded]] = {}
    for row in rows:
        score = math.nan if row["mean_logp"] is None else row["mean_logp"]
        pools.setdefault(row["id"], []).append(Graded(row["answer"], row["grade"], score))
    each = [curves(pool) for pool in pools.values()]
    best = [c.best_of_k if c.best_of_k is not None else c.pass_at_k * 0 for c in each]
    return {"maj_at_k": np.mean([c.maj_at_k for c in each], axis=0), "best_of_k": np.mean(best, axis=0)}


def _holds(predicted: Prediction, value: float) -> bool:
    assert predicted.low is not None and predicted.high is not None
    return predicted.low <= value <= predicted.high
