"""Config of ``reasonry eval continuous-cot``."""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, field_validator, model_validator

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models.config import ModelConfig

VERB = "eval continuous-cot"
DEFAULT_DATA = "word-problems:2"

Thoughts = Literal["own", "random", "swapped"]
SplitName = Literal["auto", "train", "validation", "test", "all"]


class EvalConfig(Config):
    """What a model answers with how many thoughts; and, with random or swapped ones, whether it needs them at all."""

    model: tyro.conf.Positional[str]
    """A run directory of train continuous-cot, a folder of a model, a hub id, or a packaged alias."""
    method: str = ""
    """Which of a run's methods; continuous if the run has it. For a folder of unknown origin: what its slots hold."""
    data: str = ""
    """word-problems[:STEPS], prosqa, prontoqa, gsm8k, or a JSON or JSONL file with question and answer; what the model
    was trained on when not given. Models of graphs answer questions about graphs like those they were trained on."""
    split: SplitName = "auto"
    """Which rows; auto: those held out for testing, and all rows of a file that the model was not trained on."""
    num: Annotated[int, Extends, Field(ge=1)] = 200
    """Questions; more of them continue a run."""
    num_thoughts: Annotated[int | None, Field(ge=0)] = None
    """Thoughts before each answer; the model's own number when not given."""
    sweep: str = ""
    """Several numbers of thoughts: 0,1,2,4 or 0-4."""
    thoughts: tuple[Thoughts, ...] = ("own",)
    """What slots hold: own thoughts; random, Gaussian ones of the same norms; swapped, those of another question."""
    max_new_tokens: Annotated[int | None, Field(ge=2)] = None
    """Most tokens of a reply; as in training when not given."""
    marker: str = ""
    """What stands before the answer; as in training when not given."""
    chat_template: bool | None = None
    """Put questions into the user turn of the model's chat template; as in training when not given."""
    prompt: Annotated[str, Neutral] = ""
    """Answer this question, print reply and thoughts, and do nothing else."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Questions at once."""
    seed: int | None = None
    """Root of generated questions and of random thoughts; as in training when not given, which gives its test set."""
    show: Annotated[int, Neutral, Field(ge=0)] = 50
    """Questions whose replies can be read in the report."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()

    @field_validator("sweep")
    @classmethod
    def _is_sweep(cls, value: str) -> str:
        if value:
            read_sweep(value)
        return value

    @field_validator("thoughts")
    @classmethod
    def _names_each_once(cls, value: tuple[Thoughts, ...]) -> tuple[Thoughts, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("name each of own, random and swapped at most once, and one at least")
        return value

    @model_validator(mode="after")
    def _says_it_once(self) -> Self:
        if self.sweep and self.num_thoughts is not None:
            raise ValueError("num_thoughts and sweep; give one of them")
        return self

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of thoughts that were asked for; none: the model's own."""
        if self.sweep:
            return read_sweep(self.sweep)
        return () if self.num_thoughts is None else (self.num_thoughts,)


def read_sweep(text: str) -> tuple[int, ...]:
    """``0,1,2,4`` or ``0-4`` as numbers, ascending.

    Raises:
        ValueError: It is neither.
    """
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        high = high if dash else low
        if not (low.isdecimal() and high.isdecimal()) or int(low) > int(high) or int(high) >= 10_000:
            raise ValueError("no list of numbers; write it like 0,1,2,4 or 0-4")
        found.update(range(int(low), int(high) + 1))
    return tuple(sorted(found))
