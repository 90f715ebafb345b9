"""Attacks that exchange words or letters: misspelling, synonym, typo, lower case, contraction, expansion.

Every function takes a text, the probability that it acts where it can, and a generator, and leaves spaces, punctuation
and capitals as they were. Those without a choice to make ignore the last two.
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from reasonry.watermark.bench.words import Options, expansions, misspellings, synonyms

_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # a word of the lists
_KEY_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
_NEXT_KEY = 1.3  # in widths of a key: the neighbours in the row and the two or three above and below


def misspell(text: str, share: float, rng: np.random.Generator) -> str:
    """Common wrong spellings for words of the list."""
    return _exchange(text, misspellings(), share, rng)


def synonym(text: str, share: float, rng: np.random.Generator) -> str:
    """Synonyms in the same form for words of the list."""
    return _exchange(text, synonyms(), share, rng)


def _exchange(text: str, options: Options, share: float, rng: np.random.Generator) -> str:
    draw_W2 = rng.random((sum(1 for _ in _LETTERS.finditer(text)), 2))
    draws = iter(draw_W2.tolist())

    def replaced(found: re.Match[str]) -> str:
        word, (toss, pick) = found[0], next(draws)
        choices = options.get(word.lower(), ())
        return _with_case(word, choices[int(pick * len(choices))]) if choices and toss < share else word

    return _LETTERS.sub(replaced, text)


def typo(text: str, share: float, rng: np.random.Generator) -> str:
    """Keys next to the right ones, for letters of the keyboard."""
    keys = _neighbours()
    draws = rng.random((len(text), 2)).tolist()
    typed = list(text)
    for i, (letter, (toss, pick)) in enumerate(zip(text, draws, strict=True)):
        near = keys.get(letter.lower(), "")
        if near and toss < share:
            wrong = near[int(pick * len(near))]
            typed[i] = wrong.upper() if letter.isupper() else wrong
    return "".join(typed)


@lru_cache(maxsize=1)
def _neighbours() -> Mapping[str, str]:
    """The keys next to each letter's."""
    at = {k: (shift + i, row) for row, (keys, shift) in enumerate(_KEY_ROWS) for i, k in enumerate(keys)}
    return {
        key: "".join(k for k, (u, v) in at.items() if k != key and (u - x) ** 2 + (v - y) ** 2 < _NEXT_KEY**2)
        for key, (x, y) in at.items()
    }


def lowercase(text: str, share: float, rng: np.random.Generator) -> str:
    """All letters in lower case."""
    return text.lower()


def contract(text: str, share: float, rng: np.random.Generator) -> str:
    """Short forms wherever they can stand, with the kind of apostrophe the text has."""
    pattern, short = _contractible()
    mark = "’" if "’" in text and "'" not in text else "'"

    def shortened(found: re.Match[str]) -> str:
        contraction = short.get(found[0].lower())  # none where only case folding made it match, as for a long s
        return found[0] if contraction is None else _with_case(found[0], contraction).replace("'", mark)

    return pattern.sub(shortened, text)


@lru_cache(maxsize=1)
def _contractible() -> tuple[re.Pattern[str], Mapping[str, str]]:
    short = {long: contraction for contraction, long in expansions().items()}
    # "Yes, I am." has no short form: only "not" may end a phrase. Words parted by more than a space stay apart.
    ends = "|".join(sorted(long for long in short if long.endswith("not")))
    goes_on = "|".join(sorted(long for long in short if not long.endswith("not")))
    return re.compile(rf"(?<![\w'’-])(?:(?:{ends})(?![\w'’-])|(?:{goes_on})(?= \w))", re.IGNORECASE), short


def expand(text: str, share: float, rng: np.random.Generator) -> str:
    """Full forms for contractions."""
    return _LETTERS.sub(lambda found: _expanded(found[0]), text)


def _expanded(word: str) -> str:
    long = expansions().get(word.lower().replace("’", "'"))
    return word if long is None else _with_case(word, long)


def _with_case(model: str, word: str) -> str:
    """``word`` with the capitals of ``model``: none, the first, or all."""
    letters = [c for c in model if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return word.upper()
    return capitalized(word) if model[:1].isupper() else word


def capitalized(word: str) -> str:
    """The word with its first letter upper case."""
    return word[:1].upper() + word[1:]
