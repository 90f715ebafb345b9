"""Keyed pseudo-random functions of the last h tokens: integers only, so that every machine computes the same bits.

A step of a text has a context, the h tokens before it. From the key and the context come two 64-bit words::

    draw     decides the keyed symbol:      U = floor(draw / 2^11) / 2^53 in [0, 1)
    label    seeds the symbol of every token: label(v) = fmix(v, label) mod n

Two functions give these words. ``mix64-v1`` hashes the context without the key (so one pass serves any number of keys)
and puts the result through a keyed 64-bit mixer: statistical quality, several million contexts a second. It is **not**
cryptographic: somebody who sees many words of a key could in principle work the key out. ``blake2b-v1`` takes the words
from BLAKE2b keyed with the secret (RFC 7693); about half a million contexts a second. A detector publishes no words,
only whether a text carries the mark, so the fast function is the default.

Seeded generators of torch are not used anywhere: their numbers differ between devices and versions.
"""

from reasonry.watermark.prf.keyed import PRFS, Blake2bPrf, Mix64Prf, Prf, Words, make_prf
from reasonry.watermark.prf.mixing import (
    Contexts,
    contexts_of,
    contexts_of_rows,
    labels,
    mix64,
    split_seed,
    token_words,
    uniforms,
)

__all__ = [
    "PRFS",
    "Blake2bPrf",
    "Contexts",
    "Mix64Prf",
    "Prf",
    "Words",
    "contexts_of",
    "contexts_of_rows",
    "labels",
    "make_prf",
    "mix64",
    "split_seed",
    "token_words",
    "uniforms",
]
