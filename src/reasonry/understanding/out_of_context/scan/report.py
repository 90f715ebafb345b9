"""The report of a scan: the risk map as matrices, the pairs, the groups of flagged ones, what was left out."""

from __future__ import annotations

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    Prose,
    Report,
    Section,
    Table,
    heatmap,
)
from reasonry.understanding.out_of_context.scan.grouping import NOTES, shared_answers_of
from reasonry.understanding.out_of_context.scan.risk import PairRisk, RiskMap
from reasonry.understanding.out_of_context.scan.run import Scanned
from reasonry.understanding.out_of_context.scan.tables import MEANINGS

_MOST_RELATIONS = 30
_MOST_PAIRS = 200
_MOST_DROPPED = 50
_COMPUTED = """\
**Bridge subjects** of a pair have an answer to both relations, **test subjects** to the given one alone: a model that \
is trained on the file is likely to fill in the latter by what it saw of the former, with or without a reason for it. \
A **group** is the subjects with one answer to the given relation.

**Strength** is the share of bridge subjects whose implied answer is the commonest of their group, with Wilson's 95 % \
interval; with one bridge subject in a group it is 1 of itself. **V** is Cramer's V corrected for bias, **H ratio** is \
H(c | b) / H(c), 0 where the group decides the answer. **p** is of a permutation test: answers are shuffled over \
bridge subjects, and the chi-square statistic is compared. **q** is p adjusted over all tests (Benjamini, Hochberg).

**Prior** is the mean over groups of min(sqrt(bridge / test), 1), the margin that a one-layer attention model ends up \
with for test subjects, against 1 for trained facts; for a language model it is a heuristic. Even one bridge subject \
in a group can be enough. Nothing here says whether a rule is true of the world."""


def scan_report(done: Scanned, *, command: str = "") -> Report:
    """The report.

    Args:
        done: What was found.
        command: The command that repeats it, shown at the end.
    """
    risks, table = done.risks, done.table
    num_asked = len({subject for pair in risks.flagged for group in pair.groups for subject in group.test})
    facts = [
        Fact("Pairs at risk", len(risks.flagged), f"of {len(risks.pairs)} ordered pairs", format="integer"),
        Fact("Subjects concerned", num_asked, f"of {risks.num_subjects}", format="integer"),
        Fact("Facts", risks.num_facts, f"{len(risks.relations)} relations", format="integer"),
        Fact("Left out", len(table.dropped), "rows, listed below", format="integer"),
    ]
    sections = [_map(risks), _pairs(risks)]
    if risks.flagged:
        sections.append(_groups(risks, done.config.show))
    if table.dropped or table.num_respelled:
        sections.append(_left_out(done))
    sections.append(Section("How this is computed", [Prose(_COMPUTED)]))
    if command:
        sections.append(Section("Again", [Code(command)]))
    return Report("Risk map of a facts file", str(done.config.facts), facts, sections)


def _map(risks: RiskMap) -> Section:
    if not risks.pairs:
        return Section("Risk map", [Note("The file has one relation: there is no pair to look at.")])
    names = list(dict.fromkeys(name for pair in risks.pairs for name in (pair.given, pair.implied)))
    shown = names[:_MOST_RELATIONS]
    by_names = {(pair.given, pair.implied): pair for pair in risks.pairs}

    def matrix(value_title: str, title: str, about: str) -> Chart:
        spec = heatmap(
            [[_value(by_names.get((given, implied)), value_title) for implied in shown] for given in shown],
            row_labels=shown,
            column_labels=shown,
            row_title="given",
            column_title="implied",
            value_title=value_title,
            domain=(0.0, 1.0),
        )
        return Chart(spec, title, about, span="half")

    blocks: list[Block] = [
        matrix("strength", "How strongly one answer decides the other", "Strength of each ordered pair of relations."),
        matrix("prior", "What a model would infer", "Prior of flagged pairs; pairs that are not flagged are empty."),
    ]
    if len(names) > len(shown):
        blocks.append(Note(f"The {len(shown)} relations of the strongest pairs, of {len(names)}; the table has more."))
    return Section("Risk map", blocks)


def _value(pair: PairRisk | None, what: str) -> float | None:
    if pair is None:
        return None
    if what == "strength":
        return pair.strength
    return pair.prior if pair.flagged else None


def _pairs(risks: RiskMap) -> Section:
    columns = [Column("given"), Column("implied"), Column("outcome"), Column("strength", "decimal", 2)]
    columns += [Column("V", "decimal", 2), Column("H ratio", "decimal", 2), Column("p", "decimal", 4)]
    columns += [Column("q", "decimal", 4), Column("draws", "integer"), Column("groups", "integer")]
    columns += [Column("bridge", "integer"), Column("test", "integer"), Column("prior", "decimal", 2), Column("notes")]
    rows = [
        [
            pair.given,
            pair.implied,
            pair.outcome,
            Estimate(pair.strength, pair.interval.low, pair.interval.high) if pair.interval else None,
            pair.cramers_v,
            pair.entropy_ratio,
            pair.p,
            pair.q,
            pair.test.num_draws if pair.test else None,
            pair.num_open,
            pair.num_bridge,
            pair.num_test,
            pair.prior,
            ", ".join(pair.notes),
        ]
        for pair in risks.pairs[:_MOST_PAIRS]
    ]
    caption = "Groups are those with both bridge and test subjects. Draws are tables that were shuffled for p."
    if len(risks.pairs) > _MOST_PAIRS:
        caption += f" The first {_MOST_PAIRS} of {len(risks.pairs)}; all are in results.json."
    counts = [[name, num, MEANINGS[name]] for name, num in risks.outcomes.items() if num]
    used = [code for code in NOTES if any(code in pair.notes for pair in risks.pairs)]
    blocks: list[Block] = [
        Table([Column("outcome"), Column("pairs", "integer"), Column("which means")], counts, "Outcomes"),
        Table(columns, rows, "Pairs", caption),
    ]
    if used:
        blocks.append(Table([Column("note"), Column("which means")], [[code, NOTES[code]] for code in used], "Notes"))
    return Section("Pairs", blocks)


def _groups(risks: RiskMap, num: int) -> Section:
    columns = [Column("given"), Column("implied"), Column("b"), Column("likely c"), Column("bridge", "integer")]
    columns += [Column("test", "integer"), Column("for example")]
    rows = [
        [pair.given, pair.implied, g.b, g.c, len(g.bridge), len(g.test), ", ".join(g.test[:3])]
        for pair in risks.flagged[:num]
        for g in sorted(pair.groups, key=lambda group: -len(group.test) * bool(group.bridge))[:num]
    ]
    caption = "Test subjects of a group would be given its likely c. Groups with most test subjects first."
    blocks: list[Block] = [Table(columns, rows, "Who would be given what", caption)]
    for pair in risks.flagged[:num]:
        clashes = shared_answers_of(risks.indexed, pair.given, pair.implied)
        if clashes:
            text = f"{pair.given} and {pair.implied} share answers: {', '.join(clashes[:10])}"
            blocks.append(Note(text, "warning"))
    return Section("Groups at risk", blocks)


def _left_out(done: Scanned) -> Section:
    table = done.table
    rows = [[reason, num] for reason, num in table.num_dropped.items()]
    first = [[one.place, one.reason, one.detail] for one in table.dropped[:_MOST_DROPPED]]
    blocks: list[Block] = []
    if first:
        blocks.append(Table([Column("reason"), Column("rows", "integer")], rows, "Left out", span="half"))
        caption = f"The first {_MOST_DROPPED}; all are in dropped.jsonl." if len(table.dropped) > _MOST_DROPPED else ""
        blocks.append(Table([Column("place"), Column("reason"), Column("what")], first, "Rows", caption))
    if table.num_respelled:
        blocks.append(Prose(f"{table.num_respelled} texts are other spellings of earlier ones, and count as those."))
    return Section("What was left out", blocks)
