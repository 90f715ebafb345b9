"""Controllers: which of K experts makes the next attempt, learned from the rewards of earlier ones.

Pure state machines: no clock, no files, every draw from the generator that is passed in. The state is JSON, exact to
the bit, so that a controller can be stopped between any two calls and continued, or start warm from what it learned on
other problems. With t plays made, n_i of them of arm i, and mean reward m_i:

    uniform             p_i = 1 / K
    round-robin         arm t mod K
    epsilon-greedy:e    with chance e uniform, else argmax m_i (untried arms first); e is 0.1 when not given
    ucb1                argmax m_i + sqrt(2 ln t / n_i), every arm once first         (Auer, Cesa-Bianchi, Fischer 2002)
    thompson            argmax of one draw from each Beta(1 + sum r, 1 + sum (1 - r))                    (Thompson 1933)
    exp3                p_i = (1 - g) w_i / sum w + g / K,  w_i = exp(g / K * sum of r / p over plays of i)
                        g = min(1, sqrt(K ln K / ((e - 1) T)))             (Auer, Cesa-Bianchi, Freund, Schapire 2002)
    hedge               p_i proportional to exp(eta * sum of r_i), all K rewards known each time
                        eta = sqrt(8 ln K / T)                                          (Cesa-Bianchi, Lugosi 2006, 2.2)
    halving             T pulls in ceil(log2 K) equal rounds; after each the worse half goes  (Karnin et al. 2013)

Without a horizon T, exp3 puts the number of the play in its place, and hedge takes eta_t = sqrt(4 ln K / t), which
minimises the bound of its kind, sqrt(T ln K). halving then explores for K ceil(log2 K) 2^j pulls in stage j = 0, 1, ...
and stays with the winner for K ceil(log2 K) 4^j plays: exploration takes a vanishing share (our own choice).

Rewards may come late: several attempts are in flight when problems are worked on side by side. A choice is remembered
until its reward comes. ucb1 counts it as a play at once (the mean stays), so that attempts in flight spread out; exp3
divides a reward by the chance the arm had when it was chosen. Ties go to the lowest number.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.test_time.self_correction.base import Controller, FloatArray, check_reward

DEFAULT_EPSILON = 0.1


class Uniform(Controller):
    """Every arm with the same chance: the baseline that learns nothing."""

    name = "uniform"

    def probs(self) -> FloatArray:
        """1 / K each."""
        return np.full(self.num_arms, 1 / self.num_arms)


class RoundRobin(Controller):
    """One arm after the other."""

    name = "round-robin"

    def probs(self) -> FloatArray:
        """All on arm t mod K."""
        return one_hot(sum(self.played()) % self.num_arms, self.num_arms)


class EpsilonGreedy(Controller):
    """The best mean so far, and with chance epsilon any arm. A constant epsilon has linear regret."""

    def __init__(self, num_arms: int, *, horizon: int | None = None, epsilon: float = DEFAULT_EPSILON) -> None:
        super().__init__(num_arms, horizon=horizon)
        if not 0 <= epsilon <= 1:
            raise ConfigError(f"epsilon={epsilon} is not a chance", place="controller", remedy="Write 0.1 or so.")
        self.epsilon = epsilon
        self.name = f"epsilon-greedy:{epsilon!r}"

    def probs(self) -> FloatArray:
        """A share epsilon spread evenly, the rest on the greedy arm."""
        played = self.played()
        greedy = played.index(0) if 0 in played else int(np.argmax(self.means()))
        return self.epsilon / self.num_arms + (1 - self.epsilon) * one_hot(greedy, self.num_arms)


class UCB1(Controller):
    """The highest upper confidence bound of the mean reward."""

    name = "ucb1"

    def probs(self) -> FloatArray:
        """All on one arm."""
        played = self.played()
        if 0 in played:
            return one_hot(played.index(0), self.num_arms)
        log_t = math.log(sum(played))
        index = [m + math.sqrt(2 * log_t / n) for m, n in zip(self.means(), played, strict=True)]
        return one_hot(int(np.argmax(index)), self.num_arms)


class Thompson(Controller):
    """The arm that is best in one draw from the posterior of the mean rewards.

    Beta(1, 1) is the prior; a reward between 0 and 1 counts as that part of a success, which for binary rewards is the
    exact posterior.
    """

    name = "thompson"

    def probs(self) -> FloatArray | None:
        """None: the chance that one Beta variable exceeds K - 1 others has no closed form."""
        return one_hot(0, 1) if self.num_arms == 1 else None

    def _draw(self, rng: np.random.Generator) -> tuple[int, float | None]:
        wins = np.array(self.sum_rewards)
        draws = rng.beta(1 + wins, 1 + np.maximum(0.0, np.array(self.num_pulls) - wins))
        return int(np.argmax(draws)), None


class Exp3(Controller):
    """Exponential weights on importance-weighted rewards: no assumption on how rewards come about."""

    name = "exp3"
    _per_arm: ClassVar[tuple[str, ...]] = ("gains",)

    def __init__(self, num_arms: int, *, horizon: int | None = None) -> None:
        super().__init__(num_arms, horizon=horizon)
        self.gains = [0.0] * num_arms

    def gamma(self) -> float:
        """Share of uniform exploration in the next choice."""
        plays = self.horizon or sum(self.played()) + 1
        return min(1.0, math.sqrt(self.num_arms * math.log(self.num_arms) / ((math.e - 1) * plays)))

    def probs(self) -> FloatArray:
        """The mixture of exponential weights and the uniform law."""
        gamma = self.gamma()
        return (1 - gamma) * softmax(gamma / self.num_arms * np.array(self.gains)) + gamma / self.num_arms

    def _learn(self, arm: int, reward: float, prob: float | None) -> None:
        assert prob is not None
        self.gains[arm] += reward / prob


class Hedge(Controller):
    """Exponential weights on known rewards of all arms; ``sum_rewards`` are theirs, ``num_pulls`` counts rounds."""

    name = "hedge"

    def eta(self) -> float:
        """Learning rate of the next choice."""
        if self.horizon:
            return math.sqrt(8 * math.log(self.num_arms) / self.horizon)
        return math.sqrt(4 * math.log(self.num_arms) / (self.num_pulls[0] + 1))

    def probs(self) -> FloatArray:
        """Proportional to exp(eta * sum of rewards)."""
        return softmax(self.eta() * np.array(self.sum_rewards))

    def update(self, arm: int, reward: float) -> None:
        """Refused: see `update_all`.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"'hedge' needs the rewards of all {self.num_arms} arms, and got that of arm {arm}",
            place="controller",
            remedy="Call update_all(rewards), or make the controller 'exp3', which needs one reward only.",
        )

    def update_all(self, rewards: Sequence[float]) -> None:
        """Learn the rewards of all arms in one round.

        Args:
            rewards: K numbers in [0, 1].

        Raises:
            DataError: Not K numbers in [0, 1]. Nothing is learned then.
        """
        if len(rewards) != self.num_arms:
            raise DataError(f"{len(rewards)} rewards for {self.num_arms} arms", place="controller 'hedge'")
        for reward in rewards:
            check_reward(reward, place="controller 'hedge'")
        if self.pending:
            self.pending.pop(0)
        for arm, reward in enumerate(rewards):
            self.num_pulls[arm] += 1
            self.sum_rewards[arm] += float(reward)


class Halving(Controller):
    """Equal plays for the arms that are left, half of which go after every round.

    Attributes:
        survivors: Arms that are left, in ascending order.
        round_pulls: Rewarded plays of each arm in this round.
        stage: Number of the stage; it stays 0 with a horizon.
        num_committed: Plays of the winner since it stands alone.
    """

    name = "halving"
    _per_arm: ClassVar[tuple[str, ...]] = ("round_pulls",)
    _arm_lists: ClassVar[tuple[str, ...]] = ("survivors",)
    _counts: ClassVar[tuple[str, ...]] = ("stage", "num_committed")

    def __init__(self, num_arms: int, *, horizon: int | None = None) -> None:
        super().__init__(num_arms, horizon=horizon)
        self.num_rounds = math.ceil(math.log2(num_arms))
        if horizon is not None and horizon < num_arms * self.num_rounds:
            raise ConfigError(
                f"horizon={horizon} leaves no play per arm and round",
                place="controller 'halving'",
                remedy=f"{num_arms} arms need at least {num_arms * self.num_rounds} plays.",
            )
        self.survivors = list(range(num_arms))
        self.round_pulls = [0] * num_arms
        self.stage = 0
        self.num_committed = 0

    def quota(self) -> int:
        """Plays per arm in this round: floor(T / (arms left * rounds)), at least 1."""
        pulls = self.horizon or self.num_arms * self.num_rounds * 2**self.stage
        return pulls // (len(self.survivors) * self.num_rounds)

    def probs(self) -> FloatArray:
        """All on the surviving arm with the fewest plays in this round."""
        plays = list(self.round_pulls)
        for arm, _ in self.pending:
            plays[arm] += 1
        return one_hot(min(self.survivors, key=lambda arm: plays[arm]), self.num_arms)

    def _learn(self, arm: int, reward: float, prob: float | None) -> None:
        if len(self.survivors) == 1:
            self.num_committed += 1
            if self.horizon is None and self.num_committed >= self.num_arms * self.num_rounds * 4**self.stage:
                self.survivors = list(range(self.num_arms))
                self.stage, self.num_committed = self.stage + 1, 0
            return
        self.round_pulls[arm] += 1
        if min(self.round_pulls[a] for a in self.survivors) >= self.quota():
            means = self.means()
            best = sorted(self.survivors, key=lambda a: (-means[a], a))
            self.survivors = sorted(best[: math.ceil(len(best) / 2)])
            self.round_pulls = [0] * self.num_arms


def one_hot(arm: int, num_arms: int) -> FloatArray:
    """Shape ``(num_arms,)``: 1 at ``arm``."""
    probs = np.zeros(num_arms)
    probs[arm] = 1.0
    return probs


def softmax(x_K: FloatArray) -> FloatArray:
    """Shape ``(K,)``: exp(x) normalised, without overflow."""
    weights = np.exp(x_K - x_K.max())
    return weights / weights.sum()


CONTROLLERS: Mapping[str, type[Controller]] = {
    "uniform": Uniform,
    "round-robin": RoundRobin,
    "epsilon-greedy": EpsilonGreedy,
    "ucb1": UCB1,
    "thompson": Thompson,
    "exp3": Exp3,
    "hedge": Hedge,
    "halving": Halving,
}


def make_controller(name: str, num_arms: int, *, horizon: int | None = None) -> Controller:
    """The controller called ``name``, such as ``ucb1`` or ``epsilon-greedy:0.2``.

    Args:
        name: See the table of this module.
        num_arms: Number of experts, K.
        horizon: Number of plays, T; None when unknown.

    Raises:
        ConfigError: Unknown name, or numbers out of range.
    """
    kind, colon, detail = name.partition(":")
    if kind == "epsilon-greedy" and colon:
        try:
            epsilon = float(detail)
        except ValueError as e:
            remedy = "Write epsilon-greedy:0.1."
            raise ConfigError(f"epsilon {detail!r} is not a chance", place="controller", remedy=remedy) from e
        return EpsilonGreedy(num_arms, horizon=horizon, epsilon=epsilon)
    if kind not in CONTROLLERS or colon:
        hint = nearest(kind, CONTROLLERS) or f"Known: {', '.join(CONTROLLERS)}."
        raise ConfigError(f"unknown controller {name!r}", place="controller", remedy=hint)
    return CONTROLLERS[kind](num_arms, horizon=horizon)
