"""Drawing tokens: inverse-CDF sampling from filtered logits, one uniform number per row.

    p = softmax(logits / temperature), restricted to top-k, then to the top-p nucleus, renormalised
    token = min { v : sum_{w <= v} p_w > u * sum_w p_w }        (vocabulary order)

The uniforms come from outside, keyed by (seed, problem, sample index, position): the draw itself has no state, and rows
do not see each other. Vocabulary order (not probability order) keeps the draw stable: rounding noise in the logits
moves the boundaries between tokens by as much as the noise, where a sorted order would swap whole intervals.

Legend: B rows, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_BLOCK = 256
_NUCLEUS_GUESS = 512


class Draw(NamedTuple):
    """Drawn tokens with the model's own log-probability of them (temperature 1, no filter)."""

    token_B: Tensor  # int64
    logp_B: Tensor  # float32, nats


def draw(logits_BV: Tensor, u_B: Tensor, *, temperature: float, top_k: int = 0, top_p: float = 1.0) -> Draw:
    """Draw one token per row.

    Args:
        logits_BV: Raw logits, any float type.
        u_B: Uniforms in (0, 1), float64.
        temperature: 0 takes the most probable token (the first of equals).
        top_k: 0 keeps all.
        top_p: 1 keeps all.
    """
    logits_BV = logits_BV.float()
    if temperature == 0:
        token_B = logits_BV.argmax(-1)
    else:
        token_B = inverse_cdf(law(logits_BV, temperature=temperature, top_k=top_k, top_p=top_p), u_B)
    return picked(logits_BV, token_B)


def law(logits_BV: Tensor, *, temperature: float, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """The law tokens are drawn from, float32; a nucleus is not renormalised. ``temperature`` is positive."""
    weight_BV = torch.softmax(logits_BV.float() / temperature, -1)
    if top_k and top_k < weight_BV.shape[-1]:
        kept = weight_BV.topk(top_k, -1)
        weight_BV = torch.zeros_like(weight_BV).scatter_(-1, kept.indices, kept.values)
        weight_BV /= weight_BV.sum(-1, keepdim=True)
    return nucleus(weight_BV, top_p) if top_p < 1 else weight_BV


def picked(logits_BV: Tensor, token_B: Tensor) -> Draw:
    """Tokens with the model's own log-probability of them."""
    logits_BV = logits_BV.float()
    picked_B = logits_BV.gather(-1, token_B[:, None])[:, 0]
    return Draw(token_B, picked_B - logits_BV.logsumexp(-1))


def nucleus(p_BV: Tensor, top_p: float) -> Tensor:
    """Zero everything outside the smallest set of most probable tokens whose mass reaches ``top_p``."""
    size = min(_NUCLEUS_GUESS, p_BV.shape[-1])
    top = p_BV.topk(size, -1)
    # A full sort of the vocabulary costs more than the rest of the draw; it is needed only for very flat rows.
    if size < p_BV.shape[-1] and bool((top.values.sum(-1) < top_p).any()):
        top = p_BV.sort(-1, descending=True)
    before = top.values.cumsum(-1) - top.values
    kept = torch.where(before < top_p, top.values, 0.0)
    return torch.zeros_like(p_BV).scatter_(-1, top.indices, kept)


def inverse_cdf(weight_BV: Tensor, u_B: Tensor) -> Tensor:
    """First token whose cumulative weight exceeds ``u`` times the total, in two levels of blocks (float64 sums)."""
    num_rows, vocab = weight_BV.shape
    pad = -vocab % _BLOCK
    blocks = torch.nn.functional.pad(weight_BV, (0, pad)).view(num_rows, -1, _BLOCK)
    block_cdf = blocks.sum(-1).double().cumsum(-1)
    goal = (u_B.to(block_cdf) * block_cdf[:, -1])[:, None]
    block = torch.searchsorted(block_cdf, goal, right=True).clamp_(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, block_cdf.gather(-1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks.gather(1, block[:, :, None].expand(-1, 1, _BLOCK))[:, 0].double()
    offset = torch.searchsorted(inside.cumsum(-1) + before, goal, right=True)
    # Rounding can leave the goal at the very end of a block: take its last token of positive weight.
    last = (inside > 0).long().mul(torch.arange(1, _BLOCK + 1, device=inside.device)).argmax(-1, keepdim=True)
    return (block * _BLOCK + torch.minimum(offset, last))[:, 0]
