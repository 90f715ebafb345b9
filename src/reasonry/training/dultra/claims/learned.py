"""Measurements behind the claims about trained models: each trains a small denoiser on the spot, and what it needs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reasonry.core.claims import Measurement

if TYPE_CHECKING:
    from reasonry.training.dultra.frontier.results import PolicyResult


def entropy_floor(*, task: str, num_steps: int, num_seeds: int, seed: int) -> Measurement:
    """Bound on the negative log-likelihood of a trained denoiser less the entropy of the task, nats a token.

    The entropy is a floor that no honest denoiser goes below: one that sees what it should predict does.

    Args:
        task: With known entropy.
        num_steps: Optimiser steps of each denoiser.
        num_seeds: Denoisers.
        seed: Of the first.
    """
    from reasonry.core.config import from_dict
    from reasonry.training.dultra.config import PretrainConfig
    from reasonry.training.dultra.stages.pretrain import pretrain

    gaps, errors, floor = list[float](), list[float](), math.nan
    with tempfile.TemporaryDirectory() as folder:
        for s in range(seed, seed + num_seeds):
            values = {"task": task, "num_steps": num_steps, "seed": s, "run": Path(folder) / str(s)}
            bound = pretrain(from_dict(PretrainConfig, values)).bound
            assert bound.floor_nats is not None, f"{task} has no known entropy"
            floor = bound.floor_nats
            gaps.append(bound.nelbo_nats - floor)
            errors.append(bound.stderr_nats)
    mean = float(np.mean(gaps))
    half = 1.96 * math.sqrt(float(np.sum(np.square(errors)))) / num_seeds
    shown = ", ".join(f"{gap:+.4f} ± {1.96 * error:.4f}" for gap, error in zip(gaps, errors, strict=True))
    detail = f"floor {floor:.4f} nats a token; {num_seeds} denoisers of {num_steps} steps: {shown}; normal interval"
    return Measurement(mean, mean - half, mean + half, num_seeds, seed, detail)


class Outcome(NamedTuple):
    """What one seed came to.

    Attributes:
        planner: The planner's setting with the fewest passes at the accuracy; None when none has it.
        rule: The same among rules.
        distinct: Share of distinct answers to one prompt by the best planner's own coins; None where not measured.
    """

    planner: PolicyResult | None
    rule: PolicyResult | None
    distinct: float | None


def train_and_compare(
    task: str, *, accuracy: float, seed: int, folder: Path, planner: Mapping[str, Any] | None = None
) -> Outcome:
    """Train a denoiser and a planner, and decode the same prompts with the planner and with every rule.

    Args:
        task: Over symbols.
        accuracy: To be reached.
        seed: Root of everything drawn.
        folder: Of the run.
        planner: Settings of the planner's training other than the defaults.
    """
    from reasonry.core.config import from_dict
    from reasonry.training.dultra.config import WholeConfig
    from reasonry.training.dultra.frontier.results import fewest_passes
    from reasonry.training.dultra.stages.whole import train_whole

    values: dict[str, Any] = {"task": task, "seed": seed, "run": folder, "policies": ("sweep",)}
    if planner:
        values["planner"] = dict(planner)
    done = train_whole(from_dict(WholeConfig, values))
    assert done.compared is not None
    found = done.compared.result.policies
    good = [p for p in found if p.accuracy.value >= accuracy]
    planned = [p for p in good if p.family.startswith("planner")]
    rules = [p for p in good if not p.family.startswith("planner")]
    own = [p.distinct for p in found if p.family == "planner:threshold" and p.distinct is not None]
    return Outcome(fewest_passes(planned), fewest_passes(rules), own[0] if own else None)


def planner_beats_heuristics(*, task: str, accuracy: float, num_seeds: int, seed: int) -> Measurement:
    """Forward passes of the learned planner at an accuracy: the second best of three seeds, or the median of more.

    Args:
        task: Over symbols.
        accuracy: To be reached, by planner and rules.
        num_seeds: Repetitions, each with its own denoiser.
        seed: Of the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = [
            train_and_compare(task, accuracy=accuracy, seed=s, folder=Path(folder) / str(s))
            for s in range(seed, seed + num_seeds)
        ]
    passes = sorted(o.planner.nfe.value if o.planner else math.inf for o in found)
    value = passes[num_seeds // 2]
    detail = f"median of {num_seeds} seeds, each with its own denoiser; at {accuracy:.0%} or better, " + "; ".join(
        f"seed {seed + i}: planner {told(o.planner)}, best rule {told(o.rule)}{_faster(o)}" for i, o in enumerate(found)
    )
    return Measurement(value, value, value, num_seeds, seed, detail)


def told(found: PolicyResult | None) -> str:
    """Its setting, passes and accuracy in a few words."""
    if found is None:
        return "never"
    return f"{found.label} {found.nfe.value:.2f} passes right {found.accuracy.value:.3f}"


def _faster(outcome: Outcome) -> str:
    if outcome.planner is None or outcome.rule is None:
        return ""
    return f" ({outcome.rule.seconds / outcome.planner.seconds:.1f} times the seconds)"
