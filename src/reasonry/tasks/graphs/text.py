"""Graph questions in words, and back: the form of ProsQA (arXiv 2412.06769).

    edge out of a person     "Tolia is a wumpus."
    edge out of a noun       "Every wumpus is a brimpus."
    question                 "Is Tolia a shorpus or glelpus?"       candidates in random order
    steps                    the edges of a shortest path, drawn uniformly
    answer                   "Tolia is a shorpus."

Persons are the vertices that no edge leads to (nothing can be "a Tolia"), nouns all others. The published set names
only its two roots after persons; here every vertex without a way in is one, since a rule for some of them would tell
apart the side of the root.
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph, any_shortest_path, check, predecessors, present
from reasonry.tasks.graphs.names import Names, make_names
from reasonry.tasks.reasoning_text import ReasoningText

if TYPE_CHECKING:
    import numpy as np

_SENTENCE = re.compile(r"[^.?!]*[.?!]|[^.?!]+$")
_NAME = r"[^\W\d_][\w'-]*"
_EDGE = re.compile(rf"(?:Every (?P<noun>{_NAME})|(?P<person>{_NAME})) is an? (?P<target>{_NAME})\.?")
_QUESTION = re.compile(rf"Is (?P<root>{_NAME}) an? (?P<one>{_NAME}) or (?:an? )?(?P<other>{_NAME})\?")


class Parsed(NamedTuple):
    """A question read from words.

    Attributes:
        graph: Vertices are numbered in the order in which the question first names them.
        symbols: Name of each vertex.
    """

    graph: Graph
    symbols: tuple[str, ...]


# ---------------------------------------------------------------- to words


def name_nodes(graph: Graph, rng: np.random.Generator, *, names: Names | None = None) -> tuple[str, ...]:
    """A name for each vertex, drawn without repetition; empty for vertices that nothing names.

    Args:
        graph: No edge may lead to its root.
        rng: Draws the names.
        names: To draw from; `make_names` of the default size unless given.

    Raises:
        ConfigError: There are fewer names than vertices.
        DataError: An edge leads to the root.
    """
    names = make_names() if names is None else names
    before = predecessors(graph)
    if before[graph.root]:
        raise DataError(
            f"an edge leads from {before[graph.root][0]} to the root {graph.root}",
            remedy="In words the root is a person, and nothing can be one; use another root.",
        )
    nodes = present(graph)
    persons = [v for v in nodes if not before[v]]
    nouns = [v for v in nodes if before[v]]
    symbols = [""] * graph.num_nodes
    for field, group, pool in (("num_persons", persons, names.persons), ("num_nouns", nouns, names.nouns)):
        if len(group) > len(pool):
            raise ConfigError(
                f"{len(group)} vertices for {len(pool)} names",
                place=field,
                remedy=f"Give names=make_names({field}={len(group)}) or more.",
            )
        for node, i in zip(group, rng.permutation(len(pool))[: len(group)].tolist(), strict=True):
            symbols[node] = pool[i]
    return tuple(symbols)


def _is_person(symbol: str) -> bool:
    return symbol[:1].isupper()


def _say(symbols: Sequence[str], source: int, target: int) -> str:
    subject = symbols[source] if _is_person(symbols[source]) else f"Every {symbols[source]}"
    return f"{subject} is a {symbols[target]}."


def tell(graph: Graph, symbols: Sequence[str], rng: np.random.Generator) -> ReasoningText:
    """The question in words.

    Args:
        graph: Edges are told in their order.
        symbols: Name of each vertex; capitalised ones are persons.
        rng: Draws the order of the candidates and, among several, the shortest path.
    """
    candidates = (graph.target, graph.distractor) if rng.random() < 0.5 else (graph.distractor, graph.target)
    root, one, other = (symbols[v] for v in (graph.root, *candidates))
    path = any_shortest_path(graph, rng)
    told = [_say(symbols, source, target) for source, target in graph.edges]
    return ReasoningText(
        question=" ".join([*told, f"Is {root} a {one} or {other}?"]),
        steps=tuple(_say(symbols, source, target) for source, target in pairwise(path)),
        answer=f"{root} is a {symbols[graph.target]}.",
        graph=graph,
    )


def to_text(graph: Graph, rng: np.random.Generator, *, names: Names | None = None) -> ReasoningText:
    """The question in words, with names drawn anew; raises as `name_nodes`."""
    return tell(graph, name_nodes(graph, rng, names=names), rng)


# ---------------------------------------------------------------- and back


def _edge(sentence: str, *, place: str) -> tuple[str, str]:
    found = _EDGE.fullmatch(sentence)
    if found is None:
        raise DataError(
            f"cannot read the sentence {sentence[:80]!r}",
            place=place,
            remedy="Statements read 'X is a Y.' or 'Every Y is a Z.'.",
        )
    return found["noun"] or found["person"], found["target"]


def parse_text(text: ReasoningText, *, place: str = "") -> Parsed:
    """The graph that a question in words is about.

    Args:
        text: Its steps, if it has any, have to be edges that lead from the root to the target.
        place: Where the text stands (``file:line``), for errors.

    Raises:
        DataError: A sentence is none of this form, the answer is none of the candidates, the steps are no path, or the
            graph is not a question with one right answer (`graph.check`).
    """
    *told, question = [s.strip() for s in _SENTENCE.findall(text.question) if s.strip()] or [""]
    asked = _QUESTION.fullmatch(question)
    if asked is None:
        raise DataError(
            f"cannot read the question {question[:80]!r}",
            place=place,
            remedy="It reads 'Is X a A or B?' and comes last.",
        )
    ids: dict[str, int] = {}
    edges = tuple(
        (ids.setdefault(source, len(ids)), ids.setdefault(target, len(ids)))
        for source, target in (_edge(sentence, place=place) for sentence in told)
    )
    root, *candidates = (ids.setdefault(asked[part], len(ids)) for part in ("root", "one", "other"))
    subject, answer = _edge(text.answer.strip(), place=f"{place}: answer" if place else "answer")
    if ids.get(subject) != root or ids.get(answer) not in candidates:
        remedy = f"The question is {question!r}."
        raise DataError(
            f"the answer {text.answer.strip()[:80]!r} is none of the candidates", place=place, remedy=remedy
        )
    target = ids[answer]
    distractor = candidates[1] if target == candidates[0] else candidates[0]
    graph = Graph(len(ids), edges, root, target, distractor)
    check(graph, place=place)
    _check_steps(text.steps, graph, ids, place=place)
    return Parsed(graph, tuple(ids))


def _check_steps(steps: Sequence[str], graph: Graph, ids: dict[str, int], *, place: str) -> None:
    at = graph.root
    for number, step in enumerate(steps, 1):
        here = f"{place}: step {number}" if place else f"step {number}"
        source, target = (ids.get(name) for name in _edge(step.strip(), place=here))
        if source is None or target is None or (source, target) not in graph.edges:
            raise DataError(f"{step.strip()[:80]!r} is not among the statements", place=here)
        if source != at:
            raise DataError(f"{step.strip()[:80]!r} does not go on where the step before ended", place=here)
        at = target
    if steps and at != graph.target:
        raise DataError("the steps do not end at the answer", place=place, remedy=f"The last is {steps[-1][:80]!r}.")
