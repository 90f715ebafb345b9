"""What holds for all texts, vectors and batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_codes import make_codec

from reasonry.training.latent_tokens.codes import fsq
from reasonry.training.latent_tokens.codes.chunks import ABSENT, chunks_of
from reasonry.training.latent_tokens.codes.corpus import make_corpus
from reasonry.training.latent_tokens.codes.quantizer import (
    Averages,
    nearest_codes,
    revive,
    update_averages,
    usage,
)
from reasonry.training.latent_tokens.codes.texts import Tokenised

CODECS = {context: make_codec(context=context, context_chunks=1) for context in ("chunk", "causal")}
ids = st.lists(st.integers(0, 49), max_size=40).map(tuple)
texts = st.lists(ids, max_size=6)
sizes = st.integers(1, 7)


@given(texts, sizes, st.integers(0, 3))
def test_chunks_put_together_are_the_texts_without_their_tails(
    texts: Sequence[tuple[int, ...]], size: int, before: int
) -> None:
    found = chunks_of(texts, chunk_tok=size, before_chunks=before)
    assert found.ids_NM.shape == (sum(len(text) // size for text in texts), size * (1 + before))
    at = 0
    for text, num in zip(texts, found.num_of_text.tolist(), strict=True):
        own = found.ids_NM[at : at + num]
        assert own[:, -size:].reshape(-1).tolist() == list(text[: num * size])
        filled = [ABSENT] * (size * before) + list(text)
        for number in range(num):
            assert own[number].tolist() == filled[number * size : (number + 1 + before) * size]
        at += num


@given(st.lists(st.tuples(ids, ids, ids), min_size=1, max_size=4), sizes)
def test_reasoning_is_cut_in_training_as_it_is_when_it_becomes_codes(
    parts: Sequence[tuple[tuple[int, ...], ...]], size: int
) -> None:
    examples = [Tokenised(*each) for each in parts]
    corpus = make_corpus(examples, chunk_tok=size)
    alone = chunks_of([each.cot for each in examples], chunk_tok=size)
    kept = corpus.reasoning()
    assert kept.ids_NM.tolist() == alone.ids_NM.tolist()
    assert kept.example_N.tolist() == alone.text_N.tolist()
    total = sum(len(part) for each in examples for part in each)
    assert corpus.num_chunks * size + corpus.num_left_out_tok == total
    assert corpus.num_left_out_tok <= len(examples) * 2 * (size - 1)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(CODECS)), st.lists(ids, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_pitfall_3_codes_do_not_depend_on_the_batch(context: str, texts: list[tuple[int, ...]], random: object) -> None:
    codec = CODECS[context]
    alone = {text: codec.encode(text) for text in texts}
    order = list(texts)
    random.shuffle(order)  # pyright: ignore[reportAttributeAccessIssue]
    assert codec.encode_texts(order) == [alone[text] for text in order]
    assert all(len(codes) == len(text) // 4 for text, codes in alone.items())


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(CODECS)), ids, ids)
def test_pitfall_1_and_3_codes_of_a_beginning_are_the_beginning_of_the_codes(
    context: str, text: tuple[int, ...], more: tuple[int, ...]
) -> None:
    codec = CODECS[context]
    whole = text[: len(text) // 4 * 4]
    assert codec.encode(whole + more)[: len(whole) // 4] == codec.encode(whole)


@given(st.integers(0, 10_000), st.integers(0, 30), st.integers(1, 20), st.integers(1, 9), st.integers(1, 200))
def test_no_code_is_nearer_than_the_one_that_is_found(seed: int, num: int, size: int, width: int, most: int) -> None:
    draw = np.random.Generator(np.random.Philox(key=seed))
    vectors, codebook = draw.standard_normal((num, width)), draw.standard_normal((size, width))
    codes = nearest_codes(
        torch.from_numpy(vectors.astype(np.float32)), torch.from_numpy(codebook.astype(np.float32)), max_entries=most
    ).numpy()
    distances = np.square(vectors[:, None] - codebook).sum(-1)
    assert codes.shape == (num,)
    assert np.all(distances[np.arange(num), codes] <= distances.min(1, initial=np.inf) + 1e-4)


@given(st.integers(0, 10_000), st.integers(0, 20), st.integers(1, 10), st.floats(0, 0.999))
def test_averages_lose_and_gain_as_much_as_they_should(seed: int, num: int, size: int, decay: float) -> None:
    draw = np.random.Generator(np.random.Philox(key=seed))
    vectors = torch.from_numpy(draw.standard_normal((num, 3)).astype(np.float32))
    codes = torch.from_numpy(draw.integers(0, size, num))
    before = Averages(torch.from_numpy(draw.random(size).astype(np.float32)), torch.zeros(size, 3))
    after = update_averages(before, vectors, codes, decay=decay)
    expected = decay * float(before.counts_K.sum()) + (1 - decay) * num
    assert float(after.counts_K.sum()) == pytest.approx(expected, abs=1e-4)
    assert torch.allclose(after.sums_KD.sum(0), (1 - decay) * vectors.sum(0), atol=1e-4)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.integers(0, 12))
def test_revival_moves_dead_codes_onto_different_vectors_and_nothing_else(
    seed: int, num: int, size: int, num_dead: int
) -> None:
    draw = np.random.Generator(np.random.Philox(key=seed))
    vectors = torch.arange(num, dtype=torch.float32)[:, None] + 100
    codebook = torch.from_numpy(draw.standard_normal((size, 1)).astype(np.float32))
    dead = torch.from_numpy(np.sort(draw.permutation(size)[:num_dead]))
    found = revive(codebook, Averages(torch.ones(size), codebook.clone()), vectors, dead, rng=draw)
    moved = found.codes_R.tolist()
    assert moved == dead.tolist()[:num]
    assert len({float(found.codebook_KD[code]) for code in moved}) == len(moved)
    assert all(float(found.codebook_KD[code]) >= 100 for code in moved)
    others = [code for code in range(size) if code not in moved]
    assert torch.equal(found.codebook_KD[others], codebook[others])
    assert torch.allclose(found.averages.sums_KD, found.averages.counts_K[:, None] * found.codebook_KD)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_perplexity_lies_between_one_and_the_codes_in_use(counts: list[int]) -> None:
    found = usage(torch.tensor(counts))
    if not sum(counts):
        assert found.perplexity == 0
        return
    assert 1 - 1e-9 <= found.perplexity <= found.num_used + 1e-9
    assert found.num_used <= found.num_codes


@given(st.lists(st.integers(3, 9), min_size=1, max_size=4), st.integers(0, 1000))
def test_rounding_scalars_twice_changes_nothing_and_codes_are_their_numbers(levels: list[int], seed: int) -> None:
    draw = np.random.Generator(np.random.Philox(key=seed))
    z = torch.from_numpy(draw.normal(0, 3, (20, len(levels))).astype(np.float32))
    q = fsq.rounded(z, levels)
    codes = fsq.codes_of(q, levels)
    assert 0 <= int(codes.min()) <= int(codes.max()) < fsq.num_codes(levels)
    assert torch.allclose(fsq.numbers_of(codes, levels), q, atol=1e-6)
