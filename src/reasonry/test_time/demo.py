"""The embedded default: one solve run with a packaged model, the quick claims, and one report of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import claims as cards
from reasonry.core.report import ClaimRow, Estimate, Report
from reasonry.core.run import Run
from reasonry.test_time.claims.runs import demo_config
from reasonry.test_time.report import build_report, summary_lines
from reasonry.test_time.run import results_json, solve


class Demo(NamedTuple):
    """What the demo found."""

    report: Report
    lines: list[str]
    results: dict[str, Any]
    failed: list[str]


def run_demo(
    folder: Path,
    *,
    num_problems: int,
    n: int,
    seed: int,
    claims: Sequence[cards.Claim],
    say: Callable[[str], None],
    opened: Callable[[Run, str], None],
) -> Demo:
    """Solve, then measure ``claims``; a claim about this very run is measured on its samples, not on new ones."""
    config = demo_config(seed=seed, num_problems=num_problems, n=n).with_(run=folder)
    commands: list[str] = []

    def note(run: Run, determinism: str) -> None:
        commands.append(run.command)
        opened(run, determinism)

    solved = solve(config, say=say, open_run=note)
    lines = summary_lines(solved)
    results: list[cards.Result] = []
    for claim in claims:
        same_run = claim.id == "voting-gain" and claim.arguments == {"num_problems": num_problems, "n": n, "seed": seed}
        arguments = {**claim.arguments, "folder": str(folder)} if same_run else claim.arguments
        result = cards.measure(claim.with_(arguments=arguments), say=say)
        results.append(result)
        shown = cards.show(claim, result.measurement) if result.measurement else result.reason
        lines.append(f"{result.status.upper():<10} {claim.id}  {shown}  (passes when {claim.expected})")
    report = build_report(
        solved, config, command=commands[0], claims=[claim_row(r) for r in results], title="Many answers, one vote"
    )
    found = {**results_json(solved), "costs": dict(solved.costs), "claims": [r.to_json() for r in results]}
    return Demo(report, lines, found, [r.claim.id for r in results if r.status == "fail"])


def claim_row(result: cards.Result) -> ClaimRow:
    """A measured claim as the report shows it."""
    m, claim = result.measurement, result.claim
    exact = m is not None and m.low == m.high
    return ClaimRow(
        claim.id,
        claim.statement,
        result.status,
        Estimate(m.value, None if exact else m.low, None if exact else m.high) if m else None,
        str(claim.expected),
        claim.cost,
        claim.source,
        f"{claim.metric}; {m.detail}" if m else result.reason,
        format=claim.format,
        digits=None,
    )
