"""Generated ProsQA-like questions: the published statistics, sizes, splits, determinism, what cannot be made."""

import math
from collections import Counter
from functools import lru_cache
from typing import Any

import networkx as nx
import numpy as np
import pytest
from pydantic import ValidationError

from reasonry.errors import ConfigError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import Graph, check, distances, path_len, predecessors, reachable, successors
from reasonry.tasks.graphs.grow import uniforms
from reasonry.tasks.graphs.prosqa import (
    PUBLISHED,
    GraphConfig,
    prosqa_graph,
    prosqa_graphs,
    prosqa_splits,
    try_graph,
)
from reasonry.tasks.reasoning_text import split_of

TWO_HOPS = GraphConfig(num_nodes=12, min_hops=2, max_hops=2)
THREE_HOPS = GraphConfig(num_nodes=14, min_hops=3, max_hops=3)
NUM_PUBLISHED = 800


@lru_cache
def legacy_graphs() -> tuple[Graph, ...]:
    rng = np.random.default_rng(0)
    config = GraphConfig(min_hops=3, max_hops=6, legacy=True)
    return tuple(prosqa_graph(config, rng) for _ in range(5 * NUM_PUBLISHED))


def statistics(graph: Graph) -> dict[str, float]:
    """The quantities of `PUBLISHED`, of one legacy graph."""
    under = [distances(graph, root) for root in (0, 1)]
    own, other = under[graph.root], under[1 - graph.root]
    degrees = [len(before) for before in predecessors(graph)[2:]]
    found: dict[str, float] = {"num_nodes": graph.num_nodes, "num_edges": len(graph.edges), "root_is_1": graph.root}
    found |= {f"reachable {c}": len(reachable(graph, c)) for c in range(6)}
    found |= {f"{h} hops": path_len(graph) == h for h in (3, 4, 5, 6)}
    found |= {f"in-degree {k}": degrees.count(k) / len(degrees) for k in range(6)}
    kinds = Counter((a is not None, b is not None) for a, b in zip(*under))
    for i, kind in enumerate([(True, False), (False, True), (True, True), (False, False)]):
        found[f"under {i}"] = kinds[kind]
    deepest = max(a for a, b in zip(own, other) if a is not None and b is None)
    found["target_is_deepest"] = path_len(graph) == deepest
    return found


@lru_cache
def legacy_statistics() -> dict[str, list[float]]:
    rows = [statistics(graph) for graph in legacy_graphs()]
    return {name: [row[name] for row in rows] for name in rows[0]}


def published() -> dict[str, float]:
    p = PUBLISHED
    found = {"num_nodes": p.num_nodes, "num_edges": p.num_edges, "root_is_1": p.root_is_1}
    found |= {f"reachable {c}": x for c, x in enumerate(p.num_reachable)}
    found |= {f"{h} hops": x for h, x in zip((3, 4, 5, 6), p.hops)}
    found |= {f"in-degree {k}": x for k, x in enumerate(p.in_degree)}
    found |= {f"under {i}": x for i, x in enumerate(p.num_under)}
    return found | {"target_is_deepest": p.target_is_deepest}


@pytest.mark.parametrize("name", published())
def test_legacy_graphs_reproduce_the_published_mean(name: str) -> None:
    # The published means are of 800 graphs: that is their standard error. Ours, of five times as many, adds little.
    values = np.array(legacy_statistics()[name], dtype=np.float64)
    error = values.std() / math.sqrt(NUM_PUBLISHED)
    assert values.mean() == pytest.approx(published()[name], abs=3 * error + 1e-12)


def test_a_wrong_generator_would_not_reproduce_them() -> None:
    """Fewer vertices, and balanced questions, both miss a published mean by far."""
    rng = np.random.default_rng(0)
    for config, name in (
        (GraphConfig(num_nodes=26, min_hops=3, max_hops=6, legacy=True), "num_nodes"),
        (GraphConfig(min_hops=3, max_hops=4, relabel=False), "root_is_1"),
    ):
        values = [statistics(prosqa_graph(config, rng))[name] for _ in range(NUM_PUBLISHED)]
        assert abs(np.mean(values) - published()[name]) > 5 * np.std(values) / math.sqrt(NUM_PUBLISHED)


def test_legacy_graphs_have_what_gives_the_published_set_away() -> None:
    for graph in legacy_graphs()[:300]:
        check(graph, max_nodes=28)
        assert all(source < target for source, target in graph.edges)
        assert graph.root in (0, 1)
        assert distances(graph, 1 - graph.root)[graph.distractor] is not None
        assert not successors(graph)[graph.target]
        assert not successors(graph)[graph.distractor]


@pytest.mark.parametrize("config", [TWO_HOPS, THREE_HOPS, GraphConfig(), GraphConfig(balanced=False)])
def test_questions_keep_their_sizes(config: GraphConfig) -> None:
    graphs = prosqa_graphs(config, num=150, seed=0)
    for graph in graphs:
        check(graph, max_nodes=config.num_nodes)
        assert config.min_hops <= path_len(graph) <= config.max_hops
        reference = nx.DiGraph(graph.edges)
        assert sorted(reference) == list(range(graph.num_nodes)), "no vertex is without an edge"
        assert nx.is_directed_acyclic_graph(reference)
    assert {path_len(g) for g in graphs} == set(range(config.min_hops, config.max_hops + 1))


@pytest.mark.parametrize(
    ("config", "num_nodes", "num_edges"),
    [(TWO_HOPS.with_(legacy=True), 9.9, 12.5), (THREE_HOPS.with_(legacy=True), 11.9, 15.1)],
)
def test_small_legacy_graphs_are_about_as_large_as_known(
    config: GraphConfig, num_nodes: float, num_edges: float
) -> None:
    rng = np.random.default_rng(0)
    graphs = [prosqa_graph(config, rng) for _ in range(600)]
    assert np.mean([g.num_nodes for g in graphs]) == pytest.approx(num_nodes, abs=0.25)
    assert np.mean([len(g.edges) for g in graphs]) == pytest.approx(num_edges, abs=0.4)


@pytest.mark.parametrize(
    ("config", "least"),
    [(TWO_HOPS, 0.08), (THREE_HOPS, 0.015), (TWO_HOPS.with_(legacy=True), 0.4), (THREE_HOPS.with_(legacy=True), 0.3)],
)
def test_attempts_are_not_all_in_vain(config: GraphConfig, least: float) -> None:
    draws = uniforms(np.random.default_rng(0))
    assert sum(try_graph(config, draws) is not None for _ in range(4000)) / 4000 > least


def test_balanced_candidates_are_alike_in_depth_and_degrees() -> None:
    for graph in prosqa_graphs(TWO_HOPS.with_(relabel=False), num=200, seed=0):
        assert distances(graph, graph.root)[graph.target] == distances(graph, 1 - graph.root)[graph.distractor] == 2
        assert distances(graph, 1 - graph.root)[graph.target] is None
        before, after = predecessors(graph), successors(graph)
        assert len(before[graph.target]) == len(before[graph.distractor])
        assert after[graph.target] == after[graph.distractor] == ()


def test_either_root_of_a_balanced_graph_is_asked_about_equally_often() -> None:
    draws = uniforms(np.random.default_rng(0))
    config = TWO_HOPS.with_(relabel=False)
    roots = [g.root for g in (try_graph(config, draws) for _ in range(8000)) if g is not None]
    assert abs(np.mean(roots) - 0.5) < 4 * 0.5 / math.sqrt(len(roots))


def test_hops_of_a_range_are_equally_frequent() -> None:
    hops = Counter(path_len(g) for g in prosqa_graphs(GraphConfig(), num=300, seed=0))
    assert abs(hops[3] - 150) < 4 * math.sqrt(300) / 2


def test_ids_are_random_unless_they_are_to_stay() -> None:
    def sorted_share(config: GraphConfig) -> float:
        edges = [e for g in prosqa_graphs(config, num=100, seed=0) for e in g.edges]
        return sum(s < t for s, t in edges) / len(edges)

    assert sorted_share(TWO_HOPS.with_(relabel=False)) == 1
    assert sorted_share(TWO_HOPS.with_(legacy=True)) == 1
    assert abs(sorted_share(TWO_HOPS) - 0.5) < 0.06


@pytest.mark.parametrize("config", [TWO_HOPS, TWO_HOPS.with_(legacy=True), THREE_HOPS.with_(num_nodes=18)])
def test_splits_share_no_question_whatever_their_seeds(config: GraphConfig) -> None:
    train = {fingerprint(g) for g in prosqa_graphs(config, num=200, seed=0)}
    held_out = [
        *prosqa_graphs(config, num=20, seed=0, split="test"),
        *prosqa_graphs(config, num=20, seed=1, split="validation"),
        *prosqa_graphs(config, num=20, seed=2, split="test"),
    ]
    assert len(train) == 200, "no question comes twice"
    assert not train & {fingerprint(g) for g in held_out}
    assert {split_of(number) for number in train} == {"train"}


def test_isomorphic_questions_of_two_splits_do_not_exist() -> None:
    """The same by an independent judge: no pair of questions is isomorphic with root and candidates kept."""
    config = GraphConfig(num_nodes=8, min_hops=1, max_hops=1)
    splits = prosqa_splits(config, num={"train": 120, "test": 15}, seed=0)

    def marked(graph: Graph) -> nx.DiGraph:
        out = nx.DiGraph(graph.edges)
        for v in out:
            out.nodes[v]["part"] = (v == graph.root) + 2 * (v == graph.target) + 4 * (v == graph.distractor)
        return out

    train, test = ([marked(g) for g in splits[s]] for s in ("train", "test"))
    for one in test:
        for other in train:
            assert not nx.is_isomorphic(one, other, node_match=lambda a, b: a["part"] == b["part"])


def test_the_same_seed_gives_the_same_questions_and_more_of_them_begin_alike() -> None:
    ten = prosqa_graphs(TWO_HOPS, num=10, seed=3)
    assert prosqa_graphs(TWO_HOPS, num=20, seed=3)[:10] == ten
    assert prosqa_graphs(TWO_HOPS, num=10, seed=4) != ten
    together = prosqa_splits(TWO_HOPS, num={"train": 10, "test": 3, "validation": 0}, seed=3)
    assert together["train"] == ten
    assert together["test"] == prosqa_graphs(TWO_HOPS, num=3, seed=3, split="test")
    assert together["validation"] == []


def test_a_generator_state_decides_a_question() -> None:
    one, other = (prosqa_graph(THREE_HOPS, np.random.default_rng(5)) for _ in range(2))
    assert one == other
    rng = np.random.default_rng(5)
    assert prosqa_graph(THREE_HOPS, rng) != prosqa_graph(THREE_HOPS, rng)


def test_questions_that_do_not_exist_are_refused_in_time() -> None:
    with pytest.raises(ConfigError, match=r"none of 50000 graphs of 8 vertices holds a question of 5 hops"):
        prosqa_graph(GraphConfig(num_nodes=8, min_hops=5, max_hops=5), np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"holds a question of 6 to 7 hops"):
        prosqa_graph(GraphConfig(num_nodes=9, min_hops=6, max_hops=7, legacy=True), np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"only \d+ of 1000 different questions of 5 vertices .* train split"):
        prosqa_graphs(GraphConfig(num_nodes=5, min_hops=1, max_hops=1, legacy=True), num=1000, seed=0)


def test_bad_requests_are_refused() -> None:
    unknown: Any = "valid"
    with pytest.raises(ConfigError, match=r"-1 graphs"):
        prosqa_graphs(TWO_HOPS, num=-1, seed=0)
    with pytest.raises(ConfigError, match=r"unknown split 'valid'. Did you mean 'validation'"):
        prosqa_graphs(TWO_HOPS, num=1, seed=0, split=unknown)
    for bad in ({"min_hops": 5, "max_hops": 4}, {"num_nodes": 3}, {"num_nodes": 5}, {"min_hops": 0}, {"hops": 3}):
        with pytest.raises(ValidationError):
            GraphConfig(**bad)
