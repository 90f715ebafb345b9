"""Settings of the training stages, each a run of its own.

What the authors of dUltra (arXiv 2512.21446) publish are settings for LLaDA-8B; defaults here are those that were
measured to work for models of some hundred thousand parameters on a processor, and are reconstructed.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models.config import ModelConfig
from reasonry.training.dultra.guards import GuardConfig
from reasonry.training.dultra.settings import (
    Count,
    DataConfig,
    HeadConfig,
    Positive,
    RewardConfig,
    ShapeConfig,
    Share,
    Weight,
)

VERB = "train dultra"


# ---------------------------------------------------------------- stages


class PretrainSettings(Config):
    """Train a tiny denoiser from scratch."""

    num_steps: Count = 400
    """Optimiser steps."""
    batch_size: Count = 128
    """Answers of a step."""
    lr: Positive = 3e-3
    """Highest learning rate; falls along a cosine."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    """Steps over which it rises."""
    weight_decay: Weight = 0.01
    """Of AdamW."""
    max_grad_norm: Positive = 1.0
    """Norm that a longer gradient is cut to."""
    weight: Literal["uniform", "scheduler"] = "uniform"
    """What a cross entropy counts: the same, which small models learn faster from, or w(t) of the bound."""
    normalise: Literal["token", "sequence", "batch"] = "token"
    """What the loss is divided by."""
    schedule: Literal["linear", "cosine"] = "linear"
    """How masks grow with time."""
    eval_every: Count = 50
    """Steps between measurements of the bound on the likelihood."""
    num_eval: Annotated[int, Field(ge=2)] = 64
    """Answers that it is measured on; twelve times as many at the end."""
    shape: ShapeConfig = ShapeConfig()
    save_every: Annotated[int, Neutral, Field(ge=1)] = 50
    """Steps between checkpoints."""


class ImitateSettings(Config):
    """Train a planner to reveal what a rule would, or what the denoiser would get right."""

    target: Literal["rule", "margin"] = "rule"
    """Reveal what a rule would; or positions where the true token's probability leads by a margin."""
    rule: str = "factor:1"
    """The rule; one with a schedule is asked as if its block began where it is asked."""
    margin: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Least lead of the true token's probability over the likeliest other one."""
    num_steps: Count = 300
    """Most optimiser steps."""
    batch_size: Count = 64
    """States of a step."""
    lr: Positive = 1e-3
    """Learning rate at the start; falls along a cosine. The release: 1e-5."""
    weight_decay: Weight = 0.01
    """Of AdamW."""
    max_grad_norm: Positive = 1.0
    """Norm that a longer gradient is cut to."""
    balanced: bool = False
    """Weigh targets so that revealing and keeping count alike, as the release does; the planner is then over-eager."""
    min_window: Count = 32
    """Shortest window that is revealed from; the whole answer where that is shorter."""
    min_entropy_nats: Weight = 0.2
    """Stop before coins have less entropy than this on the average: a planner that is sure does not explore."""
    look_every: Count = 10
    """Steps between measurements of that."""
    head: HeadConfig = HeadConfig()
    save_every: Annotated[int, Neutral, Field(ge=1)] = 50
    """Steps between checkpoints."""


class PlannerSettings(Config):
    """Train a planner, or the denoiser, or both, on what its own decodings earn."""

    num_updates: Annotated[int, Extends, Field(ge=1)] = 160
    """Rounds of decoding and learning."""
    prompts_per_update: Count = 8
    """Prompts of a round."""
    group_size: Annotated[int, Field(ge=2)] = 16
    """Decodings of each, G."""
    freeze: Literal["lm", "planner", "none"] = "lm"
    """What does not learn. With the language model frozen its hidden states are kept from decoding, and only the
    planner is run again."""
    policy: Literal["bernoulli", "plackett_luce"] = "bernoulli"
    """A coin for each position; or a fixed number of positions in an order, as LLaDOU and UPO."""
    positions_per_step: Count = 2
    """That number."""
    likelihood: Literal["trajectory", "one_step"] = "trajectory"
    """Of tokens: step by step as they were decoded; or from one pass over nothing but masks, as diffu-GRPO does."""
    prompt_mask_rate: Share = 0.15
    """Share of the prompt that is masked in that pass."""
    unmask: str = ""
    """What decodes where the planner is frozen: a rule, or planner:MODE; the planner's coins when not given."""
    lr: Positive = 1e-3
    """Learning rate of the planner."""
    lm_lr: Positive = 3e-4
    """Learning rate of the denoiser, where it learns; the release: 5e-6."""
    max_grad_norm: Positive = 0.1
    """Norm that a longer gradient is cut to. Losses are divided by the length of answers too, so that usual norms of
    tiny planners are 0.01 to 0.1; with 1, the release's, one rare update after a calm stretch undoes many."""
    num_iterations: Count = 1
    """Optimiser steps on the same decodings."""
    temperature: Weight = 1.0
    """Of tokens, in decoding to learn from; 0 takes the likeliest."""
    eval_temperature: Annotated[float | None, Field(ge=0)] = None
    """The same for evaluation; as in training when not given."""
    plan_temperature: Positive = 1.0
    """Of the planner's logits."""
    block_len: Annotated[int | None, Field(ge=1)] = None
    """Tokens of a block; the whole answer when not given."""
    stop_early: bool = True
    """End a decoding at an end token with nothing masked before it."""
    cache: Literal["none", "prefix", "dual"] = "none"
    """Keys and values kept between passes; only where the language model is frozen."""
    refresh_every: Annotated[int | None, Field(ge=1)] = None
    """Steps after which they are computed anew."""
    baseline: Literal["mean", "grpo", "rloo"] = "mean"
    """What a reward is compared with: the group's mean; that and its standard deviation; the mean of the others."""
    min_advantage: float | None = None
    """Advantages below this count 0; at 0 only decodings better than the average teach."""
    forced_event: Literal["exact", "none_action", "naive"] = "exact"
    """Likelihood of a step at which no coin came up; naive is the release's, and no probability."""
    score_temperature: Literal["rollout", "unit"] = "rollout"
    """Score tokens at the temperature they were drawn at, or at 1 as the release does."""
    clip_low: Share = 0.2
    """Lowest ratio of probabilities is 1 less this."""
    clip_high: Weight = 1.0
    """Highest ratio is 1 and this."""
    beta: Weight = 0.0
    """Weight of the divergence from the planner at the start."""
    micro_batch: Count = 4096
    """Steps that the planner is run on at once; decodings at once where the denoiser learns."""
    eval_every: Count = 10
    """Updates between evaluations; the best planner of them is kept."""
    num_eval: Count = 100
    """Decodings of an evaluation; five times as many at the end."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which evaluation reveals a position."""
    reward: RewardConfig = RewardConfig()
    head: HeadConfig = HeadConfig()
    guard: GuardConfig = GuardConfig()
    save_every: Annotated[int, Neutral, Field(ge=1)] = 20
    """Updates between checkpoints."""

    @model_validator(mode="after")
    def _can_learn(self) -> Self:
        if self.likelihood == "one_step" and self.freeze != "planner":
            raise ValueError("one_step says nothing of the planner: it goes with freeze planner")
        if self.cache != "none" and self.freeze != "lm":
            raise ValueError("a cache is an approximation that cannot be learnt through: it goes with freeze lm")
        if self.unmask and self.freeze != "planner":
            raise ValueError("the planner decodes where it learns: unmask goes with freeze planner")
        is_certain = self.temperature == 0 and self.score_temperature == "rollout" and self.likelihood == "trajectory"
        if self.freeze == "planner" and is_certain:
            raise ValueError("at temperature 0 tokens are certain, and a frozen planner leaves nothing to learn")
        if self.unmask and self.unmask.split(":")[0] == "planner" and self.policy == "plackett_luce":
            raise ValueError("plackett_luce reveals in an order of its own: leave unmask out")
        return self


# ---------------------------------------------------------------- runs


class PretrainConfig(PretrainSettings):
    """Train a tiny denoiser from scratch on a task over symbols."""

    task: tyro.conf.Positional[str] = "pairs:4"
    """pairs:4, ledger:4, chain:8, tiny-math, sudoku, addition:6."""
    seed: int = 0
    """Root of weights and data."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""


class ImitateConfig(ImitateSettings):
    """Train a planner to reveal what a rule would, or what the denoiser would get right."""

    denoiser: tyro.conf.Positional[str]
    """Folder, hub id or alias of a masked diffusion or masked language model."""
    data: DataConfig = DataConfig()
    seed: int = 0
    """Root of weights and states."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()


class PlannerTrainConfig(PlannerSettings):
    """Train a planner, or the denoiser, or both, on what its own decodings earn."""

    denoiser: tyro.conf.Positional[str]
    """Folder, hub id or alias of a masked diffusion or masked language model."""
    planner: str = ""
    """Folder of the planner to start from; a new one when not given."""
    data: DataConfig = DataConfig()
    seed: int = 0
    """Root of weights, prompts and decodings."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()


class WholeConfig(Config):
    """Train a denoiser from scratch and a planner for it, then compare the planner with rules.

    Stages alone: train dultra pretrain TASK, imitate DENOISER, planner DENOISER.
    """

    task: tyro.conf.Positional[str] = "pairs:4"
    """pairs:4, ledger:4, chain:8, tiny-math, sudoku, addition:6."""
    imitation: bool = False
    """Let the planner imitate a rule before it learns from decodings."""
    frontier: bool = True
    """Compare the planner with rules at the end."""
    policies: tuple[str, ...] = (
        "top:1",
        "top:2",
        "rand:2",
        "rand:4",
        "threshold:0.9",
        "threshold:0.1",
        "factor:1",
        "factor:3",
        "entropy_bound:0.1",
        "entropy_bound:2.4",
        "planner:threshold",
        "planner:sample",
    )
    """What is compared; sweep for every rule at many settings."""
    num_prompts: Annotated[int, Field(ge=2)] = 128
    """Prompts that it is compared on."""
    pretrain: PretrainSettings = PretrainSettings()
    imitate: ImitateSettings = ImitateSettings()
    planner: PlannerSettings = PlannerSettings()
    seed: int = 0
    """Root of everything drawn."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
