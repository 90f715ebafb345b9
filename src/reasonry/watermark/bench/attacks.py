"""Offline attacks on marked text: the edits a person or a script makes without a language model.

    misspelling:p     a word of the list gets a common wrong spelling with probability p
    typo:p            a letter becomes one next to it on the keyboard (QWERTY) with probability p
    lowercase         all letters
    contraction       "do not" becomes "don't", wherever it can
    expansion         "don't" becomes "do not"
    swap:p            a word changes places with the next one of its sentence with probability p, from left to right
    repeat-delete:p   a word is deleted with probability p, otherwise doubled with probability p
    delete:p          a word is deleted with probability p
    synonym:p         a word of the list gets a synonym in the same grammatical form with probability p

The kinds and strengths are those of MarkMyWords (Piet et al. 2023); the word lists are this package's own and shorter
than theirs (`reasonry.watermark.bench.words`): in Python's reference manual misspelling:0.5 changes 11 % of the words
and synonym:1 only 5 %. So measure with `changed_share` what an attack did to your texts before you compare. Spaces,
punctuation and capitals stay: a replacement has the capitals of the word it replaces, and the capital at the start of
a sentence stays there. Articles are not adapted ("a big" may become "a enormous").

An attack is a function of the text and of the state of the generator. Each word takes the same draws whatever happens
to it, so with equal generators a word that a weak attack changes, a stronger one of its kind changes, too (except for
swap and repeat-delete).

For token ids without a tokenizer there are `delete_tokens` and `substitute_tokens`.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.watermark.bench import exchanges, moves

Ids = Sequence[int] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Attack:
    """One attack at one strength.

    Attributes:
        name: Text form, e.g. ``typo:0.05``.
        family: Kind of attack.
        strength: Probability that it acts on a place where it can, 0 to 1; 1 for attacks that have no strength.
    """

    name: str
    family: str
    strength: float

    def apply(self, text: str, rng: np.random.Generator) -> str:
        """The attacked text; the text itself where nothing can be changed.

        Args:
            text: Any text.
            rng: Source of the choices. The same state gives the same result.
        """
        return _FAMILIES[self.family].rewrite(text, self.strength, rng)


def attacks() -> tuple[Attack, ...]:
    """The standard set: every family at its usual strengths."""
    return tuple(
        Attack(_name(family, strength), family, strength)
        for family, kind in _FAMILIES.items()
        for strength in kind.strengths or (1.0,)
    )


def make_attack(text: str) -> Attack:
    """An attack from its text form: ``lowercase``, ``typo:0.05``, ``synonym:0.5``.

    Raises:
        ConfigError: Unknown family, a strength out of range, one that is missing, or one too many.
    """
    family, colon, number = text.partition(":")
    kind = _FAMILIES.get(family)
    if kind is None:
        hint = nearest(family, _FAMILIES) or f"Known: {', '.join(_FAMILIES)}."
        raise ConfigError(f"unknown attack {family!r}", place=text, remedy=hint)
    if not kind.strengths:
        if colon:
            raise ConfigError(f"{family} has no strength", place=text, remedy=f"Write {family}.")
        return Attack(family, family, 1.0)
    try:
        strength = float(number)
    except ValueError:
        strength = -1.0
    if not 0.0 <= strength <= 1.0:
        example = _name(family, kind.strengths[0])
        raise ConfigError(f"{family} needs a probability from 0 to 1", place=text, remedy=f"Write {example}.")
    return Attack(_name(family, strength), family, strength)


def changed_share(before: str, after: str) -> float:
    """Share of words that an attack changed: the edit distance in words over the number of words of the longer text.

    A changed word counts once, a deleted or doubled one once, two that changed places twice. Punctuation and spaces
    do not count, letters' case does.

    Args:
        before: The text.
        after: The attacked text.

    Returns:
        From 0 to 1; 0 when neither text has words.
    """
    number: dict[str, int] = {}
    first, second = (
        np.array([number.setdefault(w, len(number)) for w in moves.WORD.findall(text)], dtype=np.int64)
        for text in (before, after)
    )
    longer = max(len(first), len(second))
    return _edit_distance(first, second) / longer if longer else 0.0


def delete_tokens(ids: Ids, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Token ids without a share of them, chosen at random.

    Args:
        ids: Shape (T,).
        share: Share of the tokens, 0 to 1; ``share * T`` is rounded to the nearest number.
        rng: Source of the choice.

    Returns:
        Shape (T - number deleted,), in the old order.

    Raises:
        ConfigError: ``share`` is out of range.
    """
    id_T = np.asarray(ids, dtype=np.int64)
    return np.delete(id_T, _places(len(id_T), share, rng))


def substitute_tokens(ids: Ids, share: float, vocab_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Token ids of which a share, chosen at random, is replaced by others, uniform over the rest of the vocabulary.

    Args:
        ids: Shape (T,), each below ``vocab_size``.
        share: Share of the tokens, 0 to 1; ``share * T`` is rounded to the nearest number.
        vocab_size: Number of token ids, at least 2.
        rng: Source of the choices.

    Returns:
        Shape (T,). Exactly the chosen tokens differ.

    Raises:
        ConfigError: ``share`` or ``vocab_size`` is out of range.
        DataError: An id is not in the vocabulary.
    """
    if vocab_size < 2:
        raise ConfigError(f"vocab_size={vocab_size} leaves no other token")
    id_T = np.array(ids, dtype=np.int64)
    if id_T.size and not 0 <= id_T.min() <= id_T.max() < vocab_size:
        raise DataError(f"ids reach from {id_T.min()} to {id_T.max()}, outside a vocabulary of {vocab_size}")
    place = _places(len(id_T), share, rng)
    id_T[place] = (id_T[place] + rng.integers(1, vocab_size, len(place))) % vocab_size
    return id_T


def _places(num: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"share={share} is not between 0 and 1")
    return rng.permutation(num)[: int(share * num + 0.5)]


def _edit_distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    """Levenshtein distance, a row of the table at a time: a run of insertions is a running minimum."""
    step = np.arange(len(second) + 1)
    row = step.copy()
    for i, word in enumerate(first):
        fresh = np.empty_like(row)
        fresh[0] = i + 1
        fresh[1:] = np.minimum(row[1:] + 1, row[:-1] + (second != word))
        row = np.minimum.accumulate(fresh - step) + step
    return int(row[-1])


class _Family(NamedTuple):
    """How a kind of attack rewrites, and its usual strengths; none when it has no strength."""

    rewrite: Callable[[str, float, np.random.Generator], str]
    strengths: tuple[float, ...] = ()


_FAMILIES: Mapping[str, _Family] = {
    "misspelling": _Family(exchanges.misspell, (0.25, 0.5)),
    "typo": _Family(exchanges.typo, (0.05, 0.1)),
    "lowercase": _Family(exchanges.lowercase),
    "contraction": _Family(exchanges.contract),
    "expansion": _Family(exchanges.expand),
    "swap": _Family(moves.swap, (0.05, 0.1)),
    "repeat-delete": _Family(moves.repeat_delete, (0.05,)),
    "delete": _Family(moves.delete, (0.05, 0.1)),
    "synonym": _Family(exchanges.synonym, (0.25, 0.5, 0.75, 1.0)),
}


def _name(family: str, strength: float) -> str:
    return f"{family}:{strength:g}" if _FAMILIES[family].strengths else family
