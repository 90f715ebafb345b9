"""Token likelihoods from one pass: what diffu-GRPO (d1) learns from, the baseline of dUltra (arXiv 2512.21446).

    log p(token_i) = log softmax(logits_i(prompt with some tokens masked, nothing but masks))[token_i]
    loss = -1 / (B L) sum_b sum_i min(w_i A_b, clip(w_i, 1 - .2, 1 + 1) A_b),   w_i = exp(logp_i - logp_old_i)

Every token has a ratio of its own. One pass stands for all steps of a decoding, so that it is cheap, and biased: a
token is scored as if nothing else had been revealed before it. Each update masks the prompt's tokens anew; old and new
probabilities of an update see the same masks.

Shapes: B decodings, L answer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reasonry.training.dultra.decoding import answer_lengths
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.policy_loss import step_loss
from reasonry.training.dultra.stages.replay import Replayed, Scoring
from reasonry.training.dultra.stages.rollouts import Rollout


class OneStepReplay:
    """The passes of one update.

    Args:
        rollout: Its decodings.
        rng: Draws which tokens of prompts are masked.
        mask_rate: Their share.
        mask_id: What stands in their place.
    """

    def __init__(self, rollout: Rollout, *, rng: np.random.Generator, mask_rate: float, mask_id: int) -> None:
        t = rollout.trajectory
        self.rollout = rollout
        self._old_BL: Tensor | None = None
        L = t.tokens_BL.shape[1]
        hide_BP = torch.as_tensor(rng.random(tuple(t.prompt_BP.shape)) < mask_rate).to(t.prompt_BP.device)
        prompt_BP = t.prompt_BP.masked_fill(hide_BP & t.attend_BP.bool(), mask_id)
        self._tokens_BN = torch.cat([prompt_BP, torch.full_like(t.tokens_BL, mask_id)], 1)
        self._attend_BN = torch.cat([t.attend_BP.bool(), torch.ones_like(t.tokens_BL, dtype=torch.bool)], 1)
        self._mask_id, self._len = mask_id, L

    def logp(self, denoiser: Denoiser, rows: slice, scoring: Scoring) -> Tensor:
        """Log-probability (B, L) of each token, nats, at the temperature that ``scoring`` scores at."""
        logits_BLV = denoiser.denoise(self._tokens_BN[rows], self._attend_BN[rows]).logits_BNV[:, -self._len :]
        masked = torch.tensor([self._mask_id], device=logits_BLV.device)
        logits_BLV = logits_BLV.float().index_fill(2, masked, -torch.inf)
        if scoring.score == "rollout" and scoring.temperature > 0:
            logits_BLV = logits_BLV / scoring.temperature
        tokens_BL = self.rollout.trajectory.tokens_BL[rows]
        return logits_BLV.gather(2, tokens_BL[..., None])[..., 0] - logits_BLV.logsumexp(2)

    def replay(self, denoiser: Denoiser, scoring: Scoring, *, advantage_B: Tensor) -> Replayed:
        """Add the gradient of an update to the denoiser's; the first call's weights are those of the ratios.

        Args:
            denoiser: Gradients of its weights grow.
            scoring: Temperature and clipping.
            advantage_B: Of each decoding.
        """
        t, size = self.rollout.trajectory, scoring.micro_batch
        lengths_B1 = answer_lengths(t.tokens_BL, denoiser.end_id)[:, None]
        is_said_BL = torch.arange(self._len, device=t.tokens_BL.device) < lengths_B1
        loss, num_clipped, gap = 0.0, 0, 0.0
        kept: list[Tensor] = []
        for first in range(0, len(t.tokens_BL), size):
            rows = slice(first, first + size)
            logp_BL = self.logp(denoiser, rows, scoring)
            old_BL = logp_BL.detach() if self._old_BL is None else self._old_BL[rows]
            kept.append(old_BL)
            part = step_loss(
                logp_BL,
                old_BL,
                advantage_B=advantage_B[rows],
                is_step_BS=is_said_BL[rows],
                num_tok=self.rollout.num_tok,
                clip_low=scoring.clip_low,
                clip_high=scoring.clip_high,
            )
            part.value.backward()
            loss, num_clipped = loss + float(part.value.detach()), num_clipped + part.num_clipped
            gap = max(gap, part.max_log_ratio)
        self._old_BL = torch.cat(kept)
        num = max(int(is_said_BL.sum()), 1)
        return Replayed(loss, 0.0, num_clipped / num, gap, num)
