"""The embedded default of latent tokens: codes for the reasoning of small mazes, and what they would save.

A codec is learnt, within seconds, and nothing is fine-tuned: that takes minutes. How much of a trace comes back from a
code for each chunk, and how many tokens the published law would save, is known before that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reasonry.core.config import from_dict
from reasonry.core.demo import Part
from reasonry.training.latent_tokens.codes.config import EncodeConfig, FitConfig
from reasonry.training.latent_tokens.codes.encoding import encode
from reasonry.training.latent_tokens.codes.fit import fit_codes
from reasonry.training.latent_tokens.codes.report import encode_report, fit_report

_DATA = "maze:tiny"
_SECTIONS = ("What comes back", "What codes stand for")


def shorten(folder: Path, *, seed: int, say: Callable[[str], None], num_train: int = 150, steps: int = 100) -> Part:
    """Learn codes for traces of searches, and write other traces in them.

    Args:
        folder: Of both runs; that of an earlier demo is replaced.
        seed: Of mazes and weights.
        say: Told what takes time.
        num_train: Mazes.
        steps: Optimiser steps.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shared = {"data": _DATA, "num_train": num_train, "num_validation": 40, "seed": seed}
    sizes = {"codec": {"num_codes": 64, "width": 32}, "steps": steps, "batch_size": 128, "look_every": steps // 3}
    say(f"codes for chunks of 16 tokens are learnt from searches through {num_train} mazes")
    fitted = fit_codes(from_dict(FitConfig, {**shared, **sizes, "run": folder / "codes"}))
    encoded = encode(from_dict(EncodeConfig, {**shared, "codes": str(fitted.codes), "run": folder / "encoded"}))
    back, other = fitted.held_out.own.accuracy, fitted.held_out.other_codes.accuracy
    lines = [
        f"codes      {back:.1%} of the tokens of a trace come back from a code for every 16 of them, "
        f"{other:.1%} from codes of other chunks"
    ]
    report, more = fit_report(fitted), encode_report(encoded)
    sections = [section for section in report.sections if section.title in _SECTIONS]
    found = {"codes": fitted.to_json(), "encoded": encoded.to_json()}
    return Part(replace(report, sections=[*sections, *more.sections[:1]]), lines, found)
