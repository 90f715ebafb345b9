"""Training loss of a masked diffusion model, and a bound on the likelihood of answers.

With CE_i the cross entropy of the true token at a masked position, in nats,

    scheduler   w(t) sum_i CE_i                 its mean over t and masks is a bound on -log p(answer)   [1, 2]
    uniform     sum_i CE_i                      has the same optimum at every state and less variance

    normalise   scheduler divides by                    uniform divides by
    token       positions of all answers                masks of all answers
    sequence    its answer's positions, then rows       its answer's masks, then rows that have any
    batch       rows                                    rows

so that uniform logits give ln V under both weights with ``token`` and ``sequence`` (the mean over t of w(t) times the
probability of a mask is 1 for the linear schedule). dllm divides by the positions under both weights, which makes its
uniform loss a mean over all positions, masked or not.

    log p(answer) >= E_k E_{k masks} [ -(L / k) sum_i CE_i ],   k uniform on 1 .. L                      [2]

is the mean over all orders of the log-probability of filling the answer one token at a time: for a denoiser that gives
exact posteriors it is log p(answer) itself, so that its mean over a task's answers is the entropy of the task, below
which no honest model comes. The mask token keeps its share of the softmax, as in LLaDA: decoding, which never writes
it, is at least as good.

Shapes: B rows, N canvas, V vocabulary.

[1] MDLM, arXiv 2406.07524.  [2] LLaDA, arXiv 2502.09992.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.masking import Canvas, Masked, Schedule, mask_answers, mask_counts, stratified_times

Weight = Literal["scheduler", "uniform"]
Normalise = Literal["token", "sequence", "batch"]


class Loss(NamedTuple):
    """Result of `diffusion_loss`.

    Attributes:
        value: A scalar with a gradient; 0 where nothing is masked.
        num_masked: Masks.
        ce_sum_nats: Sum of their cross entropies, without weights.
    """

    value: Tensor
    num_masked: int
    ce_sum_nats: float


class Likelihood(NamedTuple):
    """Result of `likelihood_bound`.

    Attributes:
        bound_B: Estimate of the lower bound on the log-probability of each answer given its prompt, nats, float64.
        stderr_B: Standard error, from above: draws are stratified, and are taken here as if they were not.
        num_draws: Draws for each row.
    """

    bound_B: Tensor
    stderr_B: Tensor
    num_draws: int


def masked_nll(logits_BNV: Tensor, target_BN: Tensor, is_masked_BN: Tensor) -> Tensor:
    """Cross entropies (B, N) of the true tokens, nats, float32; 0 where nothing is masked.

    Only masked positions are looked at: what logits say elsewhere, infinities included, gets no gradient and does no
    harm, not even where no position at all is masked.
    """
    nll_M = F.cross_entropy(logits_BNV[is_masked_BN].float(), target_BN[is_masked_BN], reduction="none")
    return nll_M.new_zeros(target_BN.shape).masked_scatter(is_masked_BN, nll_M)


def diffusion_loss(
    logits_BNV: Tensor,
    canvas: Canvas,
    masked: Masked,
    *,
    weight: Weight = "scheduler",
    normalise: Normalise = "token",
) -> Loss:
    """Loss of a batch.

    Args:
        logits_BNV: What the denoiser says of ``masked.tokens_BN``.
        canvas: The rows as they are.
        masked: The same with masks.
        weight: What a cross entropy counts.
        normalise: What the sum is divided by.
    """
    nll_BN = masked_nll(logits_BNV, canvas.tokens_BN, masked.is_masked_BN)
    per_row_B = nll_BN.sum(1)
    counted_BN = masked.is_masked_BN
    if weight == "scheduler":
        per_row_B = per_row_B * masked.weight_B
        counted_BN = canvas.is_answer_BN
    counted_B = counted_BN.sum(1)
    if normalise == "token":
        value = per_row_B.sum() / counted_B.sum().clamp(min=1)
    elif normalise == "sequence":
        value = (per_row_B / counted_B.clamp(min=1)).sum() / (counted_B > 0).sum().clamp(min=1)
    else:
        value = per_row_B.mean()
    return Loss(value, int(masked.is_masked_BN.sum()), float(nll_BN.detach().sum()))


def training_loss(
    denoiser: Denoiser,
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    weight: Weight = "scheduler",
    normalise: Normalise = "token",
    schedule: Schedule = "linear",
    eps: float = 1e-3,
) -> Loss:
    """Loss of a batch of whole rows at random times, with a gradient; see `diffusion_loss` and `mask_answers`."""
    masked = mask_answers(canvas, rng, mask_id=denoiser.mask_id, schedule=schedule, eps=eps)
    logits_BNV = denoiser.denoise(masked.tokens_BN, canvas.attend_BN).logits_BNV
    return diffusion_loss(logits_BNV, canvas, masked, weight=weight, normalise=normalise)


@torch.no_grad()
def likelihood_bound(
    denoiser: Denoiser, canvas: Canvas, rng: np.random.Generator, *, num_draws: int = 128, batch_size: int = 64
) -> Likelihood:
    """Lower bound on the log-probability of each answer given its prompt, estimated.

    The numbers of masks of a row are stratified over its draws: with as many draws as the answer has positions, each
    number is drawn once.

    Args:
        denoiser: The model.
        canvas: The rows; each has at least one position of an answer.
        rng: Draws numbers and positions of masks.
        num_draws: Forward passes for each row.
        batch_size: Rows in one pass.

    Raises:
        ConfigError: Fewer than 2 draws.
    """
    if num_draws < 2:
        raise ConfigError(f"num_draws = {num_draws}: fewer than 2 have no error", remedy="Use 128.")
    num_rows = len(canvas.tokens_BN)
    length_B = canvas.is_answer_BN.sum(1).cpu()
    times_BS = torch.stack([stratified_times(rng, num_draws) for _ in range(num_rows)])
    num_BS = (times_BS * length_B[:, None]).long() + 1
    row_Q = torch.arange(num_rows).repeat_interleave(num_draws)
    parts: list[Tensor] = []
    for first in range(0, len(row_Q), batch_size):
        rows = row_Q[first : first + batch_size].to(canvas.tokens_BN.device)
        part = Canvas(*(of_all[rows] for of_all in canvas))
        num = num_BS.flatten()[first : first + batch_size].to(rows.device)
        masked = mask_counts(part, num, rng, mask_id=denoiser.mask_id)
        logits_BNV = denoiser.denoise(masked.tokens_BN, part.attend_BN).logits_BNV
        nll_B = masked_nll(logits_BNV, part.tokens_BN, masked.is_masked_BN).double().sum(1)
        parts.append(-(nll_B * masked.weight_B).cpu())
    draws_BS = torch.cat(parts).reshape(num_rows, num_draws)
    return Likelihood(draws_BS.mean(1), draws_BS.std(1) / num_draws**0.5, num_draws)
