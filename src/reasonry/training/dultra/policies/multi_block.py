"""Several open blocks at once: the next one opens before the last one is full.

    progress_j   share of block j's positions that are known
    open         the first block, and block j + 1 when block j is open and progress_j >= a
    active       open, and the first block or progress of the block before >= d

Positions with entropy <= h are revealed in every open block; an active block that has none reveals its lowest one, so
that each row moves on at every step: the block before the first unfinished one is full. This is the decoder of
Discrete Diffusion Forcing (D2F, arXiv 2508.09192), which ranks by confidence, with the entropy of d3LLM; d3LLM uses
a = .1, d = .95 and h = .5 for LLaDA, .4 for Dream.

D2F opens at most one block a step, and its canvas ends with the last open one, as its model looks block by block to
the left. Here the canvas is whole from the beginning, and what is open follows from what is known alone, so that
any point of a trajectory can be replayed.

Shapes: B rows, L answer, J blocks, K tokens of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reasonry.errors import ConfigError
from reasonry.training.dultra.policies.base import StepContext, StepDecision
from reasonry.training.dultra.policies.parallel_rules import check_range
from reasonry.training.dultra.policies.rules import number, score

if TYPE_CHECKING:
    from torch import Tensor

_SLACK = 1e-9  # a share such as 19 / 20 may fall short of .95 by rounding


@dataclass(frozen=True)
class MultiBlock:
    """Decodes in several blocks at once.

    Attributes:
        add: a, progress of the last open block that opens the next one, above 0, at most 1.
        decoded: d, progress of a block that makes the next one active, 0 to 1.
        entropy_nats: h.
    """

    add: float = 0.1
    decoded: float = 0.95
    entropy_nats: float = 0.5

    def __post_init__(self) -> None:
        check_range("multi_block's progress that opens a block", self.add, 0, 1)
        if self.add == 0:
            raise ConfigError(
                "multi_block opens every block at once when its first argument is 0",
                remedy="Give more than 0, or one block as long as the answer.",
            )
        check_range("multi_block's progress that makes a block active", self.decoded, 0, 1)
        check_range("multi_block's entropy", self.entropy_nats, 0)

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"multi_block:{number(self.add)}:{number(self.decoded)}:{number(self.entropy_nats)}"

    @property
    def needs_hidden(self) -> bool:
        """Never."""
        return False

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masked positions of open blocks."""
        progress_BJ = _progress(masked_BL, block_len)
        is_past_BJ = (progress_BJ >= self.add - _SLACK).cumprod(1).bool()
        is_open_BJ = _after(is_past_BJ)
        return masked_BL & is_open_BJ.repeat_interleave(block_len, 1)[:, : masked_BL.shape[1]]

    def select(self, context: StepContext) -> StepDecision:
        """What is low enough in open blocks, and the lowest of each active block that has nothing."""
        import torch

        L, eligible_BL = context.masked_BL.shape[1], context.eligible_BL
        low_BL = (score(context, "entropy") >= -self.entropy_nats - _SLACK) & eligible_BL
        eligible_BJK, low_BJK = _blocks(eligible_BL, context.block_len), _blocks(low_BL, context.block_len)
        score_BJK = _blocks(score(context, "entropy"), context.block_len)
        is_active_BJ = _after(_progress(context.masked_BL, context.block_len) >= self.decoded - _SLACK)
        needs_BJ = is_active_BJ & eligible_BJK.any(2) & ~low_BJK.any(2)
        at_BJ1 = score_BJK.masked_fill(~eligible_BJK, -float("inf")).argmax(2, keepdim=True)
        lowest_BJK = torch.zeros_like(eligible_BJK).scatter_(2, at_BJ1, True) & needs_BJ[:, :, None]
        is_forced_B = eligible_BL.any(1) & ~low_BL.any(1)
        return StepDecision(low_BL | lowest_BJK.flatten(1)[:, :L], is_forced_B)


def _blocks(values_BL: Tensor, block_len: int) -> Tensor:
    """Cut into blocks (B, J, K), the last filled up with False or 0."""
    import torch.nn.functional as F

    missing = -values_BL.shape[1] % block_len
    return F.pad(values_BL, (0, missing)).unflatten(1, (-1, block_len))


def _progress(masked_BL: Tensor, block_len: int) -> Tensor:
    """Share of each block that is known, shape (B, J), float64."""
    import torch

    known_BJ = _blocks(~masked_BL, block_len).sum(2)
    size_J = _blocks(torch.ones_like(masked_BL[:1]), block_len).sum(2)
    return known_BJ.double() / size_J


def _after(is_true_BJ: Tensor) -> Tensor:
    """Whether it is true of the block before, shape (B, J); True of the first block."""
    import torch.nn.functional as F

    return F.pad(is_true_BJ[:, :-1], (1, 0), value=True)
