"""What the explicit transformer must compute, from a breadth-first search: the other side of every comparison.

    V_c    = vertices at most c edges from the root
    t_c    = sum_{v in V_c} e_v / sqrt(|V_c|)                                         Lemma 2 of arXiv 2505.12514
    logits = (e_<A> + e_c1 + e_c2 + sum_{v in V_C} e_v) / |.|                          after C thoughts

The right candidate leads by 1 / sqrt(|V_C| + 5) once V_C holds it (Theorem 1). Before that it ties with the other
candidate, with <A> and with all of V_C.
"""

# pyright: strict
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasonry.tasks.graphs.graph import Graph, distances
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary


def ideal_thoughts(graph: Graph, num_thoughts: int, vocabulary: Vocabulary) -> NDArray[np.float64]:
    """t_0 .. t_C.

    Returns:
        Shape (C + 1, V): unit rows, equal weights on the vertices of V_c.
    """
    found = np.array([np.inf if d is None else d for d in distances(graph)])
    reached_KN = found[None, :] <= np.arange(num_thoughts + 1)[:, None]
    rows_KV = np.zeros((num_thoughts + 1, vocabulary.size))
    rows_KV[:, : graph.num_nodes] = reached_KN
    return rows_KV / np.sqrt(rows_KV.sum(1, keepdims=True))


def ideal_logits(graph: Graph, num_thoughts: int, vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Logits of <A> after each number of thoughts from 0 to C.

    Returns:
        Shape (C + 1, V).
    """
    counts_KV = (ideal_thoughts(graph, num_thoughts, vocabulary) > 0.0).astype(np.float64)
    for token in (graph.target, graph.distractor, vocabulary.answer):
        counts_KV[:, token] += 1.0
    return counts_KV / np.sqrt((counts_KV**2).sum(1, keepdims=True))
