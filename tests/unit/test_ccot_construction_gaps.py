"""Where the published construction goes wrong, that the two fixes mend it, and what was harmless all along."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph, path_len
from reasonry.tasks.graphs.stress import random_graph
from reasonry.training.continuous_cot.construction.check import check_set
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction

# The root 0 has no edge; ten edges enter 2.
ISOLATED = Graph(13, tuple((source, 2) for source in range(3, 13)), root=0, target=2, distractor=1)
# Seven vertices all of which point to each other, and from one of them to 7: 43 edges, one of them into 7.
DENSE = Graph(12, (*permutations(range(7), 2), (6, 7)), root=0, target=7, distractor=8)
SMALL = Graph(7, ((0, 1), (0, 2), (2, 3), (3, 4), (5, 6)), root=0, target=4, distractor=6)


def test_without_a_sink_a_root_that_no_edge_leaves_thinks_of_a_vertex_it_does_not_reach() -> None:
    published = SuperpositionConstruction(13, 60, sink_fix=False, dense_fix=False)
    assert published.think(ISOLATED, 1).support == ((0,), (0, 2))
    assert check_set(published, [ISOLATED], 1).graphs[0].wrong_thoughts == (1,)


def test_with_a_sink_it_thinks_of_itself_alone() -> None:
    for dense_fix in (False, True):
        fixed = SuperpositionConstruction(13, 60, dense_fix=dense_fix)
        assert fixed.think(ISOLATED, 3).support == ((0,), (0,), (0,), (0,))
        assert check_set(fixed, [ISOLATED], 5).wrong == ()


def test_the_sink_changes_nothing_where_it_is_not_needed() -> None:
    rng = seeds.stream(0, "test", "gaps")
    graphs = [random_graph(rng) for _ in range(12)]
    counts = list(map(path_len, graphs))
    models = [SuperpositionConstruction(30, 217, sink_fix=sink_fix) for sink_fix in (False, True)]
    for without, fixed in zip(*(model.answer_all(graphs, counts) for model in models)):
        assert without.is_right and fixed.is_right
        assert without.logits_V.tolist() == fixed.logits_V.tolist()


def test_the_published_threshold_loses_a_vertex_that_one_of_many_edges_enters() -> None:
    # 1 / (43 sqrt(3)) = .0134 < 1 / (4 * 12) = .0208
    published = SuperpositionConstruction(12, 3 * 43 + 7 + 4, dense_fix=False)
    assert not published.answer(DENSE, path_len(DENSE)).is_right
    assert all(7 not in held for held in published.think(DENSE, 4).support)


def test_a_threshold_that_knows_the_number_of_edges_keeps_it() -> None:
    fixed = SuperpositionConstruction(12, 3 * 43 + 7 + 4)
    assert path_len(DENSE) == 2
    assert fixed.answer(DENSE, 2).is_right
    assert check_set(fixed, [DENSE], 4).wrong == ()


def test_the_densest_graph_that_there_is_is_searched_exactly() -> None:
    edges = tuple(edge for edge in permutations(range(10), 2) if edge[1] != 9)
    full = Graph(10, edges, root=0, target=5, distractor=9)
    model = SuperpositionConstruction(10, 3 * len(edges) + 7 + 2)
    assert check_set(model, [full], 2).wrong == ()


@pytest.mark.parametrize(
    "edges",
    [
        (*SMALL.edges, *[(0, 1)] * 12),
        (*SMALL.edges, *((v, v) for v in range(7))),
        (*SMALL.edges, (4, 0), (1, 0), (6, 5)),
    ],
    ids=["duplicates", "self-loops", "cycles"],
)
@pytest.mark.parametrize("sink_fix", [False, True])
def test_duplicate_edges_self_loops_and_cycles_are_harmless(edges: tuple[tuple[int, int], ...], sink_fix: bool) -> None:
    model = SuperpositionConstruction(8, 80, sink_fix=sink_fix)
    graph = SMALL._replace(edges=edges)
    assert check_set(model, [graph], 5).wrong == ()
    assert model.think(graph, 5).support == model.think(SMALL, 5).support


def test_with_too_few_thoughts_the_plain_argmax_need_not_even_be_a_candidate() -> None:
    model = SuperpositionConstruction(30, 217)
    rng = seeds.stream(1, "test", "gaps")
    graphs = [graph for graph in (random_graph(rng) for _ in range(60)) if path_len(graph) >= 2]
    answers = model.answer_all(graphs, [path_len(graph) - 1 for graph in graphs])
    assert len(answers) > 20
    assert all(answer.is_tie and answer.choice is None for answer in answers)
    outside = [a for a in answers if a.argmax not in {str(a.thoughts.graph.target), str(a.thoughts.graph.distractor)}]
    assert len(outside) > len(answers) / 2


# ---------------------------------------------------------------- what it cannot be asked


@pytest.mark.parametrize(
    ("change", "num_thoughts", "error", "message"),
    [
        ({"num_nodes": 9}, 1, ConfigError, "graph 0: 9 vertices.*n_max = 8.*n_max = 9 or more"),
        ({"edges": ((0, 1),) * 24}, 2, ConfigError, "24 edges and 2 thoughts take 81 positions, max_len is 80.*81"),
        ({}, 59, ConfigError, "5 edges and 59 thoughts take 81 positions"),
        ({}, -1, ConfigError, "num_thoughts = -1.*0 times or more"),
        ({"root": 4}, 1, DataError, "the target is the root, 4"),
        ({"root": 6}, 1, DataError, "the distractor is the root, 6"),
        ({"distractor": 4}, 1, DataError, "both candidates are 4"),
        ({"target": 7}, 1, DataError, "the target names vertex 7, the graph has 0 to 6"),
        ({"root": -1}, 1, DataError, "the root names vertex -1"),
        ({"edges": ((0, 1), (1, 7))}, 1, DataError, "edge 1, 1 -> 7, names vertex 7"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused_with_the_value_and_the_remedy(
    change: dict[str, Any], num_thoughts: int, error: type[Exception], message: str
) -> None:
    model = SuperpositionConstruction(8, 80)
    with pytest.raises(error, match=message):
        model.think(SMALL._replace(**change), num_thoughts)
    with pytest.raises(error, match=message):
        model.answer(SMALL._replace(**change), num_thoughts)


def test_a_graph_that_just_fits_is_searched_to_the_last_position() -> None:
    chain = tuple((v, v + 1) for v in range(6))
    graph = Graph(8, chain, root=0, target=6, distractor=7)
    model = SuperpositionConstruction(8, 3 * 6 + 7 + 6)
    assert model.answer(graph, 6).is_right
    with pytest.raises(ConfigError, match="take 32 positions, max_len is 31"):
        model.answer(graph, 7)


def test_the_graph_at_fault_is_named_among_many() -> None:
    with pytest.raises(DataError, match="graph 2: both candidates"):
        SuperpositionConstruction(8, 80).answer_all([SMALL, SMALL, SMALL._replace(distractor=4)], 1)


def test_wrong_numbers_of_thoughts_and_batch_sizes_are_refused() -> None:
    model = SuperpositionConstruction(8, 80)
    with pytest.raises(ConfigError, match="3 numbers of thoughts for 2 graphs"):
        model.answer_all([SMALL, SMALL], [1, 2, 3])
    with pytest.raises(ConfigError, match="batch_size = 0"):
        model.answer_all([SMALL], 1, batch_size=0)


def test_no_graphs_give_no_answers() -> None:
    model = SuperpositionConstruction(8, 80)
    assert model.answer_all([], 1) == model.think_all([], 1) == []
    assert check_set(model, []).wrong == () and check_set(model, []).max_error == 0.0
