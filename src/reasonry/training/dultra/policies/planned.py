"""A learned planner as an unmasking policy.

The head gives every eligible position a logit z; q = min(1, factor * sigmoid(z / temperature)).

    sample        reveal each eligible position with probability q, on its own uniform number
    expected      reveal the k = floor(sum q) positions of the highest q
    threshold     reveal those with q >= threshold

Where that is nothing, the likeliest position is revealed and the step is marked as forced. Of equal logits the first
position counts as the likelier one. ``sample`` is what reinforcement learning needs, and dUltra's default (arXiv
2512.21446) also for evaluation; ``expected`` is the release's other mode; ``threshold`` is an addition.
"""

# pyright: strict
from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from reasonry.errors import ConfigError, nearest
from reasonry.training.dultra.plan_likelihood import effective_logits, likeliest
from reasonry.training.dultra.policies.base import StepContext, StepDecision, current_block
from reasonry.training.dultra.policies.rules import number

if TYPE_CHECKING:
    from torch import Tensor

    from reasonry.training.dultra.planner import PlannerHead

Mode = Literal["sample", "expected", "threshold"]
MODES: tuple[Mode, ...] = ("sample", "expected", "threshold")

_ROUNDING = 1e-6  # sums of float32 probabilities that are whole numbers come out a little below them


class PlannedPolicy:
    """Reveals what a planner says; see the module.

    Args:
        head: The planner; run as it is, so put it in ``eval`` mode or not.
        mode: How probabilities become a choice.
        threshold: Of ``threshold``.
        factor: Scales every probability.
        temperature: Of the planner's logits.

    Raises:
        ConfigError: An unknown mode, or a number out of range.
    """

    def __init__(
        self,
        head: PlannerHead,
        mode: Mode = "sample",
        *,
        threshold: float = 0.5,
        factor: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"unknown mode={mode!r}", remedy=nearest(mode, MODES) or f"Modes: {', '.join(MODES)}.")
        if not 0 < threshold < 1:
            raise ConfigError(f"threshold={threshold} is not within (0, 1)", remedy="0.5 is the usual one.")
        effective_logits(torch.zeros(1), temperature=temperature, factor=factor)  # refuses bad numbers
        self.head, self.mode = head, mode
        self.threshold, self.factor, self.temperature = threshold, factor, temperature

    @property
    def name(self) -> str:
        """As on the command line; a temperature other than 1, which has no place there, is added as ``@T``."""
        parts = ["planner", self.mode, *([number(self.threshold)] if self.mode == "threshold" else [])]
        parts += [number(self.factor)] if self.factor != 1 else []
        return ":".join(parts) + (f"@{number(self.temperature)}" if self.temperature != 1 else "")

    @property
    def needs_hidden(self) -> bool:
        """True when the head reads hidden states."""
        return "hidden" in self.head.config.features

    @property
    def is_stochastic(self) -> bool:
        """True when what is revealed depends on uniform numbers: what likelihoods are for."""
        return self.mode == "sample"

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masks of each row's current block."""
        return current_block(masked_BL, block_len=block_len)

    @torch.no_grad()
    def select(self, context: StepContext) -> StepDecision:
        """What to reveal; the decision's logits are those of q after temperature and factor.

        Raises:
            DataError: The context lacks a feature that the head reads.
        """
        eligible_BL = context.eligible_BL
        raw_BL = self.head.plan(context)
        logit_BL = effective_logits(raw_BL, temperature=self.temperature, factor=self.factor)
        q_BL = torch.sigmoid(logit_BL.double()).masked_fill(~eligible_BL, 0.0)
        if self.mode == "sample":
            chosen_BL = context.uniform_BL < q_BL
        elif self.mode == "threshold":
            chosen_BL = q_BL >= self.threshold
        else:
            chosen_BL = _top(logit_BL, eligible_BL, num_B=(q_BL.sum(1) + _ROUNDING).floor())
        chosen_BL = chosen_BL & eligible_BL
        is_forced_B = eligible_BL.any(1) & ~chosen_BL.any(1)
        reveal_BL = chosen_BL | (likeliest(logit_BL, eligible_BL) & is_forced_B[:, None])
        return StepDecision(reveal_BL, is_forced_B, logit_BL.masked_fill(~eligible_BL, 0.0))


def _top(logit_BL: Tensor, eligible_BL: Tensor, *, num_B: Tensor) -> Tensor:
    """The ``num_B`` eligible positions of the highest logits, the first of equal ones first."""
    order_BL = logit_BL.masked_fill(~eligible_BL, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank_BL = torch.empty_like(order_BL).scatter_(
        1, order_BL, torch.arange(order_BL.shape[1], device=order_BL.device).expand_as(order_BL)
    )
    return rank_BL < num_B[:, None]
