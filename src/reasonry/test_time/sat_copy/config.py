"""Config of the copy-or-reverse experiment."""

# pyright: strict
from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonry.core.config import Config, Neutral

Feedback = Literal["verifier", "none"]
Share = Annotated[float, Field(ge=0, le=1)]


class SatCopyConfig(Config):
    """Train a small GPT from scratch to copy or reverse, with or without a verdict between two attempts."""

    size: Literal["nano", "micro", "mini", "gopher-44m"] = "nano"
    """Model size: 0.09, 0.8, 2.7 or 25 million parameters."""
    feedback: Feedback = "verifier"
    """verifier: two attempts with the exact verifier's token between them; none: trained on the right answer alone, and
    tested by one."""
    num_clauses: Annotated[int, Field(ge=1)] = 20
    """Clauses of a formula over 4 variables."""
    min_length: Annotated[int, Field(ge=1)] = 5
    """Shortest string, tokens."""
    max_length: Annotated[int, Field(ge=1)] = 5
    """Longest string, tokens; every training batch and every group of test prompts has one length."""
    train_sat_share: Share = 0.9
    """Probability that a training formula is satisfiable."""
    test_sat_share: Share = 0.5
    """Probability that a test formula is satisfiable."""
    first_copy_share: Share = 0.9
    """Probability that the first attempt of a training trace copies; it reverses otherwise."""
    num_steps: Annotated[int, Field(ge=1)] = 900
    """Optimiser steps."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Sequences per step; each is drawn afresh and never seen again."""
    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate at the first step."""
    final_lr_share: Share = 0.1
    """The cosine schedule ends at this share of ``lr``."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """AdamW's, on the matrices of the layers and of the read-out."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this norm."""
    num_test: Annotated[int, Field(ge=1)] = 2000
    """Test prompts of each string length at the end."""
    eval_every: Annotated[int, Field(ge=1)] = 150
    """Steps between evaluations, and between checkpoints when there is a folder for them."""
    num_eval: Annotated[int, Field(ge=1)] = 400
    """Prompts of each string length in an evaluation under way, not among those of the test."""
    seed: int = 0
    """Root of every random stream."""
    device: Annotated[str, Neutral] = "auto"
    """auto (cuda, mps, cpu in this order), or a torch device name."""

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length = {self.min_length} is above max_length = {self.max_length}")
        return self

    @property
    def lengths(self) -> range:
        """All string lengths."""
        return range(self.min_length, self.max_length + 1)

    @property
    def max_len(self) -> int:
        """Positions of the model: 128 as in the small settings, more where the sequences need it."""
        return max(128, 3 * self.num_clauses + 2 + 3 * self.max_length + 1)
