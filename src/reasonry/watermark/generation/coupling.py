"""The coupled law in torch: what a row's law becomes once the keyed symbol is known.

    Q[b] = sum of q(v) over tokens with label b        P[b] = sum of p0(v), then (1 - eta) P + eta / n
    S    = first b with P[0] + ... + P[b] > U
    a    = min(1, Q[S] / P[S])
    B    = a 1[b = S] + (1 - a) R,   R = (Q - P)_+ / sum (Q - P)_+
    w(v | S) = q(v) B[label v] / Q[label v]            and  sum over s of P[s] w(v | s) = q(v)

The last line is why the text keeps its law (maximal coupling; Huang et al. 2026, arXiv 2602.17608). The floor eta is
ours: it keeps every null probability away from zero.

Degenerate cases: Q[S] = 0 has a = 0, all mass goes to R. If Q = P up to rounding, R has no mass and a is 1. Tokens of
probability zero keep it. All on the symbol level is float64.

Legend: B rows, V vocabulary, N symbols.
"""

from __future__ import annotations

import torch
from torch import Tensor


def symbol_mass(law_BV: Tensor, label_BV: Tensor | None, num_symbols: int) -> Tensor:
    """Mass of each symbol, float64, shape (B, N); without labels every token is its own symbol.

    ``law_BV`` may be narrower than ``label_BV``: tokens it lacks have probability zero.
    """
    if label_BV is None:
        mass_BN = law_BV.new_zeros((len(law_BV), num_symbols), dtype=torch.float64)
        width = min(law_BV.shape[-1], num_symbols)
        mass_BN[:, :width] = law_BV[:, :width]
        return mass_BN
    width = min(law_BV.shape[-1], label_BV.shape[-1])
    mass_BN = torch.zeros((len(law_BV), num_symbols), dtype=law_BV.dtype, device=law_BV.device)
    mass_BN.scatter_add_(1, label_BV[:, :width].long(), law_BV[:, :width])
    return mass_BN.double()


def with_floor(mass_BN: Tensor, floor: float) -> Tensor:
    """The anchor's law over symbols: normalised, then mixed with the uniform law."""
    mass_BN = mass_BN / mass_BN.sum(-1, keepdim=True)
    return (1 - floor) * mass_BN + floor / mass_BN.shape[-1]


def keyed_symbol(p_BN: Tensor, u_B: Tensor) -> Tensor:
    """First symbol whose cumulative probability exceeds U; int64, shape (B,)."""
    cdf_BN = p_BN.cumsum(-1)
    keyed_B = torch.searchsorted(cdf_BN, u_B[:, None].to(cdf_BN), right=True)[:, 0]
    return keyed_B.clamp_(max=p_BN.shape[-1] - 1)  # rounding can leave the last sum below U


def coupled_ratio(q_BN: Tensor, p_BN: Tensor, keyed_B: Tensor) -> Tensor:
    """B / Q for every symbol, float64, shape (B, N); 0 where Q is 0."""
    total_B1 = q_BN.sum(-1, keepdim=True)
    q_BN = q_BN / total_B1
    at_B1 = keyed_B[:, None]
    accept_B1 = (q_BN.gather(-1, at_B1) / p_BN.gather(-1, at_B1)).clamp_(max=1.0)
    excess_BN = (q_BN - p_BN).clamp_(min=0.0)
    room_B1 = excess_BN.sum(-1, keepdim=True)
    accept_B1 = torch.where(room_B1 > 0, accept_B1, 1.0)
    mass_BN = excess_BN * ((1 - accept_B1) / torch.where(room_B1 > 0, room_B1, 1.0))
    mass_BN.scatter_add_(-1, at_B1, accept_B1)
    return torch.where(q_BN > 0, mass_BN / torch.where(q_BN > 0, q_BN, 1.0), 0.0)
