"""Contexts that were seen before: they are skipped, because their keyed symbol is not fresh.

The keyed symbol is a function of the key and the context. Where a context comes back, so does the symbol: a text that
repeats itself would be counted again and again, and boilerplate would look marked by chance. Only the first occurrence
counts, at generation and at detection alike.

A hash table with open addressing keeps the contexts, all its steps vectorised. It is made when a second piece comes;
repetitions within a first short piece, often the whole text, are found by sorting. Memory is bounded: when a table of
``capacity`` contexts is full it becomes the previous one and a new one begins, so the last ``capacity`` distinct
contexts are always known and at most twice as many. Beyond that window a repeated context counts again. The tables take
at most 48 bytes for each of the ``capacity`` contexts where that is a power of two, and less than 96 where it is not.

Legend: N contexts.
"""

# pyright: strict
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.prf.mixing import U64

_EMPTY = np.uint64(0)
_FEW = 1 << 12  # beyond, the table is faster than sorting
DEFAULT_CAPACITY = 1 << 20


class SeenContexts:
    """Which contexts occurred.

    Args:
        capacity: Distinct contexts that are never forgotten, at least.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = max(1, capacity)
        self._first: U64 | None = None  # the only piece so far; when there are more, all are in tables
        self._current: _Table | None = None
        self._previous: _Table | None = None

    def first_seen(self, hash_N: U64) -> NDArray[np.bool_]:
        """True where a context occurs for the first time, counting the ones before it in ``hash_N`` itself.

        Shape (N,) in and out. The contexts are remembered.
        """
        hash_N = _occupied(hash_N)
        if self._first is None and self._current is None and len(hash_N) <= min(_FEW, self._capacity):
            self._first = hash_N
            return _first_of_equals(hash_N)
        current = self._made_table()
        is_new_N = np.empty(len(hash_N), dtype=np.bool_)
        start = 0
        while start < len(hash_N):
            room = self._capacity - current.num
            if room <= 0:
                self._previous, self._current = current, (current := _Table(self._capacity))
                continue
            stop = min(len(hash_N), start + room)
            part_N = hash_N[start:stop]
            new_N = current.insert(part_N)
            if self._previous is not None:
                new_N &= ~self._previous.contains(part_N)
            is_new_N[start:stop] = new_N
            start = stop
        return is_new_N

    def would_be_new(self, hash_N: U64) -> NDArray[np.bool_]:
        """What `first_seen` would say, with nothing remembered.

        A window that would move on within ``hash_N`` does not: a context that it would forget counts as seen.
        """
        hash_N = _occupied(hash_N)
        is_new_N = _first_of_equals(hash_N)
        if self._first is not None:
            self._made_table()
        for table in (self._current, self._previous):
            if table is not None:
                is_new_N &= ~table.contains(hash_N)
        return is_new_N

    def _made_table(self) -> _Table:
        if self._current is None:
            self._current = _Table(self._capacity)
            if self._first is not None:
                self._current.insert(self._first)
                self._first = None
        return self._current


class _Table:
    """Linear probing in a table of at least twice as many slots as it may hold; for hashes that are not zero."""

    def __init__(self, capacity: int) -> None:
        self._limit_bits = max(4, (2 * capacity - 1).bit_length())
        self._num_bits = min(self._limit_bits, 12)  # small texts stay in the processor's cache
        self._make_slots()

    def contains(self, hash_N: U64) -> NDArray[np.bool_]:
        found_N = np.zeros(len(hash_N), dtype=np.bool_)
        index_N = np.arange(len(hash_N))
        slot_N = self._slot(hash_N)
        while len(index_N):
            here_N = self._slots[slot_N]
            equal_N = here_N == hash_N[index_N]
            found_N[index_N[equal_N]] = True
            go_on_N = ~equal_N & (here_N != _EMPTY)
            index_N, slot_N = index_N[go_on_N], self._next(slot_N[go_on_N])
        return found_N

    def insert(self, hash_N: U64) -> NDArray[np.bool_]:
        """Add contexts; True where one was not there before, the first of equals winning."""
        self._make_room(len(hash_N))
        is_new_N = np.zeros(len(hash_N), dtype=np.bool_)
        index_N = np.arange(len(hash_N))
        slot_N = self._slot(hash_N)
        while len(index_N):
            free_N = self._slots[slot_N] == _EMPTY
            # Several contexts may want one slot. Written in reverse the earliest is written last, and stays.
            wanted_N, by_N = slot_N[free_N][::-1], index_N[free_N][::-1]
            self._slots[wanted_N] = hash_N[by_N]
            self._owner[wanted_N] = by_N
            is_new_N[index_N[free_N & (self._owner[slot_N] == index_N)]] = True
            go_on_N = self._slots[slot_N] != hash_N[index_N]
            index_N, slot_N = index_N[go_on_N], self._next(slot_N[go_on_N])
        self.num += int(is_new_N.sum())
        return is_new_N

    def _make_slots(self) -> None:
        self._slots = np.zeros(1 << self._num_bits, dtype=np.uint64)
        self._owner = np.empty(1 << self._num_bits, dtype=np.int32)  # who wrote a slot in the present call
        self.num = 0

    def _slot(self, hash_N: U64) -> NDArray[np.int64]:
        # The upper bits: the lower ones of the context hash saw fewer multiplications.
        return (hash_N >> np.uint64(64 - self._num_bits)).view(np.int64)

    def _next(self, slot_N: NDArray[np.int64]) -> NDArray[np.int64]:
        return (slot_N + 1) & (len(self._slots) - 1)

    def _make_room(self, num_more: int) -> None:
        needed_bits = max(4, (2 * (self.num + num_more) - 1).bit_length())
        if needed_bits <= self._num_bits:
            return
        old = self._slots[self._slots != _EMPTY]
        self._num_bits = min(self._limit_bits, needed_bits + 1)
        self._make_slots()
        if len(old):
            self.insert(old)


def _occupied(hash_N: U64) -> U64:
    """Zero marks a free slot; a context whose hash is zero is kept as one."""
    return np.maximum(hash_N, np.uint64(1))


def _first_of_equals(hash_N: U64) -> NDArray[np.bool_]:
    """True where a hash occurs for the first time."""
    if len(hash_N) > _FEW:
        return _Table(len(hash_N)).insert(hash_N)
    is_new_N = np.ones(len(hash_N), dtype=np.bool_)
    sorted_N = np.sort(hash_N)
    if np.count_nonzero(sorted_N[1:] == sorted_N[:-1]):
        order_N = np.argsort(hash_N, kind="stable")
        sorted_N = hash_N[order_N]
        is_new_N[order_N[1:]] = sorted_N[1:] != sorted_N[:-1]
    return is_new_N
