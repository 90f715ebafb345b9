"""Thinking, then writing: the same text whatever batch, padding and cache; what takes the thoughts' place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests import ccot_models
from tests.ccot_models import CONTEXT, END, EOS, FAMILIES, FIRST_WORD, LATENT, PAD, START, VOCAB
from torch import Tensor
from transformers import GenerationConfig

from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.latent.chain_inputs import Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import IGNORED, Row
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

MARKED = LatentTokens(LATENT, START, END, PAD)
BARE = LatentTokens(LATENT, pad_id=PAD)
COUNTS = [3, 0, 1, 4, 2]


def _wrap(family: str, tokens: LatentTokens = MARKED, **more: Any) -> LatentCausalLM:
    return LatentCausalLM.wrap(FAMILIES[family](), tokens=tokens, **more)


def _prompts(num: int = 5, seed: int = 0) -> list[list[int]]:
    """Prompts of unequal length."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [7, 3, 11, 1, 5, 9, 2, 6][:num]
    return [torch.randint(FIRST_WORD, VOCAB, (length,), generator=generator).tolist() for length in lengths]


def _left_padded(prompts: list[list[int]]) -> dict[str, Tensor]:
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return {"input_ids": ids, "attention_mask": mask}


def _theirs(latent: LatentCausalLM, prompts: list[list[int]], **more: Any) -> list[list[int]]:
    """What transformers' own generate writes, up to the end of text."""
    inputs = _left_padded(prompts)
    written = latent.model.generate(**inputs, pad_token_id=PAD, **more)[:, inputs["input_ids"].shape[1] :].tolist()
    return [text[: text.index(EOS) + 1] if EOS in text else text for text in written]


def _written_out(latent: LatentCausalLM, prompt: list[int], count: int, num: int) -> list[int]:
    """Greedy text from the definition: without a cache, everything anew for each thought and each token."""
    model: Any = latent.model
    embed = model.get_input_embeddings()
    x_TD = embed(torch.tensor([*prompt, *latent.tokens.before]))
    for _ in range(count):
        out = model(inputs_embeds=x_TD[None], output_hidden_states=True, use_cache=False)
        x_TD = torch.cat([x_TD, out.hidden_states[-1][0, -1:]])
    if latent.tokens.after:
        x_TD = torch.cat([x_TD, embed(torch.tensor(latent.tokens.after))])
    text: list[int] = []
    while len(text) < num and EOS not in text:
        text.append(int(model(inputs_embeds=x_TD[None], use_cache=False).logits[0, -1].argmax()))
        x_TD = torch.cat([x_TD, embed(torch.tensor(text[-1:]))])
    return text


# ---------------------------------------------------------------- the same text


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "options",
    [
        {"max_new_tokens": 8},
        {"max_new_tokens": 12, "repetition_penalty": 1.7, "no_repeat_ngram_size": 2},
        {"max_new_tokens": 10, "min_new_tokens": 4, "eos_token_id": [EOS, 7, 9, 13, 20, 31]},
        {"max_new_tokens": 6, "num_beams": 3},
    ],
    ids=["greedy", "processors", "several ends", "beams"],
)
def test_without_thoughts_and_markers_the_text_is_that_of_transformers(family: str, options: dict[str, Any]) -> None:
    latent = _wrap(family, BARE)
    ours = latent.generate(_prompts(), 0, **options).sequences
    ends = options.get("eos_token_id", [EOS])
    theirs = [
        text[: next((at + 1 for at, token in enumerate(text) if token in ends), len(text))]
        for text in _theirs(latent, _prompts(), **options)
    ]
    assert ours == theirs
    assert len({tuple(text) for text in ours}) > 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tokens", [MARKED, BARE], ids=["markers", "bare"])
def test_text_from_the_cache_is_text_without_one(family: str, tokens: LatentTokens) -> None:
    latent = _wrap(family, tokens)
    out = latent.generate(_prompts(), COUNTS, max_new_tokens=6)
    expected = [_written_out(latent, prompt, k, 6) for prompt, k in zip(_prompts(), COUNTS, strict=True)]
    assert out.sequences == expected
    assert out.num_thoughts == COUNTS
    assert out.num_generated == [len(text) for text in out.sequences]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_writes_the_same_in_every_batch(family: str) -> None:
    latent = _wrap(family)
    together = latent.generate(_prompts(), COUNTS, max_new_tokens=10)
    for number, (prompt, count) in enumerate(zip(_prompts(), COUNTS, strict=True)):
        alone = latent.generate([prompt], count, max_new_tokens=10)
        assert alone.sequences[0] == together.sequences[number]
        torch.testing.assert_close(
            together.thoughts_BKD[number, :count], alone.thoughts_BKD[0], rtol=1e-3, atol=1e-4
        )  # fmt: skip
        assert not together.thoughts_BKD[number, count:].any()


def test_a_row_ends_at_its_end_of_text_and_others_go_on() -> None:
    latent = _wrap("llama")
    free = latent.generate(_prompts(), 2, max_new_tokens=12, eos_token_id=None, suppress_tokens=[EOS]).sequences
    end = free[0][3]
    stopped = latent.generate(_prompts(), 2, max_new_tokens=12, eos_token_id=end, suppress_tokens=[EOS])
    assert stopped.sequences == [text[: text.index(end) + 1] if end in text else text for text in free]
    assert min(stopped.num_generated) < max(stopped.num_generated)


def test_the_thoughts_are_those_that_training_feeds() -> None:
    latent = _wrap("qwen3")
    (prompt, *_) = _prompts()
    ids = (*prompt, START, LATENT, LATENT, LATENT, END, 9)
    trained = latent(latent.collate([Row(ids, (*[IGNORED] * (len(ids) - 1), 9))]))
    thought = latent.generate([prompt], 3, max_new_tokens=2).thoughts_BKD
    torch.testing.assert_close(thought, trained.thoughts_BKD, rtol=1e-4, atol=1e-5)
    assert not thought.requires_grad and not thought.is_inference()


def test_what_stands_around_the_thoughts_can_be_chosen() -> None:
    latent = _wrap("gpt2")
    bare = _wrap("gpt2", BARE)
    chosen = bare.generate(_prompts(), 2, before=[START], after=[END, 9], max_new_tokens=5).sequences
    other = LatentCausalLM(bare.model, LatentTokens(LATENT, START, END, PAD))
    assert chosen != other.generate(_prompts(), 2, max_new_tokens=5).sequences
    prompts = [[*prompt, START] for prompt in _prompts()]
    assert chosen == latent.generate(prompts, 2, before=(), after=[END, 9], max_new_tokens=5).sequences


def test_slots_of_tokens_are_the_latent_token_in_the_prompt() -> None:
    latent = _wrap("gpt2")
    out = latent.generate(_prompts(), [2] * 5, slot="token", max_new_tokens=6)
    prompts = [[*prompt, START, LATENT, LATENT, END] for prompt in _prompts()]
    assert out.sequences == _theirs(latent, prompts, max_new_tokens=6)
    assert out.num_thoughts == [0] * 5 and out.thoughts_BKD.shape[1] == 0


def test_packed_edges_of_prompts_are_read() -> None:
    latent = LatentCausalLM.wrap(ccot_models.gpt2(), tokens=BARE, pack_edges=True)
    prompts = [[6, 7, 8], [7, 9]]
    edges = [[(-1, -1), (10, 11), (-1, -1)], [(12, 13), (-1, -1)]]
    out = latent.generate(prompts, 2, edges=edges, max_new_tokens=1)
    rows = [
        Row(
            (*p, LATENT, LATENT, 9), (*[IGNORED] * (len(p) + 2), 9), edges=(*e, (-1, -1), (-1, -1), (-1, -1))
        )
        for p, e in zip(prompts, edges, strict=True)
    ]  # fmt: skip
    trained = latent(latent.collate(rows))
    torch.testing.assert_close(out.thoughts_BKD, trained.thoughts_BKD, rtol=1e-4, atol=1e-5)
    assert [text[0] for text in out.sequences] == trained.logits_MV.argmax(-1).tolist()
    plain = latent.generate(prompts, 2, max_new_tokens=1).thoughts_BKD
    assert not torch.allclose(plain, out.thoughts_BKD, atol=1e-2)


def test_soft_thoughts_are_fed_back_when_generating_too() -> None:
    latent = _wrap("llama", feedback=Feedback("topk_soft", top_k=3))
    ids = (*_prompts()[0], START, LATENT, LATENT, END, 9)
    trained = latent(latent.collate([Row(ids, (*[IGNORED] * (len(ids) - 1), 9))]))
    thought = latent.generate(_prompts()[:1], 2, max_new_tokens=1).thoughts_BKD
    torch.testing.assert_close(thought, trained.thoughts_BKD, rtol=1e-4, atol=1e-5)


def test_the_models_own_number_of_thoughts_is_the_default() -> None:
    latent = LatentCausalLM.wrap(ccot_models.gpt2(), tokens=MARKED, num_thoughts=3)
    assert latent.generate(_prompts(), max_new_tokens=2).num_thoughts == [3] * 5


def test_a_model_in_training_thinks_without_dropout_and_goes_on_training() -> None:
    latent = LatentCausalLM.wrap(ccot_models.gpt2(dropout=0.5), tokens=MARKED)
    latent.train()
    latent.model.transformer.h[0].eval()
    texts = [latent.generate(_prompts(), 3, max_new_tokens=8).sequences for _ in range(2)]
    assert texts[0] == texts[1]
    assert latent.training and latent.model.transformer.h[1].attn.training
    assert not latent.model.transformer.h[0].attn.training


def test_beams_read_the_thoughts() -> None:
    latent = _wrap("llama")
    greedy = latent.generate(_prompts(), COUNTS, max_new_tokens=1).sequences
    beams = latent.generate(_prompts(), COUNTS, max_new_tokens=1, num_beams=2).sequences
    assert beams == greedy
    several = latent.generate(_prompts(), COUNTS, max_new_tokens=4, num_beams=3, num_return_sequences=2).sequences
    assert len(several) == 10
    assert all(one != two for one, two in zip(several[::2], several[1::2], strict=True))


# ---------------------------------------------------------------- sampling


def test_samples_hang_on_seed_and_prompt_and_not_on_the_batch() -> None:
    latent = _wrap("llama")
    config = GenerationConfig(do_sample=True, temperature=0.9, top_k=20, max_new_tokens=8)
    state = torch.get_rng_state()
    first = latent.generate(_prompts(), COUNTS, generation_config=config, seed=1).sequences
    assert torch.equal(state, torch.get_rng_state())
    assert first == latent.generate(_prompts(), COUNTS, generation_config=config, seed=1).sequences
    assert first != latent.generate(_prompts(), COUNTS, generation_config=config, seed=2).sequences
    alone = [
        latent.generate([prompt], count, generation_config=config, seed=1).sequences[0]
        for prompt, count in zip(_prompts(), COUNTS, strict=True)
    ]
    assert first == alone


def test_samples_follow_the_law_that_the_config_leaves() -> None:
    latent = _wrap("llama")
    (prompt, *_) = _prompts()
    num = 4000
    config: dict[str, Any] = {"do_sample": True, "temperature": 1.3, "top_k": 5, "max_new_tokens": 1}
    out = latent.generate([prompt], 2, num_return_sequences=num, seed=3, **config)
    counts_V = torch.bincount(torch.tensor([text[0] for text in out.sequences]), minlength=VOCAB)
    ids = (*prompt, START, LATENT, LATENT, END, 9)
    logits_V = latent(latent.collate([Row(ids, (*[IGNORED] * (len(ids) - 1), 9))])).logits_MV[0].detach()
    best = (logits_V / 1.3).topk(5)
    law_V = torch.zeros(VOCAB).scatter(0, best.indices, best.values.softmax(-1))
    assert int((counts_V > 0).sum()) <= 5
    error_V = (law_V * (1 - law_V) / num).sqrt()
    assert ((counts_V / num - law_V).abs() <= 4.5 * error_V + 1e-9).all()


def test_samples_of_one_prompt_differ_and_equal_prompts_have_streams_of_their_own() -> None:
    latent = _wrap("llama")
    config: dict[str, Any] = {"do_sample": True, "temperature": 3.0, "max_new_tokens": 6}
    copies = latent.generate(_prompts()[:1], 2, num_return_sequences=4, **config).sequences
    assert len({tuple(text) for text in copies}) == 4
    same = latent.generate([_prompts()[0]] * 3, 2, **config).sequences
    assert len({tuple(text) for text in same}) == 3
    named = [latent.generate(_prompts()[:2], 2, names=names, **config).sequences for names in (["a", "b"], ["b", "a"])]
    assert named[0] != named[1]


# ---------------------------------------------------------------- what takes the thoughts' place


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rows_own_thoughts_given_back_write_the_same_text(family: str) -> None:
    latent = _wrap(family)
    own = latent.generate(_prompts(), COUNTS, max_new_tokens=8)
    given = latent.generate(_prompts(), COUNTS, thoughts=own.thoughts_BKD, max_new_tokens=8)
    assert given.sequences == own.sequences
    torch.testing.assert_close(given.thoughts_BKD, own.thoughts_BKD)


def test_random_thoughts_have_the_norms_of_the_rows_own_and_nothing_else_of_them() -> None:
    latent = _wrap("llama")
    own = latent.generate(_prompts(), COUNTS, max_new_tokens=8)
    noise = latent.generate(_prompts(), COUNTS, thoughts="random", max_new_tokens=8, seed=4)
    torch.testing.assert_close(noise.thoughts_BKD.norm(dim=-1), own.thoughts_BKD.norm(dim=-1))
    cosine_BK = torch.cosine_similarity(noise.thoughts_BKD, own.thoughts_BKD, dim=-1)
    assert cosine_BK.abs().mean() < 0.4
    assert noise.sequences != own.sequences
    assert noise.sequences[1] == own.sequences[1], "the row without thoughts"


def test_random_thoughts_of_a_row_are_the_same_in_every_batch_and_others_with_another_seed() -> None:
    latent = _wrap("llama")
    together = latent.generate(_prompts(), 3, thoughts="random", max_new_tokens=6, seed=4)
    alone = latent.generate(_prompts()[2:3], 3, thoughts="random", max_new_tokens=6, seed=4)
    torch.testing.assert_close(alone.thoughts_BKD[0], together.thoughts_BKD[2], rtol=1e-4, atol=1e-5)
    assert alone.sequences[0] == together.sequences[2]
    other = latent.generate(_prompts()[2:3], 3, thoughts="random", max_new_tokens=6, seed=5)
    assert not torch.allclose(alone.thoughts_BKD, other.thoughts_BKD, atol=1e-2)


def test_swapped_thoughts_are_another_prompts() -> None:
    latent = _wrap("gpt2")
    own = latent.generate(_prompts(), 3, max_new_tokens=8)
    swapped = latent.generate(_prompts(), 3, thoughts="swapped", max_new_tokens=8)
    torch.testing.assert_close(swapped.thoughts_BKD, own.thoughts_BKD.roll(-1, 0))
    given = latent.generate(_prompts(), 3, thoughts=own.thoughts_BKD.roll(-1, 0), max_new_tokens=8)
    assert swapped.sequences == given.sequences != own.sequences


def test_a_row_swaps_with_one_that_has_enough_thoughts_and_another_prompt() -> None:
    latent = _wrap("gpt2")
    prompts = [_prompts()[0], _prompts()[0], _prompts()[2], _prompts()[4]]
    counts = [2, 2, 1, 3]
    own = latent.generate(prompts, counts, max_new_tokens=1)
    with pytest.raises(DataError, match="row 3"):
        latent.generate(prompts, counts, thoughts="swapped", max_new_tokens=1)
    counts = [2, 2, 1, 2]
    swapped = latent.generate(prompts, counts, thoughts="swapped", max_new_tokens=1).thoughts_BKD
    expected = [(0, 3, 2), (1, 3, 2), (2, 3, 1), (3, 0, 2)]
    for row, donor, count in expected:
        torch.testing.assert_close(swapped[row, :count], own.thoughts_BKD[donor, :count], rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("more", "error", "problem"),
    [
        ({"num_thoughts": -1}, ConfigError, "num_thoughts"),
        ({"num_thoughts": [1, 2]}, ConfigError, "num_thoughts"),
        ({"slot": "pause"}, ConfigError, "slot"),
        ({"slot": "token", "thoughts": "random"}, ConfigError, "slots of tokens"),
        ({"thoughts": "none"}, ConfigError, "thoughts 'none'"),
        ({"thoughts": torch.zeros(5, 1, 32)}, ConfigError, "shape"),
        ({"thoughts": torch.zeros(4, 2, 32)}, ConfigError, "shape"),
        ({"edges": [[(-1, -1)]]}, ConfigError, "edges"),
        ({"names": ["a"]}, ConfigError, "1 names"),
        ({"max_new_tokens": CONTEXT}, ConfigError, "context"),
        ({"max_length": 50, "max_new_tokens": None}, ConfigError, "max_length"),
        ({"cache_implementation": "static"}, ConfigError, "cache_implementation"),
        ({"use_cache": False}, ConfigError, "use_cache"),
        ({"num_beams": 2, "do_sample": True}, ConfigError, "decoding by"),
        ({"max_new_tok": 3}, ConfigError, "max_new_tok"),
    ],
)
def test_what_cannot_be_done_is_refused(more: dict[str, Any], error: type[Exception], problem: str) -> None:
    latent = _wrap("gpt2")
    with pytest.raises(error, match=problem):
        latent.generate(_prompts(), **{"num_thoughts": 2, "max_new_tokens": 3, **more})


@pytest.mark.parametrize(
    ("prompts", "problem"),
    [([], "no prompts"), ([[5], []], "prompt 1: an empty prompt"), ([[5, VOCAB]], "token id"), ([[5, -1]], "token id"),
     ([[5, LATENT]], "the latent token"), (["text"], "tokenizer")],
)  # fmt: skip
def test_prompts_that_are_none_are_refused(prompts: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        _wrap("gpt2").generate(prompts, 2, max_new_tokens=3)


def test_a_prompt_of_one_token_thinks() -> None:
    latent = _wrap("gpt2", BARE)
    assert latent.generate([[7]], 2, max_new_tokens=4).sequences[0] == _written_out(latent, [7], 2, 4)
    assert latent.generate([[7]], 0, max_new_tokens=4).sequences[0] == _written_out(latent, [7], 0, 4)
