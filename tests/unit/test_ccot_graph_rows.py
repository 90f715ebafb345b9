"""Rows of graph questions: both layouts symbol by symbol, labels of every method at every stage, random telling."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import Graph, frontier, optimal, reachable, shortest_paths
from reasonry.training.continuous_cot.graph_arrays import GraphArrays, pick
from reasonry.training.continuous_cot.graph_format import Format, Symbols
from reasonry.training.continuous_cot.graph_rows import Asked, ask, build, learning_tail, row_of
from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch, Row, collate
from reasonry.training.continuous_cot.methods import METHODS

# Two shortest paths 0-1-2 and 0-5-2; a dead end 6; the distractor's own root 3.
DIAMOND = Graph(8, ((0, 1), (1, 2), (3, 4), (0, 5), (5, 2), (0, 6)), root=0, target=2, distractor=4)
CHAIN = Graph(8, ((0, 1), (1, 2), (2, 3), (6, 7)), root=0, target=3, distractor=7)
SYMBOLS = Symbols(8)
LATENT, EDGE, QUESTION, ROOT, ANSWER, END = range(8, 14)
PACKED = Format(SYMBOLS)
PAPER = Format(SYMBOLS, "paper")
MAX_HOPS = 3


def asked(*graphs: Graph, first: int = 1) -> Asked:
    """Graphs as they are, the target told first."""
    arrays = GraphArrays.of(graphs, num_nodes=SYMBOLS.num_nodes, max_hops=MAX_HOPS)
    return Asked(arrays, np.full(len(graphs), first))


def batch_of(told: Asked, form: Format, stage: int, method: str, *, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    stages = np.full(len(told.first_B), stage)
    tail = learning_tail(told, form, stages=stages, method=METHODS[method], rng=rng)
    return build(told, tail, form, fill=METHODS[method].fill)


def row(graph: Graph, stage: int, method: str = "continuous", *, form: Format = PACKED, seed: int = 0) -> Row:
    return row_of(batch_of(asked(graph), form, stage, method, seed=seed), 0, fill=METHODS[method].fill)


def learnt(found: Row) -> list[int]:
    return [label for label in found.labels if label != IGNORED]


# ---------------------------------------------------------------- layouts


def test_the_paper_layout_is_told_symbol_by_symbol() -> None:
    found = row(CHAIN, 3, form=PAPER)
    edges = [0, 1, EDGE, 1, 2, EDGE, 2, 3, EDGE, 6, 7]
    assert list(found.ids) == [END, *edges, QUESTION, 3, 7, ROOT, 0, LATENT, LATENT, LATENT, ANSWER, 3]
    assert list(found.labels) == [IGNORED] * 21 + [3]
    assert found.edges is None


def test_the_packed_layout_has_one_position_for_each_edge() -> None:
    found = row(CHAIN, 1)
    assert list(found.ids) == [END, EDGE, EDGE, EDGE, EDGE, QUESTION, 3, 7, ROOT, 0, LATENT, 2]
    assert found.edges is not None
    none = (-1, -1)
    assert list(found.edges) == [none, (0, 1), (1, 2), (2, 3), (6, 7), *[none] * 7]
    assert list(found.labels) == [IGNORED] * 11 + [2]


def test_the_published_vocabulary_has_as_many_symbols_but_for_those_it_does_not_use() -> None:
    # 31 vertices; of nine other symbols two markers and one for no answer are never used.
    assert Symbols(31).size == 40 - 3
    assert [SYMBOLS.text(i) for i in (7, LATENT, EDGE, QUESTION, ROOT, ANSWER, END)] == [
        *("7", "<latent>", "|", "[Q]", "[R]", "[A]", "<eos>"),
    ]


def test_a_second_candidate_told_first_is_still_not_the_answer() -> None:
    told = asked(CHAIN, first=2)
    found = row_of(batch_of(told, PACKED, 3, "continuous"), 0, fill="thought")
    assert list(found.ids[5:10]) == [QUESTION, 7, 3, ROOT, 0]
    assert learnt(found) == [3]


def test_rows_of_any_method_and_stage_fit_the_context_that_is_planned_for() -> None:
    for form in (PACKED, PAPER):
        for method in METHODS:
            longest = max(
                len(row(graph, stage, method, form=form).ids) for graph in (DIAMOND, CHAIN) for stage in range(4)
            )
            assert longest <= form.context_tok(MAX_HOPS)


# ---------------------------------------------------------------- what is learnt


@pytest.mark.parametrize(("stage", "slots", "text"), [(0, 0, [1]), (1, 1, [2]), (2, 2, [3]), (3, 3, [ANSWER, 3])])
def test_each_stage_asks_for_the_next_vertex_and_the_last_for_the_answer(
    stage: int, slots: int, text: list[int]
) -> None:
    found = row(CHAIN, stage)
    assert list(found.ids[10:]) == [LATENT] * slots + text
    assert learnt(found) == text[-1:]


def test_a_shorter_path_gives_up_no_more_steps_than_it_has() -> None:
    assert list(row(DIAMOND, 3).ids[-4:]) == [LATENT, LATENT, ANSWER, 2]
    padded = PACKED._replace(pad_to_max=True)
    assert list(row(DIAMOND, 3, form=padded).ids[-5:]) == [LATENT] * 3 + [ANSWER, 2]
    double = PACKED._replace(per_step=2)
    assert row(DIAMOND, 3, form=double).ids.count(LATENT) == 4
    assert row(DIAMOND, 1, form=double).ids.count(LATENT) == 2


def test_pauses_stand_where_thoughts_do_and_are_read_as_tokens() -> None:
    for stage in range(4):
        thoughts, pauses = row(CHAIN, stage), row(CHAIN, stage, "pause")
        assert pauses == thoughts._replace(slot="token")
    batch = batch_of(asked(CHAIN), PACKED, 3, "pause")
    assert not batch.is_thought_BT.any()
    assert batch_of(asked(CHAIN), PACKED, 3, "continuous").is_thought_BT.sum() == 3


@pytest.mark.parametrize("stage", range(4))
def test_methods_without_stages_learn_the_same_at_every_stage(stage: int) -> None:
    assert list(row(CHAIN, stage, "cot").ids[10:]) == [1, 2, 3, ANSWER, 3, END]
    assert learnt(row(CHAIN, stage, "cot")) == [1, 2, 3, ANSWER, 3, END]
    assert list(row(CHAIN, stage, "no-cot").ids[10:]) == [ANSWER, 3]
    assert learnt(row(CHAIN, stage, "no-cot")) == [3]


def test_nothing_stands_in_place_of_steps_without_thoughts() -> None:
    assert [list(row(CHAIN, stage, "no-thought").ids[10:]) for stage in range(4)] == [[1], [2], [3], [ANSWER, 3]]


def test_shrinking_steps_are_removed_from_the_left_and_sometimes_one_more_is() -> None:
    usual = [[1, 2, 3, ANSWER, 3, END], [2, 3, ANSWER, 3, END], [3, ANSWER, 3, END], [ANSWER, 3, END]]
    for stage, text in enumerate(usual):
        many = [learnt(row(CHAIN, stage, "icot", seed=seed)) for seed in range(300)]
        assert sum(each == text for each in many) >= 280  # 1 - exp(-4) of them on the average
        assert all(each == usual[min(stage + extra, 3)] for each in many for extra in [len(text) - len(each)])
    assert any(learnt(row(CHAIN, 0, "icot", seed=seed)) == usual[1] for seed in range(300))


def test_labels_are_drawn_from_what_lies_on_a_shortest_path_each_as_often() -> None:
    drawn = Counter(learnt(row(DIAMOND, 0, seed=seed))[0] for seed in range(600))
    assert set(drawn) == set(optimal(DIAMOND, 1)) == {1, 5}
    assert abs(drawn[1] - 300) < 75  # three standard deviations of 12


def test_breadth_first_labels_come_from_the_whole_frontier() -> None:
    drawn = Counter(learnt(row(DIAMOND, 0, "bfs-sample", seed=seed))[0] for seed in range(600))
    assert set(drawn) == set(frontier(DIAMOND, 1)) == {1, 5, 6}
    assert min(drawn.values()) > 140


def test_breadth_first_sets_are_the_frontier_or_all_that_is_reached() -> None:
    assert row(DIAMOND, 0, "bfs-set").label_set == frontier(DIAMOND, 1) == (1, 5, 6)
    reached = PACKED._replace(label_set="reachable")
    assert row(DIAMOND, 1, "bfs-set", form=reached).label_set == reachable(DIAMOND, 2) == (0, 1, 2, 5, 6)
    assert row(DIAMOND, 2, "bfs-set").label_set == (), "an answer is one vertex and not a set"
    assert learnt(row(DIAMOND, 2, "bfs-set")) == [2]


def test_written_paths_are_drawn_uniformly_from_the_shortest_ones() -> None:
    # 0-1-4-7 and 0-2-{5,6}-7: three shortest paths, of which vertex 1 begins one and vertex 2 begins two.
    edges = ((0, 1), (0, 2), (1, 4), (2, 5), (2, 6), (4, 7), (5, 7), (6, 7), (3, 0))
    graph = Graph(8, edges, root=0, target=7, distractor=3)
    paths = set(shortest_paths(graph))
    drawn = Counter((0, *learnt(row(graph, 0, "cot", seed=seed))[:3]) for seed in range(900))
    assert set(drawn) == paths
    assert len(paths) == 3
    assert all(abs(count - 300) < 60 for count in drawn.values())


def test_a_draw_follows_its_weights() -> None:
    weights = np.tile([0.0, 1.0, 3.0, 0.0], (40_000, 1))
    found = np.bincount(pick(weights, np.random.default_rng(1)), minlength=4) / 40_000
    assert found == pytest.approx([0, 0.25, 0.75, 0], abs=0.01)


# ---------------------------------------------------------------- telling anew


def _graph_of(told: Asked, number: int) -> Graph:
    """Back from arrays."""
    edges = told.graphs.edges_GM2[number, : told.graphs.num_edges_G[number]].tolist()
    return Graph(SYMBOLS.num_nodes, tuple(map(tuple, edges)), *told.graphs.question_G3[number].tolist())


def test_a_question_told_anew_is_the_same_question() -> None:
    arrays = asked(*[DIAMOND, CHAIN] * 20).graphs
    told = ask(arrays, np.random.default_rng(0))
    graphs = [_graph_of(told, number) for number in range(40)]
    assert {fingerprint(graph) for graph in graphs[::2]} == {fingerprint(DIAMOND)}
    assert {fingerprint(graph) for graph in graphs[1::2]} == {fingerprint(CHAIN)}
    assert len(set(graphs)) == 40, "names and order are drawn for each question"
    again = GraphArrays.of(graphs, num_nodes=SYMBOLS.num_nodes, max_hops=MAX_HOPS)
    for found, expected in zip(told.graphs, again, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_names_and_order_can_be_kept() -> None:
    kept = ask(asked(CHAIN).graphs, np.random.default_rng(0), rename=False, reorder=False)
    assert _graph_of(kept, 0) == CHAIN
    ordered = [_graph_of(ask(asked(CHAIN).graphs, np.random.default_rng(s), rename=False), 0) for s in range(20)]
    assert {frozenset(graph.edges) for graph in ordered} == {frozenset(CHAIN.edges)}
    assert len({graph.edges for graph in ordered}) > 5


def test_ids_and_places_say_nothing_of_the_answer() -> None:
    told = ask(asked(*[CHAIN] * 4000).graphs, np.random.default_rng(2))
    _, target, distractor = told.graphs.question_G3.T
    assert (target > distractor).mean() == pytest.approx(0.5, abs=0.03)
    assert (told.first_B == 1).mean() == pytest.approx(0.5, abs=0.03)
    assert np.bincount(target, minlength=8) / 4000 == pytest.approx([1 / 8] * 8, abs=0.02)


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("form", [PACKED, PAPER])
@pytest.mark.parametrize("method", ["continuous", "pause", "cot", "bfs-set", "icot"])
def test_a_batch_has_the_rows_that_collating_them_has(form: Format, method: str) -> None:
    import torch

    told = asked(DIAMOND, CHAIN, DIAMOND)
    batch = batch_of(told, form, 3, method)
    rows = [row_of(batch, number, fill=METHODS[method].fill) for number in range(3)]
    other = collate(rows, pad_id=END, latent_id=LATENT)
    assert batch.label_sets == other.label_sets
    for number in range(3):
        mine, theirs = batch.attend_BT[number], other.attend_BT[number]
        for name in ("ids_BT", "position_ids_BT", "labels_BT", "is_thought_BT", "edges_BT2"):
            first, second = getattr(batch, name), getattr(other, name)
            if first is None:
                assert second is None
            else:
                assert torch.equal(first[number][mine], second[number][theirs]), name


def test_questions_end_in_one_column_and_slots_begin_in_the_next() -> None:
    batch = batch_of(asked(DIAMOND, CHAIN), PACKED, 3, "continuous")
    columns = [row.nonzero()[0].item() for row in batch.is_thought_BT]
    assert len(set(columns)) == 1
    assert batch.attend_BT[0].tolist() != batch.attend_BT[1].tolist(), "the rows are of different lengths"
