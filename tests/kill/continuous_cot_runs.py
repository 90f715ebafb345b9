"""Two methods of training on graphs, to be killed in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.ccot_train_runs import fingerprint as results
from tests.ccot_train_runs import tiny
from transformers.utils import logging

from reasonry.training.continuous_cot.train.run import train


def run(folder: Path) -> None:
    """Train to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    shape = {"dropout": 0.1}
    train(tiny(run=folder, methods=("continuous", "cot"), shape=shape, curriculum={"reset_optimizer": True}))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    return results(folder)
