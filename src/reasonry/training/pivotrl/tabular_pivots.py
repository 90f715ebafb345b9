"""Pivots against random turns where everything is known: many independent states with a tabular policy each.

    N states, A actions, the first |M| of them acceptable; conditionals of the starting policy ~ Dirichlet(1, ..., 1)
    p = pi_0(M):  55 % of the states .999 (routine),  of the others 35 % .001 (hopeless),  the rest Beta(1.2, 1.2)
    step:         B states of the arm, G actions of each, theta_s += lr (1 / G) sum_i A_i (e_{a_i} - pi_s)

An arm is a set of states to draw from: all of them (``random``), or those that a profile of K actions selects
(``mixed``, ``adv``); ``hard`` is the negative control. States share nothing, so an arm can only lift what it visits.
Advantages are divided by the std of the group, as GRPO does.

Two facts, both of which matter:
* in the first steps most groups of random turns carry no signal, most groups of pivots do, and pivots are there sooner;
* a set that is chosen once is used up: what remains of it is mastered, and random turns overtake it. Profiling again
  with the current policy, every so many steps, or when most groups have lost their signal, cures that.

Every sampled action is counted, those of profiles too.

Shapes: N states, A actions, B states of a step, G actions of a group, T steps. The experiment follows PivotRL (arXiv
2603.21383), figure 3 and table 6, at a scale that takes seconds; its sizes, and the trigger of re-profiling, are a
reconstruction.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.moments import Floats, moments
from reasonry.training.pivotrl.selection import select
from reasonry.training.pivotrl.theory.tabular import group_gradient, policy_of_mass, sample_actions, softmax

Arm = Literal["random", "mixed", "adv", "hard"]

_ROUTINE, _HOPELESS = 0.999, 0.001


class World(NamedTuple):
    """The states and how one trains in them.

    Attributes:
        num_states: N.
        num_actions: A of each state.
        num_accepted: Acceptable actions |M|.
        share_routine: Share of states in which the model succeeds with probability .999.
        share_hopeless: Of the others, the share with .001.
        beta_weight: Both weights of the Beta distribution of the rest.
        num_profile: Actions K of a profile.
        group_size: Actions G of a group.
        batch_size: States B of a step.
        learning_rate: Of the logits.
        threshold: lambda of ``adv``.
    """

    num_states: int = 2000
    num_actions: int = 12
    num_accepted: int = 3
    share_routine: float = 0.55
    share_hopeless: float = 0.35
    beta_weight: float = 1.2
    num_profile: int = 8
    group_size: int = 8
    batch_size: int = 32
    learning_rate: float = 1.0
    threshold: float = 0.75

    def start(self, *, seed: int) -> Floats:
        """Probabilities of the starting policy, shape ``(N, A)``."""
        rng = seeds.stream(seed, "pivotrl", "tabular", "world")
        kind, hopeless = rng.random(self.num_states), rng.random(self.num_states)
        mass = rng.beta(self.beta_weight, self.beta_weight, self.num_states)
        mass = np.where(hopeless < self.share_hopeless, _HOPELESS, mass)
        mass = np.where(kind < self.share_routine, _ROUTINE, mass)
        return policy_of_mass(mass, num_actions=self.num_actions, num_accepted=self.num_accepted, rng=rng)

    def check(self) -> None:
        """Refuse a world in which nothing can be trained.

        Raises:
            ConfigError: A size or a share is out of range.
        """
        sizes = (self.num_states, self.num_profile, self.group_size, self.batch_size)
        if min(sizes) < 1 or not 0 < self.num_accepted < self.num_actions or self.batch_size > self.num_states:
            raise ConfigError(f"{self} has a size out of range", remedy="A batch cannot exceed the states.")
        if not (0 <= self.share_routine <= 1 and 0 <= self.share_hopeless <= 1 and self.beta_weight > 0):
            raise ConfigError(f"{self} has a share out of range", remedy="Shares are within [0, 1].")


class Reprofile(NamedTuple):
    """When to profile every state again with the current policy, and select anew.

    Attributes:
        every: After this many steps; None never.
        when_useless: When the mean share of groups without a signal exceeds this over the last ``window`` steps;
            None never.
        window: Steps that are averaged.
        gap: Fewest steps between two profiles for ``when_useless``: once little is left to learn it would ask for one
            after every window, and profiles would cost more than training.
    """

    every: int | None = None
    when_useless: float | None = None
    window: int = 25
    gap: int = 100

    def is_due(self, useless: Sequence[float]) -> bool:
        """Whether it is, after steps with these shares of useless groups since the last profile."""
        if self.every is not None and len(useless) >= self.every:
            return True
        if self.when_useless is None or len(useless) < max(self.window, self.gap):
            return False
        return math.fsum(useless[-self.window :]) / self.window > self.when_useless


NEVER = Reprofile()


class ArmResult(NamedTuple):
    """What happened to one arm.

    Attributes:
        arm: Which.
        pool_sizes: States of the arm, after each selection.
        useful_T: Share of groups with a signal at each step.
        gradient_norm_T: Length of the gradient of the batch over B, at each step.
        success_T: Mean success over all N states after each step.
        num_rollouts_T: Actions sampled until after each step, those of profiles included.
        start_success: Before the first step.
        reprofiled_at: Steps after which states were profiled again.
    """

    arm: Arm
    pool_sizes: tuple[int, ...]
    useful_T: Floats
    gradient_norm_T: Floats
    success_T: Floats
    num_rollouts_T: NDArray[np.int64]
    start_success: float
    reprofiled_at: tuple[int, ...]

    def rollouts_to(self, success: float) -> float:
        """Actions until the mean success is reached, linear between steps; infinite when it never is."""
        there = np.flatnonzero(self.success_T >= success)
        if not there.size:
            return math.inf
        t = int(there[0])
        if t == 0:
            return float(self.num_rollouts_T[0])
        before, after = float(self.success_T[t - 1]), float(self.success_T[t])
        part = (success - before) / (after - before)
        return float(self.num_rollouts_T[t - 1] + part * (self.num_rollouts_T[t] - self.num_rollouts_T[t - 1]))


def train_arm(
    arm: Arm, *, num_steps: int, seed: int, world: World | None = None, reprofile: Reprofile = NEVER
) -> ArmResult:
    """Train on the states of one arm, in smaller batches when fewer are left than make one.

    Args:
        arm: Where states are drawn from. All arms of a seed start from the same policy and the same profile.
        num_steps: Steps T.
        seed: Of world, profiles, batches and actions.
        world: Sizes; the default is the one of the published comparison.
        reprofile: When to select anew; ``random`` has nothing to select.

    Raises:
        ConfigError: Unknown arm, a size out of range, or an arm without states.
    """
    if arm not in get_args(Arm):
        raise ConfigError(f"unknown arm={arm!r}", remedy=nearest(arm, get_args(Arm)) or "Use random, mixed or adv.")
    world = world or World()
    world.check()
    if (
        num_steps < 1
        or min(reprofile.window, reprofile.gap) < 1
        or (reprofile.every is not None and reprofile.every < 1)
    ):
        raise ConfigError(f"num_steps={num_steps} with {reprofile} has no steps", remedy="Steps count from 1.")
    if arm == "random" and reprofile != NEVER:
        raise ConfigError("random turns are not selected, so nothing can be profiled again", remedy="Use mixed or adv.")
    policy = world.start(seed=seed)
    logits = np.log(policy)
    success = policy[:, : world.num_accepted].sum(axis=1)
    start_success = float(success.mean())
    rng = seeds.stream(seed, "pivotrl", "tabular", "train", arm)

    pool, rollouts = _pool(arm, policy, world, seed, 0)
    if not pool.size:
        raise ConfigError(f"{arm} has none of {world.num_states} states", remedy="Raise num_states or threshold.")
    sizes, again, since = [len(pool)], list[int](), list[float]()
    useful, norm, mean = (np.empty(num_steps) for _ in range(3))
    spent = np.empty(num_steps, dtype=np.int64)
    for t in range(num_steps):
        state = rng.choice(pool, min(world.batch_size, len(pool)), replace=False)
        move, is_useless = _group_gradients(policy[state], world, rng)
        logits[state] += world.learning_rate * move
        policy[state] = softmax(logits[state])
        success[state] = policy[state, : world.num_accepted].sum(axis=1)
        rollouts += state.size * world.group_size
        useful[t], norm[t] = 1.0 - is_useless.mean(), np.sqrt((move**2).sum()) / state.size
        mean[t], spent[t] = success.mean(), rollouts
        since.append(float(is_useless.mean()))
        if arm != "random" and t + 1 < num_steps and reprofile.is_due(since):
            found, cost = _pool(arm, policy, world, seed, t + 1)
            rollouts += cost
            since.clear()
            again.append(t + 1)
            sizes.append(len(found))
            if found.size:  # otherwise there is nothing left to learn, and the old ones do no harm
                pool = found
    return ArmResult(arm, tuple(sizes), useful, norm, mean, spent, start_success, tuple(again))


def _pool(arm: Arm, policy_NA: Floats, world: World, seed: int, step: int) -> tuple[NDArray[np.int64], int]:
    """States of the arm, and what it took to know them."""
    if arm == "random":
        return np.arange(world.num_states), 0
    rng = seeds.stream(seed, "pivotrl", "tabular", "profile", step)
    action = sample_actions(policy_NA, world.num_profile, rng)
    profile = moments((action < world.num_accepted).astype(np.float32))
    chosen = select(profile, method=arm, threshold=world.threshold)
    return np.flatnonzero(chosen.mask_N), world.num_states * world.num_profile


def _group_gradients(policy_BA: Floats, world: World, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """(1 / G) sum_i A_i (e_{a_i} - pi) of each state, and which groups had no signal."""
    action_BG = sample_actions(policy_BA, world.group_size, rng)
    found = advantages((action_BG < world.num_accepted).astype(np.float64))
    return group_gradient(policy_BA, action_BG, found.advantage_PG), found.is_useless_P
