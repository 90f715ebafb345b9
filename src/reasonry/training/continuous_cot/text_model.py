"""The language model that learns to think: loaded, given its three new tokens, and adapters where they are wanted.

All weights in half precision would lose what they learn: at a learning rate of 1e-4 most updates are smaller than the
distance between two neighbouring numbers of bfloat16. So without adapters the weights are float32 unless another format
is named; adapters are float32 whatever the frozen weights are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reasonry.core import seeds
from reasonry.core.learning import say_nothing
from reasonry.core.models.load import load_causal_lm
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.work import Say
from reasonry.training.continuous_cot.latent.adapters import add_adapters
from reasonry.training.continuous_cot.latent.chain import Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.text_config import TextTrainConfig


class TextModel(NamedTuple):
    """What is trained.

    Attributes:
        latent: The model, ready to train.
        identity: What decides its weights before training, as JSON.
    """

    latent: LatentCausalLM
    identity: dict[str, Any]


def make_text_model(config: TextTrainConfig, method: Method, *, say: Say = say_nothing) -> TextModel:
    """Load the model of a config for one method; the same weights whenever it is called.

    Args:
        config: Model, adapters, seed.
        method: Decides what a thought is made of.
        say: Told what a user should know.

    Raises:
        ReasonryError: As `load_causal_lm`.
        ConfigError: A model that cannot be given thoughts, or adapters that do not fit.
        MissingDependencyError: Adapters are wanted, and peft is not installed.
    """
    options, rank = config.model_options, config.adapter.rank
    if not rank and options.dtype == "auto":
        options = options.with_(dtype="float32")
    elif not rank and options.dtype != "float32":
        say(f"warning: all weights are trained in {options.dtype}, which rounds away most updates as small as these")
    with quiet_transformers():
        loaded = load_causal_lm(config.model, options)
    latent = LatentCausalLM.wrap(
        loaded.model, loaded.tokenizer, init_from=config.words.init_from, feedback=feedback_of(config, method)
    )
    if config.gradient_checkpointing:
        latent.backbone.model.gradient_checkpointing_enable({"use_reentrant": False})
    if rank:
        add_adapters(
            latent,
            rank=rank,
            alpha=config.adapter.alpha,
            targets=config.adapter.targets,
            seed=seeds.derive(config.seed, "continuous cot", "adapters"),
        )
    return TextModel(latent, loaded.identity)


def feedback_of(config: TextTrainConfig, method: Method) -> Feedback:
    """What a method's thoughts are made of."""
    if method.feedback == "hidden":
        return Feedback()
    temperature, top_k = config.thoughts.temperature, config.thoughts.top_k
    return Feedback("topk_soft", temperature, top_k) if top_k else Feedback("soft", temperature)
