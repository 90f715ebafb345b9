"""Settings of training: the curriculum, the optimizer, evaluation; and those of questions about graphs.

Defaults are those measured to work on a processor within minutes (two layers of width 64), and are reconstructed; what
arXiv 2505.12514 and 2412.06769 publish is in ``recipes/continuous_cot/paper.toml`` and in docstrings here.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonry.core.config import Config, Neutral
from reasonry.core.fine_tuning import AdamWConfig

VERB = "train continuous-cot"

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


# ---------------------------------------------------------------- shared by graphs and texts


class CurriculumConfig(Config):
    """When written steps give way to thoughts. Methods without stages train for as many steps."""

    unit: Literal["steps", "epochs"] = "steps"
    """What lengths are counted in: optimiser steps, or passes over the training examples."""
    first: NotNegative = 800
    """Length of stage 0; 0 leaves it out, for a model that can write its steps already."""
    middle: NotNegative = 400
    """Length of each stage between the first and the last."""
    last: Count = 1000
    """Length of the last stage."""
    replay: Share = 0.1
    """Probability that an example is drawn at a random stage and not at the current one."""
    replay_from: Literal["past", "all"] = "past"
    """Stages it is drawn from: up to the current one (arXiv 2505.12514), or future ones too (Coconut's release)."""
    reset_optimizer: bool = False
    """Forget the moments of the optimizer where a stage begins, as the release of Coconut does."""
    advance_when: Annotated[float | None, Field(gt=0)] = None
    """Stage 0 ends only when its mean loss is below this, nats; as soon as its length is over when not given."""
    patience: NotNegative = 0
    """Most steps that stage 0 may take beyond its length to get there."""
    otherwise: Literal["stop", "go-on"] = "stop"
    """What is done when it does not."""
    window: Count = 100
    """Steps that the mean is taken over."""


class OptimizerConfig(AdamWConfig):
    """AdamW and its batches."""

    lr: Positive = 2e-3
    """Learning rate. Published, for a width of 768: 1e-4."""
    warmup_steps: NotNegative = 0
    """Steps over which it rises from 0."""
    decay: Share = 0.5
    """Share of the last stage over whose end it falls to 0 in a straight line; published runs keep it constant."""
    betas: tuple[Share, Share] = (0.9, 0.95)
    """Of the two moments."""
    batch_size: Count = 64
    """Rows of a step."""


class ThoughtConfig(Config):
    """What slots are, where a method has them."""

    per_step: Count = 1
    """Slots for each written step, c."""
    pad_to_max: bool = False
    """As many slots for every example as the stage has, and not fewer for those with fewer steps. Without it the number
    of slots tells a model how many steps an example has."""
    bptt: Literal["full", "detach"] | NotNegative = "full"
    """How many thoughts gradients flow back through, where a method does not say."""
    how: Literal["auto", "cache", "recompute"] = "auto"
    """Keep keys and values between passes, or compute prefixes again; auto does the latter under gradient
    checkpointing."""
    temperature: Positive = 1.0
    """Of the next token's law, for method soft."""
    top_k: NotNegative = 0
    """Likeliest tokens that method soft averages; 0 for all."""


class EvaluationConfig(Config):
    """Looks at held-out questions."""

    every: Count = 250
    """Steps between looks at validation questions. The best model of those at the last stage is kept."""
    num_validation: Count = 256
    """Questions of such a look."""
    num_test: Count = 500
    """Questions at the end."""
    num_by_slots: Annotated[int | None, Field(ge=0)] = None
    """Of these, how many are also answered after every other number of slots; as many as of validation when not given,
    0 for none."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 250
    """Rows at once."""


class TrainSettings(Config):
    """What every training of continuous thoughts has, whatever it learns from."""

    methods: Annotated[tuple[str, ...], Neutral] = ("continuous", "pause")
    """Trained one after the other with the same data, order, steps and seed, and compared: continuous, pause, cot,
    no-cot, cot-deep, no-thought, no-curriculum, icot, detached, soft, bfs-set, bfs-sample."""
    curriculum: CurriculumConfig = CurriculumConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    thoughts: ThoughtConfig = ThoughtConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0
    """Root of weights and data."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    save_every: Annotated[int, Neutral, Field(ge=1)] = 250
    """Steps between checkpoints."""


# ---------------------------------------------------------------- graphs


class ShapeConfig(Config):
    """A small GPT-2 from scratch."""

    num_layers: Count = 2
    """Layers; two are what the construction of arXiv 2505.12514 needs."""
    deep_layers: Count = 12
    """Layers of method cot-deep."""
    width: Count = 64
    """Numbers per position. Published: 768."""
    num_heads: Count = 2
    """Attention heads. Published: 8."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of numbers left out in training. Published: 0.1."""
    initializer_range: Annotated[float | None, Field(gt=0)] = None
    """Standard deviation of new weights; 0.1 below a width of 256 when not given, else the usual 0.02."""
    allow_small_init: bool = False
    """Let a narrow model begin with weights so small that it does not learn to search."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.width % self.num_heads:
            raise ValueError(f"a width of {self.width} is no multiple of {self.num_heads} heads")
        return self


class GraphTrainConfig(TrainSettings):
    """Train small models from scratch to search graphs, in thoughts and otherwise, and compare them.

    Questions are those of ProsQA without words: given a directed graph, which of two vertices does the root reach?
    """

    hops: Count = 3
    """Edges on the shortest path from the root to the right candidate."""
    max_hops: Annotated[int | None, Field(ge=1)] = None
    """The most of them, for questions of several lengths; as ``hops`` when not given."""
    num_nodes: Annotated[int | None, Field(ge=4, le=1000)] = None
    """Vertices to grow; twice the most hops and 8 when not given. Published: 28 for 3 to 4 hops."""
    balanced: bool = True
    """Candidates at equal depth under their roots, so that little but a search tells them apart."""
    layout: Literal["packed", "paper"] = "packed"
    """How an edge is told: one position that holds both vertices (reconstructed: it does what the first layer has to
    learn), or three tokens as in arXiv 2505.12514."""
    num_graphs: Count = 4000
    """Training graphs; vertices get new names and edges a new order whenever one is drawn. Published: 14785."""
    shuffle: bool = True
    """Those new names; without them models can learn graphs by heart. The order is always new."""
    num_probed: NotNegative = 64
    """Validation graphs whose thoughts are looked into at every look: how well they tell the frontier; 0 for none."""
    label_set: Literal["frontier", "reachable"] = "frontier"
    """What counts as right for method bfs-set: vertices at exactly the next distance, or at most that."""
    shape: ShapeConfig = ShapeConfig()
    device: Annotated[str, Neutral] = "auto"
    """A torch device; auto takes an accelerator for widths of 256 and more, and the processor below."""

    @property
    def most_hops(self) -> int:
        """Edges on the longest of the shortest paths; the last stage."""
        return self.hops if self.max_hops is None else self.max_hops

    @property
    def grown_nodes(self) -> int:
        """Vertices to grow."""
        return 8 + 2 * self.most_hops if self.num_nodes is None else self.num_nodes

    @model_validator(mode="after")
    def _hops_fit(self) -> Self:
        if self.most_hops < self.hops:
            raise ValueError(f"max_hops = {self.max_hops} is below hops = {self.hops}")
        if self.grown_nodes < self.most_hops + 3:
            raise ValueError(
                f"{self.grown_nodes} vertices cannot hold a path of {self.most_hops} edges beside a wrong candidate"
            )
        return self
