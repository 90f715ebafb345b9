"""Words and prompt of the explicit transformer, and which graphs it can be asked about.

    <s>  s_1 t_1 <e>  ...  s_m t_m <e>  <Q> c_1 c_2  <R> r  [t_1] ... [t_C]  <A>

An edge s -> t is three tokens, the two candidates c_1, c_2 follow <Q>, the root r follows <R>. Thoughts and <A> come
after the prompt. With m edges and positions that count from 1,

    <s> = 1,  s_i = 3 i - 1,  t_i = 3 i,  <e>_i = 3 i + 1,  <Q> = 3 m + 2,  c_1 = 3 m + 3,  c_2 = 3 m + 4,
    <R> = 3 m + 5,  r = 3 m + 6 = t0,  thought c = t0 + c,  <A> = t0 + C + 1

Thought 0 is the root's own token. Candidates stand in the order of their numbers, which says nothing about which of
them is reachable. Cycles, self-loops and edges given twice are allowed. Source: arXiv 2505.12514, section 3.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph

SPECIAL = ("<s>", "<e>", "<Q>", "<R>", "<A>")
_FEWEST_VERTICES = 3  # a root and two candidates


class Vocabulary(NamedTuple):
    """Vertices 0 .. n_max - 1, then the five special tokens.

    Attributes:
        n_max: Number of vertices.
    """

    n_max: int

    @property
    def size(self) -> int:
        """Number of tokens, V."""
        return self.n_max + len(SPECIAL)

    @property
    def start(self) -> int:
        """Id of <s>, on which attention rests that has nowhere to go."""
        return self.n_max

    @property
    def edge(self) -> int:
        """Id of <e>, which ends an edge."""
        return self.n_max + 1

    @property
    def question(self) -> int:
        """Id of <Q>, which the candidates follow."""
        return self.n_max + 2

    @property
    def root(self) -> int:
        """Id of <R>, which the root follows."""
        return self.n_max + 3

    @property
    def answer(self) -> int:
        """Id of <A>, which asks for the answer."""
        return self.n_max + 4

    def name(self, token: int) -> str:
        """A vertex's number, or a special token such as ``<A>``."""
        return str(token) if token < self.n_max else SPECIAL[token - self.n_max]


def candidates(graph: Graph) -> tuple[int, int]:
    """The two candidates as the prompt orders them, by number."""
    return min(graph.target, graph.distractor), max(graph.target, graph.distractor)


def prompt(graph: Graph, vocabulary: Vocabulary) -> list[int]:
    """Token ids from <s> to the root, ``prompt_len(len(graph.edges))`` of them."""
    ids = [vocabulary.start]
    for source, target in graph.edges:
        ids += (source, target, vocabulary.edge)
    return [*ids, vocabulary.question, *candidates(graph), vocabulary.root, graph.root]


def prompt_len(num_edges: int) -> int:
    """Tokens of a prompt, t0; also the position of its root."""
    return 3 * num_edges + 6


def max_len_for(num_edges: int, num_thoughts: int) -> int:
    """Positions that a graph, its thoughts and the <A> after them take."""
    return prompt_len(num_edges) + num_thoughts + 1


def max_edges_in(max_len: int) -> int:
    """Most edges that fit when nothing is thought."""
    return (max_len - 7) // 3


def edge_position(edge: int) -> int:
    """Position of the <e> of edge number ``edge``, counted from 0; its source and target are 2 and 1 before it."""
    return 3 * edge + 4


def check_vertices(n_max: int) -> None:
    """Refuse a vocabulary in which no question can be asked.

    Raises:
        ConfigError: Fewer than three vertices.
    """
    if n_max < _FEWEST_VERTICES:
        raise ConfigError(
            f"n_max = {n_max} leaves no room for a root and two candidates",
            place="n_max",
            remedy=f"Use at least {_FEWEST_VERTICES}.",
        )


def check_graph(graph: Graph, vocabulary: Vocabulary, *, max_len: int, num_thoughts: int, place: str = "graph") -> None:
    """Refuse a graph that these weights cannot be asked about.

    Args:
        graph: The graph.
        vocabulary: Which vertices there are.
        max_len: Positions there are.
        num_thoughts: Thoughts before the answer.
        place: How an error calls the graph.

    Raises:
        ConfigError: It does not fit: more vertices or positions than the weights were built for, thoughts below 0.
        DataError: It poses no question: an edge to a vertex that it does not have, candidates that are one vertex, a
            root that is a candidate.
    """
    if num_thoughts < 0:
        raise ConfigError(f"num_thoughts = {num_thoughts}", place=place, remedy="Think 0 times or more.")
    if graph.num_nodes > vocabulary.n_max:
        raise ConfigError(
            f"{graph.num_nodes} vertices, the construction has n_max = {vocabulary.n_max}",
            place=place,
            remedy=f"Build it with n_max = {graph.num_nodes} or more.",
        )
    if (length := max_len_for(len(graph.edges), num_thoughts)) > max_len:
        raise ConfigError(
            f"{len(graph.edges)} edges and {num_thoughts} thoughts take {length} positions, max_len is {max_len}",
            place=place,
            remedy=f"Build the construction with max_len = {length} or more, or think less often.",
        )
    named = {"root": graph.root, "target": graph.target, "distractor": graph.distractor}
    for name, vertex in named.items():
        _check_vertex(vertex, graph.num_nodes, what=f"the {name}", place=place)
    for number, (source, target) in enumerate(graph.edges):
        for vertex in (source, target):
            _check_vertex(vertex, graph.num_nodes, what=f"edge {number}, {source} -> {target},", place=place)
    if graph.target == graph.distractor:
        raise DataError(f"both candidates are {graph.target}", place=place, remedy="Ask about two vertices.")
    for name in ("target", "distractor"):
        if named[name] == graph.root:
            raise DataError(
                f"the {name} is the root, {graph.root}",
                place=place,
                remedy="Ask about a vertex that is reached only by thinking.",
            )


def _check_vertex(vertex: int, num_nodes: int, *, what: str, place: str) -> None:
    if not 0 <= vertex < num_nodes:
        raise DataError(
            f"{what} names vertex {vertex}, the graph has 0 to {num_nodes - 1}",
            place=place,
            remedy="Number the vertices from 0 without gaps.",
        )
