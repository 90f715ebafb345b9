"""A training of dUltra killed at any instant and run again ends with the same bytes as one that was left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import dultra_train_runs, forked

forked.preload("tests.kill.dultra_train_runs")


@forked.plans(few=3)
def test_training_killed_at_any_instant_ends_with_equal_planners_denoisers_and_metrics(
    plan: forked.Plan, tmp_path: Path
) -> None:
    # Folders of models stand in configs, which are not compared; the runs may lie anywhere.
    forked.assert_survives(dultra_train_runs.run, dultra_train_runs.fingerprint, plan, tmp_path)
