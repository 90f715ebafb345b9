"""Token ids as arrays, and the context that a marker sees, one for all schemes.

A marker works on one step and a reader on a whole text; both make their contexts with `contexts_of`, so they cannot
disagree about which tokens a context is made of.

Legend: T tokens of a text.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError
from reasonry.watermark.prf import Contexts, contexts_of

Ids = Sequence[int] | NDArray[Any]
Ints = NDArray[np.int64]


def token_ids(ids: Ids, vocab_size: int) -> Ints:
    """A text as an array of shape (T,).

    Raises:
        DataError: Not a flat list of integers from 0 to ``vocab_size - 1``: text encoded with another tokenizer,
            or with padding left in.
    """
    array_T = np.asarray(ids)
    if array_T.size == 0 and array_T.ndim == 1:
        return np.zeros(0, dtype=np.int64)
    if array_T.ndim != 1 or array_T.dtype.kind not in "iu":
        raise DataError(
            f"ids of shape {array_T.shape} and type {array_T.dtype} are not a list of token ids",
            remedy="Give one text at a time, as integers.",
        )
    outside_T = (array_T < 0) | (array_T >= vocab_size)
    if outside_T.any():
        place = int(outside_T.argmax())
        raise DataError(
            f"token id {int(array_T[place])} is outside a vocabulary of {vocab_size}",
            place=f"token {place}",
            remedy="Strip the padding, and use the tokenizer with which the text was marked.",
        )
    return array_T.astype(np.int64)


def check_vocab_size(vocab_size: int) -> int:
    """The number of tokens a scheme chooses from.

    Raises:
        ConfigError: Fewer than two.
    """
    if vocab_size < 2:
        raise ConfigError(
            f"a vocabulary of {vocab_size} tokens cannot be marked", remedy="Use the width of the logits."
        )
    return vocab_size


def context_before(history: Sequence[int], context_tok: int) -> Contexts | None:
    """The one context of the token that comes after ``history``; None while there are too few tokens."""
    if len(history) < context_tok:
        return None
    return contexts_of(np.array([*history[-context_tok:], 0], dtype=np.int64), context_tok)
