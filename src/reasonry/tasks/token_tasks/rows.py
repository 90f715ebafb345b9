"""What the tasks over symbols share: padding, reading what a model wrote, and counting right parts.

What follows the first end token of an answer is no part of it, as with any language model. So an answer is right
whatever stands there, and a model that ends too early is not helped by tokens that come later.

Shapes: B rows, P longest prompt, L answer length, K parts of an answer.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import END, PAD, SPECIAL, Checked, Ints

Bools = NDArray[np.bool_]


def token_ids(vocab: Sequence[str]) -> dict[str, int]:
    """Token of each symbol."""
    return {symbol: token for token, symbol in enumerate(vocab)}


def vocabulary(*symbols: str) -> tuple[str, ...]:
    """The special symbols and those of a task."""
    vocab = (*SPECIAL, *symbols)
    assert len(set(vocab)) == len(vocab), vocab
    return vocab


def pad_left(rows: Sequence[Sequence[int]]) -> Ints:
    """Rows of tokens as one array (B, P), as wide as the longest."""
    padded_BP = np.full((len(rows), max(map(len, rows), default=0)), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        padded_BP[i, padded_BP.shape[1] - len(row) :] = row
    return padded_BP


def without_padding(prompt_BP: Ints) -> list[list[int]]:
    """Prompts as lists of tokens."""
    return [[token for token in row if token != PAD] for row in prompt_BP.tolist()]


def fill_with_ends(rows: Sequence[Sequence[int]], *, length: int) -> Ints:
    """Answers as one array (B, ``length``) that goes on with end tokens where they are shorter."""
    filled_BL = np.full((len(rows), length), END, dtype=np.int64)
    for i, row in enumerate(rows):
        filled_BL[i, : len(row)] = row
    return filled_BL


def until_end(answer_BL: Ints) -> Ints:
    """Answers with everything after the first end token made end tokens."""
    ended_BL = np.logical_or.accumulate(answer_BL == END, axis=1)
    return np.where(ended_BL, END, answer_BL)


def spell(rows: Iterable[Iterable[int]], vocab: Sequence[str]) -> list[list[str]]:
    """Symbols of tokens; tokens outside the vocabulary stand as ``<?>``."""
    return [[vocab[token] if 0 <= token < len(vocab) else "<?>" for token in row] for row in rows]


def count(right_BK: Bools, *, is_part_BK: Bools | None = None) -> Checked:
    """Which rows are right, and by what share, when every part is right or wrong.

    Args:
        right_BK: Parts that are right.
        is_part_BK: Where rows have parts, when they have different numbers of them; at least one each.
    """
    is_part_BK = np.ones_like(right_BK) if is_part_BK is None else is_part_BK
    num_right_B, num_B = (right_BK & is_part_BK).sum(1), is_part_BK.sum(1)
    return Checked(num_right_B == num_B, num_right_B / num_B)


def compare(answer_BL: Ints, expected_BL: Ints) -> Checked:
    """Answers against the one right answer of each row, token by token up to its first end token, which counts."""
    is_part_BL = np.ones_like(expected_BL, dtype=np.bool_)
    is_part_BL[:, 1:] = expected_BL[:, :-1] != END
    return count(until_end(answer_BL) == expected_BL, is_part_BK=is_part_BL)


def check_shapes(prompt_BP: Ints, answer_BL: Ints, *, answer_len: int) -> None:
    """Refuse what cannot be rows of the task.

    Raises:
        DataError: The numbers of rows differ, or answers have another length.
    """
    if prompt_BP.ndim != 2 or answer_BL.shape != (len(prompt_BP), answer_len):
        raise DataError(
            f"prompts of shape {prompt_BP.shape} and answers of shape {answer_BL.shape} do not go together",
            remedy=f"Give prompts (B, P) and answers (B, {answer_len}).",
        )


def bad_prompt(row: int, why: str) -> DataError:
    """The error of a prompt that the task cannot have drawn."""
    return DataError(f"not a prompt of this task: {why}", place=f"row {row}")


def check_size(name: str, value: int, *, low: int, high: int) -> None:
    """Refuse a size of a task that is out of range.

    Raises:
        ConfigError: It is.
    """
    if not low <= value <= high:
        raise ConfigError(f"{name} = {value}", place="task", remedy=f"Use {low} to {high}.")
