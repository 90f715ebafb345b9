"""What a scan found, as the JSON of ``results.json``. Subjects are counted there, not named."""

from __future__ import annotations

from typing import Any

from reasonry.core.plain import plain
from reasonry.tasks.facts.fact import FactTable
from reasonry.understanding.out_of_context.scan.grouping import NOTES
from reasonry.understanding.out_of_context.scan.risk import PairRisk, RiskMap

SCHEMA = 1


def results_json(table: FactTable, risks: RiskMap, *, sha256: str) -> dict[str, Any]:
    """The content of ``results.json``: the file in numbers, how often which outcome, every pair."""
    return {
        "schema": SCHEMA,
        "protocol": {
            "metric": "strength: share of bridge subjects whose answer is the commonest of their group",
            "test": "permutation of answers over bridge subjects, chi-square, margins fixed",
            "adjustment": "Benjamini-Hochberg over tests",
            "threshold": risks.threshold,
            "alpha": risks.alpha,
        },
        "facts": {
            "source": table.source,
            "sha256": sha256,
            "num_facts": risks.num_facts,
            "num_subjects": risks.num_subjects,
            "relations": {
                relation.name: {"facts": int(relation.subject_N.size), "answers": len(relation.objects)}
                for relation in risks.indexed.relations
            },
            "left_out": table.num_dropped,
            "num_respelled": table.num_respelled,
        },
        "outcomes": risks.outcomes,
        "num_flagged": len(risks.flagged),
        "pairs": [pair_json(pair) for pair in risks.pairs],
    }


def pair_json(pair: PairRisk) -> dict[str, Any]:
    """One pair."""
    groups = [{"b": g.b, "c": g.c, "num_bridge": len(g.bridge), "num_test": len(g.test)} for g in pair.groups]
    body = {**plain(pair._replace(groups=())), "groups": groups}
    return {**body, "notes": {code: NOTES[code] for code in pair.notes}}
