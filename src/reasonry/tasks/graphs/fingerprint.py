"""A number for a question that does not depend on the ids of vertices or the order of edges.

Colour refinement (Weisfeiler and Leman, 1968): each vertex starts with the colour of its part in the question (root,
target, distractor, none), and takes in the colours of its successors and predecessors, round by round:

    colour'(v) = mix( a colour(v) + sum_{v->w} mix(b colour(w)) + sum_{u->v} mix(c colour(u)) )     modulo 2^64

The fingerprint mixes the sum of the colours after `ROUNDS` rounds. Isomorphic questions have equal fingerprints; the
converse fails for some regular graphs and graphs of larger diameter, and then two different questions count as one. So
questions with different fingerprints are never copies of each other: splitting by fingerprint keeps training and
test sets apart whatever their seeds and sizes, without comparing them.

Integers only: the same on every machine and in every version of Python.
"""

# pyright: strict
from __future__ import annotations

from reasonry.tasks.graphs.graph import Graph, predecessors, present, successors

ROUNDS = 5
_MASK = 2**64 - 1
# Odd constants of splitmix64 and of xxHash: any odd ones with mixed bits do.
_SELF, _NEXT, _LAST = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mix(x: int) -> int:
    """The finaliser of splitmix64: a bijection of 64-bit integers that spreads every bit."""
    x &= _MASK
    x = ((x ^ (x >> 30)) * _MIX_1) & _MASK
    x = ((x ^ (x >> 27)) * _MIX_2) & _MASK
    return x ^ (x >> 31)


def fingerprint(graph: Graph) -> int:
    """A 64-bit number that isomorphic questions share; vertices that nothing names do not count."""
    nodes = present(graph)
    after, before = successors(graph), predecessors(graph)
    colours = [_mix(1)] * graph.num_nodes
    for part, node in enumerate((graph.root, graph.target, graph.distractor), 2):
        # Added, not set: the root may be a candidate in graphs that `check` would refuse.
        colours[node] = _mix(colours[node] + part * _SELF)
    for _ in range(ROUNDS):
        down = [_mix(colour * _NEXT) for colour in colours]
        up = [_mix(colour * _LAST) for colour in colours]
        new = colours.copy()
        for v in nodes:
            total = colours[v] * _SELF
            for w in after[v]:
                total += down[w]
            for u in before[v]:
                total += up[u]
            new[v] = _mix(total)
        colours = new
    return _mix(sum(colours[v] for v in nodes))
