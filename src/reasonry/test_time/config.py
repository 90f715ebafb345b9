"""Config of ``reasonry solve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models import ModelConfig
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig, ScriptedConfig


class SolveConfig(Config):
    """Sample several answers to every problem of a task, vote, verify, and see what more samples would buy."""

    task: tyro.conf.Positional[str] = "word-problems"
    """A registered task (word-problems, or word-problems:1-2 for a range of steps), a JSONL file or folder, or the
    hub id openai/gsm8k."""
    model: str = "smollm2-135m"
    """Hub id, local folder or packaged alias; with an endpoint the server's model name; or "scripted"."""
    n: Annotated[int, Extends, Field(ge=1, le=4096)] = 8
    """Samples per problem."""
    limit: Annotated[int | None, Extends, Field(ge=1)] = None
    """Only the first so many problems; word-problems makes 40 when nothing is said."""
    seed: int = 0
    """Root of every random stream."""
    verifier: str = "auto"
    """How answers are found and graded: auto, number, exact, math, regex:PATTERN or json:PATH."""
    shots: Annotated[int | None, Field(ge=0, le=64)] = None
    """Worked examples shown before each question; when not given 4, or as many as the task has."""
    instruction: str | None = None
    """Text after each question; when not given the task's own, or none where examples show the form of an answer."""
    system: str = ""
    """System message; the model's own when empty."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 64
    """Most samples in flight in a local model."""
    cache: Annotated[Path | None, Neutral] = None
    """Folder of a completion cache shared between runs."""
    sampling: SamplingConfig = SamplingConfig()
    model_options: ModelConfig = ModelConfig()
    endpoint: EndpointConfig = EndpointConfig()
    scripted: ScriptedConfig = ScriptedConfig()
