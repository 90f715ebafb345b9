"""Entries of two dependent pairs: what `pairs` and `ledger` have in common.

    entry    first, second, letter, copy, separator          5 tokens
    answer   K entries, then end tokens up to L

``first`` and ``second`` are digits below a base b, ``letter`` and ``copy`` one of ten letters. Given what stands
before, one token of each pair is uniform and free and fixes the other, so that

    entropy = K (ln b + ln 10) nats

and, before anything is known, all four have the same uniform marginals as each other. A rule that looks at marginals
alone cannot tell two free tokens, which may be revealed together, from a pair, which may not.

In the mixed order the four fields of an entry are permuted by a layout token of the prompt, one of 24.

Shapes: B rows, K entries, L answer length.
"""

# pyright: strict
from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from reasonry.tasks.token_tasks.base import END, SPECIAL, Ints
from reasonry.tasks.token_tasks.rows import Bools, check_size, until_end

ENTRY_LEN = 5
NUM_LETTERS = 10
NUM_FIELDS = 4
FIRST, SECOND, LETTER, COPY = range(NUM_FIELDS)
"""Numbers of the fields."""

START = len(SPECIAL)
SEPARATOR = START + 1
DIGIT = START + 2
"""Token of the digit 0; the others follow, then the letters."""

ORDERS = np.array(list(itertools.permutations(range(NUM_FIELDS))), dtype=np.int64)
"""Place of each field in its entry, shape (24, 4); the first is the plain order."""

MAX_ENTRIES, MAX_BASE, MAX_LEN = 256, 64, 2048


class Fields(NamedTuple):
    """An answer read as entries.

    Attributes:
        token_BK4: The fields' tokens, in the order `FIRST`, `SECOND`, `LETTER`, `COPY`.
        is_closed_BK: Entries that are followed by what must follow them: the separator, and after the last entry of an
            answer with room to spare an end token too.
    """

    token_BK4: Ints
    is_closed_BK: Bools


def symbols(base: int) -> tuple[str, ...]:
    """Symbols of entries, from token `START` on."""
    letters = (chr(ord("a") + i) for i in range(NUM_LETTERS))
    return ("<start>", ";", *map(str, range(base)), *letters)


def letter_id(base: int) -> int:
    """Token of the first letter."""
    return DIGIT + base


def entropy_nats(num_entries: int, base: int) -> float:
    """Of the law of answers given the prompt."""
    return num_entries * (math.log(base) + math.log(NUM_LETTERS))


def check_sizes(num_entries: int, base: int, answer_len: int) -> None:
    """Refuse sizes that are out of range.

    Raises:
        ConfigError: They are.
    """
    check_size("entries", num_entries, low=1, high=MAX_ENTRIES)
    check_size("base", base, low=2, high=MAX_BASE)
    check_size("answer length", answer_len, low=num_entries * ENTRY_LEN, high=MAX_LEN)


def write(token_BK4: Ints, order_BK4: Ints, *, answer_len: int) -> Ints:
    """Answers (B, L) of fields; ``order_BK4`` holds the place of each field in its entry."""
    B, K, _ = token_BK4.shape
    entry_BK5 = np.full((B, K, ENTRY_LEN), SEPARATOR, dtype=np.int64)
    np.put_along_axis(entry_BK5, order_BK4, token_BK4, axis=2)
    answer_BL = np.full((B, answer_len), END, dtype=np.int64)
    answer_BL[:, : K * ENTRY_LEN] = entry_BK5.reshape(B, K * ENTRY_LEN)
    return answer_BL


def read(answer_BL: Ints, order_BK4: Ints) -> Fields:
    """The fields of answers, right or wrong."""
    B, K, _ = order_BK4.shape
    answer_BL = until_end(answer_BL)
    entry_BK5 = answer_BL[:, : K * ENTRY_LEN].reshape(B, K, ENTRY_LEN)
    is_closed_BK = entry_BK5[..., -1] == SEPARATOR
    is_closed_BK[:, -1] &= (answer_BL[:, K * ENTRY_LEN :] == END).all(1)
    return Fields(np.take_along_axis(entry_BK5, order_BK4, axis=2), is_closed_BK)


def copies(fields: Fields, *, base: int) -> Bools:
    """Entries (B, K) with a letter, the same letter again, and what must follow them."""
    letter_BK, copy_BK = fields.token_BK4[..., LETTER], fields.token_BK4[..., COPY]
    first = letter_id(base)
    is_letter_BK = (letter_BK >= first) & (letter_BK < first + NUM_LETTERS)
    return is_letter_BK & (letter_BK == copy_BK) & fields.is_closed_BK
