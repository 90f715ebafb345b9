"""Whole edges in one position each: the embedding of a token with both its ends.

    x = E[token] + P1 E[source] + P2 E[target]           P1, P2 learned (D, D), orthogonal at first

Reconstructed: the published models read an edge as three tokens and must learn in their first layer to copy both ends
to the third, which "Reasoning by Superposition" (arXiv 2505.12514) builds by hand and "Emergence of Superposition"
(arXiv 2509.23365) presupposes. Packing does it in the embedding, and shortens the row 2.5 times.

Legend: B rows, T columns, D width, M packed edges.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from reasonry.core import seeds


class PackedEdges(nn.Module):
    """The two maps.

    Args:
        width: D.
        seed: Root of their initial values.
    """

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.source = nn.Parameter(_orthogonal(width, seed, "source"))
        self.target = nn.Parameter(_orthogonal(width, seed, "target"))

    def forward(self, embeds_BTD: Tensor, edges_BT2: Tensor, embed: Callable[[Tensor], Tensor]) -> Tensor:
        """Embeddings with their edges added.

        Args:
            embeds_BTD: Embeddings of the tokens.
            edges_BT2: Source and target ids; -1 where there is no edge.
            embed: From ids to embeddings.
        """
        rows_M, columns_M = (edges_BT2[..., 0] >= 0).nonzero(as_tuple=True)
        source_MD, target_MD = embed(edges_BT2[rows_M, columns_M].T).to(self.source.dtype)
        added_MD = source_MD @ self.source.T + target_MD @ self.target.T
        return embeds_BTD.index_put((rows_M, columns_M), added_MD.to(embeds_BTD.dtype), accumulate=True)


def _orthogonal(width: int, seed: int, name: str) -> Tensor:
    generator = torch.Generator().manual_seed(seeds.derive(seed, "packed edges", name))
    # In double precision, then cut down: one machine's rounding then decides almost nothing.
    normal = torch.randn((width, width), generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    return (
        (q * r.diagonal().sign()).float().contiguous()
    )  # with these signs the law is uniform over all orthogonal matrices
