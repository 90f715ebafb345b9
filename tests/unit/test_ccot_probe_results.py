"""Findings from hand-made thoughts: what is put in has to come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reasonry.tasks.graphs.graph import Graph, path_len, present
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.training.continuous_cot.probe import kept
from reasonry.training.continuous_cot.probe.groups import GROUPS, edge_groups, kind_of, vertex_groups
from reasonry.training.continuous_cot.probe.records import QUANTILES, Observation
from reasonry.training.continuous_cot.probe.results import superposition

SIZES = GraphConfig(num_nodes=14, min_hops=3, max_hops=3)
GRAPHS = prosqa_graphs(SIZES, num=30, seed=0, split="test")
WEIGHTS = {"optimal": 4.0, "other_frontier": 3.0, "earlier": 1.0, "not_reached": -0.5}


def observed(number: int, graph: Graph, *, weights: dict[str, float] = WEIGHTS, attention: bool = True) -> Observation:
    C, E = path_len(graph), len(graph.edges)
    dots = [[weights[kind_of(vertex_groups(graph, c), v)] for v in present(graph)] for c in range(1, C + 1)]
    paid = [[0.1 * weights[kind_of(edge_groups(graph, i), e)] + 0.05 for e in range(E)] for i in range(1, C + 1)]
    logits = [[10.0 * (e in edge_groups(graph, i).frontier) + i for e in range(E)] for i in range(1, C + 1)]
    return Observation(
        number,
        graph,
        np.array(dots),
        np.arange(1.0, C + 1),
        1.7,
        np.array(paid) if attention else None,
        np.array(logits) if attention else None,
    )


def everything(**more: Any) -> list[Observation]:
    return [observed(number, graph, **more) for number, graph in enumerate(GRAPHS)]


def test_group_means_are_those_of_their_members() -> None:
    found = superposition(everything())
    assert found.num_graphs == 30
    assert [t.thought for t in found.thoughts] == [1, 2, 3]
    for thought in found.thoughts:
        assert thought.groups["optimal"].mean.value == 4.0
        assert thought.groups["not_reachable"].mean == (-0.5, -0.5, -0.5)
        sizes = [[len(getattr(vertex_groups(g, thought.thought), name)) for name in GROUPS] for g in GRAPHS]
        optimal, frontier, reachable, _ = np.sum(sizes, 0)
        expected = (4.0 * optimal + 3.0 * (frontier - optimal) + 1.0 * (reachable - frontier)) / reachable
        assert thought.groups["reachable"].mean.value == pytest.approx(expected)
        assert thought.groups["reachable"].num == reachable
        assert thought.norm.value == thought.thought
        assert thought.quantiles["earlier"] == (1.0,) * len(QUANTILES)


def test_what_is_in_order_passes_and_tells_frontier_from_the_rest() -> None:
    for thought in superposition(everything()).thoughts:
        assert thought.ordering.holds
        assert thought.ordering.is_clear
        assert thought.auroc_frontier == (1.0, 1.0, 1.0)
        assert thought.auroc_reachable_by_graph.value == 1.0
        assert thought.precision_frontier.value == 1.0
        assert thought.precision_reachable.value == 1.0


def test_one_group_out_of_place_fails() -> None:
    for found in superposition(everything(weights={**WEIGHTS, "optimal": 2.0})).thoughts:
        assert found.ordering.holds is False
        assert [gap.upper for gap in found.ordering.gaps if (gap.size.value or 0.0) < 0][:1] == ["optimal"]


def test_groups_of_the_same_members_are_not_compared() -> None:
    line = Graph(6, ((0, 1), (1, 2), (3, 4), (3, 5)), root=0, target=2, distractor=4)
    for thought in superposition([observed(0, line), observed(1, line)]).thoughts:
        assert thought.groups["optimal"] == thought.groups["frontier"]
        assert [gap.is_same for gap in thought.ordering.gaps] == [True, False, False]
        assert thought.ordering.holds


def test_old_vertices_below_those_never_reached_lower_only_the_auroc_of_all_reached() -> None:
    found = superposition(everything(weights={**WEIGHTS, "earlier": -2.0})).thoughts[-1]
    assert found.auroc_frontier.value == 1.0
    reached, new = found.groups["reachable"].num, found.groups["frontier"].num
    assert found.auroc_reachable.value == pytest.approx(new / reached)


def test_attention_is_grouped_by_where_an_edge_begins() -> None:
    making = superposition(everything()).making
    assert [m.thought for m in making] == [1, 2, 3]
    for m in making:
        assert m.groups["optimal"].mean.value == pytest.approx(0.45)
        assert m.groups["not_reachable"].mean.value == pytest.approx(0.0)
        assert m.ordering.holds
        assert m.logit_gap == pytest.approx((10.0, 10.0, 10.0))
    # Before the first thought everything reached is the frontier: equal there is in order.
    first = making[0].ordering.gaps[1]
    assert (first.upper, first.lower) == ("frontier", "reachable")
    assert first.is_same
    assert not making[1].ordering.gaps[1].is_same


def test_without_attention_nothing_is_said_of_it() -> None:
    found = superposition(everything(attention=False))
    assert found.making == ()
    assert found.copy is None


def test_edges_without_a_last_token_of_their_own_are_left_out_of_logits_and_copies() -> None:
    seen = everything()[0]
    assert seen.logits_CE is not None
    logits = seen.logits_CE.copy()
    logits[:, -1] = np.nan
    copy = np.full(len(seen.graph.edges), 1.8)
    copy[-1] = np.nan
    found = superposition([seen._replace(logits_CE=logits, copy_E=copy)] * 2)
    assert found.copy is not None
    assert found.copy.mean.value == pytest.approx(1.8)
    assert found.making[0].logit_gap.value == pytest.approx(10.0)


def test_a_uniform_superposition_is_exact_and_anything_else_is_not() -> None:
    def uniform(number: int, graph: Graph) -> Observation:
        rows = []
        for c in range(1, path_len(graph) + 1):
            reached = vertex_groups(graph, c).reachable
            rows.append([(v in reached) / np.sqrt(len(reached)) for v in present(graph)])
        return Observation(number, graph, np.array(rows), np.ones(len(rows)), 1.0)

    right = [uniform(number, graph) for number, graph in enumerate(GRAPHS)]
    for thought in superposition(right, is_exact=True).thoughts:
        assert thought.error == pytest.approx(0.0, abs=1e-12)
        assert thought.is_exact
        assert thought.participation.value == pytest.approx(thought.num_reached.value)
    dots = right[4].dots_CN.copy()
    dots[1, 0] += 0.01
    wrong = [*right[:4], right[4]._replace(dots_CN=dots), *right[5:]]
    found = superposition(wrong, is_exact=True).thoughts
    assert [thought.is_exact for thought in found] == [True, False, True]
    assert found[1].error == pytest.approx(0.01)
    assert superposition(right).thoughts[0].error is None


def test_graphs_with_fewer_thoughts_count_only_where_they_have_them() -> None:
    mixed = [*everything()[:5], *(seen._replace(
        dots_CN=seen.dots_CN[:1], thought_norm_C=seen.thought_norm_C[:1], attention_CE=None, logits_CE=None
    ) for seen in everything()[5:])]  # fmt: skip
    found = superposition(mixed)
    assert [t.num_graphs for t in found.thoughts] == [30, 5, 5]
    assert [m.num_graphs for m in found.making] == [5, 5, 5]


def test_thoughts_beyond_the_target_have_no_optimal_vertices_and_no_verdict() -> None:
    long = [
        seen._replace(dots_CN=np.vstack([seen.dots_CN, np.zeros_like(seen.dots_CN[:1])]), thought_norm_C=np.ones(4))
        for seen in everything(attention=False)
    ]
    last = superposition(long).thoughts[-1]
    assert last.ordering.holds is None
    assert last.groups["optimal"].mean.value is None


# ---------------------------------------------------------------- kept


def test_an_observation_comes_back_from_its_row() -> None:
    seen = everything()[3]
    copy = np.linspace(0.0, 2.0, len(seen.graph.edges))
    copy[-1] = np.nan
    back = kept.from_row(kept.to_row(seen._replace(copy_E=copy)))
    assert back.graph == seen.graph
    assert np.allclose(back.dots_CN, seen.dots_CN, rtol=1e-7)
    assert back.copy_E is not None
    assert np.allclose(back.copy_E, copy, rtol=1e-7, equal_nan=True)
    assert kept.from_row(kept.to_row(observed(0, GRAPHS[0], attention=False))).attention_CE is None


@pytest.mark.parametrize(
    "change",
    [
        {"dots": [[1.0, 2.0]]},
        {"dots": None},
        {"graph": {"num_nodes": 3}},
        {"attention": [[0.5]]},
        {"copy": [1.0]},
        {"thought_norm": "long"},
    ],
)
def test_a_row_whose_numbers_do_not_fit_its_graph_is_no_row(change: dict[str, Any]) -> None:
    row = kept.to_row(everything()[0])
    assert kept.is_row(row)
    assert not kept.is_row({**row, **change})
    del row["logits"]
    assert not kept.is_row(row)
