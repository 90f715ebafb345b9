"""An audit killed at any instant and run again ends with the scores, weights and verdicts of one left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from tests.kill import forked, ooc_audit_runs
from tests.ooc_audit_models import make_model

forked.preload("tests.kill.ooc_audit_runs")


@forked.plans(few=2)
def test_an_audit_killed_at_any_instant_ends_alike(plan: forked.Plan, tmp_path: Path) -> None:
    world = ooc_audit_runs.world()
    run = partial(ooc_audit_runs.run, facts=world.write(tmp_path), model=make_model(tmp_path / "model", world))
    forked.assert_survives(run, ooc_audit_runs.fingerprint, plan, tmp_path)
