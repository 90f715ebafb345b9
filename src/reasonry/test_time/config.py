"""Config of ``reasonry solve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models import ModelConfig
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig, ScriptedConfig

StrategyName = Literal[
    "self-consistency",
    "best-of-n",
    "weighted-vote",
    "best-then-vote",
    "soft-best-of-n",
    "knockout",
    "self-correct",
]


class SelectionConfig(Config):
    """How scores choose among samples."""

    transform: Literal["exp", "sigmoid", "rank", "raw"] = "exp"
    """Weight made of a score in weighted-vote; raw adds up scores as they are, which punishes frequent answers when
    scores are negative."""
    beta: Annotated[float, Field(gt=0)] = 1.0
    """Sharpness of exp: the weight is exp(beta * score)."""
    top: Annotated[int, Field(ge=1)] = 4
    """How many of the best vote in best-then-vote."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Softness of soft-best-of-n, in units of the score."""


class CorrectionConfig(Config):
    """Sequential self-correction: try, hear the verdict, try again."""

    experts: str = "prompts"
    """Who tries: prompts (three ways to ask), temperatures (0.2, 0.7, 1.0), single, or a TOML file with a table per
    expert."""
    controller: Literal[
        "uniform",
        "round-robin",
        "epsilon-greedy",
        "ucb1",
        "thompson",
        "exp3",
        "successive-halving",
    ] = "thompson"
    """Who is asked next, learnt over attempts and over problems."""
    output: Literal["best", "last"] = "best"
    """Which attempt is the answer; last is the paper's."""
    feedback: Literal["scalar", "text", "none"] = "scalar"
    """What the next attempt is told of the one before."""
    concurrency: Annotated[int, Field(ge=1)] = 8
    """Problems in flight; what was learnt from a problem serves those that start after it."""
    history_window: Annotated[int | None, Field(ge=1)] = None
    """The next attempt sees this many earlier ones; all when not given."""
    stop_at: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Reward that ends a problem; a judge's rewards seldom reach 1."""
    max_tok: Annotated[int | None, Field(ge=1)] = None
    """Most tokens per problem, prompts included; looked at between attempts."""
    max_s: Annotated[float | None, Field(gt=0)] = None
    """Most seconds per problem."""
    max_cost: Annotated[float | None, Field(gt=0)] = None
    """Most money per problem, in the currency of the prices."""
    price_per_mtok: Annotated[float, Field(ge=0)] = 0.0
    """Price of a million completion tokens."""
    prompt_price_per_mtok: Annotated[float, Field(ge=0)] = 0.0
    """Price of a million prompt tokens."""


class SolveConfig(Config):
    """Sample several answers to every problem of a task, choose one, verify it, and see what more would buy."""

    task: tyro.conf.Positional[str] = "word-problems"
    """A registered task (word-problems, or word-problems:1-2 for a range of steps), a JSONL file or folder, or the
    hub id openai/gsm8k."""
    model: str = "smollm2-135m"
    """Hub id, local folder or packaged alias; with an endpoint the server's model name; or "scripted"."""
    n: Annotated[int, Extends, Field(ge=1, le=4096)] = 8
    """Samples per problem: all of them with a fixed rule, the most with an early stop or self-correction."""
    strategy: StrategyName = "self-consistency"
    """How one answer comes out of many."""
    stop: str = "fixed"
    """When self-consistency has seen enough: fixed, curtail, certify:0.05, beta:0.95, doubling:0.75, window:5,
    martingale:0.05 or group-sequential:0.05."""
    score: str = "auto"
    """What selection goes by: logp, verifier (an oracle), judge, judge:MODEL or reward:MODEL; when not said, logp, in
    knockout the sampled model as judge, and in self-correct the verifier."""
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
    min_round: Annotated[int, Field(ge=1)] = 4
    """Fewest samples of a problem in one round of an early stop: larger rounds fill batches, and draw more than is
    used."""
    cache: Annotated[Path | None, Neutral] = None
    """Folder of a completion cache shared between runs."""
    sampling: SamplingConfig = SamplingConfig()
    selection: SelectionConfig = SelectionConfig()
    correction: CorrectionConfig = CorrectionConfig()
    model_options: ModelConfig = ModelConfig()
    endpoint: EndpointConfig = EndpointConfig()
    scripted: ScriptedConfig = ScriptedConfig()
