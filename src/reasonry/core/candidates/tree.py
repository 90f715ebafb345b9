"""Rows of tokens that share beginnings as a tree, so that a model reads every shared token once.

    rows in lexicographic order          tree of their inputs (a row's last token is only predicted, never read)
    p q r | a b                          p - q - r - a
    p q r | a c                                    \
    p q r | d e                                      d

A node attends to its ancestors and itself, at position = its depth: what it computes is what it would compute in its
row alone, up to the rounding of sums in another order. No row is padded.

    allowed[n, m] = 1 if m is n or an ancestor of n          (N, N), bool

Rows are cut, in order, into packs of at most ``max_tok`` nodes, so that memory is bounded whatever the number of rows.
Beginnings that neighbouring packs share (their *trunk*, such as facts put before every question) are read once and kept
as keys and values. In lexicographic order every row shares its longest beginning with a neighbour, so one pass over the
rows, with the path of the last one, builds the tree.

Legend: N nodes of a pack, K rows. Degenerate cases: a row of one scored token adds no node of its own; equal rows share
all nodes; a single row longer than ``max_tok`` is a pack whose trunk is everything before its scored part.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.candidates.position import common_tok

_SHORTEST_TRUNK_TOK = 16  # a pass over a shorter trunk costs more than reading it again


class Row(NamedTuple):
    """Token ids of one prompt and candidate; what begins at ``start`` (at least 1) is scored."""

    ids: tuple[int, ...]
    start: int


class Pack(NamedTuple):
    """Rows ``first`` to ``end`` (exclusive), whose first ``trunk_tok`` tokens are read apart and kept."""

    first: int
    end: int
    trunk_tok: int


class Tree(NamedTuple):
    """The rows of a pack behind its trunk.

    Attributes:
        token_N: Token ids, int64.
        position_N: Positions in the rows, int64; the trunk's length at least.
        allowed_NN: True where a node (first axis) may look.
        read_R: Nodes whose predictions are wanted, ascending, int64.
        read_of_S: For every scored token, row by row and in order, its place in ``read_R``, int64.
        token_of_S: And its id, int64.
    """

    token_N: NDArray[np.int64]
    position_N: NDArray[np.int64]
    allowed_NN: NDArray[np.bool_]
    read_R: NDArray[np.int64]
    read_of_S: NDArray[np.int64]
    token_of_S: NDArray[np.int64]


def plan(rows: Sequence[Row], *, max_tok: int, max_read: int) -> list[Pack]:
    """Cut rows into packs.

    Args:
        rows: In lexicographic order of their ids.
        max_tok: Most nodes of a pack, except for a single row that is longer by itself.
        max_read: Most predictions wanted of a pack, about; they take a vocabulary's memory each.
    """
    packs: list[tuple[int, int, int, int]] = []  # first, end, longest possible trunk, nodes behind it
    first = trunk = nodes = read = 0
    for k, (ids, start) in enumerate(rows):
        last = len(ids) - 1  # inputs
        if k > first:
            shared = _shared_inputs(rows[k - 1], rows[k])
            new_trunk = min(trunk, shared, start - 1)
            new_nodes = nodes + trunk - new_trunk + last - shared
            new_read = read + last - max(shared, start - 1)
            again = new_trunk if new_trunk < _SHORTEST_TRUNK_TOK else 0  # to be read with the rest
            if new_nodes + again <= max_tok and new_read <= max_read:
                trunk, nodes, read = new_trunk, new_nodes, new_read
                continue
            packs.append((first, k, trunk, nodes))
        first, trunk, nodes, read = k, start - 1, last - start + 1, last - start + 1
    if rows:
        packs.append((first, len(rows), trunk, nodes))
    kept = [0]
    for (_, _, left, _), (at, _, right, _) in pairwise(packs):
        kept.append(min(left, right, _shared_inputs(rows[at - 1], rows[at])))
    kept.append(0)
    planned: list[Pack] = []
    for i, (at, end, most, behind) in enumerate(packs):
        trunk = max(kept[i], kept[i + 1])
        trunk = trunk if trunk >= _SHORTEST_TRUNK_TOK else 0
        planned.append(Pack(at, end, most if behind + most - trunk > max_tok else trunk))
    return planned


def build(rows: Sequence[Row], *, trunk_tok: int = 0) -> Tree:
    """The tree of some rows behind their trunk.

    Args:
        rows: In lexicographic order of their ids.
        trunk_tok: Tokens at the beginning that all rows share and that lie before every scored part.
    """
    tokens: list[int] = []
    depths: list[int] = []
    parents: list[int] = []
    path: list[int] = []  # nodes of the last row, from the trunk on
    paths: list[list[int]] = []
    for k, row in enumerate(rows):
        shared = _shared_inputs(rows[k - 1], row) if k else trunk_tok
        path = path[: shared - trunk_tok]
        for depth in range(shared, len(row.ids) - 1):
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(row.ids[depth])
            depths.append(depth)
        paths.append(path)
    allowed_NN = np.eye(len(tokens), dtype=np.bool_)
    for node, parent in enumerate(parents):
        if parent >= 0:
            allowed_NN[node, :node] = allowed_NN[parent, :node]
    wanted = [path[row.start - 1 - trunk_tok :] for path, row in zip(paths, rows, strict=True)]
    nodes_S = np.array([node for part in wanted for node in part], dtype=np.int64)
    read_R, read_of_S = np.unique(nodes_S, return_inverse=True)
    return Tree(
        np.array(tokens, dtype=np.int64),
        np.array(depths, dtype=np.int64),
        allowed_NN,
        read_R,
        read_of_S.astype(np.int64).reshape(-1),
        np.array([token for row in rows for token in row.ids[row.start :]], dtype=np.int64),
    )


def _shared_inputs(a: Row, b: Row) -> int:
    return min(common_tok(a.ids, b.ids), len(a.ids) - 1, len(b.ids) - 1)
