"""SIGKILL experiments that cost little: a clean parent imports the heavy modules once and forks every child.

`kill_and_continue` runs a function to the end for reference, then again and again: each time it is killed at
a random instant of the reference's duration, run once more to the end, and compared. The parent is the
standard library's fork server: a fresh process that has run nothing but the imports named to `preload`, so
that no thread and no OpenMP region is alive when it forks (a forked child of the test process itself could
inherit a held lock). Children run with one thread. The function goes to the child by reference: a
module-level function, or a `functools.partial` of one, in a module that can be imported by name.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

Run = Callable[[Path], None]
Fingerprint = Callable[[Path], Mapping[str, Any]]

_context = multiprocessing.get_context("forkserver")
_preloaded: list[str] = []


def preload(*modules: str) -> None:
    """Have the parent import these modules. Call it when the test module is imported, before any child."""
    _preloaded.extend(m for m in modules if m not in _preloaded)
    _context.set_forkserver_preload(_preloaded)


def _start_parent() -> None:
    """Start the fork server; it finds the modules to preload through ``PYTHONPATH`` only."""
    changed = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Outcome(NamedTuple):
    """How a child ended."""

    was_killed: bool
    duration_s: float


class Experiment(NamedTuple):
    """One kill and its continuation."""

    kill_at_s: float
    was_killed: bool
    """False when the run had ended before the instant came: it was faster than the reference."""
    differences: dict[str, tuple[Any, Any]]
    """Key of the fingerprint -> (reference, after continuation), where they differ."""


def _child(run: Run, folder: Path, log: Path) -> None:
    os.setpgid(0, 0)  # what the child starts dies with it
    with open(log, "ab", buffering=0) as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    try:
        run(folder)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def run_child(run: Run, folder: Path, *, kill_at_s: float | None = None, timeout_s: float = 300.0) -> Outcome:
    """Run ``run(folder)`` in a forked child; SIGKILL it and all it started after ``kill_at_s``.

    Its output goes to ``<folder>.log``. Raises AssertionError, with the log's tail, when it fails by itself.
    """
    _start_parent()
    log = folder.with_name(folder.name + ".log")
    child = _context.Process(target=_child, args=(run, folder, log), daemon=False)
    begin = time.monotonic()
    child.start()
    limit_s = timeout_s if kill_at_s is None else kill_at_s
    has_ended = bool(connection.wait([child.sentinel], timeout=limit_s))
    if not has_ended:
        assert child.pid is not None
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not yet made its group
            child.kill()
    child.join()
    duration_s = time.monotonic() - begin
    tail = log.read_text(errors="replace")[-3000:] if log.exists() else ""
    assert has_ended or kill_at_s is not None, f"still running after {timeout_s} s:\n{tail}"
    assert child.exitcode == 0 or not has_ended, f"exit code {child.exitcode}:\n{tail}"
    return Outcome(not has_ended, duration_s)


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, with both values (None: the key is absent)."""
    keys = sorted(expected.keys() | found.keys())
    return {k: (expected.get(k), found.get(k)) for k in keys if expected.get(k) != found.get(k)}


def kill_and_continue(
    run: Run,
    fingerprint: Fingerprint,
    instants: int,
    seed: int,
    folder: Path,
    *,
    num_kills: int = 1,
) -> list[Experiment]:
    """Kill a run at random instants, continue it to the end, and compare it with an uninterrupted one.

    Args:
        run: Works in the folder it is given; run again on the same folder, it continues.
        fingerprint: What must be equal at the end: relative file -> sha256, or parsed rows.
        instants: Number of experiments. Their instants are spread evenly over the reference's duration, each
            drawn uniformly within its share, so that few experiments cover the whole run.
        seed: Of the instants.
        folder: For the runs; those without differences are removed.
        num_kills: Kills per experiment; those after the first hit the continuation.

    Returns:
        One entry per experiment. The caller asserts that enough of them were really killed.
    """
    rng = np.random.default_rng(seed)
    run_child(_nothing, folder / "warm-up")  # the first child waits for the imports
    reference = folder / "reference"
    duration_s = run_child(run, reference).duration_s
    expected = fingerprint(reference)
    assert expected, "an empty fingerprint would compare nothing"
    results: list[Experiment] = []
    for i in range(instants):
        work = folder / f"killed-{i:02d}"
        kill_at_s = duration_s * (i + rng.random()) / instants
        was_killed = run_child(run, work, kill_at_s=kill_at_s).was_killed
        for _ in range(num_kills - 1):
            run_child(run, work, kill_at_s=duration_s * rng.random())
        run_child(run, work)
        differs = differences(expected, fingerprint(work))
        results.append(Experiment(kill_at_s, was_killed, differs))
        if not differs:
            shutil.rmtree(work)
    return results


class Plan(NamedTuple):
    """How often a test kills.

    Attributes:
        instants: Experiments.
        seed: Of their instants.
        num_kills: Kills of each; those after the first hit the continuation.
    """

    instants: int
    seed: int
    num_kills: int


def plans(few: int) -> Any:
    """Marks a test with plans: a few kills for every day; many, and kills of what goes on after one, for slow tests."""
    each = {
        f"{few} instants": (Plan(few, 0, 1), ()),
        "40 instants": (Plan(40, 1, 1), pytest.mark.slow),
        "killed again": (Plan(15, 2, 3), pytest.mark.slow),
    }
    return pytest.mark.parametrize("plan", [pytest.param(p, marks=m, id=name) for name, (p, m) in each.items()])


def assert_survives(run: Run, fingerprint: Fingerprint, plan: Plan, folder: Path) -> None:
    """Kill as planned: the ends are all alike, and at least half of the runs were really killed.

    Args:
        run: As of `kill_and_continue`.
        fingerprint: As of `kill_and_continue`.
        plan: How often.
        folder: For the runs.
    """
    found = kill_and_continue(run, fingerprint, plan.instants, plan.seed, folder, num_kills=plan.num_kills)
    assert [e for e in found if e.differences] == []
    assert sum(e.was_killed for e in found) >= 0.5 * plan.instants, "too few runs were killed to show anything"


def _nothing(folder: Path) -> None:
    """Do nothing, in a child."""
