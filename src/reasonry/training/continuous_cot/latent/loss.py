"""Losses at the labelled positions alone, where alone logits are needed.

    cross entropy   -log p(y)
    set loss        -log sum_{v in S} p(v)      any of the row's set S of answers is right (the breadth-first objective
                                                of arXiv 2509.23365)

A label stands at its own position and is predicted from the state before it. Of a long row with a large vocabulary most
logits are never looked at: only those of labelled positions are computed.

Legend: B rows, T columns, M labelled positions, V vocabulary, S most ids in a set.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch


class Places(NamedTuple):
    """Labelled positions, row by row.

    Attributes:
        rows_M: Their rows.
        columns_M: Columns of the states that predict them: one before.
        labels_M: The labels.
    """

    rows_M: Tensor
    columns_M: Tensor
    labels_M: Tensor


def labelled(batch: Batch) -> Places:
    """Where a batch has labels."""
    rows_M, columns_M = (batch.labels_BT[:, 1:] != IGNORED).nonzero(as_tuple=True)
    return Places(rows_M, columns_M, batch.labels_BT[rows_M, columns_M + 1])


def losses(logits_MV: Tensor, places: Places, label_sets: list[tuple[int, ...]]) -> Tensor:
    """Loss (M,) of each labelled position, nats, in float32 or better.

    Args:
        logits_MV: Logits at the positions.
        places: The positions.
        label_sets: Of each row of the batch; empty where its label alone is right.
    """
    if logits_MV.dtype not in (torch.float32, torch.float64):
        logits_MV = logits_MV.float()
    labels_M1 = places.labels_M[:, None]
    if not any(label_sets):
        right_M = logits_MV.gather(1, labels_M1)[:, 0]
        return logits_MV.logsumexp(-1) - right_M
    size = max(map(len, label_sets))
    # Repeated ids would count twice; a place that is filled up counts as no answer.
    sets = [sorted(set(ids)) for ids in label_sets]
    ids_BS = torch.tensor([ids + [-1] * (size - len(ids)) for ids in sets], device=logits_MV.device)
    ids_MS = ids_BS[places.rows_M]
    has_set_M1 = (ids_MS >= 0).any(1, keepdim=True)
    filler_MS = torch.cat([labels_M1, labels_M1.new_full((len(labels_M1), size - 1), -1)], 1)
    ids_MS = torch.where(has_set_M1, ids_MS, filler_MS)
    right_MS = logits_MV.gather(1, ids_MS.clamp_min(0)).masked_fill(ids_MS < 0, -torch.inf)
    return logits_MV.logsumexp(-1) - right_MS.logsumexp(-1)
