"""From settings to what decodes and what is rewarded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reasonry.tasks.token_tasks.base import Checked
from reasonry.training.dultra.config import PlannerSettings, RewardConfig
from reasonry.training.dultra.data import Source
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.ordering import OrderedPolicy
from reasonry.training.dultra.planner import PlannerHead
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.policies.planned import PlannedPolicy
from reasonry.training.dultra.rewards import Floats, multiplicative_reward, speed_reward


def decoding_config(config: PlannerSettings, source: Source) -> DecodingConfig:
    """How decodings to learn from are decoded; one block where nothing is said."""
    return DecodingConfig(
        answer_len=source.answer_len,
        block_len=min(config.block_len or source.answer_len, source.answer_len),
        temperature=config.temperature,
        stop_early=config.stop_early,
        cache=config.cache,
        refresh_every=config.refresh_every,
    )


class Policies(NamedTuple):
    """What decodes.

    Attributes:
        rollout: To learn from.
        evaluation: As in use.
    """

    rollout: UnmaskPolicy
    evaluation: UnmaskPolicy


def policies(config: PlannerSettings, head: PlannerHead) -> Policies:
    """The policies that learn, or that decode for a denoiser that does.

    Raises:
        ConfigError: An unknown rule.
    """
    if config.unmask:
        chosen = make_policy(config.unmask, head)
        return Policies(chosen, chosen)
    if config.policy == "plackett_luce":
        num = config.positions_per_step
        return Policies(OrderedPolicy(head, num), OrderedPolicy(head, num, mode="greedy"))
    return Policies(
        PlannedPolicy(head, "sample", temperature=config.plan_temperature),
        PlannedPolicy(head, "threshold", threshold=config.threshold),
    )


class Parts(NamedTuple):
    """Rewards by name, and what each counts.

    Attributes:
        values: Of each decoding.
        weights: Of each reward.
    """

    values: dict[str, ArrayLike]
    weights: dict[str, float]


def reward_parts(config: RewardConfig, checked: Checked, size_BS: ArrayLike, *, answer_len: int) -> Parts:
    """What decodings earned, but for a teacher.

    Args:
        config: Which rewards.
        checked: What the verifier says.
        size_BS: Tokens that each step revealed.
        answer_len: L.
    """
    right_B: Floats = checked.is_right_B.astype(np.float64)
    values: dict[str, ArrayLike] = {"right": right_B, "parts": checked.share_right_B}
    weights = {"right": config.right, "parts": config.share}
    if config.speed == "multiplicative":
        values["right"] = multiplicative_reward(right_B, size_BS, answer_len=answer_len, alpha=config.speed_alpha)
    elif config.speed != "none":
        scale = config.speed_scale or float(answer_len)
        values["speed"] = speed_reward(size_BS, config.speed, scale=scale)
        weights["speed"] = config.speed_weight
    return Parts(values, weights)
