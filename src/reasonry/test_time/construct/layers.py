"""Parts of the merged model: dense matrices with the experts' own on their diagonal, and zeros beside them.

The routing codes stand behind the experts' numbers in the residual stream. Every layer reads them (attention: the
penalty) and none writes them.

Shapes: B batch, T tokens, D width K d + t2, H heads of an expert, K experts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reasonry.core.tiny import Block
from reasonry.test_time.construct.routing import Route


class Codes:
    """Where the routing codes stand behind the experts' K d numbers."""

    def __init__(self, *, num_experts: int, num_bits: int) -> None:
        self.num_experts, self.num_bits = num_experts, num_bits
        self.size = num_experts + (num_bits + 1 if num_bits else 0)

    def write(self, route: Route, dtype: torch.dtype) -> Tensor:
        """The codes of each token, shape (B, T, t2)."""
        experts_K = torch.arange(self.num_experts, device=route.kappa_BT.device)
        parts = [(route.kappa_BT[..., None] == experts_K).to(dtype)]
        if self.num_bits:
            in_query_BT1 = (route.segment_BT == 0)[..., None].to(dtype)
            powers = torch.arange(self.num_bits, device=route.kappa_BT.device)
            bits = (route.segment_BT[..., None] >> powers) & 1
            parts += [(2 * bits - 1).to(dtype) * (1 - in_query_BT1), in_query_BT1]
        return torch.cat(parts, -1)


class BlockNorm(nn.Module):
    """One LayerNorm per block of d numbers, or (to show that it fails) one over all of them."""

    def __init__(self, norms: Sequence[nn.LayerNorm], *, joint: bool) -> None:
        super().__init__()
        self.num_blocks, self.eps = (1 if joint else len(norms)), norms[0].eps
        self.gain = nn.Parameter(torch.cat([n.weight.detach() for n in norms]))
        self.bias = nn.Parameter(torch.cat([n.bias.detach() for n in norms]))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Normalise the blocks and pass the codes behind them on as they are."""
        size = len(self.gain)
        blocks = x_BTD[..., :size].unflatten(-1, (self.num_blocks, -1))
        normal = F.layer_norm(blocks, blocks.shape[-1:], eps=self.eps).flatten(-2)
        return torch.cat([normal * self.gain + self.bias, x_BTD[..., size:]], -1)


class MergedLayer(nn.Module):
    """A layer of the merged model: dense matrices that hold the experts' in blocks and the penalty in the codes."""

    def __init__(self, blocks: Sequence[Block], codes: Codes, *, head_size: int, penalty_nats: float, joint: bool):
        super().__init__()
        K, H, d = len(blocks), blocks[0].num_heads, blocks[0].attention_out.in_features
        self.num_heads = K * H
        self.activation = F.gelu if blocks[0].activation == "gelu" else F.relu
        self.attention_norm = BlockNorm([b.attention_norm for b in blocks], joint=joint)  # pyright: ignore[reportArgumentType]
        thirds = [[(w, b) for w, b in zip(m.weight.chunk(3), m.bias.chunk(3))] for m in (x.qkv for x in blocks)]
        scaled = [(w / math.sqrt(head_size), b / math.sqrt(head_size)) for w, b in (t[0] for t in thirds)]
        extra = codes.size - K if codes.num_bits else K  # code dimensions that keys and queries carry
        self.query = dense(scaled, num_in=codes.size, rows=(H, head_size, extra))
        self.key = dense([t[1] for t in thirds], num_in=codes.size, rows=(H, head_size, extra))
        self.value = dense([t[2] for t in thirds], num_in=codes.size)
        self.attention_out = dense([(b.attention_out.weight, b.attention_out.bias) for b in blocks], num_out=codes.size)
        self._write_penalty(codes, K * d, head_size, penalty_nats)
        self.has_mlp = blocks[0].has_mlp
        if self.has_mlp:
            self.mlp_norm = BlockNorm([b.mlp_norm for b in blocks], joint=joint)  # pyright: ignore[reportArgumentType]
            self.mlp_in = dense([(b.mlp_in.weight, b.mlp_in.bias) for b in blocks], num_in=codes.size)
            self.mlp_out = dense([(b.mlp_out.weight, b.mlp_out.bias) for b in blocks], num_out=codes.size)

    def _write_penalty(self, codes: Codes, start: int, head_size: int, penalty_nats: float) -> None:
        wide = self.query.out_features // self.num_heads
        for first in range(head_size, self.query.out_features, wide):  # the code rows of each head
            if codes.num_bits:
                signs = start + codes.num_experts
                for i in range(codes.num_bits):
                    self.query.weight[first + i, signs + i] = penalty_nats / 2
                    self.key.weight[first + i, signs + i] = 1.0
                self.query.bias[first + codes.num_bits] = penalty_nats / 2 * codes.num_bits
                self.key.weight[first + codes.num_bits, signs + codes.num_bits] = 1.0
            else:  # M kappa_i.kappa_j: keys of another owner are M below
                for k in range(codes.num_experts):
                    self.query.weight[first + k, start + k] = penalty_nats
                    self.key.weight[first + k, start + k] = 1.0

    def forward(self, x_BTD: Tensor) -> Tensor:
        """The residual stream after this layer."""
        normal = self.attention_norm(x_BTD)
        q, k, v = (
            m(normal).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for m in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
        x_BTD = x_BTD + self.attention_out(mixed.transpose(1, 2).flatten(-2))
        if self.has_mlp:
            x_BTD = x_BTD + self.mlp_out(self.activation(self.mlp_in(self.mlp_norm(x_BTD))))
        return x_BTD


def dense(
    parts: Sequence[tuple[Tensor, Tensor]],
    *,
    num_in: int = 0,
    num_out: int = 0,
    rows: tuple[int, int, int] | None = None,
) -> nn.Linear:
    """A dense layer with the parts on its diagonal, ``num_in`` zero columns and ``num_out`` zero rows behind.

    ``rows = (heads, size, extra)`` parts the rows of each block into heads and leaves ``extra`` zero rows after each.
    """
    weight = torch.block_diag(*(w for w, _ in parts))
    bias = torch.cat([b for _, b in parts])
    if rows is not None:
        heads, size, extra = rows
        count = len(parts) * heads
        weight = F.pad(weight.view(count, size, -1), (0, 0, 0, extra)).flatten(0, 1)
        bias = F.pad(bias.view(count, size), (0, extra)).flatten()
    return linear(F.pad(weight, (0, num_in, 0, num_out)), F.pad(bias, (0, num_out)))


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer with these numbers."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer
