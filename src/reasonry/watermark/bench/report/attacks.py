"""Sections on attacks and quality: what survives, resistance to tampering, how well the text is predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from reasonry.core.report import Block, Chart, Column, Note, Spot, Table, heatmap, scatter
from reasonry.watermark.bench.records import SchemeResult
from reasonry.watermark.bench.report.cells import (
    NO_ATTACK_WORDS,
    RULE_WORDS,
    by_mark,
    mean_cell,
    share_cell,
    size_cell,
)
from reasonry.watermark.bench.run import Benched
from reasonry.watermark.bench.schemes import UNMARKED

SURVIVAL_LEAD = (
    "The same texts after each attack, tokenised again. Nothing here uses a language model; paraphrases by one are "
    "stronger."
)


def survival_section(schemes: Sequence[SchemeResult]) -> list[Block]:
    """What is still found after each attack."""
    no_e = [s.name for s in schemes if s.anytime != "e"]
    charts = [
        _heatmap(
            schemes,
            "Found by the rule that may look at any time",
            f"The e-process; Bonferroni for {', '.join(no_e)}." if no_e else "The e-process.",
            lambda s: s.anytime,
        ),
        _heatmap(
            schemes,
            "Found by the p-value at the end of the text",
            "One look at the whole text: the rule behind the size of MarkMyWords.",
            lambda s: "fixed",
        ),
    ]
    rows = [
        [
            s.name,
            a.name or NO_ATTACK_WORDS,
            a.changed,
            share_cell(a.shares["fixed"]),
            share_cell(a.shares[s.anytime]),
            size_cell(a.sizes["fixed"]),
            size_cell(a.sizes[s.anytime]),
            a.quality,
        ]
        for s in schemes
        for a in s.attacks
    ]
    columns = [
        Column("scheme"),
        Column("attack"),
        Column("words changed", "percent", 1),
        Column("found, at the end", "percent", 0),
        Column("found, any time", "percent", 0),
        Column("MarkMyWords size", "integer"),
        Column("anytime size", "integer"),
        Column("quality", "decimal", 2),
    ]
    caption = "Quality: perplexity per byte of unmarked text over that of the attacked text; 1 is as good."
    return [*charts, *_resistance(schemes), Table(columns, rows, title="Every attack", caption=caption)]


def _heatmap(
    schemes: Sequence[SchemeResult], title: str, caption: str, rule_of: Callable[[SchemeResult], str]
) -> Chart:
    spec = heatmap(
        [[a.shares[rule_of(s)].value for a in s.attacks] for s in schemes],
        row_labels=[s.name for s in schemes],
        column_labels=[a.name or NO_ATTACK_WORDS for a in schemes[0].attacks],
        row_title="",
        column_title="",
        value_title="texts found",
        value_format=".0%",
        domain=(0.0, 1.0),
    )
    return Chart(spec, title, f"Share of texts found, by scheme and attack. {title}.", caption=caption)


def _resistance(schemes: Sequence[SchemeResult]) -> list[Block]:
    rows = [
        [
            s.name,
            s.resistance["fixed"].value,
            s.resistance["anytime"].value,
            s.resistance["anytime"].worst or "none keeps the quality",
            s.resistance["anytime"].worst_share_detected,
        ]
        for s in schemes
        if s.resistance
    ]
    if not rows:
        return []
    columns = [
        Column("scheme"),
        Column("resistance, at the end", "decimal", 3),
        Column("resistance, any time", "decimal", 3),
        Column("worst attack, any time"),
        Column("still found", "percent", 0),
    ]
    caption = (
        "Tamper-resistance of MarkMyWords, 0 to 0.5: the share found without an attack, less the area that attacks "
        "reach in the plane of quality and share found. Quality here is 2 to the power of (bits per byte of unmarked "
        "text - bits per byte), a reconstruction: theirs is a grade by a language model. The worst attack is one that "
        "keeps 80 % of the quality."
    )
    return [Table(columns, rows, title="Resistance to tampering", caption=caption)]


def quality_section(benched: Benched) -> list[Block]:
    """How well the texts are predicted, and at what size."""
    results = benched.results
    spots = [
        Spot(size, s.plain.bits_per_byte.value, f"{s.name}, {RULE_WORDS[s.anytime]}", s.name)
        for s in results.schemes
        if s.plain.bits_per_byte and math.isfinite(size := s.plain.sizes[s.anytime].median_tok)
    ]
    blocks: list[Block] = []
    if spots:
        chart = Chart(
            scatter(spots, x_title="tokens until detection, any time", y_title="bits per byte"),
            "Quality against size",
            "One point per scheme: median tokens until detection, and bits per byte under the quality model.",
            caption="To the left: less text needed. Down: better predicted. A scheme that finds at most half of its "
            "texts has no point.",
        )
        blocks.append(chart)
    rows = [
        [s.name, mean_cell(s.plain.bits_per_byte), mean_cell(s.extra_bits), s.plain.quality]
        for s in by_mark(results.schemes)
    ]
    if results.unmarked_bits:
        rows.append([UNMARKED, mean_cell(results.unmarked_bits), None, 1.0])
    columns = [
        Column("scheme"),
        Column("bits per byte", "decimal", 3),
        Column("above unmarked text", "signed", 3),
        Column("quality", "decimal", 3),
    ]
    caption = (
        f"Bits per byte of the reply under {benched.config.quality_model}, given the prompt. Means over texts with "
        "95 % intervals by Student's t; differences are paired by prompt, and all share the luck of the same unmarked "
        "texts. Schemes that read the same texts share a line."
    )
    blocks.append(Table(columns, rows, title="How well the text is predicted", caption=caption))
    blocks.append(
        Note(
            "Perplexity is no grade: text that repeats itself is predicted well, too. Compare a scheme with the "
            "unmarked text of the same model, and not across models."
        )
    )
    return blocks
