"""Layers of attention and feed-forward networks over short stretches of positions, normalised first."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module):
    """One layer.

    Args:
        width: D.
        heads: Divide D.
        ffn: Inner width, in widths.
        is_causal: Whether a position sees only those up to itself.
    """

    def __init__(self, width: int, heads: int, ffn: int, *, is_causal: bool) -> None:
        super().__init__()
        self._heads, self._is_causal = heads, is_causal
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.ffn_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ffn * width)
        self.down = nn.Linear(ffn * width, width)

    def forward(self, x_NTD: Tensor) -> Tensor:
        """The same shape."""
        N, T, D = x_NTD.shape
        q, k, v = self.qkv(self.norm(x_NTD)).view(N, T, 3, self._heads, D // self._heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=self._is_causal)
        x_NTD = x_NTD + self.out(seen.transpose(1, 2).reshape(N, T, D))
        return x_NTD + self.down(F.relu(self.up(self.ffn_norm(x_NTD))))


class Layers(nn.Module):
    """Layers, and a normalisation behind the last."""

    def __init__(self, num: int, width: int, heads: int, ffn: int, *, is_causal: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(width, heads, ffn, is_causal=is_causal) for _ in range(num)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x_NTD: Tensor) -> Tensor:
        """The same shape."""
        for layer in self.layers:
            x_NTD = layer(x_NTD)
        return self.norm(x_NTD)
