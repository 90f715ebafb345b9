"""Tiny causal language models of several families with random weights, for tests of thoughts."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from reasonry.training.continuous_cot.latent.rows import IGNORED, Row

VOCAB = 40
PAD, LATENT, START, END, EOS = 0, 1, 2, 3, 4
FIRST_WORD = 5
CONTEXT = 96

_SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": PAD,
    "bos_token_id": None,
    "eos_token_id": EOS,
}


def gpt2(*, seed: int = 0, dropout: float = 0.0, width: int = 32, layers: int = 2) -> GPT2LMHeadModel:
    """Learned positions, tied head."""
    config = GPT2Config(
        vocab_size=VOCAB,
        n_positions=CONTEXT,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
    return _random(GPT2LMHeadModel(config), seed)


def llama(*, seed: int = 0, tied: bool = False) -> LlamaForCausalLM:
    """Rotary positions, grouped queries, a head of its own."""
    return _random(LlamaForCausalLM(LlamaConfig(**_SIZES, tie_word_embeddings=tied)), seed)


def qwen3(*, seed: int = 0) -> Qwen3ForCausalLM:
    """Normalised queries and keys, tied head."""
    return _random(Qwen3ForCausalLM(Qwen3Config(**_SIZES, tie_word_embeddings=True)), seed)


def gemma(*, seed: int = 0, window: int = 6) -> Gemma2ForCausalLM:
    """Scaled embeddings, a sliding window in every other layer, logits softly capped; tied head."""
    config = Gemma2Config(**_SIZES, sliding_window=window, query_pre_attn_scalar=8, final_logit_softcapping=3.0)
    return _random(Gemma2ForCausalLM(config), seed)


def granite(*, seed: int = 0) -> GraniteForCausalLM:
    """Logits divided by a constant."""
    sizes = {key: value for key, value in _SIZES.items() if key != "head_dim"}
    return _random(GraniteForCausalLM(GraniteConfig(**sizes, logits_scaling=4.0)), seed)


def cohere(*, seed: int = 0) -> CohereForCausalLM:
    """Logits multiplied by a constant."""
    sizes = {key: value for key, value in _SIZES.items() if key != "head_dim"}
    return _random(CohereForCausalLM(CohereConfig(**sizes, logit_scale=0.25)), seed)


FAMILIES = {"gpt2": gpt2, "llama": llama, "qwen3": qwen3, "gemma": gemma}
MORE_FAMILIES = {**FAMILIES, "granite": granite, "cohere": cohere}


def _random(model: Any, seed: int) -> Any:
    """Weights large enough for each token to matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            draw = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1:
                weight.copy_(draw * (0.5 if "wpe" in name else 1.5 / weight.shape[-1] ** 0.5))
            else:
                weight.add_(0.1 * draw)
    assert isinstance(model, PreTrainedModel)
    return model.eval()


def row(
    question: int, thoughts: int, answer: int, *, seed: int = 0, label_set: tuple[int, ...] = (), slot: Any = "thought"
) -> Row:
    """Random words, latent slots, random words; the words behind are labelled."""
    generator = torch.Generator().manual_seed(seed)

    def words(num: int) -> tuple[int, ...]:
        return tuple(torch.randint(FIRST_WORD, VOCAB, (num,), generator=generator).tolist())

    ids = (*words(question), *[LATENT] * thoughts, *words(answer))
    labels = (*[IGNORED] * (question + thoughts), *ids[question + thoughts :])
    return Row(ids, labels, label_set=label_set, slot=slot)


def ragged(*, slot: Any = "thought") -> list[Row]:
    """Rows of 0, 1 and 3 thoughts and unequal lengths."""
    return [
        row(9, 3, 4, seed=1, slot=slot),
        row(4, 1, 6, seed=2, slot=slot),
        row(7, 0, 5, seed=3, slot=slot),
        row(12, 3, 2, seed=4, slot=slot),
    ]
