"""A run of the lab that is killed at any instant and run again ends with the same bytes as one left alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tests.kill import forked, ooc_lab_runs

forked.preload("tests.kill.ooc_lab_runs")
if importlib.util.find_spec("torch") is not None:
    forked.preload("reasonry.understanding.out_of_context.theory.transformer")


@forked.plans(few=4)
def test_killed_linear_labs_end_alike(plan: forked.Plan, tmp_path: Path) -> None:
    forked.assert_survives(ooc_lab_runs.run_linear, ooc_lab_runs.fingerprint, plan, tmp_path)


@forked.plans(few=3)
def test_killed_transformers_end_alike(plan: forked.Plan, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    forked.assert_survives(ooc_lab_runs.run_transformer, ooc_lab_runs.fingerprint, plan, tmp_path)
