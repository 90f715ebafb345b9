"""Which expert is at work at each token, which tokens it may see, and where it thinks it stands.

Shared vocabulary. A context is ``query, omega_a, attempt, omega_b, attempt, ...``; the selector token omega_k hands the
word to expert k and is the first token of its response:

    kappa_t    expert of the last selector up to t; none inside the query
    segment_t  number of selectors up to t, 0 inside the query
    position_t t inside the query, else num_query + (t - place of the last selector)

so every attempt continues the query's positions and skips the attempts before it.

Disjoint vocabularies. Expert k owns the tokens ``offset_k .. offset_k + V_k - 1`` and sees only those:

    kappa_t    owner of token t
    position_t number of earlier tokens of the same owner

Shapes: B batch, T tokens, K experts.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NO_EXPERT = -1


class Route(NamedTuple):
    """Routing of a batch of contexts; each field has shape (B, T).

    Attributes:
        kappa_BT: Expert at work, ``NO_EXPERT`` inside a query.
        segment_BT: Attempt a token belongs to, from 1; 0 inside a query (and everywhere for disjoint vocabularies).
        position_BT: Position that the experts give the token.
    """

    kappa_BT: Tensor
    segment_BT: Tensor
    position_BT: Tensor


def by_selector(tokens_BT: Tensor, selectors_K: Tensor) -> Route:
    """Routing by selector tokens; ``selectors_K`` holds omega_k."""
    B, T = tokens_BT.shape
    place_BT = torch.arange(T, device=tokens_BT.device).expand(B, T)
    is_selector_BTK = tokens_BT[..., None] == selectors_K
    is_selector_BT = is_selector_BTK.any(-1)
    segment_BT = is_selector_BT.cumsum(1)
    last_BT = torch.where(is_selector_BT, place_BT, -1).cummax(1).values
    in_query_BT = segment_BT == 0
    num_query_B1 = in_query_BT.sum(1, keepdim=True)
    position_BT = torch.where(in_query_BT, place_BT, num_query_B1 + place_BT - last_BT)
    chosen_BT = is_selector_BTK.int().argmax(-1).gather(1, last_BT.clamp(min=0))
    return Route(torch.where(in_query_BT, NO_EXPERT, chosen_BT), segment_BT, position_BT)


def by_owner(tokens_BT: Tensor, offsets_K: Tensor) -> Route:
    """Routing by vocabulary; ``offsets_K`` holds each expert's first token, ascending from 0."""
    kappa_BT = torch.searchsorted(offsets_K, tokens_BT.contiguous(), right=True) - 1
    is_owner_BTK = kappa_BT[..., None] == torch.arange(len(offsets_K), device=tokens_BT.device)
    position_BT = is_owner_BTK.cumsum(1).gather(2, kappa_BT[..., None])[..., 0] - 1
    return Route(kappa_BT, torch.zeros_like(kappa_BT), position_BT)
