"""A training of continuous thoughts killed at any instant and run again ends with the same bytes as one left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent))

import continuous_cot_runs as runs
import forked

forked.preload("continuous_cot_runs")


def _kill(instants: int, seed: int, folder: Path, num_kills: int) -> None:
    found = forked.kill_and_continue(runs.run, runs.fingerprint, instants, seed, folder, num_kills=num_kills)
    assert [e for e in found if e.differences] == []
    assert sum(e.was_killed for e in found) >= 0.5 * instants, "too few runs were killed to show anything"


def test_training_killed_at_3_instants_ends_with_equal_models_answers_and_metrics(tmp_path: Path) -> None:
    _kill(3, 0, tmp_path, num_kills=1)


@pytest.mark.slow
def test_training_killed_at_40_instants_ends_with_equal_models_answers_and_metrics(tmp_path: Path) -> None:
    _kill(40, 1, tmp_path, num_kills=1)


@pytest.mark.slow
def test_training_killed_and_killed_again_while_it_continues_ends_equal(tmp_path: Path) -> None:
    _kill(15, 2, tmp_path, num_kills=3)
