"""A key-value cache that is written in place and can fan one prefilled prompt out to its samples.

transformers' dynamic cache concatenates at every step, which copies the whole cache for every token drawn. Here a
layer keeps spare room: a step writes its one column and hands out a view.

Legend: B rows, H key-value heads, T tokens, D head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

_SPARE_TOK = 64


class RoomyLayer(DynamicLayer):
    """A full-attention layer with spare room at the end of its buffers."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Start empty."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self._key_BHTD = key_states.new_empty((*key_states.shape[:2], 0, key_states.shape[-1]))
        self._value_BHTD = value_states.new_empty((*value_states.shape[:2], 0, value_states.shape[-1]))
        self._view(0)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append columns; returns views of everything so far, shape BHTD."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self._length
        new = old + key_states.shape[-2]
        if new > self._key_BHTD.shape[-2]:
            self._key_BHTD = _with_room(self._key_BHTD, old, new + _SPARE_TOK)
            self._value_BHTD = _with_room(self._value_BHTD, old, new + _SPARE_TOK)
        self._key_BHTD[:, :, old:new] = key_states
        self._value_BHTD[:, :, old:new] = value_states
        self._view(new)
        assert self.keys is not None and self.values is not None
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor, *, drop_tok: int = 0) -> None:
        """Keep (or repeat) rows, without their first ``drop_tok`` columns."""
        length = self._length - drop_tok
        self._key_BHTD = _with_room(self._key_BHTD, length, length + _SPARE_TOK, rows=indices, first=drop_tok)
        self._value_BHTD = _with_room(self._value_BHTD, length, length + _SPARE_TOK, rows=indices, first=drop_tok)
        self._view(length)

    def add_rows(self, num_rows: int) -> None:
        """Append rows of zeros: finite, so that a column that is masked out cannot spoil a sum."""
        self._key_BHTD = _with_zero_rows(self._key_BHTD, num_rows)
        self._value_BHTD = _with_zero_rows(self._value_BHTD, num_rows)
        self._view(self._length)

    def _view(self, length: int) -> None:
        self._length = length
        self.keys = self._key_BHTD[:, :, :length]
        self.values = self._value_BHTD[:, :, :length]


def _with_room(old_BHTD: Tensor, length: int, room: int, *, rows: Tensor | None = None, first: int = 0) -> Tensor:
    batch, heads, _, width = old_BHTD.shape
    num_rows = batch if rows is None else len(rows)
    new = old_BHTD.new_empty((num_rows, heads, room, width))
    used = old_BHTD[:, :, first : first + length]
    new[:, :, :length] = used if rows is None else used.index_select(0, rows)
    return new


def _with_zero_rows(old_BHTD: Tensor, num_rows: int) -> Tensor:
    return torch.cat([old_BHTD, old_BHTD.new_zeros((num_rows, *old_BHTD.shape[1:]))])


def make_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for this architecture; layers that are not plain full attention keep transformers' own kind."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def select_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Keep (or repeat) these batch rows in every layer."""
    with torch.inference_mode():
        cache.batch_select_indices(rows)
