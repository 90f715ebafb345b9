"""Random choices that are the same on every platform and with every NumPy version.

``numpy.random.Generator`` may change its streams between releases (NEP 19); ``SeedSequence`` and the raw words
of a bit generator may not. So the choices here are made from raw PCG64 words, by rejection, in plain integer
arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import PCG64, SeedSequence

T = TypeVar("T")

_WORDS_AT_ONCE = 128  # one call for many words: a call costs as much as a hundred words
_WORD_VALUES = 2**64


class Draw:
    """A stream of choices that depends on ``(seed, *key)`` only.

    Args:
        seed: Not negative.
        key: Not negative; streams of different keys are independent.
    """

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = PCG64(SeedSequence(seed, spawn_key=key))
        self._words: list[int] = []

    def below(self, num: int) -> int:
        """An integer in [0, num), exactly uniform."""
        limit = _WORD_VALUES - _WORD_VALUES % num
        while True:
            if not self._words:
                self._words = self._bits.random_raw(_WORDS_AT_ONCE).tolist()
            word = self._words.pop()
            if word < limit:
                return word % num

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], exactly uniform."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], num: int) -> list[T]:
        """``num`` different positions of ``items``, in random order (Fisher-Yates)."""
        pool = list(items)
        for i in range(num):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:num]
