"""Rows with latent slots, and batches of them in which the slots of all rows stand in the same columns.

    xxxxxxxxxxLLxxxxx--        x text, L latent slot, - padding
    -----xxxxxLxxxxxxxx        the first slot of every row is in the same column, so that n slots take n + 1
    ---xxxxxxxLLxxxxxxx        forward calls for the whole batch; a row without slots begins in column 0
    xxxxxxxxxxxxx------

Padding is not attended to and carries no label. Positions count from 0 at a row's first token; padding on the left has
position 0. Layout of Coconut (Hao et al. 2024, arXiv 2412.06769).

Legend: B rows, T columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.errors import DataError

IGNORED = -100
"""Label of a position where nothing is learnt."""

Slot = Literal["thought", "token"]
Edge = tuple[int, int]
_NO_EDGE: Edge = (-1, -1)


class Row(NamedTuple):
    """One sequence.

    Attributes:
        ids: Token ids; the latent token's id in every latent slot. Slots stand side by side.
        labels: Of the same length: the token at each position where it is learnt, else `IGNORED`. A label is predicted
            from the position before it, so that the first is always ignored; so are those of latent slots.
        edges: Of the same length: (source id, target id) of the edge packed into a position, (-1, -1) elsewhere.
        label_set: Ids any of which is right at the one labelled position: its loss is -log sum p over them.
        slot: thought: a slot's input is the thought before it. token: it is the latent token's own embedding, and one
            pass computes the row (the pause control).
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    edges: tuple[Edge, ...] | None = None
    label_set: tuple[int, ...] = ()
    slot: Slot = "thought"


class Batch(NamedTuple):
    """Rows side by side.

    Attributes:
        ids_BT: Token ids, int64.
        attend_BT: True where a token is, False on padding.
        position_ids_BT: Positions, int64.
        labels_BT: Labels, not shifted, int64.
        is_thought_BT: True where the input is the thought of the position before.
        edges_BT2: Packed edges; None when no row has any.
        label_sets: Of each row; empty where its labels say it all.
    """

    ids_BT: Tensor
    attend_BT: Tensor
    position_ids_BT: Tensor
    labels_BT: Tensor
    is_thought_BT: Tensor
    edges_BT2: Tensor | None
    label_sets: list[tuple[int, ...]]

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device."""
        edges_BT2 = None if self.edges_BT2 is None else self.edges_BT2.to(device)
        ids_BT, attend_BT, position_ids_BT, labels_BT, is_thought_BT = (part.to(device) for part in self[:5])
        return Batch(ids_BT, attend_BT, position_ids_BT, labels_BT, is_thought_BT, edges_BT2, self.label_sets)


def collate(rows: Sequence[Row], *, pad_id: int, latent_id: int, device: torch.device | str | None = None) -> Batch:
    """Put rows into a batch.

    Args:
        rows: At least one.
        pad_id: Fills up; it is never attended to.
        latent_id: The id in latent slots.
        device: Where to.

    Raises:
        DataError: No rows, or one of them is malformed; named with its number and the place in it.
    """
    if not rows:
        raise DataError("a batch of no rows")
    firsts = [_checked(row, number, latent_id=latent_id) for number, row in enumerate(rows)]
    column = max(firsts)  # of the first slot; -1 when no row has any
    starts = [column - first if first >= 0 else 0 for first in firsts]
    shape = len(rows), max(start + len(row.ids) for start, row in zip(starts, rows, strict=True))
    ids, labels = np.full(shape, pad_id), np.full(shape, IGNORED)
    attend, is_thought = np.zeros(shape, bool), np.zeros(shape, bool)
    has_edges = any(row.edges is not None for row in rows)
    edges = np.full((*shape, 2), -1) if has_edges else None
    for number, (start, row) in enumerate(zip(starts, rows, strict=True)):
        place = number, slice(start, start + len(row.ids))
        ids[place], labels[place], attend[place] = row.ids, row.labels, True
        if row.slot == "thought":
            is_thought[place] = ids[place] == latent_id
        if edges is not None and row.edges is not None:
            edges[place] = row.edges
    batch = Batch(
        torch.from_numpy(ids),
        torch.from_numpy(attend),
        torch.from_numpy(positions(attend)),
        torch.from_numpy(labels),
        torch.from_numpy(is_thought),
        None if edges is None else torch.from_numpy(edges),
        [row.label_set for row in rows],
    )
    return batch if device is None else batch.to(device)


def positions(attend: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions (B, T) of a mask (B, T): counted from 0 at the first True; 0 before it, the last one's after it."""
    return np.maximum(attend.cumsum(1, dtype=np.int64) - 1, 0)


def _checked(row: Row, number: int, *, latent_id: int) -> int:
    """Place of the first latent slot, -1 without any.

    Raises:
        DataError: The row is malformed.
    """

    def refuse(problem: str, remedy: str = "") -> DataError:
        return DataError(problem, place=f"row {number}", remedy=remedy)

    length = len(row.ids)
    if not length:
        raise refuse("no tokens")
    if len(row.labels) != length or (row.edges is not None and len(row.edges) != length):
        counts = f"{length} ids, {len(row.labels)} labels" + (f", {len(row.edges)} edges" if row.edges else "")
        raise refuse(counts, "All are of the same length.")
    if min(row.ids) < 0:
        raise refuse(f"token id {min(row.ids)}")
    if row.labels[0] != IGNORED:
        raise refuse("a label on the first token, which nothing predicts", f"Its label is {IGNORED}.")
    bad = next((label for label in row.labels if label < 0 and label != IGNORED), None)
    if bad is not None:
        raise refuse(f"label {bad}", f"A token id, or {IGNORED} where nothing is learnt.")
    if row.slot not in ("thought", "token"):
        raise refuse(f"slot {row.slot!r}", "thought or token.")
    if row.label_set and (num := sum(label != IGNORED for label in row.labels)) != 1:
        raise refuse(f"a set of right answers and {num} labelled positions", "Label the one position it is for.")
    if row.label_set and min(row.label_set) < 0:
        raise refuse(f"id {min(row.label_set)} in the set of right answers")
    num_slots = row.ids.count(latent_id)
    if not num_slots:
        return -1
    first = row.ids.index(latent_id)
    if first == 0 and row.slot == "thought":
        raise refuse("it begins with a latent slot", "There is no thought before the first token: begin with text.")
    if row.ids[first : first + num_slots].count(latent_id) != num_slots:
        raise refuse("text between its latent slots", "Slots stand side by side.")
    for at in range(first, first + num_slots):
        if row.labels[at] != IGNORED:
            raise refuse(f"a label on the latent slot at {at}", f"It would teach to write slots; give {IGNORED}.")
        if row.edges is not None and tuple(row.edges[at]) != _NO_EDGE:
            raise refuse(f"an edge packed into the latent slot at {at}")
    return first
