"""GRPO over the steps of a decoding.

For each prompt G decodings with rewards R_g; A_g = R_g - mean R, not divided by the standard deviation. Step t of
decoding g has log-probability logp_t: of the positions it revealed, plus that of their tokens where the denoiser
learns too. With w_t = exp(logp_t - logp_old_t), one ratio for a whole step,

    loss = -1 / (B L) sum_g sum_t min(w_t A_g, clip(w_t, 1 - .2, 1 + 1) A_g)  +  beta / (B L) sum w_t k3_t
    k3   = exp(logp_ref - logp) - (logp_ref - logp) - 1

B decodings in the update, L tokens of an answer. Every step of a decoding has the same advantage. dUltra (arXiv
2512.21446) draws once for each optimizer step, so that w = 1 and this is REINFORCE with the group's mean as baseline:
since a decoding is part of its own baseline, the mean gradient is (G - 1) / G times that of the expected reward.

The one-sided clip of advantages sets those below a bound to 0; at 0 only decodings better than the average teach. It
zeroes, it does not clamp. The release weighs k3 by 1; the factor w makes its gradient that of KL(pi || pi_ref). In all
of the release's settings beta is 0.

Each step can be a backward pass of its own, as memory asks for: losses of parts add up to the loss of the whole.

Shapes: P prompts, G decodings of each, B = P G, S steps.
"""

# pyright: strict
from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from reasonry.core.groups import FloatArray, GroupAdvantages, group_advantages
from reasonry.errors import ConfigError

MAX_DRIFT = 1e-2
"""Largest log ratio of a step that was replayed with the weights that drew it."""

_MAX_LOG_RATIO = 20.0  # beyond it exp would overflow into gradients that are not numbers; no gradient comes from there


class ReplayWarning(UserWarning):
    """Replayed log-probabilities are not those of the rollout."""


class Loss(NamedTuple):
    """Result of `step_loss`, for one part of an update.

    Attributes:
        value: Its part of the loss, a scalar with a gradient.
        kl_sum: Sum of k3 over its steps, nats; 0 without a reference.
        num_clipped: Steps at which clipping stops the gradient.
        max_log_ratio: Largest |log w| of its steps.
    """

    value: Tensor
    kl_sum: float
    num_clipped: int
    max_log_ratio: float


def step_loss(
    logp_BS: Tensor,
    old_logp_BS: Tensor,
    *,
    advantage_B: Tensor,
    is_step_BS: Tensor,
    num_tok: int,
    clip_low: float = 0.2,
    clip_high: float = 1.0,
    ref_logp_BS: Tensor | None = None,
    beta: float = 0.0,
    on_policy: bool = False,
) -> Loss:
    """Loss of some steps of some decodings.

    Args:
        logp_BS: Log-probability of each step under the weights that learn, nats, with gradient.
        old_logp_BS: Under those that drew it.
        advantage_B: Of each decoding.
        is_step_BS: False where a decoding was done already.
        num_tok: B L of the whole update, whatever the part.
        clip_low: Lowest ratio is 1 - this.
        clip_high: Highest ratio is 1 + this.
        ref_logp_BS: Under the reference; needed with ``beta``, else only measured.
        beta: Weight of the divergence from the reference.
        on_policy: The weights that drew are those that learn: ratios should be 1.

    Raises:
        ConfigError: ``beta`` without a reference, or a ``num_tok`` that is not positive.

    Warns:
        ReplayWarning: ``on_policy``, and a log ratio is over `MAX_DRIFT`.
    """
    if num_tok < 1 or (beta and ref_logp_BS is None):
        raise ConfigError(f"num_tok={num_tok}, beta={beta}", remedy="beta needs the reference's log-probabilities.")
    gap_BS = (logp_BS - old_logp_BS.detach()).masked_fill(~is_step_BS, 0.0)
    max_log_ratio = float(gap_BS.detach().abs().max()) if gap_BS.numel() else 0.0
    if on_policy and not max_log_ratio <= MAX_DRIFT:
        warnings.warn(
            f"a replayed step is {max_log_ratio:.3g} nats from its rollout: other temperatures, masks or dropout?",
            ReplayWarning,
            stacklevel=2,
        )
    ratio_BS = gap_BS.clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO).exp()
    advantage_B1 = advantage_B.to(ratio_BS.dtype)[:, None]
    clipped_BS = ratio_BS.clamp(1 - clip_low, 1 + clip_high)
    term_BS = -torch.minimum(ratio_BS * advantage_B1, clipped_BS * advantage_B1)
    kl_sum = 0.0
    if ref_logp_BS is not None:
        back_BS = (ref_logp_BS.detach() - logp_BS).masked_fill(~is_step_BS, 0.0).clamp(-_MAX_LOG_RATIO, _MAX_LOG_RATIO)
        k3_BS = back_BS.exp() - back_BS - 1
        kl_sum = float(k3_BS.detach().sum())
        if beta:
            term_BS = term_BS + beta * ratio_BS * k3_BS
    stops_BS = ((ratio_BS < 1 - clip_low) & (advantage_B1 < 0)) | ((ratio_BS > 1 + clip_high) & (advantage_B1 > 0))
    value = term_BS.masked_fill(~is_step_BS, 0.0).sum() / num_tok
    return Loss(value, kl_sum, int((stops_BS & is_step_BS).sum()), max_log_ratio)


def clip_advantages(advantage: ArrayLike, least: float | None) -> FloatArray:
    """Advantages below ``least`` set to 0; none when it is None."""
    import numpy as np

    given = np.asarray(advantage, dtype=np.float64)
    return given if least is None else np.where(given < least, 0.0, given)


def decoding_advantages(
    reward_PG: ArrayLike, *, kind: Literal["mean", "grpo", "rloo"] = "mean", least: float | None = None
) -> GroupAdvantages:
    """Advantage of each decoding within its prompt's group, clipped from below.

    When all are 0, as in groups without two different rewards, the optimizer should not step: its momentum would.

    Args:
        reward_PG: Rewards, one row for each prompt.
        kind: Baseline and scale, see `reasonry.core.groups.group_advantages`; ``mean`` is dUltra's.
        least: Advantages below it count 0.
    """
    made = group_advantages(reward_PG, kind=kind)
    return made._replace(advantage_PG=clip_advantages(made.advantage_PG, least))


def zero_loss(weights: Iterable[Tensor]) -> Tensor:
    """0 with a gradient of 0 for every weight, for workers that must take part in a backward pass without a step.

    It is made of the weights, which are finite; ``0 * f(weights)`` is not a number where f overflows.
    """
    return torch.stack([(weight * 0).sum() for weight in weights]).sum()
