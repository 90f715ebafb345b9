"""Attacks that move, delete or double whole words.

Every function takes a text, a probability and a generator. A capital at the start of a sentence stays there, and no
word leaves its sentence.
"""

# pyright: strict
from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from reasonry.watermark.bench.exchanges import capitalized

WORD = re.compile(r"\w+(?:(?:['’-]|(?<=\d)[.,](?=\d))\w+)*")
"""Anything between spaces and punctuation: 1990, 3.14, don't, well-known."""

_SENTENCE_END = re.compile(r"[.!?…;:\n\"“”]")


class _Parts(NamedTuple):
    """A text as its words and what stands around them: ``gaps[0] words[0] gaps[1] ... words[-1] gaps[-1]``."""

    words: list[str]
    gaps: list[str]

    def starts_sentence(self, i: int) -> bool:
        """Whether the end of a sentence or of a line, a colon or a quotation mark stands before word ``i``."""
        return i == 0 or _SENTENCE_END.search(self.gaps[i]) is not None


def _parts(text: str) -> _Parts:
    return _Parts(WORD.findall(text), WORD.split(text))


def swap(text: str, share: float, rng: np.random.Generator) -> str:
    """Words that change places with their neighbours."""
    parts = _parts(text)
    words, gaps = parts
    tosses = rng.random(len(words)).tolist()
    for i in range(len(words) - 1):
        if tosses[i] >= share or parts.starts_sentence(i + 1):
            continue
        first, second = words[i], words[i + 1]
        if parts.starts_sentence(i) and first[:1].isupper() and second[:1].islower():
            first, second = first.lower() if _is_title(first) else first, capitalized(second)
        words[i], words[i + 1] = second, first
    return "".join(gap + word for gap, word in zip(gaps, [*words, ""], strict=True))


def delete(text: str, share: float, rng: np.random.Generator) -> str:
    """Without some words, and without the spaces that would be left over."""
    return _delete_repeat(text, share, 0.0, rng)


def repeat_delete(text: str, share: float, rng: np.random.Generator) -> str:
    """Without some words, and with some of the others doubled."""
    return _delete_repeat(text, share, share, rng)


def _delete_repeat(text: str, share_deleted: float, share_doubled: float, rng: np.random.Generator) -> str:
    parts = _parts(text)
    words, gaps = parts
    tosses = rng.random((len(words), 2)).tolist()
    out = gaps[0]
    owes_capital = False
    for i, word in enumerate(words):
        to_delete, to_double = tosses[i][0] < share_deleted, tosses[i][1] < share_doubled
        gap = gaps[i + 1]
        if parts.starts_sentence(i):
            owes_capital = False
        if to_delete:
            owes_capital = owes_capital or (parts.starts_sentence(i) and _is_title(word))
            if out[-1:] in {"", " ", "\t", "\n"} and gap[:1] in {" ", "\t"}:
                gap = gap.lstrip(" \t")
            elif out[-1:] in {" ", "\t"}:
                out = out.rstrip(" \t")
            out += gap
            continue
        kept = capitalized(word) if owes_capital else word
        owes_capital = False
        out += kept
        if to_double:
            out += " " + (word.lower() if parts.starts_sentence(i) and _is_title(word) else word)
        out += gap
    return out


def _is_title(word: str) -> bool:
    """Whether the word has a capital for its place: The, A; not I, I'm, NASA, McCoy."""
    return word[:1].isupper() and word[1:] == word[1:].lower() and word[:2] not in {"I", "I'", "I’"}
