"""What holds for controllers whatever the rewards are, and in whatever order they come."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reasonry.core.seeds import stream
from reasonry.test_time.self_correction.controllers import CONTROLLERS, Exp3, Hedge, make_controller
from reasonry.test_time.self_correction.regret import cumulative_regret, hedge_bound

BANDITS = tuple(name for name in CONTROLLERS if name != "hedge")

names = st.sampled_from(BANDITS)
nums = st.integers(1, 6)
# Each number is a reward; the flag says that it comes only after the next choice.
plays = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)
rewards = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 60), st.integers(1, 6)), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])
)


@given(name=names, num_arms=nums, plays=plays, seed=st.integers(0, 2**32), cut=st.integers(0, 40))
def test_a_controller_that_was_written_down_and_read_again_continues_the_same(
    name: str, num_arms: int, plays: list[tuple[float, bool]], seed: int, cut: int
) -> None:
    controller = make_controller(name, num_arms)
    twin = None
    ours, theirs = stream(seed, "play"), stream(seed, "play")
    late: list[tuple[int, float]] = []
    for t, (reward, is_late) in enumerate(plays):
        if t == cut:
            twin = make_controller(name, num_arms)
            twin.restore(json.loads(json.dumps(controller.state())))
            theirs = copy.deepcopy(ours)
        arm = controller.choose(ours)
        assert 0 <= arm < num_arms
        if twin is not None:
            assert twin.choose(theirs) == arm
        late.append((arm, reward))
        while late and not is_late:
            settled = late.pop(0)
            controller.update(*settled)
            if twin is not None:
                twin.update(*settled)
    if twin is not None:
        assert twin.state() == controller.state()
    assert sum(controller.played()) == len(plays)


@given(name=names, num_arms=nums, plays=plays, seed=st.integers(0, 2**32))
def test_the_chances_of_the_next_choice_are_a_law(
    name: str, num_arms: int, plays: list[tuple[float, bool]], seed: int
) -> None:
    controller = make_controller(name, num_arms)
    source = stream(seed, "law")
    for reward, _ in plays:
        probs = controller.probs()
        if probs is not None:
            assert probs.shape == (num_arms,)
            assert (probs >= 0).all()
            assert probs.sum() == pytest.approx(1.0)
        arm = controller.choose(source)
        if probs is not None:
            assert probs[arm] > 0
        controller.update(arm, reward)


@given(rewards_TK=rewards)
def test_hedge_never_exceeds_its_bound(rewards_TK: np.ndarray) -> None:
    num_plays, num_arms = rewards_TK.shape
    for horizon in (num_plays, None):
        controller = Hedge(num_arms, horizon=horizon)
        probs = []
        for reward_K in rewards_TK:
            probs.append(controller.probs())
            controller.update_all(reward_K.tolist())
        bound = hedge_bound(num_plays, num_arms, anytime=horizon is None)
        assert cumulative_regret(rewards_TK, np.array(probs)) <= bound + 1e-9


@given(num_arms=st.integers(2, 5), plays=plays, last=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_the_estimated_gains_of_exp3_are_unbiased(
    num_arms: int, plays: list[tuple[float, bool]], last: list[float]
) -> None:
    controller = Exp3(num_arms, horizon=100)
    for t, (reward, _) in enumerate(plays):
        controller.update(t % num_arms, reward)
    probs = controller.probs()
    mean_gain = np.zeros(num_arms)
    for arm in range(num_arms):
        branch = copy.deepcopy(controller)
        branch.update(arm, last[arm])
        mean_gain += probs[arm] * (np.array(branch.gains) - np.array(controller.gains))
    assert mean_gain == pytest.approx(last[:num_arms], abs=1e-9)
