"""A small comparison of policies that is killed in tests: a tiny model with a planner, two seeds, two prompts shown."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tests.dultra_frontier import config, write_tiny
from transformers.utils import logging

from reasonry.core import jsonl
from reasonry.training.dultra import caches, planner, tiny_denoiser  # noqa: F401  (imported once, in the parent)
from reasonry.training.dultra.frontier.run import compare

_SECONDS = ("seconds", "head_seconds")


def prepare(folder: Path) -> Path:
    """Denoiser and planner for all runs."""
    return write_tiny(folder)


def run(given: Path, folder: Path) -> None:
    """Compare to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    cfg = config(
        denoiser=str(given / "tiny"),
        task="ledger:2:5",
        planners=(given / "planner",),
        policies=("planner:sample", "rand:2", "threshold:0.5", "entropy_bound:0.3"),
        num_prompts=12,
        batch_size=4,
        show=2,
        run=folder,
    )
    compare(cfg)


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed: all but what time took."""
    text = partial(json.dumps, sort_keys=True)
    results = json.loads((folder / "results.json").read_text())
    rows = [*jsonl.read(folder / "decoded.jsonl"), *results["policies"]]
    for row in rows:
        for name in _SECONDS:
            del row[name]
    decoded = sorted(map(text, rows[: -len(results["policies"])]))
    return {
        "decoded": decoded,
        "shown": sorted(map(text, jsonl.read(folder / "shown.jsonl"))),
        "results": text(results),
        "made with": (folder / "made_with.json").read_text(),
        **{str(p.name): p.read_bytes() for p in sorted((folder / "trajectories").glob("*.jsonl"))},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }
