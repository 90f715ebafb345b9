"""``reasonry solve`` killed at random instants: the same command again ends in the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tests.kill import forked, solve_runs

forked.preload("reasonry.cli.solve", "reasonry.test_time.run", "reasonry.test_time.report", "reasonry.core.sampling.hf")


def check(experiments: list[forked.Experiment]) -> None:
    different = [e for e in experiments if e.differences]
    assert not different, different[0]
    killed = sum(e.was_killed for e in experiments)
    assert killed >= 0.5 * len(experiments), f"only {killed} of {len(experiments)} runs were killed before their end"


@pytest.mark.parametrize("instants", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_scripted_solve_survives_sigkill_at_any_instant(tmp_path: Path, instants: int) -> None:
    check(forked.kill_and_continue(solve_runs.scripted, solve_runs.fingerprint, instants, 1, tmp_path))


@pytest.mark.parametrize("instants", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_local_model_solve_survives_sigkill_at_any_instant(tmp_path: Path, tiny_model: Path, instants: int) -> None:
    run = functools.partial(solve_runs.local, model=str(tiny_model))
    check(forked.kill_and_continue(run, solve_runs.fingerprint, instants, 2, tmp_path))


@pytest.mark.slow
def test_several_kills_in_a_row_change_nothing(tmp_path: Path) -> None:
    check(forked.kill_and_continue(solve_runs.scripted, solve_runs.fingerprint, 8, 3, tmp_path, num_kills=4))
