"""A comparison of policies killed at any instant and run again ends with the same figures as one left alone."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent))

import forked
import frontier_runs as runs

forked.preload("frontier_runs")


def _kill(instants: int, seed: int, folder: Path, num_kills: int) -> None:
    given = runs.prepare(folder / "given")
    (folder / "runs").mkdir()
    found = forked.kill_and_continue(
        partial(runs.run, given), runs.fingerprint, instants, seed, folder / "runs", num_kills=num_kills
    )
    assert [e for e in found if e.differences] == []
    assert sum(e.was_killed for e in found) >= 0.5 * instants, "too few runs were killed to show anything"


def test_a_comparison_killed_at_4_instants_ends_with_equal_figures(tmp_path: Path) -> None:
    _kill(4, 0, tmp_path, num_kills=1)


@pytest.mark.slow
def test_a_comparison_killed_at_40_instants_ends_with_equal_figures(tmp_path: Path) -> None:
    _kill(40, 1, tmp_path, num_kills=1)


@pytest.mark.slow
def test_a_comparison_killed_and_killed_again_while_it_continues_ends_equal(tmp_path: Path) -> None:
    _kill(15, 2, tmp_path, num_kills=3)
