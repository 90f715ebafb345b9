"""Distances, frontiers and shortest paths: by hand on small graphs, and against networkx on random ones."""

from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import (
    Graph,
    any_shortest_path,
    check,
    distances,
    distances_to,
    frontier,
    optimal,
    path_len,
    present,
    reachable,
    relabel,
    shortest_paths,
    shuffle,
    walk_frontier,
)
from reasonry.tasks.graphs.stress import random_graph

# r -> a, r -> b, a -> b; c on its own.
TRIANGLE = Graph(4, ((0, 1), (0, 2), (1, 2)), root=0, target=2, distractor=3)
# Two ways from 0 to 4 through 3 (over 1 or 2), one longer way over 5 and 6.
LADDER = Graph(8, ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (0, 5), (5, 6), (6, 3)), root=0, target=4, distractor=7)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any directed graph with a path from its root to its target; cycles and stray vertices included."""
    num = draw(st.integers(2, 9))
    pairs = st.tuples(st.integers(0, num - 1), st.integers(0, num - 1)).filter(lambda e: e[0] != e[1])
    edges = draw(st.lists(pairs, min_size=1, max_size=25, unique=True))
    root = edges[0][0]
    blank = Graph(num, tuple(draw(st.permutations(edges))), root, root, root)
    reached = [v for v, d in enumerate(distances(blank)) if d]
    return blank._replace(target=draw(st.sampled_from(reached)), distractor=draw(st.integers(0, num - 1)))


def as_networkx(graph: Graph) -> nx.DiGraph:
    out = nx.DiGraph()
    out.add_nodes_from(range(graph.num_nodes))
    out.add_edges_from(graph.edges)
    return out


def test_the_walk_frontier_sees_a_vertex_again_and_the_frontier_does_not() -> None:
    assert walk_frontier(TRIANGLE, 2) == (2,)
    assert frontier(TRIANGLE, 2) == ()
    assert frontier(TRIANGLE, 1) == walk_frontier(TRIANGLE, 1) == (1, 2)
    assert reachable(TRIANGLE, 2) == (0, 1, 2)


def test_sets_of_every_step_of_a_ladder() -> None:
    assert distances(LADDER) == (0, 1, 1, 2, 3, 1, 2, None)
    assert distances(LADDER, 5) == (None, None, None, 2, 3, 0, 1, None)
    assert distances_to(LADDER, 3) == (2, 1, 1, 0, None, 2, 1, None)
    assert [frontier(LADDER, c) for c in range(5)] == [(0,), (1, 2, 5), (3, 6), (4,), ()]
    assert [optimal(LADDER, c) for c in range(5)] == [(0,), (1, 2), (3,), (4,), ()]
    assert [reachable(LADDER, c) for c in (0, 1, 9)] == [(0,), (0, 1, 2, 5), (0, 1, 2, 3, 4, 5, 6)]
    assert walk_frontier(LADDER, 3) == (3, 4)
    assert path_len(LADDER) == 3
    assert set(shortest_paths(LADDER)) == {(0, 1, 3, 4), (0, 2, 3, 4)}
    assert present(LADDER) == tuple(range(8))
    assert present(LADDER._replace(num_nodes=11)) == tuple(range(8))


def test_no_set_has_a_vertex_before_the_first_step() -> None:
    for sets in (frontier, reachable, walk_frontier, optimal):
        assert sets(LADDER, -1) == ()


@given(graphs())
def test_distances_and_sets_agree_with_networkx(graph: Graph) -> None:
    reference = as_networkx(graph)
    away = nx.single_source_shortest_path_length(reference, graph.root)
    assert distances(graph) == tuple(away.get(v) for v in range(graph.num_nodes))
    back = nx.single_source_shortest_path_length(reference.reverse(), graph.target)
    assert distances_to(graph, graph.target) == tuple(back.get(v) for v in range(graph.num_nodes))
    paths = list(nx.all_shortest_paths(reference, graph.root, graph.target))
    assert path_len(graph) == len(paths[0]) - 1
    adjacency = nx.to_numpy_array(reference, dtype=np.int64)
    walks = np.zeros(graph.num_nodes, dtype=np.int64)
    walks[graph.root] = 1
    for c in range(graph.num_nodes + 1):
        assert frontier(graph, c) == tuple(sorted(v for v, d in away.items() if d == c))
        assert reachable(graph, c) == tuple(sorted(v for v, d in away.items() if d <= c))
        assert optimal(graph, c) == tuple(sorted({path[c] for path in paths if c < len(path)}))
        assert walk_frontier(graph, c) == tuple(np.flatnonzero(walks).tolist())
        walks = ((walks @ adjacency) > 0).astype(np.int64)


@given(graphs(), st.integers(0, 2**32))
def test_shortest_paths_agree_with_networkx(graph: Graph, seed: int) -> None:
    expected = {tuple(p) for p in nx.all_shortest_paths(as_networkx(graph), graph.root, graph.target)}
    found = list(shortest_paths(graph))
    assert len(found) == len(expected)
    assert set(found) == expected
    assert any_shortest_path(graph, np.random.default_rng(seed)) in expected


def test_every_shortest_path_is_equally_likely() -> None:
    # From 0, vertex 1 leads on in three ways and vertex 2 in one: 1 has to be taken three times out of four.
    edges = ((0, 1), (0, 2), (1, 3), (1, 4), (1, 5), (2, 6), (3, 7), (4, 7), (5, 7), (6, 7))
    graph = Graph(9, edges, root=0, target=7, distractor=8)
    rng = np.random.default_rng(0)
    counts = Counter(any_shortest_path(graph, rng) for _ in range(4000))
    assert len(counts) == 4
    assert all(abs(n - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75) for n in counts.values())


def test_a_target_without_a_path_has_no_length() -> None:
    lost = TRIANGLE._replace(target=3, distractor=2)
    assert optimal(lost, 1) == ()
    with pytest.raises(DataError, match=r"no path from the root 0 to the target 3"):
        path_len(lost)
    with pytest.raises(DataError, match="no path"):
        any_shortest_path(lost, np.random.default_rng(0))
    with pytest.raises(DataError, match="no path"):
        next(shortest_paths(lost))


@given(graphs(), st.integers(0, 2**32), st.integers(0, 5))
def test_other_names_and_another_order_leave_the_question_the_same(graph: Graph, seed: int, num_more: int) -> None:
    renamed = shuffle(graph, np.random.default_rng(seed), num_ids=graph.num_nodes + num_more)
    assert renamed.num_nodes == graph.num_nodes + num_more
    assert len(set(renamed.edges)) == len(graph.edges)
    assert nx.is_isomorphic(
        as_networkx(graph).subgraph(present(graph)), as_networkx(renamed).subgraph(present(renamed))
    )
    assert path_len(renamed) == path_len(graph)
    assert [len(frontier(renamed, c)) for c in range(9)] == [len(frontier(graph, c)) for c in range(9)]
    assert fingerprint(renamed) == fingerprint(graph)


def test_relabelling_moves_every_part_of_a_question() -> None:
    renamed = relabel(TRIANGLE, [5, 3, 0, 1], num_nodes=6)
    assert renamed == Graph(6, ((5, 3), (5, 0), (3, 0)), root=5, target=0, distractor=1)


def test_fewer_ids_than_vertices_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"num_ids: 3 ids for 4 vertices. Give at least 4"):
        shuffle(TRIANGLE, np.random.default_rng(0), num_ids=3)


def test_all_ids_are_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    roots = Counter(shuffle(TRIANGLE, rng, num_ids=8).root for _ in range(4000))
    assert sorted(roots) == list(range(8))
    assert all(abs(n - 500) < 5 * np.sqrt(4000 / 8 * 7 / 8) for n in roots.values())


@pytest.mark.parametrize("part", ["root", "target", "distractor", "edges"])
def test_the_fingerprint_tells_questions_apart(part: str) -> None:
    other = {"root": 5, "target": 3, "distractor": 6, "edges": (*LADDER.edges[:-1], (6, 4))}[part]
    changed = LADDER._replace(**{part: other})
    assert fingerprint(changed) != fingerprint(LADDER)


def test_the_fingerprint_is_the_same_on_every_machine() -> None:
    assert fingerprint(LADDER) == 14765726470471232503


GOOD = Graph(5, ((0, 1), (1, 2), (3, 4)), root=0, target=2, distractor=4)


def test_a_question_with_one_right_answer_passes() -> None:
    check(GOOD, max_nodes=5)
    check(LADDER)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"edges": (*GOOD.edges, (1, 1))}, r"self-loop 1 -> 1\. Leave it out"),
        ({"edges": (*GOOD.edges, (0, 1))}, r"duplicate edge 0 -> 1"),
        ({"edges": (*GOOD.edges, (0, 5))}, r"edge 0 -> 5\. The graph has the vertices 0 to 4"),
        ({"edges": (*GOOD.edges, (-1, 0))}, r"edge -1 -> 0"),
        ({"edges": ((0, 1), (3, 4))}, r"no path from the root 0 to the target 2"),
        ({"edges": (*GOOD.edges, (2, 3))}, r"a path of 4 edges from the root 0 to the distractor 4"),
        ({"target": 0}, r"the root 0 is itself the target"),
        ({"distractor": 0}, r"the root 0 is itself the distractor"),
        ({"distractor": 2}, r"both candidates are 2"),
        ({"root": 9}, r"the root is 9"),
        ({"target": -1}, r"the target is -1"),
        ({"distractor": 5}, r"the distractor is 5"),
        ({"num_nodes": 6}, r"6 vertices, more than 5"),
    ],
)
def test_each_defect_is_named_with_its_place(change: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=rf"^data.json:7: {problem}"):
        check(GOOD._replace(**change), max_nodes=5, place="data.json:7")


def test_stress_graphs_have_the_sizes_and_the_vertices_that_they_say() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_graph(rng) for _ in range(400)]
    for graph in drawn:
        check(graph, max_nodes=30)
        assert graph.num_nodes // 2 + 1 <= len(graph.edges) <= min(2 * graph.num_nodes, 60)
    assert {g.num_nodes for g in drawn} == set(range(4, 31))
    cyclic = sum(not nx.is_directed_acyclic_graph(as_networkx(g)) for g in drawn)
    assert 40 < cyclic < 400
    again = np.random.default_rng(0)
    assert [random_graph(again) for _ in range(5)] == drawn[:5]


def test_stress_graphs_keep_the_bounds_that_are_asked_for() -> None:
    rng = np.random.default_rng(1)
    for graph in (random_graph(rng, max_nodes=10, max_edges=7) for _ in range(100)):
        check(graph, max_nodes=10)
        assert len(graph.edges) <= 7
    with pytest.raises(ConfigError, match="max_nodes = 3"):
        random_graph(rng, max_nodes=3)
    with pytest.raises(ConfigError, match="max_edges = 5"):
        random_graph(rng, max_nodes=10, max_edges=5)
