"""The report of ``reasonry watermark bench``, and what the terminal shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reasonry.core.report import Block, Code, Column, Fact, Note, Report, Section, Table
from reasonry.watermark.bench.records import SchemeResult
from reasonry.watermark.bench.report.attacks import SURVIVAL_LEAD, quality_section, survival_section
from reasonry.watermark.bench.report.cells import NOT_FOUND, RULE_WORDS, by_mark, mean_cell, share_cell, size_cell
from reasonry.watermark.bench.report.detection import (
    ENTROPY_LEAD,
    SIZES_LEAD,
    entropy_section,
    false_alarms_lead,
    false_alarms_section,
    sizes_section,
)
from reasonry.watermark.bench.run import Benched
from reasonry.watermark.bench.schemes import UNMARKED
from reasonry.watermark.bench.size import SizeSummary

_FEW = 6  # with fewer texts the median has no 95 % interval


def title_of(benched: Benched) -> str:
    """One line over the table."""
    c = benched.config
    return f"{c.model}, {c.num_texts} texts per scheme, alpha {c.alpha:g}; median tokens until detection"


def table_of(benched: Benched) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal: sizes under MarkMyWords' rule and under one that may look at any time."""
    columns = [
        "scheme",
        "MarkMyWords size",
        "found",
        "anytime size",
        "found",
        "false alarms",
        "bits/byte",
        "resistance",
    ]
    rows: list[list[str]] = []
    for s in benched.results.schemes:
        fixed, anytime = s.plain.sizes["fixed"], s.plain.sizes[s.anytime]
        alarms = s.false_alarms[s.anytime] if s.false_alarms else None
        rows.append(
            [
                s.name,
                _tok(fixed),
                f"{fixed.share_detected:.0%}",
                f"{_tok(anytime)}{'' if s.anytime == 'e' else ' (Bonferroni)'}",
                f"{anytime.share_detected:.0%}",
                f"{alarms.num}/{alarms.total}" if alarms else "",
                f"{s.plain.bits_per_byte.value:.3f}" if s.plain.bits_per_byte else "",
                f"{s.resistance['anytime'].value:.3f}" if s.resistance else "",
            ]
        )
    if bits := benched.results.unmarked_bits:
        rows.append([UNMARKED, *[""] * 5, f"{bits.value:.3f}", ""])
    return columns, rows


def _tok(size: SizeSummary) -> str:
    if not math.isfinite(size.median_tok):
        return NOT_FOUND
    interval = f" [{size.low_tok:g}, {size.high_tok:g}]" if math.isfinite(size.high_tok) else ""
    return f"{size.median_tok:g}{interval}"


def remarks(benched: Benched) -> list[str]:
    """What a reader should know, and what was left out."""
    config, results = benched.config, benched.results
    lines: list[str] = []
    if config.num_texts < _FEW:
        lines.append(f"{config.num_texts} texts are too few for a 95 % interval of a median; it takes {_FEW}")
    lines += [
        f"{s.name}: nothing to score in {s.num_unscored} of {config.num_texts} texts; they count as not found"
        for s in results.schemes
        if s.num_unscored
    ]
    lines += [f"{count} texts have no quality: {reason}" for reason, count in results.unscored.items()]
    if UNMARKED not in config.schemes:
        lines.append(
            "without the scheme none there are no false alarms, and quality is relative to a scheme's own text"
        )
    lost = [f"{s.name} {1 - s.survived:.1%}" for s in by_mark(results.schemes) if s.survived < 1]
    if lost:
        lines.append(f"tokens that do not come back when the text is tokenised again: {', '.join(lost)}")
    return lines


def build_report(benched: Benched, *, command: str) -> Report:
    """The report."""
    config, results = benched.config, benched.results
    sections = [Section("Tokens until detection", sizes_section(benched), SIZES_LEAD)]
    if len(results.schemes[0].attacks) > 1:
        sections.append(Section("What survives", survival_section(results.schemes), SURVIVAL_LEAD))
    if any(s.plain.bits_per_byte for s in results.schemes):
        sections.append(Section("Quality", quality_section(benched)))
    if any(s.false_alarms for s in results.schemes):
        alarms = false_alarms_section(results.schemes)
        sections.append(Section("False alarms", alarms, false_alarms_lead(config.alpha)))
    if entropy := entropy_section(benched):
        sections.append(Section("Power against entropy", entropy, ENTROPY_LEAD))
    notes: list[Block] = [Note(f"{line[0].upper()}{line[1:]}.") for line in remarks(benched)]
    sections.append(Section("Run", [_skipped(results.schemes), *notes, Code(command, "Repeat")]))
    return Report(
        f"Watermarks on {config.model}",
        f"{config.num_texts} texts per scheme of at most {config.sampling.max_new_tokens} tokens, temperature "
        f"{config.sampling.temperature:g}, alpha {config.alpha:g}, seed {config.seed}",
        _facts(benched),
        sections,
    )


def _facts(benched: Benched) -> list[Fact]:
    schemes = benched.results.schemes
    best = min(schemes, key=lambda s: s.plain.sizes[s.anytime].median_tok)
    size = size_cell(best.plain.sizes[best.anytime])
    facts = [Fact("Fewest tokens", size, f"{best.name}, at any time ({RULE_WORDS[best.anytime]})", "integer")]
    alarms = [(s, s.false_alarms) for s in schemes if s.false_alarms]
    if alarms:
        worst, found = max(alarms, key=lambda pair: pair[1][pair[0].anytime].value)
        note = f"at any time, the most of all schemes: {worst.name}"
        facts.append(Fact("False alarms", share_cell(found[worst.anytime]), note, "percent"))
        worst, found = max(alarms, key=lambda pair: pair[1]["peek"].value)
        note = f"a fixed-length p after every token: {worst.name}"
        facts.append(Fact("If one peeks", share_cell(found["peek"]), note, "percent"))
    tough = [(s, s.resistance["anytime"].value) for s in schemes if s.resistance]
    if tough:
        scheme, value = max(tough, key=lambda pair: pair[1])
        facts.append(Fact("Resistance", value, f"the largest, of at most 0.5: {scheme.name}", "decimal", 2))
    if bits := benched.results.unmarked_bits:
        facts.append(Fact("Unmarked text", mean_cell(bits), "bits per byte", "decimal", 2))
    return facts


def _skipped(schemes: Sequence[SchemeResult]) -> Table:
    columns = [
        Column("scheme"),
        Column("tokens per text", "decimal", 0),
        Column("entropy, nats", "decimal", 2),
        Column("tokens that come back", "percent", 1),
        Column("tokens read", "integer"),
        Column("too early in the text", "integer"),
        Column("repeated", "integer"),
        Column("texts with none scored", "integer"),
    ]
    rows = [
        [
            s.name,
            s.mean_tok,
            s.entropy_nats,
            s.survived,
            s.num_tok,
            s.num_short_context,
            s.num_duplicate,
            s.num_unscored,
        ]
        for s in schemes
    ]
    caption = (
        "Entropy of a step before marking. Tokens that come back: of those drawn, when the text is tokenised again. "
        "Read are the texts without an attack; not scored are tokens too early in the text and repeated contexts."
    )
    return Table(columns, rows, title="What was read and what was skipped", caption=caption)
