"""A table of facts as arrays: who has which answer, in numbers."""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.tasks.facts.fact import FactTable

IntArray = NDArray[np.int64]


class Relation(NamedTuple):
    """The facts of one relation.

    Attributes:
        name: Of the relation.
        subject_N: Indices of the subjects that have an answer, ``(N,)``, each once.
        code_N: Index of the answer.
        objects: The answers, in the order in which they came.
    """

    name: str
    subject_N: IntArray
    code_N: IntArray
    objects: tuple[str, ...]


class Index(NamedTuple):
    """All of them.

    Attributes:
        subjects: In the order in which they came.
        relations: Likewise.
    """

    subjects: tuple[str, ...]
    relations: tuple[Relation, ...]


def index_facts(table: FactTable) -> Index:
    """The arrays of a table."""
    number: dict[str, int] = {}
    relations: list[Relation] = []
    for name in table.relations:
        facts = table.of(name)
        codes: dict[str, int] = {}
        subject = [number.setdefault(one, len(number)) for one in facts]
        code = [codes.setdefault(fact.object, len(codes)) for fact in facts.values()]
        relations.append(Relation(name, np.array(subject), np.array(code), tuple(codes)))
    return Index(tuple(number), tuple(relations))
