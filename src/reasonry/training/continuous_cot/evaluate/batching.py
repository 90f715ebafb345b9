"""How questions are parted into batches; without torch, so that a finished run loads nothing."""

# pyright: strict
from __future__ import annotations


def batches(num: int, size: int) -> list[slice]:
    """Parts of at most ``size``, but for a last one of a single row, which would have nothing to swap thoughts with."""
    starts = list(range(0, num, size))
    if len(starts) > 1 and num - starts[-1] == 1:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], num], strict=True)]
