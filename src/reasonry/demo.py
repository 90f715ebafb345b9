"""``reasonry demo``: the embedded default of each method, every quick claim, and one report of all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import claims as cards
from reasonry.core.report import ClaimRow, Claims, Estimate, Report, Section
from reasonry.core.run import Run
from reasonry.test_time.demo import vote
from reasonry.watermark.demo import sign


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
    """Vote on problems, sign and recognise text, then measure ``claims``.

    A claim about the very run of votes is measured on its samples, not on new ones.
    """
    voted = vote(folder, num_problems=num_problems, n=n, seed=seed, say=say, opened=opened)
    signed = sign(folder / "watermark", seed=seed, say=say)
    lines = [*voted.lines, *signed.lines]
    results: list[cards.Result] = []
    for claim in claims:
        same_run = claim.id == "voting-gain" and claim.arguments == {"num_problems": num_problems, "n": n, "seed": seed}
        arguments = {**claim.arguments, "folder": str(folder)} if same_run else claim.arguments
        result = cards.measure(claim.with_(arguments=arguments), say=say)
        results.append(result)
        shown = cards.show(claim, result.measurement) if result.measurement else result.reason
        lines.append(f"{result.status.upper():<10} {claim.id}  {shown}  (passes when {claim.expected})")
    found = {**voted.results, "watermark": signed.results, "claims": [r.to_json() for r in results]}
    report = _join(voted.report, signed.report, [claim_row(r) for r in results])
    return Demo(report, lines, found, [r.claim.id for r in results if r.status == "fail"])


def _join(voted: Report, signed: Report, claims: Sequence[ClaimRow]) -> Report:
    *sections, run = voted.sections
    *marks, _ = signed.sections
    sections += [replace(s, title=f"Watermark: {s.title.lower()}") for s in marks]
    if claims:
        lead = "Each line was measured on this machine, just now; reasonry reproduce measures it again."
        sections.append(Section("Claims", [Claims(list(claims))], lead))
    facts = [*voted.facts[:4], replace(signed.facts[0], label="Texts recognised")]
    return replace(voted, title="Many answers, one vote; and text that can be recognised", facts=facts,
                   sections=[*sections, run])  # fmt: skip


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
