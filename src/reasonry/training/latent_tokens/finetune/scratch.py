"""A small language model from scratch, for a tokenizer that is there.

Small widths need larger initial weights: with the usual standard deviation of 0.02 the products that attention compares
are so small at a width of 64 that a model hardly learns to look anything up. So it is 0.1 below a width of 256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from reasonry.core.scoped_random import drawing_from
from reasonry.training.latent_tokens.finetune.config import ShapeConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WIDE = 256
SMALL_INIT, LARGE_INIT = 0.02, 0.1
_MLP = 4


def initializer_range(shape: ShapeConfig) -> float:
    """Standard deviation of new weights."""
    if shape.initializer_range is not None:
        return shape.initializer_range
    return LARGE_INIT if shape.width < WIDE else SMALL_INIT


def make_model(shape: ShapeConfig, tokenizer: Any, *, context_tok: int, seed: int) -> PreTrainedModel:
    """A new model in float32, with tied embeddings.

    Args:
        shape: Sizes.
        tokenizer: Whose tokens it reads.
        context_tok: Longest row.
        seed: Root of the weights: models of one shape, tokenizer and seed are equal.
    """
    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "initializer_range": initializer_range(shape),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
    }
    if shape.kind == "llama":
        settings: Any = LlamaConfig(
            hidden_size=shape.width,
            intermediate_size=_MLP * shape.width,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            max_position_embeddings=context_tok,
            **common,
        )
        model_class: Any = LlamaForCausalLM
    else:
        settings = GPT2Config(
            n_positions=context_tok,
            n_embd=shape.width,
            n_layer=shape.num_layers,
            n_head=shape.num_heads,
            activation_function="gelu_pytorch_tanh",  # GPT-2's own, "gelu_new", in one kernel instead of eight
            resid_pdrop=shape.dropout,
            embd_pdrop=shape.dropout,
            attn_pdrop=shape.dropout,
            **common,
        )
        model_class = GPT2LMHeadModel
    with drawing_from(seed, "latent tokens", "weights"):
        return model_class(settings)
