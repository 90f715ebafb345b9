"""Attention that is read on the way equals what transformers gives when it is asked for all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.ccot_models import CONTEXT, VOCAB, gemma, gpt2, llama, qwen3
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTJConfig,
    GPTJForCausalLM,
    PreTrainedModel,
)

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.probe.attention import captured

B, T = 3, 17


def capped_scores() -> PreTrainedModel:
    config = Gemma2Config(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=5,
        query_pre_attn_scalar=8,
        attn_logit_softcapping=0.5,
        max_position_embeddings=CONTEXT,
    )
    model, generator = Gemma2ForCausalLM(config).eval(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.5 * torch.randn(weight.shape, generator=generator))
    return model


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, VOCAB, (B, T), generator=generator)
    attend = torch.ones(B, T, dtype=torch.bool)
    attend[1, :4] = False
    attend[2, -3:] = False
    return {"input_ids": ids, "attention_mask": attend, "position_ids": (attend.cumsum(1) - 1).clamp_min(0)}


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "gpt2": gpt2,
    "llama": llama,
    "qwen3": qwen3,
    "gemma2 with a window": gemma,
    "gemma2 with capped scores": capped_scores,
}


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_and_logits_are_those_of_eager_attention(name: str) -> None:
    model, given = MODELS[name]().eval(), inputs()
    with torch.no_grad():
        with captured(model, [0, 1]) as found:
            hidden = model(**given, use_cache=False).logits
        model.set_attn_implementation("eager")
        whole = model(**given, use_cache=False, output_attentions=True)
    attend = given["attention_mask"]
    real = attend[:, None, :, None].expand(-1, 4, -1, T)
    for layer in (0, 1):
        probs, logits = found[layer].probs_BHQK, found[layer].logits_BHQK
        assert probs.shape == (B, 4, T, T)
        assert torch.allclose(probs[real], whole.attentions[layer][real], atol=1e-5)
        # Logits are known up to a number for each query: the softmax of what is kept has to give the probabilities.
        assert torch.allclose(logits.softmax(-1)[real], probs[real], atol=1e-6)
    assert torch.allclose(hidden[attend], whole.logits[attend], atol=1e-4)


def test_logits_are_products_of_queries_and_keys_over_the_root_of_their_size() -> None:
    model, given = gpt2(), inputs()
    given = {"input_ids": given["input_ids"]}
    states: list[torch.Tensor] = []
    attention = model.transformer.h[0].attn
    hook = attention.c_attn.register_forward_hook(lambda module, args, out: states.append(out))
    with torch.no_grad(), captured(model, [0]) as found:
        model(**given, use_cache=False)
    hook.remove()
    q, k, _ = (part.unflatten(-1, (4, 8)).transpose(1, 2) for part in states[0].split(32, dim=2))
    expected = q @ k.transpose(2, 3) / 8**0.5
    seen = torch.ones(T, T, dtype=torch.bool).tril()
    assert torch.allclose(found[0].logits_BHQK[..., seen], expected[..., seen], atol=1e-5)
    assert bool((found[0].logits_BHQK[..., ~seen] == float("-inf")).all())


def test_only_the_wanted_queries_are_kept() -> None:
    model, given = llama(), inputs()
    queries = torch.tensor([[16, 5], [7, 7], [2, 9]])
    with torch.no_grad():
        with captured(model, [1]) as every:
            model(**given, use_cache=False)
        with captured(model, [1], queries_BQ=queries) as some:
            model(**given, use_cache=False)
    assert some[1].probs_BHQK.shape == (B, 4, 2, T)
    for row in range(B):
        for at, query in enumerate(queries[row].tolist()):
            assert torch.allclose(some[1].probs_BHQK[row, :, at], every[1].probs_BHQK[row, :, query], atol=1e-6)


def test_a_padded_query_has_no_attention_and_no_nan() -> None:
    model, given = gpt2(), inputs()
    with torch.no_grad(), captured(model, [0]) as found:
        model(**given, use_cache=False)
    assert bool(found[0].probs_BHQK.isfinite().all())


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_the_model_is_afterwards_as_it_was_whatever_happens_within(kind: str) -> None:
    model = qwen3()
    model.set_attn_implementation(kind)
    with pytest.raises(ZeroDivisionError), captured(model, [0]):
        raise ZeroDivisionError
    assert model.config._attn_implementation == kind
    with torch.no_grad():
        before = model(**inputs()).logits
        with captured(model, [0]):
            model(**inputs(), use_cache=False)
        assert torch.equal(model(**inputs()).logits, before)


def test_dropout_is_refused() -> None:
    model = gpt2(dropout=0.5).train()
    with pytest.raises(ConfigError, match="training mode"), captured(model, [0]):
        pass


@pytest.mark.parametrize("layer", [-1, 2])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(ConfigError, match=f"layer {layer} of 2"), captured(gpt2(), [layer]):
        pass


def test_attention_of_another_kind_is_named_and_not_guessed() -> None:
    bloom = BloomForCausalLM(BloomConfig(vocab_size=VOCAB, hidden_size=32, n_layer=2, n_head=4)).eval()
    gptj = GPTJForCausalLM(GPTJConfig(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)).eval()
    for model in (bloom, gptj):
        with pytest.raises(ConfigError, match="cannot be read") as caught, torch.no_grad(), captured(model, [0]):
            model(input_ids=inputs()["input_ids"], use_cache=False)
        assert "--no-attention" in str(caught.value)


def test_two_passes_are_not_mixed_up() -> None:
    model = gpt2()
    with torch.no_grad(), captured(model, [0]):
        model(**inputs(), use_cache=False)
        with pytest.raises(RuntimeError, match="one forward pass"):
            model(**inputs(), use_cache=False)
