"""What a reader of an engine's watermark hands over, and which tokens it scores.

A token is scored when its context, the h tokens before it, is complete and occurs for the first time in the text: a
repeated context repeats its pseudo-random number, which is then no fresh evidence. Contexts are compared as tuples of
ids, not as hashes.

Legend: T tokens of a text, N scored tokens, H tokens of a context.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError

Ids = Sequence[int] | NDArray[np.integer[Any]]
Ints = NDArray[np.int64]
U64 = NDArray[np.uint64]
FloatArray = NDArray[np.float64]

MAX_ID = 2**32 - 1
MAX_KEY = 2**64 - 1


@dataclass(frozen=True, eq=False)
class PivotReading:
    """Keyed numbers of the scored tokens of one text.

    Attributes:
        r_T: Shape (N,), the Gumbel pivots in text order, each strictly between 0 and 1: independent and uniform for
            text written without the key, large for marked text. The score of the Gumbel test is ``-log(1 - r)``.
        position_T: Shape (N,), int64, where in the text each stands (0 is its first token).
        score_T: Shape (N,), what the engine's own detector adds up. It is ``-log(1 - r)`` except for vLLM's dual key.
        num_tok: Tokens of the text.
        num_short_context: Tokens left out because their context is not known.
        num_duplicate: Tokens left out because their context occurred before.
        num_past_cap: Tokens left out because the engine marks no more than a number of contexts.
    """

    r_T: FloatArray
    position_T: Ints
    score_T: FloatArray
    num_tok: int
    num_short_context: int
    num_duplicate: int
    num_past_cap: int = 0

    @property
    def num_scored(self) -> int:
        """Tokens that were scored."""
        return len(self.r_T)


class Scored(NamedTuple):
    """The tokens of a text that are scored.

    Attributes:
        context_NH: Their contexts, oldest token first.
        token_N: The tokens.
        position_N: Where they stand in the text.
        num_short_context: See `PivotReading`.
        num_duplicate: See `PivotReading`.
    """

    context_NH: U64
    token_N: U64
    position_N: Ints
    num_short_context: int
    num_duplicate: int


def check_ids(ids: Ids, *, what: str = "ids") -> U64:
    """Token ids as an array of 64-bit words.

    Args:
        ids: Shape (T,), integers from 0 to 2^32 - 1.
        what: Name for the error.

    Raises:
        DataError: Not a flat list of such integers.
    """
    array_T = np.asarray(ids)
    if array_T.size == 0 and array_T.ndim == 1:
        return np.zeros(0, dtype=np.uint64)
    if array_T.ndim != 1 or not np.issubdtype(array_T.dtype, np.integer):
        raise DataError(
            f"{what} of shape {array_T.shape} and type {array_T.dtype} are not a list of token ids",
            remedy="Give one text at a time, as integers.",
        )
    low, high = int(array_T.min()), int(array_T.max())
    if low < 0 or high > MAX_ID:
        raise DataError(f"{what} hold {low if low < 0 else high}, which is no token id", remedy="Strip the padding.")
    return array_T.astype(np.uint64)


def check_key(key: int, *, what: str = "key") -> int:
    """A 64-bit key.

    Raises:
        ConfigError: Not an integer from 0 to 2^64 - 1. The message does not repeat the key.
    """
    if isinstance(key, bool) or not isinstance(cast(object, key), int) or not 0 <= key <= MAX_KEY:
        raise ConfigError(f"{what} is not an integer of 64 bits", remedy="Use 0 <= key < 2**64.")
    return key


def check_context_tok(context_tok: int, *, most: int | None = None) -> int:
    """The width of the context.

    Raises:
        ConfigError: Not a positive integer, or above ``most``.
    """
    if isinstance(context_tok, bool) or not 1 <= context_tok <= (context_tok if most is None else most):
        raise ConfigError(f"context_tok={context_tok} is not {'at least 1' if most is None else f'from 1 to {most}'}")
    return context_tok


def first_contexts(before_H: U64, id_T: U64, *, context_tok: int) -> Scored:
    """Tokens with a whole context that did not occur before.

    Args:
        before_H: Up to ``context_tok`` words that stand before the text; with fewer, the first tokens have no context.
        id_T: The text.
        context_tok: Words of a context.
    """
    stream = np.concatenate([before_H, id_T])
    if len(stream) <= context_tok:
        none = np.zeros(0, dtype=np.uint64)
        return Scored(none.reshape(0, context_tok), none, none.astype(np.int64), len(id_T), 0)
    context_NH = sliding_window_view(stream[:-1], context_tok)
    row_N = first_rows(context_NH)
    num_short = len(id_T) - len(context_NH)
    position_N = row_N + num_short
    return Scored(context_NH[row_N], id_T[position_N], position_N, num_short, len(context_NH) - len(row_N))


def first_rows(row_NH: U64) -> Ints:
    """Indices of the rows that differ from every row above them, ascending."""
    # One opaque item per row sorts several times faster than unique(axis=0), which compares column by column.
    packed = np.ascontiguousarray(row_NH).view(np.dtype((np.void, row_NH.shape[1] * row_NH.itemsize))).ravel()
    _, first = np.unique(packed, return_index=True)
    return np.sort(first).astype(np.int64)
