"""The codebook as a module: a learnt one, and the grid of finite scalar quantisation behind the same face.

Looking up changes nothing, in training too: a codebook learns by `Codebook.learn` and `Codebook.revive` alone, which
only the trainer calls. So exporting codes cannot move them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reasonry.training.latent_tokens.codes import fsq
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.codes.quantizer import (
    Averages,
    averaged_codebook,
    dead_codes,
    kmeans,
    mean_square,
    nearest_codes,
    prepare,
    revive,
    straight_through,
    update_averages,
)

LookUp = Callable[[Tensor], Tensor]


class Quantised(NamedTuple):
    """Vectors and what they became.

    Attributes:
        codes_N: Their codes.
        vectors_ND: The quantised vectors, straight through.
        commitment: Mean squared distance that the vectors are pulled over; not weighed.
        codebook: Mean squared distance that the codebook is pulled over; 0 where it learns otherwise.
    """

    codes_N: Tensor
    vectors_ND: Tensor
    commitment: Tensor
    codebook: Tensor


def unquantised(vectors_ND: Tensor) -> Quantised:
    """Vectors as they are, before there is a codebook; all have code 0."""
    nothing = vectors_ND.new_zeros(())
    codes_N = torch.zeros(len(vectors_ND), dtype=torch.int64, device=vectors_ND.device)
    return Quantised(codes_N, vectors_ND, nothing, nothing)


class Codebook(nn.Module):
    """A codebook that learns as moving averages, or by gradient.

    Args:
        num_codes: K.
        width: D.
        kind: How it learns.
        decay: Of the averages, which are kept in both cases: they say which codes are dead.
    """

    counts_K: Tensor
    sums_KD: Tensor
    vectors_KD: Tensor

    def __init__(
        self, num_codes: int, width: int, *, kind: Literal["ema", "gradient"] = "ema", decay: float = 0.99
    ) -> None:
        super().__init__()
        self.kind, self.decay = kind, decay
        self.register_buffer("counts_K", torch.ones(num_codes))
        self.register_buffer("sums_KD", torch.zeros(num_codes, width))
        if kind == "gradient":
            self.vectors_KD = nn.Parameter(torch.zeros(num_codes, width))
        else:
            self.register_buffer("vectors_KD", torch.zeros(num_codes, width))

    def forward(self, vectors_ND: Tensor) -> Quantised:
        """Quantise; changes nothing."""
        codes_N = self.codes(vectors_ND)
        found_ND = self.vectors_KD[codes_N]
        learns = self.kind == "gradient"
        codebook = mean_square(found_ND, vectors_ND.detach()) if learns else vectors_ND.new_zeros(())
        fixed_ND = found_ND.detach()
        commitment = mean_square(vectors_ND, fixed_ND)
        return Quantised(codes_N, straight_through(vectors_ND, fixed_ND), commitment, codebook)

    def codes(self, vectors_ND: Tensor) -> Tensor:
        """Codes (N,) of vectors."""
        return nearest_codes(vectors_ND.detach(), self.vectors_KD.detach())

    def look_up(self) -> LookUp:
        """As `codes`, for many calls while the codebook stays as it is."""
        ready = prepare(self.vectors_KD.detach())
        return lambda vectors_ND: nearest_codes(vectors_ND.detach(), ready)

    def table(self) -> Tensor:
        """Vectors (K, D) of all codes."""
        return self.vectors_KD.detach()

    # ------------------------------------------------------------ learning

    @torch.no_grad()
    def start(self, vectors_ND: Tensor, *, rng: np.random.Generator, batch_size: int) -> None:
        """Begin as k-means centres.

        Args:
            vectors_ND: The first vectors.
            rng: Draws.
            batch_size: Vectors of a step, which the counts are made to fit.
        """
        found = kmeans(vectors_ND, len(self.vectors_KD), rng=rng)
        self.vectors_KD.copy_(found.centres_KD)
        self.counts_K.copy_(found.counts_K * (batch_size / len(vectors_ND)))
        self.sums_KD.copy_(found.centres_KD * self.counts_K[:, None])

    @torch.no_grad()
    def learn(self, vectors_ND: Tensor, codes_N: Tensor) -> None:
        """Follow a batch of vectors: averages, and the codebook where it is made of them."""
        self._put(update_averages(self._averages, vectors_ND, codes_N, decay=self.decay))
        if self.kind == "ema":
            self.vectors_KD.copy_(averaged_codebook(self._averages))

    @torch.no_grad()
    def revive(self, vectors_ND: Tensor, *, share: float, rng: np.random.Generator) -> Tensor:
        """Put dead codes on vectors; the codes that were moved.

        Args:
            vectors_ND: To draw from.
            share: Of the mean use, below which a code is dead.
            rng: Draws.
        """
        dead_R = dead_codes(self.counts_K, share=share)
        if not len(dead_R):
            return dead_R
        found = revive(self.vectors_KD, self._averages, vectors_ND, dead_R, rng=rng)
        self.vectors_KD.copy_(found.codebook_KD)
        self._put(found.averages)
        return found.codes_R

    @property
    def _averages(self) -> Averages:
        return Averages(self.counts_K, self.sums_KD)

    def _put(self, averages: Averages) -> None:
        self.counts_K.copy_(averages.counts_K)
        self.sums_KD.copy_(averages.sums_KD)


class ScalarGrid(nn.Module):
    """Finite scalar quantisation between two linear maps.

    Args:
        levels: Values of each rounded number.
        width: D.
    """

    def __init__(self, levels: Sequence[int], width: int) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.down = nn.Linear(width, len(self.levels))
        self.up = nn.Linear(len(self.levels), width)

    def forward(self, vectors_ND: Tensor) -> Quantised:
        """Quantise."""
        q_NF = fsq.rounded(self.down(vectors_ND), self.levels)
        nothing = vectors_ND.new_zeros(())
        return Quantised(fsq.codes_of(q_NF.detach(), self.levels), self.up(q_NF), nothing, nothing)

    @torch.no_grad()
    def codes(self, vectors_ND: Tensor) -> Tensor:
        """Codes (N,) of vectors."""
        return fsq.codes_of(fsq.rounded(self.down(vectors_ND), self.levels), self.levels)

    def look_up(self) -> LookUp:
        """As `codes`."""
        return self.codes

    @torch.no_grad()
    def table(self) -> Tensor:
        """Vectors (K, D) of all codes."""
        codes_K = torch.arange(fsq.num_codes(self.levels), device=self.up.weight.device)
        return self.up(fsq.numbers_of(codes_K, self.levels))


def make_quantizer(config: CodecConfig) -> Codebook | ScalarGrid:
    """The quantiser of a codec."""
    if config.quantizer == "fsq":
        return ScalarGrid(config.levels, config.width)
    return Codebook(config.num_codes, config.width, kind=config.codebook, decay=config.decay)
