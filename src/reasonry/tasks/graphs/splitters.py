"""From one written-out solution to steps and an answer.

    lines       every line that is not empty is a step
    sentences   every sentence is a step
    equations   every calculator annotation <<48/2=24>> is a step, the prose around them is dropped (arXiv 2405.14838)

Where the text has a reasoning block, <think> ... </think>, the steps are inside it, and what follows is the answer.
Else the answer follows the last mark of the text: ``####`` or ``###`` at the start of a line, or ``answer is`` or
``answer:`` in the last line. Without a mark the last step is the answer (not for equations: there a mark is needed).
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from reasonry.errors import ConfigError, DataError, nearest


class Solution(NamedTuple):
    """A solution in pieces.

    Attributes:
        steps: In order; may be empty.
        answer: Not empty.
    """

    steps: tuple[str, ...]
    answer: str


_THINK = re.compile(r"<think>(?P<steps>.*?)</think>(?P<answer>.*)", re.DOTALL)
_HASHES = re.compile(r"^[ \t]*#{3,4}[ \t]*(?P<answer>\S[^\n]*)", re.MULTILINE)
_SAID = re.compile(r"^[^\n]*?\banswer(?: is|:)[ \t]*:?[ \t]*(?P<answer>\S[^\n]*)\Z", re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_EQUATION = re.compile(r"<<[^<>]*>>")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _equations(text: str) -> list[str]:
    return _EQUATION.findall(text)


SPLITTERS: Mapping[str, Callable[[str], list[str]]] = {
    "lines": _lines,
    "sentences": _sentences,
    "equations": _equations,
}
"""Each takes a text without its answer to its steps."""


def _marked(text: str) -> tuple[str, str] | None:
    """(text before the answer's mark, answer)."""
    if found := _THINK.search(text):
        return found["steps"], found["answer"].strip()
    marks = list(_HASHES.finditer(text))
    found = marks[-1] if marks else _SAID.search(text.strip())
    if found is None:
        return None
    return (text if marks else text.strip())[: found.start()], found["answer"].strip().removesuffix(".")


def split_solution(text: str, *, by: str = "lines", place: str = "") -> Solution:
    """A solution in pieces.

    Args:
        text: The whole solution, its answer included.
        by: Name of a splitter.
        place: Where the text stands (``file:line``), for errors.

    Raises:
        ConfigError: No splitter of that name.
        DataError: There is no answer.
    """
    if by not in SPLITTERS:
        remedy = " ".join(filter(None, (nearest(by, SPLITTERS), f"Known: {', '.join(SPLITTERS)}.")))
        raise ConfigError(f"unknown splitter {by!r}", place="split_by", remedy=remedy)
    marked = _marked(text)
    if marked is not None:
        steps, answer = SPLITTERS[by](marked[0]), marked[1]
    else:
        steps, answer = SPLITTERS[by](text), ""
        if by != "equations" and steps:
            answer = steps.pop()
    if not answer:
        raise DataError(
            f"no answer in {text[-80:]!r}",
            place=place,
            remedy="End the solution with a line like '#### 12', or with 'The answer is 12.'.",
        )
    return Solution(tuple(steps), answer)
