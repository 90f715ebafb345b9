"""Shared fixtures. Heavy imports stay inside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline is a timed test: on a machine that does other work too it fails for no reason of ours.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Nothing in the tests may reach a hub; a test that needs one is wrong.
os.environ["HF_HUB_OFFLINE"] = "1"
# Tiny models lose more to threads waiting for each other than they gain; two test processes use two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer Llama (random weights, byte-level tokenizer): the real loading path in no time."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make_tiny_model(folder: Path, *, context: int = 512, chat_template: bool = True) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<end>": 0, "<pad>": 1, **{c: i + 2 for i, c in enumerate(alphabet)}}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<pad>")
    if chat_template:
        tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
    config = LlamaConfig(
        vocab_size=len(vocab),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=context,
        eos_token_id=0,
        pad_token_id=1,
        bos_token_id=None,
        initializer_range=0.4,
    )
    generator = torch.Generator().manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
