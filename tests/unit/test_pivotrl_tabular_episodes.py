"""Whole episodes against single turns in tables: what is counted, what one uncertain turn comes to, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reasonry.errors import ConfigError
from reasonry.training.pivotrl.tabular_episodes import Tasks, Turns, turns_to_reach


def test_the_start_has_the_stated_law() -> None:
    tasks = Tasks(num_tasks=4000, num_turns=5, num_uncertain=2)
    policy = tasks.start(seed=1)
    np.testing.assert_allclose(policy.sum(axis=2), 1.0, atol=1e-12)
    mass = policy[..., :3].sum(axis=2)
    np.testing.assert_allclose(mass[:, 2:], 0.999)
    assert abs(mass[:, :2].mean() - 0.5) < 4 * math.sqrt(0.25 / 3.4 / 8000)  # Var Beta(a, a) = 1 / (4 (2a + 1))
    assert abs(turns_to_reach(0.0, "random", seed=1, tasks=tasks).start_success - 0.25 * 0.999**3) < 0.01


def test_nothing_is_trained_where_the_level_is_reached_already() -> None:
    found = turns_to_reach(0.1, "pivots", seed=0, tasks=Tasks(num_tasks=20, num_turns=3, num_uncertain=1))
    assert found.train == 0
    assert found.profile == 8 * 20 * 3
    assert found.total == found.profile


def test_tasks_of_one_turn_are_the_same_by_episodes_and_by_turns() -> None:
    tasks = Tasks(num_tasks=100, num_turns=1, num_uncertain=1)
    ratio = [
        turns_to_reach(0.65, "end-to-end", seed=s, tasks=tasks).train
        / turns_to_reach(0.65, "random", seed=s, tasks=tasks).train
        for s in range(12)
    ]
    assert abs(np.mean(np.log(ratio))) < 4 * np.std(np.log(ratio), ddof=1) / math.sqrt(12)


def test_an_episode_pays_for_all_of_its_turns() -> None:
    short, long = (Tasks(num_tasks=100, num_turns=t, num_uncertain=1) for t in (2, 12))
    turns = [[turns_to_reach(0.6, "end-to-end", seed=s, tasks=t).train for s in range(4)] for t in (short, long)]
    assert 3 < np.mean(turns[1]) / np.mean(turns[0]) < 12


def test_pivots_save_turns_where_several_are_uncertain_and_a_fixed_set_never_reaches_the_top() -> None:
    tasks = Tasks(num_tasks=100)
    whole = turns_to_reach(0.3, "end-to-end", seed=5, tasks=tasks)
    pivots = turns_to_reach(0.3, "pivots", seed=5, tasks=tasks)
    assert whole.total > 2 * pivots.total
    assert whole.train > 5 * pivots.train
    assert turns_to_reach(0.95, "pivots", seed=5, tasks=tasks, max_turns=100_000) == Turns(
        math.inf, pivots.profile, pivots.start_success
    )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="end-to-end"):
        turns_to_reach(0.5, "end-to-and", seed=0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="13 uncertain turns of 12"):
        turns_to_reach(0.5, "random", seed=0, tasks=Tasks(num_uncertain=13))
    with pytest.raises(ConfigError, match="out of range"):
        turns_to_reach(0.5, "random", seed=0, tasks=Tasks(group_size=1))
