"""Config of ``reasonry eval diffusion-frontier``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models.config import ModelConfig

ORACLE = "oracle:"


class FrontierConfig(Config):
    """Decode the same prompts with every way of choosing what to reveal: accuracy against forward passes."""

    denoiser: tyro.conf.Positional[str]
    """Masked diffusion model: a folder, hub id or alias (llada-8b, dream-7b), or oracle:TASK (pairs and ledger), which
    knows the exact law of every token."""
    task: tyro.conf.Positional[str] = ""
    """A task over symbols (pairs:4, ledger:4, chain:8, addition:6, ...), or, for a model with a tokenizer, one in words
    (word-problems, gsm8k, or a JSONL file of questions or prompts and answers); the oracle's own when not given."""
    planners: tuple[Path, ...] = ()
    """Folders of trained planners."""
    policies: tuple[str, ...] = ("sweep",)
    """What to decode with: sweep (every kind, its settings from careful to bold), KIND:sweep (threshold:sweep), or one
    setting (threshold:0.9, top:2, planner:sample)."""
    num_prompts: Annotated[int, Extends, Field(ge=2)] = 128
    """Prompts; more of them continue a run, the first ones of more are the same."""
    num_seeds: Annotated[int, Extends, Field(ge=1)] = 2
    """Decodings of each prompt where chance plays a part, in the tokens or in the positions; one elsewhere."""
    seed: int = 0
    """Root of the prompts and of every draw; the same for every policy."""
    temperature: Annotated[float, Field(ge=0)] | None = None
    """Of the tokens, 0 for the likeliest; when not given, 1 for tasks over symbols, which have many right answers, and
    0 for those in words, as published figures have it."""
    answer_len: Annotated[int, Field(ge=1)] | None = None
    """Tokens of an answer in words; 256 when not given. Tasks over symbols have their own length."""
    block_len: Annotated[int, Field(ge=1)] | None = None
    """Tokens of a block; when not given, the whole answer for tasks over symbols, 32 for those in words."""
    stop_early: bool = True
    """End a row at its end token once nothing before it is masked. Published figures are without."""
    cache: Literal["none", "prefix", "dual"] = "none"
    """Keys and values that are kept from pass to pass, an approximation."""
    refresh_every: Annotated[int, Field(ge=1)] | None = None
    """Steps after which the cache is computed anew; by default only when a block begins."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Prompts decoded together. Accuracy and passes do not depend on it, seconds do."""
    target: Annotated[float, Neutral, Field(gt=0, le=1)] = 0.95
    """Accuracy for which the fewest passes of each kind are told."""
    show: Annotated[int, Neutral, Field(ge=0)] = 3
    """Prompts whose decodings are kept step by step and shown, for each policy if there are few, else for the best."""
    verifier: str = ""
    """Of tasks in words: number, exact, math, regex:PATTERN, json:PATH; when not given the task's own, and exact for a
    file of prompts."""
    instruction: str | None = None
    """Appended to every question in words; the task's own when not given."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()

    @model_validator(mode="after")
    def _names_a_task(self) -> Self:
        if not self.task and not self.denoiser.startswith(ORACLE):
            raise ValueError("which task? Name one after the denoiser, such as ledger:4 or gsm8k")
        if not self.policies:
            raise ValueError("no policies; give some, or sweep for all")
        if self.cache == "none" and self.refresh_every is not None:
            raise ValueError("refresh_every is given, but no cache that could be refreshed")
        return self

    @property
    def task_name(self) -> str:
        """The task, also where only the oracle names it."""
        return self.task or self.denoiser.removeprefix(ORACLE)
