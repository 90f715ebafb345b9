"""The same numbers as vector-quantize-pytorch, on the same vectors and codebook."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("vector_quantize_pytorch")

import torch

from reasonry.training.latent_tokens.codes import fsq
from reasonry.training.latent_tokens.codes.codebook import Codebook

oracle: Any = importlib.import_module("vector_quantize_pytorch")

SHAPES = [(64, 8, 16), (257, 64, 512), (1000, 32, 100)]
TOLERANCE = 1e-5


def drawn(seed: int, *shape: int) -> torch.Tensor:
    rng = np.random.Generator(np.random.Philox(key=seed))
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


def both(num: int, width: int, size: int, *, decay: float = 0.99, revives: float = 0.0) -> tuple[Codebook, Any]:
    ours = Codebook(size, width, decay=decay)
    theirs = oracle.VectorQuantize(
        dim=width,
        codebook_size=size,
        decay=decay,
        commitment_weight=1.0,
        threshold_ema_dead_code=revives,
        rotation_trick=False,
    )
    start = drawn(num, size, width)
    ours.vectors_KD.copy_(start)
    ours.sums_KD.copy_(start)  # they begin with counts of 1
    theirs._codebook.embed.data.copy_(start[None])
    theirs._codebook.embed_avg.data.copy_(start[None])
    return ours, theirs


@pytest.mark.parametrize(("num", "width", "size"), SHAPES)
def test_codes_vectors_and_commitment_are_the_same(num: int, width: int, size: int) -> None:
    ours, theirs = both(num, width, size)
    vectors = drawn(1, num, width)
    made = ours(vectors)
    theirs.eval()
    quantised, codes, _ = theirs(vectors[None])
    assert torch.equal(made.codes_N, codes[0])
    assert torch.allclose(made.vectors_ND, quantised[0], atol=TOLERANCE)
    theirs.train()
    _, _, loss = theirs(vectors[None], freeze_codebook=True)
    assert float(made.commitment) == pytest.approx(float(loss.detach()), rel=TOLERANCE)


@pytest.mark.parametrize(("num", "width", "size"), SHAPES)
@pytest.mark.parametrize("decay", [0.8, 0.99])
def test_the_codebook_moves_alike_step_by_step(num: int, width: int, size: int, decay: float) -> None:
    ours, theirs = both(num, width, size, decay=decay)
    theirs.train()
    for step in range(3):
        # From the same bits at every step. Between two codes that are equally near, their rounding decides otherwise
        # now and then: such vectors are left out.
        for name, value in (("embed", ours.vectors_KD), ("embed_avg", ours.sums_KD), ("cluster_size", ours.counts_K)):
            getattr(theirs._codebook, name).data.copy_(value[None])
        vectors = drawn(10 + step, num, width)
        nearest = torch.cdist(vectors.double(), ours.vectors_KD.double()).topk(2, largest=False).values
        vectors = vectors[nearest[:, 1] - nearest[:, 0] > TOLERANCE]
        assert len(vectors) > 0.9 * num
        made = ours(vectors)
        ours.learn(vectors, made.codes_N)
        _, codes, _ = theirs(vectors[None])
        assert torch.equal(made.codes_N, codes[0])
        assert torch.allclose(ours.vectors_KD, theirs._codebook.embed[0], atol=TOLERANCE)
        assert torch.allclose(ours.counts_K, theirs._codebook.cluster_size[0], atol=TOLERANCE)
        assert torch.allclose(ours.sums_KD, theirs._codebook.embed_avg[0], atol=10 * TOLERANCE)


def test_the_gradient_at_the_encoder_is_the_same() -> None:
    ours, theirs = both(40, 6, 12)
    theirs.train()
    weight = drawn(3, 40, 6)
    gradients: list[torch.Tensor] = []
    for side in ("ours", "theirs"):
        vectors = drawn(2, 40, 6).requires_grad_()
        if side == "ours":
            made = ours(vectors)
            loss = (made.vectors_ND * weight).sum() + made.commitment
        else:
            quantised, _, commitment = theirs(vectors[None], freeze_codebook=True)
            loss = (quantised[0] * weight).sum() + commitment.sum()
        gradients += torch.autograd.grad(loss, vectors)
    assert torch.allclose(*gradients, atol=TOLERANCE)


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (4, 4), (3, 3, 7)])
def test_finite_scalars_are_the_same(levels: tuple[int, ...]) -> None:
    theirs = oracle.FSQ(levels=list(levels))
    z = 2 * drawn(4, 200, len(levels))
    numbers, codes = theirs(z[None])
    ours = fsq.rounded(z, levels)
    assert torch.allclose(ours, numbers[0], atol=TOLERANCE)
    assert torch.equal(fsq.codes_of(ours, levels), codes[0].long())
    assert torch.allclose(fsq.numbers_of(codes[0].long(), levels), theirs.indices_to_codes(codes)[0], atol=TOLERANCE)
