"""Settings of ``reasonry train latent-tokens finetune``.

Defaults are for a small model from scratch on a processor within minutes, and are reconstructed. Token Assorted (arXiv
2502.03275) publishes the law of m and that one pass over the data is made; learning rate, batch and how the new
embeddings begin are not published.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core import fine_tuning
from reasonry.core.config import Config, Neutral
from reasonry.core.fine_tuning import AdamWConfig
from reasonry.core.models.config import ModelConfig
from reasonry.training.latent_tokens.mixing.laws import PUBLISHED_M_MAX_TOK
from reasonry.training.latent_tokens.mixing.methods import Method, find_methods

VERB = "train latent-tokens finetune"
SCRATCH = "scratch"
"""Name of a model that is made and not loaded."""

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ShapeConfig(Config):
    """A small model from scratch; its vocabulary is that of the tokenizer which the codes were learnt with."""

    kind: Literal["gpt2", "llama"] = "gpt2"
    """Learnt positions, or rotary ones."""
    num_layers: Count = 3
    """Layers."""
    width: Count = 64
    """Numbers per position."""
    num_heads: Count = 4
    """Attention heads."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of numbers left out in training; gpt2 alone has any."""
    context_tok: NotNegative = 0
    """Most tokens of prompt and reply; as long as the longest row, and a quarter more, when 0."""
    initializer_range: Annotated[float | None, Field(gt=0)] = None
    """Standard deviation of new weights; 0.1 below a width of 256 when not given, else the usual 0.02."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.width % self.num_heads:
            raise ValueError(f"a width of {self.width} is no multiple of {self.num_heads} heads")
        if self.kind == "llama" and self.width // self.num_heads % 2:
            raise ValueError("rotary positions need heads of an even width")
        if self.kind == "llama" and self.dropout:
            raise ValueError("llama has no dropout")
        return self


class AdapterConfig(fine_tuning.AdapterConfig):
    """Low-rank adapters of linear layers instead of all weights; rows of the added tokens are trained besides."""

    rank: NotNegative = 0
    """Rank; 0 trains all weights, which then are float32 unless another number format is named."""


class MixConfig(Config):
    """Which of the reasoning becomes codes, and the numbers of other methods."""

    law: str = "two_stage"
    """Of m, the tokens that are replaced: two_stage, set, scaled (two_stage, stretched to the data), all, fixed:K."""
    m_max_tok: tuple[NotNegative, ...] = PUBLISHED_M_MAX_TOK
    """Values that the most of m is drawn from, tokens."""
    empty_markers: bool = False
    """Put markers around nothing where m is 0; plain reasoning otherwise."""
    probability: Share = 0.5
    """That method poisson replaces a chunk."""
    num_stages: Count = 8
    """Stages of method curriculum."""
    removed_per_epoch_tok: Annotated[float | None, Field(ge=0)] = None
    """Tokens that method icot removes in an epoch. Published for long trainings: 8. When not given, as many as remove
    the longest reasoning within three quarters of the training."""
    smoothing: Positive = 4.0
    """Rate of the exponential law of how many tokens more icot removes."""
    reset_every_tok: Count = 16
    """Removed tokens after which icot forgets the moments of the optimizer. Published: 1."""
    num_pauses: Annotated[int | None, Field(ge=0)] = None
    """Pauses of method pause; as many as method latent has codes on average when not given."""


class LookConfig(Config):
    """Looks at rows that are not trained on."""

    every: NotNegative = 100
    """Steps between looks; 0: at the end alone."""
    num: NotNegative = 128
    """Rows of a look; 0: no looks, and nothing is kept apart."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 64
    """Rows at once."""


class FinetuneSettings(Config):
    """What every fine-tuning has, wherever its rows come from."""

    methods: Annotated[tuple[str, ...], Neutral] = ("latent", "cot", "sol-only", "truncated")
    """Trained one after the other on the same examples, order, steps and seed: latent, all, curriculum, poisson, cot,
    sol-only, icot, pause, truncated, shuffled."""
    model: str = SCRATCH
    """Hub id, local folder or packaged alias, with the tokenizer that the codes were learnt with; or scratch."""
    epochs: Positive = 1.0
    """Passes over the training examples. Published: 1."""
    steps: NotNegative = 0
    """Optimiser steps; by epochs when 0."""
    max_row_tok: NotNegative = 0
    """Longest row that is trained on; examples with longer ones are left out for every method and counted. 0: the
    model's context."""
    init: Literal["mean_cov", "codebook", "random"] = "mean_cov"
    """What embeddings of the added tokens begin as: draws like the old ones, vectors of the codebook, or noise."""
    trainer: Literal["plain", "trl"] = "plain"
    """The loop of this package, or TRL's SFTTrainer on the same rows."""
    mix: MixConfig = MixConfig()
    optimizer: AdamWConfig = AdamWConfig()
    adapter: AdapterConfig = AdapterConfig()
    shape: ShapeConfig = ShapeConfig()
    looks: LookConfig = LookConfig()
    gradient_checkpointing: Annotated[bool, Neutral] = False
    """Compute hidden states twice to save memory."""
    save_every: Annotated[int, Neutral, Field(ge=1)] = 100
    """Steps between checkpoints."""

    @property
    def method_rows(self) -> tuple[Method, ...]:
        """The methods."""
        return find_methods(self.methods)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        find_methods(self.methods)
        if self.model == SCRATCH and self.adapter.rank:
            raise ValueError("adapters belong into a model that has learnt something: give --model, or rank 0")
        return self


class FinetuneConfig(FinetuneSettings):
    """Fine-tune a language model on reasoning whose beginning is codes, and by other methods on the same examples."""

    encoded: tyro.conf.Positional[str]
    """Run directory of encode."""
    seed: int = 0
    """Root of weights, order and m."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()
