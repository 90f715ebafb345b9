"""Published symbolic graph questions (github.com/Ber666/reasoning-by-superposition), read and written.

A file is a JSON list (or JSONL) of records:

    question, steps, answer   in words (optional)
    idx_to_symbol             name of each vertex; its length is the number of vertices
    edges                     [[source, target], ..]
    root, target, neg_target  vertices
    neighbor_k                {"0": [root], "1": [..], ..}: at distance k on some shortest path to the target (optional)
    bfs_neighbor_k            {"0": [root], "1": [..], ..}: all at distance k (optional)

The two neighbour tables follow from the edges; a record in which they do not is refused.
"""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

from reasonry.core.atomic import write_text
from reasonry.errors import DataError, nearest
from reasonry.tasks.graphs.graph import Graph, check, distances, frontier, optimal, path_len
from reasonry.tasks.graphs.json_rows import JsonRow, read_rows
from reasonry.tasks.reasoning_text import ReasoningText

T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """What a file held.

    Attributes:
        items: The rows that can be used, in the order of the file.
        num_rows: All rows.
        skipped: The error of each row that was left out.
    """

    items: tuple[T, ...]
    num_rows: int
    skipped: tuple[DataError, ...]


class SymbolicRow(NamedTuple):
    """One record.

    Attributes:
        graph: The question.
        symbols: Name of each vertex.
        text: The question in words, with the graph; None where the record has no words.
    """

    graph: Graph
    symbols: tuple[str, ...]
    text: ReasoningText | None


# ---------------------------------------------------------------- columns


def column(row: Mapping[str, Any], name: str, *, place: str) -> Any:
    """The value of a column.

    Raises:
        DataError: There is none of that name.
    """
    if name not in row:
        hint = nearest(name, row) or f"The row has: {', '.join(row) or 'nothing'}."
        raise DataError(f"missing column {name!r}", place=place, remedy=hint)
    return row[name]


def text_column(row: Mapping[str, Any], name: str, *, place: str) -> str:
    """A text that is not empty.

    Raises:
        DataError: It is missing, no text, or empty.
    """
    value = column(row, name, place=place)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"column {name!r} holds {value!r:.80}", place=place, remedy="Write a text that is not empty.")
    return value


def texts_column(row: Mapping[str, Any], name: str, *, place: str) -> tuple[str, ...]:
    """A list of texts that are not empty; the list may be.

    Raises:
        DataError: It is missing, no list, or something in it is no text or empty.
    """
    value = column(row, name, place=place)
    if not isinstance(value, list):
        raise DataError(f"column {name!r} holds {value!r:.80}", place=place, remedy="Write a list of texts there.")
    texts: list[str] = []
    for number, item in enumerate(cast("list[Any]", value)):
        if not isinstance(item, str) or not item.strip():
            problem = f"column {name!r} holds item {number} {item!r:.80}"
            raise DataError(problem, place=place, remedy="Write texts that are not empty.")
        texts.append(item)
    return tuple(texts)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _node(row: Mapping[str, Any], name: str, place: str) -> int:
    value = column(row, name, place=place)
    if not _is_int(value):
        raise DataError(f"column {name!r} holds {value!r:.80}", place=place, remedy="Write the number of a vertex.")
    return value


def _edges(row: Mapping[str, Any], place: str) -> tuple[tuple[int, int], ...]:
    value = column(row, "edges", place=place)
    remedy = "Write [[source, target], ..] with numbers of vertices."
    if not isinstance(value, list):
        raise DataError(f"column 'edges' holds {value!r:.80}", place=place, remedy=remedy)
    edges: list[tuple[int, int]] = []
    for number, pair in enumerate(cast("list[Any]", value)):
        ends = cast("list[Any]", pair) if isinstance(pair, list) else []
        if len(ends) != 2 or not all(map(_is_int, ends)):
            raise DataError(f"edge {number} is {pair!r:.80}", place=place, remedy=remedy)
        edges.append((ends[0], ends[1]))
    return tuple(edges)


def _check_neighbours(
    row: Mapping[str, Any], name: str, expected: Callable[[int], tuple[int, ...]], place: str
) -> None:
    """Refuse a table of neighbours that the edges contradict; steps that it leaves out are not missed."""
    table = row.get(name)
    if table is None:
        return
    if not isinstance(table, Mapping):
        raise DataError(f"column {name!r} holds {table!r:.80}", place=place, remedy='Write {"0": [root], "1": [..]}.')
    for step, nodes in cast("Mapping[str, Any]", table).items():
        if not step.isdecimal() or not isinstance(nodes, list) or not all(map(_is_int, cast("list[Any]", nodes))):
            raise DataError(f"{name}[{step!r}] holds {nodes!r:.80}", place=place, remedy="Write a list of vertices.")
        right = list(expected(int(step)))
        if sorted(cast("list[int]", nodes)) != right:
            remedy = f"By the edges it is {right}."
            raise DataError(f"{name}[{step!r}] is {nodes!r:.80}", place=place, remedy=remedy)


# ---------------------------------------------------------------- reading


def parse_symbolic(row: Mapping[str, Any], *, place: str, max_nodes: int | None = None) -> SymbolicRow:
    """One record.

    Raises:
        DataError: A column is missing or of the wrong kind, the graph is not a question with one right answer
            (`graph.check`), or a table of neighbours contradicts the edges.
    """
    edges = _edges(row, place)
    root, target, distractor = (_node(row, name, place) for name in ("root", "target", "neg_target"))
    if "idx_to_symbol" in row:
        symbols = texts_column(row, "idx_to_symbol", place=place)
    else:
        symbols = tuple(map(str, range(1 + max([root, target, distractor, *(v for edge in edges for v in edge)]))))
    graph = Graph(len(symbols), edges, root, target, distractor)
    check(graph, max_nodes=max_nodes, place=place)
    _check_neighbours(row, "neighbor_k", lambda k: optimal(graph, k), place)
    _check_neighbours(row, "bfs_neighbor_k", lambda k: frontier(graph, k), place)
    text = None
    if "question" in row:
        text = ReasoningText(
            text_column(row, "question", place=place),
            texts_column(row, "steps", place=place) if "steps" in row else (),
            text_column(row, "answer", place=place),
            graph,
        )
    return SymbolicRow(graph, symbols, text)


def read_each(
    rows: Iterable[JsonRow], parse: Callable[[JsonRow], T], *, place: str, skip_bad: bool, limit: int | None
) -> Reading[T]:
    """Parse rows, and keep the errors of bad ones where that is asked for.

    Args:
        rows: With their places.
        parse: Raises DataError for a bad row.
        place: The file, for errors.
        skip_bad: Leave bad rows out and keep their errors; else the first one is raised.
        limit: Stop after so many usable rows.

    Raises:
        DataError: A bad row, unless they are skipped; or no row that can be used.
    """
    items: list[T] = []
    skipped: list[DataError] = []
    num_rows = 0
    for row in rows:
        if limit is not None and len(items) >= limit:
            break
        num_rows += 1
        try:
            items.append(parse(row))
        except DataError as e:
            if not skip_bad:
                raise
            skipped.append(e)
    if not items:
        first = f" The first: {skipped[0]}" if skipped else ""
        raise DataError(f"none of {num_rows} rows can be used", place=place, remedy=f"Mend the rows.{first}")
    return Reading(tuple(items), num_rows, tuple(skipped))


def read_symbolic(
    path: str | Path, *, skip_bad: bool = False, limit: int | None = None, max_nodes: int | None = None
) -> Reading[SymbolicRow]:
    """Records of a file.

    Args:
        path: JSON list or JSONL.
        skip_bad: Leave bad records out and keep their errors in ``skipped``; else the first one is raised.
        limit: Stop after so many usable records.
        max_nodes: Most vertices that a graph may have.

    Raises:
        DataError: The file or (unless skipped) a record cannot be used, with ``file:line``.
    """
    return read_each(
        read_rows(path),
        lambda row: parse_symbolic(row.row, place=row.place, max_nodes=max_nodes),
        place=str(path),
        skip_bad=skip_bad,
        limit=limit,
    )


# ---------------------------------------------------------------- writing


def to_record(graph: Graph, *, symbols: Sequence[str] = (), text: ReasoningText | None = None) -> dict[str, Any]:
    """The record of a question, with both tables of neighbours; `parse_symbolic` gives it back."""
    last = max(d for d in distances(graph) if d is not None)
    record: dict[str, Any] = {
        "idx_to_symbol": list(symbols) or [str(v) for v in range(graph.num_nodes)],
        "edges": [list(edge) for edge in graph.edges],
        "root": graph.root,
        "target": graph.target,
        "neg_target": graph.distractor,
        "neighbor_k": {str(k): list(optimal(graph, k)) for k in range(path_len(graph) + 1)},
        "bfs_neighbor_k": {str(k): list(frontier(graph, k)) for k in range(last + 1)},
    }
    words = {} if text is None else {"question": text.question, "steps": list(text.steps), "answer": text.answer}
    return {**words, **record}


def write_symbolic(path: str | Path, rows: Iterable[SymbolicRow]) -> None:
    """Write records as a JSON list with one record a line, all or nothing.

    Raises:
        ResourceError: The file cannot be written; an older file is then as it was.
    """
    lines = [
        json.dumps(to_record(row.graph, symbols=row.symbols, text=row.text), ensure_ascii=False, allow_nan=False)
        for row in rows
    ]
    write_text(Path(path), "[\n" + ",\n".join(lines) + "\n]\n")
