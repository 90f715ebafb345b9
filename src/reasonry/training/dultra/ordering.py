"""The other way to plan: an order of positions, in place of a coin for each.

A step reveals k of the eligible positions, drawn one after the other without replacement with probabilities in
proportion to w_i = exp(score_i) (Plackett-Luce). k is fixed beforehand, so the number of forward passes is too: this
is what LLaDOU and, with k = 1, UPO learn, and the baseline of dUltra (arXiv 2512.21446), whose coins choose how many.

    log P(i_1, ..., i_k) = sum_j [ score_{i_j} - log sum_{i not in {i_1 .. i_{j-1}}} exp(score_i) ]

A trajectory keeps which positions a step revealed, not in which order. Their probability as a set sums over k! orders.
With an exponential clock of rate w_i at every position, the k that ring first are such a draw, and they are the set U
when the rest, of rate W = sum_{i not in U} w_i, rings after all of U:

    P(U) = int_0^inf W exp(-W t) prod_{i in U} (1 - exp(-w_i t)) dt

With t = exp(x) / W the integrand is analytic and falls off fast on both sides, so that the trapezoidal rule converges
geometrically; every term is positive, so small probabilities keep their relative accuracy (about 1e-12 in float64).
The authors of LLaDOU score the order.

Draws are the k highest of score + Gumbel noise. A row with k or fewer eligible positions reveals all of them.

Shapes: B rows, L answer, K positions revealed, X nodes.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.dultra.policies.base import StepContext, StepDecision, current_block

if TYPE_CHECKING:
    from reasonry.training.dultra.planner import PlannerHead

NONE = -1
"""Fills orders of rows that reveal fewer positions than others."""

_STEP = 0.125  # of the trapezoidal rule; its error falls like exp(-c / step^2) ...
_NARROWING = 0.5  # ... and the peak narrows like 1 / sqrt(k)
_LOWEST, _HIGHEST = -42.0, 8.0  # the integrand is below 1e-17 of its peak outside, up to a thousand positions


def draw_order(score_BL: Tensor, *, eligible_BL: Tensor, num: int, uniform_BL: Tensor | None = None) -> Tensor:
    """Positions in the order in which they are revealed, shape (B, num), `NONE` after the last.

    Args:
        score_BL: log w.
        eligible_BL: Positions to choose from.
        num: k.
        uniform_BL: A uniform number in [0, 1) for each position; the highest scores when None, the first of equal ones.

    Raises:
        ConfigError: ``num`` is not positive.
    """
    if num < 1:
        raise ConfigError(f"num={num} positions per step never end a decoding", remedy="Use 1 or more.")
    key_BL = score_BL.detach().double()
    if uniform_BL is not None:
        key_BL = key_BL - torch.log(-torch.log(uniform_BL.double().clamp(min=torch.finfo(torch.float64).tiny)))
    key_BL = key_BL.masked_fill(~eligible_BL, -torch.inf)
    order_BK = key_BL.argsort(dim=1, descending=True, stable=True)[:, :num]
    if order_BK.shape[1] < num:
        order_BK = torch.nn.functional.pad(order_BK, (0, num - order_BK.shape[1]), value=NONE)
    place_K = torch.arange(num, device=order_BK.device)
    return order_BK.masked_fill(place_K >= eligible_BL.sum(1, keepdim=True), NONE)


def order_logp(score_BL: Tensor, order_BK: Tensor, *, eligible_BL: Tensor) -> Tensor:
    """Log-probability of an order, nats, shape (B,); 0 with no gradient in rows that reveal nothing.

    Args:
        score_BL: log w.
        order_BK: Distinct eligible positions, `NONE` after the last.
        eligible_BL: Positions that were chosen from.

    Raises:
        ValueError: An order names a position twice, or one that is not eligible.
    """
    score_BL = _wide(score_BL)
    left_BL = eligible_BL.clone()
    total_B = score_BL[:, :0].sum(1)
    for column in order_BK.unbind(1):
        there_B = column != NONE
        at_B1 = column.clamp(min=0)[:, None]
        if bool((there_B & ~left_BL.gather(1, at_B1)[:, 0]).any()):
            raise ValueError("an order names a position that is not eligible, or not any more")
        # Rows that are done keep one finite entry, so that no gradient is that of an empty sum.
        open_BL = left_BL | ~there_B[:, None]
        safe_BL = score_BL.masked_fill(~there_B[:, None], 0.0).masked_fill(~open_BL, -torch.inf)
        term_B = safe_BL.gather(1, at_B1)[:, 0] - safe_BL.logsumexp(1)
        total_B = total_B + term_B.masked_fill(~there_B, 0.0)
        left_BL = left_BL & ~torch.zeros_like(left_BL).scatter_(1, at_B1, there_B[:, None])
    return total_B


def set_logp(score_BL: Tensor, reveal_BL: Tensor, *, eligible_BL: Tensor) -> Tensor:
    """Log-probability that the positions drawn are these, in any order, nats, float64, shape (B,).

    Args:
        score_BL: log w.
        reveal_BL: U.
        eligible_BL: Positions that were chosen from.

    Raises:
        ValueError: A row reveals what is not eligible.
    """
    if bool((reveal_BL & ~eligible_BL).any()):
        raise ValueError("a step reveals positions that were not eligible")
    rest_BL = eligible_BL & ~reveal_BL
    is_choice_B1 = rest_BL.any(1, keepdim=True) & reveal_BL.any(1, keepdim=True)  # else it is certain
    score_BL = score_BL.double().masked_fill(~(eligible_BL & is_choice_B1), 0.0)
    inside_BL = rest_BL | ~is_choice_B1
    log_rest_B1 = score_BL.masked_fill(~inside_BL, -torch.inf).logsumexp(1, keepdim=True)
    step = min(_STEP, _NARROWING / math.sqrt(int(reveal_BL.sum(1).max()) + 1)) if len(reveal_BL) else _STEP
    x_X = torch.arange(_LOWEST, _HIGHEST, step, dtype=torch.float64, device=score_BL.device)
    log_rate_BLX = (score_BL - log_rest_B1)[..., None] + x_X
    rung_BX = _log1mexp(log_rate_BLX).masked_fill(~reveal_BL[..., None], 0.0).sum(1)
    logp_B = (x_X - x_X.exp() + rung_BX).logsumexp(1) + math.log(step)
    return logp_B.masked_fill(~is_choice_B1[:, 0], 0.0).clamp(max=0.0)


class OrderedPolicy:
    """Reveals k positions at every step, by the planner's scores.

    Args:
        head: Its logits are the scores.
        num: k.
        mode: ``sample`` draws, ``greedy`` takes the highest scores.

    Raises:
        ConfigError: ``num`` is not positive.
    """

    def __init__(self, head: PlannerHead, num: int, *, mode: Literal["sample", "greedy"] = "sample") -> None:
        if num < 1 or mode not in ("sample", "greedy"):
            raise ConfigError(f"num={num}, mode={mode!r}", remedy="Use num >= 1 and mode sample or greedy.")
        self.head, self.num, self.mode = head, num, mode

    @property
    def name(self) -> str:
        """With its mode and k: ``order:sample:2``."""
        return f"order:{self.mode}:{self.num}"

    @property
    def needs_hidden(self) -> bool:
        """True when the head reads hidden states."""
        return "hidden" in self.head.config.features

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        """Masks of each row's current block."""
        return current_block(masked_BL, block_len=block_len)

    @torch.no_grad()
    def select(self, context: StepContext) -> StepDecision:
        """The next k positions. No step is forced, and no logits are given back: scores are not those of coins."""
        eligible_BL = context.eligible_BL
        score_BL = self.head.plan(context)
        uniform_BL = context.uniform_BL if self.mode == "sample" else None
        order_BK = draw_order(score_BL, eligible_BL=eligible_BL, num=self.num, uniform_BL=uniform_BL)
        padded = torch.zeros(eligible_BL.shape[0], eligible_BL.shape[1] + 1, dtype=torch.bool, device=order_BK.device)
        last = eligible_BL.shape[1]  # a column for NONE, cut off again
        padded.scatter_(1, order_BK.masked_fill(order_BK == NONE, last), True)
        is_forced_B = torch.zeros(len(eligible_BL), dtype=torch.bool, device=order_BK.device)
        return StepDecision(padded[:, :last], is_forced_B)


def _log1mexp(log_y: Tensor) -> Tensor:
    """log(1 - exp(-exp(log_y))), accurate where exp(log_y) is tiny and where it is huge, with finite gradients."""
    is_small = log_y < -15.0
    tiny = torch.where(is_small, log_y, -15.0)
    y = torch.where(is_small, 0.0, log_y).clamp(max=6.5).exp()  # beyond, 1 - exp(-y) is 1
    return torch.where(is_small, tiny - tiny.exp() / 2, torch.log(-torch.expm1(-y)))


def _wide(score: Tensor) -> Tensor:
    return score if score.dtype == torch.float64 else score.float()
