"""The tokens that a codec knows: those of its training data, in place of the tokenizer's whole vocabulary.

    rows of the embedding:   0 unseen,  1 before the text,  2, 3, .. the known ids, ascending

A token that never stood in the training data could have nothing but random numbers; all of them share row 0, and the
decoder writes known ones only. The tables, and the softmax that is most of the work of training, are then as large as
the data asks for (RECONSTRUCTED: the published codec has a row for each of the tokenizer's tokens).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

UNSEEN, BEFORE, FIRST = 0, 1, 2


class KnownTokens(nn.Module):
    """Rows of ids, and ids of rows.

    Args:
        known_ids: Ids of the training data, in any order, with or without repetitions.
        vocab_size: Ids of the tokenizer; larger ones are refused nowhere, and unseen.
    """

    ids_V: Tensor
    _row_of_id: Tensor

    def __init__(self, known_ids: Sequence[int] | Tensor, *, vocab_size: int) -> None:
        super().__init__()
        ids_V = torch.unique(torch.as_tensor(known_ids, dtype=torch.int64))
        assert len(ids_V) and int(ids_V[0]) >= 0 and int(ids_V[-1]) < vocab_size, (ids_V, vocab_size)
        rows = torch.full((vocab_size + 1,), UNSEEN)
        rows[ids_V] = torch.arange(FIRST, FIRST + len(ids_V))
        self.vocab_size = vocab_size
        self.register_buffer("ids_V", ids_V)
        self.register_buffer("_row_of_id", rows, persistent=False)

    @property
    def num_rows(self) -> int:
        """Rows of the embedding."""
        return FIRST + len(self.ids_V)

    def rows(self, ids: Tensor) -> Tensor:
        """Rows of ids of any shape; an id of -1 stands before the text."""
        found = self._row_of_id[ids.clamp(0, self.vocab_size)]
        return torch.where(ids < 0, BEFORE, found)

    def ids(self, rows: Tensor) -> Tensor:
        """Ids of rows of known tokens."""
        return self.ids_V[rows - FIRST]
