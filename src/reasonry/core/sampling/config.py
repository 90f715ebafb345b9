"""Settings of the samplers. Light to import: the command line's help pages need these classes and nothing else."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from reasonry.core.config import Config, Neutral


class SamplingConfig(Config):
    """How tokens are drawn. The defaults suit small instruct models on short reasoning."""

    temperature: Annotated[float, Field(ge=0, le=100)] = 0.8
    """Softmax temperature; 0 is greedy decoding."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus: the smallest set of tokens with at least this probability; 1 keeps all."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Keep the k most probable tokens; 0 keeps all."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 256
    """Most tokens drawn for one answer."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer; the string itself is cut off."""


class EndpointConfig(Config):
    """An OpenAI-compatible endpoint. The key is named, never written down."""

    base_url: str = ""
    """Such as http://localhost:8000/v1; empty means no endpoint is used."""
    api_key_env: Annotated[str, Neutral] = ""
    """Name of the environment variable that holds the key; empty sends none."""
    concurrency: Annotated[int, Neutral, Field(ge=1, le=4096)] = 16
    """Most requests in flight."""
    timeout_s: Annotated[float, Neutral, Field(gt=0)] = 600.0
    """Longest wait for one answer, seconds."""
    retries: Annotated[int, Neutral, Field(ge=0)] = 6
    """How often a failing request is tried again before the run stops (what is finished is kept)."""
    logprobs: bool = False
    """Ask for the log-probabilities of the drawn tokens."""
    extra_body: dict[str, Any] = Field(default={})
    """Further fields of every request, for servers with their own options; a JSON object on the command line."""


class ScriptedConfig(Config):
    """The simulated solver (``--model scripted``)."""

    accuracy: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Chance that one answer is right."""
    num_wrong: Annotated[int, Field(ge=1)] = 6
    """How many different wrong answers share the rest, the first ones more often (weights 1/rank)."""
    silent: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Chance that an answer holds no number at all."""
    delay_s: Annotated[float, Neutral, Field(ge=0)] = 0.0
    """Pause before each answer, seconds; stands in for a slow model."""
