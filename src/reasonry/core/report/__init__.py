"""One self-contained HTML file and one JSON file per run.

Example:
    >>> report = Report("Votes", sections=[Section("Result", [Prose("Sixteen samples, one answer.")])])
    >>> paths = write_report(Path("runs/x"), report)  # doctest: +SKIP
"""

from reasonry.core.report.bars import bar_chart, histogram, interval_chart
from reasonry.core.report.channels import Measure, Reference, Series, Spot
from reasonry.core.report.charts import curve_chart, heatmap, scatter
from reasonry.core.report.encode import SCHEMA
from reasonry.core.report.html import render_html
from reasonry.core.report.model import (
    Block,
    Chart,
    ClaimRow,
    Claims,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    Passage,
    Passages,
    ProblemRow,
    Prose,
    Report,
    SampleRow,
    Samples,
    Section,
    Table,
    TokenMark,
)
from reasonry.core.report.store import ReportPaths, read_report, write_report

__all__ = [
    "SCHEMA",
    "Block",
    "Chart",
    "ClaimRow",
    "Claims",
    "Code",
    "Column",
    "Estimate",
    "Fact",
    "Measure",
    "Note",
    "Passage",
    "Passages",
    "ProblemRow",
    "Prose",
    "Reference",
    "Report",
    "ReportPaths",
    "SampleRow",
    "Samples",
    "Section",
    "Series",
    "Spot",
    "Table",
    "TokenMark",
    "bar_chart",
    "curve_chart",
    "heatmap",
    "histogram",
    "interval_chart",
    "read_report",
    "render_html",
    "scatter",
    "write_report",
]
