"""Learning codes, and encoding with them, to be killed in tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from tests import latent_codes
from transformers.utils import logging

from reasonry.training.latent_tokens.codes.encoding import encode
from reasonry.training.latent_tokens.codes.fit import fit_codes


def run(folder: Path) -> None:
    """Both to the end, from wherever a killed run of the same folder left off."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.disable_progress_bar()
    folder.mkdir(exist_ok=True)
    os.chdir(folder)  # names that are written down say the same wherever the folder is
    data = Path("texts.jsonl")
    if not data.exists():
        latent_codes.write_data(Path("new.jsonl"), num=200).rename(data)
    settings: dict[str, Any] = {"num_train": 150, "num_validation": 20}
    fit_codes(latent_codes.fit_config(data, Path("codes"), save_every=4, **settings))
    encode(latent_codes.encode_config(Path("codes"), data, Path("encoded"), batch_texts=3, **settings))


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    return latent_codes.fingerprint(folder)
