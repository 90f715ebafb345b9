"""Chunks, and the codec: one code for a chunk, which hangs on that chunk and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_codes import make_codec

from reasonry.core.config import from_dict
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.codes.chunks import chunks_of, num_distinct
from reasonry.training.latent_tokens.codes.codebook import Codebook
from reasonry.training.latent_tokens.codes.codec import BLOCK, TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.codes.corpus import make_corpus
from reasonry.training.latent_tokens.codes.saving import codec_hash
from reasonry.training.latent_tokens.codes.texts import Tokenised


def text(num: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(np.random.Generator(np.random.Philox(key=seed)).integers(0, 50, num).tolist())


# ---------------------------------------------------------------- chunks


def test_texts_are_cut_from_their_first_token_and_a_tail_is_in_no_chunk() -> None:
    found = chunks_of([(1, 2, 3, 4, 5), (6,), (7, 8, 9, 10)], chunk_tok=2)
    assert found.ids_NM.tolist() == [[1, 2], [3, 4], [7, 8], [9, 10]]
    assert found.text_N.tolist() == [0, 0, 2, 2]
    assert found.num_of_text.tolist() == [2, 0, 2]


def test_what_stands_before_a_chunk_is_of_its_own_text() -> None:
    found = chunks_of([(1, 2, 3, 4, 5), (7, 8, 9, 10)], chunk_tok=2, before_chunks=2)
    assert found.ids_NM.tolist() == [
        [-1, -1, -1, -1, 1, 2],
        [-1, -1, 1, 2, 3, 4],
        [-1, -1, -1, -1, 7, 8],
        [-1, -1, 7, 8, 9, 10],
    ]


def test_no_texts_and_short_texts_have_no_chunks() -> None:
    for texts in ([], [()], [(1, 2)], [(), (1,)]):
        assert chunks_of(texts, chunk_tok=3, before_chunks=1).ids_NM.shape == (0, 6)
    assert num_distinct(chunks_of([(1, 2, 1, 2, 3, 4)], chunk_tok=2).ids_NM) == 2


def test_the_grid_of_training_is_that_of_the_reasoning() -> None:
    example = Tokenised((1, 2, 3), (11, 12, 13, 14, 15), (21, 22, 23, 24))
    corpus = make_corpus([example, Tokenised((4, 5), (), (25,))], chunk_tok=2)
    assert corpus.ids_NM.tolist() == [[2, 3], [11, 12], [13, 14], [15, 21], [22, 23], [4, 5]]
    assert corpus.is_cot_N.tolist() == [False, True, True, False, False, False]
    assert corpus.example_N.tolist() == [0, 0, 0, 0, 0, 1]
    assert corpus.num_left_out_tok == 1 + 1 + 1
    assert corpus.reasoning().ids_NM.tolist() == [[11, 12], [13, 14]]


def test_with_a_causal_context_no_chunk_of_the_reasoning_stands_behind_the_question() -> None:
    corpus = make_corpus([Tokenised((1, 2), (11, 12, 13, 14), (21, 22))], chunk_tok=2, before_chunks=1)
    assert corpus.ids_NM.tolist() == [[-1, -1, 1, 2], [-1, -1, 11, 12], [11, 12, 13, 14], [13, 14, 21, 22]]


# ---------------------------------------------------------------- codes


@pytest.mark.parametrize("per", [1, 2])
@pytest.mark.parametrize("num", [0, 3, 4, 63, 64, 65])
def test_pitfall_1_there_is_one_code_for_a_chunk_and_not_one_for_a_token(num: int, per: int) -> None:
    codes = make_codec(codes_per_chunk=per).encode(text(num))
    assert len(codes) == num // 4 * per


@pytest.mark.parametrize("quantizer", ["vq", "fsq"])
@pytest.mark.parametrize("context", ["chunk", "causal"])
def test_pitfall_3_a_code_is_the_same_alone_in_a_text_and_in_every_batch(context: str, quantizer: str) -> None:
    codec = make_codec(context=context, quantizer=quantizer, context_chunks=1)
    texts = [text(num, seed) for seed, num in enumerate((9, 400, 1, 33, 4 * BLOCK, 4 * BLOCK + 5))]
    together = codec.encode_texts(texts)
    assert len({code for codes in together for code in codes}) > 8
    assert [codec.encode(each) for each in texts] == together
    assert codec.encode_texts(texts[::-1]) == together[::-1]
    if context == "chunk":
        long = texts[1]
        alone = [codec.encode(long[at : at + 4])[0] for at in range(0, 400, 4)]
        assert tuple(alone) == together[1]


def test_pitfall_3_vectors_have_the_same_bits_wherever_a_chunk_stands_in_a_block() -> None:
    codec = make_codec(width=32)
    ids = torch.tensor(text(4 * BLOCK)).view(BLOCK, 4)
    order = torch.from_numpy(np.random.Generator(np.random.Philox(key=1)).permutation(BLOCK))
    with torch.inference_mode():
        assert torch.equal(codec.vectors(ids)[order], codec.vectors(ids[order]))


def test_codes_of_a_causal_context_do_not_look_ahead_and_do_look_back() -> None:
    codec = make_codec(context="causal", context_chunks=1)
    one, two = text(80, 1), text(80, 2)
    mixed = codec.encode(one[:40] + two[40:])
    assert mixed[:10] == codec.encode(one)[:10]
    assert mixed[11:] == codec.encode(two)[11:]
    same = tuple([7, 8, 9, 10] * 2)
    vectors = codec.vectors(torch.tensor([[-1, -1, -1, -1, *same[:4]], list(same)]))
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)


@pytest.mark.parametrize("is_training", [False, True])
def test_pitfall_4_nothing_is_learnt_by_exporting_codes(is_training: bool) -> None:
    codec = make_codec().train(is_training)
    before = codec_hash(codec)
    codes = codec.encode(text(400))
    codec.decode(codes, text(9))
    assert codec_hash(codec) == before


def test_pitfall_4_a_pass_of_training_moves_the_codebook_only_when_it_is_told_to() -> None:
    codec = make_codec().train()
    before = codec.quantizer.table().clone()
    made = codec(torch.tensor(text(40)).view(10, 4), codec.prompts([text(3)] * 10))
    assert torch.equal(codec.quantizer.table(), before)
    assert isinstance(codec.quantizer, Codebook)
    codec.quantizer.learn(made.vectors_ND, made.quantised.codes_N)
    assert not torch.equal(codec.quantizer.table(), before)


def test_decoding_gives_a_chunk_for_its_codes_and_leaves_half_chunks() -> None:
    codec = make_codec(codes_per_chunk=2)
    codes = codec.encode(text(40))
    whole = codec.decode(codes, text(5))
    assert len(whole) == 40
    assert codec.decode(codes[:5], text(5)) == whole[:8]
    assert codec.decode((), ()) == ()


def test_what_is_decoded_hangs_on_the_question() -> None:
    codec = make_codec()
    table = codec.quantizer.table()[:3]
    with torch.inference_mode():
        one, other, none = (codec.logits(table, codec.prompts([ids] * 3)) for ids in (text(5, 1), text(5, 2), ()))
    assert not torch.allclose(one, other)
    assert not torch.allclose(one, none)


def test_the_order_and_number_of_questions_in_a_batch_does_not_matter() -> None:
    codec = make_codec()
    questions = [text(num, num) for num in (3, 0, 11)]
    with torch.inference_mode():
        together = codec.prompts(questions)
        for at, each in enumerate(questions):
            assert torch.allclose(codec.prompts([each])[0], together[at], atol=1e-6)


def test_unseen_tokens_are_counted_look_alike_and_are_never_written() -> None:
    codec = make_codec()
    assert codec.num_unseen((1, 49, 50, 63, 5000)) == 3
    assert codec.encode((1, 2, 3, 55)) == codec.encode((1, 2, 3, 60)) == codec.encode((1, 2, 3, 5000))
    written = codec.decode(tuple(range(32)), text(9))
    assert max(written) < 50


def test_weights_are_a_function_of_the_seed() -> None:
    config = CodecConfig(chunk_tok=4, width=16, heads=2)
    one = codec_hash(TextCodec(config, range(9), vocab_size=9, seed=5))
    torch.rand(3)  # moves the global generator, on which nothing may hang
    assert codec_hash(TextCodec(config, range(9), vocab_size=9, seed=5)) == one
    assert codec_hash(TextCodec(config, range(9), vocab_size=9, seed=6)) != one


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chunk_tok": 16, "codes_per_chunk": 3}, "do not divide"),
        ({"chunk_tok": 4, "codes_per_chunk": 4}, "save nothing"),
        ({"width": 30, "heads": 4}, "no multiple"),
        ({"quantizer": "fsq", "levels": ()}, "levels"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_dict(CodecConfig, settings)


def test_fsq_has_as_many_codes_as_its_levels_say() -> None:
    assert CodecConfig(quantizer="fsq", levels=(8, 5, 5), num_codes=7).size == 200
