"""Solve runs with strategies that keep files of their own, as module-level functions that a forked child can find."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

TMP = ".tmp-"
# costs.jsonl and env.json hold clock times, config.toml the folder; all else must be equal to the byte.
DIFFERENT = ("costs.jsonl", "env.json", "config.toml", ".lock")

KINDS: dict[str, dict[str, Any]] = {
    "certified vote": {"stop": "certify:0.3", "n": 24, "min_round": 4},
    "curtailed vote": {"stop": "curtail", "n": 12, "min_round": 1},
    "best of n by a judge": {"strategy": "best-of-n", "score": "judge", "n": 6},
    "knockout": {"strategy": "knockout", "n": 6},
    "self-correction": {"strategy": "self-correct", "n": 6},
    "self-correction by a judge": {"strategy": "self-correct", "score": "judge", "n": 4},
}
# Pause before every sample and every verdict, so that each kind takes some tenths of a second.
DELAY_S = {"certified vote": 0.001, "self-correction": 0.004}


def run(folder: Path, *, kind: str) -> None:
    """24 problems, solved by a simulated model that is its own judge."""
    from tests.judging_solver import JudgingSolver

    from reasonry.core.sampling import ScriptedConfig
    from reasonry.tasks import load_task
    from reasonry.test_time.config import SolveConfig
    from reasonry.test_time.run import solve

    task = "word-problems:1-2"
    law = ScriptedConfig(accuracy=0.3, delay_s=DELAY_S.get(kind, 0.0015))
    sampler = JudgingSolver(load_task(task, num=24, seed=0).problems, law)
    config = SolveConfig(task=task, model="scripted", limit=24, run=folder / "run", **KINDS[kind])
    solve(config, sampler=sampler, say=print)


def fingerprint(folder: Path) -> dict[str, object]:
    """Hashes of the files of the run, the number of their rows, and what a kill might have left."""
    from reasonry.core import jsonl

    kept = folder / "run"
    found: dict[str, object] = {"files": sorted(p.name for p in kept.iterdir())}
    for path in kept.iterdir():
        if path.name not in DIFFERENT:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            if path.suffix == ".jsonl":
                found[f"rows of {path.name}"] = sum(1 for _ in jsonl.read(path))
    found["temporary files"] = sorted(p.name for p in kept.rglob(f"{TMP}*"))
    return found
