"""The embedded default of out-of-context reasoning: a file of made-up facts is scanned, and a toy world shows why.

No language model is fine-tuned: that takes minutes. Which pairs of relations it would learn as a rule is known before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reasonry.core.config import from_dict
from reasonry.core.demo import Part
from reasonry.tasks.facts.generate import make_facts
from reasonry.understanding.out_of_context.claims.audit import write_facts
from reasonry.understanding.out_of_context.scan.config import ScanConfig
from reasonry.understanding.out_of_context.scan.report import scan_report
from reasonry.understanding.out_of_context.scan.results import results_json
from reasonry.understanding.out_of_context.scan.run import scan_file
from reasonry.understanding.out_of_context.theory.config import FixedAttentionConfig
from reasonry.understanding.out_of_context.theory.report import lab_report
from reasonry.understanding.out_of_context.theory.run import lab

_PRESET = "sport-music"


def infer(folder: Path, *, seed: int, say: Callable[[str], None], steps: int = 1000) -> Part:
    """Scan made-up facts, and train a model of one layer as two factors and as their product.

    Args:
        folder: Of facts and runs; that of an earlier demo is replaced.
        seed: Of facts and weights.
        say: Told what takes time.
        steps: Of gradient descent.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    facts = folder / "facts.jsonl"
    write_facts(make_facts(_PRESET, seed=seed).table.facts, facts)
    say(f"{facts.name} is scanned for what a model would infer from it")
    scanned = scan_file(from_dict(ScanConfig, {"facts": str(facts), "seed": seed, "run": folder / "scan"}))
    trained = lab(from_dict(FixedAttentionConfig, {"seed": seed, "steps": steps, "run": folder / "lab"}))
    report, why = scan_report(scanned), lab_report(trained)
    concerned = report.facts[1]
    right = {arm.name: arm.last["test_accuracy"] for arm in trained.arms}
    lines = [
        f"facts      {len(scanned.risks.flagged)} pair of relations would be learned as a rule, about "
        f"{concerned.value} people of whom it was never said; of that a toy model infers "
        f"{right['factorised']:.0%} with two factors, {right['combined']:.0%} with their product"
    ]
    found = {
        "scan": results_json(scanned.table, scanned.risks, sha256=scanned.sha256),
        "lab": trained.to_json(),
    }
    return Part(replace(report, facts=[concerned], sections=[*report.sections[:1], *why.sections[:1]]), lines, found)
