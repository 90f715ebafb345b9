"""What a scan prints: a table of pairs, and lines that say what it comes to."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.understanding.out_of_context.scan.grouping import NOTES
from reasonry.understanding.out_of_context.scan.risk import PairRisk, RiskMap

Cells = tuple[list[str], list[list[str]]]

MEANINGS = {
    "flagged": "a model may well learn the rule; the answers follow each other beyond chance",
    "untested": "a model may well learn the rule; too few bridge subjects for a test",
    "chance": "strong, but a shuffle of the answers is as strong",
    "weak": "the answers do not follow each other",
    "constant": "one answer for all bridge subjects: no rule to be seen",
    "no-test": "nobody to ask: no group has both bridge and test subjects",
    "no-bridge": "no subject has both relations",
}
"""Outcome -> what it means."""


def pair_table(pairs: Sequence[PairRisk]) -> Cells:
    """A row for each pair."""
    columns = ["given", "implied", "outcome", "strength", "V", "H ratio", "p", "q", "groups", "bridge", "test", "prior"]
    rows = [
        [
            pair.given,
            pair.implied,
            pair.outcome,
            _strength(pair),
            _number(pair.cramers_v),
            _number(pair.entropy_ratio),
            probability(pair.p),
            probability(pair.q),
            f"{pair.num_open} of {pair.num_groups}",
            str(pair.num_bridge),
            str(pair.num_test),
            _number(pair.prior),
        ]
        for pair in pairs
    ]
    return columns, rows


def summary_lines(risks: RiskMap) -> list[str]:
    """The file in a line, outcomes that occurred, notes on flagged pairs."""
    num = len(risks.relations)
    lines = [f"facts     {risks.num_facts} of {risks.num_subjects} subjects in {num} relations"]
    if not risks.pairs:
        lines.append("pairs     none: one relation alone implies nothing")
    lines += [f"{name:<10}{count}  {MEANINGS[name]}" for name, count in risks.outcomes.items() if count]
    for pair in risks.flagged:
        lines += [f"note      {pair.given} -> {pair.implied}: {NOTES[code]}" for code in pair.notes]
    return lines


def probability(p: float | None) -> str:
    """A p-value in two digits."""
    if p is None:
        return "none"
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"


def _strength(pair: PairRisk) -> str:
    if pair.strength is None or pair.interval is None:
        return "none"
    return f"{pair.strength:.2f} ({pair.interval.low:.2f} to {pair.interval.high:.2f})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
