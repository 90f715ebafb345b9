"""Settings of ``reasonry train continuous-cot text``: a language model learns to think in place of writing steps.

Defaults are for a small model on a processor within minutes, and are reconstructed. Those that Coconut (arXiv
2412.06769) publishes, for GPT-2 on four GPUs, batches of 128 and a constant learning rate of 1e-4, with the optimizer
forgotten at every stage:

    GSM8K               c = 2, 3 stages, 3 epochs each, 25 in all; from a model that writes its steps (first = 0)
    ProsQA, ProntoQA    c = 1, 6 stages, 5 epochs each; 50 epochs
"""

# pyright: strict
from __future__ import annotations

from typing import Annotated, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Neutral
from reasonry.core.fine_tuning import AdapterConfig
from reasonry.core.models.config import ModelConfig
from reasonry.tasks.reasoning_tokens import MARKER
from reasonry.training.continuous_cot.config import (
    Count,
    CurriculumConfig,
    EvaluationConfig,
    NotNegative,
    OptimizerConfig,
    ThoughtConfig,
    TrainSettings,
)
from reasonry.training.continuous_cot.methods import Method, find_methods


class WordsConfig(Config):
    """How an example becomes tokens."""

    marker: str = MARKER
    """Stands before the answer."""
    chat_template: bool = False
    """Put the question into the user turn of the model's chat template."""
    max_row_tok: NotNegative = 0
    """Longest row that is trained on; longer ones are left out and counted. 0: the model's context."""
    max_new_tokens: Annotated[int, Field(ge=2)] = 96
    """Most tokens of a generated answer, remaining steps included; answers that run into it are counted."""
    init_from: str = "<<"
    """Text whose tokens' rows the new tokens begin as."""


class TextTrainConfig(TrainSettings):
    """Fine-tune a language model to think in hidden states where it would write steps, and compare with controls.

    By default two models are trained under the same curriculum, on the same examples in the same order: one with
    continuous thoughts, and one with a learnt embedding in their place.
    """

    model: tyro.conf.Positional[str] = "smollm2-135m"
    """Hub id, local folder or packaged alias."""
    data: str = "word-problems:2"
    """running-totals, word-problems[:STEPS], prosqa, prontoqa, maze, gsm8k, or a JSON or JSONL file with question,
    steps and answer."""
    num_train: Count = 2000
    """Training examples; fewer where a file has fewer."""
    max_stage: Count = 3
    """Steps that have thoughts of their own, S; as many as the longest example has, if that is fewer. Examples with
    more steps lose all the others at once, at one stage more."""
    words: WordsConfig = WordsConfig()
    curriculum: CurriculumConfig = CurriculumConfig(first=100, middle=50, last=150, replay=0.0, reset_optimizer=True)
    optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4, betas=(0.9, 0.999), decay=0.0, batch_size=8)
    thoughts: ThoughtConfig = ThoughtConfig(pad_to_max=True)
    evaluation: EvaluationConfig = EvaluationConfig(every=100, num_validation=32, num_test=200, batch_size=32)
    adapter: AdapterConfig = AdapterConfig()
    gradient_checkpointing: Annotated[bool, Neutral] = False
    """Compute hidden states twice to save memory. Prefixes are then computed again for every thought."""
    model_options: ModelConfig = ModelConfig()
    save_every: Annotated[int, Neutral, Field(ge=1)] = 50
    """Steps between checkpoints."""

    @property
    def method_rows(self) -> tuple[Method, ...]:
        """The methods."""
        return find_methods(self.methods)

    @model_validator(mode="after")
    def _methods_fit(self) -> Self:
        known = [method for method in find_methods(self.methods) if why_not(method)]
        if known:
            raise ValueError(f"{known[0].name}: {why_not(known[0])}")
        return self


def why_not(method: Method) -> str:
    """Why a method cannot be trained on text; empty when it can."""
    if method.label != "path":
        return "its labels are vertices of a graph; use it with train continuous-cot graphs"
    return "a pretrained model has the layers it has; name a deeper model instead" if method.is_deep else ""
