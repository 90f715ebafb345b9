"""Settings of candidate scoring. Light to import: the command line's help pages need these classes and nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reasonry.core.config import Config, Neutral

Way = Literal["auto", "weights", "completions", "letters", "sampled"]


class CandidateConfig(Config):
    """How candidate answers are scored."""

    way: Way = "auto"
    """weights (a local model); or with an endpoint: completions (log-probabilities of given text), letters (a chat that
    chooses among options), sampled (answers drawn and matched). auto takes the first that works, and says which."""
    prompt_as: Literal["text", "chat"] = "text"
    """text: the prompt is continued as it is, as base models are trained; chat: it is a user's turn in the model's chat
    template, and the candidate is the reply. Does not apply to letters, which are always asked in a chat."""
    ending: str = ""
    """Text put behind every candidate, such as a full stop, which tells Java from JavaScript."""
    batch_tok: Annotated[int, Neutral, Field(ge=0)] = 0
    """Most tokens that a local model reads at once; 0 takes 512 on a CPU and 4096 on a GPU. Bounds memory, and changes
    scores by rounding only."""
    num_rotations: Annotated[int, Field(ge=0)] = 0
    """letters: orders of the options that are asked, each one place further; 0 takes as many as there are options, so
    that every option stands in every place once."""
    num_samples: Annotated[int, Field(ge=1, le=10_000)] = 16
    """sampled: answers drawn for each question."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """sampled: softmax temperature."""
    max_answer_tok: Annotated[int, Field(ge=1)] = 24
    """sampled: most tokens drawn for one answer."""
