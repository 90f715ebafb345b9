"""Codes learnt, and data encoded, by runs that were killed at any instant: the same bytes as of runs left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import forked, latent_codes_runs

forked.preload("tests.kill.latent_codes_runs")


@forked.plans(few=3)
def test_learning_codes_and_encoding_killed_at_any_instant_end_with_the_same_bytes(
    plan: forked.Plan, tmp_path: Path
) -> None:
    forked.assert_survives(latent_codes_runs.run, latent_codes_runs.fingerprint, plan, tmp_path)
