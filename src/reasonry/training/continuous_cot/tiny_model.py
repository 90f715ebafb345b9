"""A small GPT-2 from scratch that reads symbols, wrapped for thoughts.

Small widths need larger initial weights. GPT-2 begins with a standard deviation of 0.02, which suits a width of 768. At
a width of 64 the products that attention compares are then so small that the first step of a search is hardly ever
learnt (after 500 steps a loss of 2.3 nats and not 1.0), and nothing of what follows. So 0.1 is the default below a
width of 256, and less than a quarter of it is refused there unless it is asked for.
"""

from __future__ import annotations

from transformers import GPT2Config, GPT2LMHeadModel

from reasonry.core.scoped_random import drawing_from
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import ShapeConfig
from reasonry.training.continuous_cot.graph_format import Format
from reasonry.training.continuous_cot.latent.chain import Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM

HIDDEN = Feedback()
WIDE = 256
SMALL_INIT, LARGE_INIT = 0.02, 0.1
_LEAST_SHARE = 0.25


def initializer_range(shape: ShapeConfig) -> float:
    """Standard deviation of new weights.

    Raises:
        ConfigError: So small that a narrow model does not learn.
    """
    if shape.initializer_range is None:
        return LARGE_INIT if shape.width < WIDE else SMALL_INIT
    if shape.width < WIDE and shape.initializer_range < _LEAST_SHARE * LARGE_INIT and not shape.allow_small_init:
        raise ConfigError(
            f"weights of standard deviation {shape.initializer_range} in a model of width {shape.width}: it would not "
            "learn to search",
            place="shape.initializer_range",
            remedy=f"Leave it out ({LARGE_INIT} is then used), or give --shape.allow-small-init to see it fail.",
        )
    return shape.initializer_range


def tiny_model(
    shape: ShapeConfig,
    form: Format,
    *,
    context_tok: int,
    seed: int,
    is_deep: bool = False,
    feedback: Feedback = HIDDEN,
    num_thoughts: int = 0,
) -> LatentCausalLM:
    """A new model.

    Args:
        shape: Sizes.
        form: Its vocabulary, and whether edges are packed.
        context_tok: Longest row.
        seed: Root of the weights: models of one shape and seed are equal, whatever fills their slots.
        is_deep: With ``deep_layers``.
        feedback: What a thought is made of.
        num_thoughts: How many a question is answered with unless told otherwise.

    Raises:
        ConfigError: Initial weights so small that it would not learn.
    """
    symbols = form.symbols
    config = GPT2Config(
        vocab_size=symbols.size,
        n_positions=context_tok,
        n_embd=shape.width,
        n_layer=shape.deep_layers if is_deep else shape.num_layers,
        n_head=shape.num_heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, "gelu_new", in one kernel instead of eight
        resid_pdrop=shape.dropout,
        embd_pdrop=shape.dropout,
        attn_pdrop=shape.dropout,
        initializer_range=initializer_range(shape),
        bos_token_id=symbols.end_id,
        eos_token_id=symbols.end_id,
        pad_token_id=symbols.end_id,
    )
    with drawing_from(seed, "continuous cot", "weights"):
        model = GPT2LMHeadModel(config)
    return LatentCausalLM.wrap(
        model,
        tokens=symbols.tokens,
        pack_edges=form.layout == "packed",
        feedback=feedback,
        num_thoughts=num_thoughts,
        seed=seed,
    )
