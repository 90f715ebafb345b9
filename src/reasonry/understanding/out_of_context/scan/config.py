"""Config of ``reasonry probe out-of-context scan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from reasonry.core.config import Config, Neutral

VERB = "probe out-of-context scan"


class ScanConfig(Config):
    """Which pairs of relations in a facts file a model may learn as a rule, and for whom; needs no model."""

    facts: tyro.conf.Positional[Path]
    """JSONL of triples (subject, relation, object) or of prompts with completions, or CSV with a row for each subject
    and a column for each relation."""
    templates: str = ""
    """TOML file, relation = "{s} lives in": how prompts are read that come without subject and relation; those of the
    made-up facts when not given."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Least share of bridge subjects whose answer is the commonest of their group, for a flag."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Level of the permutation test."""
    num_permutations: Annotated[int, Field(ge=19, le=10_000_000)] = 10_000
    """Most shuffles for a pair; large tables take fewer."""
    seed: int = 0
    """Of the shuffles."""
    max_flagged: Annotated[int | None, Neutral, Field(ge=0)] = None
    """Exit with code 1 if more pairs than this are flagged."""
    show: Annotated[int, Neutral, Field(ge=1)] = 20
    """Pairs in the printed table, and groups of each pair in the report."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
