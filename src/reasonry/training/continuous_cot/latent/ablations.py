"""Thoughts put in place of a row's own, to see what the answer owes to them.

    random     a Gaussian direction with the norm of the row's own thought, from a stream named by the row's prompt
    swapped    the thoughts of the next row with at least as many, another prompt's wherever there is one
    a tensor   whatever is given, (B, K, D)

An answer that is as right as before did not need the thoughts. Both come from a row's own chain, so that they cost it
too; what is put in place is read in one pass.

Legend: B rows, D width, K most thoughts of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError

Thoughts = Literal["own", "random", "swapped"] | Tensor


def check_thoughts(thoughts: Thoughts, *, num_rows: int, most: int, width: int) -> None:
    """Refuse what cannot be put in place.

    Raises:
        ConfigError: Unknown name, or a tensor of another shape.
    """
    if isinstance(thoughts, str):
        if thoughts not in ("own", "random", "swapped"):
            raise ConfigError(
                f"thoughts {thoughts!r}", place="thoughts", remedy="own, random, swapped, or a tensor (B, K, D)."
            )
        return
    if thoughts.ndim != 3 or thoughts.shape[0] != num_rows or thoughts.shape[1] < most or thoughts.shape[2] != width:
        raise ConfigError(
            f"thoughts of shape {tuple(thoughts.shape)} for {num_rows} rows of up to {most} thoughts of width {width}",
            place="thoughts",
            remedy=f"Give a tensor of shape ({num_rows}, {most}, {width}).",
        )


def random_like(own_BKD: Tensor, names: Sequence[tuple[int | str, ...]], *, seed: int) -> Tensor:
    """Gaussian vectors with the norms of others.

    Args:
        own_BKD: The thoughts whose norms are kept.
        names: Of each row's random stream: the same row gets the same vectors in every batch.
        seed: Root of the streams.
    """
    shape = own_BKD.shape[1:]
    draws = [seeds.stream(seed, "random thoughts", *name).standard_normal(tuple(shape)) for name in names]
    noise_BKD = torch.stack([torch.from_numpy(draw) for draw in draws]).to(own_BKD)
    return noise_BKD * (own_BKD.norm(dim=-1, keepdim=True) / noise_BKD.norm(dim=-1, keepdim=True))


def swapped(own_BKD: Tensor, counts: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
    """Thoughts of another row: of the next one with enough of them, another prompt's if there is one.

    Raises:
        DataError: No other row has as many.
    """
    rows = range(len(counts))
    donors: list[int] = []
    for row in rows:
        others = [(row + step) % len(counts) for step in rows[1:] if counts[(row + step) % len(counts)] >= counts[row]]
        if not others and counts[row]:
            raise DataError(
                f"no other row has {counts[row]} thoughts to swap", place=f"row {row}", remedy="Give more rows at once."
            )
        strange = [other for other in others if list(prompts[other]) != list(prompts[row])]
        donors.append((strange or others or [row])[0])
    return own_BKD[donors]
