"""The two keyed functions that turn contexts into words."""

# pyright: strict
from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf.mixing import U64, Contexts, mix64

PRFS = ("mix64-v1", "blake2b-v1")


class Words(NamedTuple):
    """What a key makes of N contexts.

    Attributes:
        draw_N: Decides the keyed symbol.
        label_N: Seeds the symbols of the tokens.
    """

    draw_N: U64
    label_N: U64


class Prf(Protocol):
    """A keyed function of contexts."""

    name: str

    def words(self, contexts: Contexts) -> Words:
        """Two words for each context."""
        ...


class Mix64Prf:
    """draw = mix64(mix64(c xor k1) + k2), label = mix64(mix64(c xor k3) + k4), k1..k4 derived from the secret."""

    name = "mix64-v1"
    # Derived keys are held by a closure, as the secret itself is: printers of members read all slots.
    __slots__ = ("_keys",)

    def __init__(self, key: SecretKey) -> None:
        held_4 = np.frombuffer(key.derive("prf mix64-v1", 32), dtype="<u8").astype(np.uint64)
        of_round = held_4.reshape(2, 2, 1).swapaxes(0, 1)  # k1 and k3, then k2 and k4
        self._keys: Callable[[int], U64] = lambda i: of_round[i]

    def __repr__(self) -> str:
        return "<Mix64Prf>"

    def __reduce__(self) -> str:
        raise TypeError("a keyed function holds a key: it is not serialised")

    def words(self, contexts: Contexts) -> Words:
        """Two words for each context."""
        x_2N = mix64(contexts.hash_N ^ self._keys(0))
        x_2N += self._keys(1)
        x_2N = mix64(x_2N)
        return Words(x_2N[0], x_2N[1])


class Blake2bPrf:
    """Both words from one BLAKE2b of the context's ids (8 bytes each, little endian), keyed with 32 derived bytes."""

    name = "blake2b-v1"
    __slots__ = ("_key",)

    def __init__(self, key: SecretKey) -> None:
        held = key.derive("prf blake2b-v1", 32)
        self._key: Callable[[], bytes] = lambda: held

    def __repr__(self) -> str:
        return "<Blake2bPrf>"

    def __reduce__(self) -> str:
        raise TypeError("a keyed function holds a key: it is not serialised")

    def words(self, contexts: Contexts) -> Words:
        """Two words for each context."""
        rows = np.ascontiguousarray(contexts.ids_NH.astype("<i8"))
        digests = b"".join(
            hashlib.blake2b(row.tobytes(), digest_size=16, key=self._key(), person=b"reasonry-context").digest()
            for row in rows
        )
        words_N2 = np.frombuffer(digests, dtype="<u8").astype(np.uint64).reshape(-1, 2)
        return Words(words_N2[:, 0].copy(), words_N2[:, 1].copy())


def make_prf(name: str, key: SecretKey) -> Prf:
    """The keyed function called ``name`` under ``key``.

    Raises:
        ConfigError: This version knows no such function; text marked with it can neither be read nor denied.
    """
    if name == Mix64Prf.name:
        return Mix64Prf(key)
    if name == Blake2bPrf.name:
        return Blake2bPrf(key)
    raise ConfigError(
        f"unknown keyed function {name!r}",
        place="profile.prf",
        remedy=f"{nearest(name, PRFS)} This version has {', '.join(PRFS)}; another one needs the version that made it.",
    )
