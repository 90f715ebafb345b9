"""Config of ``reasonry curve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from reasonry.core.config import Config, Neutral
from reasonry.test_time.selection import StepAggregation


class CurveConfig(Config):
    """What k samples of each problem are worth to a vote or a selection, from samples already paid for."""

    samples: tyro.conf.Positional[Path]
    """A run directory of reasonry solve, or a JSON Lines file: its samples.jsonl, rows {prompt_id, answer, score,
    correct, tokens}, or one row per problem with completions, preds, scores and answer."""
    k: str = ""
    """Sample sizes, such as 1,2,4,8; when not given every size up to the smallest pool."""
    metrics: str = ""
    """Which of maj, bon, weighted and pass, such as maj,pass; when not given all that the file has columns for."""
    transform: Literal["exp", "sigmoid", "rank", "raw"] = "exp"
    """Weight made of a score in weighted; raw adds up scores as they are, which punishes frequent answers when scores
    are negative."""
    beta: Annotated[float, Field(ge=0)] = 1.0
    """Factor of the scores in exp and sigmoid; 0 is a majority vote."""
    aggregate: StepAggregation = "last"
    """How the step scores of a process reward model become the score of a sample."""
    seed: int = 0
    """Root of the resampling of problems and of the random orders of weighted."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Nominal coverage of the bands."""
    orders: Annotated[int, Field(ge=100, le=1_000_000)] = 1000
    """Random orders per problem for weighted in pools of more than 16 samples; smaller ones are exact."""
    min_samples: Annotated[int, Field(ge=1)] = 1
    """Leave out problems with fewer samples, so that they do not end the curve."""
    biased: bool = False
    """Draw the curve even of samples that were ended by what they held, whose curve is biased."""
    csv: Annotated[Path | None, Neutral] = None
    """Also write the curves to this file: metric,k,mean,low,high,monte_carlo_se,mean_tok."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
