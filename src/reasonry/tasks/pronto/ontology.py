"""Two small ontologies side by side, and a property that one of their last concepts has and the other lacks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.errors import ConfigError
from reasonry.tasks.graphs.graph import Graph, shuffle

MAX_HOPS = 12
NUM_ASIDES = 4
_MIN_BRANCHES = 3


class Aside(NamedTuple):
    """A rule about a property that is not asked for.

    Attributes:
        concept: Vertex that it is about.
        property: Number of the property, from 1.
        is_denied: Whether the concept lacks it.
    """

    concept: int
    property: int
    is_denied: bool


class Ontology(NamedTuple):
    """A question of h hops.

    Attributes:
        graph: Persons and concepts; the root is the person asked about, target and distractor the two last concepts.
        is_denied: Whether the target's rule denies the property 0 (then the distractor's gives it).
        asks_denied: Whether the question is if the person lacks the property.
        asides: Rules about other properties.
    """

    graph: Graph
    is_denied: bool
    asks_denied: bool
    asides: tuple[Aside, ...]

    @property
    def answer(self) -> bool:
        """Whether what is asked is so."""
        return self.is_denied == self.asks_denied


def _side(num_hops: int, first: int, rng: np.random.Generator) -> tuple[list[tuple[int, int]], int]:
    """Edges of a person (vertex ``first``) and its concepts, numbered on from it, and the number of vertices."""
    last = first + num_hops
    edges = [(v, v + 1) for v in range(first, last)]
    few = max(num_hops, _MIN_BRANCHES)
    num_branches = int(rng.integers(few, 2 * few + 1))
    for node in range(last + 1, last + 1 + num_branches):
        # Anything but the last concept of the chain, which has to stay without children.
        parent = int(rng.integers(first, node - 1))
        edges.append((parent + (parent >= last), node))
    return edges, num_hops + 1 + num_branches


def draw_ontology(num_hops: int, rng: np.random.Generator) -> Ontology:
    """A question of ``num_hops`` hops with random numbers for its vertices, its edges in random order.

    Raises:
        ConfigError: ``num_hops`` is not 1 to `MAX_HOPS`.
    """
    if not 1 <= num_hops <= MAX_HOPS:
        raise ConfigError(f"{num_hops} hops", place="hops", remedy=f"Use 1 to {MAX_HOPS}.")
    one, num_one = _side(num_hops, 0, rng)
    other, num_other = _side(num_hops, num_one, rng)
    roots, ends = (0, num_one), (num_hops, num_one + num_hops)
    asked = int(rng.integers(2))
    drawn = Graph(num_one + num_other, (*one, *other), roots[asked], ends[asked], ends[1 - asked])
    graph = shuffle(drawn, rng)
    concepts = sorted({target for _, target in graph.edges})
    asides = tuple(
        Aside(concepts[int(rng.integers(len(concepts)))], number, bool(rng.integers(2)))
        for number in range(1, NUM_ASIDES + 1)
    )
    return Ontology(graph, bool(rng.integers(2)), bool(rng.integers(2)), asides)
