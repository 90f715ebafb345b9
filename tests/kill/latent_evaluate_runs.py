"""An evaluation of two models with codes, to be killed in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tests.latent_evaluate_runs import settings
from transformers.utils import logging

from reasonry.training.latent_tokens.evaluate.run import evaluate

NUM, SAMPLES = 10, 6


def run(folder: Path, *, models: Path) -> None:
    """Answer to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    evaluate(settings(models, folder, num=NUM, samples=SAMPLES, top_k=20, temperature=3.0, latent_prefix="force"))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed: all but seconds."""
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text("utf-8").splitlines()]
    found = {f"{row['method']}/{row['id']}/{row['index']}": {**row, "seconds": 0} for row in rows}
    results = json.loads((folder / "results.json").read_text("utf-8"))
    for method in results["methods"]:
        method.pop("seconds")
    assert len(found) == len(rows) == 2 * NUM * SAMPLES
    return {**found, "results": results, "temporary files": [str(p.name) for p in folder.rglob(".tmp-*")]}
