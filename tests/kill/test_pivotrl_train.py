"""A training on pivots killed at any instant and run again ends with the same bytes as one that was left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import forked, pivotrl_train_runs

forked.preload("tests.kill.pivotrl_train_runs")


@forked.plans(few=4)
def test_training_killed_at_any_instant_ends_with_equal_weights_and_metrics(plan: forked.Plan, tmp_path: Path) -> None:
    run = partial(pivotrl_train_runs.run, pivotrl_train_runs.prepare(tmp_path / "given"))
    forked.assert_survives(run, pivotrl_train_runs.fingerprint, plan, tmp_path)
