"""The labels of a whole vocabulary in torch, bit for bit those of `reasonry.watermark.prf.mixing.labels`.

32-bit integers: their products wrap around on every device, and processors multiply eight of them at a time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reasonry.watermark.prf.mixing import C1, C2, C3, MASK31, U64, split_seed


class VocabularyLabels:
    """Symbols of all tokens of a vocabulary under label words.

    Args:
        vocab_size: Number of tokens (the width of the logits).
        num_bins: Number of symbols.
        device: Where the labels are wanted.
    """

    def __init__(self, vocab_size: int, num_bins: int, device: torch.device | str = "cpu") -> None:
        self.num_bins = num_bins
        self._device = torch.device(device)
        token_V = torch.arange(vocab_size, dtype=torch.int32, device=self._device)
        self._scaled_V = token_V * _signed(C1)

    def __call__(self, label_B: U64) -> Tensor:
        """Labels, int32, shape (B, V)."""
        low_B, high_B = (torch.from_numpy(x.view(np.int32)).to(self._device)[:, None] for x in split_seed(label_B))
        x_BV = self._scaled_V + low_B
        x_BV ^= (x_BV >> 16).bitwise_and_(0xFFFF)  # the shift of a signed integer copies its sign: mask it away
        x_BV *= _signed(C2)
        x_BV ^= (x_BV >> 13).bitwise_and_(0x7FFFF)
        x_BV += high_B
        x_BV *= _signed(C3)
        x_BV ^= (x_BV >> 16).bitwise_and_(0xFFFF)
        if self.num_bins & (self.num_bins - 1) == 0:
            return x_BV.bitwise_and_(self.num_bins - 1)
        return x_BV.bitwise_and_(MASK31).remainder_(self.num_bins)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word
