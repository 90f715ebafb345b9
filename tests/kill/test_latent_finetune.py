"""Fine-tuning on codes, and all stages, killed at any instant and run again end with the bytes of one left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import forked, latent_finetune_runs
from tests.latent_finetune_runs import make_codes, make_encoded

forked.preload("tests.kill.latent_finetune_runs")


@forked.plans(few=3)
def test_fine_tuning_killed_at_any_instant_ends_with_equal_models_and_metrics(
    plan: forked.Plan, tmp_path: Path
) -> None:
    encoded = make_encoded(tmp_path / "encoded", make_codes(tmp_path / "codes"))
    run = partial(latent_finetune_runs.run, encoded=encoded)
    forked.assert_survives(run, latent_finetune_runs.fingerprint, plan, tmp_path)


@forked.plans(few=3)
def test_all_stages_killed_at_any_instant_end_with_equal_codes_models_and_answers(
    plan: forked.Plan, tmp_path: Path
) -> None:
    forked.assert_survives(latent_finetune_runs.run_whole, latent_finetune_runs.fingerprint, plan, tmp_path)
