"""Which examples a step learns from: every example once in every epoch, rows of about one length side by side.

An epoch is ceil(n / B) steps, the last of which may be short. The permutation of an epoch is cut into windows of W
steps; the examples of a window are sorted by length, parted into batches, and these are taken in random order.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds

Ints = NDArray[np.int64]


class Step(NamedTuple):
    """One step's examples.

    Attributes:
        epoch: Epochs that are over.
        numbers_B: Of the examples.
    """

    epoch: int
    numbers_B: Ints


class Order:
    """The examples of every step.

    Args:
        lengths: Of each example, tokens; (num_examples,).
        batch_size: Rows of a step.
        window: Steps that are parted by length.
        seed: Root.
    """

    def __init__(self, lengths: Ints, *, batch_size: int, window: int, seed: int) -> None:
        self._lengths, self._size, self._window, self._seed = lengths, batch_size, window, seed
        self.steps_per_epoch = -(-len(lengths) // batch_size)
        self._drawn: tuple[int, list[Ints]] | None = None

    def __call__(self, at: int) -> Step:
        """Examples of step ``at``, from 0."""
        epoch, place = divmod(at, self.steps_per_epoch)
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self._epoch(epoch)
        return Step(epoch, self._drawn[1][place])

    def _epoch(self, epoch: int) -> list[Ints]:
        drawn = self._permutation("epoch", epoch, len(self._lengths))
        batches: list[Ints] = []
        count = self._window * self._size
        for number, start in enumerate(range(0, len(drawn), count)):
            part = drawn[start : start + count]
            if self._window > 1:
                part = part[np.argsort(self._lengths[part], kind="stable")]
            found = [part[cut : cut + self._size] for cut in range(0, len(part), self._size)]
            turns = self._permutation(f"window {epoch}", number, len(found)) if self._window > 1 else range(len(found))
            batches += [found[int(turn)] for turn in turns]
        return batches

    def _permutation(self, purpose: str, number: int, num: int) -> Ints:
        return seeds.stream(self._seed, "latent tokens", purpose, number).permutation(num)
