"""Settings of ``reasonry train latent-tokens``: all stages in one run directory."""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from reasonry.core.config import Config, Neutral
from reasonry.core.models.config import ModelConfig
from reasonry.tasks.reasoning_tokens import MARKER
from reasonry.training.latent_tokens.codes.config import CodesSettings
from reasonry.training.latent_tokens.evaluate.config import Prefix
from reasonry.training.latent_tokens.finetune.config import FinetuneSettings

VERB = "train latent-tokens"

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class AnswersConfig(Config):
    """The evaluation at the end; reasonry eval latent-tokens has more to set."""

    num: NotNegative = 200
    """Test questions; 0 ends with training."""
    samples: Count = 1
    """Replies to each; of several, one that is right solves it. Published for mazes: 10."""
    top_k: NotNegative = 0
    """Draw from the k likeliest tokens; 0 with one sample is greedy. Published for mazes: 10."""
    latent_prefix: Prefix = "free"
    """force: every reply of a model with codes begins with the begin marker."""
    max_new_tokens: Annotated[int | None, Field(ge=2)] = None
    """Most tokens of a reply; a quarter more than the longest training example has as text when not given."""
    batch_size: Count = 64
    """Replies at once."""


class WholeConfig(Config):
    """Learn codes for reasoning, read examples into them, fine-tune by every method, and let the models answer.

    Stages alone: train latent-tokens fit-codes DATA, encode CODES DATA, finetune ENCODED; eval latent-tokens RUN.
    """

    data: tyro.conf.Positional[str] = "maze"
    """running-totals, maze[:SIZE], word-problems[:STEPS], prosqa, prontoqa, gsm8k, or a JSON or JSONL file with
    question, steps and answer."""
    num_train: Count = 4000
    """Training examples; fewer where a file has fewer."""
    num_validation: Count = 200
    """Held-out examples that losses are measured on."""
    marker: str = MARKER
    """Stands before the answer."""
    chat_template: bool = False
    """Put the question into the user turn of the tokenizer's chat template."""
    tokenizer: str = ""
    """Of the codes, where the model is made from scratch; a token for every word of the training examples when not
    given. Other models bring their own."""
    codes: CodesSettings = CodesSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    answers: AnswersConfig = AnswersConfig()
    seed: int = 0
    """Root of everything drawn."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()
