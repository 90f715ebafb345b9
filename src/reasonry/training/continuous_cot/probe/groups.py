"""Which vertices a thought could hold, and which edges it could have come from, by their place in the search.

With d(v) the edges on a shortest path from the root to v, at thought c (counted from 1, after c expansions):

    Reachable       d(v) <= c
    NotReachable    d(v) > c, or no path at all
    Frontier        d(v) = c
    Optimal         d(v) = c and v lies on a shortest path from the root to the target

so Optimal is part of Frontier, and Frontier of Reachable. Thought i is made from the vertices of thought i - 1; the
edges that the model may follow then are grouped by where they *begin*, at s, all with d of step i - 1:

    Reachable       d(s) <= i - 1            Frontier   d(s) = i - 1
    NotReachable    d(s) > i - 1             Optimal    d(s) = i - 1 and the edge ends in Optimal of thought i

Only vertices that an edge or the question names count. ``by="walks"`` takes for Frontier the vertices at the end of a
walk of exactly c edges, which may have been seen before: what the notebooks of arXiv 2505.12514 do. On the edges r->a,
r->b, a->b the frontier at c = 2 is empty by distance and {b} by walks.

Source: arXiv 2505.12514, section 5.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

from reasonry.tasks.graphs.graph import Graph, frontier, optimal, present, reachable, walk_frontier

By = Literal["distance", "walks"]
Group = Literal["optimal", "frontier", "reachable", "not_reachable"]
GROUPS: tuple[Group, ...] = ("optimal", "frontier", "reachable", "not_reachable")
"""From what should stand out most to what should not stand out."""
NAMES: dict[Group, str] = {
    "optimal": "Optimal",
    "frontier": "Frontier",
    "reachable": "Reachable",
    "not_reachable": "NotReachable",
}

Kind = Literal["optimal", "other_frontier", "earlier", "not_reached"]
KINDS: tuple[Kind, ...] = ("optimal", "other_frontier", "earlier", "not_reached")
"""Parts that do not overlap, for drawing."""


class Groups(NamedTuple):
    """Members of each group: vertices, or positions in the graph's list of edges.

    Attributes:
        optimal: On a shortest path to the target, newly reached.
        frontier: Newly reached.
        reachable: Reached by now.
        not_reachable: The others.
    """

    optimal: tuple[int, ...]
    frontier: tuple[int, ...]
    reachable: tuple[int, ...]
    not_reachable: tuple[int, ...]


def vertex_groups(graph: Graph, c: int, *, by: By = "distance") -> Groups:
    """Vertices at thought ``c``, sorted.

    Args:
        graph: With a target that the root reaches.
        c: Thought, from 1; 0 is before the first.
        by: What the frontier is.
    """
    reached = reachable(graph, c)
    return Groups(
        optimal=optimal(graph, c),
        frontier=_frontier(graph, c, by),
        reachable=reached,
        not_reachable=tuple(sorted(set(present(graph)).difference(reached))),
    )


def edge_groups(graph: Graph, i: int, *, by: By = "distance") -> Groups:
    """Positions of the edges that thought ``i`` could be made from, in order.

    Args:
        graph: With a target that the root reaches.
        i: Thought, from 1.
        by: What the frontier is.
    """
    before, ends = vertex_groups(graph, i - 1, by=by), set(optimal(graph, i))
    reached, newest = set(before.reachable), set(before.frontier)
    found = [[place for place, edge in enumerate(graph.edges) if edge[0] in part] for part in (newest, reached)]
    return Groups(
        optimal=tuple(place for place in found[0] if graph.edges[place][1] in ends),
        frontier=tuple(found[0]),
        reachable=tuple(found[1]),
        not_reachable=tuple(place for place, edge in enumerate(graph.edges) if edge[0] not in reached),
    )


def kind_of(groups: Groups, member: int) -> Kind:
    """The one part of a vertex or an edge: ``earlier`` is reached before, ``other_frontier`` is not optimal."""
    if member in groups.optimal:
        return "optimal"
    if member in groups.frontier:
        return "other_frontier"
    return "earlier" if member in groups.reachable else "not_reached"


def _frontier(graph: Graph, c: int, by: By) -> tuple[int, ...]:
    return frontier(graph, c) if by == "distance" else walk_frontier(graph, c)
