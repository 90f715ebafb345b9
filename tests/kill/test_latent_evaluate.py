"""An evaluation of latent tokens killed at any instant and run again ends with the same replies as one left alone."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import forked, latent_evaluate_runs
from tests.latent_evaluate_runs import finetune_run

forked.preload("tests.kill.latent_evaluate_runs")


@forked.plans(few=3)
def test_an_evaluation_killed_at_any_instant_ends_with_equal_replies(plan: forked.Plan, tmp_path: Path) -> None:
    models = finetune_run(tmp_path / "models", ("latent", "cot"))
    run = functools.partial(latent_evaluate_runs.run, models=models)
    (tmp_path / "runs").mkdir()
    forked.assert_survives(run, latent_evaluate_runs.fingerprint, plan, tmp_path / "runs")
