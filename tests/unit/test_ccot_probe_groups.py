"""Groups of vertices and edges on graphs small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.tasks.graphs.graph import Graph, frontier, path_len, present, walk_frontier
from reasonry.tasks.graphs.stress import random_graph
from reasonry.training.continuous_cot.probe.groups import By, edge_groups, kind_of, vertex_groups

# 0 -> 1, 2;  1 -> 3;  2 -> 3, 4;  3 -> 5;   6 -> 7 apart from them.   Target 5 by 0 1 3 5 or 0 2 3 5.
GRAPH = Graph(8, ((0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (6, 7)), root=0, target=5, distractor=7)
# r -> a, r -> b, a -> b, and an edge to a distractor elsewhere.
TRIANGLE = Graph(5, ((0, 1), (0, 2), (1, 2), (3, 4)), root=0, target=2, distractor=4)


def test_vertices_of_each_thought_by_hand() -> None:
    assert vertex_groups(GRAPH, 1) == ((1, 2), (1, 2), (0, 1, 2), (3, 4, 5, 6, 7))
    assert vertex_groups(GRAPH, 2) == ((3,), (3, 4), (0, 1, 2, 3, 4), (5, 6, 7))
    assert vertex_groups(GRAPH, 3) == ((5,), (5,), (0, 1, 2, 3, 4, 5), (6, 7))
    assert vertex_groups(GRAPH, 4) == ((), (), (0, 1, 2, 3, 4, 5), (6, 7))


def test_edges_that_each_thought_is_made_from_by_hand() -> None:
    assert edge_groups(GRAPH, 1) == ((0, 1), (0, 1), (0, 1), (2, 3, 4, 5, 6))
    assert edge_groups(GRAPH, 2) == ((2, 3), (2, 3, 4), (0, 1, 2, 3, 4), (5, 6))
    assert edge_groups(GRAPH, 3) == ((5,), (5,), (0, 1, 2, 3, 4, 5), (6,))


def test_walks_reach_again_what_distance_has_left_behind() -> None:
    assert vertex_groups(TRIANGLE, 2).frontier == ()
    assert vertex_groups(TRIANGLE, 2, by="walks").frontier == (2,)
    assert edge_groups(TRIANGLE, 3).frontier == ()
    assert vertex_groups(TRIANGLE, 2, by="walks").reachable == (0, 1, 2)


def test_vertices_that_nothing_names_do_not_count() -> None:
    spare = GRAPH._replace(num_nodes=20)
    assert vertex_groups(spare, 2) == vertex_groups(GRAPH, 2)


@pytest.mark.parametrize(
    ("vertex", "kind"), [(3, "optimal"), (4, "other_frontier"), (1, "earlier"), (5, "not_reached")]
)
def test_each_vertex_has_one_part(vertex: int, kind: str) -> None:
    assert kind_of(vertex_groups(GRAPH, 2), vertex) == kind


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), by=st.sampled_from(["distance", "walks"]))
def test_groups_lie_within_each_other_and_leave_nobody_out(seed: int, by: By) -> None:
    graph = random_graph(np.random.default_rng(seed))
    for c in range(1, path_len(graph) + 2):
        for groups, everyone in (
            (vertex_groups(graph, c, by=by), present(graph)),
            (edge_groups(graph, c, by=by), range(len(graph.edges))),
        ):
            assert set(groups.optimal) <= set(groups.frontier) <= set(groups.reachable)
            assert sorted((*groups.reachable, *groups.not_reachable)) == list(everyone)
        expected = frontier(graph, c) if by == "distance" else walk_frontier(graph, c)
        assert vertex_groups(graph, c, by=by).frontier == expected
        # An optimal edge leads to an optimal vertex, and each optimal vertex is led to.
        ends = {graph.edges[place][1] for place in edge_groups(graph, c, by=by).optimal}
        assert ends == set(vertex_groups(graph, c, by=by).optimal)
