"""What an unmasking policy sees and decides: one protocol for decoding, evaluation and reinforcement learning.

The answer of L tokens is cut into blocks of ``block_len`` (the last may be shorter) that are filled from left to
right, each row at its own pace. A policy sees the L positions of the answer only, never the prompt, and decides on
positions that are eligible: masked, and in an open block.

Shapes: B rows, L answer, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StepContext:
    """A step's facts.

    Attributes:
        eligible_BL: Positions that may be revealed; all False in rows that are done.
        masked_BL: Positions that are masked, eligible or not.
        confidence_BL: Probability of the token proposed for each eligible position, float64; 0 elsewhere.
        entropy_BL: Entropy of the law of each eligible position's token, nats, float64; 0 elsewhere.
        margin_BL: Probability of its likeliest token less that of the second, float64; 0 elsewhere.
        uniform_BL: A number in [0, 1) for each position, drawn for this row and step alone, float64.
        step_B: Steps that each row has spent in its current block so far, int64.
        num_block_masks_B: Masks that the current block had when it was opened, int64.
        known_share_B: Share of the row's attended canvas, prompt included, that is not masked, float64.
        block_len: Tokens of a block.
        hidden_BLD: The denoiser's last hidden states at the answer's positions; None unless ``needs_hidden``.
    """

    eligible_BL: Tensor
    masked_BL: Tensor
    confidence_BL: Tensor
    entropy_BL: Tensor
    margin_BL: Tensor
    uniform_BL: Tensor
    step_B: Tensor
    num_block_masks_B: Tensor
    known_share_B: Tensor
    block_len: int
    hidden_BLD: Tensor | None = None


class StepDecision(NamedTuple):
    """What a policy decides.

    Attributes:
        reveal_BL: Positions to reveal: a subset of the eligible ones, at least one in every row that has any.
        is_forced_B: True in rows where the policy itself chose nothing and the likeliest position was revealed so that
            decoding moves on.
        logit_BL: Logits of the probability of revealing each position, of planners; None for rules.
    """

    reveal_BL: Tensor
    is_forced_B: Tensor
    logit_BL: Tensor | None = None


class UnmaskPolicy(Protocol):
    """Chooses what to reveal."""

    @property
    def name(self) -> str:
        """As on the command line: ``threshold:0.9``."""
        ...

    @property
    def needs_hidden(self) -> bool:
        """True when ``hidden_BLD`` must be there."""
        ...

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masked positions in open blocks; `current_block` of each row for all rules but those of several blocks."""
        ...

    def select(self, context: StepContext) -> StepDecision:
        """Positions to reveal now."""
        ...


def current_block(masked_BL: Tensor, *, block_len: int) -> Tensor:
    """Masked positions of each row's first block that has any, shape (B, L)."""
    import torch

    L = masked_BL.shape[1]
    block_L = torch.arange(L, device=masked_BL.device) // block_len
    beyond = block_L.new_full((), L)
    first_B = torch.where(masked_BL, block_L, beyond).amin(1)
    return masked_BL & (block_L == first_B[:, None])
