"""Marks inside this package's sampler, a key for each text, and a note of how much chance each text had. Needs torch.

    anchored     the laws of all rows in flight are coupled at once (one pass of the anchor), each by its own key
    baselines    the scheme draws the token; the law becomes one-hot, so that the sampler can draw nothing else
    entropy      H = -sum q log q of the law before it is marked, averaged over the steps of a text, nats

What a baseline draws depends on (seed, mark, text) alone: a row has a generator of its own and is always drawn from its
first token on.

Legend: B rows, V vocabulary, M marked rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.sampling.decoding import LawHook, Row
from reasonry.watermark.baselines import Marker
from reasonry.watermark.bench.schemes import Anchored, BaselineScheme, Scheme, bench_key
from reasonry.watermark.generation.marking import GeneratingAnchor, Marking, RowState, Step
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Words
from reasonry.watermark.profile import Profile

KeyOf = Callable[[str, int], SecretKey]


class _Marked(NamedTuple):
    """What an anchored row remembers."""

    marking: Marking
    state: RowState


class AnchoredHook:
    """Couples the rows in flight, each with the key of its text.

    Args:
        profile: How to mark.
        key_of: The key of a text, by request id and index.
        anchor: A model as anchor; None for the uniform one.
        vocab_size: Width of the laws.
        device: Where they are.
    """

    def __init__(
        self,
        profile: Profile,
        key_of: KeyOf,
        *,
        vocab_size: int,
        anchor: GeneratingAnchor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._key_of = key_of
        self._settings: dict[str, Any] = {"vocab_size": vocab_size, "anchor": anchor, "device": device}
        self._profile = profile

    def __call__(self, rows: Sequence[Row], law_BV: Tensor) -> Tensor:
        """See `reasonry.core.sampling.decoding.LawHook`."""
        marked: list[int] = []
        words: list[Words] = []
        for i, row in enumerate(rows):
            if row.finish is not None:
                continue
            if row.state is None:
                key = self._key_of(row.request.id, row.index)
                row.state = _Marked(Marking(self._profile, key, **self._settings), RowState())
            step = row.state.marking.plan([row.tokens], [row.state.state])
            if step is not None:
                marked.append(i)
                words.append(step.words)
        if not marked:
            return law_BV
        joined = Words(*(np.concatenate(parts) for parts in zip(*words, strict=True)))
        at = torch.tensor(marked, device=law_BV.device)
        # Past the words no key is needed: any of the rows' markings couples them all.
        marking: Marking = rows[marked[0]].state.marking
        coupled = marking.couple(Step(marked, joined), law_BV[at], [rows[i].tokens for i in marked])
        return law_BV.index_copy(0, at, law_BV[at] * coupled.factor(law_BV.shape[-1]))


class _Drawn(NamedTuple):
    """What a baseline's row remembers."""

    marker: Marker
    rng: np.random.Generator


class BaselineHook:
    """Lets a baseline draw the tokens.

    Args:
        scheme: The baseline.
        key_of: The key of a text, by request id and index.
        seed: Root of its ordinary randomness.
        vocab_size: Width of the laws.
    """

    def __init__(self, scheme: BaselineScheme, key_of: KeyOf, *, seed: int, vocab_size: int) -> None:
        self._scheme, self._key_of = scheme, key_of
        self._seed, self._vocab_size = seed, vocab_size

    def __call__(self, rows: Sequence[Row], law_BV: Tensor) -> Tensor:
        """See `reasonry.core.sampling.decoding.LawHook`."""
        law = law_BV.double().cpu().numpy()
        drawn_BV = torch.zeros_like(law_BV)
        for i, row in enumerate(rows):
            if row.finish is not None:
                drawn_BV[i, 0] = 1.0  # not looked at, but a law
                continue
            if row.state is None:
                scheme = self._scheme.under(self._key_of(row.request.id, row.index), vocab_size=self._vocab_size)
                rng = seeds.stream(self._seed, "watermark bench draw", self._scheme.mark, row.request.id, row.index)
                row.state = _Drawn(scheme.start(), rng)
            token = row.state.marker.step(law[i] / law[i].sum(), row.tokens, row.state.rng)
            drawn_BV[i, token] = 1.0
        return drawn_BV


class EntropyHook:
    """Notes the mean entropy of the laws of each text, then lets another hook mark them.

    Args:
        inner: Marks the laws; None leaves them as they are.
    """

    def __init__(self, inner: LawHook | None = None) -> None:
        self._inner = inner
        self._total: dict[tuple[str, int], float] = {}

    def __call__(self, rows: Sequence[Row], law_BV: Tensor) -> Tensor:
        """See `reasonry.core.sampling.decoding.LawHook`."""
        law_B1 = law_BV.sum(-1, keepdim=True)
        entropy_B = torch.special.entr(law_BV / law_B1).sum(-1).tolist()
        for row, entropy in zip(rows, entropy_B, strict=True):
            if row.finish is None:
                name = (row.request.id, row.index)
                before = self._total.get(name, 0.0) if row.tokens else 0.0  # a row may be drawn again from its start
                self._total[name] = before + entropy
        return law_BV if self._inner is None else self._inner(rows, law_BV)

    def mean_nats(self, request: str, index: int, *, num_steps: int) -> float:
        """Mean entropy over the steps of a text that is finished; it is forgotten then."""
        return self._total.pop((request, index)) / max(1, num_steps)


def hook_of(
    scheme: Scheme,
    *,
    seed: int,
    vocab_size: int,
    profile: Callable[[Anchored], Profile],
    anchor: GeneratingAnchor | None,
    device: torch.device | str,
) -> EntropyHook:
    """The hook that marks as a scheme does.

    Args:
        scheme: A row of the benchmark.
        seed: Root of keys and ordinary randomness.
        vocab_size: Width of the laws.
        profile: How an anchored scheme marks.
        anchor: A model as anchor; None for the uniform one.
        device: Where the laws are.
    """

    def key_of(request: str, index: int) -> SecretKey:
        return bench_key(seed, scheme.mark, request, index)

    if isinstance(scheme, Anchored):
        return EntropyHook(AnchoredHook(profile(scheme), key_of, vocab_size=vocab_size, anchor=anchor, device=device))
    if isinstance(scheme, BaselineScheme):
        return EntropyHook(BaselineHook(scheme, key_of, seed=seed, vocab_size=vocab_size))
    return EntropyHook()
