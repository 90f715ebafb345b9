"""Fine-tuning by three methods, and all stages after each other, to be killed in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.latent_finetune_runs import fingerprint as results
from tests.latent_finetune_runs import tiny, whole
from transformers.utils import logging

from reasonry.training.latent_tokens.finetune.run import finetune
from reasonry.training.latent_tokens.whole import train_whole


def run(folder: Path, *, encoded: Path) -> None:
    """Train to the end, from wherever a killed run of the same folder left off."""
    _single()
    mix = {"removed_per_epoch_tok": 4.0, "reset_every_tok": 4}
    finetune(tiny(encoded, run=folder, methods=("latent", "icot", "sol-only"), shape={"dropout": 0.1}, mix=mix))


def run_whole(folder: Path) -> None:
    """All stages to the end."""
    _single()
    train_whole(whole(folder))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    return results(folder)


def _single() -> None:
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
