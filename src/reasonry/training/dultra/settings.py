"""The parts that settings of several training stages share: data, planner, rewards, a tiny denoiser."""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reasonry.core.config import Config

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class DataConfig(Config):
    """What is asked, and who says whether an answer is right: a task over symbols, or a file of prompts."""

    task: str = ""
    """pairs:4, ledger:4, chain:8, ...; by default the one that a tiny denoiser was trained for."""
    prompts: Path | None = None
    """JSONL with prompt (or prompt_ids) and answer, in place of a task."""
    held_out: Path | None = None
    """Prompts to evaluate on; those of training when not given, which is said."""
    verifier: str = "exact"
    """Of answers to prompts of a file: number, exact, math, regex:PATTERN, json:PATH."""
    answer_len: Annotated[int | None, Field(ge=1)] = None
    """Tokens of an answer; needed for a file, a task has its own."""
    chat: bool = True
    """Put text prompts through the tokenizer's chat template, where it has one."""


class HeadConfig(Config):
    """Shape of a new planner."""

    features: tuple[Literal["hidden", "confidence", "entropy", "margin"], ...] = ("hidden",)
    """What it reads of a position."""
    inner_width: Annotated[int | None, Field(ge=1)] = None
    """Numbers per position inside; the denoiser's width when not given."""
    num_heads: Count = 4
    """Attention heads."""
    mlp_width: Annotated[int | None, Field(ge=1)] = None
    """Hidden units of its MLP; three times its width when not given."""
    position: Literal["learned", "rope", "none"] = "learned"
    """How it tells positions apart; without any it hardly learns."""
    clamp: Annotated[float, Field(ge=0)] = 4.0
    """Bound on logits, which keeps exploring; 0 for none."""
    output_bias: float = -1.5
    """Logit of every position at the start."""
    time_scale: Positive = 1000.0
    """What the known share of the canvas is multiplied by."""


class RewardConfig(Config):
    """What a decoding is worth."""

    right: Weight = 1.0
    """For a whole answer that is right."""
    share: Weight = 2.0
    """Times the share of its parts that are right."""
    speed: Literal["sum", "sqrt", "sqrt_sum", "multiplicative", "none"] = "sum"
    """How steps count; multiplicative discounts the reward for right answers instead of adding one."""
    speed_weight: Weight = 1.5
    """Of the reward for speed; the release: 0.1."""
    speed_scale: Annotated[float | None, Field(gt=0)] = None
    """Steps that cost one unit in mode sum; the answer's length when not given, the release: 50."""
    speed_alpha: Weight = 1.0
    """Exponent of the multiplicative discount."""
    speed_warmup: Annotated[int, Field(ge=0)] = 0
    """Updates over which the weight of speed grows from 0."""
    teacher: str = ""
    """Causal model whose log-probability of the text is added: hub id, folder or alias; tiny trains one on the task."""
    teacher_weight: Weight = 1.0
    """Of its mean log-probability per token."""
    teacher_steps: Count = 300
    """Training steps of a tiny teacher."""
    reverse_kl: bool = False
    """Subtract the decoding's own log-probability per token from the teacher's."""


class ShapeConfig(Config):
    """Shape of a new denoiser."""

    num_layers: Count = 3
    """Blocks of attention and MLP."""
    num_heads: Count = 4
    """Attention heads in a block."""
    width: Count = 64
    """Numbers per token."""
    mlp_ratio: Count = 4
    """Hidden units of the MLP as a multiple of the width."""
