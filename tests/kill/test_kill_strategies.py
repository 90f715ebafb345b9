"""Strategies killed at random instants: samples, scores, comparisons and attempts end in the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tests.kill import forked, strategy_runs

forked.preload("reasonry.test_time.run", "tests.judging_solver")

FILES = {
    "certified vote": "samples.jsonl",
    "curtailed vote": "samples.jsonl",
    "best of n by a judge": "scores.jsonl",
    "knockout": "comparisons.jsonl",
    "self-correction": "attempts.jsonl",
    "self-correction by a judge": "attempts.jsonl",
}
SLOW = pytest.param(25, marks=pytest.mark.slow)


def check(experiments: list[forked.Experiment]) -> None:
    different = [e for e in experiments if e.differences]
    assert not different, different[0]
    killed = sum(e.was_killed for e in experiments)
    assert killed >= 0.4 * len(experiments), f"only {killed} of {len(experiments)} runs were killed before their end"


@pytest.mark.parametrize("instants", [4, SLOW])
@pytest.mark.parametrize("kind", strategy_runs.KINDS)
def test_a_strategy_survives_sigkill_at_any_instant(tmp_path: Path, kind: str, instants: int) -> None:
    run = functools.partial(strategy_runs.run, kind=kind)
    check(forked.kill_and_continue(run, strategy_runs.fingerprint, instants, 4, tmp_path))
    reference = strategy_runs.fingerprint(tmp_path / "reference")
    assert {"samples.jsonl", "results.json", "run.json", "prompts.json", FILES[kind]} <= set(reference)
    num_rows = reference[f"rows of {FILES[kind]}"]
    assert isinstance(num_rows, int) and num_rows >= 50, "too little to be killed in"


@pytest.mark.slow
@pytest.mark.parametrize("kind", strategy_runs.KINDS)
def test_several_kills_in_a_row_change_nothing(tmp_path: Path, kind: str) -> None:
    run = functools.partial(strategy_runs.run, kind=kind)
    check(forked.kill_and_continue(run, strategy_runs.fingerprint, 8, 5, tmp_path, num_kills=4))
