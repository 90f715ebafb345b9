"""The forward process: canvases of prompt and answer, and answers with some of their tokens masked.

A time t in (0, 1) is drawn for each row, stratified over the batch, and squeezed away from 0; every position of the
answer is then masked on its own with probability 1 - alpha_t. Prompt and padding are never masked; the end tokens that
fill an answer are, since a model has to learn to write them.

    t_i      = (u + i / B) mod 1,  u uniform;   t <- (1 - eps) t + eps
    linear     alpha_t = 1 - t                    masked with probability t,           w(t) = 1 / t
    cosine     alpha_t = 1 - cos(pi (1 - t) / 2)  masked with probability sin(pi t / 2), w(t) = pi / 2 cot(pi t / 2)
    w(t)     = -alpha'_t / (1 - alpha_t)          weight that turns cross entropies into a bound, see `elbo`

(MDLM, arXiv 2406.07524; linear with eps = 0.001 is LLaDA, arXiv 2502.09992.) For likelihoods the number of masks k is
drawn instead, uniformly from 1 .. L, which has less variance than a number that is itself random given t.

Shapes: B rows, P prompt, L answer, N = P + L canvas.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.errors import ConfigError

Schedule = Literal["linear", "cosine"]


class Canvas(NamedTuple):
    """Whole rows.

    Attributes:
        tokens_BN: Prompt, padded on the left, and answer.
        attend_BN: False on the padding.
        is_answer_BN: Positions that may be masked.
    """

    tokens_BN: Tensor
    attend_BN: Tensor
    is_answer_BN: Tensor


class Masked(NamedTuple):
    """Rows with masks.

    Attributes:
        tokens_BN: What a denoiser is shown.
        is_masked_BN: Positions that are masked.
        weight_B: What a cross entropy of each row counts.
    """

    tokens_BN: Tensor
    is_masked_BN: Tensor
    weight_B: Tensor


class Forward(NamedTuple):
    """The forward process at some times.

    Attributes:
        prob_B: Probability that a token is masked.
        weight_B: w(t).
    """

    prob_B: Tensor
    weight_B: Tensor


def make_canvas(prompt_BP: Tensor, answer_BL: Tensor, *, pad_id: int) -> Canvas:
    """Prompt and answer side by side. Padding is what stands before a prompt's first other token."""
    attend_BP = (prompt_BP != pad_id).cumsum(1) > 0
    everything_BL = torch.ones_like(answer_BL, dtype=torch.bool)
    return Canvas(
        torch.cat([prompt_BP, answer_BL], 1),
        torch.cat([attend_BP, everything_BL], 1),
        torch.cat([torch.zeros_like(attend_BP), everything_BL], 1),
    )


def positions(attend_BN: Tensor, *, max_len: int | None, name: str) -> Tensor:
    """Positions (B, N) counted from each row's first attended token; 0 on the padding before it.

    Args:
        attend_BN: False on padding.
        max_len: Longest row, tokens.
        name: Of the denoiser, for the error.

    Raises:
        ConfigError: A row is longer than ``max_len``.
    """
    position_BN = attend_BN.cumsum(1).sub(1).clamp(min=0)
    longest = int(position_BN.max()) + 1
    if max_len is not None and longest > max_len:
        raise ConfigError(
            f"{longest} tokens do not fit a canvas of {max_len}",
            place=name,
            remedy="Shorten the prompts or the answer, or use a model with a longer context.",
        )
    return position_BN


def attended_keys(attend_BN: Tensor) -> Tensor:
    """Columns that are attended to: all of them in a row of nothing but padding, whose values mean nothing."""
    return attend_BN | ~attend_BN.any(1, keepdim=True)


def stratified_times(rng: np.random.Generator, num: int) -> Tensor:
    """``num`` times in [0, 1), one in each of ``num`` equal parts, each of them uniform; float64."""
    return torch.as_tensor((rng.random() + np.arange(num) / num) % 1.0)


def forward_process(time_B: Tensor, *, schedule: Schedule = "linear", eps: float = 1e-3) -> Forward:
    """Probabilities of masks and weights at times in [0, 1), which are squeezed into [eps, 1) first."""
    if not 0 < eps < 1:
        raise ConfigError(f"eps = {eps} does not lie between 0 and 1", remedy="Use 0.001.")
    t_B = (1 - eps) * time_B + eps
    if schedule == "linear":
        return Forward(t_B, 1 / t_B)
    angle_B = math.pi / 2 * t_B
    return Forward(angle_B.sin(), math.pi / 2 / angle_B.tan())


def mask_answers(
    canvas: Canvas, rng: np.random.Generator, *, mask_id: int, schedule: Schedule = "linear", eps: float = 1e-3
) -> Masked:
    """Mask each row at a time of its own; weights are w(t).

    Args:
        canvas: Whole rows.
        rng: Draws the times and the masks.
        mask_id: The mask token.
        schedule: How masks grow with time.
        eps: Least time.
    """
    num_rows, num_columns = canvas.tokens_BN.shape
    forward = forward_process(stratified_times(rng, num_rows), schedule=schedule, eps=eps)
    uniform_BN = torch.as_tensor(rng.random((num_rows, num_columns)))
    is_masked_BN = (uniform_BN < forward.prob_B[:, None]).to(canvas.tokens_BN.device) & canvas.is_answer_BN
    return Masked(
        canvas.tokens_BN.masked_fill(is_masked_BN, mask_id),
        is_masked_BN,
        forward.weight_B.float().to(canvas.tokens_BN.device),
    )


def mask_counts(canvas: Canvas, num_B: Tensor, rng: np.random.Generator, *, mask_id: int) -> Masked:
    """Mask exactly ``num_B`` positions of each answer, every set of that size alike; weights are L / k.

    Args:
        canvas: Whole rows.
        num_B: k, from 1 to the length of each row's answer.
        rng: Draws the positions.
        mask_id: The mask token.
    """
    key_BN = torch.as_tensor(rng.random(tuple(canvas.tokens_BN.shape))).to(canvas.tokens_BN.device)
    rank_BN = key_BN.masked_fill(~canvas.is_answer_BN, 2.0).argsort(1).argsort(1)
    is_masked_BN = (rank_BN < num_B[:, None]) & canvas.is_answer_BN
    return Masked(canvas.tokens_BN.masked_fill(is_masked_BN, mask_id), is_masked_BN, canvas.is_answer_BN.sum(1) / num_B)
