"""Texts as token ids cut into chunks; pure.

    ids   c_0 .. c_{t-1}     chunk i = c_{iL} .. c_{iL + L - 1},  i < floor(t / L);   a tail of t mod L tokens has none

Shapes: N chunks of all texts, L tokens, M = L (1 + chunks before) with what stands before each chunk in front of it.
An id of -1 stands before the first token of a text. A text shorter than a chunk has none.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = Sequence[int] | NDArray[np.int32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

ABSENT = -1


class Flat(NamedTuple):
    """Texts one after the other.

    Attributes:
        ids: Of all.
        starts: Where each begins.
    """

    ids: Int32
    starts: Int64


class Chunks(NamedTuple):
    """Chunks of texts, in order.

    Attributes:
        ids_NM: Tokens.
        text_N: Number of the text of each.
        num_of_text: Chunks of each text.
    """

    ids_NM: Int32
    text_N: Int64
    num_of_text: Int64


def flatten(texts: Sequence[Ids]) -> Flat:
    """Texts one after the other."""
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    ids = np.empty(int(starts[-1]), dtype=np.int32)
    for start, text in zip(starts.tolist(), texts, strict=False):
        ids[start : start + len(text)] = text
    return Flat(ids, starts[:-1])


def chunks_of(texts: Sequence[Ids], *, chunk_tok: int, before_chunks: int = 0) -> Chunks:
    """The whole chunks of texts.

    Args:
        texts: Token ids.
        chunk_tok: L.
        before_chunks: How many chunks before each stand in front of it.
    """
    num_of_text = np.fromiter((len(text) // chunk_tok for text in texts), dtype=np.int64, count=len(texts))
    flat = flatten([text[: n * chunk_tok] for text, n in zip(texts, num_of_text.tolist(), strict=True)])
    own_NL = flat.ids.reshape(-1, chunk_tok)
    text_N = np.repeat(np.arange(len(texts), dtype=np.int64), num_of_text)
    if not before_chunks:
        return Chunks(own_NL, text_N, num_of_text)
    first_N = np.repeat(np.cumsum(num_of_text) - num_of_text, num_of_text)
    parts: list[Int32] = []
    for back in range(before_chunks, -1, -1):
        at_N = np.arange(len(own_NL)) - back
        is_inside_N = at_N >= first_N
        parts.append(np.where(is_inside_N[:, None], own_NL[np.maximum(at_N, 0)], np.int32(ABSENT)))
    return Chunks(np.concatenate(parts, axis=1), text_N, num_of_text)


def num_distinct(ids_NL: Int32) -> int:
    """Chunks that are not the same as another."""
    return len(np.unique(ids_NL, axis=0)) if len(ids_NL) else 0
