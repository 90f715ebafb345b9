"""Ontologies in words, and the proof of the answer, one rule a step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from reasonry.tasks.graphs.graph import any_shortest_path
from reasonry.tasks.graphs.names import make_names
from reasonry.tasks.graphs.text import name_nodes
from reasonry.tasks.pronto.ontology import NUM_ASIDES, Ontology
from reasonry.tasks.reasoning_text import ReasoningText

_NUM_NOUNS = 96
PROPERTIES = tuple(
    word
    for line in (
        "red blue green brown white bright dull opaque large small tall short hot cold warm wet dry sweet sour bitter",
        "salty happy angry calm shy kind mean brave timid loud quiet fast slow soft hard rough smooth heavy",
    )
    for word in line.split()
)
"""Words that fit after "is" and after "is not"."""


def _is(is_denied: bool) -> str:
    return "is not" if is_denied else "is"


def _rule(concept: str, rest: str, is_denied: bool, form: int) -> str:
    """``concept`` has ``rest`` (a noun with its article, or a property) in one of three forms."""
    if form == 2:
        is_noun = rest.startswith("a ")
        return f"{concept.capitalize()}es are {'not ' if is_denied else ''}{rest[2:] + 'es' if is_noun else rest}."
    return f"{('Every', 'Each')[form]} {concept} {_is(is_denied)} {rest}."


def tell(ontology: Ontology, rng: np.random.Generator) -> ReasoningText:
    """The question in words.

    Args:
        ontology: What to tell.
        rng: Draws names, properties, forms of sentences and their order.

    Returns:
        As many steps as rules are needed, and the answer ``True`` or ``False``.
    """
    graph = ontology.graph
    symbols = name_nodes(graph, rng, names=make_names(num_nouns=_NUM_NOUNS))
    chosen = rng.permutation(len(PROPERTIES))[: NUM_ASIDES + 1].tolist()
    properties = [PROPERTIES[i] for i in chosen]
    about = [
        (graph.target, 0, ontology.is_denied),
        (graph.distractor, 0, not ontology.is_denied),
        *ontology.asides,
    ]
    forms = iter(rng.integers(3, size=len(graph.edges) + len(about)).tolist())
    said: list[str] = []
    for source, target in graph.edges:
        form = next(forms)
        is_person = symbols[source][0].isupper()
        noun = f"a {symbols[target]}"
        said.append(f"{symbols[source]} is {noun}." if is_person else _rule(symbols[source], noun, False, form))
    said += [_rule(symbols[node], properties[number], is_denied, next(forms)) for node, number, is_denied in about]
    said = [said[i] for i in rng.permutation(len(said)).tolist()]
    person, asked = symbols[graph.root], properties[0]
    path = any_shortest_path(graph, rng)
    steps = [
        f"Every {symbols[source]} is a {symbols[target]}, so {person} is a {symbols[target]}."
        for source, target in pairwise(path[1:])
    ]
    has = f"{_is(ontology.is_denied)} {asked}"
    steps.append(f"Every {symbols[graph.target]} {has}, so {person} {has}.")
    return ReasoningText(
        question=" ".join([*said, f"True or false: {person} {_is(ontology.asks_denied)} {asked}."]),
        steps=tuple(steps),
        answer=str(ontology.answer),
        graph=graph,
    )
