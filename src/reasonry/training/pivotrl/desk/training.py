"""Train one arm and look at it under way: the loop that all arms share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from reasonry.core import seeds
from reasonry.core.plain import plain
from reasonry.core.tiny import TinyGPT
from reasonry.tasks.desk.configs import world_of
from reasonry.tasks.desk.demos import draw_demonstrations
from reasonry.tasks.desk.world import right_codes
from reasonry.training.pivotrl.desk.arms import Arm
from reasonry.training.pivotrl.desk.base import load_base
from reasonry.training.pivotrl.desk.config import DeskConfig
from reasonry.training.pivotrl.desk.ledger import Ledger
from reasonry.training.pivotrl.desk.measuring import Drift, Measured, Reference, draw_test, make_reference, measure
from reasonry.training.pivotrl.desk.policy import copy_policy
from reasonry.training.pivotrl.desk.profile import candidates_of, profile
from reasonry.training.pivotrl.desk.steps import Lab, Step

_MAX_GRAD_NORM = 1.0


class Signal(NamedTuple):
    """Means over the steps since the last look; NaN for imitation.

    Attributes:
        reward: Mean reward.
        variance: Variance of rewards within groups.
        useless: Share of groups without a signal.
        grad_norm: Norm of the gradient before clipping; 0 for steps without a signal.
    """

    reward: float
    variance: float
    useless: float
    grad_norm: float


class Look(NamedTuple):
    """A policy under way.

    Attributes:
        step: Optimiser steps done.
        ledger: Costs so far.
        signal: Of the steps since the last look.
        found: What it can do.
    """

    step: int
    ledger: Ledger
    signal: Signal
    found: Measured


def make_lab(config: DeskConfig, *, index: int, say: Callable[[str], None] = lambda line: None) -> Lab:
    """Demonstrations, candidates and profile of repetition ``index``."""
    world = world_of(config.world)
    seed = seeds.derive(config.seed, "desk", "repetition", index)
    base = load_base(config.world, say=say)
    demos = draw_demonstrations(seeds.stream(seed, "desk", "demonstrations"), config.num_demos, world=world)
    if config.outcome == "right":
        demos = demos.at(np.flatnonzero((demos.code_BT == right_codes(world, demos.episodes)).all(axis=1)))
    candidates = candidates_of(world, demos)
    say(f"profiling {len(candidates.code_N)} candidates, {config.k} samples each")
    return Lab(
        config=config,
        world=world,
        base=base,
        demos=demos,
        candidates=candidates,
        profiled=profile(base, world, candidates, k=config.k, seed=seed),
        seed=seed,
    )


def make_test(config: DeskConfig, base: TinyGPT) -> Reference:
    """What every policy of a comparison is tested on, and held against."""
    test = draw_test(
        world_of(config.world),
        num=config.num_test,
        num_items=config.num_items,
        num_states=config.num_states,
        seed=seeds.derive(config.seed, "desk", "test"),
    )
    return make_reference(base, test)


def look_steps(num_steps: int, every: int) -> list[int]:
    """Steps after which a policy is measured: multiples of ``every``, and the last."""
    return sorted({*range(every, num_steps + 1, every), num_steps})


def train_arm(
    arm: Arm,
    lab: Lab,
    test: Reference,
    *,
    lr: float,
    num_steps: int,
    looks: Sequence[int] = (),
    on_step: Callable[[], None] = lambda: None,
) -> list[Look]:
    """Train one arm from the base model.

    Args:
        arm: The way of training.
        lab: What it works with.
        test: What it is measured on and held against.
        lr: Learning rate, constant.
        num_steps: Optimiser steps.
        looks: Steps after which it is measured; the last one is always.
        on_step: Called after every step.
    """
    model = copy_policy(lab.base)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    steps = arm.steps(lab)
    ledger = lab.profiled.ledger if arm.needs_profile else Ledger()
    since: list[tuple[float, float, float, float]] = []
    found: list[Look] = []
    for at in range(num_steps):
        start_s = time.perf_counter()
        step = steps(model, at)
        norm = _update(model, optimizer, step)
        train_s = time.perf_counter() - start_s - step.costs.get("profile_s", 0.0)
        ledger = ledger.plus(**step.costs, train_s=train_s)
        since.append((step.reward, step.variance, step.useless, norm))
        on_step()
        if at + 1 in looks or at + 1 == num_steps:
            signal = Signal(*(float(x) for x in np.mean(since, axis=0)))
            found.append(Look(at + 1, ledger, signal, measure(model, test)))
            since.clear()
    return found


def _update(model: TinyGPT, optimizer: torch.optim.Optimizer, step: Step) -> float:
    optimizer.zero_grad(set_to_none=True)
    if step.loss is None:
        return 0.0
    step.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), _MAX_GRAD_NORM)
    optimizer.step()
    return float(norm)


# ---------------------------------------------------------------- kept in a run


def look_to_json(look: Look) -> dict[str, Any]:
    """A look as JSON values; what is undefined is null."""
    found = {**look.found._asdict(), "drift": look.found.drift._asdict()}
    return plain({"step": look.step, "ledger": look.ledger.to_json(), "signal": look.signal._asdict(), "found": found})


def look_from_json(row: Mapping[str, Any]) -> Look:
    """The look of `look_to_json`.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is of another kind, or unknown.
    """
    return Look(
        int(row["step"]), Ledger.from_json(row["ledger"]), Signal(**_numbers(row["signal"])), measured_of(row["found"])
    )


def measured_of(row: Mapping[str, Any]) -> Measured:
    """What was measured, from JSON values.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is of another kind, or unknown.
    """
    own = {k: v for k, v in row.items() if k not in ("skills", "drift")}
    return Measured(**_numbers(own), skills=_numbers(row["skills"]), drift=Drift(**_numbers(row["drift"])))


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float("nan") if value is None else float(value) for name, value in row.items()}
