"""Trainings of the lab, to be killed in tests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from reasonry.core.config import from_dict
from reasonry.understanding.out_of_context.theory.config import PRESETS
from reasonry.understanding.out_of_context.theory.run import lab

SMALL: dict[str, dict[str, Any]] = {
    "fixed-attention": {"steps": 800, "num_looks": 12, "save_every": 90, "arms": ("factorised", "combined", "rank-3")},
    "one-layer": {"num_groups": 4, "steps": 120, "num_looks": 8, "save_every": 25, "batch_size": 24},
    "transformer": {
        "num_groups": 3,
        "others": (2,),
        "bridge": (2,),
        "steps": 20,
        "num_looks": 6,
        "save_every": 5,
        "width": 8,
        "num_layers": 1,
    },
}


def config_of(preset: str, **changes: Any) -> Any:
    """A small run of a preset."""
    return from_dict(PRESETS[preset], {**SMALL[preset], **changes})


def run_linear(folder: Path) -> None:
    """Train with fixed attention and with one layer, from wherever killed runs left off."""
    for preset in ("fixed-attention", "one-layer"):
        lab(config_of(preset, run=folder / preset))


def run_transformer(folder: Path) -> None:
    """Train a transformer, likewise."""
    lab(config_of("transformer", run=folder))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    kept = ("*.safetensors", "looks.jsonl", "results.json", "state.json")
    files = sorted(p for pattern in kept for p in folder.rglob(pattern))
    return {
        **{str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }
