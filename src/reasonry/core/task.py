"""Task: what is asked, and the answer that counts as right.

A ``Problem`` is one question with its oracle answer; a ``Task`` is a named list of them with the instruction
that the model is given and the name of the verifier that grades it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its oracle answer.

    Attributes:
        id: Unique within its task and stable across machines: samples are keyed by it.
        question: What the model is asked, in plain text.
        answer: The oracle answer, in the form that the task's verifier compares with.
        solution: A worked solution, empty when the source has none.
        metadata: Anything else worth keeping (difficulty, source line); JSON values only.
    """

    id: str
    question: str
    answer: str
    solution: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Task:
    """A named list of problems.

    Attributes:
        name: Shown in reports, e.g. ``word-problems``.
        problems: In a fixed order; ids are unique.
        verifier: Name of the verifier that grades answers (see ``reasonry.core.verify``).
        instruction: Appended to every question so that the answer can be found in the reply.
        examples: Solved problems that are not among ``problems``, to be shown before a question.
        source: Where the problems came from: a path, a hub id or the generator with its seed.
    """

    name: str
    problems: tuple[Problem, ...]
    verifier: str = "number"
    instruction: str = ""
    examples: tuple[Problem, ...] = ()
    source: str = ""
