"""A matrix of the lab as a heat map whose blocks can be seen: facts and implications, bridge subjects and the others.

Rows are answers, columns subjects in the order of their groups, and relations where the matrix has them. Empty rows and
columns part the blocks. Of many groups or subjects the first ones are shown.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.core.report.channels import Spec
from reasonry.core.report.charts import heatmap
from reasonry.core.report.style import LIGHT
from reasonry.understanding.out_of_context.theory.table import Floats, Table

MAX_GROUPS, MAX_SUBJECTS = 8, 4
_CELL_PX, _GAPS = 15, (" ", "  ", "   ")


class Layout(NamedTuple):
    """What is shown of a matrix.

    Attributes:
        rows: Answers, with their labels.
        columns: Columns of the matrix, likewise; None is a gap.
        is_cut: Whether something is left out.
    """

    rows: list[tuple[str, int | None]]
    columns: list[tuple[str, int | None]]
    is_cut: bool


def layout(table: Table, num_columns: int) -> Layout:
    """Rows and columns to show of a matrix with the subjects of a table, and perhaps two relations, as columns."""
    groups = range(min(table.num_groups, MAX_GROUPS))
    rows: list[tuple[str, int | None]] = [(f"b{g + 1}", g) for g in groups]
    rows += [(_GAPS[0], None), *((f"c{g + 1}", table.num_groups + g) for g in groups)]
    columns: list[tuple[str, int | None]] = []
    is_cut = table.num_groups > MAX_GROUPS
    for is_bridge, word in ((True, "bridge"), (False, "test")):
        if columns:
            columns.append((_GAPS[0], None))
        for g in groups:
            mine = np.flatnonzero((table.group_S == g) & (table.is_bridge_S == is_bridge)).tolist()
            is_cut |= len(mine) > MAX_SUBJECTS
            columns += [(f"{word} {g + 1}.{i + 1}", int(s)) for i, s in enumerate(mine[:MAX_SUBJECTS])]
    if num_columns > table.num_subjects:
        columns += [(_GAPS[1], None), ("r1", table.num_subjects), ("r2", table.num_subjects + 1)]
    return Layout(rows, columns, is_cut)


def matrix_chart(matrix_AC: Floats, table: Table, *, value_title: str, limit: float | None = None) -> Spec:
    """The heat map; colours are centred at 0.

    Args:
        matrix_AC: Answers by subjects, or by subjects and relations.
        table: Whose answers and subjects.
        value_title: What an entry is.
        limit: Where the colours end; the largest entry when not given.
    """
    rows, columns, _ = layout(table, matrix_AC.shape[1])
    values = [
        [None if a is None or c is None else round(float(matrix_AC[a, c]), 4) for _, c in columns] for _, a in rows
    ]
    bound = limit or max((abs(v) for line in values for v in line if v is not None), default=1.0) or 1.0
    row_labels, column_labels = [label for label, _ in rows], [label for label, _ in columns]
    spec = heatmap(
        values,
        row_labels=row_labels,
        column_labels=column_labels,
        row_title="answer",
        column_title="subject",
        value_title=value_title,
        domain=(-bound, bound),
    )
    spec["height"] = _CELL_PX * len(rows)
    cells: Spec = spec["layer"][0]
    cells["mark"]["strokeWidth"] = 0.5
    # Gaps have no cells, so the axes would not know of them: their labels are the domain.
    cells["encoding"]["x"] |= {"scale": {"domain": column_labels}}
    cells["encoding"]["x"]["axis"] |= {"labelAngle": -90, "labelFontSize": 9}
    cells["encoding"]["y"] |= {"scale": {"domain": row_labels}}
    low, middle, high = LIGHT.series[1], LIGHT.ground, LIGHT.series[0]
    cells["encoding"]["color"]["scale"] = {
        "domain": [-bound, 0, bound],
        "range": [low, middle, high],
        "interpolate": "rgb",
    }
    spec["layer"] = [cells]
    spec["data"]["values"] = [row for row in spec["data"]["values"] if row["value"] is not None]
    return spec
