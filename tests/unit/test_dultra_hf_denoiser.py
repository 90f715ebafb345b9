"""Masked language models and freed decoders say what transformers says of them, with and without padding."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.caches import CacheKind, start_session
from reasonry.training.dultra.columns import CachingDenoiser
from reasonry.training.dultra.conduct import examine, refuse
from reasonry.training.dultra.decoder_denoiser import DecoderDenoiser
from reasonry.training.dultra.hf_denoiser import HfDenoiser, SpecialTokens
from reasonry.training.dultra.policies.base import current_block

V, D = 23, 16
SPECIAL = SpecialTokens(mask_id=4, pad_id=1, end_id=2)
SIZES: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": D,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "initializer_range": 0.2,
    "pad_token_id": 1,
    "bos_token_id": None,
    "eos_token_id": 2,
}
MASKED_LMS = {
    "bert": lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SIZES)),
    "roberta": lambda: transformers.RobertaForMaskedLM(transformers.RobertaConfig(**SIZES)),
    "modernbert": lambda: transformers.ModernBertForMaskedLM(
        transformers.ModernBertConfig(**SIZES, local_attention=4, initializer_cutoff_factor=3.0, cls_token_id=None)
    ),
    "distilbert": lambda: transformers.DistilBertForMaskedLM(
        transformers.DistilBertConfig(
            vocab_size=V, dim=D, hidden_dim=24, n_layers=2, n_heads=2, max_position_embeddings=20, initializer_range=0.2
        )
    ),
    "deberta-v2": lambda: transformers.DebertaV2ForMaskedLM(
        transformers.DebertaV2Config(**SIZES, relative_attention=True, position_biased_input=False)
    ),
}
DECODERS = {
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, num_key_value_heads=2)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SIZES, num_key_value_heads=1)),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**SIZES, num_key_value_heads=1, head_dim=8)
    ),
}


def _seeded(make: Any) -> Any:
    model = make().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            normal = torch.as_tensor(seeds.stream(0, name).normal(size=weight.shape), dtype=torch.float32)
            weight.copy_(0.2 * normal + (1.0 if name.lower().endswith("norm.weight") else 0.0))
    return model


def _rows(num: int, length: int) -> Tensor:
    return torch.as_tensor(seeds.stream(1, "rows").integers(3, V, (num, length)))


def _everything(tokens: Tensor) -> Tensor:
    return torch.ones_like(tokens, dtype=torch.bool)


def _padded(tokens: Tensor, num: int) -> tuple[Tensor, Tensor]:
    pads = torch.full((len(tokens), num), SPECIAL.pad_id)
    return torch.cat([pads, tokens], 1), torch.cat([torch.zeros_like(pads, dtype=torch.bool), _everything(tokens)], 1)


# ---------------------------------------------------------------- masked language models


@pytest.mark.parametrize("kind", MASKED_LMS)
def test_a_masked_language_model_says_what_transformers_says(kind: str) -> None:
    model = _seeded(MASKED_LMS[kind])
    denoiser = HfDenoiser(model, SPECIAL)
    assert (denoiser.vocab_size, denoiser.width) == (V, D)
    tokens = _rows(2, 7)
    said = denoiser.denoise(tokens, _everything(tokens), with_hidden=True)
    with torch.no_grad():
        wanted = model(input_ids=tokens, output_hidden_states=True)
    assert torch.allclose(said.logits_BNV, wanted.logits, atol=1e-5)
    assert said.hidden_BND is not None
    assert torch.allclose(said.hidden_BND, wanted.hidden_states[-1], atol=1e-5)
    assert denoiser.denoise(tokens, _everything(tokens)).hidden_BND is None
    assert torch.equal(denoiser(tokens, _everything(tokens)), said.logits_BNV)


@pytest.mark.parametrize("kind", MASKED_LMS)
def test_padding_changes_nothing_in_a_masked_language_model(kind: str) -> None:
    denoiser = HfDenoiser(_seeded(MASKED_LMS[kind]), SPECIAL)
    tokens = _rows(2, 8)
    alone = denoiser.denoise(tokens, _everything(tokens), with_hidden=True)
    padded = denoiser.denoise(*_padded(tokens, 5), with_hidden=True)
    assert torch.allclose(padded.logits_BNV[:, 5:], alone.logits_BNV, atol=1e-5)
    assert padded.hidden_BND is not None and alone.hidden_BND is not None
    assert torch.allclose(padded.hidden_BND[:, 5:], alone.hidden_BND, atol=1e-5)
    seen = examine(denoiser)
    assert seen.padding_change < 1e-4 and seen.lookahead_change > 1e-4


def test_answers_may_be_filled_with_the_padding_token_itself() -> None:
    # RoBERTa counts its own positions past every padding token; here they come from what is attended to.
    model = _seeded(MASKED_LMS["roberta"])
    denoiser = HfDenoiser(model, SPECIAL)
    tokens = _rows(1, 6)
    tokens[0, 2] = SPECIAL.pad_id
    positions = torch.arange(6)[None] + 2
    wanted = model(input_ids=tokens, attention_mask=torch.ones(1, 6).long(), position_ids=positions).logits
    assert torch.allclose(denoiser(tokens, _everything(tokens)), wanted, atol=1e-5)


def test_a_model_that_takes_no_positions_gets_its_rows_pushed_to_the_left() -> None:
    denoiser = HfDenoiser(_seeded(MASKED_LMS["bert"]), SPECIAL)
    tokens = _rows(2, 6)
    wanted = denoiser.denoise(tokens, _everything(tokens), with_hidden=True)
    denoiser._takes_positions = False
    padded, attend = _padded(tokens, 4)
    padded[1, :4], padded[1, 4:], attend[1] = tokens[1, :4], _rows(3, 6)[2], True  # rows of two lengths
    said = denoiser.denoise(padded, attend, with_hidden=True)
    assert torch.allclose(said.logits_BNV[0, 4:], wanted.logits_BNV[0], atol=1e-5)
    assert said.hidden_BND is not None and wanted.hidden_BND is not None
    assert torch.allclose(said.hidden_BND[0, 4:], wanted.hidden_BND[0], atol=1e-5)
    assert torch.allclose(said.logits_BNV[1], denoiser(padded[1:], attend[1:])[0], atol=1e-5)


def test_positions_that_a_model_needs_for_itself_do_not_count_as_canvas() -> None:
    roberta = HfDenoiser(_seeded(MASKED_LMS["roberta"]), SPECIAL)
    assert roberta.max_len == 18
    tokens = _rows(1, 18)
    assert roberta(tokens, _everything(tokens)).shape == (1, 18, V)
    tokens = _rows(1, 19)
    with pytest.raises(ConfigError, match="19 tokens do not fit a canvas of 18"):
        roberta(tokens, _everything(tokens))


def test_gradients_reach_the_weights() -> None:
    model = _seeded(MASKED_LMS["bert"])
    denoiser = HfDenoiser(model, SPECIAL)
    tokens = _rows(1, 5)
    denoiser(tokens, _everything(tokens)).square().sum().backward()
    grad = model.get_input_embeddings().weight.grad
    assert grad is not None and float(grad.abs().sum()) > 0


def test_special_tokens_of_a_tokenizer() -> None:
    class Tokenizer:
        name_or_path = "mine"
        mask_token_id: int | None = 7
        pad_token_id: int | None = None
        eos_token_id: int | None = None
        sep_token_id: int | None = 5

    tokenizer: Any = Tokenizer()
    assert SpecialTokens.of(tokenizer) == SpecialTokens(7, 5, 5)
    tokenizer.eos_token_id, tokenizer.pad_token_id = 6, 0
    assert SpecialTokens.of(tokenizer) == SpecialTokens(7, 0, 6)
    tokenizer.eos_token_id = tokenizer.sep_token_id = tokenizer.pad_token_id = None
    assert SpecialTokens.of(tokenizer) == SpecialTokens(7, 7, None)
    tokenizer.mask_token_id = None
    with pytest.raises(ConfigError, match="no mask token"):
        SpecialTokens.of(tokenizer)


# ---------------------------------------------------------------- decoders


def _by_hand(model: Any, tokens: Tensor, *, num_pad: int = 0) -> Tensor:
    """Last hidden states of a decoder layer by layer, each with an attention that hides padding alone."""
    base = model.model
    length = tokens.shape[1]
    position = torch.arange(length)[None] - num_pad
    h = base.embed_tokens(tokens)
    cos, sin = base.rotary_emb(h, position)
    bias = torch.zeros(1, 1, length, length)
    bias[..., :num_pad] = float("-inf")
    for layer in base.layers:
        attention = layer.self_attn
        x = layer.input_layernorm(h)

        def heads(values: Tensor, norm: str, attention: Any = attention) -> Tensor:
            values = values.view(1, length, -1, attention.head_dim)
            return getattr(attention, norm, torch.nn.Identity())(values).transpose(1, 2)

        q, k, v = heads(attention.q_proj(x), "q_norm"), heads(attention.k_proj(x), "k_norm"), attention.v_proj(x)
        v = v.view(1, length, -1, attention.head_dim).transpose(1, 2)

        def rotate(values: Tensor) -> Tensor:
            first, second = values.chunk(2, -1)
            return values * cos[:, None] + torch.cat([-second, first], -1) * sin[:, None]

        q, k = rotate(q), rotate(k)
        k, v = (values.repeat_interleave(q.shape[1] // values.shape[1], 1) for values in (k, v))
        weights = (q @ k.transpose(2, 3) * attention.head_dim**-0.5 + bias).softmax(-1)
        h = h + attention.o_proj((weights @ v).transpose(1, 2).reshape(1, length, -1))
        h = h + layer.mlp(layer.post_attention_layernorm(h))
    return base.norm(h)


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("num_pad", [0, 3])
def test_a_decoder_attends_both_ways_as_worked_out_by_hand(kind: str, num_pad: int) -> None:
    model = _seeded(DECODERS[kind])
    denoiser = DecoderDenoiser(model, SPECIAL)
    tokens, attend = _padded(_rows(1, 7), num_pad)
    said = denoiser.denoise(tokens, attend, with_hidden=True)
    with torch.no_grad():
        wanted = _by_hand(model, tokens, num_pad=num_pad)[:, num_pad:]
        causal = model(input_ids=tokens[:, num_pad:]).logits
    assert said.hidden_BND is not None
    assert torch.allclose(said.hidden_BND[:, num_pad:], wanted, atol=1e-5)
    assert torch.allclose(said.logits_BNV[:, num_pad:], model.lm_head(wanted), atol=1e-5)
    assert not torch.allclose(said.logits_BNV[:, num_pad:-1], causal[:, :-1], atol=1e-2)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("is_shifted", [False, True])
def test_a_later_token_counts_and_padding_does_not(attention: str, is_shifted: bool) -> None:
    model = _seeded(DECODERS["qwen2"])
    model.set_attn_implementation(attention)
    denoiser = DecoderDenoiser(model, SPECIAL, is_shifted=is_shifted)
    tokens = _rows(2, 8)
    alone = denoiser(tokens, _everything(tokens))
    assert torch.allclose(denoiser(*_padded(tokens, 4))[:, 4:], alone, atol=1e-5)
    later = tokens.clone()
    later[:, 6] = 5 + (later[:, 6] == 5).long()
    assert ((denoiser(later, _everything(later)) - alone)[:, :6].abs().amax(-1) > 1e-4).all()
    mixed, attend = _padded(tokens, 4)
    mixed[1, :4], attend[1] = tokens[1, :4], True
    assert torch.allclose(denoiser(mixed, attend)[0, 4:], alone[0], atol=1e-5)


def test_logits_of_a_shifted_model_come_from_the_column_before() -> None:
    model = _seeded(DECODERS["qwen2"])
    plain, shifted = DecoderDenoiser(model, SPECIAL), DecoderDenoiser(model, SPECIAL, is_shifted=True)
    tokens, attend = _padded(_rows(1, 6), 2)
    here = plain.denoise(tokens, attend, with_hidden=True)
    moved = shifted.denoise(tokens, attend, with_hidden=True)
    assert torch.equal(moved.logits_BNV[:, 3:], here.logits_BNV[:, 2:-1])
    assert torch.equal(moved.logits_BNV[:, 2], here.logits_BNV[:, 2])  # its own: there is no text before it
    assert moved.hidden_BND is not None and here.hidden_BND is not None
    assert torch.equal(moved.hidden_BND[:, 3:], here.hidden_BND[:, 2:-1])


def test_a_model_in_sixteen_bits_speaks_in_thirty_two() -> None:
    denoiser = DecoderDenoiser(_seeded(DECODERS["llama"]).bfloat16(), SPECIAL)
    tokens = _rows(1, 6)
    said = denoiser.denoise(tokens, _everything(tokens), with_hidden=True)
    assert said.hidden_BND is not None
    assert said.logits_BNV.dtype == said.hidden_BND.dtype == torch.float32
    assert said.logits_BNV.isfinite().all()


def _decode(denoiser: DecoderDenoiser, cache: CacheKind, **options: Any) -> list[Tensor]:
    """Logits of eligible positions over five steps in two blocks of three."""
    P, L = 4, 6
    tokens, attend = _rows(2, P + L), torch.ones(2, P + L, dtype=torch.bool)
    answers, tokens[:, P:] = tokens[:, P:].clone(), SPECIAL.mask_id
    tokens[1, :2], attend[1, :2] = SPECIAL.pad_id, False
    session = start_session(denoiser, answer_len=L, block_len=3, cache=cache, **options)
    said: list[Tensor] = []
    for filled in ([2], [0, 1], [4], [3], [5]):
        eligible = current_block(tokens[:, P:] == SPECIAL.mask_id, block_len=3)
        found = session.denoise(tokens, attend, eligible, with_hidden=True)
        assert found.hidden_BND is not None and found.hidden_BND.shape == (2, L, D)
        said += [found.logits_BNV[eligible], found.hidden_BND[eligible]]
        tokens = tokens.clone()
        for place in filled:
            tokens[:, P + place] = answers[:, place]
    return said


@pytest.mark.parametrize("cache", ["prefix", "dual"])
@pytest.mark.parametrize("is_shifted", [False, True])
def test_caches_of_a_decoder(cache: CacheKind, is_shifted: bool) -> None:
    model = _seeded(DECODERS["qwen2"])
    denoiser = DecoderDenoiser(model, SPECIAL, is_shifted=is_shifted)
    assert isinstance(denoiser, CachingDenoiser)
    plain = _decode(denoiser, "none")
    always = _decode(denoiser, cache, refresh_every=1)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(always, plain, strict=True))
    cached = _decode(denoiser, cache)
    exact = [torch.allclose(a, b, atol=1e-5) for a, b in zip(cached, plain, strict=True)]
    assert exact[:2] == exact[4:6] == [True, True]  # the first step of each block reads everything
    assert not all(exact)
    del model.model.layers[1:]
    model.config.num_hidden_layers = 1
    one_layer = zip(_decode(denoiser, cache), _decode(denoiser, "none"), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in one_layer)


def test_a_session_keeps_no_logits_of_the_prompt() -> None:
    denoiser = DecoderDenoiser(_seeded(DECODERS["llama"]), SPECIAL)
    seen: list[int] = []
    denoiser.model.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))  # pyright: ignore
    tokens = _rows(1, 12)
    session = start_session(denoiser, answer_len=4, block_len=4)
    session.denoise(tokens, _everything(tokens), torch.ones(1, 4, dtype=torch.bool))
    assert seen == [4]


def test_what_cannot_look_both_ways_is_refused() -> None:
    with pytest.raises(ConfigError, match="BertForMaskedLM is not known"):
        DecoderDenoiser(_seeded(MASKED_LMS["bert"]), SPECIAL)
    windowed = transformers.Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=4, max_window_layers=1)
    with pytest.raises(ConfigError, match="window"):
        DecoderDenoiser(transformers.Qwen2ForCausalLM(windowed), SPECIAL)


def test_a_masked_language_model_with_a_causal_mask_is_found_out() -> None:
    model = _seeded(lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SIZES, is_decoder=True)))
    seen = examine(HfDenoiser(model, SPECIAL))
    assert seen.lookahead_change == 0
    with pytest.raises(DataError, match="does not look ahead"):
        refuse(seen, dtype=torch.float32, name="m")


def test_a_model_that_padding_changes_is_found_out() -> None:
    denoiser = HfDenoiser(_seeded(MASKED_LMS["bert"]), SPECIAL)
    denoiser._takes_positions = True
    denoiser._first_position = 0
    sound = examine(denoiser)
    refuse(sound, dtype=torch.float32, name="m")
    ignoring = denoiser.model.forward

    def ignore_mask(**inputs: Any) -> Any:
        return ignoring(**{k: v for k, v in inputs.items() if k != "attention_mask"})

    denoiser.model.forward = ignore_mask  # as remote code of published models does
    seen = examine(denoiser)
    assert seen.padding_change > 1e-2 > 1e-4 > sound.padding_change
    with pytest.raises(DataError, match="padding on the left changes"):
        refuse(seen, dtype=torch.float32, name="m")
