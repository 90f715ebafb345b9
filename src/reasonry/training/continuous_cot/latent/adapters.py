"""Low-rank adapters for a model with thoughts: the rows of the new tokens train beside them.

    W x  ->  W x + (alpha / rank) B A x        A uniform within 1 / sqrt(inputs) of 0, B zero: at first nothing changes

LoRA (Hu et al., arXiv 2106.09685), by peft. Adapters alone would leave the embeddings of the latent token and its
markers as they began; ``trainable_token_indices`` trains these rows, and no others. Where embedding and head are one
matrix, peft keeps one copy of the rows for both, so that no row is updated twice.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch

from reasonry.core import optional, seeds
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.backbone import Backbone
from reasonry.training.continuous_cot.latent.model import LatentCausalLM


def add_adapters(
    latent: LatentCausalLM,
    *,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.0,
    targets: Sequence[str] = (),
    seed: int = 0,
) -> None:
    """Put adapters into a model's linear layers; everything else is frozen but the latent tokens' rows and its edges.

    Args:
        latent: Changed in place.
        rank: Of each update.
        alpha: Its scale, times the rank.
        dropout: Of the adapters' inputs.
        targets: Names of the layers; empty: all linear ones but the head.
        seed: Root of the initial weights, each from its own name.

    Raises:
        MissingDependencyError: peft is not installed.
        ConfigError: There are adapters already, or the settings do not fit the model.
    """
    optional.need("peft", extra="train", why="for adapters")
    peft: Any = importlib.import_module("peft")
    model: Any = latent.model
    if hasattr(model, "peft_config"):
        raise ConfigError("the model has adapters already", place="model", remedy="Merge them first.")
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    ids = list(latent.tokens.ids())
    rows = {_name_of(model, embedding): ids}
    if head.weight is not embedding.weight:
        rows[_name_of(model, head)] = ids
    settings = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets) or "all-linear",
        trainable_token_indices=rows,
        task_type="CAUSAL_LM",
    )
    try:
        latent.model = peft.get_peft_model(model, settings)
    except ValueError as e:
        raise ConfigError(f"the adapters do not fit the model: {e}"[:300], place="adapters") from e
    with torch.no_grad():
        for name, weight in latent.model.named_parameters():
            if "lora_A" in name:  # peft draws them from the global generator
                generator = torch.Generator().manual_seed(seeds.derive(seed, "lora", name))
                draw = torch.rand(weight.shape, generator=generator, dtype=torch.float32) * 2 - 1
                weight.copy_(draw / weight.shape[1] ** 0.5)
    latent.backbone = Backbone.of(latent.model)
    latent.backbone.check()


def _name_of(model: Any, part: Any) -> str:
    """How a part is called in its model."""
    return next(name for name, module in model.named_modules() if module is part)
