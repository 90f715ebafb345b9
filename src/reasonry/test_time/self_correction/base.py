"""What every controller shares: counts, choices that wait for their reward, and an exact JSON state."""

# pyright: strict
from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]


class Controller(ABC):
    """Chooses arms and learns from rewards in [0, 1].

    Args:
        num_arms: K.
        horizon: T, the number of plays there will be; None when nobody knows.

    Attributes:
        num_pulls: Rewarded plays of each arm.
        sum_rewards: Sum of the rewards of each arm.
        pending: Choices without a reward yet: the arm, and the chance it had (None where that has no closed form).

    Raises:
        ConfigError: ``num_arms`` or ``horizon`` is below 1.
    """

    name: str
    # Names of further state, by form: one finite number per arm; a non-empty list of arms; a count.
    _per_arm: ClassVar[tuple[str, ...]] = ()
    _arm_lists: ClassVar[tuple[str, ...]] = ()
    _counts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, num_arms: int, *, horizon: int | None = None) -> None:
        if num_arms < 1 or (horizon is not None and horizon < 1):
            raise ConfigError(f"num_arms={num_arms}, horizon={horizon}: both must be at least 1", place="controller")
        self.num_arms = num_arms
        self.horizon = horizon
        self.num_pulls = [0] * num_arms
        self.sum_rewards = [0.0] * num_arms
        self.pending: list[tuple[int, float | None]] = []

    # ------------------------------------------------------------ the rule

    @abstractmethod
    def probs(self) -> FloatArray | None:
        """Shape ``(K,)``: the chances of the next choice; None where they have no closed form."""

    def choose(self, rng: np.random.Generator) -> int:
        """The next arm. A rule that leaves nothing to chance draws nothing."""
        arm, prob = self._draw(rng)
        self.pending.append((arm, prob))
        return arm

    def update(self, arm: int, reward: float) -> None:
        """Learn the reward of a play. A play that was not chosen here (from a log) counts with the arm's chance now.

        Raises:
            DataError: The reward is not in [0, 1], or there is no such arm. Nothing is learned then.
        """
        if not 0 <= arm < self.num_arms:
            raise DataError(f"arm {arm}, but there are {self.num_arms}", place=f"controller {self.name!r}")
        check_reward(reward, place=f"controller {self.name!r}")
        at = next((i for i, (chosen, _) in enumerate(self.pending) if chosen == arm), None)
        prob = self.pending.pop(at)[1] if at is not None else None
        if prob is None and (now := self.probs()) is not None:
            prob = float(now[arm])
        self.num_pulls[arm] += 1
        self.sum_rewards[arm] += reward
        self._learn(arm, reward, prob)

    def update_all(self, rewards: Sequence[float]) -> None:
        """Learn what every arm would have got. Only for rules with full information.

        Raises:
            ConfigError: This rule learns from its own plays only.
        """
        raise ConfigError(
            f"{self.name!r} learns from the reward of the arm it chose, not from {len(rewards)} rewards",
            place="controller",
            remedy="Call update(arm, reward), or make the controller 'hedge'.",
        )

    def _draw(self, rng: np.random.Generator) -> tuple[int, float | None]:
        probs = self.probs()
        assert probs is not None
        top = int(np.argmax(probs))
        if probs[top] == 1.0:
            return top, 1.0
        steps = np.cumsum(probs)
        arm = int(np.searchsorted(steps / steps[-1], rng.random(), side="right"))
        return arm, float(probs[arm])

    def _learn(self, arm: int, reward: float, prob: float | None) -> None:
        """What a rule remembers beyond counts and sums; most remember nothing."""
        return

    # ------------------------------------------------------------ for the rules

    def played(self) -> list[int]:
        """Plays of each arm, those in flight included."""
        played = list(self.num_pulls)
        for arm, _ in self.pending:
            played[arm] += 1
        return played

    def means(self) -> list[float]:
        """Mean reward of each arm, 0 where it has none."""
        return [s / n if n else 0.0 for s, n in zip(self.sum_rewards, self.num_pulls, strict=True)]

    # ------------------------------------------------------------ state

    def state(self) -> dict[str, Any]:
        """Everything that decides the next choice, as JSON values."""
        lists = ("num_pulls", "sum_rewards", *self._per_arm, *self._arm_lists)
        return {
            "controller": self.name,
            "num_arms": self.num_arms,
            "horizon": self.horizon,
            **{key: list(getattr(self, key)) for key in lists},
            **{key: getattr(self, key) for key in self._counts},
            "pending": [[arm, prob] for arm, prob in self.pending],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state of the same rule with the same number of arms, its horizon included.

        Raises:
            DataError: Another controller's state, or not a state at all. Nothing is changed then.
        """
        place = f"state of controller {self.name!r}"
        if state.get("controller") != self.name or state.get("num_arms") != self.num_arms:
            raise DataError(
                f"a state of {state.get('controller')!r} with {state.get('num_arms')!r} arms, here are {self.num_arms}",
                place=place,
                remedy="Start without it, or give the rule and the experts it was learned with.",
            )
        horizon = state.get("horizon")
        if horizon is not None and not (_is_count(horizon) and horizon >= 1):
            raise DataError(f"horizon = {horizon!r:.80} is not a number of plays", place=place)
        new: dict[str, Any] = {"horizon": horizon, "pending": self._read_pending(state.get("pending"), place)}
        for key in ("num_pulls", "sum_rewards", *self._per_arm):
            kind = _is_count if key == "num_pulls" else _is_number
            new[key] = _list_of(state.get(key), kind, key, place)
            if len(new[key]) != self.num_arms:
                raise DataError(f"{key} holds {len(new[key])} numbers for {self.num_arms} arms", place=place)
        if any(not 0 <= s <= n * (1 + 1e-9) for s, n in zip(new["sum_rewards"], new["num_pulls"], strict=True)):
            raise DataError("rewards that do not lie in [0, 1] on average", place=place)
        for key in self._arm_lists:
            new[key] = _list_of(state.get(key), self._is_arm, key, place)
            if not new[key]:
                raise DataError(f"{key} is empty", place=place)
        for key in self._counts:
            if not _is_count(new.setdefault(key, state.get(key))):
                raise DataError(f"{key} = {new[key]!r:.80} is not a count", place=place)
        for key, value in new.items():
            setattr(self, key, value)

    def _is_arm(self, value: Any) -> bool:
        return _is_count(value) and value < self.num_arms

    def _read_pending(self, value: Any, place: str) -> list[tuple[int, float | None]]:
        def is_choice(item: Any) -> bool:
            if not isinstance(item, list | tuple) or len(cast("list[Any]", item)) != 2:
                return False
            arm, prob = cast("list[Any]", item)
            return self._is_arm(arm) and (prob is None or (_is_number(prob) and 0 < prob <= 1))

        return [(arm, prob) for arm, prob in _list_of(value, is_choice, "pending", place)]


def check_reward(reward: float, *, place: str) -> None:
    """Refuse what is not a number in [0, 1].

    Raises:
        DataError: It is not.
    """
    if not 0 <= reward <= 1:  # NaN included
        raise DataError(
            f"the reward {reward!r} is not in [0, 1]",
            place=place,
            remedy="Scale it, for example with a sigmoid.",
        )


def _list_of(value: Any, is_fit: Any, key: str, place: str) -> list[Any]:
    if not isinstance(value, list) or not all(is_fit(x) for x in cast("list[Any]", value)):
        raise DataError(f"{key} = {value!r:.80} is not what a controller writes", place=place)
    return list(cast("list[Any]", value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
