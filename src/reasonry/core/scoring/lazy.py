"""A scorer that is made when the first score is wanted: a finished run loads no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reasonry.core.environment import Determinism
from reasonry.core.scoring.base import FloatArray, Item, Scorer, ScorerStats


class LazyScorer:
    """Stands for the scorer that ``make`` returns."""

    def __init__(self, name: str, make: Callable[[], Scorer]) -> None:
        self.name = name
        self._make = make
        self._inner: Scorer | None = None

    @property
    def inner(self) -> Scorer:
        """The scorer itself."""
        self._inner = self._inner or self._make()
        return self._inner

    @property
    def identity(self) -> dict[str, Any]:
        """The inner scorer's."""
        return self.inner.identity

    @property
    def determinism(self) -> Determinism:
        """The inner scorer's."""
        return self.inner.determinism

    @property
    def stats(self) -> ScorerStats:
        """What it did so far."""
        return self._inner.stats if self._inner is not None else ScorerStats()

    def score(self, items: Sequence[Item]) -> FloatArray:
        """The inner scorer's scores."""
        return self.inner.score(items)
