"""Sections on detection: sizes under every rule, false alarms, power against entropy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reasonry.core.report import Block, Chart, Column, Estimate, Measure, Spot, Table, interval_chart, scatter
from reasonry.watermark.bench.measure import NO_ATTACK
from reasonry.watermark.bench.records import AttackResult, SchemeResult
from reasonry.watermark.bench.report.cells import RULE_WORDS, number_cell, share_cell, size_cell
from reasonry.watermark.bench.run import Benched

SIZES_LEAD = (
    "MarkMyWords reads the whole text and then says from which token on the p-value stayed below alpha: it peeks, and "
    "no detector can stop there. The other two rules may look after every token and keep alpha: Bonferroni pays "
    "k (k + 1) for the k-th look at the same p-values, an e-process is made for it."
)
ENTROPY_LEAD = (
    "A mark needs chance to hide in: the less a text leaves to chance, the more of it detection takes. Entropy is that "
    "of the sampled law, after temperature and filters, before marking."
)
_ALARM_WORDS = {"peek": "p after every token", "fixed": "p at the end", "bonferroni": "Bonferroni", "e": "e-process"}


def sizes_section(benched: Benched) -> list[Block]:
    """How much text detection takes."""
    schemes = benched.results.schemes
    longest = float(max(d["num_tok"] for d in benched.detections if d["attack"] == NO_ATTACK))
    measures = [_measure(s, rule, longest) for s in schemes for rule in s.rules]
    end = max((m.high for m in measures if m.high is not None), default=longest)
    chart = Chart(
        interval_chart(measures, x_title="tokens until detection", x_domain=(0, end)),
        "How much text detection takes",
        "Median tokens until detection of each scheme under three rules, with 95 % intervals.",
        caption="No dot: at most half of the texts were found. An interval without an upper end stops at the "
        "longest text. The p-value of the anchored scheme is SEAL's exact test.",
    )
    columns = [Column("scheme")]
    for words in RULE_WORDS.values():
        columns += [Column(f"{words} size", "integer"), Column("found", "percent", 0)]
    table = Table(
        columns,
        [[s.name, *_cells(s.plain)] for s in schemes],
        title="Sizes under every rule",
        caption="Medians with 95 % intervals of order statistics; shares of texts with Clopper-Pearson intervals.",
    )
    if len(schemes[0].attacks) < 2:
        return [chart, table]
    pooled = Table(
        [Column("scheme"), *(Column(f"{words} size", "integer") for words in RULE_WORDS.values())],
        [[s.name, *(number_cell(s.pooled_tok.get(rule)) for rule in RULE_WORDS)] for s in schemes],
        title="Sizes over texts and attacks together",
        caption="Medians of all texts, each with no attack and after every attack, as MarkMyWords and arXiv 2602.17608 "
        "have it.",
    )
    return [chart, table, pooled]


def _measure(s: SchemeResult, rule: str, longest: float) -> Measure:
    size = s.plain.sizes[rule]
    if not math.isfinite(size.median_tok):
        return Measure(s.name, None, group=RULE_WORDS[rule])
    return Measure(s.name, size.median_tok, size.low_tok, min(size.high_tok, longest), RULE_WORDS[rule])


def _cells(found: AttackResult) -> list[Estimate | str | None]:
    cells: list[Estimate | str | None] = []
    for rule in RULE_WORDS:
        has_rule = rule in found.sizes
        cells += [size_cell(found.sizes[rule]), share_cell(found.shares[rule])] if has_rule else [None, None]
    return cells


def false_alarms_lead(alpha: float) -> str:
    """What was tried."""
    return (
        "Unmarked text of the same model, each text under many fresh keys. A valid rule raises an alarm in at most a "
        f"share alpha = {alpha:g} of them; the first column of shares shows what comes of looking at a fixed-length "
        "p-value after every token."
    )


def false_alarms_section(schemes: Sequence[SchemeResult]) -> list[Block]:
    """How often unmarked text was called marked."""
    rows = [
        [
            s.name,
            s.false_alarms["fixed"].total,
            *(share_cell(s.false_alarms[r]) if r in s.false_alarms else None for r in _ALARM_WORDS),
        ]
        for s in schemes
        if s.false_alarms
    ]
    caption = "With 95 % Clopper-Pearson intervals. Only the last two rules may look at any time."
    columns = [Column("scheme"), Column("trials", "integer")]
    columns += [Column(words, "percent", 1) for words in _ALARM_WORDS.values()]
    return [Table(columns, rows, caption=caption)]


def entropy_section(benched: Benched) -> list[Block]:
    """Tokens needed against entropy, text by text; nothing when no text was found."""
    entropy = {(t["mark"], t["id"], t["index"]): t["entropy_nats"] for t in benched.texts}
    spots: list[Spot] = []
    num_missing = 0
    for s in benched.results.schemes:
        for row in benched.detections:
            if row["scheme"] != s.name or row["attack"] != NO_ATTACK:
                continue
            if row[s.anytime] is None:
                num_missing += 1
            else:
                text = f"{row['id']} #{row['index'] + 1}"
                spots.append(Spot(entropy[s.mark, row["id"], row["index"]], row[s.anytime], text, s.name))
    if not spots:
        return []
    chart = Chart(
        scatter(spots, x_title="mean entropy of a step, nats", y_title="tokens until detection, any time"),
        "Tokens needed against entropy",
        "One point per text and scheme: mean entropy of its steps, and tokens until the anytime rule found it.",
        caption=f"Not found, and so without a point: {num_missing} of {num_missing + len(spots)} readings.",
    )
    return [chart]
