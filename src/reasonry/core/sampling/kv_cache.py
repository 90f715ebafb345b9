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

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep (or repeat) rows."""
        room = self._length + _SPARE_TOK
        self._key_BHTD = _with_room(self._key_BHTD, self._length, room, rows=indices)
        self._value_BHTD = _with_room(self._value_BHTD, self._length, room, rows=indices)
        self._view(self._length)

    def _view(self, length: int) -> None:
        self._length = length
        self.keys = self._key_BHTD[:, :, :length]
        self.values = self._value_BHTD[:, :, :length]


def _with_room(old_BHTD: Tensor, length: int, room: int, *, rows: Tensor | None = None) -> Tensor:
    batch, heads, _, width = old_BHTD.shape
    num_rows = batch if rows is None else len(rows)
    new = old_BHTD.new_empty((num_rows, heads, room, width))
    used = old_BHTD[:, :, :length]
    new[:, :, :length] = used if rows is None else used.index_select(0, rows)
    return new


def make_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for this architecture; layers that are not plain full attention keep transformers' own kind."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def select_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Keep (or repeat) these batch rows in every layer."""
    with torch.inference_mode():
        cache.batch_select_indices(rows)
