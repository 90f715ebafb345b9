"""Questions about graphs as rows of symbols.

    paper     <eos> s t | s t | ... | s t [Q] a b [R] r  <latent>*k  answer       one token each (arXiv 2505.12514)
    packed    <eos>  e    e    ...    e   [Q] a b [R] r  <latent>*k  answer       an edge in one position, with s and t

a and b are the candidates in random order, r the root. With l edges on the shortest path n_0 = r, .., n_l, at stage i:

    replaced    i < l: n_{i+1} alone,  k = c i;     i >= l: [A] target,  k = c l        learnt: the last token
    omitted     [A] target                                                              learnt: the target
    written     n_1 .. n_l [A] target <eos>                                             learnt: all of them
    shrinking   n_{i+o+1} .. n_l [A] target <eos>,  o as in `methods`                   learnt: all of them

Where several vertices may come next, the label is drawn among those at distance i + 1 that lie on some shortest path;
for breadth-first search, among all at that distance. Written paths are drawn uniformly from the shortest ones.

RECONSTRUCTED: the packed layout.

Batches are built by array operations, without a loop over rows or tokens: the questions of all rows end in the same
column, so that slots begin in the next one and nothing else has to be aligned.

Legend: B rows, T columns, M most edges, N vertices, L most hops.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

from reasonry.training.continuous_cot.graph_arrays import Bools, GraphArrays, Ints, pick
from reasonry.training.continuous_cot.graph_format import ANSWER_TOK, QUESTION_TOK, Format, Symbols
from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch, Row, positions
from reasonry.training.continuous_cot.methods import REMOVAL_RATE, Method


class Asked(NamedTuple):
    """Questions as they are told, before anything follows them.

    Attributes:
        graphs: With vertices named as in the rows.
        first_B: Which candidate is told first: 1 the target, 2 the distractor.
    """

    graphs: GraphArrays
    first_B: Ints


def ask(graphs: GraphArrays, rng: np.random.Generator, *, rename: bool = True, reorder: bool = True) -> Asked:
    """Give vertices new names, edges a new order, and draw which candidate is told first.

    Args:
        graphs: B of them.
        rng: Draws.
        rename: False keeps the names.
        reorder: False keeps the order of edges.
    """
    B, M = graphs.edges_GM2.shape[:2]
    first_B = rng.integers(1, 3, B)
    if reorder:
        key_BM = rng.random((B, M)) + (np.arange(M) >= graphs.num_edges_G[:, None])
        graphs = graphs._replace(edges_GM2=np.take_along_axis(graphs.edges_GM2, key_BM.argsort(1)[..., None], 1))
    if rename:
        N = graphs.num_nodes
        new_BN = rng.random((B, N)).argsort(1)
        old_BN = np.empty_like(new_BN)
        np.put_along_axis(old_BN, new_BN, np.broadcast_to(np.arange(N), (B, N)), 1)
        rows = np.arange(B)
        edges_BM2 = np.where(graphs.edges_GM2 < 0, -1, new_BN[rows[:, None, None], graphs.edges_GM2])
        graphs = graphs._replace(
            edges_GM2=edges_BM2,
            question_G3=new_BN[rows[:, None], graphs.question_G3],
            on_path_GCN=np.take_along_axis(graphs.on_path_GCN, old_BN[:, None], 2),
            frontier_GCN=np.take_along_axis(graphs.frontier_GCN, old_BN[:, None], 2),
            next_GNN=graphs.next_GNN[rows[:, None, None], old_BN[:, :, None], old_BN[:, None]],
            ways_GN=np.take_along_axis(graphs.ways_GN, old_BN, 1),
        )
    return Asked(graphs, first_B)


def part_of(asked: Asked, part: slice) -> Asked:
    """Some of the questions."""
    numbers = np.arange(len(asked.first_B))[part]
    return Asked(asked.graphs.take(numbers), asked.first_B[part])


# ---------------------------------------------------------------- what follows a question


class Tail(NamedTuple):
    """What follows the questions of a batch.

    Attributes:
        num_slots_B: Latent slots.
        ids_BS: Tokens behind them; -1 behind a row's last one.
        is_learnt_BS: Which of them are learnt.
        set_BN: Vertices any of which is right; no row where labels are single.
    """

    num_slots_B: Ints
    ids_BS: Ints
    is_learnt_BS: Bools
    set_BN: Bools


def learning_tail(asked: Asked, form: Format, *, stages: Ints, method: Method, rng: np.random.Generator) -> Tail:
    """What is learnt at given stages.

    Args:
        asked: The questions.
        form: How rows look.
        stages: (B,) of each.
        method: The layout.
        rng: Draws paths, labels, and how many steps are removed.
    """
    graphs, symbols = asked.graphs, form.symbols
    B, N = len(stages), graphs.num_nodes
    if method.steps in ("written", "shrinking"):
        removed_B = np.zeros(B, np.int64)
        if method.steps == "shrinking":
            more_B = np.floor(rng.exponential(1 / REMOVAL_RATE, B)).astype(np.int64)
            removed_B = np.minimum(stages + more_B, graphs.hops_G)
        ids_BS = _written(graphs, symbols, removed_B, rng)
        return Tail(np.zeros(B, np.int64), ids_BS, ids_BS >= 0, np.zeros((0, N), bool))
    if method.steps == "omitted":
        stages = np.full(B, graphs.max_hops)
    answers_B = stages >= graphs.hops_G
    right_BN = next_vertices(graphs, np.where(answers_B, 0, stages + 1), form, method)
    ids_BS = np.full((B, 2), -1)
    ids_BS[:, 0] = np.where(answers_B, symbols.answer_id, pick(right_BN, rng))
    ids_BS[answers_B, 1] = graphs.question_G3[answers_B, 1]
    is_learnt_BS = np.stack([~answers_B, answers_B], 1)
    if answers_B.all() or not answers_B.any():  # no column of nothing
        ids_BS = ids_BS[:, : 1 + int(answers_B.any())]
        is_learnt_BS = is_learnt_BS[:, : ids_BS.shape[1]]
    has_sets = method.label == "frontier-set"
    set_BN = right_BN & ~answers_B[:, None] if has_sets else np.zeros((0, N), bool)
    return Tail(num_slots(graphs, form, stages, method), ids_BS, is_learnt_BS, set_BN)


def num_slots(graphs: GraphArrays, form: Format, stages: Ints, method: Method) -> Ints:
    """Latent slots (B,) of each row."""
    if method.steps != "replaced" or method.fill == "nothing":
        return np.zeros(len(stages), np.int64)
    return form.per_step * (stages if form.pad_to_max else np.minimum(stages, graphs.hops_G))


def next_vertices(graphs: GraphArrays, distance_B: Ints, form: Format, method: Method) -> Bools:
    """Vertices (B, N) that are right at a distance from the root."""
    rows = np.arange(len(distance_B))
    if method.label == "path":
        return graphs.on_path_GCN[rows, distance_B]
    if method.label == "frontier-set" and form.label_set == "reachable":
        return np.logical_or.accumulate(graphs.frontier_GCN, axis=1)[rows, distance_B]
    return graphs.frontier_GCN[rows, distance_B]


def _written(graphs: GraphArrays, symbols: Symbols, removed_B: Ints, rng: np.random.Generator) -> Ints:
    """n_{removed+1} .. n_l [A] target <eos>, (B, S)."""
    path_BS = graphs.paths(rng)[:, 1:]
    B, L = path_BS.shape
    num_left_B = graphs.hops_G - removed_B
    ids_BS = np.full((B, L + ANSWER_TOK), -1)
    rows, places = np.nonzero(np.arange(L) < num_left_B[:, None])
    ids_BS[rows, places] = path_BS[rows, places + removed_B[rows]]
    every = np.arange(B)
    for offset, token in enumerate((symbols.answer_id, graphs.question_G3[:, 1], symbols.end_id)):
        ids_BS[every, num_left_B + offset] = token
    return ids_BS[:, : int(num_left_B.max(initial=0)) + ANSWER_TOK]


def asking_tail(num_slots_B: Ints, ids_BS: Ints, *, num_nodes: int) -> Tail:
    """Slots, then tokens of which none is learnt.

    Args:
        num_slots_B: Slots of each row.
        ids_BS: Tokens; -1 behind a row's last one.
        num_nodes: N.
    """
    return Tail(num_slots_B, ids_BS, np.zeros(ids_BS.shape, bool), np.zeros((0, num_nodes), bool))


def tail_part(tail: Tail, part: slice) -> Tail:
    """What follows some of the questions, where nothing is learnt from sets."""
    return tail._replace(
        num_slots_B=tail.num_slots_B[part], ids_BS=tail.ids_BS[part], is_learnt_BS=tail.is_learnt_BS[part]
    )


# ---------------------------------------------------------------- batches


def build(asked: Asked, tail: Tail, form: Format, *, fill: Literal["thought", "token", "nothing"]) -> Batch:
    """Rows of questions and what follows them."""
    graphs, symbols = asked.graphs, form.symbols
    B, M = graphs.edges_GM2.shape[:2]
    is_packed = form.layout == "packed"
    num_B = graphs.num_edges_G
    told_B = num_B if is_packed else np.maximum(3 * num_B - 1, 0)
    end = 1 + int(told_B.max(initial=0)) + QUESTION_TOK  # column behind the question
    starts_B = end - 1 - told_B - QUESTION_TOK
    num_tail_B = (tail.ids_BS >= 0).sum(1)
    stops_B = end + tail.num_slots_B + num_tail_B
    columns_T = np.arange(int(stops_B.max(initial=end)))
    rows = np.arange(B)
    ids = np.full((B, len(columns_T)), symbols.end_id)
    labels = np.full(ids.shape, IGNORED)
    edges = np.full((*ids.shape, 2), -1) if is_packed else None
    at, place = np.nonzero(np.arange(M) < num_B[:, None])
    if edges is not None:
        ids[at, starts_B[at] + 1 + place] = symbols.edge_id
        edges[at, starts_B[at] + 1 + place] = graphs.edges_GM2[at, place]
    else:
        column = starts_B[at] + 1 + 3 * place
        ids[at, column], ids[at, column + 1] = graphs.edges_GM2[at, place].T
        is_parted = place < num_B[at] - 1
        ids[at[is_parted], column[is_parted] + 2] = symbols.edge_id
    question_B3 = graphs.question_G3
    ids[:, end - 5], ids[:, end - 2], ids[:, end - 1] = symbols.question_id, symbols.root_id, question_B3[:, 0]
    ids[:, end - 4], ids[:, end - 3] = question_B3[rows, asked.first_B], question_B3[rows, 3 - asked.first_B]
    is_slot = (columns_T >= end) & (columns_T < end + tail.num_slots_B[:, None])
    ids[is_slot] = symbols.latent_id
    at, place = np.nonzero(tail.ids_BS >= 0)
    column = end + tail.num_slots_B[at] + place
    ids[at, column] = tail.ids_BS[at, place]
    labels[at, column] = np.where(tail.is_learnt_BS[at, place], tail.ids_BS[at, place], IGNORED)
    attend = (columns_T >= starts_B[:, None]) & (columns_T < stops_B[:, None])
    is_thought = is_slot if fill == "thought" else np.zeros_like(is_slot)
    sets: list[tuple[int, ...]] = [()] * B
    if len(tail.set_BN):
        sets = [tuple(np.flatnonzero(each).tolist()) for each in tail.set_BN]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(attend),
        torch.from_numpy(positions(attend)),
        torch.from_numpy(labels),
        torch.from_numpy(is_thought),
        None if edges is None else torch.from_numpy(edges),
        sets,
    )


def row_of(batch: Batch, number: int, *, fill: Literal["thought", "token", "nothing"]) -> Row:
    """A row of a batch without its padding."""
    is_there = batch.attend_BT[number]
    edges = None
    if batch.edges_BT2 is not None:
        edges = tuple((s, t) for s, t in batch.edges_BT2[number][is_there].tolist())
    return Row(
        tuple(batch.ids_BT[number][is_there].tolist()),
        tuple(batch.labels_BT[number][is_there].tolist()),
        edges,
        batch.label_sets[number],
        "token" if fill == "token" else "thought",
    )
