"""Measurements behind the claims about theory: identities of tabular policies, and the signal of pivots' groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reasonry.core.claims import Measurement
from reasonry.errors import ConfigError
from reasonry.training.pivotrl.tabular_episodes import Tasks, turns_to_reach
from reasonry.training.pivotrl.tabular_pivots import Arm, ArmResult, train_arm
from reasonry.training.pivotrl.theory.identities import check_identities

ARMS: tuple[Arm, ...] = ("random", "mixed", "adv")


def largest_deviation(*, num_policies: int, num_actions: int, betas: Sequence[float], seed: int) -> Measurement:
    """Largest absolute deviation over all identities, policies, rewards and betas."""
    found = check_identities(num_policies=num_policies, num_actions=num_actions, seed=seed, betas=tuple(betas))
    name = max(found._fields[:-1], key=lambda field: getattr(found, field))
    detail = (
        f"maximum over {len(found) - 1} identities, attained by {name}; gradient of a degenerate group "
        f"{found.degenerate_gradient:g}; Var/beta^2 misses the speed of the path by {found.variance_speed:.2g} or more"
    )
    return Measurement(found.largest, found.largest, found.largest, num_policies * len(betas), seed, detail)


class Summary(NamedTuple):
    """One arm, one seed.

    Attributes:
        useful: Share of groups with a signal over the first steps.
        gradient_norm: Mean length of the gradient over B there.
        early: Mean success after the early step.
        rollouts: Actions to reach the target success, profiles included; infinite when not reached.
        late: Mean success at the end.
        late_useful: Share of groups with a signal over the last steps.
    """

    useful: float
    gradient_norm: float
    early: float
    rollouts: float
    late: float
    late_useful: float


def summarise(arm: ArmResult, *, window: int, early: int, target: float) -> Summary:
    """The numbers of one arm that are compared."""
    return Summary(
        float(arm.useful_T[:window].mean()),
        float(arm.gradient_norm_T[:window].mean()),
        float(arm.success_T[early - 1]),
        arm.rollouts_to(target),
        float(arm.success_T[-1]),
        float(arm.useful_T[-window:].mean()),
    )


def useful_groups(*, num_steps: int, window: int, early: int, target: float, num_seeds: int, seed: int) -> Measurement:
    """Share of groups with a signal over the first steps: pivots over random turns, as a ratio, one for each seed."""
    if num_seeds < 2:
        raise ConfigError(f"num_seeds={num_seeds} gives no interval", remedy="Use 10 or more.")
    table: dict[Arm, list[Summary]] = {arm: [] for arm in ARMS}
    for s in range(seed, seed + num_seeds):
        for arm in ARMS:
            result = train_arm(arm, num_steps=num_steps, seed=s)
            table[arm].append(summarise(result, window=window, early=early, target=target))
    ratio = np.array([p.useful / r.useful for p, r in zip(table["adv"], table["random"], strict=True)])
    half = _student_95(num_seeds - 1) * float(ratio.std(ddof=1)) / math.sqrt(num_seeds)
    value = float(ratio.mean())

    def row(field: str, digits: int = 3) -> str:
        shown = [f"{np.mean([getattr(s, field) for s in table[arm]]):.{digits}f}" for arm in ARMS]
        return "/".join(shown)

    pairs = [(r.rollouts, m.rollouts) for r, m in zip(table["random"], table["mixed"], strict=True)]
    speedups = [r / m for r, m in pairs if math.isfinite(r + m)]
    speedup = f"{np.median(speedups):.2f} (median of {len(speedups)} seeds)" if speedups else "never reached by both"
    detail = (
        f"95 % t interval over seeds; random/mixed/adv: useful {row('useful')}, |g|/B {row('gradient_norm')}, "
        f"success after {early} steps {row('early')}, after {num_steps} {row('late')} with useful "
        f"{row('late_useful')}; rollouts to {target:g}, random over mixed with its profile: {speedup}"
    )
    return Measurement(value, value - half, value + half, num_seeds, seed, detail)


def fewer_turns(
    *, level: float, num_turns: int, num_uncertain: int, num_seeds: int, seed: int, count: str = "total"
) -> Measurement:
    """Sampled turns of end-to-end training over those of training on pivots, until both reach a level of success.

    Args:
        level: Mean success of whole tasks.
        num_turns: Of a task.
        num_uncertain: Turns of a task that are not routine.
        num_seeds: Repetitions.
        seed: Of the first.
        count: ``total`` counts the profile's turns as well, ``train`` does not; the other is in the detail.
    """
    if num_seeds < 2:
        raise ConfigError(f"num_seeds={num_seeds} gives no interval", remedy="Use 10 or more.")
    tasks = Tasks(num_turns=num_turns, num_uncertain=num_uncertain)
    found = {
        arm: [turns_to_reach(level, arm, seed=s, tasks=tasks) for s in range(seed, seed + num_seeds)]
        for arm in ("end-to-end", "pivots", "random")
    }
    logs = {
        kind: np.log(
            [getattr(e, kind) / getattr(p, kind) for e, p in zip(found["end-to-end"], found["pivots"], strict=True)]
        )
        for kind in ("train", "total")
    }
    mean = {arm: float(np.mean([t.train for t in turns])) for arm, turns in found.items()}
    ratio = {kind: math.exp(float(log.mean())) for kind, log in logs.items()}
    half = _student_95(num_seeds - 1) * float(logs[count].std(ddof=1)) / math.sqrt(num_seeds)
    start = float(np.mean([t.start_success for t in found["pivots"]]))
    detail = (
        f"SIMULATION, tabular; from {start:.0%} to {level:.0%} in tasks of {num_turns} turns, {num_uncertain} "
        f"uncertain: end-to-end {mean['end-to-end']:.0f} turns, random turns {mean['random']:.0f}, pivots "
        f"{mean['pivots']:.0f} and {found['pivots'][0].profile} to profile; ratio {ratio['train']:.2f} without the "
        f"profile, {ratio['total']:.2f} with it; geometric mean and t interval of its logarithm over seeds"
    )
    value = ratio[count]
    return Measurement(value, value * math.exp(-half), value * math.exp(half), num_seeds, seed, detail)


def _student_95(dof: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(dof, 0.975))
