"""A reachability question on a directed graph: which of two candidates does the root reach?

    d(u, v)         edges on a shortest path u -> v; None where there is no path
    frontier(c)     { v : d(root, v) = c }
    reachable(c)    { v : d(root, v) <= c }, the set V_c of arXiv 2505.12514
    walk frontier   { v : some walk of exactly c edges leads from the root to v }, vertices may be seen again
    optimal(c)      { v : d(root, v) = c and c + d(v, target) = d(root, target) }, so on some shortest path

Frontier and walk frontier differ even without cycles: of the edges r->a, r->b, a->b the walk frontier at c = 2 is {b},
the frontier is empty. All sets are sorted tuples; for c below 0 they are empty.

Cost: one breadth-first search, O(vertices + edges), per graph and source; the last few thousand are kept.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from reasonry.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

Edges = tuple[tuple[int, int], ...]
Neighbours = tuple[tuple[int, ...], ...]

_NUM_KEPT = 4096


class Graph(NamedTuple):
    """A directed graph and a question about it. Vertices are 0 to ``num_nodes`` - 1; some may have no edge.

    Attributes:
        num_nodes: Number of vertices.
        edges: Pairs (source, target), in the order in which they are told.
        root: Where the search starts.
        target: The candidate that the root reaches.
        distractor: The candidate that it does not reach.
    """

    num_nodes: int
    edges: Edges
    root: int
    target: int
    distractor: int


# ---------------------------------------------------------------- neighbours and distances


@lru_cache(maxsize=_NUM_KEPT)
def _neighbours(num_nodes: int, edges: Edges) -> tuple[Neighbours, Neighbours]:
    after: list[list[int]] = [[] for _ in range(num_nodes)]
    before: list[list[int]] = [[] for _ in range(num_nodes)]
    for source, target in edges:
        after[source].append(target)
        before[target].append(source)
    return tuple(map(tuple, after)), tuple(map(tuple, before))


@lru_cache(maxsize=_NUM_KEPT)
def _search(neighbours: Neighbours, source: int) -> tuple[int | None, ...]:
    found: list[int | None] = [None] * len(neighbours)
    found[source] = 0
    level, depth = [source], 0
    while level:
        depth += 1
        below: list[int] = []
        for node in level:
            for other in neighbours[node]:
                if found[other] is None:
                    found[other] = depth
                    below.append(other)
        level = below
    return tuple(found)


def successors(graph: Graph) -> Neighbours:
    """Targets of the edges out of each vertex, in the order of the edges."""
    return _neighbours(graph.num_nodes, graph.edges)[0]


def predecessors(graph: Graph) -> Neighbours:
    """Sources of the edges into each vertex, in the order of the edges."""
    return _neighbours(graph.num_nodes, graph.edges)[1]


def distances(graph: Graph, source: int | None = None) -> tuple[int | None, ...]:
    """Length of a shortest path from ``source`` (the root, unless given) to each vertex; None where there is none."""
    return _search(successors(graph), graph.root if source is None else source)


def distances_to(graph: Graph, sink: int) -> tuple[int | None, ...]:
    """Length of a shortest path from each vertex to ``sink``; None where there is none."""
    return _search(predecessors(graph), sink)


def path_len(graph: Graph) -> int:
    """Edges on a shortest path from the root to the target.

    Raises:
        DataError: There is no path.
    """
    length = distances(graph)[graph.target]
    if length is None:
        raise DataError(f"no path from the root {graph.root} to the target {graph.target}", remedy="Mend the edges.")
    return length


def present(graph: Graph) -> tuple[int, ...]:
    """Vertices that an edge or the question names."""
    named = {graph.root, graph.target, graph.distractor}
    return tuple(sorted(named.union(*graph.edges)))


# ---------------------------------------------------------------- sets of a step


def frontier(graph: Graph, c: int) -> tuple[int, ...]:
    """Vertices at distance exactly ``c`` from the root."""
    return tuple(v for v, d in enumerate(distances(graph)) if d == c)


def reachable(graph: Graph, c: int) -> tuple[int, ...]:
    """Vertices at distance at most ``c`` from the root."""
    return tuple(v for v, d in enumerate(distances(graph)) if d is not None and d <= c)


def walk_frontier(graph: Graph, c: int) -> tuple[int, ...]:
    """Vertices at the end of some walk of exactly ``c`` edges from the root."""
    after = successors(graph)
    level = {graph.root} if c >= 0 else set[int]()
    for _ in range(c):
        level = {other for node in level for other in after[node]}
    return tuple(sorted(level))


def optimal(graph: Graph, c: int) -> tuple[int, ...]:
    """Vertices at distance ``c`` from the root on some shortest path to the target; none if there is no path."""
    length = distances(graph)[graph.target]
    if length is None:
        return ()
    rest = length - c
    return tuple(
        v
        for v, (d, e) in enumerate(zip(distances(graph), distances_to(graph, graph.target), strict=True))
        if d == c and e == rest
    )


# ---------------------------------------------------------------- shortest paths


def _on_path(graph: Graph, node: int, rest: int) -> list[int]:
    """Successors of ``node`` from which the target is ``rest`` edges away, each once."""
    away = distances_to(graph, graph.target)
    return [v for v in dict.fromkeys(successors(graph)[node]) if away[v] == rest]


def shortest_paths(graph: Graph) -> Iterator[tuple[int, ...]]:
    """Every shortest path root..target, one after the other; there may be exponentially many.

    Raises:
        DataError: There is none.
    """

    def rest_of(path: tuple[int, ...], rest: int) -> Iterator[tuple[int, ...]]:
        if not rest:
            yield path
        for node in _on_path(graph, path[-1], rest - 1) if rest else ():
            yield from rest_of((*path, node), rest - 1)

    return rest_of((graph.root,), path_len(graph))


def any_shortest_path(graph: Graph, rng: np.random.Generator) -> tuple[int, ...]:
    """One shortest path root..target, each with the same probability.

    Raises:
        DataError: There is none.
    """
    length = path_len(graph)
    away = distances_to(graph, graph.target)
    # num_ways[v]: shortest paths v..target; each vertex is left for a next one in proportion to it.
    num_ways = {graph.target: 1}
    for depth in range(length - 1, -1, -1):
        for node in optimal(graph, depth):
            num_ways[node] = sum(num_ways[v] for v in _on_path(graph, node, length - depth - 1))
    path = [graph.root]
    while path[-1] != graph.target:
        node = path[-1]
        rest = away[node]
        assert rest is not None
        at = rng.random() * num_ways[node]
        choices = _on_path(graph, node, rest - 1)
        for chosen in choices[:-1]:
            at -= num_ways[chosen]
            if at < 0:
                break
        else:
            chosen = choices[-1]
        path.append(chosen)
    return tuple(path)


# ---------------------------------------------------------------- other ids, and checks


def relabel(graph: Graph, ids: Sequence[int], *, num_nodes: int | None = None) -> Graph:
    """The same question with vertex v called ``ids[v]``.

    Args:
        graph: With N vertices.
        ids: (N,) different new ids.
        num_nodes: Vertices of the new graph, above every new id; N unless given.
    """
    return Graph(
        num_nodes=graph.num_nodes if num_nodes is None else num_nodes,
        edges=tuple((ids[s], ids[t]) for s, t in graph.edges),
        root=ids[graph.root],
        target=ids[graph.target],
        distractor=ids[graph.distractor],
    )


def shuffle(graph: Graph, rng: np.random.Generator, *, num_ids: int | None = None) -> Graph:
    """The same question with random ids and its edges in random order.

    Args:
        graph: With N vertices.
        rng: For the ids and the order.
        num_ids: Draw the ids from 0 to ``num_ids`` - 1, so that small graphs use every id as often; the new graph has
            that many vertices, of which ``num_ids`` - N are nowhere named. N unless given.

    Raises:
        ConfigError: ``num_ids`` is below N.
    """
    num_ids = graph.num_nodes if num_ids is None else num_ids
    if num_ids < graph.num_nodes:
        raise ConfigError(
            f"{num_ids} ids for {graph.num_nodes} vertices",
            place="num_ids",
            remedy=f"Give at least {graph.num_nodes} ids.",
        )
    renamed = relabel(graph, rng.permutation(num_ids).tolist(), num_nodes=num_ids)
    order: list[int] = rng.permutation(len(graph.edges)).tolist()
    return renamed._replace(edges=tuple(renamed.edges[i] for i in order))


def check(graph: Graph, *, max_nodes: int | None = None, place: str = "") -> None:
    """Refuse what is not a question with one right answer.

    Args:
        graph: Checked in full.
        max_nodes: Most vertices that can be used.
        place: Where the graph stands (``file:line``), for the error.

    Raises:
        DataError: Too many vertices, an id that is none of them, a self-loop, an edge told twice, a root that is a
            candidate, one vertex as both candidates, no path to the target, or a path to the distractor.
    """

    def refuse(problem: str, remedy: str) -> DataError:
        return DataError(problem, place=place, remedy=remedy)

    num, root, target, distractor = graph.num_nodes, graph.root, graph.target, graph.distractor
    if max_nodes is not None and num > max_nodes:
        raise refuse(f"{num} vertices, more than {max_nodes}", "Use smaller graphs, or a model for larger ones.")
    for name, node in (("root", root), ("target", target), ("distractor", distractor)):
        if not 0 <= node < num:
            raise refuse(f"the {name} is {node}", f"The graph has the vertices 0 to {num - 1}.")
    seen: set[tuple[int, int]] = set()
    for edge in graph.edges:
        if not (0 <= edge[0] < num and 0 <= edge[1] < num):
            raise refuse(f"edge {edge[0]} -> {edge[1]}", f"The graph has the vertices 0 to {num - 1}.")
        if edge[0] == edge[1]:
            raise refuse(f"self-loop {edge[0]} -> {edge[1]}", "Leave it out.")
        if edge in seen:
            raise refuse(f"duplicate edge {edge[0]} -> {edge[1]}", "Tell each edge once.")
        seen.add(edge)
    for name, node in (("target", target), ("distractor", distractor)):
        if node == root:
            raise refuse(f"the root {root} is itself the {name}", "Ask about two other vertices.")
    if target == distractor:
        raise refuse(f"both candidates are {target}", "Ask about two different vertices.")
    found = distances(graph)
    if found[target] is None:
        raise refuse(f"no path from the root {root} to the target {target}", "The target has to be reachable.")
    if found[distractor] is not None:
        raise refuse(
            f"a path of {found[distractor]} edges from the root {root} to the distractor {distractor}",
            "The distractor must not be reachable.",
        )
