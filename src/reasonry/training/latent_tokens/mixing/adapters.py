"""Low-rank adapters for a model with codes: the rows of markers, codes and pause train beside them, and no others.

Adapters alone would leave new rows as they began: the model would read codes that mean nothing to it and could never
write one. Embedding and head both have such rows; where they are one matrix it has one copy of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reasonry.core.models.lora import add_lora
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds


def add_latent_adapters(
    model: Any,
    ids: LatentIds | None,
    *,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.0,
    targets: Sequence[str] = (),
    seed: int = 0,
) -> Any:
    """Put adapters into an extended model; everything else is frozen but the new tokens' rows.

    Args:
        model: Of transformers; used up.
        ids: Of the new tokens; None for a method without any.
        rank: Of each update.
        alpha: Its scale, times the rank.
        dropout: Of the adapters' inputs.
        targets: Names of the layers; empty: all linear ones but the head.
        seed: Root of the initial weights.

    Returns:
        peft's model around it.

    Raises:
        MissingDependencyError: peft is not installed.
        ConfigError: The vocabulary was not extended, there are adapters already, or the settings do not fit.
    """
    token_ids = () if ids is None else ids.added
    num_rows = int(model.get_input_embeddings().weight.shape[0])
    if token_ids and max(token_ids) >= num_rows:
        raise ConfigError(
            f"token {max(token_ids)} for {num_rows} embeddings", place="model", remedy="Extend its vocabulary first."
        )
    return add_lora(model, rank=rank, alpha=alpha, dropout=dropout, targets=targets, token_ids=token_ids, seed=seed)
