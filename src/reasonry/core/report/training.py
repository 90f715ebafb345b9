"""What a training is told by: curves of what it logged, how it began and how it ended; from the rows of its log alone.

A row has ``step`` and numbers by name. None, or no such name, is a step at which it was not measured. What is noisy is
shown as a running mean,

    m_i = mean of the last `WINDOW` values up to i, of fewer at the beginning,

with the values themselves pale behind it.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from reasonry.core.report.channels import Reference, Series, Spec
from reasonry.core.report.charts import curve_chart
from reasonry.core.report.model import Fact

Rows = Sequence[Mapping[str, Any]]

WINDOW = 10
"""Values of a running mean."""
_FEW = 2 * WINDOW
_MEAN = f"mean of {WINDOW}"


class Figure(NamedTuple):
    """A logged number that is worth a fact.

    Attributes:
        name: In the rows.
        label: In the fact.
        format: How it is shown.
        digits: Decimals.
    """

    name: str
    label: str
    format: Literal["percent", "decimal"]
    digits: int


def values_of(rows: Rows, name: str) -> list[float]:
    """The measured ones."""
    return [float(row[name]) for row in rows if row.get(name) is not None]


def mean_of(rows: Rows, name: str) -> float | None:
    """Mean of the measured values; None where there are none."""
    values = values_of(rows, name)
    return sum(values) / len(values) if values else None


def running_mean(values: Sequence[float]) -> list[float]:
    """m_i, as many as there are values."""
    return [sum(part := values[max(0, i + 1 - WINDOW) : i + 1]) / len(part) for i in range(len(values))]


def step_chart(
    rows: Rows,
    names: Mapping[str, str],
    *,
    y_title: str,
    x_title: str = "step",
    y_format: str = "",
    y_domain: tuple[float, float] | None = None,
    is_noisy: bool = True,
    references: Sequence[Reference] = (),
) -> Spec | None:
    """Logged numbers over steps; None where nothing was measured.

    More than a few values are shown as their running mean: a single number with the values behind it, several numbers
    by the means alone, and the axis or the legend says so.

    Args:
        rows: Of the log, in order.
        names: Which numbers, and what they are called in the legend.
        y_title: What they are, with the unit.
        x_title: What a step is called.
        y_format: d3 format.
        y_domain: Ends of the axis.
        is_noisy: False shows the values as they are.
        references: Lines to compare with.
    """
    measured = {name: values_of(rows, name) for name in names}
    measured = {name: y for name, y in measured.items() if y}
    if not measured:
        return None
    smoothed = {name for name, y in measured.items() if is_noisy and len(y) > _FEW}
    are_all = smoothed == set(measured)
    series: list[Series] = []
    for name, y in measured.items():
        x = [row["step"] for row in rows if row.get(name) is not None]
        if name not in smoothed:
            series.append(Series(names[name], x, y))
        elif len(names) > 1:
            series.append(Series(names[name] if are_all else f"{names[name]}, {_MEAN}", x, running_mean(y)))
        else:
            series += [Series(_MEAN, x, running_mean(y)), Series(names[name], x, y, faint=True)]
    return curve_chart(
        series,
        x_title=x_title,
        y_title=f"{y_title}, {_MEAN}" if are_all and len(names) > 1 else y_title,
        y_format=y_format,
        y_domain=y_domain,
        references=references,
    )


def num_at_ends(rows: Rows) -> int:
    """Rows that stand for the beginning of a training, and for its end."""
    return max(1, min(WINDOW, len(rows) // 4))


def change_facts(rows: Rows, figures: Sequence[Figure], *, unit: str = "steps") -> list[Fact]:
    """Each figure at the end of a training and at its beginning; those that were not measured are left out.

    Args:
        rows: Of the log, in order.
        figures: Which.
        unit: What a step is called, plural.
    """
    size = num_at_ends(rows)
    facts: list[Fact] = []
    for name, label, form, digits in figures:
        last, first = mean_of(rows[-size:], name), mean_of(rows[:size], name)
        if last is not None and first is not None:
            before = f"{first:.{digits}%}" if form == "percent" else f"{first:.{digits}f}"
            note = f"last {size} {unit}; first {size}: {before}" if size > 1 else f"first: {before}"
            facts.append(Fact(label, last, note, form, digits))
    return facts


def stretches(rows: Rows, num: int = 5) -> list[Rows]:
    """The rows in parts one after the other, at most ``num``, all but the last of the same length."""
    size = max(1, -(-len(rows) // num))
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def steps_of(part: Rows) -> str:
    """``1-12``: the first and the last step of some rows."""
    return f"{part[0]['step']}-{part[-1]['step']}"


def mean_text(part: Rows, name: str, form: str) -> str:
    """The mean of some rows in a format such as ``{:.0%}``; a dash where nothing was measured."""
    value = mean_of(part, name)
    return "-" if value is None else form.format(value)
