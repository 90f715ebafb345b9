"""A training run killed at any instant and run again ends with the same bytes as one that was left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent))

import forked
import train_tiny

forked.preload("train_tiny")


def test_the_harness_sees_a_run_that_repeats_work_after_a_kill(tmp_path: Path) -> None:
    found = forked.kill_and_continue(train_tiny.write_row_and_wait, train_tiny.read_rows, 3, 1, tmp_path)
    repeated = {"rows": ("row\n", "row\nrow\n")}
    assert repeated in [e.differences for e in found], "a kill after the row was written"
    assert all(e.differences in ({}, repeated) for e in found)


def test_a_child_that_fails_by_itself_is_an_error_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(AssertionError, match="FileExistsError"):
        forked.run_child(train_tiny.write_row_and_wait, tmp_path / "run")


def _kill_training(instants: int, seed: int, folder: Path, num_kills: int) -> None:
    found = forked.kill_and_continue(
        train_tiny.run, train_tiny.fingerprint, instants, seed, folder, num_kills=num_kills
    )
    assert [e for e in found if e.differences] == []
    assert sum(e.was_killed for e in found) >= 0.5 * instants, "too few runs were killed to show anything"


def test_training_killed_at_4_instants_ends_with_equal_weights_and_metrics(tmp_path: Path) -> None:
    _kill_training(4, 0, tmp_path, num_kills=1)


@pytest.mark.slow
def test_training_killed_at_50_instants_ends_with_equal_weights_and_metrics(tmp_path: Path) -> None:
    _kill_training(50, 1, tmp_path, num_kills=1)


@pytest.mark.slow
def test_training_killed_and_killed_again_while_it_continues_ends_equal(tmp_path: Path) -> None:
    _kill_training(20, 2, tmp_path, num_kills=3)
