"""Random numbers of one example in one epoch, whatever came before it, in whichever order or process.

    key   = derive(seed, "mix", epoch) + hash(id)  mod 2^64        BLAKE2b both
    u_i   = (mix64(key + i g) >> 11) / 2^53,  i = 1, 2, ..         g = 0x9e3779b97f4a7c15

`mix64` is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014). A generator of NumPy for each example would be the same in kind, and takes longer to set up than the example
takes to be put into a batch.
"""

# pyright: strict
from __future__ import annotations

import hashlib
from typing import Protocol

from reasonry.core import seeds

_GAMMA = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF
_STEP = 2.0**-53


class Random(Protocol):
    """What draws: this file's `Draws`, or a generator of NumPy."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


def id_key(example_id: str) -> int:
    """64 bits of the name of an example."""
    digest = hashlib.blake2b(example_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def epoch_key(seed: int, epoch: int) -> int:
    """63 bits of a seed and an epoch."""
    return seeds.derive(seed, "mix", epoch)


class Draws:
    """Uniform numbers, one after the other.

    Args:
        key: Where they begin: the sum of `epoch_key` and `id_key`.
    """

    __slots__ = ("_state",)

    def __init__(self, key: int) -> None:
        self._state = key

    def random(self) -> float:
        """The next number in [0, 1), a multiple of 2^-53."""
        self._state = z = (self._state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) >> 11) * _STEP
