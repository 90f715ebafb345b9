"""Low-rank adapters for a model with thoughts: the rows of the new tokens train beside them.

    W x  ->  W x + (alpha / rank) B A x        A uniform within 1 / sqrt(inputs) of 0, B zero: at first nothing changes

LoRA (Hu et al., arXiv 2106.09685), by peft. Adapters alone would leave the embeddings of the latent token and its
markers as they began; ``trainable_token_indices`` trains these rows, and no others. Where embedding and head are one
matrix, peft keeps one copy of the rows for both, so that no row is updated twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.models.lora import add_lora
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
    latent.model = add_lora(
        latent.model,
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        targets=targets,
        token_ids=latent.tokens.ids(),
        seed=seed,
    )
    latent.backbone = Backbone.of(latent.model)
    latent.backbone.check()
