"""Denoisers that can read some columns of a canvas beside the keys and values that they kept of the others.

A cache (`caches`) needs a pass over the open blocks alone. A column's keys and values are made from its token at its
position, overwrite what was kept of it, and it attends to all columns, kept ones included. What a network does with the
columns that it reads is its own; which these are, what they attend to and of how many of them something is said is the
same for all, and stands here.

Shapes: B rows, N canvas, W columns read, S of these that are asked for, V vocabulary, D width, H heads, K rows kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from reasonry.training.dultra.denoiser import Denoised, Denoiser
from reasonry.training.dultra.masking import attended_keys, positions


class KeyValues:
    """Keys and values (B, H, N, D / H) of every column, by layer; empty until a first pass has read all columns."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    def write(self, layer: int, columns_BW: Tensor | None, *, new: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Overwrite columns of a layer, or all of them when None; gives the layer's keys and values afterwards."""
        if columns_BW is None:
            self.layers[layer] = new
        else:
            for kept, added in zip(self.layers[layer], new, strict=True):
                kept.scatter_(2, columns_BW[:, None, :, None].expand_as(added), added)
        return self.layers[layer]

    def rows(self, rows_K: Tensor) -> KeyValues:
        """A copy of some rows."""
        part = KeyValues()
        part.layers = {layer: (k[rows_K], v[rows_K]) for layer, (k, v) in self.layers.items()}
        return part

    def put(self, rows_K: Tensor, part: KeyValues) -> None:
        """Overwrite some rows."""
        for layer, new in part.layers.items():
            for kept, added in zip(self.layers[layer], new, strict=True):
                kept[rows_K] = added


@runtime_checkable
class CachingDenoiser(Denoiser, Protocol):
    """A denoiser that can keep keys and values."""

    @property
    def lookback(self) -> int:
        """Columns before a span that have to be read with it: 1 where a column's logits come from the one before."""
        ...

    def denoise_columns(
        self,
        tokens_BN: Tensor,
        attend_BN: Tensor,
        columns_BW: Tensor | None,
        *,
        cache: KeyValues | None,
        num_last: int,
        with_hidden: bool = False,
    ) -> Denoised:
        """One forward pass that reads some columns and attends to all.

        Args:
            tokens_BN: The canvas.
            attend_BN: False on padding.
            columns_BW: Columns to read, ascending in each row; a column may be named more than once. All when None.
            cache: Keys and values of the other columns; those of the columns read are overwritten. May be None, or
                empty, when all are read. Written in place, so without gradients.
            num_last: Of how many of the columns read, the last ones, logits and hidden states are given.
            with_hidden: Give hidden states too.
        """
        ...


class Read(NamedTuple):
    """What a network is to read.

    Attributes:
        tokens_BW: Tokens of the columns read.
        position_BW: Their positions, counted from each row's first attended token.
        columns_BW: Which columns these are; None when they are all.
        attend_BN: False on padding.
        keys_BN: Columns that are attended to.
        cache: Keys and values of all columns, to be overwritten; None when nothing is kept.
    """

    tokens_BW: Tensor
    position_BW: Tensor
    columns_BW: Tensor | None
    attend_BN: Tensor
    keys_BN: Tensor
    cache: KeyValues | None


class ColumnDenoiser(nn.Module, ABC):
    """A `CachingDenoiser` made of a network; computes with gradients where they are on.

    Attributes:
        name, vocab_size, width, max_len, mask_id, pad_id, end_id: As `Denoiser` has them.
        lookback: As `CachingDenoiser` has it.
    """

    name: str
    vocab_size: int
    width: int
    max_len: int | None
    mask_id: int
    pad_id: int
    end_id: int | None
    lookback: int

    @abstractmethod
    def stream(self, read: Read) -> Tensor:
        """The network's last hidden states of the columns read (B, W, D), before or after their last norm."""

    @abstractmethod
    def say(self, h_BSD: Tensor) -> Denoised:
        """Logits, and hidden states after the final norm, of what `stream` gave of some columns."""

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        """One forward pass over whole canvases; see `Denoiser`.

        Raises:
            ConfigError: A row is longer than ``max_len``.
        """
        return self.denoise_columns(
            tokens_BN, attend_BN, None, cache=None, num_last=tokens_BN.shape[1], with_hidden=with_hidden
        )

    def denoise_columns(
        self,
        tokens_BN: Tensor,
        attend_BN: Tensor,
        columns_BW: Tensor | None,
        *,
        cache: KeyValues | None,
        num_last: int,
        with_hidden: bool = False,
    ) -> Denoised:
        """One forward pass that reads some columns and attends to all; see `CachingDenoiser`.

        Raises:
            ConfigError: A row is longer than ``max_len``.
        """
        position_BN = positions(attend_BN, max_len=self.max_len, name=self.name)
        if columns_BW is not None:
            if cache is None or not cache.layers:
                raise ValueError("some columns can be read only beside the keys and values of the others")
            tokens_BN, position_BN = tokens_BN.gather(1, columns_BW), position_BN.gather(1, columns_BW)
        h_BWD = self.stream(Read(tokens_BN, position_BN, columns_BW, attend_BN, attended_keys(attend_BN), cache))
        logits_BSV, hidden_BSD = self.say(h_BWD[:, h_BWD.shape[1] - num_last :])
        return Denoised(logits_BSV, hidden_BSD if with_hidden else None)

    def forward(self, tokens_BN: Tensor, attend_BN: Tensor) -> Tensor:
        """Logits (B, N, V)."""
        return self.denoise(tokens_BN, attend_BN).logits_BNV
