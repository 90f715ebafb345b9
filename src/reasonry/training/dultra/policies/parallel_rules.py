"""Rules that reveal as many positions as the model seems sure of.

    threshold:c           every position with confidence >= c, the likeliest one always (Fast-dLLM, arXiv 2505.22618)
    factor:f              the largest n with c_j >= 1 - f / (j + 1) for j = 2 .. n, where c_1 >= c_2 >= ... (Fast-dLLM)
    entropy_bound:g       the largest n with H_1 + ... + H_n - max_j H_j <= g, where H_1 <= H_2 <= ... (EB-Sampler,
                          arXiv 2505.24857): a bound on what revealing n together may cost, nats
    entropy_threshold:h   every position with entropy <= h, the lowest one always (dParallel, d3LLM)

The loop that Fast-dLLM released for the factor rule, and that was copied from there into others, reveals the last
eligible position too when it is the only one that fails: confidences .2, .2 reveal both. ``factor:f:fast-dllm`` does
the same, for comparisons with their numbers.

Shapes: B rows, L answer; columns in order of confidence or entropy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from reasonry.errors import ConfigError
from reasonry.training.dultra.policies.base import StepContext, StepDecision
from reasonry.training.dultra.policies.rules import (
    BlockRule,
    leading,
    number,
    on_grid,
    or_best,
    ranked,
    score,
    unforced,
)

_HALF_GRID = 2.0**-31


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse an argument of a rule that is no number or out of range.

    Raises:
        ConfigError: With the range.
    """
    if not low <= value <= high or math.isinf(value):
        span = f"{number(low)} or more" if math.isinf(high) else f"from {number(low)} to {number(high)}"
        raise ConfigError(f"{name} = {value} is out of range", remedy=f"Give a number {span}.")


@dataclass(frozen=True)
class Threshold(BlockRule):
    """Reveals what is likely enough.

    Attributes:
        confidence: Least confidence, 0 to 1; 0 reveals the whole block at once.
    """

    confidence: float = 0.9

    def __post_init__(self) -> None:
        check_range("threshold", self.confidence, 0, 1)

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"threshold:{number(self.confidence)}"

    def select(self, context: StepContext) -> StepDecision:
        """Positions above the threshold, or the likeliest one."""
        confidence_BL = score(context, "low_confidence")
        chosen_BL = (confidence_BL >= self.confidence - _HALF_GRID) & context.eligible_BL
        return or_best(chosen_BL, confidence_BL, context.eligible_BL)


@dataclass(frozen=True)
class Factor(BlockRule):
    """Asks for more confidence the more is revealed: roughly (n + 1) (1 - c_n) <= f.

    Attributes:
        factor: f, more than 0.
        compat: ``fast-dllm`` for the released loop's way with the last position.
    """

    factor: float = 1.0
    compat: Literal["fast-dllm"] | None = None

    def __post_init__(self) -> None:
        check_range("factor", self.factor, 0)
        if self.factor == 0:
            raise ConfigError("factor = 0 is out of range", remedy="Give a number above 0.")

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"factor:{number(self.factor)}{':' + self.compat if self.compat else ''}"

    def select(self, context: StepContext) -> StepDecision:
        """The likeliest positions, as many as their confidences allow."""
        import torch

        eligible_BL, confidence_BL = context.eligible_BL, score(context, "low_confidence")
        order_BL = ranked(confidence_BL, eligible_BL)
        j_L = torch.arange(1, order_BL.shape[1] + 1, device=order_BL.device, dtype=torch.float64)
        enough_BL = confidence_BL.gather(1, order_BL) >= 1 - self.factor / (j_L + 1) - _HALF_GRID
        enough_BL[:, 0] = True
        num_eligible_B = eligible_BL.sum(1)
        num_B = torch.minimum(enough_BL.cumprod(1).sum(1), num_eligible_B)
        if self.compat == "fast-dllm":
            num_B = torch.where(num_B == num_eligible_B - 1, num_eligible_B, num_B)
        return unforced(leading(order_BL, eligible_BL, num_B))


@dataclass(frozen=True)
class EntropyBound(BlockRule):
    """Reveals what is nearly independent for lack of entropy.

    Attributes:
        bound_nats: g; 0 reveals everything that is certain and one position more.
    """

    bound_nats: float = 0.1

    def __post_init__(self) -> None:
        check_range("entropy_bound", self.bound_nats, 0)

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"entropy_bound:{number(self.bound_nats)}"

    def select(self, context: StepContext) -> StepDecision:
        """The positions of least entropy, as many as the bound allows."""
        eligible_BL = context.eligible_BL
        order_BL = ranked(score(context, "entropy"), eligible_BL)
        # In ascending order the largest of the first n is the last of them: the sum is over those before it.
        sorted_BL = on_grid(context.entropy_BL).gather(1, order_BL)
        before_BL = sorted_BL.cumsum(1) - sorted_BL
        num_B = (before_BL <= self.bound_nats + _HALF_GRID).cumprod(1).sum(1)
        return unforced(leading(order_BL, eligible_BL, num_B))


@dataclass(frozen=True)
class EntropyThreshold(BlockRule):
    """Reveals what has little entropy.

    Attributes:
        entropy_nats: Most entropy.
    """

    entropy_nats: float = 0.5

    def __post_init__(self) -> None:
        check_range("entropy_threshold", self.entropy_nats, 0)

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"entropy_threshold:{number(self.entropy_nats)}"

    def select(self, context: StepContext) -> StepDecision:
        """Positions below the threshold, or the lowest one."""
        score_BL = score(context, "entropy")
        chosen_BL = (score_BL >= -self.entropy_nats - _HALF_GRID) & context.eligible_BL
        return or_best(chosen_BL, score_BL, context.eligible_BL)
