"""The language model that learns to think: loaded, given its three new tokens, and adapters where they are wanted.

Number format, where none is named: bfloat16 or float16 for frozen weights on an accelerator, else float32. All weights
in half precision would lose what they learn: at a learning rate of 1e-4 most updates are smaller than the distance
between two neighbouring numbers of bfloat16. And processors without matrix units for it take several times as long.
Adapters are float32 whatever the frozen weights are.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from reasonry.core import seeds
from reasonry.core.learning import say_nothing
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.device import best_device
from reasonry.core.models.load import load_causal_lm
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.work import Say
from reasonry.training.continuous_cot.latent.adapters import add_adapters
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.text_config import TextTrainConfig
from reasonry.training.continuous_cot.train.setups import feedback_of


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
    if options.dtype == "auto" and (not rank or _is_cpu(options)):
        options = options.with_(dtype="float32")
    elif not rank and options.dtype not in ("auto", "float32"):
        say(f"warning: all weights are trained in {options.dtype}, which rounds away most updates as small as these")
    with quiet_transformers():
        loaded = load_causal_lm(config.model, options)
    latent = LatentCausalLM.wrap(
        loaded.model, loaded.tokenizer, init_from=config.words.init_from, feedback=feedback_of(method, config.thoughts)
    )
    if config.gradient_checkpointing:
        _checkpoint_activations(latent.backbone.model)
    if rank:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that will go
            add_adapters(
                latent,
                rank=rank,
                alpha=config.adapter.alpha,
                targets=config.adapter.targets,
                seed=seeds.derive(config.seed, "continuous cot", "adapters"),
            )
    return TextModel(latent, loaded.identity)


def _checkpoint_activations(model: Any) -> None:
    """Under the method's new name, where transformers has it."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def _is_cpu(options: ModelConfig) -> bool:
    return (best_device() if options.device == "auto" else options.device).startswith("cpu")
