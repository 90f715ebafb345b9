"""Low-rank adapters put into a model, with rows of its token embeddings that are trained besides.

    W x  ->  W x + (alpha / rank) B A x        A uniform within 1 / sqrt(inputs) of 0, B zero: at first nothing changes

LoRA (Hu et al., arXiv 2106.09685). Whole embedding matrices stay frozen but for the rows that are named: new tokens are
learnt, old ones keep their rows bit for bit. Where head and embeddings are separate, those rows of both are trained.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch

from reasonry.core import optional, seeds
from reasonry.errors import ConfigError


def add_lora(
    model: Any,
    *,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.0,
    targets: Sequence[str] = (),
    token_ids: Sequence[int] = (),
    seed: int = 0,
) -> Any:
    """Put adapters into a model's linear layers; everything else is frozen but the rows of some tokens.

    Args:
        model: Of transformers, a causal language model; used up.
        rank: Of each update.
        alpha: Its scale, times the rank.
        dropout: Of the adapters' inputs.
        targets: Names of the layers; empty: all linear ones but the head.
        token_ids: Tokens whose rows are trained too.
        seed: Root of the initial weights, each from its own name.

    Returns:
        peft's model around it.

    Raises:
        MissingDependencyError: peft is not installed.
        ConfigError: There are adapters already, or the settings do not fit the model.
    """
    optional.need("peft", extra="train", why="for adapters")
    peft: Any = importlib.import_module("peft")
    if hasattr(model, "peft_config"):
        raise ConfigError("the model has adapters already", place="model", remedy="Merge them first.")
    settings = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets) or "all-linear",
        trainable_token_indices=_rows(model, token_ids) or None,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = peft.get_peft_model(model, settings)
    except ValueError as e:
        raise ConfigError(f"the adapters do not fit the model: {e}"[:300], place="adapters") from e
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_A" in name:  # peft draws them from the global generator
                generator = torch.Generator().manual_seed(seeds.derive(seed, "lora", name))
                draw = torch.rand(weight.shape, generator=generator, dtype=torch.float32) * 2 - 1
                weight.copy_(draw / weight.shape[1] ** 0.5)
    return adapted


def _rows(model: Any, token_ids: Sequence[int]) -> dict[str, list[int]]:
    """Which rows of which matrices are trained, as peft takes them."""
    if not token_ids:
        return {}
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    rows = {_name_of(model, embedding): list(token_ids)}
    if head.weight is not embedding.weight:
        rows[_name_of(model, head)] = list(token_ids)
    return rows


def _name_of(model: Any, part: Any) -> str:
    """How a part is called in its model."""
    return next(name for name, module in model.named_modules() if module is part)
