"""Rows side by side: padding is neither attended to nor learnt.

Legend: B rows, T columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reasonry.errors import DataError
from reasonry.training.latent_tokens.mixing.rows import IGNORED, MixedRow

Ints = NDArray[np.int64]
Side = Literal["left", "right"]


class Batch(NamedTuple):
    """Rows side by side.

    Attributes:
        ids_BT: int64; the padding id beside the rows.
        attend_BT: bool, True where a row is.
        labels_BT: int64, not shifted; `IGNORED` on prompts and padding.
    """

    ids_BT: Tensor
    attend_BT: Tensor
    labels_BT: Tensor


def collate(rows: Sequence[MixedRow], *, pad_id: int, side: Side = "right") -> Batch:
    """Put rows into a batch.

    Args:
        rows: At least one.
        pad_id: Fills up; it is neither attended to nor learnt, so that the end token will do.
        side: Where the padding stands.

    Raises:
        DataError: No rows.
    """
    if not rows:
        raise DataError("a batch of no rows")
    lengths_B = np.array([len(row.ids) for row in rows])
    shape = len(rows), int(lengths_B.max())
    ids_BT = np.full(shape, pad_id)
    ids_BT[_attended(lengths_B, shape[1], side)] = np.fromiter(
        chain.from_iterable(row.ids for row in rows), np.int64, int(lengths_B.sum())
    )
    return batch_of(ids_BT, lengths_B, np.array([row.num_prompt for row in rows]), side=side)


def batch_of(ids_BT: Ints, lengths_B: Ints, prompts_B: Ints, *, side: Side) -> Batch:
    """Mask and labels of ids that stand side by side.

    Args:
        ids_BT: Padded.
        lengths_B: Tokens of the rows.
        prompts_B: How many of them, from the first, are not learnt.
        side: Where the padding stands.
    """
    width = ids_BT.shape[1]
    attend_BT = _attended(lengths_B, width, side)
    starts_B = width - lengths_B if side == "left" else np.zeros_like(lengths_B)
    is_learnt_BT = attend_BT & (np.arange(width) >= (starts_B + prompts_B)[:, None])
    labels_BT = np.where(is_learnt_BT, ids_BT, IGNORED)
    return Batch(torch.from_numpy(ids_BT), torch.from_numpy(attend_BT), torch.from_numpy(labels_BT))


def _attended(lengths_B: Ints, width: int, side: Side) -> NDArray[np.bool_]:
    columns_T = np.arange(width)
    return columns_T >= (width - lengths_B)[:, None] if side == "left" else columns_T < lengths_B[:, None]
