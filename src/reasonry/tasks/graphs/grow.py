"""Graphs that grow under two roots, 0 and 1; vertex v only has parents below v, so there are no cycles.

    label(0) = {0}, label(1) = {1};  depth of a root = 0
    for v = 2 .. N-1:  k ~ Poisson(1.5) parents among  the vertices with label {0}   with probability s_0
                                                       the vertices with label {1}   with probability s_1
                                                       all vertices                  with probability 1 - s_0 - s_1
                       drawn without replacement in proportion to 1.5 depth + 1
                       label(v) = union of the labels of its parents,  depth(v) = 1 + their least depth (0 without any)

RECONSTRUCTED from statistics of a published set; see `reasonry.tasks.graphs.prosqa`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

MEAN_PARENTS = 1.5
DEPTH_WEIGHT = 1.5
_UNIFORMS_AT_ONCE = 256


class Grown(NamedTuple):
    """What was grown under the roots 0 and 1, before a question is asked.

    Attributes:
        edges: (parent, child), children in ascending order.
        labels: Which roots lead to each vertex: 1 root 0, 2 root 1, 3 both, 0 neither.
        root_distances: Distance from the nearest root; meaningless without one.
        num_parents: In-degree.
        num_children: Out-degree.
    """

    edges: list[tuple[int, int]]
    labels: list[int]
    root_distances: list[int]
    num_parents: list[int]
    num_children: list[int]


def uniforms(rng: np.random.Generator) -> Iterator[float]:
    """Uniform numbers in [0, 1), drawn in blocks: one by one they would cost more than all the rest."""
    while True:
        yield from rng.random(_UNIFORMS_AT_ONCE).tolist()


def _poisson_cdf(mean: float) -> tuple[float, ...]:
    terms = [math.exp(-mean)]
    while len(terms) < 40:
        terms.append(terms[-1] * mean / len(terms))
    return tuple(np.cumsum(terms).tolist())


_NUM_PARENTS_CDF = _poisson_cdf(MEAN_PARENTS)


def _num_parents(u: float) -> int:
    k = 0
    while u >= _NUM_PARENTS_CDF[k] and k < len(_NUM_PARENTS_CDF) - 1:
        k += 1
    return k


def grow(num_nodes: int, draws: Iterator[float], *, side_shares: tuple[float, float]) -> Grown:
    """Grow vertices under two roots.

    Args:
        num_nodes: Vertices, roots included.
        side_shares: Probabilities s_0 and s_1 that parents come from the one or the other root's own vertices.
        draws: Uniform numbers in [0, 1).
    """
    labels, depths, away = [1, 2], [0, 0], [0, 0]
    num_parents, num_children = [0] * num_nodes, [0] * num_nodes
    weights = [1.0, 1.0]
    under: tuple[list[int], list[int], list[int]] = ([0, 1], [0], [1])  # all, exclusively root 0, exclusively root 1
    edges: list[tuple[int, int]] = []
    for node in range(2, num_nodes):
        k = _num_parents(next(draws))
        side = next(draws)
        pool = under[1 if side <= side_shares[0] else 2 if side <= sum(side_shares) else 0]
        label, depth, root_distance = 0, 0, 0
        if k:
            parents = _weighted_sample(pool, weights, k, draws)
            num_parents[node] = len(parents)
            depth = root_distance = num_nodes
            for parent in parents:
                edges.append((parent, node))
                num_children[parent] += 1
                if depths[parent] < depth:
                    depth = depths[parent]
                if labels[parent]:
                    label |= labels[parent]
                    if away[parent] < root_distance:
                        root_distance = away[parent]
            depth += 1
            root_distance += 1
        labels.append(label)
        depths.append(depth)
        away.append(root_distance)
        weights.append(DEPTH_WEIGHT * depth + 1)
        under[0].append(node)
        if label in (1, 2):
            under[label].append(node)
    return Grown(edges, labels, away, num_parents, num_children)


def _weighted_sample(pool: list[int], weights: list[float], k: int, draws: Iterator[float]) -> list[int]:
    """``k`` members of the pool (all, if it has fewer), one after the other in proportion to their weights."""
    if k >= len(pool):
        return list(pool)
    left = list(pool)
    total = sum([weights[v] for v in left])
    chosen: list[int] = []
    for _ in range(k):
        at = next(draws) * total
        place = 0
        last = len(left) - 1
        while place < last and (at := at - weights[left[place]]) >= 0:
            place += 1
        node = left.pop(place)
        total -= weights[node]
        chosen.append(node)
    return chosen
