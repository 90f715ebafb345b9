"""Named random streams from one seed. No global generator, no state shared between places that draw.

    key(seed, names) = BLAKE2b( enc(seed) enc(name_1) enc(name_2) ... )
    enc(part)        = tag ("i" or "s"), length of the payload (8 bytes, little endian), payload

The encoding is length-prefixed and typed, so it is injective: ("a", "b") and ("ab",) differ, and so do 1
and "1". A draw therefore depends on the seed and on the name of its purpose, never on what was drawn before
it, in which order, or on how the work was cut into batches and shards.

The generator is Philox-4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), a
counter put through a keyed mixing function: the i-th number is computed without the ones before it.

`derive` and `uniforms` are frozen: the same arguments give the same bits on every machine and in every
version. `stream` has frozen raw bits, but what NumPy's Generator makes of them (normals, shuffles) may change
between NumPy feature releases (NEP 19).
"""

# pyright: strict
from __future__ import annotations

import hashlib
import operator
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError

Name = str | SupportsIndex

_WORDS_PER_BLOCK = 4  # one Philox-4x64 block
_HALF_STEP = 0.5
_STEP = 2.0**-52


def _encode(part: Name) -> bytes:
    if isinstance(part, str):
        # surrogatepass: a file name that is not valid UTF-8 is still a name, and must not fail or collide.
        payload = part.encode("utf-8", "surrogatepass")
        return b"s" + len(payload).to_bytes(8, "little") + payload
    if isinstance(part, bool):
        raise TypeError(f"{part!r} cannot name a random stream: use a string or an integer.")
    value = operator.index(part)
    payload = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"i" + len(payload).to_bytes(8, "little") + payload


def _digest(seed: SupportsIndex, names: tuple[Name, ...], *, num_bytes: int, purpose: bytes) -> int:
    # `purpose` keeps the three functions apart: handing derive(7, "x") to a library and drawing from
    # stream(7, "x") must not give related numbers.
    if isinstance(seed, str):
        raise TypeError(f"the seed must be an integer, not {seed!r}.")
    message = b"".join([_encode(seed), *map(_encode, names)])
    digest = hashlib.blake2b(message, digest_size=num_bytes, person=purpose).digest()
    return int.from_bytes(digest, "little")


def derive(seed: SupportsIndex, *names: Name) -> int:
    """A 63-bit seed for another library, e.g. ``generator.manual_seed(derive(seed, "dropout", step))``.

    Args:
        seed: The seed of the run, any integer.
        *names: What the numbers are for: strings and integers. NumPy's integers count as Python's; booleans
            are refused.

    Returns:
        An integer in ``[0, 2**63)``.

    Raises:
        TypeError: A name is neither a string nor an integer.
    """
    return _digest(seed, names, num_bytes=8, purpose=b"reasonry.derive") >> 1


def stream(seed: SupportsIndex, *names: Name) -> np.random.Generator:
    """A fresh NumPy generator for one purpose; calling again starts the same stream from its beginning.

    Args:
        seed: The seed of the run, any integer.
        *names: What the numbers are for, e.g. ``stream(seed, "sample", problem.id, attempt)``.

    Raises:
        TypeError: A name is neither a string nor an integer.
    """
    key = _digest(seed, names, num_bytes=16, purpose=b"reasonry.stream")
    return np.random.Generator(np.random.Philox(key=key))


def uniforms(seed: SupportsIndex, *names: Name, num: int, start: int = 0) -> NDArray[np.float64]:
    """Uniform numbers ``start .. start + num - 1`` of a named sequence, each computed from its index alone.

    ``uniforms(s, n, num=10)[5:]`` equals ``uniforms(s, n, num=5, start=5)``, so a resumed or sharded job
    draws what an uninterrupted one would have drawn.

    Args:
        seed: The seed of the run, any integer.
        *names: Name of the sequence.
        num: How many numbers.
        start: Index of the first one, below ``2**64``.

    Returns:
        Shape ``(num,)``, float64, strictly inside (0, 1): the 2^52 odd multiples of 2^-53, so ``log(u)`` and
        ``log1p(-u)`` are finite.

    Raises:
        ConfigError: ``num`` or ``start`` is out of range.
        TypeError: A name is neither a string nor an integer.
    """
    if num < 0 or not 0 <= start < 2**64:
        raise ConfigError(
            f"num={num}, start={start} is not a range of indices",
            remedy="Use num >= 0 and 0 <= start < 2**64.",
        )
    block, skip = divmod(start, _WORDS_PER_BLOCK)
    key = _digest(seed, names, num_bytes=16, purpose=b"reasonry.uniform")
    words = np.random.Philox(key=key, counter=block).random_raw(num + skip)[skip:]
    return ((words >> np.uint64(12)).astype(np.float64) + _HALF_STEP) * _STEP
