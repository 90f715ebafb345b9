"""What a planner imitates: masks of states, what should be revealed there, and the loss; see `imitate`.

Shapes: B rows, L answer, M positions, V vocabulary.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reasonry.training.dultra.policies.base import StepContext, UnmaskPolicy


class Masks(NamedTuple):
    """Masks of answers.

    Attributes:
        masked_BL: Positions that are masked.
        eligible_BL: Those of them in the window.
    """

    masked_BL: Tensor
    eligible_BL: Tensor


def draw_masks(rng: np.random.Generator, num: int, length: int, *, min_window: int) -> Masks:
    """Masks of ``num`` answers as in `imitate`: each window has at least one."""
    least = min(min_window, length)
    size_B = rng.integers(least, length + 1, num)
    start_B = (rng.random(num) * (length - size_B + 1)).astype(np.int64)
    # 1 - u lies in (0, 1], so that at least one position of every window is masked.
    num_masks_B = np.ceil(size_B * (1 - rng.random(num))).astype(np.int64)
    place_L = np.arange(length)
    inside_BL = (place_L >= start_B[:, None]) & (place_L < (start_B + size_B)[:, None])
    rank_BL = np.where(inside_BL, rng.random((num, length)), 2.0).argsort(1).argsort(1)
    eligible_BL = inside_BL & (rank_BL < num_masks_B[:, None])
    masked_BL = eligible_BL | (place_L >= (start_B + size_B)[:, None])
    return Masks(torch.as_tensor(masked_BL), torch.as_tensor(eligible_BL))


def rule_target(rule: UnmaskPolicy, context: StepContext) -> Tensor:
    """Positions (B, L) that a rule reveals."""
    return rule.select(context).reveal_BL & context.eligible_BL


def true_lead(logits_MV: Tensor, true_M: Tensor, *, mask_id: int) -> Tensor:
    """Probability of the true token less that of the likeliest other one, shape (M,), float64."""
    masked = torch.tensor([mask_id], device=logits_MV.device)
    p_MV = logits_MV.double().index_fill(1, masked, -torch.inf).softmax(1)
    true_M1 = true_M[:, None]
    return p_MV.gather(1, true_M1)[:, 0] - p_MV.scatter(1, true_M1, -1.0).amax(1)


def lead_target(lead_BL: Tensor, eligible_BL: Tensor, *, least: float) -> Tensor:
    """Eligible positions (B, L) that lead by ``least``, and each row's largest lead, so that decoding moves on."""
    lead_BL = lead_BL.masked_fill(~eligible_BL, -torch.inf)
    best_BL = eligible_BL & (lead_BL == lead_BL.amax(1, keepdim=True))
    return eligible_BL & ((lead_BL >= least) | (best_BL & (best_BL.cumsum(1) == 1)))


def imitation_loss(logit_BL: Tensor, target_BL: Tensor, *, eligible_BL: Tensor, balanced: bool = False) -> Tensor:
    """Binary cross entropy over eligible positions, nats, a scalar; 0 where nothing is eligible.

    Args:
        logit_BL: The planner's.
        target_BL: What should be revealed.
        eligible_BL: Positions that count.
        balanced: Weigh what should be revealed by (#kept / #revealed), where both occur.
    """
    logit_M, target_M = logit_BL[eligible_BL], target_BL[eligible_BL].to(logit_BL.dtype)
    num_reveal = float(target_M.sum())
    num_keep = len(target_M) - num_reveal
    weight = logit_M.new_tensor(num_keep / num_reveal) if balanced and num_reveal and num_keep else None
    total = F.binary_cross_entropy_with_logits(logit_M, target_M, pos_weight=weight, reduction="sum")
    return total / max(len(target_M), 1)
