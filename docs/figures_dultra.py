"""The figure of the page on dUltra, from a run that is kept; drawn by `docs/figures.py`.

reasonry train dultra @recipes/dultra/whole.toml --run whole
cp whole/frontier/results.csv docs/figures/dultra_frontier.csv
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from reasonry.core.report import Chart
from reasonry.training.dultra.report import TradeOff, trade_off_chart

RESULTS = Path(__file__).parent / "figures" / "dultra_frontier.csv"
FAMILIES = ("planner:threshold", "planner:sample", "entropy_bound", "threshold", "low_confidence", "random")
TARGET = 0.95


def frontier() -> Chart:
    """Accuracy against forward passes, of a planner and of rules that stand for the others."""
    with open(RESULTS, encoding="utf-8", newline="") as f:
        rows = [row for row in csv.DictReader(f) if row["family"] in FAMILIES]
    columns = ("nfe", "nfe_low", "nfe_high", "accuracy", "accuracy_low", "accuracy_high")
    points = [
        TradeOff(row["label"], row["family"], *(float(row[c]) for c in columns), row["is_dominated"] == "True")
        for row in sorted(rows, key=lambda row: FAMILIES.index(row["family"]))
    ]
    spec = trade_off_chart(points, cost_title="forward passes", target=TARGET)
    return Chart(spec, "Frontier", "Accuracy against forward passes of a planner and of four rules.")


def figures() -> Iterator[tuple[str, Chart]]:
    """Name and chart of every figure."""
    yield "dultra_frontier", frontier()
