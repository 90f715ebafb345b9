"""Small runs of training continuous thoughts on graphs, some seconds each."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from reasonry.core.config import from_dict
from reasonry.training.continuous_cot.config import GraphTrainConfig

TINY: dict[str, Any] = {
    "methods": ("continuous", "pause"),
    "hops": 2,
    "num_nodes": 9,
    "num_graphs": 40,
    "curriculum": {"first": 4, "middle": 3, "last": 4, "replay": 0.3},
    "optimizer": {"batch_size": 8, "length_window": 2},
    "evaluation": {"every": 3, "num_validation": 8, "num_test": 12, "batch_size": 5},
    "shape": {"width": 16, "num_heads": 2, "deep_layers": 3},
    "save_every": 3,
    "seed": 3,
}


def tiny(**changes: Any) -> GraphTrainConfig:
    """Eleven steps of a model of width 16."""
    return from_dict(GraphTrainConfig, merged(TINY, changes))


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them, or some of a table's, replaced."""
    out = dict(base)
    for key, value in changes.items():
        out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else value
    return out


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything in a run that must hang on its config and seed alone."""
    kept = ("*.safetensors", "metrics.jsonl", "answers.jsonl", "results.json", "state.json", "trained_for.json")
    files = sorted(p for pattern in kept for p in folder.rglob(pattern))
    return {
        **{str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }
