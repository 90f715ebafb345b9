"""Config of ``reasonry plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from reasonry.core.config import Config, Neutral
from reasonry.test_time.selection import StepAggregation

Share = Annotated[float | None, Field(ge=0, le=1)]


class PlanConfig(Config):
    """From a pilot's samples, plan how many are needed by voting, selection and self-correction, and at what cost."""

    pilot: tyro.conf.Positional[Path]
    """Samples: a run directory of reasonry solve, or a JSON Lines file with one row per sample or per problem."""
    target: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Success asked for: the share of prompts answered rightly, or, for one prompt, its probability."""
    price_per_mtok: Annotated[float | None, Field(ge=0)] = None
    """Money per million completion tokens; without it costs are in tokens."""
    recall: Share = None
    """How often a verifier you could use accepts a right answer; give it with false-accept."""
    false_accept: Share = None
    """How often it accepts a wrong one."""
    max_n: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Samples per prompt beyond which you would not go."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Coverage of all intervals."""
    aggregate: StepAggregation = "last"
    """How a list of step scores becomes a sample's score."""
    seed: int = 0
    """Root of the bootstrap and of simulated votes."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
