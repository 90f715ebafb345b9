"""Single turns against whole episodes where everything is known: when does training on turns save rollouts?

    N tasks of T turns; in each turn of each task a tabular policy over A actions, the first |M| of them acceptable
    H turns of a task are uncertain, p = pi_0(M) ~ Beta(1.2, 1.2); the others are routine, p = .999
    an episode succeeds when every turn's action is acceptable; success of a task = product of its turns' p

    end-to-end    B tasks, G episodes of each, T turns an episode, one reward for all of its actions
    pivots        K actions of each of the N T states decide which are trained on; then B G single turns a step, each
                  rewarded by itself
    random        the same without a profile, on all states

States share nothing, so nothing is said about interference between turns, which in networks works against training on
a few of them. What remains is the arithmetic of credit. One uncertain turn an episode: its group is as often mixed as
that of the turn alone, and whole episodes cost T turns where a pivot costs one, but a profile costs K T for every task.
Several uncertain turns: an episode's reward is the product of theirs; it is rare at first, and says of each turn only
what the others leave of it.

Every sampled action is counted. Sizes are a reconstruction; the question is that of PivotRL (arXiv 2603.21383), which
reports 4 times fewer turns than end-to-end training and does not say whether the profile is among them.

Shapes: N tasks, T turns, A actions, B groups of a step, G members of a group.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.moments import Floats, moments
from reasonry.training.pivotrl.selection import select
from reasonry.training.pivotrl.theory.tabular import group_gradient, policy_of_mass, sample_actions, softmax

Arm = Literal["end-to-end", "pivots", "random"]

_ROUTINE = 0.999


class Tasks(NamedTuple):
    """The tasks and how one trains on them.

    Attributes:
        num_tasks: N.
        num_turns: T.
        num_uncertain: H, of the T turns.
        num_actions: A.
        num_accepted: |M|.
        beta_weight: Both weights of the Beta distribution of uncertain turns.
        num_profile: K.
        group_size: G.
        batch_size: B.
        learning_rate: Of the logits.
        threshold: lambda of the selection.
    """

    num_tasks: int = 200
    num_turns: int = 12
    num_uncertain: int = 3
    num_actions: int = 12
    num_accepted: int = 3
    beta_weight: float = 1.2
    num_profile: int = 8
    group_size: int = 8
    batch_size: int = 32
    learning_rate: float = 1.0
    threshold: float = 0.75

    def start(self, *, seed: int) -> Floats:
        """Probabilities of the starting policy, shape ``(N, T, A)``; uncertain turns first, which decides nothing."""
        rng = seeds.stream(seed, "pivotrl", "tabular episodes", "tasks")
        shape = (self.num_tasks, self.num_turns)
        mass = rng.beta(self.beta_weight, self.beta_weight, shape)
        mass[:, self.num_uncertain :] = _ROUTINE
        return policy_of_mass(mass, num_actions=self.num_actions, num_accepted=self.num_accepted, rng=rng)

    def check(self) -> None:
        """Refuse tasks that nothing can be learned from.

        Raises:
            ConfigError: A size is out of range.
        """
        sizes = (self.num_tasks, self.num_profile, self.batch_size, self.group_size - 1)
        if min(sizes) < 1 or not 0 < self.num_accepted < self.num_actions:
            raise ConfigError(f"{self} has a size out of range", remedy="Groups have two members or more.")
        if not 0 < self.num_uncertain <= self.num_turns:
            raise ConfigError(f"{self.num_uncertain} uncertain turns of {self.num_turns}", remedy="1 to num_turns.")


class Turns(NamedTuple):
    """Sampled actions until a level of success was reached; infinite when it was not.

    Attributes:
        train: Those trained on.
        profile: Those of the profile.
        start_success: Mean success before training.
    """

    train: float
    profile: int
    start_success: float

    @property
    def total(self) -> float:
        """Both."""
        return self.train + self.profile


def turns_to_reach(
    level: float, arm: Arm, *, seed: int, tasks: Tasks | None = None, max_turns: int = 3_000_000
) -> Turns:
    """Train an arm until the mean success over tasks is ``level``, linear between steps.

    Args:
        level: Mean success of whole tasks.
        arm: How it is trained; all arms of a seed start from the same policy.
        seed: Of tasks, profile, batches and actions.
        tasks: Sizes.
        max_turns: Actions to train on before giving up.

    Raises:
        ConfigError: Unknown arm, or a size out of range.
    """
    if arm not in get_args(Arm):
        raise ConfigError(f"unknown arm={arm!r}", remedy=nearest(arm, get_args(Arm)))
    tasks = tasks or Tasks()
    tasks.check()
    N, T, A = tasks.num_tasks, tasks.num_turns, tasks.num_actions
    policy = tasks.start(seed=seed)
    logits = np.log(policy)
    start = before = _success(policy, tasks)
    rng = seeds.stream(seed, "pivotrl", "tabular episodes", arm)
    pool, profile = np.arange(N * T), 0
    if arm == "pivots":
        pool, profile = _pivots(policy, tasks, seed), tasks.num_profile * N * T
    spent = 0.0
    while spent < max_turns and before < level:
        if arm == "end-to-end":
            rows = rng.integers(0, N, tasks.batch_size)
            move, cost = _episodes(policy[rows], tasks, rng), tasks.batch_size * tasks.group_size * T
            np.add.at(logits, rows, tasks.learning_rate * move)
        else:
            states = rng.choice(pool, tasks.batch_size)
            rows = states // T
            move, cost = _single(policy.reshape(-1, A)[states], tasks, rng), tasks.batch_size * tasks.group_size
            np.add.at(logits.reshape(-1, A), states, tasks.learning_rate * move)
        policy[rows] = softmax(logits[rows])
        now = _success(policy, tasks)
        part = (level - before) / (now - before) if now >= level else 1.0
        spent, before = spent + part * cost, now
    return Turns(spent if before >= level else math.inf, profile, start)


def _success(policy_NTA: Floats, tasks: Tasks) -> float:
    return float(policy_NTA[..., : tasks.num_accepted].sum(axis=2).prod(axis=1).mean())


def _pivots(policy_NTA: Floats, tasks: Tasks, seed: int) -> NDArray[np.int64]:
    rng = seeds.stream(seed, "pivotrl", "tabular episodes", "profile")
    mass = policy_NTA[..., : tasks.num_accepted].sum(axis=2).reshape(-1, 1)
    reward = (rng.random((len(mass), tasks.num_profile)) < mass).astype(np.float64)
    return np.flatnonzero(select(moments(reward), threshold=tasks.threshold).mask_N)


def _single(policy_BA: Floats, tasks: Tasks, rng: np.random.Generator) -> Floats:
    """(1 / G) sum_i A_i (e_{a_i} - pi) of each state."""
    action_BG = sample_actions(policy_BA, tasks.group_size, rng)
    advantage_BG = advantages((action_BG < tasks.num_accepted).astype(np.float64)).advantage_PG
    return group_gradient(policy_BA, action_BG, advantage_BG)


def _episodes(policy_BTA: Floats, tasks: Tasks, rng: np.random.Generator) -> Floats:
    """The same for all turns of each task, with the advantages of whole episodes."""
    B, T, A = policy_BTA.shape
    action = sample_actions(policy_BTA.reshape(-1, A), tasks.group_size, rng)
    is_right_BG = (action.reshape(B, T, -1) < tasks.num_accepted).all(axis=1)
    advantage_BG = advantages(is_right_BG.astype(np.float64)).advantage_PG
    return group_gradient(policy_BTA.reshape(-1, A), action, advantage_BG.repeat(T, axis=0)).reshape(B, T, A)
