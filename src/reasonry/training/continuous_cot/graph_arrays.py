"""Graphs as arrays: what rows of a batch are built from without a loop over graphs.

    on_path(c)   vertices at distance c from the root on some shortest path to the target
    ways(v)      shortest paths v..target, for v on one:  ways(target) = 1,
                 ways(v) = sum of ways(w) over edges v -> w with w on_path one step further

A path drawn by leaving each vertex in proportion to ``ways`` of the next is uniform among all shortest ones.

Legend: G graphs, M most edges, N vertices, C distances 0 .. L, L most hops, B rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.tasks.graphs.graph import Graph, frontier, optimal, path_len

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class GraphArrays(NamedTuple):
    """Graphs side by side.

    Attributes:
        edges_GM2: (source, target); -1 behind a graph's last edge.
        num_edges_G: Edges.
        question_G3: Root, target, distractor.
        hops_G: Edges on a shortest path from root to target.
        on_path_GCN: Vertices at each distance on a shortest path.
        frontier_GCN: All vertices at each distance.
        next_GNN: Edges from each vertex to each.
        ways_GN: Shortest paths to the target, from vertices on one.
    """

    edges_GM2: Ints
    num_edges_G: Ints
    question_G3: Ints
    hops_G: Ints
    on_path_GCN: Bools
    frontier_GCN: Bools
    next_GNN: Bools
    ways_GN: NDArray[np.float64]

    @property
    def num_nodes(self) -> int:
        """N."""
        return self.next_GNN.shape[1]

    @property
    def max_hops(self) -> int:
        """L."""
        return self.on_path_GCN.shape[1] - 1

    @classmethod
    def of(cls, graphs: Sequence[Graph], *, num_nodes: int, max_hops: int) -> GraphArrays:
        """Arrays of graphs with at most ``num_nodes`` vertices and ``max_hops`` hops.

        Raises:
            DataError: A target cannot be reached.
        """
        G, N = len(graphs), num_nodes
        counts = [len(graph.edges) for graph in graphs]
        edges_GM2 = np.full((G, max(counts, default=0), 2), -1)
        on_path, all_at = np.zeros((G, max_hops + 1, N), bool), np.zeros((G, max_hops + 1, N), bool)
        next_GNN = np.zeros((G, N, N), bool)
        for number, graph in enumerate(graphs):
            edges = np.array(graph.edges, dtype=np.int64).reshape(-1, 2)
            edges_GM2[number, : len(edges)] = edges
            next_GNN[number, edges[:, 0], edges[:, 1]] = True
            for c in range(max_hops + 1):
                on_path[number, c, list(optimal(graph, c))] = True
                all_at[number, c, list(frontier(graph, c))] = True
        ways_GN = np.zeros((G, N))
        ways_GN[np.arange(G), [graph.target for graph in graphs]] = 1.0
        for c in range(max_hops - 1, -1, -1):
            further_GN = np.where(on_path[:, c + 1], ways_GN, 0.0)
            ways_GN += np.where(on_path[:, c], np.einsum("gvw,gw->gv", next_GNN, further_GN), 0.0)
        return cls(
            edges_GM2,
            np.array(counts, dtype=np.int64),
            np.array([(g.root, g.target, g.distractor) for g in graphs], dtype=np.int64).reshape(-1, 3),
            np.array([path_len(graph) for graph in graphs], dtype=np.int64),
            on_path,
            all_at,
            next_GNN,
            ways_GN,
        )

    def take(self, indices: Sequence[int] | Ints) -> GraphArrays:
        """Some of the graphs, with no more room for edges than they need."""
        at = np.asarray(indices, dtype=np.int64)
        num_edges_B = self.num_edges_G[at]
        return GraphArrays(
            self.edges_GM2[at, : int(num_edges_B.max(initial=0))],
            num_edges_B,
            self.question_G3[at],
            self.hops_G[at],
            self.on_path_GCN[at],
            self.frontier_GCN[at],
            self.next_GNN[at],
            self.ways_GN[at],
        )

    def paths(self, rng: np.random.Generator) -> Ints:
        """A shortest path of each graph, each with the same probability: (G, L + 1), -1 behind its end."""
        rows = np.arange(len(self.hops_G))
        path = np.full((len(rows), self.max_hops + 1), -1)
        path[:, 0] = here = self.question_G3[:, 0]
        for c in range(1, self.max_hops + 1):
            weight_GN = np.where(self.next_GNN[rows, here] & self.on_path_GCN[:, c], self.ways_GN, 0.0)
            chosen = pick(weight_GN, rng)
            is_open = c <= self.hops_G
            path[is_open, c] = chosen[is_open]
            here = np.where(is_open, chosen, here)
        return path


def pick(weight_GN: NDArray[np.float64] | Bools, rng: np.random.Generator) -> Ints:
    """One place of each row, in proportion to weights; any place of a row without weight."""
    # The smallest of exponential variables with rates w_i is the i-th with probability w_i / sum w.
    with np.errstate(divide="ignore"):
        return np.argmin(rng.exponential(size=weight_GN.shape) / weight_GN, axis=1)
