"""The embedded default of test-time scaling: a packaged model votes on built-in problems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reasonry.core.demo import Part
from reasonry.core.run import Run
from reasonry.test_time.claims.runs import demo_config
from reasonry.test_time.report import build_report, summary_lines
from reasonry.test_time.run import results_json, solve


def vote(
    folder: Path,
    *,
    num_problems: int,
    n: int,
    seed: int,
    say: Callable[[str], None],
    opened: Callable[[Run, str], None],
) -> Part:
    """Solve; the samples serve the claim ``voting-gain`` of the same size, too."""
    config = demo_config(seed=seed, num_problems=num_problems, n=n).with_(run=folder)
    commands: list[str] = []

    def note(run: Run, determinism: str) -> None:
        commands.append(run.command)
        opened(run, determinism)

    solved = solve(config, say=say, open_run=note)
    report = build_report(solved, config, command=commands[0])
    results = {**results_json(solved), "costs": dict(solved.costs)}
    return Part(report, summary_lines(solved), results)
