"""A sampler that is made when the first sample is wanted: a finished run loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from reasonry.core.environment import Determinism
from reasonry.core.sampling.base import Completion, Request, Sampler, SamplerStats, Skip, with_sampling
from reasonry.core.sampling.config import SamplingConfig


class LazySampler:
    """Stands for the sampler that ``make`` returns; ``on_made`` is called once, with it, before its first sample.

    ``stats`` are those since then: what the sampler cost before, elsewhere, is not counted again. Asking for anything
    else makes the sampler.
    """

    def __init__(self, make: Callable[[], Sampler]) -> None:
        self._make = make
        self.on_made: Callable[[Sampler], object] = lambda sampler: None
        self._inner: Sampler | None = None
        self._before = SamplerStats()

    @property
    def is_made(self) -> bool:
        """Whether somebody wanted it."""
        return self._inner is not None

    @property
    def inner(self) -> Sampler:
        """The sampler itself."""
        if self._inner is None:
            self._inner = self._make()
            self._before = replace(self._inner.stats, notes=list(self._inner.stats.notes))
            self.on_made(self._inner)
        return self._inner

    def with_sampling(self, config: SamplingConfig) -> LazySampler:
        """The same model, drawing in another way; costs are counted apart."""
        return LazySampler(lambda: with_sampling(self.inner, config))

    @property
    def stats(self) -> SamplerStats:
        """What it cost since it was made."""
        now, before = self._inner.stats if self._inner is not None else SamplerStats(), self._before
        change = {f.name: getattr(now, f.name) - getattr(before, f.name) for f in fields(now) if f.name != "notes"}
        return SamplerStats(**change, notes=now.notes[len(before.notes) :])

    @property
    def identity(self) -> dict[str, Any]:
        """The inner sampler's."""
        return self.inner.identity

    @property
    def determinism(self) -> Determinism:
        """The inner sampler's."""
        return self.inner.determinism

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """The inner sampler's completions."""
        return self.inner.sample(requests, skip=skip)
