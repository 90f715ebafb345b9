"""Controllers against values worked out by hand, and regret against its bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.self_correction.base import Controller
from reasonry.test_time.self_correction.controllers import CONTROLLERS, Exp3, Halving, Hedge, make_controller
from reasonry.test_time.self_correction.regret import (
    correction_bound,
    cumulative_regret,
    exp3_bound,
    hedge_bound,
    simple_regret,
    ucb1_bound,
)

BANDITS = tuple(name for name in CONTROLLERS if name != "hedge")


def rng(*names: str | int) -> np.random.Generator:
    return stream(0, "test_controllers", *names)


def play(controller: Controller, rewards: Callable[[int, int], float], num: int, *, seed: int = 0) -> list[int]:
    """Choose and update in turn; returns the arms."""
    source, arms = rng("play", seed), []
    for t in range(num):
        arm = controller.choose(source)
        controller.update(arm, rewards(t, arm))
        arms.append(arm)
    return arms


def bernoulli(means: list[float], num: int, *, seed: int) -> np.ndarray:
    return (rng("rewards", seed).random((num, len(means))) < np.array(means)).astype(float)


# ---------------------------------------------------------------- formulas


def test_uniform_gives_every_arm_the_same_chance_and_round_robin_takes_turns() -> None:
    assert make_controller("uniform", 4).probs() == pytest.approx([0.25] * 4)
    assert play(make_controller("round-robin", 3), lambda t, a: 1.0, 7) == [0, 1, 2, 0, 1, 2, 0]


def test_round_robin_takes_turns_among_attempts_in_flight() -> None:
    controller = make_controller("round-robin", 3)
    assert [controller.choose(rng()) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_epsilon_greedy_tries_each_arm_and_then_takes_the_best_mean() -> None:
    controller = make_controller("epsilon-greedy:0.3", 3)
    for arm, reward in enumerate([0.2, 0.9, 0.5]):
        assert controller.probs() == pytest.approx([0.8 if a == arm else 0.1 for a in range(3)])
        controller.update(arm, reward)
    assert controller.probs() == pytest.approx([0.1, 0.8, 0.1])
    controller.update(1, 0.0)  # mean 0.45, below arm 2
    assert controller.probs() == pytest.approx([0.1, 0.1, 0.8])


def test_ucb1_comes_back_to_the_worse_arm_when_its_bound_is_the_higher() -> None:
    # Means 1 and 0: arm 1 again as soon as sqrt(2 ln t) (1 - 1 / sqrt(t - 1)) > 1, which is at t = 6 plays.
    assert math.sqrt(2 * math.log(5)) * (1 - 1 / 2) < 1 < math.sqrt(2 * math.log(6)) * (1 - 1 / math.sqrt(5))
    assert play(make_controller("ucb1", 2), lambda t, a: 1.0 - a, 8) == [0, 1, 0, 0, 0, 0, 1, 0]


def test_ucb1_spreads_attempts_in_flight() -> None:
    controller = make_controller("ucb1", 3)
    assert sorted(controller.choose(rng()) for _ in range(6)) == [0, 0, 1, 1, 2, 2]


def test_thompson_draws_from_the_posterior() -> None:
    # P(Beta(2, 1) > Beta(1, 2)) = 1 - 2 B(2, 3) = 5/6.
    controller = make_controller("thompson", 2)
    controller.update(0, 1.0)
    controller.update(1, 0.0)
    source = rng("thompson")
    num_first = 6000 - sum(controller.choose(source) for _ in range(6000))
    assert num_first / 6000 == pytest.approx(5 / 6, abs=4 * math.sqrt(5 / 36 / 6000))
    assert controller.probs() is None


def test_thompson_counts_a_fractional_reward_as_that_part_of_a_success() -> None:
    whole, parts = make_controller("thompson", 2), make_controller("thompson", 2)
    for reward in (1.0, 0.0):
        whole.update(0, reward)
    for reward in (0.5, 0.5):
        parts.update(0, reward)
    a, b = rng("same"), rng("same")
    assert [whole.choose(a) for _ in range(50)] == [parts.choose(b) for _ in range(50)]


def test_exp3_follows_its_formula() -> None:
    gamma = math.sqrt(2 * math.log(2) / ((math.e - 1) * 100))
    controller = Exp3(2, horizon=100)
    assert controller.gamma() == pytest.approx(gamma)
    assert controller.probs() == pytest.approx([0.5, 0.5])
    controller.update(0, 1.0)  # estimated gain 1 / 0.5
    first = (1 - gamma) * math.exp(gamma) / (math.exp(gamma) + 1) + gamma / 2
    assert controller.probs() == pytest.approx([first, 1 - first])
    controller.update(1, 0.5)
    assert controller.gains == pytest.approx([2.0, 0.5 / (1 - first)])


def test_exp3_explores_only_while_the_formula_exceeds_one_and_less_with_time() -> None:
    controller = Exp3(50)
    assert controller.gamma() == 1.0
    play(controller, lambda t, a: 0.0, 400)
    assert controller.gamma() == pytest.approx(math.sqrt(50 * math.log(50) / ((math.e - 1) * 401)))


def test_exp3_divides_a_late_reward_by_the_chance_of_its_choice() -> None:
    controller = Exp3(2, horizon=20)
    source = rng("late")
    arms = [controller.choose(source) for _ in range(4)]  # all with chance 1/2
    for arm in arms:
        controller.update(arm, 1.0)
    assert controller.gains == pytest.approx([2.0 * arms.count(0), 2.0 * arms.count(1)])


def test_hedge_follows_its_formula_with_and_without_a_horizon() -> None:
    controller = Hedge(3, horizon=50)
    controller.update_all([1.0, 0.0, 0.5])
    weights = np.exp(math.sqrt(8 * math.log(3) / 50) * np.array([1.0, 0.0, 0.5]))
    assert controller.probs() == pytest.approx(weights / weights.sum())
    anytime = Hedge(3)
    anytime.update_all([1.0, 0.0, 0.5])
    weights = np.exp(math.sqrt(4 * math.log(3) / 2) * np.array([1.0, 0.0, 0.5]))  # the second play
    assert anytime.probs() == pytest.approx(weights / weights.sum())


def test_halving_with_a_horizon_spends_it_in_equal_rounds_and_keeps_the_better_half() -> None:
    means = [0.0, 0.6, 0.1, 0.9]
    # T = 8 in 2 rounds: 4 arms once, 2 arms twice; then the winner.
    arms = play(Halving(4, horizon=8), lambda t, a: means[a], 12)
    assert arms == [0, 1, 2, 3, 1, 3, 1, 3, 3, 3, 3, 3]


def test_halving_without_a_horizon_explores_anew_with_twice_the_plays() -> None:
    means = [0.0, 0.6, 0.1, 0.9]
    controller = Halving(4)
    arms = play(controller, lambda t, a: means[a], 8 + 8 + 16 + 32)
    assert arms[:16] == [0, 1, 2, 3, 1, 3, 1, 3] + [3] * 8
    assert [arms[16:24].count(a) for a in range(4)] == [2, 2, 2, 2]
    assert arms[24:32] == [1, 3] * 4
    assert arms[32:] == [3] * 32
    assert controller.stage == 2


def test_halving_with_too_short_a_horizon_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 8 plays"):
        Halving(4, horizon=7)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_single_arm_is_always_chosen(name: str) -> None:
    controller = make_controller(name, 1)
    source = rng("one")
    for _ in range(5):
        assert controller.choose(source) == 0
        controller.update_all([0.5]) if name == "hedge" else controller.update(0, 0.5)


def test_ties_go_to_the_lowest_number() -> None:
    assert play(make_controller("epsilon-greedy:0", 3), lambda t, a: 0.5, 5) == [0, 1, 2, 0, 0]


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize(
    ("name", "least"), [("ucb1", 0.85), ("thompson", 0.95), ("exp3", 0.6), ("halving", 0.85), ("epsilon-greedy", 0.85)]
)
def test_a_learner_finds_the_best_arm(name: str, least: float) -> None:
    shares: list[float] = []
    for seed in range(5):
        rewards = bernoulli([0.2, 0.3, 0.8, 0.4], 3000, seed=seed)
        arms = play(make_controller(name, 4), lambda t, a, rewards=rewards: rewards[t, a], 3000, seed=seed)
        shares.append(arms.count(2) / 3000)
    assert np.mean(shares) > least


def test_uniform_does_not_find_the_best_arm() -> None:
    arms = play(make_controller("uniform", 4), lambda t, a: float(a == 2), 3000)
    assert arms.count(2) / 3000 == pytest.approx(0.25, abs=0.04)


# ---------------------------------------------------------------- regret

T, K = 1000, 8


def hedge_regret(rewards: Callable[[int, np.ndarray], np.ndarray], controller: Hedge, num: int) -> float:
    """Regret of hedge against an adversary that sees the chances before it sets the rewards."""
    seen, probs = [], []
    for t in range(num):
        p = controller.probs()
        r = rewards(t, p)
        controller.update_all(r.tolist())
        seen.append(r)
        probs.append(p)
    return cumulative_regret(np.array(seen), np.array(probs))


def against_the_likeliest(t: int, p: np.ndarray) -> np.ndarray:
    r = np.ones(p.size)
    r[int(np.argmax(p))] = 0.0
    return r


def alternating(t: int, p: np.ndarray) -> np.ndarray:
    return np.array([float((t + a) % 2) for a in range(p.size)])


def leader_killer(t: int, p: np.ndarray) -> np.ndarray:
    """The sequence on which whoever follows the leader is always wrong: 1/2 once, then alternating."""
    r = alternating(t, p)
    return r / 2 if t == 0 else r


def one_arm(t: int, p: np.ndarray) -> np.ndarray:
    return (np.arange(p.size) == p.size - 1).astype(float)


def switching(t: int, p: np.ndarray) -> np.ndarray:
    return (np.arange(p.size) == (t // 100) % p.size).astype(float)


def coins(t: int, p: np.ndarray) -> np.ndarray:
    return rng("coins", t).integers(0, 2, p.size).astype(float)


ADVERSARIES = (against_the_likeliest, alternating, leader_killer, one_arm, switching, coins)


def test_the_bound_of_hedge_has_its_known_value() -> None:
    assert hedge_bound(1000, 8) == pytest.approx(32.24, abs=0.005)
    assert hedge_bound(1000, 8, anytime=True) == pytest.approx(32.24 * math.sqrt(2), abs=0.01)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_the_regret_of_hedge_is_within_its_bound_on_every_adversary(
    adversary: Callable[[int, np.ndarray], np.ndarray],
) -> None:
    assert hedge_regret(adversary, Hedge(K, horizon=T), T) <= hedge_bound(T, K) + 1e-9
    assert hedge_regret(adversary, Hedge(K), T) <= hedge_bound(T, K, anytime=True) + 1e-9


def test_some_adversary_comes_close_to_the_bound_and_breaks_a_learner_that_follows_the_leader() -> None:
    class Follower(Hedge):
        def eta(self) -> float:
            return 1e6

    assert hedge_regret(against_the_likeliest, Hedge(2, horizon=T), T) > 0.45 * hedge_bound(T, 2)
    assert hedge_regret(leader_killer, Follower(2, horizon=T), T) > 10 * hedge_bound(T, 2)


def test_average_regret_on_fair_coins_falls_like_one_over_the_root_of_t() -> None:
    # No learner can win or lose on fair coins: for two arms E R(T) = E max(S_1, S_2) - T/2 = sqrt(T / (4 pi)).
    nums, found = [100, 400, 1600], []
    for num in nums:
        regrets = []
        for seed in range(120):
            rewards = rng("fair", num, seed).integers(0, 2, (num, 2)).astype(float)
            regrets.append(hedge_regret(lambda t, p, rewards=rewards: rewards[t], Hedge(2, horizon=num), num))
        found.append(np.mean(regrets) / num)
        assert found[-1] == pytest.approx(1 / math.sqrt(4 * math.pi * num), rel=0.25)
    slope = np.polyfit(np.log(nums), np.log(found), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)


def test_simple_regret_at_the_hardest_gap_falls_like_one_over_the_root_of_t() -> None:
    # Two arms with gap 1 / sqrt(T), T/2 pulls each: the wrong one wins with probability Phi(-1), whatever T is.
    wrong = 0.5 * math.erfc(1 / math.sqrt(2))
    for num in (64, 256, 1024):
        gap, num_wrong, num_runs = 1 / math.sqrt(num), 0, 300
        for seed in range(num_runs):
            best = seed % 2
            means = [0.5 + gap / 2 if a == best else 0.5 - gap / 2 for a in range(2)]
            rewards = bernoulli(means, num, seed=1000 * num + seed)
            controller = Halving(2, horizon=num)
            play(controller, lambda t, a, rewards=rewards: rewards[t, a], num)
            num_wrong += controller.survivors != [best]
        loss = gap * num_wrong / num_runs
        assert loss * math.sqrt(num) == pytest.approx(wrong, abs=4 * math.sqrt(wrong * (1 - wrong) / num_runs))


def test_exp3_stays_within_its_bound_when_the_best_arm_moves() -> None:
    regrets = []
    for seed in range(10):
        rewards = np.array([switching(t, np.zeros(4)) for t in range(1000)])
        arms = play(Exp3(4, horizon=1000), lambda t, a, rewards=rewards: rewards[t, a], 1000, seed=seed)
        regrets.append(cumulative_regret(rewards, arms))
    assert np.mean(regrets) <= exp3_bound(1000, 4)


def test_ucb1_stays_within_its_bound_and_uniform_does_not() -> None:
    means, num = [0.1, 0.9], 2000
    lost: dict[str, list[float]] = {"ucb1": [], "uniform": []}
    for name, losses in lost.items():
        for seed in range(5):
            rewards = bernoulli(means, num, seed=seed)
            arms = play(make_controller(name, 2), lambda t, a, rewards=rewards: rewards[t, a], num, seed=seed)
            losses.append(0.8 * arms.count(0))
    bound = ucb1_bound(means, num)
    assert bound == pytest.approx(8 * math.log(2000) / 0.8 + (1 + math.pi**2 / 3) * 0.8)
    assert np.mean(lost["ucb1"]) <= bound < np.mean(lost["uniform"])


def test_regret_by_hand() -> None:
    rewards = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.5]]
    assert cumulative_regret(rewards, [1, 0, 0, 1]) == pytest.approx(3.0 - 1.5)
    assert cumulative_regret(rewards, np.full((4, 2), 0.5)) == pytest.approx(3.0 - 2.75)
    assert simple_regret([0.2, 0.7], [0.25, 0.75]) == pytest.approx(0.125)


def test_the_guarantee_of_self_correction_is_an_identity_with_the_exact_regret() -> None:
    means, probs = [0.3, 0.6, 0.5], [0.2, 0.5, 0.3]
    last = sum(m * p for m, p in zip(means, probs, strict=True))
    exact = correction_bound(1.0, means, last_reward=last, regret=simple_regret(means, probs))
    assert exact.holds
    assert exact.suboptimality == pytest.approx(0.4)
    assert exact.shortfall == pytest.approx(exact.suboptimality + exact.regret)
    assert not correction_bound(1.0, means, last_reward=last - 0.01, regret=exact.regret).holds


@pytest.mark.parametrize(
    "call",
    [
        lambda: cumulative_regret([[1.0, 2.0]], [0]),
        lambda: cumulative_regret([[1.0, 0.0]], [0, 1]),
        lambda: simple_regret([0.5, 0.5], [0.5, 0.6]),
        lambda: ucb1_bound([0.5, 1.5], 10),
    ],
)
def test_numbers_that_are_no_rewards_and_no_chances_are_refused(call: Callable[[], float]) -> None:
    with pytest.raises(DataError):
        call()


# ---------------------------------------------------------------- mistakes and state


@pytest.mark.parametrize("reward", [-0.1, 1.1, math.nan, math.inf])
@pytest.mark.parametrize("name", BANDITS)
def test_a_reward_outside_zero_and_one_is_refused_and_changes_nothing(name: str, reward: float) -> None:
    controller = make_controller(name, 2)
    arm = controller.choose(rng())
    before = controller.state()
    with pytest.raises(DataError, match="not in"):
        controller.update(arm, reward)
    assert controller.state() == before


def test_hedge_refuses_one_reward_a_wrong_number_of_them_and_one_outside_the_range() -> None:
    controller = Hedge(2)
    with pytest.raises(ConfigError, match="exp3"):
        controller.update(0, 1.0)
    for rewards in ([1.0], [1.0, 1.5]):
        with pytest.raises(DataError):
            controller.update_all(rewards)
    assert controller.state() == Hedge(2).state()


@pytest.mark.parametrize("name", BANDITS)
def test_only_hedge_takes_the_rewards_of_all_arms(name: str) -> None:
    with pytest.raises(ConfigError, match="hedge"):
        make_controller(name, 2).update_all([0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ucb", "ucb1"), ("tompson", "thompson"), ("exp3:2", "exp3"), ("epsilon-greedy:x", "epsilon-greedy:0.1")],
)
def test_an_unknown_controller_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        make_controller(name, 2)


@pytest.mark.parametrize("arguments", [(0, None), (2, 0)])
def test_no_arm_and_no_play_are_refused(arguments: tuple[int, int | None]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        make_controller("ucb1", arguments[0], horizon=arguments[1])


def test_epsilon_is_a_chance() -> None:
    with pytest.raises(ConfigError, match="not a chance"):
        make_controller("epsilon-greedy:1.5", 2)


def test_the_horizon_is_part_of_the_state() -> None:
    trained = Hedge(2, horizon=10)
    fresh = Hedge(2)
    fresh.restore(json.loads(json.dumps(trained.state())))
    assert fresh.eta() == trained.eta()


@pytest.mark.parametrize(
    "change",
    [
        {"controller": "exp3"},
        {"num_arms": 3},
        {"num_pulls": [1]},
        {"num_pulls": [-1, 2]},
        {"num_pulls": [1.5, 2]},
        {"sum_rewards": [3.0, 0.0]},
        {"sum_rewards": [math.nan, 0.0]},
        {"survivors": []},
        {"survivors": [2]},
        {"stage": -1},
        {"horizon": 0},
        {"pending": [[0]]},
        {"pending": [[5, 0.5]]},
        {"pending": [[0, 2.0]]},
        {"pending": None},
        {"round_pulls": "many"},
    ],
)
def test_a_state_that_is_another_controllers_or_none_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    state = make_controller("halving", 2).state()
    controller = make_controller("halving", 2)
    with pytest.raises(DataError):
        controller.restore({**state, **change})
    assert controller.state() == state
    controller.restore(state)
