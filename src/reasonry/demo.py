"""``reasonry demo``: the embedded default of each method, the quickest claims, and one report of all of it."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import claims as cards
from reasonry.core.demo import Part
from reasonry.core.report import Block, ClaimRow, Claims, Estimate, Note, Report, Section
from reasonry.core.run import Run
from reasonry.test_time.demo import vote

CLAIMS_S = 45.0
"""Seconds for claims, by the times recorded with their results: the whole demo is to take a few minutes."""

_ALL = "reasonry reproduce --cost cpu-2min"


class Method(NamedTuple):
    """A method's part of the demo.

    Attributes:
        folder: Of its files, in that of the demo; also its name among the results.
        target: ``module:function`` of (folder, seed, say) that gives a `Part`; read when its turn comes, since most
            import torch.
        title: In front of its sections.
        fact: Label of its first fact; its own when empty.
    """

    folder: str
    target: str
    title: str
    fact: str = ""

    def run(self, folder: Path, *, seed: int, say: Callable[[str], None]) -> Part:
        """What it contributes."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)(folder / self.folder, seed=seed, say=say)


METHODS = (
    Method("watermark", "reasonry.watermark.demo:sign", "Watermark", "Texts recognised"),
    Method("gsm-agent", "reasonry.evaluation.gsm_agent.demo:search", "Agents"),
    Method("pivotrl", "reasonry.training.pivotrl.desk.demo:teach", "Training"),
    Method("dultra", "reasonry.training.dultra.demo:unmask", "Diffusion"),
    Method("latent-tokens", "reasonry.training.latent_tokens.demo:shorten", "Codes"),
    Method("continuous-cot", "reasonry.training.continuous_cot.demo:superpose", "Thoughts"),
    Method("out-of-context", "reasonry.understanding.out_of_context.demo:infer", "Facts"),
)
"""After the votes, in order."""


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
    """Vote, let each method contribute its part, and measure the quickest of ``claims``.

    A claim about the very run of votes is measured on its samples, not on new ones.
    """
    voted = vote(folder, num_problems=num_problems, n=n, seed=seed, say=say, opened=opened)
    parts = {method: method.run(folder, seed=seed, say=say) for method in METHODS}
    lines = [*voted.lines, *(line for part in parts.values() for line in part.lines)]
    results: list[cards.Result] = []
    votes = {"num_problems": num_problems, "n": n, "seed": seed}
    chosen = quickest(claims, votes=votes)
    for claim in chosen:
        arguments = {**claim.arguments, "folder": str(folder)} if _is_about(votes, claim) else claim.arguments
        result = cards.measure(claim.with_(arguments=arguments), say=say)
        results.append(result)
        shown = cards.show(claim, result.measurement) if result.measurement else result.reason
        lines.append(f"{result.status.upper():<10} {claim.id}  {shown}  (passes when {claim.expected})")
    own = {method.folder.replace("-", "_"): part.results for method, part in parts.items()}
    found = {**voted.results, **own, "claims": [r.to_json() for r in results]}
    if left := [claim.id for claim in claims if claim not in chosen]:
        what = "1 claim that takes" if len(left) == 1 else f"{len(left)} claims that take"
        lines.append(f"{what} longer, not measured: {_ALL}")
    reports = {method: part.report for method, part in parts.items()}
    report = _join(voted.report, reports, [claim_row(r) for r in results], left)
    return Demo(report, lines, found, [r.claim.id for r in results if r.status == "fail"])


def quickest(
    claims: Sequence[cards.Claim], *, votes: Mapping[str, Any], budget_s: float = CLAIMS_S
) -> list[cards.Claim]:
    """Claims that fit into a time, in the order given: the fastest ones, by the time recorded with their results.

    One that was never recorded is left out, since nobody knows what it takes. The claim about the very run of votes
    takes no time.

    Args:
        claims: To choose from.
        votes: Sizes and seed of the run of votes.
        budget_s: Seconds in all.
    """
    taken: set[str] = set()
    total_s = 0.0
    for seconds, claim in sorted(((_seconds(c, votes), c) for c in claims), key=lambda pair: (pair[0], pair[1].id)):
        total_s += seconds
        if total_s > budget_s:
            break
        taken.add(claim.id)
    return [claim for claim in claims if claim.id in taken]


def _seconds(claim: cards.Claim, votes: Mapping[str, Any]) -> float:
    stored = cards.recorded(claim)
    return 0.0 if _is_about(votes, claim) else math.inf if stored is None else float(stored["seconds"])


def _is_about(votes: Mapping[str, Any], claim: cards.Claim) -> bool:
    return claim.id == "voting-gain" and claim.arguments == votes


def _join(voted: Report, reports: Mapping[Method, Report], claims: Sequence[ClaimRow], left: Sequence[str]) -> Report:
    *sections, run = voted.sections
    facts = [*voted.facts[:3]]
    for method, report in reports.items():
        first = report.facts[0]
        facts.append(replace(first, label=method.fact or first.label))
        sections += [
            replace(section, title=f"{method.title}: {section.title[:1].lower()}{section.title[1:]}")
            for section in report.sections
            if section.title != run.title  # a reader repeats the demo, not a part of it
        ]
    if claims:
        lead = "Each line was measured on this machine, just now; reasonry reproduce measures it again."
        blocks: list[Block] = [Claims(list(claims))]
        if left:
            rest = ", ".join(f"`{name}`" for name in left)
            blocks.append(Note(f"Not measured here, because they take longer: {rest}. `{_ALL}` measures them, too."))
        sections.append(Section("Claims", blocks, lead))
    return replace(
        voted,
        title="Many answers, one vote; texts recognised; searches followed; turns to train on; passes; codes; "
        "thoughts; facts",
        facts=facts,
        sections=[*sections, run],
    )


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
