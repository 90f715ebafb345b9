r"""Vector quantisation: nearest codes, their moving averages, revival of dead ones, straight-through gradients. Pure.

    q(x) = E_k,   k = argmin_j ||x - E_j||^2,   the lowest k of equal ones     (arXiv 1711.00937; 2502.03275, eq. 2)

    EMA:       n <- d n + (1 - d) (number of x at each code),   s <- d s + (1 - d) (their sum),   E = s / n'
               n' = (n + eps) / (sum n + K eps) sum n           so that a code without vectors has no zero below it
    gradient:  E follows the gradient of  mean (sg[x] - q)^2
    losses:    commitment  mean (x - sg[q])^2,   weighed by beta;   means are over vectors and their numbers
    forward:   x + sg[q - x]                                    so that the decoder's gradient at q arrives at x

A code is dead where its n is below a share of the mean of all n. Revival puts it on a drawn vector v and sets
n = mean n and s = n v with it: a code whose statistics stayed behind would be taken back to where it was by the next
update, while with them E stays v until vectors are assigned to it.

Shapes: N vectors, D width, K codes. Everything is float32.

Degenerate cases: no vectors leave n and s to decay and E where it is, but for eps. K-means on fewer distinct vectors
than codes repeats vectors; the lowest of equal codes takes all, the others are dead until they are revived.

Departures: Token Assorted does not say how its codebook learns. Decay, beta, revival and k-means are RECONSTRUCTED from
what vector quantisers commonly do; the threshold as a share of the mean is ours (it holds for every size of batch).
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

EPS = 1e-5
_MAX_ENTRIES = 2**22  # of a block of distances, 16 MB


# ---------------------------------------------------------------- look-up


class Prepared(NamedTuple):
    """A codebook made ready for look-ups.

    Attributes:
        doubled_DK: -2 E, transposed.
        norms_K: |E|^2.
    """

    doubled_DK: Tensor
    norms_K: Tensor


def prepare(codebook_KD: Tensor) -> Prepared:
    """What look-ups in a codebook that stays as it is have in common."""
    return Prepared((-2.0 * codebook_KD).T.contiguous(), codebook_KD.square().sum(1))


def nearest_codes(vectors_ND: Tensor, codebook: Tensor | Prepared, *, max_entries: int = _MAX_ENTRIES) -> Tensor:
    """The nearest code of each vector (N,), by Euclidean distance; of equal distances the lowest.

    Args:
        vectors_ND: Vectors.
        codebook: Codes (K, D), or what `prepare` made of them.
        max_entries: Distances that are held at once.
    """
    # |x|^2 is the same for all codes: |e|^2 - 2 x.e has the same argmin.
    ready = codebook if isinstance(codebook, Prepared) else prepare(codebook)
    rows = max(1, max_entries // len(ready.norms_K))
    blocks = [vectors_ND[start : start + rows] for start in range(0, len(vectors_ND), rows)]
    parts = [torch.addmm(ready.norms_K, block, ready.doubled_DK).argmin(1) for block in blocks]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64, device=vectors_ND.device)


def straight_through(vectors_ND: Tensor, quantised_ND: Tensor) -> Tensor:
    """The quantised vectors, with the gradient going to the vectors as it is."""
    return vectors_ND + (quantised_ND - vectors_ND).detach()


def mean_square(one_ND: Tensor, other_ND: Tensor) -> Tensor:
    """Mean of (one - other)^2 over vectors and their numbers."""
    return (one_ND - other_ND).square().mean()


# ---------------------------------------------------------------- moving averages


class Averages(NamedTuple):
    """What an EMA codebook is made of.

    Attributes:
        counts_K: n.
        sums_KD: s.
    """

    counts_K: Tensor
    sums_KD: Tensor


def update_averages(averages: Averages, vectors_ND: Tensor, codes_N: Tensor, *, decay: float) -> Averages:
    """Averages after one more batch.

    Args:
        averages: Before it.
        vectors_ND: Vectors; nothing flows back to them.
        codes_N: Their codes.
        decay: d.
    """
    vectors_ND = vectors_ND.detach()
    counts_K = torch.bincount(codes_N, minlength=len(averages.counts_K)).to(vectors_ND.dtype)
    sums_KD = torch.zeros_like(averages.sums_KD).index_add_(0, codes_N, vectors_ND)
    return Averages(
        torch.lerp(averages.counts_K, counts_K, 1.0 - decay), torch.lerp(averages.sums_KD, sums_KD, 1.0 - decay)
    )


def averaged_codebook(averages: Averages) -> Tensor:
    """E (K, D) of averages."""
    counts_K = averages.counts_K
    total = counts_K.sum()
    smooth_K = (counts_K + EPS) / (total + len(counts_K) * EPS) * total
    return averages.sums_KD / smooth_K[:, None]


def dead_codes(counts_K: Tensor, *, share: float) -> Tensor:
    """Numbers of the codes whose n is below a share of the mean, ascending."""
    return torch.nonzero(counts_K < share * counts_K.mean()).flatten()


class Revived(NamedTuple):
    """A codebook after revival.

    Attributes:
        codebook_KD: E.
        averages: n and s, reset with it.
        codes_R: The codes that were put elsewhere; fewer than asked where there were fewer vectors.
    """

    codebook_KD: Tensor
    averages: Averages
    codes_R: Tensor


def revive(
    codebook_KD: Tensor, averages: Averages, vectors_ND: Tensor, dead_R: Tensor, *, rng: np.random.Generator
) -> Revived:
    """Put dead codes on drawn vectors, each on another one, and their averages with them.

    Args:
        codebook_KD: E.
        averages: n and s.
        vectors_ND: To draw from.
        dead_R: Codes to move; those beyond the number of vectors wait.
        rng: Draws the vectors.
    """
    dead_R = dead_R[: len(vectors_ND)]
    drawn_R = torch.tensor(rng.choice(len(vectors_ND), size=len(dead_R), replace=False).tolist(), dtype=torch.int64)
    found_RD = vectors_ND.detach()[drawn_R.to(vectors_ND.device)]
    # Without a mean (no vector was ever assigned) any count does.
    mean = averages.counts_K.mean()
    count = torch.where(mean > 0, mean, torch.ones_like(mean))
    codebook_KD, counts_K, sums_KD = codebook_KD.clone(), averages.counts_K.clone(), averages.sums_KD.clone()
    codebook_KD[dead_R], counts_K[dead_R], sums_KD[dead_R] = found_RD, count, count * found_RD
    return Revived(codebook_KD, Averages(counts_K, sums_KD), dead_R)


# ---------------------------------------------------------------- the beginning


class Clusters(NamedTuple):
    """What k-means found.

    Attributes:
        centres_KD: Means of the clusters.
        counts_K: Vectors of each.
    """

    centres_KD: Tensor
    counts_K: Tensor


def kmeans(vectors_ND: Tensor, num: int, *, rng: np.random.Generator, num_rounds: int = 10) -> Clusters:
    """Lloyd's algorithm from centres drawn with the probability of their squared distance to those before (k-means++).

    Args:
        vectors_ND: At least one.
        num: K.
        rng: Draws the first centres.
        num_rounds: Of assignment and averaging; an empty cluster keeps its centre.
    """
    vectors_ND = vectors_ND.detach()
    centres_KD = vectors_ND[_spread(vectors_ND, num, rng)].clone()
    codes_N = nearest_codes(vectors_ND, centres_KD)
    for _ in range(num_rounds):
        counts_K = torch.bincount(codes_N, minlength=num)
        sums_KD = torch.zeros_like(centres_KD).index_add_(0, codes_N, vectors_ND)
        used = counts_K > 0
        centres_KD[used] = sums_KD[used] / counts_K[used, None]
        codes_N = nearest_codes(vectors_ND, centres_KD)
    return Clusters(centres_KD, torch.bincount(codes_N, minlength=num).to(vectors_ND.dtype))


def _spread(vectors_ND: Tensor, num: int, rng: np.random.Generator) -> Tensor:
    """Indices (num,) of vectors far from one another."""
    uniform = torch.tensor(rng.random(num).tolist(), dtype=torch.float64, device=vectors_ND.device)
    chosen = [int(uniform[0] * len(vectors_ND))]
    norms_N = vectors_ND.square().sum(1)
    left_N = torch.full_like(norms_N, math.inf)
    for number in range(1, num):
        last_D = vectors_ND[chosen[-1]]
        # The expansion is not 0 for a vector itself: rounding, which must not draw it once more.
        distance_N = (norms_N + norms_N[chosen[-1]] - 2.0 * (vectors_ND @ last_D)).clamp_min(0.0)
        distance_N[distance_N <= 1e-6 * (norms_N + norms_N[chosen[-1]])] = 0.0
        left_N = torch.minimum(left_N, distance_N)
        sums_N = left_N.double().cumsum(0)
        if sums_N[-1] <= 0:  # fewer distinct vectors than codes: any will do
            chosen.append(int(uniform[number] * len(vectors_ND)))
            continue
        at = int(torch.searchsorted(sums_N, uniform[number] * sums_N[-1], right=True))
        chosen.append(min(at, len(vectors_ND) - 1))
    return torch.tensor(chosen, device=vectors_ND.device)


# ---------------------------------------------------------------- how much a codebook is used


class Usage(NamedTuple):
    """How many codes are used, and how evenly.

    Attributes:
        num_used: Codes that occur.
        num_codes: K.
        num_drawn: Codes that were counted, with repetitions.
        perplexity: exp of the entropy of their frequencies; K where all are alike, 0 of nothing.
    """

    num_used: int
    num_codes: int
    num_drawn: int
    perplexity: float

    @property
    def share(self) -> float:
        """Used codes over all codes."""
        return self.num_used / self.num_codes

    def is_collapsed(self, num_distinct: int) -> bool:
        """Whether fewer than half of the codes are used that could be: of K, or of the distinct chunks if fewer."""
        return 2 * self.num_used < min(self.num_codes, num_distinct)


def usage(counts_K: Tensor) -> Usage:
    """Usage of a codebook whose codes occurred so often."""
    total = float(counts_K.sum())
    if total == 0:
        return Usage(0, len(counts_K), 0, 0.0)
    p = counts_K[counts_K > 0].double() / total
    return Usage(len(p), len(counts_K), round(total), float(torch.exp(-(p * p.log()).sum())))


def bits_per_token(codes: float, *, chunk_tok: int, codes_per_chunk: int = 1) -> float:
    """log2(codes) for each code, over the tokens it stands for: with K the bound, with the perplexity what is used."""
    return math.log2(codes) * codes_per_chunk / chunk_tok if codes > 0 else 0.0
