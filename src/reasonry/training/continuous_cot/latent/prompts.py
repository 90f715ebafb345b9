"""Prompts with slots for thoughts behind them, side by side, ended in the same column.

    ---xxxxsLLLe      x prompt, s and e markers, L latent slot, - padding
    xxxxxxxxsLLe

Legend: B rows, T columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch, Edge, Slot, positions
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

Name = tuple[int | str, ...]


class Prompts(NamedTuple):
    """Prompts to be answered.

    Attributes:
        rows: Ids of each, without what stands behind.
        counts: Thoughts of each; 0 where slots are tokens.
        names: Of each one's random stream.
        batch: Prompts, markers and slots.
        num_after: Columns behind the slots.
    """

    rows: list[list[int]]
    counts: list[int]
    names: list[Name]
    batch: Batch
    num_after: int

    def filled(self, embeds_BTD: Tensor, thoughts_BKD: Tensor) -> Tensor:
        """Embeddings with thoughts in their slots."""
        filled_BTD = embeds_BTD.clone()
        end = embeds_BTD.shape[1] - self.num_after
        for row, count in enumerate(self.counts):
            filled_BTD[row, end - count : end] = thoughts_BKD[row, :count]
        return filled_BTD


def make_prompts(
    rows: list[list[int]],
    num_thoughts: int | Sequence[int],
    *,
    tokens: LatentTokens,
    vocab_size: int,
    slot: Slot = "thought",
    edges: Sequence[Sequence[Edge]] | None = None,
    before: Sequence[int] | None = None,
    after: Sequence[int] | None = None,
    names: Sequence[str | int] | None = None,
) -> Prompts:
    """Put prompts and their slots side by side.

    Args:
        rows: Ids of each prompt.
        num_thoughts: For all or for each.
        tokens: Ids of slots, markers and padding.
        vocab_size: Ids are below it.
        slot: What stands in the slots.
        edges: Packed edges of each prompt.
        before: Ids between prompt and slots; None: the marker.
        after: Ids behind the slots; None: the marker.
        names: Of the random streams; None: a prompt's ids and how many like it came before.

    Raises:
        ConfigError: Counts, edges or names that do not fit the prompts; an unknown slot.
        DataError: No prompts, an empty one, or ids that cannot be in one.
    """
    if slot not in ("thought", "token"):
        raise ConfigError(f"slot {slot!r}", place="slot", remedy="thought or token.")
    counts = _counts(num_thoughts, len(rows))
    _check(rows, tokens, vocab_size, edges)
    if names is not None and len(names) != len(rows):
        raise ConfigError(f"{len(names)} names for {len(rows)} prompts", place="names")
    streams = _own_names(rows) if names is None else [(name,) for name in names]
    before = tokens.before if before is None else before
    after = tokens.after if after is None else after
    whole = [[*row, *before, *[tokens.latent_id] * count, *after] for row, count in zip(rows, counts, strict=True)]
    shape = len(rows), max(map(len, whole))
    ids, attend, slots = np.full(shape, tokens.pad_id), np.zeros(shape, bool), np.zeros(shape, bool)
    packed = None if edges is None else np.full((*shape, 2), -1)
    for number, row in enumerate(whole):
        start, end = shape[1] - len(row), shape[1] - len(after)
        ids[number, start:], attend[number, start:] = row, True
        slots[number, end - counts[number] : end] = slot == "thought"
        if packed is not None and edges is not None:
            packed[number, start : start + len(rows[number])] = edges[number]
    batch = Batch(
        torch.from_numpy(ids),
        torch.from_numpy(attend),
        torch.from_numpy(positions(attend)),
        torch.full(shape, IGNORED),
        torch.from_numpy(slots),
        None if packed is None else torch.from_numpy(packed),
        [()] * len(rows),
    )
    return Prompts(rows, counts if slot == "thought" else [0] * len(rows), streams, batch, len(after))


def _counts(num_thoughts: int | Sequence[int], num_rows: int) -> list[int]:
    if not num_rows:
        raise DataError("no prompts")
    counts = [num_thoughts] * num_rows if isinstance(num_thoughts, int) else [int(count) for count in num_thoughts]
    if len(counts) != num_rows or min(counts) < 0:
        raise ConfigError(
            f"num_thoughts {counts if len(counts) < 9 else f'of {len(counts)} rows'} for {num_rows} prompts",
            place="num_thoughts",
            remedy="One number of 0 or more, or one for each prompt.",
        )
    return counts


def _check(
    rows: list[list[int]], tokens: LatentTokens, vocab_size: int, edges: Sequence[Sequence[Edge]] | None
) -> None:
    for number, row in enumerate(rows):
        place = f"prompt {number}"
        if not row:
            raise DataError("an empty prompt", place=place)
        if min(row) < 0 or max(row) >= vocab_size:
            raise DataError(f"a token id that is none of the model's {vocab_size}", place=place)
        if tokens.latent_id in row:
            raise DataError("the latent token", place=place, remedy="Slots are put behind it by num_thoughts.")
    if edges is not None and [len(each) for each in edges] != [len(row) for row in rows]:
        raise ConfigError(
            "edges that are not as long as their prompts", place="edges", remedy="(-1, -1) where a position has none."
        )


def _own_names(rows: list[list[int]]) -> list[Name]:
    seen: Counter[str] = Counter()
    names: list[Name] = []
    for row in rows:
        text = ",".join(map(str, row))
        names.append((text, seen[text]))
        seen[text] += 1
    return names
