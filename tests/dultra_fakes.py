"""Denoisers and contexts for tests of decoding: numbers that are known, and a policy of constant probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from reasonry.training.dultra.denoiser import Denoised
from reasonry.training.dultra.policies.base import StepContext, StepDecision, current_block
from reasonry.training.dultra.trajectory import Trajectory

MASK, PAD, END = 0, 1, 2


@dataclass
class HashDenoiser:
    """Logits that depend on every attended token of the row and on the place, counted from the first of them.

    Nothing is summed over rows or in floating point, so that a row says the same in every batch, bit by bit.
    """

    vocab_size: int = 12
    width: int = 6
    scale: float = 8.0
    end_bias: float = 0.0
    max_len: int | None = None
    name: str = "hash"
    mask_id: int = MASK
    pad_id: int = PAD
    end_id: int | None = END
    num_calls: int = 0
    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        self.num_calls += 1
        self.seen.append((tokens_BN.clone(), attend_BN.clone()))
        place_BN = (attend_BN.cumsum(1) - 1).clamp_min(0)
        row_B1 = _mix((tokens_BN + 1) * _mix(place_BN + 7)).where(attend_BN, 0).sum(1, keepdim=True)
        said_BNV = _mix(_mix(row_B1 + place_BN * 7919)[:, :, None] + torch.arange(self.vocab_size) * 104729)
        logits_BNV = (said_BNV.float() / 2**31 - 0.5) * self.scale
        if self.end_id is not None:
            logits_BNV[:, :, self.end_id] += self.end_bias
        logits_BNV[:, :, self.mask_id] += 5.0  # a model may well like it best; decoding must not
        hidden_BND = None
        if with_hidden:
            made_BND = _mix(_mix(row_B1 + place_BN * 31)[:, :, None] + torch.arange(self.width) * 1299709)
            hidden_BND = made_BND.float() / 2**31 - 0.5
        return Denoised(logits_BNV, hidden_BND)


def _mix(x: Tensor) -> Tensor:
    """Integers to integers below 2^31 that look random."""
    x = (x ^ (x >> 16)) * 0x45D9F3B & 0x7FFFFFFF
    x = (x ^ (x >> 15)) * 0x2C1B3C6D & 0x7FFFFFFF
    return x ^ (x >> 13)


@dataclass
class FlatDenoiser(HashDenoiser):
    """The same logits whatever stands on the canvas: one row for each position of the answer, or one for all."""

    logits: Tensor = field(default_factory=lambda: torch.zeros(12))
    name: str = "flat"

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        self.num_calls += 1
        B, N = tokens_BN.shape
        logits_BNV = torch.zeros(B, N, self.vocab_size)
        num = self.logits.shape[0] if self.logits.ndim == 2 else N
        logits_BNV[:, N - num :] = self.logits
        return Denoised(logits_BNV, torch.zeros(B, N, self.width) if with_hidden else None)


@dataclass
class CoinPolicy:
    """Reveals every eligible position with the same probability; the first one when none comes up."""

    q: float
    reads_hidden: bool = False
    is_stochastic: bool = True

    @property
    def name(self) -> str:
        return f"coin:{self.q}"

    @property
    def needs_hidden(self) -> bool:
        return self.reads_hidden

    def eligible(self, masked_BL: Tensor, *, block_len: int) -> Tensor:
        return current_block(masked_BL, block_len=block_len)

    def select(self, context: StepContext) -> StepDecision:
        logit_BL = torch.full_like(context.uniform_BL, float(np.log(self.q / (1 - self.q))))
        if self.reads_hidden:
            assert context.hidden_BLD is not None
            logit_BL = logit_BL + context.hidden_BLD[:, :, 0]
        chosen_BL = (context.uniform_BL < torch.sigmoid(logit_BL)) & context.eligible_BL
        is_forced_B = context.eligible_BL.any(1) & ~chosen_BL.any(1)
        score_BL = logit_BL.masked_fill(~context.eligible_BL, -torch.inf)
        best_BL = torch.zeros_like(chosen_BL).scatter_(1, score_BL.argmax(1, keepdim=True), True)
        return StepDecision(chosen_BL | (best_BL & is_forced_B[:, None]), is_forced_B, logit_BL)


def context_of(
    *,
    confidence: list[list[float]] | None = None,
    entropy: list[list[float]] | None = None,
    margin: list[list[float]] | None = None,
    uniform: list[list[float]] | None = None,
    eligible: list[list[bool]] | None = None,
    masked: list[list[bool]] | None = None,
    step: int = 0,
    block_len: int | None = None,
) -> StepContext:
    """A step in the first block of rows of which one thing at least is given."""
    given = next(x for x in (confidence, entropy, margin, uniform, eligible) if x is not None)
    B, L = len(given), len(given[0])
    eligible_BL = torch.ones(B, L, dtype=torch.bool) if eligible is None else torch.tensor(eligible)
    masked_BL = eligible_BL if masked is None else torch.tensor(masked)

    def table(values: list[list[float]] | None) -> Tensor:
        return torch.zeros(B, L, dtype=torch.float64) if values is None else torch.tensor(values, dtype=torch.float64)

    return StepContext(
        eligible_BL=eligible_BL,
        masked_BL=masked_BL,
        confidence_BL=table(confidence),
        entropy_BL=table(entropy),
        margin_BL=table(margin),
        uniform_BL=table(uniform),
        step_B=torch.full((B,), step),
        num_block_masks_B=torch.full((B,), min(block_len or L, L)),
        known_share_B=torch.zeros(B, dtype=torch.float64),
        block_len=block_len or L,
    )


def prompts_of(lengths: list[int], *, pad_to: int | None = None, seed: int = 3, vocab_size: int = 12):
    """Prompts of these lengths, padded on the left: ids and where they are attended to."""
    P = pad_to or max(lengths, default=0)
    rng = np.random.default_rng(seed)
    prompt_BP = np.full((len(lengths), P), PAD)
    for row, length in zip(prompt_BP, lengths, strict=True):
        row[P - length :] = rng.integers(3, vocab_size, length)
    attend_BP = np.arange(P) >= P - np.asarray(lengths)[:, None]
    return torch.from_numpy(prompt_BP), torch.from_numpy(attend_BP)


def row_of(trajectory: Trajectory, row: int):
    """What a row became, without what the rest of its batch adds: tokens, steps, forced steps, passes, logps."""
    S = int(trajectory.nfe_B[row])
    plan = trajectory.logp_plan_BS
    return (
        trajectory.tokens_BL[row].tolist(),
        trajectory.revealed_at_BL[row].tolist(),
        trajectory.is_forced_BS[row, :S].tolist(),
        S,
        trajectory.logp_tok_BS[row, :S].tolist(),
        None if plan is None else plan[row, :S].tolist(),
    )
