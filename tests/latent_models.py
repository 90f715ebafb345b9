"""Tiny models and a tokenizer of words, for tests of vocabularies with codes."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = 40
EOS, PAD, UNK = 0, 1, 2


def tokenizer(*, has_pad: bool = True, has_eos: bool = True) -> PreTrainedTokenizerFast:
    """Words w3 .. w39 and special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocab = {"<end>": EOS, "<pad>": PAD, "<unk>": UNK, **{f"w{k}": k for k in range(3, WORDS)}}
    core = Tokenizer(models.WordLevel(vocab=vocab, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    given: dict[str, Any] = {"unk_token": "<unk>"}
    given |= {"eos_token": "<end>"} if has_eos else {}
    given |= {"pad_token": "<pad>"} if has_pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=core, **given)


def gpt2(*, seed: int = 0, rows: int = WORDS) -> Any:
    """Embedding and head are one matrix."""
    config = GPT2Config(
        vocab_size=rows,
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )
    return _random(GPT2LMHeadModel(config), seed)


def llama(*, seed: int = 0, rows: int = WORDS, tied: bool = False) -> Any:
    """Embedding and head are two matrices."""
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
        tie_word_embeddings=tied,
    )
    return _random(LlamaForCausalLM(config), seed)


def tied_llama(*, seed: int = 0, rows: int = WORDS) -> Any:
    """Llama with one matrix."""
    return llama(seed=seed, rows=rows, tied=True)


FAMILIES: dict[str, Any] = {"gpt2": gpt2, "llama": llama, "tied_llama": tied_llama}


def _random(model: Any, seed: int) -> Any:
    """Weights large enough for each token to matter, rows that are not centred."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            draw = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1:
                weight.copy_(draw * (0.5 if "wpe" in name else 1.5 / weight.shape[-1] ** 0.5) + 0.05)
            else:
                weight.add_(0.1 * draw)
    return model.eval()


def matrices(model: Any) -> list[torch.Tensor]:
    """Embedding, and the head where it is another matrix."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    return [embedding] if head is embedding else [embedding, head]
