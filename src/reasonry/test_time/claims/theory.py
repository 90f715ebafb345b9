"""Measurements behind the claims about rates: slopes of exact sample sizes, and the tables they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reasonry.core.claims import Measurement
from reasonry.test_time.theory.hard_instances import separation_table, slopes


def rate(*, column: str, gaps: Sequence[float], delta: float, seed: int = 0) -> Measurement:
    """Log-log slope of one column of the separation table against 1 / gap. Exact: nothing is sampled."""
    rows = separation_table(gaps, [delta])
    slope = float(getattr(slopes(rows), column))
    counts = ", ".join(str(getattr(row, column)) for row in rows)
    return Measurement(slope, slope, slope, len(rows), seed, f"exact; samples needed: {counts}")


def mismatches(
    *, gaps: Sequence[float], tables: Mapping[str, Mapping[str, Sequence[int]]], seed: int = 0
) -> Measurement:
    """Entries of the separation table that differ from ``tables[column][delta]``, one number for each gap."""
    num_wrong, num = 0, 0
    for column, expected in tables.items():
        for delta, numbers in expected.items():
            found = [getattr(row, column) for row in separation_table(gaps, [float(delta)])]
            num += len(numbers)
            num_wrong += sum(a != b for a, b in zip(found, numbers, strict=True))
    return Measurement(num_wrong, num_wrong, num_wrong, num, seed, f"{num} entries compared")
