"""A training of continuous thoughts killed at any instant and run again ends with the same bytes as one left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import continuous_cot_runs, forked

forked.preload("tests.kill.continuous_cot_runs")


@forked.plans(few=3)
def test_training_killed_at_any_instant_ends_with_equal_models_answers_and_metrics(
    plan: forked.Plan, tmp_path: Path
) -> None:
    forked.assert_survives(continuous_cot_runs.run, continuous_cot_runs.fingerprint, plan, tmp_path)
