"""A comparison of policies killed at any instant and run again ends with the same figures as one left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.kill import forked, frontier_runs

forked.preload("tests.kill.frontier_runs")


@forked.plans(few=4)
def test_a_comparison_killed_at_any_instant_ends_with_equal_figures(plan: forked.Plan, tmp_path: Path) -> None:
    run = partial(frontier_runs.run, frontier_runs.prepare(tmp_path / "given"))
    forked.assert_survives(run, frontier_runs.fingerprint, plan, tmp_path)
