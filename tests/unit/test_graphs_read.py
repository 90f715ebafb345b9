"""Reading and writing symbolic graph questions, and what happens when files are damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.errors import DataError
from reasonry.tasks.graphs.graph import Graph
from reasonry.tasks.graphs.json_rows import read_rows
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.read import SymbolicRow, parse_symbolic, read_symbolic, to_record, write_symbolic
from reasonry.tasks.graphs.text import name_nodes, tell

RECORD: dict[str, Any] = {
    "question": "Tom is a lorpus. Ada is a brimpus. Every lorpus is a wumpus. Is Tom a wumpus or brimpus?",
    "steps": ["Tom is a lorpus.", "Every lorpus is a wumpus."],
    "answer": "Tom is a wumpus.",
    "idx_to_symbol": ["Tom", "Ada", "lorpus", "brimpus", "wumpus"],
    "edges": [[0, 2], [1, 3], [2, 4]],
    "root": 0,
    "target": 4,
    "neg_target": 3,
    "neighbor_k": {"0": [0], "1": [2], "2": [4]},
    "bfs_neighbor_k": {"0": [0], "1": [2], "2": [4]},
}


def write(path: Path, *rows: Any) -> Path:
    """A JSON list with one item a line, from line 2 on."""
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "utf-8")
    return path


def test_a_record_is_a_graph_with_names_and_words(tmp_path: Path) -> None:
    reading = read_symbolic(write(tmp_path / "a.json", RECORD, RECORD))
    graph = Graph(5, ((0, 2), (1, 3), (2, 4)), root=0, target=4, distractor=3)
    assert reading.num_rows == 2
    assert reading.skipped == ()
    row = reading.items[0]
    assert (row.graph, row.symbols) == (graph, ("Tom", "Ada", "lorpus", "brimpus", "wumpus"))
    assert row.text == (RECORD["question"], tuple(RECORD["steps"]), RECORD["answer"], graph)


def test_jsonl_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(RECORD) + "\n" + json.dumps(RECORD) + "\n", "utf-8")
    assert read_symbolic(path).items == read_symbolic(write(tmp_path / "a.json", RECORD, RECORD)).items


def test_names_words_and_tables_may_be_missing() -> None:
    bare = {k: RECORD[k] for k in ("edges", "root", "target", "neg_target")}
    row = parse_symbolic(bare, place="x")
    assert row == SymbolicRow(Graph(5, ((0, 2), (1, 3), (2, 4)), 0, 4, 3), ("0", "1", "2", "3", "4"), None)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows: list[SymbolicRow] = []
    for graph in prosqa_graphs(GraphConfig(num_nodes=12, min_hops=2, max_hops=2), num=30, seed=0):
        symbols = name_nodes(graph, rng)
        rows.append(SymbolicRow(graph, symbols, tell(graph, symbols, rng)))
    write_symbolic(tmp_path / "a.json", rows)
    assert read_symbolic(tmp_path / "a.json").items == tuple(rows)
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))[0]["neighbor_k"]["0"] == [rows[0].graph.root]
    assert len(read_symbolic(tmp_path / "a.json", limit=7).items) == 7


def test_a_record_has_both_tables_of_neighbours() -> None:
    # 0 -> 1 -> 3 and 0 -> 2; target 3: vertex 2 is reached, but on no way to it. 4 -> 5 is the other side.
    graph = Graph(6, ((0, 1), (0, 2), (1, 3), (4, 5), (2, 4)), root=0, target=3, distractor=5)
    graph = graph._replace(edges=graph.edges[:-1])
    record = to_record(graph)
    assert record["neighbor_k"] == {"0": [0], "1": [1], "2": [3]}
    assert record["bfs_neighbor_k"] == {"0": [0], "1": [1, 2], "2": [3]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"edges": None}, r"column 'edges' holds None"),
        ({"edges": [[0, 2], [1]]}, r"edge 1 is \[1\]"),
        ({"edges": [[0, True]]}, r"edge 0 is \[0, True\]"),
        ({"edges": [[0, 2], [2, 9]]}, r"edge 2 -> 9. The graph has the vertices 0 to 4"),
        ({"edges": [[0, 2], [0, 2], [2, 4]]}, r"duplicate edge 0 -> 2"),
        ({"root": "0"}, r"column 'root' holds '0'"),
        ({"target": 3}, r"both candidates are 3"),
        ({"neg_target": 2}, r"a path of 1 edges from the root 0 to the distractor 2"),
        ({"idx_to_symbol": ["Tom", 1]}, r"'idx_to_symbol' holds item 1 1"),
        ({"idx_to_symbol": "Tom"}, r"'idx_to_symbol' holds 'Tom'"),
        ({"neighbor_k": {"1": [3]}}, r"neighbor_k\['1'\] is \[3\]. By the edges it is \[2\]"),
        ({"bfs_neighbor_k": {"1": [2, 3]}}, r"bfs_neighbor_k\['1'\] is \[2, 3\]. By the edges it is \[2\]"),
        ({"neighbor_k": {"one": [2]}}, r"neighbor_k\['one'\] holds \[2\]"),
        ({"neighbor_k": [[0]]}, r"column 'neighbor_k' holds \[\[0\]\]"),
        ({"question": ""}, r"column 'question' holds ''"),
        ({"steps": "Tom"}, r"column 'steps' holds 'Tom'"),
        ({"steps": ["Tom is a lorpus.", " "]}, r"column 'steps' holds item 1 ' '"),
        ({"answer": 3}, r"column 'answer' holds 3"),
    ],
)
def test_bad_records_name_the_line_and_the_value(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = write(tmp_path / "a.json", RECORD, {**RECORD, **change}, RECORD)
    with pytest.raises(DataError, match=rf"^{path}:3: .*{problem}"):
        read_symbolic(path)
    reading = read_symbolic(path, skip_bad=True)
    assert (len(reading.items), reading.num_rows, len(reading.skipped)) == (2, 3, 1)
    assert reading.skipped[0].place == f"{path}:3"


def test_a_missing_column_gets_a_hint(tmp_path: Path) -> None:
    record = {k: v for k, v in RECORD.items() if k != "neg_target"} | {"neg_targets": 3}
    with pytest.raises(DataError, match=r":2: missing column 'neg_target'. Did you mean 'neg_targets'"):
        read_symbolic(write(tmp_path / "a.json", record))


def test_too_large_graphs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5 vertices, more than 4"):
        read_symbolic(write(tmp_path / "a.json", RECORD), max_nodes=4)


def test_a_file_without_a_good_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {**RECORD, "root": 9}, {**RECORD, "root": 8})
    with pytest.raises(DataError, match=r"none of 2 rows can be used. Mend the rows. The first: .*:2: the root is 9"):
        read_symbolic(path, skip_bad=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"a.json: the file is empty"),
        (" \n ", r"a.json: the file is empty"),
        ("[]", r"a.json:1: the list is empty"),
        ('[\n{"a": 1},\n{"a": }\n]', r"a.json:3: malformed JSON: Expecting value"),
        ('[\n{"a": 1}\n{"a": 2}\n]', r"a.json:3: expected ',' or '\]' after an item, got '\{'"),
        ('[{"a": 1}', r"a.json:1: expected ',' or '\]' after an item, got ''"),
        ('[{"a": 1},', r"a.json:1: malformed JSON"),
        ('[\n{"a": 1},\n3]', r"a.json:3: an item of the list is no object: 3"),
        ('[{"a": 1}]\n[]', r"a.json:2: text after the list: '\[\]'"),
        ('[\n{"a": NaN}]', r"a.json:2: malformed JSON: NaN is not a JSON number"),
        ('[\n\n{"a": 1, "a": 2}]', r"a.json:3: malformed JSON: duplicate key 'a'"),
        ("[" * 100_000, r"a.json:1: "),
        ('{"a": 1}\n{"a"', r"a.json:2: "),
        ("text", r"a.json:1: "),
    ],
)
def test_files_that_are_no_list_of_objects_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=problem):
        list(read_rows(path))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.json: cannot read: No such file"):
        list(read_rows(tmp_path / "none.json"))
    (tmp_path / "a.json").write_bytes(b"[\xff]")
    with pytest.raises(DataError, match=r"not UTF-8: .* at byte 1"):
        list(read_rows(tmp_path / "a.json"))


def test_lines_are_counted_through_long_items(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": [1, 2]}, {"b": "x\ny"}, {"c": 3}], indent=1), "utf-8")
    lines = path.read_text("utf-8").splitlines()
    found = list(read_rows(path))
    assert [row.row for row in found] == [{"a": [1, 2]}, {"b": "x\ny"}, {"c": 3}]
    starts = [number for number, line in enumerate(lines, 1) if line == " {"]
    assert [row.place for row in found] == [f"{path}:{n}" for n in starts]
