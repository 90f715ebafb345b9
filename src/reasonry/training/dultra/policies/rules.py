"""Rules that reveal a given number of positions at each step, and what all rules share.

    low_confidence   the positions whose proposed tokens are likeliest (MaskGIT, LLaDA)
    margin           largest probability of the likeliest token less that of the second
    entropy          least entropy of the token's law (Dream)
    random           any

With a budget of S steps for an answer of L tokens, a block that begins at a and ends before e gets

    s = floor(S e / L) - floor(S a / L)

of them, so that all blocks together take exactly S when ceil(L / block_len) <= S <= L; where S is a multiple of the
number of blocks and these are of one length that is S over their number, as in LLaDA. n masks in s steps are n // s
a step, the first n % s steps one more: 10 in 4 are 3, 3, 2, 2. `Fixed` reveals k at every step instead.

Numbers are compared on a grid of 2^-30 (`on_grid`): what differs by rounding alone is equal, sums of entropies are
exact in any order, and of equals the leftmost comes first. So a row's result does not hang on how its batch was summed.

Shapes: B rows, L answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reasonry.errors import ConfigError
from reasonry.training.dultra.policies.base import StepContext, StepDecision, current_block

if TYPE_CHECKING:
    from torch import Tensor

By = Literal["low_confidence", "margin", "entropy", "random"]
"""What positions are ranked by; the names that other decoders of masked diffusion models use."""

_GRID = 2.0**30


# ---------------------------------------------------------------- shared by all rules


class BlockRule:
    """A rule that works on one block at a time and needs no hidden states."""

    @property
    def needs_hidden(self) -> bool:
        """Never."""
        return False

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masked positions of each row's first block that has any."""
        return current_block(masked_BL, block_len=block_len)


def on_grid(values: Tensor) -> Tensor:
    """Float64 values rounded to multiples of 2^-30."""
    return (values * _GRID).round_().div_(_GRID)


def score(context: StepContext, by: By) -> Tensor:
    """What positions are ranked by, higher first, shape (B, L), on the grid."""
    match by:
        case "low_confidence":
            return on_grid(context.confidence_BL)
        case "margin":
            return on_grid(context.margin_BL)
        case "entropy":
            return on_grid(-context.entropy_BL)
        case "random":
            return context.uniform_BL


def ranked(score_BL: Tensor, eligible_BL: Tensor) -> Tensor:
    """Positions (B, L) from the highest score to the lowest, the leftmost of equals first; ineligible ones last."""
    return score_BL.masked_fill(~eligible_BL, -float("inf")).sort(dim=1, descending=True, stable=True).indices


def leading(order_BL: Tensor, eligible_BL: Tensor, num_B: Tensor) -> Tensor:
    """The first ``num_B`` positions of an order, as far as they are eligible, shape (B, L)."""
    import torch

    rank_L = torch.arange(order_BL.shape[1], device=order_BL.device)
    return torch.zeros_like(eligible_BL).scatter_(1, order_BL, rank_L < num_B[:, None]) & eligible_BL


def best(score_BL: Tensor, eligible_BL: Tensor) -> Tensor:
    """The eligible position with the highest score in each row that has one, the leftmost of equals, shape (B, L)."""
    import torch

    at_B1 = score_BL.masked_fill(~eligible_BL, -float("inf")).argmax(1, keepdim=True)
    return torch.zeros_like(eligible_BL).scatter_(1, at_B1, True) & eligible_BL


def or_best(chosen_BL: Tensor, score_BL: Tensor, eligible_BL: Tensor) -> StepDecision:
    """What was chosen, and the best position in rows where nothing was: these are the forced ones."""
    is_forced_B = eligible_BL.any(1) & ~chosen_BL.any(1)
    return StepDecision(chosen_BL | (best(score_BL, eligible_BL) & is_forced_B[:, None]), is_forced_B)


def unforced(reveal_BL: Tensor) -> StepDecision:
    """The decision of a rule that always chooses something itself."""
    return StepDecision(reveal_BL, reveal_BL.new_zeros(reveal_BL.shape[0]))


def number(value: float) -> str:
    """A number as it stands in a policy's name: ``1`` rather than ``1.0``, else every digit that it takes."""
    return str(int(value)) if value == int(value) else repr(float(value))


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class Scheduled(BlockRule):
    """Spends a number of steps on the answer, whatever the model is sure of.

    Attributes:
        by: What positions are ranked by.
        num_steps: For the whole answer; None for one token a step.

    Raises:
        ConfigError: No steps; and, when the answer's length is known, fewer steps than blocks.
    """

    by: By
    num_steps: int | None = None

    def __post_init__(self) -> None:
        if self.num_steps is not None and self.num_steps < 1:
            raise ConfigError(f"{self.name} has no steps", remedy="Give at least one step for each block.")

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.by if self.num_steps is None else f"{self.by}:{self.num_steps}"

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masked positions of the current block."""
        num_blocks = -(-masked_BL.shape[1] // block_len)
        if self.num_steps is not None and self.num_steps < num_blocks:
            raise ConfigError(
                f"{self.name} has fewer steps than the answer has blocks ({num_blocks} of {block_len} tokens)",
                remedy="Every block takes a step at least: give more steps, or longer blocks.",
            )
        return super().eligible(masked_BL, block_len=block_len)

    def select(self, context: StepContext) -> StepDecision:
        """The step's share of the block."""
        eligible_BL, L = context.eligible_BL, context.eligible_BL.shape[1]
        num_steps = L if self.num_steps is None else self.num_steps
        start_B = eligible_BL.byte().argmax(1) // context.block_len * context.block_len
        end_B = (start_B + context.block_len).clamp_max(L)
        steps_B = (num_steps * end_B) // L - (num_steps * start_B) // L
        n_B = context.num_block_masks_B
        num_B = (n_B // steps_B + (context.step_B < n_B % steps_B)).clamp_min(1)
        return unforced(leading(ranked(score(context, self.by), eligible_BL), eligible_BL, num_B))


@dataclass(frozen=True)
class Fixed(BlockRule):
    """Reveals the k likeliest positions at each step (``top:k``), or any k (``rand:k``).

    Attributes:
        by: What positions are ranked by: confidence or chance.
        num: k.
    """

    by: Literal["low_confidence", "random"]
    num: int

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ConfigError(f"{self.name} reveals nothing", remedy="Give at least 1.")

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{'rand' if self.by == 'random' else 'top'}:{self.num}"

    def select(self, context: StepContext) -> StepDecision:
        """As many positions, or what is left."""
        eligible_BL, score_BL = context.eligible_BL, score(context, self.by)
        if self.num == 1:
            return unforced(best(score_BL, eligible_BL))
        num_B = context.step_B.new_full((len(eligible_BL),), self.num)
        return unforced(leading(ranked(score_BL, eligible_BL), eligible_BL, num_B))
