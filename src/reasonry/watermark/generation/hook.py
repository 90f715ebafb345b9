"""The watermark inside this package's own sampler: a hook on the law of each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reasonry.core.sampling.decoding import Row
from reasonry.watermark.generation.marking import Marking, RowState


class WatermarkHook:
    """Couples the laws of the rows in flight; the state of a row is kept with the row."""

    def __init__(self, marking: Marking) -> None:
        self._marking = marking

    def __call__(self, rows: Sequence[Row], law_BV: Tensor) -> Tensor:
        """See `reasonry.core.sampling.decoding.LawHook`."""
        running = [i for i, row in enumerate(rows) if row.finish is None]
        states: list[RowState] = []
        for i in running:
            if rows[i].state is None:
                rows[i].state = RowState()
            states.append(rows[i].state)
        histories = [rows[i].tokens for i in running]
        if len(running) == len(rows):
            return self._marking.mark(law_BV, histories, states)
        at = torch.tensor(running, device=law_BV.device)
        return law_BV.index_copy(0, at, self._marking.mark(law_BV[at], histories, states))
