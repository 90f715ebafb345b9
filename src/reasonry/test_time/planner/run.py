"""``reasonry plan``: read a pilot, plan, and write ``results.json`` into a run directory.

Running the same command again plans again, so a pilot that has grown is read anew. Infinite numbers are the text "inf"
in ``results.json``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.run import Run, default_folder
from reasonry.test_time.planner.config import PlanConfig
from reasonry.test_time.planner.intervals import TopTwo
from reasonry.test_time.planner.pilot import Pilot, count_tokens, make_pilot
from reasonry.test_time.planner.plan import plan
from reasonry.test_time.planner.records import Plan, Prediction
from reasonry.test_time.pool_files import Pools, read_pools


@dataclass(frozen=True)
class Planned:
    """What ``plan_file`` found.

    Attributes:
        pools: What was read.
        pilot: The same as arrays.
        plan: The plan.
        folder: The run directory.
    """

    pools: Pools
    pilot: Pilot
    plan: Plan
    folder: Path


def plan_file(config: PlanConfig, *, open_run: Callable[[Run, str], None] = lambda run, determinism: None) -> Planned:
    """Run ``reasonry plan``.

    Args:
        config: The resolved config.
        open_run: Called once with the open run and its determinism level.

    Raises:
        DataError: The pilot cannot be read, with ``file:line``; no run directory is made then.
        ConfigError: A setting is out of range, or the run directory is another run's.
    """
    pools = read_pools(config.pilot, aggregate=config.aggregate)
    pilot = make_pilot(pools.pools)
    found = plan(
        pilot,
        target=config.target,
        tokens=count_tokens(pools.pools),
        price_per_mtok=config.price_per_mtok,
        recall=config.recall,
        false_accept=config.false_accept,
        max_n=config.max_n,
        level=config.level,
        seed=config.seed,
    )
    folder = config.run or default_folder("plan", config, config.pilot.resolve().stem)
    with Run("plan", config, folder=folder, seed=config.seed) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        planned = Planned(pools, pilot, found, run.folder)
        atomic.write_json(run.path("results.json"), results_json(planned))
    return planned


def results_json(planned: Planned) -> dict[str, Any]:
    """The content of ``results.json``."""
    found, pilot = planned.plan, planned.pilot
    return {
        **summary_json(planned),
        "per_prompt": {
            prompt: {
                "status": found.status_P[at],
                "leader": pilot.leaders[at][0],
                "runner_up": pilot.leaders[at][1],
                "num_samples": int(pilot.num_samples_P[at]),
                "num_right": int(pilot.num_right_P[at]) if pilot.is_labelled_P[at] else None,
                **_top_json(found.top, at),
            }
            for at, prompt in enumerate(pilot.ids)
        },
    }


def summary_json(planned: Planned) -> dict[str, Any]:
    """The plan without its prompts."""
    found = planned.plan
    return {
        "pilot": str(planned.pools.path),
        "num_rows_skipped": dict(planned.pools.skipped),
        "num_missing": dict(planned.pools.missing),
        "goal": found.goal,
        "target": found.target,
        "level": found.level,
        "max_n": found.max_n,
        "num_prompts": found.num_prompts,
        "num_planned": found.num_planned,
        "num_samples": list(found.num_samples),
        "basis": found.basis,
        "tokens": found.tokens and found.tokens._asdict(),
        "price_per_mtok": found.price_per_mtok,
        "recall": found.recall,
        "false_accept": found.false_accept,
        "recommended": found.recommended,
        "recommendation": found.recommendation,
        "warnings": list(found.warnings),
        "status": {name: found.status_P.count(name) for name in sorted(set(found.status_P))},
        "strategies": {
            s.name: {
                "needs": s.needs,
                "n_hat": _finite(s.n_hat),
                "n_low": _finite(s.n_low),
                "n_high": _finite(s.n_high),
                "num_samples": s.num_samples,
                "num_tok": s.num_tok,
                "cost": s.cost,
                "ceiling": s.ceiling and s.ceiling._asdict(),
                "predicted": [_point_json(point) for point in s.budgets],
                "verdict": s.verdict,
                "reasons": list(s.reasons),
            }
            for s in found.strategies
        },
    }


def _point_json(point: Prediction) -> dict[str, Any]:
    return point._asdict()


def _top_json(top: TopTwo, at: int) -> dict[str, Any]:
    return {
        name: _finite(float(values[at]))
        for name, values in top._asdict().items()
        if name not in ("level", "relvar", "relvar_low", "relvar_high")
    }


def _finite(value: float | None) -> float | int | str | None:
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "inf"
    return int(value) if float(value).is_integer() else value
