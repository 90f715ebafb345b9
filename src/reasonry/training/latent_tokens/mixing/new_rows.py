"""What rows of new tokens begin as, in the embedding and in the head.

    mean_cov    mean + spread g^T (E - mean) / sqrt(N),  g ~ N(0, 1) of N numbers: mean and covariance of the old rows E
    codebook    mean + c Q w_k,  w = codebook vectors, centred and whitened; Q orthonormal at random; c so that rows are
                as far from the mean as old ones are, root mean square
    random      N(0, std^2), as a new model has them
    mean        mean

The paper (arXiv 2502.03275) does not say. `mean_cov` is transformers' ``mean_resizing`` in words; its code shrinks the
covariance by 1e-9, which is ``spread=3.2e-5`` and close to `mean`. RECONSTRUCTED: `codebook`, in which codes whose
vectors lie close to each other begin close to each other. Markers and pauses have no vector and begin as in `mean_cov`.

The logit of a `mean` row is the mean of the N old logits. So its probability is at most 1/N, and M of them have at most
M / (N + M) together: the geometric mean is no more than the arithmetic one.

All draws come from the name of the matrix and the seed, never from a shared generator. Degenerate: codebook vectors
that are all the same give `mean`.

Legend: N old rows, M new rows, K codes, D width, R rank of the codebook vectors.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest

Init = Literal["mean_cov", "codebook", "random", "mean"]
INITS: tuple[str, ...] = get_args(Init)
_BLOCK_ROWS = 8192  # of old rows at a time: a vocabulary times the new tokens would not fit in memory
_RANK_TOLERANCE = 1e-6


def check_init(init: str, *, num_codes: int, vectors_KC: Tensor | None) -> None:
    """Refuse an initialisation that cannot be made.

    Raises:
        ConfigError: An unknown one, or vectors are missing or of another number than the codes.
    """
    if init not in INITS:
        remedy = " ".join(filter(None, (nearest(init, INITS), f"One of {', '.join(INITS)}.")))
        raise ConfigError(f"unknown initialisation {init!r}", place="init", remedy=remedy)
    if init != "codebook":
        return
    if vectors_KC is None:
        raise ConfigError("no codebook vectors", place="init", remedy="`codebook` needs those of the codes.")
    if vectors_KC.ndim != 2 or len(vectors_KC) != num_codes or not bool(torch.isfinite(vectors_KC).all()):
        raise ConfigError(
            f"codebook vectors of shape {tuple(vectors_KC.shape)} for {num_codes} codes",
            place="init",
            remedy="Give one finite vector for each code.",
        )


def mean_cov(old_ND: Tensor, num: int, *, seed: int, name: str, spread: float = 1.0) -> Tensor:
    """Rows with mean and covariance of old ones.

    Args:
        old_ND: Old rows, at least one.
        num: M.
        seed: Root of the draw.
        name: Of the matrix.
        spread: Standard deviations of the old rows that new ones lie from the mean; 0 is the mean itself.

    Returns:
        (M, D), float32.
    """
    mean_D = mean_row(old_ND)
    rows_MD = torch.zeros((num, old_ND.shape[1]))
    for first in range(0, len(old_ND), _BLOCK_ROWS) if spread else ():
        block_ND = old_ND[first : first + _BLOCK_ROWS].float().cpu() - mean_D
        generator = torch.Generator().manual_seed(seeds.derive(seed, "new rows", name, first))
        rows_MD += torch.randn((num, len(block_ND)), generator=generator) @ block_ND
    return mean_D + spread * rows_MD / len(old_ND) ** 0.5


def mean_row(old_ND: Tensor) -> Tensor:
    """(D,), float32: the mean of rows, summed in double precision."""
    return (old_ND.sum(0, dtype=torch.float64) / len(old_ND)).float().cpu()


def from_codebook(old_ND: Tensor, vectors_KC: Tensor, *, seed: int, name: str) -> Tensor:
    """Rows that lie as the vectors of the codes do.

    Args:
        old_ND: Old rows.
        vectors_KC: Of the codes, of any width.
        seed: Root of the draw.
        name: Of the matrix.

    Returns:
        (K, D), float32.
    """
    mean_D = mean_row(old_ND)
    centred_KC = vectors_KC.detach().cpu().double()
    centred_KC = centred_KC - centred_KC.mean(0)
    u_KR, s_R, _ = torch.linalg.svd(centred_KC, full_matrices=False)
    rank = min(int((s_R > _RANK_TOLERANCE * s_R.max()).sum()) if s_R.numel() and s_R.max() > 0 else 0, len(mean_D))
    if not rank:
        return mean_D.repeat(len(vectors_KC), 1)
    generator = torch.Generator().manual_seed(seeds.derive(seed, "new rows", name, "map"))
    q_DR, _ = torch.linalg.qr(torch.randn((len(mean_D), rank), generator=generator, dtype=torch.float64))
    lines_KD = u_KR[:, :rank] @ q_DR.T
    far = (old_ND.float().cpu() - mean_D).double().square().sum(1).mean().sqrt()
    return (mean_D + far * lines_KD / lines_KD.square().sum(1).mean().sqrt()).float()


def random_rows(num: int, width: int, *, seed: int, name: str, std: float) -> Tensor:
    """(M, D), float32: rows as those of a new model."""
    generator = torch.Generator().manual_seed(seeds.derive(seed, "new rows", name, "random"))
    return std * torch.randn((num, width), generator=generator)
