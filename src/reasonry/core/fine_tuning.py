"""Settings that every fine-tuning has: the optimizer with its batches, and adapters."""

# pyright: strict
from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reasonry.core.config import Config


class AdamWConfig(Config):
    """AdamW and its batches."""

    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    """Steps over which it rises from 0."""
    decay: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the training over whose end it falls to 0 in a straight line."""
    betas: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = (0.9, 0.98)
    """Of the two moments."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of every weight."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Norm that a longer gradient is cut to."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Rows of a step."""
    length_window: Annotated[int, Field(ge=1)] = 8
    """Batches that are drawn at once and parted by length, so that rows need little padding; 1 draws each by itself."""
    micro_batch: Annotated[int | None, Field(ge=1)] = None
    """Rows that the model runs at once, to save memory; the whole batch when not given."""


class AdapterConfig(Config):
    """Low-rank adapters instead of all weights; rows of added tokens are trained besides."""

    rank: Annotated[int, Field(ge=0)] = 16
    """Rank; 0 trains all weights, which then are float32 unless another number format is named."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Scale; the adapters' output is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Names of the layers that get one; every linear layer but the head when not given."""
