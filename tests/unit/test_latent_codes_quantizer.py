"""The arithmetic of vector quantisation, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from reasonry.training.latent_tokens.codes import fsq
from reasonry.training.latent_tokens.codes.codebook import Codebook
from reasonry.training.latent_tokens.codes.quantizer import (
    Averages,
    averaged_codebook,
    bits_per_token,
    dead_codes,
    kmeans,
    nearest_codes,
    revive,
    update_averages,
    usage,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


# ---------------------------------------------------------------- look-up


def test_the_nearest_code_is_the_one_at_the_smallest_euclidean_distance() -> None:
    codebook = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]])
    vectors = torch.tensor([[0.4, 0.0], [0.6, 0.0], [3.0, 3.0], [-9.0, 0.0]])
    assert nearest_codes(vectors, codebook).tolist() == [0, 1, 2, 0]


def test_a_long_code_does_not_win_by_its_length() -> None:
    # The largest inner product is that of code 1; it is not the nearest.
    codebook = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
    assert nearest_codes(torch.tensor([[1.2, 0.0]]), codebook).tolist() == [0]


@pytest.mark.parametrize("num", [2, 7, 33, 512])
def test_of_equally_distant_codes_the_lowest_is_taken(num: int) -> None:
    one = torch.from_numpy(rng(num).standard_normal((1, 48)).astype(np.float32))
    found = nearest_codes(torch.from_numpy(rng(9).standard_normal((19, 48)).astype(np.float32)), one.expand(num, 48))
    assert found.tolist() == [0] * 19


def test_look_ups_in_small_blocks_are_those_in_one() -> None:
    draw = rng(3)
    vectors = torch.from_numpy(draw.standard_normal((101, 8)).astype(np.float32))
    codebook = torch.from_numpy(draw.standard_normal((16, 8)).astype(np.float32))
    whole = nearest_codes(vectors, codebook)
    assert torch.equal(nearest_codes(vectors, codebook, max_entries=50), whole)
    assert len(nearest_codes(vectors[:0], codebook)) == 0


# ---------------------------------------------------------------- moving averages


def test_averages_move_by_the_share_that_is_not_kept() -> None:
    before = Averages(torch.tensor([2.0, 1.0]), torch.tensor([[2.0], [3.0]]))
    after = update_averages(before, torch.tensor([[5.0], [7.0]]), torch.tensor([0, 0]), decay=0.75)
    assert after.counts_K.tolist() == [0.75 * 2 + 0.25 * 2, 0.75]
    assert after.sums_KD.flatten().tolist() == [0.75 * 2 + 0.25 * 12, 0.75 * 3]
    codebook = averaged_codebook(after)
    assert codebook.flatten().tolist() == pytest.approx([4.5 / 2.0, 3.0], rel=1e-4)


def test_a_codebook_of_constant_assignments_converges_to_the_means() -> None:
    averages = Averages(torch.ones(2), torch.zeros(2, 1))
    vectors, codes = torch.tensor([[1.0], [3.0], [10.0]]), torch.tensor([0, 0, 1])
    for _ in range(400):
        averages = update_averages(averages, vectors, codes, decay=0.95)
    assert averaged_codebook(averages).flatten().tolist() == pytest.approx([2.0, 10.0], rel=1e-4)


def test_codes_are_dead_below_a_share_of_the_mean_use() -> None:
    assert dead_codes(torch.tensor([4.0, 0.0, 0.39, 3.61]), share=0.2).tolist() == [1, 2]
    assert dead_codes(torch.zeros(3), share=0.1).tolist() == []


@pytest.mark.parametrize("kind", ["ema", "gradient"])
def test_pitfall_6_a_revived_code_keeps_its_vector_through_updates_that_assign_nothing_to_it(kind: str) -> None:
    book = Codebook(4, 3, kind=kind, decay=0.99)  # pyright: ignore[reportArgumentType]
    far = torch.full((1, 3), 50.0)
    vectors = torch.tensor([[1.0, 2.0, 3.0]])
    with torch.no_grad():
        book.vectors_KD.copy_(torch.cat([vectors, far, far, far]))
        book.counts_K.copy_(torch.tensor([10.0, 1e-9, 5.0, 5.0]))
        book.sums_KD.copy_(book.vectors_KD * book.counts_K[:, None])
    new = torch.tensor([[7.0, 8.0, 9.0]])
    assert book.revive(new, share=0.1, rng=rng()).tolist() == [1]
    assert torch.equal(book.vectors_KD[1].detach(), new[0])
    for _ in range(50):
        book.learn(vectors, torch.tensor([0]))
        assert torch.allclose(book.vectors_KD[1].detach(), new[0], rtol=1e-4)
    # Statistics that stayed behind would have taken it back at once.
    assert averaged_codebook(Averages(torch.tensor([1e-9, 5.0]), torch.tensor([[5e-8], [1.0]])))[0] < 1.0


def test_codes_that_find_no_vector_wait() -> None:
    codebook, counts = torch.zeros(4, 1), torch.tensor([9.0, 0.0, 0.0, 0.0])
    dead = torch.tensor([1, 2, 3])
    found = revive(codebook, Averages(counts, codebook), torch.tensor([[5.0], [6.0]]), dead, rng=rng())
    assert found.codes_R.tolist() == [1, 2]
    assert sorted(found.codebook_KD.flatten().tolist()) == [0.0, 0.0, 5.0, 6.0]
    assert found.averages.counts_K.tolist() == [9.0, 2.25, 2.25, 0.0]


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("kind", ["ema", "gradient"])
def test_pitfall_7_gradients_of_the_encoder_and_of_the_codebook(kind: str) -> None:
    """At the encoder 2 beta (z - q) / (N D) plus that of the decoder at q; at the codebook nothing, or 2 (q - z)."""
    beta, draw = 0.25, rng(1)
    book = Codebook(5, 3, kind=kind).double()  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        book.vectors_KD.copy_(torch.from_numpy(draw.standard_normal((5, 3))))
    z = torch.from_numpy(draw.standard_normal((4, 3))).requires_grad_()
    weight = torch.from_numpy(draw.standard_normal((4, 3)))
    made = book(z)
    (made.vectors_ND * weight).sum().add(beta * made.commitment + made.codebook).backward()
    q = book.vectors_KD.detach()[made.codes_N]
    assert torch.allclose(made.vectors_ND, q)
    assert z.grad is not None
    assert torch.allclose(z.grad, weight + beta * 2 * (z.detach() - q) / z.numel())
    if kind == "ema":
        assert not book.vectors_KD.requires_grad
        return
    expected = torch.zeros(5, 3, dtype=torch.float64).index_add(0, made.codes_N, 2 * (q - z.detach()) / z.numel())
    assert torch.allclose(book.vectors_KD.grad, expected)


def test_the_commitment_gradient_is_that_of_finite_differences() -> None:
    book = Codebook(2, 2).double()
    book.vectors_KD.copy_(torch.tensor([[0.0, 0.0], [4.0, 4.0]]))
    z = torch.tensor([[1.0, 0.5], [3.0, 4.5]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(book(z).commitment, z)
    step = 1e-6
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moved = z.detach().clone()
        moved[row, column] += step
        slope = (book(moved).commitment - book(z.detach()).commitment) / step
        assert float(slope) == pytest.approx(float(gradient[row, column]), abs=1e-5)


# ---------------------------------------------------------------- the beginning, and use


def test_kmeans_finds_clusters_that_are_far_apart() -> None:
    draw = rng(2)
    centres = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    vectors = torch.from_numpy((centres[draw.integers(0, 3, 300)] + draw.standard_normal((300, 2))).astype(np.float32))
    found = kmeans(vectors, 3, rng=rng(5))
    order = torch.argsort(found.centres_KD.sum(1) + found.centres_KD[:, 1])
    assert torch.allclose(found.centres_KD[order], torch.from_numpy(centres.astype(np.float32)), atol=0.5)
    assert int(found.counts_K.sum()) == 300


def test_kmeans_takes_every_distinct_vector_before_it_takes_one_twice() -> None:
    distinct = torch.from_numpy(rng(1).standard_normal((32, 16)).astype(np.float32))
    vectors = distinct[torch.from_numpy(rng(2).integers(0, 32, 1000))]
    found = kmeans(vectors, 64, rng=rng(3))
    assert int((found.counts_K > 0).sum()) == 32


def test_kmeans_is_a_function_of_its_stream() -> None:
    vectors = torch.from_numpy(rng(1).standard_normal((200, 4)).astype(np.float32))
    one, two = (kmeans(vectors, 8, rng=rng(4)).centres_KD for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, kmeans(vectors, 8, rng=rng(5)).centres_KD)


def test_perplexity_is_the_number_of_equally_frequent_codes() -> None:
    even = usage(torch.tensor([3, 3, 0, 3, 3]))
    assert (even.num_used, even.share, even.num_drawn) == (4, 0.8, 12)
    assert even.perplexity == pytest.approx(4.0)
    skewed = usage(torch.tensor([3, 1]))
    assert skewed.perplexity == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))
    assert usage(torch.zeros(3)).perplexity == 0.0


def test_pitfall_5_collapse_is_less_than_half_of_what_could_be_used() -> None:
    seven = usage(torch.cat([torch.ones(7), torch.zeros(57)]))
    assert seven.is_collapsed(1000)
    assert seven.is_collapsed(15)
    assert not seven.is_collapsed(14)


def test_bits_of_a_token() -> None:
    assert bits_per_token(1024, chunk_tok=16) == 10 / 16
    assert bits_per_token(1024, chunk_tok=16, codes_per_chunk=2) == 20 / 16
    assert bits_per_token(0, chunk_tok=16) == 0.0


# ---------------------------------------------------------------- finite scalars


def test_every_scalar_code_is_that_of_its_numbers() -> None:
    levels = (3, 4, 3, 5)
    codes = torch.arange(fsq.num_codes(levels))
    numbers = fsq.numbers_of(codes, levels)
    assert torch.equal(fsq.codes_of(numbers, levels), codes)
    assert len(torch.unique(numbers, dim=0)) == 180


def test_scalars_are_rounded_within_their_levels_with_the_gradient_of_the_bound() -> None:
    z = torch.tensor([[-9.0, 9.0], [0.0, 0.0]], requires_grad=True)
    q = fsq.rounded(z, (5, 5))
    assert q.tolist() == [[-1.0, 1.0], [0.0, 0.0]]
    q.sum().backward()
    assert z.grad is not None
    assert z.grad[1].tolist() == pytest.approx([2 * 1.001 / 2] * 2)
