r"""Finite scalar quantisation (arXiv 2309.15505): a code is a few rounded numbers, and no codebook is learnt. Pure.

    b_i = (l_i - 1) (1 + eps) / 2,   o_i = 1/2 for even l_i, else 0,   a_i = atanh(o_i / b_i)
    f_i(z) = b_i tanh(z_i + a_i) - o_i,        r_i = round f_i(z),       q_i = r_i / floor(l_i / 2)
    code = sum_i (r_i + floor(l_i / 2)) prod_{j < i} l_j

Rounding has the gradient of the identity. There are no losses besides reconstruction, nothing dies, and usage is what
the encoder makes of it. Levels l_i are at least 3; eps is 1e-3, so that the outermost levels can be reached.

Shapes: N vectors, F numbers of each, K = prod l_i codes.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_EPS = 1e-3


def rounded(z_NF: Tensor, levels: Sequence[int]) -> Tensor:
    """Quantised numbers r / floor(l / 2), in [-1, 1]; straight through."""
    bounded_NF = _bounded(z_NF, levels)
    whole_NF = bounded_NF + (bounded_NF.round() - bounded_NF).detach()
    return whole_NF / _halves(levels, z_NF)


def codes_of(q_NF: Tensor, levels: Sequence[int]) -> Tensor:
    """Codes (N,) of quantised numbers."""
    halves = _halves(levels, q_NF)
    digits_NF = (q_NF * halves).round() + halves
    return (digits_NF * _basis(levels, q_NF)).sum(-1).round().to(torch.int64)


def numbers_of(codes_N: Tensor, levels: Sequence[int]) -> Tensor:
    """Quantised numbers (N, F) of codes."""
    kinds = torch.tensor(levels, device=codes_N.device)
    basis = _basis(levels, codes_N).to(torch.int64)
    digits_NF = torch.div(codes_N[:, None], basis, rounding_mode="floor") % kinds
    halves = torch.div(kinds, 2, rounding_mode="floor")
    return (digits_NF - halves).float() / halves


def num_codes(levels: Sequence[int]) -> int:
    """K."""
    return math.prod(levels)


def _bounded(z_NF: Tensor, levels: Sequence[int]) -> Tensor:
    half = [(level - 1) * (1 + _EPS) / 2 for level in levels]
    offset = [0.5 if level % 2 == 0 else 0.0 for level in levels]
    shift = [math.atanh(o / h) for o, h in zip(offset, half, strict=True)]
    return (z_NF + z_NF.new_tensor(shift)).tanh() * z_NF.new_tensor(half) - z_NF.new_tensor(offset)


def _halves(levels: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor([level // 2 for level in levels], dtype=like.dtype, device=like.device)


def _basis(levels: Sequence[int], like: Tensor) -> Tensor:
    products = [math.prod(levels[:i]) for i in range(len(levels))]
    return torch.tensor(products, dtype=torch.float32, device=like.device)
