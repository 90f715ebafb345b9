"""Config of the comparison on the desk."""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reasonry.core.config import Config, Extends, Neutral

ArmName = Literal[
    "sft",
    "rejection-sft",
    "random-functional",
    "random-strict",
    "pivots-functional",
    "pivots-strict",
    "pivots-kl",
    "pivots-reprofiled",
    "hard-functional",
    "online-filter",
    "end-to-end",
]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class DeskConfig(Config):
    """Compare ways of training on demonstrations, on the same demonstrations and from the same base model."""

    world: Literal["plain", "hard"] = "plain"
    """Which help desk: 4 turns and 24 cells, or 11 turns, 108 cells, noisy demonstrations and a held-out block."""
    arms: tuple[ArmName, ...] = (
        "sft",
        "rejection-sft",
        "random-functional",
        "random-strict",
        "pivots-functional",
        "pivots-strict",
        "online-filter",
        "end-to-end",
    )
    """Ways of training."""
    num_seeds: Annotated[int, Extends, Field(ge=1)] = 3
    """Repetitions, which differ in demonstrations, samples and order; the base model is one."""
    num_demos: Count = 1200
    """Demonstrations; each of their assistant turns is a candidate."""
    outcome: Literal["right", "any"] = "right"
    """Which of them are used: those without a wrong action, as pivots extract does, or all. Only the hard world's
    demonstrator errs."""
    k: Annotated[int, Field(ge=2)] = 8
    """Samples of each candidate when it is profiled."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Mean reward below which a mixed candidate is a pivot. RECONSTRUCTED, as in the selection."""
    num_steps: Count = 100
    """Optimiser steps of single-turn RL."""
    prompts_per_step: Count = 32
    """States of a step, B."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Samples of each, G."""
    lr: Positive = 2e-4
    """Learning rate of all RL, constant."""
    beta: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the KL to the base model in pivots-kl; it is 0 elsewhere."""
    reprofile_every: Count = 50
    """Steps after which pivots-reprofiled profiles all candidates with the policy as it is. RECONSTRUCTED."""
    max_refills: Annotated[int, Field(ge=1, le=64)] = 4
    """Draws of online-filter for one step."""
    num_end_to_end_steps: Count = 60
    """Optimiser steps of end-to-end RL; a step plays B * G whole episodes."""
    sft_lrs: tuple[Positive, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates that imitation is swept over; each of its looks is a point of the sweep."""
    num_sft_steps: Count = 200
    """Optimiser steps of imitation."""
    sft_batch: Count = 64
    """Demonstrations of an imitation step; of accepted samples as many tokens' worth of turns."""
    look_every: Count = 20
    """Steps between measurements."""
    num_test: Annotated[int, Field(ge=3)] = 300
    """Test episodes of the desk, and of the hotel."""
    num_items: Count = 100
    """Test items of each far skill."""
    num_states: Count = 96
    """Desk states whose actions are enumerated for the KL."""
    seed: int = 0
    """Root of every random stream."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
