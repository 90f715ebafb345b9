"""Drawings and reports: every vertex and edge in its place, nothing on top of another, findings told."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.report import write_report
from reasonry.core.report.encode import report_json
from reasonry.tasks.graphs.graph import Graph, distances, path_len, present
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.stress import random_graph
from reasonry.training.continuous_cot.probe.config import ProbeConfig
from reasonry.training.continuous_cot.probe.drawing import drawn, graph_drawing
from reasonry.training.continuous_cot.probe.groups import edge_groups, kind_of, vertex_groups
from reasonry.training.continuous_cot.probe.layout import layout
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.report import superposition_report
from reasonry.training.continuous_cot.probe.results import superposition
from reasonry.training.continuous_cot.probe.run import Probed
from reasonry.training.continuous_cot.probe.subject import ReadLayer, ReadLayers
from reasonry.training.continuous_cot.probe.tables import (
    attention_table,
    retrieval_table,
    summary_lines,
    thought_table,
)

GRAPH = Graph(8, ((0, 1), (0, 2), (1, 2), (2, 3), (1, 3), (3, 5), (6, 7), (6, 4)), root=0, target=5, distractor=7)
WEIGHTS = {"optimal": 4.0, "other_frontier": 3.0, "earlier": 1.0, "not_reached": -0.5}


def observed(number: int, graph: Graph, *, optimal: float = 4.0, attention: bool = True) -> Observation:
    weights = {**WEIGHTS, "optimal": optimal}
    steps = range(1, path_len(graph) + 1)
    dots = [[weights[kind_of(vertex_groups(graph, c), v)] for v in present(graph)] for c in steps]
    paid = [[0.1 + 0.02 * weights[kind_of(edge_groups(graph, c), e)] for e in range(len(graph.edges))] for c in steps]
    return Observation(
        number,
        graph,
        np.array(dots),
        np.full(len(dots), 6.9),
        1.7,
        np.array(paid) if attention else None,
        np.array(paid) * 10 if attention else None,
    )


def probed(*, is_exact: bool = False, attention: bool = True, optimal: float = 4.0, **config: Any) -> Probed:
    graphs = prosqa_graphs(GraphConfig(num_nodes=14, min_hops=3, max_hops=3), num=8, seed=0)
    seen = [observed(number, graph, optimal=optimal, attention=attention) for number, graph in enumerate(graphs)]
    return Probed(
        folder=Path("run"),
        config=ProbeConfig(model="construction", **config),
        name="a model",
        layers=ReadLayers(ReadLayer(1, 2), ReadLayer(2, 2)) if attention else None,
        is_exact=is_exact,
        result=superposition(seen, is_exact=is_exact),
        shown=tuple(drawn(seen, 2)),
    )


# ---------------------------------------------------------------- layout


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_vertices_stand_by_their_distance_and_never_on_each_other(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed))
    place = layout(graph)
    nodes = present(graph)
    assert set(place.x) == set(place.y) == set(nodes)
    away = distances(graph)
    reached = [v for v in nodes if away[v] is not None]
    assert all(place.y[v] == away[v] for v in reached)
    rest = [v for v in nodes if away[v] is None]
    assert rest
    assert place.split is not None
    if place.is_beside:
        assert max(place.x[v] for v in reached) < place.split < min(place.x[v] for v in rest)
    else:
        assert max(place.y[v] for v in reached) < place.split < min(place.y[v] for v in rest)
    assert all(0 < place.x[v] < 1 and 0 <= place.y[v] < place.num_rows for v in nodes)
    for row in Counter(place.y.values()):
        xs = sorted(place.x[v] for v in nodes if place.y[v] == row)
        assert all(b - a > 1 / 40 for a, b in pairwise(xs))


def test_a_cycle_that_nothing_enters_has_rows_too() -> None:
    graph = Graph(6, ((0, 1), (2, 3), (3, 4), (4, 2)), root=0, target=1, distractor=4)
    place = layout(graph)
    assert [place.y[v] for v in (2, 3, 4)] == [0, 1, 2]


def test_a_graph_in_which_everything_is_reached_has_no_second_block() -> None:
    graph = Graph(3, ((0, 1), (0, 2)), root=0, target=1, distractor=2)
    assert layout(graph).split is None


def test_vertices_are_moved_so_that_edges_cross_less() -> None:
    # In the order of their numbers 1-5 and 2-4 would cross, and so would 2-4 and 3-... of the second row.
    graph = Graph(8, ((0, 1), (0, 2), (1, 5), (2, 4), (6, 7)), root=0, target=4, distractor=7)
    place = layout(graph)
    assert (place.x[1] < place.x[2]) == (place.x[5] < place.x[4])


# ---------------------------------------------------------------- drawing


def rows_of(spec: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    layer = next(layer for layer in spec["layer"] if layer["mark"]["type"] == mark)
    return layer.get("data", spec["data"])["values"]


def test_each_thought_has_every_vertex_with_its_inner_product_and_place_in_the_search() -> None:
    spec = graph_drawing(observed(0, GRAPH))
    rows = rows_of(spec, "circle")
    assert len(rows) == 3 * 8
    third = {row["node"]: row for row in rows if row["thought"] == 2}
    assert (third["3"]["kind"], third["3"]["value"], third["3"]["steps"]) == ("optimal", 4.0, "2")
    assert (third["0"]["kind"], third["0"]["role"]) == ("reached before", "root")
    assert (third["7"]["kind"], third["7"]["steps"]) == ("not reached", "never reached")
    assert spec["params"][0]["bind"]["max"] == 3
    assert "filter" in spec["layer"][0]["transform"][0]


def test_edges_go_from_broad_to_narrow_and_bow_where_they_would_hide() -> None:
    spec = graph_drawing(observed(0, GRAPH))
    rows = [row for row in rows_of(spec, "trail") if row["thought"] == 1]
    straight, bowed = ([row for row in rows if row["label"] == label] for label in ("0 to 1", "1 to 2"))
    place = layout(GRAPH)
    assert [(row["along"], row["x"], row["y"]) for row in straight] == [
        (0, place.x[0], place.y[0]),
        (1, pytest.approx(place.x[1], abs=1e-4), place.y[1]),
    ]
    assert (bowed[0]["y"], bowed[-1]["y"]) == (1, 1)
    assert min(row["y"] for row in bowed) < 0.7
    size = spec["layer"][0]["encoding"]["size"]["scale"]["range"]
    assert size[0] > 3 * size[1]
    assert straight[0]["paid"] == pytest.approx(0.18)


def test_without_attention_edges_have_one_colour() -> None:
    layer = graph_drawing(observed(0, GRAPH, attention=False))["layer"][0]
    assert "color" not in layer["encoding"]
    assert layer["mark"]["color"]


def test_the_first_graphs_with_the_most_thoughts_are_drawn() -> None:
    short = Graph(4, ((0, 1), (2, 3)), root=0, target=1, distractor=3)
    seen = [observed(0, short), observed(1, GRAPH), observed(2, GRAPH), observed(3, GRAPH)]
    assert [each.number for each in drawn(seen, 2)] == [1, 2]


# ---------------------------------------------------------------- report and tables


def test_the_report_tells_order_and_draws_graphs() -> None:
    done = probed()
    body = report_json(superposition_report(done, command="reasonry probe superposition x"))
    text = json.dumps(body)
    assert [s["title"] for s in body["sections"]][:4] == [
        "Thought by thought",
        "Inner products",
        "Telling vertices apart",
        "Where thoughts come from",
    ]
    claims = [b for s in body["sections"] for b in s["blocks"] if b["kind"] == "claims"]
    assert [len(block["rows"]) for block in claims] == [3, 3]
    assert {row["status"] for block in claims for row in block["rows"]} == {"pass"}
    assert "reasonry probe superposition x" in text


def test_groups_out_of_order_are_told_as_failed() -> None:
    done = probed(optimal=0.5)
    body = report_json(superposition_report(done))
    claims = next(b for s in body["sections"] for b in s["blocks"] if b["kind"] == "claims")
    assert {row["status"] for row in claims["rows"]} == {"fail"}
    assert "smallest step Optimal over Frontier" in claims["rows"][0]["statement"]
    assert all(row[-1] == "FAIL" for row in thought_table(done)[1])
    assert "at 0 of 3 thoughts" in "\n".join(summary_lines(done))


def test_of_something_exact_no_order_is_asked_but_exactness() -> None:
    done = probed(is_exact=True)
    body = report_json(superposition_report(done))
    claims = [b for s in body["sections"] for b in s["blocks"] if b["kind"] == "claims"]
    assert [row["status"] for row in claims[0]["rows"]] == ["fail"] * 3
    assert len(claims) == 1
    assert "in order" not in attention_table(done)[0]
    assert thought_table(done)[1][0][-1].startswith("FAIL, off by")


def test_without_attention_the_report_has_nothing_on_it() -> None:
    done = probed(attention=False)
    titles = [s["title"] for s in report_json(superposition_report(done))["sections"]]
    assert "Where thoughts come from" not in titles
    assert not any(line.startswith("edges") for line in summary_lines(done))


def test_tables_have_a_row_for_each_thought() -> None:
    done = probed()
    for columns, rows in (thought_table(done), retrieval_table(done.result), attention_table(done)):
        assert [row[0] for row in rows] == ["1", "2", "3"]
        assert all(len(row) == len(columns) for row in rows)
    assert thought_table(done)[1][0][2] == "4.00 ± 0.00"
    assert thought_table(done)[1][0][-1] == "PASS"
    assert retrieval_table(done.result)[1][0][1] == "1.000"


def test_the_page_is_written(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    assert write_report(tmp_path, superposition_report(probed())).html.stat().st_size > 100_000
