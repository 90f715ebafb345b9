"""Tiny models with random weights, sharp enough to have laws worth marking."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

VOCAB = 200
HASH = "0" * 16


def tiny_llama(seed: int, *, width: int = 32, vocab: int = VOCAB, scale: float = 6.0) -> LlamaForCausalLM:
    """A Llama of random weights; ``scale`` sharpens its laws."""
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
        model.lm_head.weight.mul_(scale / 2)
    return model


def prompts(num: int, length: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded prompts of unequal length, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, VOCAB, (num, length), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(num):
        mask[row, : row % (length - 2)] = 0
    return ids * mask, mask
