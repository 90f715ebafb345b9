"""Rows as tokens, and which of them a step learns from.

Prompt and completion are tokenized together, as the scores of candidates read them, so that training and probing agree
on every border; labels are the completion's tokens alone. Each epoch takes every row once, in an order of its own:

    order of epoch e = permutation drawn from (seed, "audit order", phase, e)

Arms with halves take their first rows in the first half of the steps, the others in the second half; each half goes
round its own rows.

Legend: B rows of a step, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.candidates.base import CandidateQuestion
from reasonry.core.candidates.position import QuestionEncoder
from reasonry.errors import DataError
from reasonry.understanding.out_of_context.audit.arms import TrainRow

IGNORED = -100


class TokenRow(NamedTuple):
    """A row in tokens.

    Attributes:
        ids: Prompt and completion.
        start: Where the completion begins.
        is_first: Belongs to the first half, where there are halves.
    """

    ids: tuple[int, ...]
    start: int
    is_first: bool


class Batch(NamedTuple):
    """Rows padded on the right.

    Attributes:
        ids_BT: Tokens.
        attend_BT: True where there is one.
        labels_BT: The completion's tokens, `IGNORED` elsewhere.
    """

    ids_BT: Tensor
    attend_BT: Tensor
    labels_BT: Tensor


def token_rows(
    rows: Sequence[TrainRow], tokenizer: Any, *, name: str, append_eos: bool, limit_tok: int
) -> list[TokenRow]:
    """Rows in tokens.

    Args:
        rows: As text.
        tokenizer: Of the model.
        name: Of the model, for messages.
        append_eos: Learn the end token behind every completion.
        limit_tok: Of the model's context; 0 without.

    Raises:
        DataError: A row is too long, or its completion has no token; or there is no end token to append.
    """
    if append_eos and tokenizer.eos_token_id is None:
        raise DataError("the tokenizer has no end token to append", place=name, remedy="Leave append_eos out.")
    encoder = QuestionEncoder(tokenizer, name=name, limit_tok=limit_tok)
    found = encoder.encode([CandidateQuestion(row.prompt, (row.completion,)) for row in rows])
    end = (int(tokenizer.eos_token_id),) if append_eos else ()
    return [TokenRow((*made.rows[0], *end), made.start, row.is_first) for made, row in zip(found, rows, strict=True)]


def collate(rows: Sequence[TokenRow], *, pad_id: int) -> Batch:
    """A batch of rows."""
    length = max(len(row.ids) for row in rows)
    ids_BT = torch.full((len(rows), length), pad_id)
    labels_BT = torch.full((len(rows), length), IGNORED)
    attend_BT = torch.zeros((len(rows), length), dtype=torch.bool)
    for at, row in enumerate(rows):
        tokens = torch.tensor(row.ids)
        ids_BT[at, : len(tokens)] = tokens
        attend_BT[at, : len(tokens)] = True
        labels_BT[at, row.start : len(tokens)] = tokens[row.start :]
    return Batch(ids_BT, attend_BT, labels_BT)


class Order:
    """The rows of every step.

    Args:
        rows: In tokens.
        batch_size: Rows of a step; the last one of an epoch may be short.
        epochs: Times that every row comes.
        seed: Root.
    """

    def __init__(self, rows: Sequence[TokenRow], *, batch_size: int, epochs: int, seed: int) -> None:
        halves = [[at for at, row in enumerate(rows) if row.is_first == first] for first in (True, False)]
        self._phases = [np.array(half) for half in halves if half]
        self._size, self._seed = batch_size, seed
        self._steps = [-(-len(phase) // batch_size) * epochs for phase in self._phases]
        self.num_steps = sum(self._steps)
        self._drawn: dict[tuple[int, int], np.ndarray[Any, Any]] = {}

    def __call__(self, at: int) -> list[int]:
        """Numbers of the rows of step ``at``, from 0."""
        phase = 0
        while at >= self._steps[phase]:
            at -= self._steps[phase]
            phase += 1
        members = self._phases[phase]
        epoch, place = divmod(at, -(-len(members) // self._size))
        key = (phase, epoch)
        if key not in self._drawn:
            draw = seeds.stream(self._seed, "audit order", phase, epoch).permutation(len(members))
            self._drawn = {key: members[draw]}
        return self._drawn[key][place * self._size : (place + 1) * self._size].tolist()
