"""Observations as rows of a file, and back.

Numbers keep eight digits, which is more than float32 has. What was not read is null, and so is what an edge lacks.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from reasonry.core.rows import Row
from reasonry.tasks.graphs.graph import Graph, present
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.scores import Floats

KEY = ("number",)


def to_row(seen: Observation) -> Row:
    """The row of an observation."""
    graph = seen.graph
    return {
        "number": seen.number,
        "graph": {**graph._asdict(), "edges": [list(edge) for edge in graph.edges]},
        "dots": _short(seen.dots_CN),
        "thought_norm": _short(seen.thought_norm_C),
        "embedding_norm": _short(np.array(seen.embedding_norm)),
        "attention": _short(seen.attention_CE),
        "logits": _short(seen.logits_CE),
        "copy": _short(seen.copy_E),
    }


def from_row(row: Row) -> Observation:
    """The observation of a row that `is_row` accepts."""
    return Observation(
        number=row["number"],
        graph=_graph(row),
        dots_CN=_array(row["dots"]),
        thought_norm_C=_array(row["thought_norm"]),
        embedding_norm=float(row["embedding_norm"]),
        attention_CE=None if row["attention"] is None else _array(row["attention"]),
        logits_CE=None if row["logits"] is None else _array(row["logits"]),
        copy_E=None if row["copy"] is None else _array(row["copy"]),
    )


def is_row(row: Row) -> bool:
    """Whether a row is one of these, with numbers of the shapes that its graph asks for."""
    try:
        seen = from_row(row)
        C, N, E = len(seen.thought_norm_C), len(present(seen.graph)), len(seen.graph.edges)
        by_edge = all(part is None or part.shape == (C, E) for part in (seen.attention_CE, seen.logits_CE))
        return seen.dots_CN.shape == (C, N) and by_edge and (seen.copy_E is None or seen.copy_E.shape == (E,))
    except (KeyError, TypeError, ValueError, IndexError):
        return False


def _graph(row: Row) -> Graph:
    told = row["graph"]
    edges = tuple((int(source), int(target)) for source, target in told["edges"])
    return Graph(told["num_nodes"], edges, told["root"], told["target"], told["distractor"])


def _array(values: Any) -> Floats:
    return np.array(values, dtype=np.float64)  # null is NaN


def _short(values: Floats | None) -> Any:
    """Nested lists of short numbers."""

    def go(value: Any) -> Any:
        if isinstance(value, list):
            return [go(each) for each in cast("list[Any]", value)]
        return float(f"{value:.8g}") if math.isfinite(value) else None

    return None if values is None else go(values.tolist())
