"""Config of ``reasonry eval latent-tokens``."""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models.config import ModelConfig
from reasonry.core.sampling.config import SamplingConfig

VERB = "eval latent-tokens"

SplitName = Literal["test", "validation", "train"]
Prefix = Literal["free", "force"]


class EvalConfig(Config):
    """What models answer with how many tokens: text, codes and markers counted apart, codes read back as text."""

    model: tyro.conf.Positional[str]
    """Run directory of train latent-tokens finetune, the folder of one of its models, or of any model with codes."""
    methods: Annotated[tuple[str, ...], Neutral] = ()
    """Which of a run's methods answer the same questions; all that are finished when not given."""
    data: str = ""
    """running-totals, maze[:SIZE], word-problems[:STEPS], prosqa, prontoqa, gsm8k, or a JSON or JSONL file with
    question and answer; what was trained on when not given."""
    split: SplitName = "test"
    """Which examples."""
    num: Annotated[int, Extends, Field(ge=1)] = 200
    """Questions; more of them continue a run."""
    samples: Annotated[int, Extends, Field(ge=1)] = 1
    """Replies to each question; of several, one that is right solves it. Published for mazes: 10."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Draw from the k likeliest tokens; 0 with one sample is greedy. Published for mazes: 10."""
    temperature: Annotated[float | None, Field(ge=0, le=100)] = None
    """Softmax temperature; when not given 1 where tokens are drawn, else 0."""
    max_new_tokens: Annotated[int | None, Field(ge=2)] = None
    """Most tokens of a reply; a quarter more than the longest training example has as text when not given."""
    constraint: bool = True
    """Keep codes between their markers, and everything else out; --no-constraint lets the model write what it will."""
    latent_prefix: Prefix = "free"
    """force: every reply of a model with codes begins with the begin marker."""
    max_codes: Annotated[int | None, Field(ge=1)] = None
    """Most codes between two markers; as many as in training at most when not given. Published: 16."""
    codes: str = ""
    """Folder of the codec that reads codes back; where training found it when not given."""
    prompt: Annotated[str, Neutral] = ""
    """Answer this question, print the reply with its codes, and do nothing else."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Replies at once."""
    seed: int | None = None
    """Root of generated questions and of drawn tokens; as in the training data when not given."""
    show: Annotated[int, Neutral, Field(ge=0)] = 40
    """Questions whose replies can be read in the report."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.samples > 1 and self.drawing_temperature == 0:
            raise ValueError("several samples of greedy decoding are all alike: give --top-k 10 or a temperature")
        if self.temperature == 0 and self.top_k > 1:
            raise ValueError("a temperature of 0 always takes the likeliest token: leave --top-k out")
        return self

    @property
    def drawing_temperature(self) -> float:
        """Of the softmax; 0 is greedy."""
        if self.temperature is not None:
            return self.temperature
        return 1.0 if self.top_k else 0.0

    def sampling(self, max_new_tokens: int) -> SamplingConfig:
        """How tokens are drawn."""
        return SamplingConfig(temperature=self.drawing_temperature, top_k=self.top_k, max_new_tokens=max_new_tokens)
