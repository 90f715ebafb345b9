"""Rows of the probes' report: verdicts on thoughts, and tables by group."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report import ClaimRow, Column, Estimate, Table
from reasonry.core.report.model import Cell, Status
from reasonry.training.continuous_cot.probe.groups import GROUPS, NAMES
from reasonry.training.continuous_cot.probe.records import EXACT_TOLERANCE, Making, Ordering, Thought
from reasonry.training.continuous_cot.probe.resampling import Value
from reasonry.training.continuous_cot.probe.tables import ORDER


def exact_row(thought: Thought) -> ClaimRow:
    """Whether a thought is the uniform superposition of what is reached."""
    return ClaimRow(
        f"thought {thought.thought}",
        "1 / sqrt(|V_c|) on every vertex reached in c steps, 0 on all others",
        "pass" if thought.is_exact else "fail",
        Estimate(thought.error),
        f"error at most {EXACT_TOLERANCE:g}",
        source="arXiv 2505.12514, Lemma 2",
        format="decimal",
        digits=6,
    )


def order_row(what: str, thought: int, order: Ordering) -> ClaimRow:
    """Whether groups are in order; the smallest of the gaps stands for all."""
    if order.holds is None:
        empty = "A group has no members."
        return ClaimRow(f"thought {thought}", f"{ORDER} ({what})", "unverified", note=empty)
    compared = [gap for gap in order.gaps if not gap.is_same]
    least = min(compared, key=lambda gap: gap.size.value or 0.0)
    status: Status = "pass" if order.holds else "fail"
    note = "" if order.is_clear or not order.holds else "An interval holds 0."
    return ClaimRow(
        f"thought {thought}",
        f"{ORDER} ({what}); smallest step {NAMES[least.upper]} over {NAMES[least.lower]}",
        status,
        estimate(least.size),
        "> 0",
        source="arXiv 2505.12514, section 5",
        note=note,
        format="signed",
        digits=3,
    )


def group_table(rows: Sequence[Thought | Making], title: str) -> Table:
    """Means and standard deviations by group, a row for each thought."""
    columns = [Column("thought", "integer"), Column("graphs", "integer")]
    for group in GROUPS:
        columns += [Column(NAMES[group], "decimal", 2), Column("±", "decimal", 2)]
    table: list[Sequence[Cell]] = []
    for row in rows:
        cells: list[Cell] = [row.thought, row.num_graphs]
        for group in GROUPS:
            cells += [estimate(row.groups[group].mean), row.groups[group].std]
        table.append(cells)
    return Table(columns, table, title, "Mean with its interval, and the standard deviation of single values.")


def gap_table(making: Sequence[Making]) -> Table:
    """Logit gaps, a row for each thought."""
    columns = [Column("thought", "integer"), Column("logit gap", "decimal", 2)]
    rows: list[Sequence[Cell]] = [[m.thought, estimate(m.logit_gap)] for m in making]
    return Table(columns, rows, "Before the softmax", "Frontier edges less all others, summed over heads.", span="half")


def estimate(value: Value) -> Estimate:
    """A figure for a table; without its interval where that has no width."""
    if value.low == value.high:
        return Estimate(value.value)
    return Estimate(value.value, value.low, value.high)
