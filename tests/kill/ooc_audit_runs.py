"""An audit that trains two small models, to be killed in tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from tests.ooc_audit_fakes import World, config
from transformers.utils import logging

from reasonry.understanding.out_of_context.audit.run import audit


def world() -> World:
    """Few facts."""
    return World(per_group=4, bridge_share=0.5)


def run(folder: Path, *, facts: Path, model: Path) -> None:
    """Audit to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    settings: dict[str, Any] = {
        "train": {"adapter": {"rank": 4}, "epochs": 4, "batch_size": 8, "save_every": 3, "look_every": 4},
        "model_options": {"device": "cpu"},
        "what_if": ("not-known",),
        "probes": {"num_in_context": 1},
    }
    audit(config(facts, model=str(model), run=folder, **settings))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    kept = ("*.safetensors", "metrics.jsonl", "scores*.jsonl", "made_with.json", "train*.jsonl", "probes.jsonl")
    files = sorted(path for pattern in kept for path in folder.rglob(pattern))
    return {
        **{str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "results": json.loads((folder / "results.json").read_text()),
        "temporary files": [str(path.relative_to(folder)) for path in folder.rglob(".tmp-*")],
    }
