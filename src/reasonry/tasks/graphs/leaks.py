"""Rules that guess the target without following paths from the root to the end: what a data set gives away.

A rule gives each candidate a score and takes the one with the higher; equal scores are decided by a fair coin. It sees
the graph, the root and one candidate at a time, never which is which. A set leaks where the interval of a rule's
accuracy (Wilson, 95 %) leaves out its chance level; below leaks as much as above, the rule only has to be turned.

The chance level is one half, but for ``other root``: it searches from vertex 0 instead of the root (from vertex 1 if 0
is the root), and with random ids it hits upon the root of the other side once in n - 1 times, where it is always right:

    chance(other root) = 1/2 + 1 / (2 (n - 1)),   n the vertices of the graph

Guesses about different questions are independent; with many rules some intervals leave out one half by chance, 5 in 100
of them at 95 %.
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reasonry.core import seeds
from reasonry.core.stats.intervals import Interval, wilson
from reasonry.errors import DataError
from reasonry.tasks.graphs.graph import Graph, distances, distances_to, predecessors, successors

Score = Callable[[Graph, int], float]


class Rule(NamedTuple):
    """A way to guess.

    Attributes:
        line: What it does.
        score: Of a candidate; must not read ``target`` and ``distractor``.
        chance: Its accuracy on a question from a set that leaks nothing.
    """

    line: str
    score: Score
    chance: Callable[[Graph], float] = lambda graph: 0.5


class Leak(NamedTuple):
    """How well a rule guesses.

    Attributes:
        rule: Its name.
        num_right: Guesses that were right.
        num_ties: Guesses that a coin made.
        num: All guesses.
        accuracy: Share that was right, 0 to 1.
        interval: Of the accuracy.
        chance: Accuracy to expect from a set that leaks nothing.
    """

    rule: str
    num_right: int
    num_ties: int
    num: int
    accuracy: float
    interval: Interval
    chance: float

    @property
    def is_leak(self) -> bool:
        """Whether the interval leaves out the chance level."""
        return not self.interval.low <= self.chance <= self.interval.high


# ---------------------------------------------------------------- rules


def _id(graph: Graph, node: int) -> float:
    del graph
    return node


def _fewer_parents(graph: Graph, node: int) -> float:
    return -len(predecessors(graph)[node])


def _fewer_children(graph: Graph, node: int) -> float:
    return -len(successors(graph)[node])


def _depth(graph: Graph, node: int) -> float:
    """Distance from the nearest vertex without a way in; 0 where none leads here."""
    before = predecessors(graph)
    away = (d for v, d in enumerate(distances_to(graph, node)) if d is not None and not before[v])
    return min(away, default=0)


def _missed_by_the_other_root(graph: Graph, node: int) -> float:
    other = 0 if graph.root != 0 else 1
    return float(distances(graph, other)[node] is None)


def _early_mention(graph: Graph, node: int) -> float:
    return -min((i for i, edge in enumerate(graph.edges) if node in edge), default=len(graph.edges))


def _last_mention(graph: Graph, node: int) -> float:
    return max((i for i, edge in enumerate(graph.edges) if node in edge), default=-1)


def _hit_other_root(graph: Graph) -> float:
    return 0.5 + 0.5 / (graph.num_nodes - 1)


def _richness(graph: Graph) -> int:
    """1, 0 or -1: the root has more, as many, or fewer children than vertices without a way in have on average."""
    after, before = successors(graph), predecessors(graph)
    sources = [len(after[v]) for v in range(graph.num_nodes) if after[v] and not before[v]]
    lead = len(after[graph.root]) * len(sources) - sum(sources)
    return (lead > 0) - (lead < 0)


def _parents_like_root(graph: Graph, node: int) -> float:
    return _richness(graph) * len(predecessors(graph)[node])


def _siblings_like_root(graph: Graph, node: int) -> float:
    after, parents = successors(graph), predecessors(graph)[node]
    return _richness(graph) * sum(len(after[v]) for v in parents) / max(len(parents), 1)


RULES: Mapping[str, Rule] = {
    "larger id": Rule("the candidate with the larger id", _id),
    "other root": Rule(
        "the candidate that vertex 0 (1, if 0 is the root) does not reach", _missed_by_the_other_root, _hit_other_root
    ),
    "fewer parents": Rule("the candidate with the smaller in-degree", _fewer_parents),
    "fewer children": Rule("the candidate with the smaller out-degree, so a leaf before others", _fewer_children),
    "deeper": Rule("the candidate farther from any vertex without a way in", _depth),
    "mentioned first": Rule("the candidate that an earlier edge names", _early_mention),
    "mentioned last": Rule("the candidate whose last edge comes later", _last_mention),
    "parents like root": Rule(
        "the candidate with more parents if the root has more children than vertices without a way in on average, "
        "the one with fewer if it has fewer",
        _parents_like_root,
    ),
    "siblings like root": Rule(
        "the candidate whose parents have more children if the root has more than vertices without a way in on "
        "average, the one whose parents have fewer if it has fewer",
        _siblings_like_root,
    ),
}
"""Rules that need no other questions. ``usual answer`` joins them in `measure_leaks`."""


def usual_answer(graphs: Sequence[Graph]) -> Rule:
    """The rule that prefers the id which was the target more often when it was a candidate (smoothed by one half)."""
    won: Counter[int] = Counter(graph.target for graph in graphs)
    lost: Counter[int] = Counter(graph.distractor for graph in graphs)

    def score(graph: Graph, node: int) -> float:
        return (won[node] + 0.5) / (won[node] + lost[node] + 1)

    return Rule("the candidate whose id was the target more often in other questions", score)


# ---------------------------------------------------------------- measuring


def _guess(name: str, graphs: Sequence[Graph], rules: Sequence[Rule], *, seed: int, level: float) -> Leak:
    coins = seeds.stream(seed, "leaks", name).random(len(graphs)).tolist()
    num_right = num_ties = 0
    for graph, rule, coin in zip(graphs, rules, coins, strict=True):
        lead = rule.score(graph, graph.target) - rule.score(graph, graph.distractor)
        num_ties += lead == 0
        num_right += lead > 0 or (lead == 0 and coin < 0.5)
    num = len(graphs)
    chance = sum(rule.chance(graph) for graph, rule in zip(graphs, rules, strict=True)) / num
    return Leak(name, num_right, num_ties, num, num_right / num, wilson(num_right, num, level=level), chance)


def measure_leaks(
    graphs: Sequence[Graph], *, rules: Mapping[str, Rule] = RULES, seed: int = 0, level: float = 0.95
) -> list[Leak]:
    """Accuracy of every rule, and of ``usual answer``, which learns from one half what it guesses on the other.

    Args:
        graphs: At least two.
        rules: By name.
        seed: Of the coins that decide ties.
        level: Of the intervals.

    Raises:
        DataError: Fewer than two graphs.
        ConfigError: ``level`` is not between 0 and 1.
    """
    if len(graphs) < 2:
        raise DataError(f"{len(graphs)} graphs", remedy="Give at least 2: one half is learnt from.")
    found = [_guess(name, graphs, [rule] * len(graphs), seed=seed, level=level) for name, rule in rules.items()]
    halves = usual_answer(graphs[1::2]), usual_answer(graphs[::2])
    crossed = [halves[i % 2] for i in range(len(graphs))]
    return [*found, _guess("usual answer", graphs, crossed, seed=seed, level=level)]
