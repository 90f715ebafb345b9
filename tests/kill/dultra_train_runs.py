"""All stages of dUltra on a task of one entry, to be killed in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.dultra_runs import results, whole
from transformers.utils import logging

from reasonry.training.dultra.stages.whole import train_whole


def run(folder: Path) -> None:
    """Train to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    train_whole(whole(folder))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    return results(folder)
