"""Random directed graphs with cycles: what an exact solver of reachability has to stand, not a set to learn from.

RECONSTRUCTED (arXiv 2505.12514 tests its construction on such graphs without saying how they are drawn):

    n ~ U{4 .. max_nodes},   m ~ U{n // 2 + 1 .. min(2 n, max_edges)} different edges without self-loops
    root uniform among the vertices that reach another one and leave another one unreached (else all is drawn again)
    target uniform among the reached vertices other than the root, distractor among those not reached
"""

from __future__ import annotations

import numpy as np

from reasonry.errors import ConfigError
from reasonry.tasks.graphs.graph import Graph, distances


def _pick(items: list[int], rng: np.random.Generator) -> int:
    return items[int(rng.integers(len(items)))]


def random_graph(rng: np.random.Generator, *, max_nodes: int = 30, max_edges: int = 60) -> Graph:
    """One graph with a reachable target and an unreachable distractor; cycles and vertices without edges may occur.

    Args:
        rng: Draws everything.
        max_nodes: Most vertices, at least 4.
        max_edges: Most edges, at least ``max_nodes // 2 + 1``, so that every size has graphs.

    Raises:
        ConfigError: A bound is too low.
    """
    if max_nodes < 4:
        raise ConfigError(f"max_nodes = {max_nodes}", place="max_nodes", remedy="Use 4 or more.")
    least = max_nodes // 2 + 1
    if max_edges < least:
        raise ConfigError(f"max_edges = {max_edges}", place="max_edges", remedy=f"Use {least} or more.")
    while True:
        num = int(rng.integers(4, max_nodes + 1))
        num_edges = int(rng.integers(num // 2 + 1, min(2 * num, max_edges) + 1))
        # Pair p of the num (num - 1) pairs without self-loops: source p // (num - 1), and a target that skips it.
        pairs: list[int] = rng.choice(num * (num - 1), size=num_edges, replace=False).tolist()
        halves = [divmod(p, num - 1) for p in pairs]
        edges = tuple((source, rest + (rest >= source)) for source, rest in halves)
        blank = Graph(num, edges, 0, 0, 0)
        fit: list[tuple[int, list[int], list[int]]] = []
        for root in range(num):
            found = distances(blank, root)
            reached = [v for v in range(num) if found[v] is not None and v != root]
            missed = [v for v in range(num) if found[v] is None]
            if reached and missed:
                fit.append((root, reached, missed))
        if fit:
            root, reached, missed = fit[int(rng.integers(len(fit)))]
            return Graph(num, edges, root, _pick(reached, rng), _pick(missed, rng))
