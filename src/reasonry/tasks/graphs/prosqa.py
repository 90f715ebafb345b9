"""Questions like those of ProsQA (arXiv 2412.06769): two roots, a graph grown under them, one candidate under each.

RECONSTRUCTED. The published generator is not at hand; this one was fitted to statistics of the 800 published test and
validation graphs (`PUBLISHED`), which ``legacy`` graphs of 3 to 6 hops reproduce. A graph grows under the roots 0 and 1
(`reasonry.tasks.graphs.grow`, s = (0.35, 0.46)). Vertices without an edge are dropped. Candidates are *exclusive
leaves*: no way out, and only one of the roots leads there.

``legacy=True`` asks as the published set does: root of the deeper side, target among its deepest leaves, distractor any
leaf of the other side; ids as grown and edges in that order. It leaks the answer to whoever does not search
(`reasonry.tasks.graphs.leaks` measures by how much): ids are in topological order, so that the target tends to have the
larger one; root and other root are 0 and 1; the distractor tends to lie closer to its root and to have more parents.

By default none of that is there:

- ``relabel``: ids are a random permutation, and the edges stand in random order.
- ``balanced``: one candidate from each side, both exclusive leaves, at the same distance from their own root (drawn
  from ``min_hops`` to ``max_hops``) and with the same in-degree; every such pair is as likely. Then a fair coin says
  which of the two roots is asked about. So given the graph and the two candidates, each is the target with probability
  exactly 1/2: *no* rule that does not look at the root beats chance. Both sides grow at the same rate,
  s = (0.405, 0.405). What balance cannot remove are rules that look at the root without following paths to the end: a
  root with many children tells of a side that grew in its own way, and so do the neighbours of a candidate (the rule
  ``siblings like root`` of `leaks` is right in 58 % of cases at 2 hops of 12 vertices, 53 % at 3 hops of 14, 50 % at
  3 to 4 hops of 28); and going back from a candidate for some steps and forth from the root for the others is a
  search, which any honest solver may use.

Splits are disjoint by construction: a question belongs to a split by a fingerprint that ignores ids and order
(`reasonry.tasks.graphs.fingerprint`), whatever the seed, and within a call no fingerprint comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from reasonry.core import seeds
from reasonry.core.config import Config
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import Graph, shuffle
from reasonry.tasks.graphs.grow import grow, uniforms
from reasonry.tasks.reasoning_text import Split, check_split, split_of

SIDE_SHARES = (0.35, 0.46)
"""Shares of vertices that grow under root 0 only and root 1 only: the published set's."""
EVEN_SHARES = (0.405, 0.405)
_MAX_TRIES = 50_000
_MAX_IN_VAIN = 5_000


class Published(NamedTuple):
    """Statistics of the 800 published test and validation graphs of ProsQA: means per graph, shares in 0 to 1.

    Attributes:
        num_nodes: Vertices.
        num_edges: Edges.
        num_reachable: Vertices within c = 0 to 5 steps of the root.
        hops: Share of questions with 3, 4, 5, 6 hops.
        in_degree: Share of the vertices other than the two roots with in-degree 0 to 5.
        root_is_1: Share of questions about root 1.
        num_under: Vertices under root 0 only, root 1 only, both, neither.
        target_is_deepest: Share of questions whose target is as deep as any exclusive vertex of its side.
    """

    num_nodes: float
    num_edges: float
    num_reachable: tuple[float, ...]
    hops: tuple[float, ...]
    in_degree: tuple[float, ...]
    root_is_1: float
    num_under: tuple[float, ...]
    target_is_deepest: float


PUBLISHED = Published(
    num_nodes=22.8,
    num_edges=36.0,
    num_reachable=(1.0, 3.94, 8.34, 11.69, 13.02, 13.32),
    hops=(326 / 800, 350 / 800, 105 / 800, 19 / 800),
    in_degree=(0.027, 0.479, 0.304, 0.133, 0.042, 0.011),
    root_is_1=0.636,
    num_under=(9.11, 11.75, 1.24, 0.71),
    target_is_deepest=0.91,
)


class GraphConfig(Config):
    """Sizes and fairness of generated graph questions."""

    num_nodes: int = Field(default=28, ge=4, le=1000)
    """Vertices to grow, at least 4; those left without an edge are dropped (28 leaves 22.8 on average)."""
    min_hops: int = Field(default=3, ge=1)
    """Fewest edges on the shortest path from the root to the target."""
    max_hops: int = Field(default=4, ge=1)
    """Most edges on that path."""
    relabel: bool = True
    """Random ids and edges in random order; without it ids are in topological order, which is a leak."""
    balanced: bool = True
    """Candidates at equal depth under their roots, and a fair coin for the root."""
    legacy: bool = False
    """Ask as the published set does, leaks included; overrides relabel and balanced."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.min_hops > self.max_hops:
            raise ValueError(f"min_hops = {self.min_hops} is above max_hops = {self.max_hops}")
        if self.num_nodes < self.min_hops + 3:
            raise ValueError(
                f"{self.num_nodes} vertices cannot hold a path of {self.min_hops} edges beside a distractor"
            )
        return self


class _Question(NamedTuple):
    root: int
    target: int
    distractor: int


def _pick(items: list[int], draws: Iterator[float]) -> int:
    return items[int(next(draws) * len(items))]


_Leaves = tuple[dict[int, list[int]], dict[int, list[int]]]  # per root: depth -> exclusive leaves


def _ask_balanced(leaves: _Leaves, hops: int, num_parents: list[int], draws: Iterator[float]) -> _Question | None:
    pairs = [
        (one, other)
        for one in leaves[0].get(hops, ())
        for other in leaves[1].get(hops, ())
        if num_parents[one] == num_parents[other]
    ]
    if not pairs:
        return None
    candidates = pairs[int(next(draws) * len(pairs))]
    root = int(next(draws) < 0.5)
    return _Question(root, candidates[root], candidates[1 - root])


def _ask_legacy(leaves: _Leaves, config: GraphConfig, draws: Iterator[float]) -> _Question | None:
    if not leaves[0] or not leaves[1]:
        return None
    deepest = [max(side) for side in leaves]
    root = int(deepest[1] > deepest[0] or (deepest[1] == deepest[0] and next(draws) < 0.5))
    if not config.min_hops <= deepest[root] <= config.max_hops:
        return None
    others = [v for d in sorted(leaves[1 - root]) for v in leaves[1 - root][d]]
    return _Question(root, _pick(leaves[root][deepest[root]], draws), _pick(others, draws))


def try_graph(config: GraphConfig, draws: Iterator[float], *, hops: int | None = None) -> Graph | None:
    """One attempt, with ids as grown: a graph, or None where what grew holds no question of the asked kind.

    Args:
        config: Sizes; ``relabel`` has no effect here.
        draws: Uniform numbers in [0, 1).
        hops: Of a balanced question; drawn from the config's range unless given. Legacy questions have what they have.
    """
    is_balanced = config.balanced and not config.legacy
    grown = grow(config.num_nodes, draws, side_shares=EVEN_SHARES if is_balanced else SIDE_SHARES)
    leaves: _Leaves = ({}, {})
    for node in range(2, config.num_nodes):
        if not grown.num_children[node] and grown.labels[node] in (1, 2):
            leaves[grown.labels[node] - 1].setdefault(grown.root_distances[node], []).append(node)
    if is_balanced:
        hops = _draw_hops(config, draws) if hops is None else hops
        question = _ask_balanced(leaves, hops, grown.num_parents, draws)
    else:
        question = _ask_legacy(leaves, config, draws)
    if question is None:
        return None
    kept = [False] * config.num_nodes
    for source, target in grown.edges:
        kept[source] = kept[target] = True
    ids: list[int] = []
    num = 0
    for keep in kept:
        ids.append(num)
        num += keep
    edges = tuple([(ids[s], ids[t]) for s, t in grown.edges])
    return Graph(num, edges, ids[question.root], ids[question.target], ids[question.distractor])


def _draw_hops(config: GraphConfig, draws: Iterator[float]) -> int:
    return config.min_hops + int(next(draws) * (config.max_hops - config.min_hops + 1))


def _graphs(config: GraphConfig, rng: np.random.Generator) -> Iterator[Graph]:
    """Graphs without end, with ids as grown."""
    draws = uniforms(rng)
    while True:
        # Drawn once for all attempts: deep questions are rarer, and would be rejected away.
        hops = _draw_hops(config, draws)
        for _ in range(_MAX_TRIES):
            graph = try_graph(config, draws, hops=hops)
            if graph is not None:
                yield graph
                break
        else:
            wanted = (
                f"{hops} hops"
                if config.balanced and not config.legacy
                else f"{config.min_hops} to {config.max_hops} hops"
            )
            raise ConfigError(
                f"none of {_MAX_TRIES} graphs of {config.num_nodes} vertices holds a question of {wanted}",
                place="num_nodes",
                remedy="Use more vertices, or fewer hops.",
            )


def _finished(graph: Graph, config: GraphConfig, rng: np.random.Generator) -> Graph:
    return shuffle(graph, rng) if config.relabel and not config.legacy else graph


def prosqa_graph(config: GraphConfig, rng: np.random.Generator) -> Graph:
    """One question.

    Args:
        config: Sizes and fairness.
        rng: Draws everything; the same state gives the same graph.

    Raises:
        ConfigError: Graphs of that size hold (almost) no question of so many hops.
    """
    return _finished(next(_graphs(config, rng)), config, rng)


def prosqa_splits(config: GraphConfig, *, num: Mapping[Split, int], seed: int) -> dict[Split, list[Graph]]:
    """Different questions for several splits at once: the same as of `prosqa_graphs` for each, in less time.

    Args:
        config: Sizes and fairness.
        num: How many for each split.
        seed: Of the generator.

    Raises:
        ConfigError: A number is negative, there is no such split, or there are not so many different questions of that
            size.
    """
    for split, many in num.items():
        check_split(split)
        if many < 0:
            raise ConfigError(f"{many} graphs were asked for", place="num", remedy="Ask for 0 or more.")
    names = {split: seeds.stream(seed, "prosqa", "names", split) for split in num}
    found: dict[Split, list[Graph]] = {split: [] for split in num}
    seen: set[int] = set()
    num_missing, num_in_vain = sum(num.values()), 0
    graphs = _graphs(config, seeds.stream(seed, "prosqa", "graphs"))
    while num_missing:
        graph = next(graphs)
        number = fingerprint(graph)
        split = split_of(number)
        num_in_vain += 1
        if split in num and len(found[split]) < num[split] and number not in seen:
            seen.add(number)
            found[split].append(_finished(graph, config, names[split]))
            num_missing, num_in_vain = num_missing - 1, 0
        if num_in_vain >= _MAX_IN_VAIN:
            lacking, got, want = next((s, len(found[s]), n) for s, n in num.items() if len(found[s]) < n)
            raise ConfigError(
                f"only {got} of {want} different questions of {config.num_nodes} vertices were found for the "
                f"{lacking} split",
                place="num",
                remedy="Ask for fewer, or use more vertices.",
            )
    return found


def prosqa_graphs(config: GraphConfig, *, num: int, seed: int, split: Split = "train") -> list[Graph]:
    """Different questions of one split.

    Args:
        config: Sizes and fairness.
        num: How many; the first ones do not depend on it.
        seed: Of the generator.
        split: ``train``, ``validation`` or ``test``. No two splits share a question up to the names of its vertices,
            whatever seeds and numbers they are made with. About 80, 10 and 10 % of what is generated falls into them,
            so the small ones take longer; `prosqa_splits` makes several in one go.

    Returns:
        ``num`` graphs, no two of them equal up to the names of their vertices.

    Raises:
        ConfigError: ``num`` is negative, there is no such split, or there are not so many different questions of that
            size.
    """
    return prosqa_splits(config, num={split: num}, seed=seed)[split]
