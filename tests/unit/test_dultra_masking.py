"""The forward process masks answers alone, at stratified times, as often and as heavily weighted as it says."""

import math

import numpy as np
import pytest
import torch

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.training.dultra.masking import (
    Canvas,
    Schedule,
    attended_keys,
    forward_process,
    make_canvas,
    mask_answers,
    mask_counts,
    positions,
    stratified_times,
)

MASK, PAD, END = 0, 1, 2


def _canvas(num: int, length: int = 6) -> Canvas:
    prompt = torch.tensor([[PAD, 3, 4], [3, PAD, 4], [PAD, PAD, PAD]]).repeat(num, 1)[:num]
    answer = torch.arange(5, 5 + length).repeat(num, 1)
    answer[:, -1] = END
    return make_canvas(prompt, answer, pad_id=PAD)


def test_a_canvas_is_prompt_and_answer_and_knows_its_padding() -> None:
    canvas = _canvas(3, 2)
    assert canvas.tokens_BN.tolist() == [[1, 3, 4, 5, 2], [3, 1, 4, 5, 2], [1, 1, 1, 5, 2]]
    f, t = False, True
    # A padding token inside a prompt is part of it; only what stands before the prompt is not attended to.
    assert canvas.attend_BN.tolist() == [[f, t, t, t, t], [t, t, t, t, t], [f, f, f, t, t]]
    assert canvas.is_answer_BN.tolist() == [[f, f, f, t, t]] * 3


def test_positions_begin_at_the_first_attended_token() -> None:
    attend = torch.tensor([[True] * 4, [False, False, True, True]])
    assert positions(attend, max_len=4, name="m").tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]
    assert positions(attend, max_len=None, name="m").shape == (2, 4)
    with pytest.raises(ConfigError, match="4 tokens do not fit a canvas of 3"):
        positions(attend, max_len=3, name="m")
    assert attended_keys(torch.tensor([[False, True], [False, False]])).tolist() == [[False, True], [True, True]]


def test_times_are_stratified() -> None:
    draws = torch.stack([stratified_times(seeds.stream(n, "t"), 8) for n in range(500)])
    assert ((draws >= 0) & (draws < 1)).all()
    assert ((draws * 8).long().sort(1).values == torch.arange(8)).all()  # one in each eighth
    offsets = draws * 8 % 1
    assert torch.allclose(offsets, offsets[:, :1].expand(-1, 8), atol=1e-9)  # the same place in each
    for row in range(8):  # each row's own time is uniform: mean 1/2 and variance 1/12, within 4 standard errors
        assert abs(float(draws[:, row].mean()) - 0.5) < 4 * math.sqrt(1 / 12 / 500)
        assert abs(float(draws[:, row].var()) - 1 / 12) < 0.015


@pytest.mark.parametrize(("time", "prob"), [(0.0, 0.001), (0.5, 0.5005), (1.0, 1.0)])
def test_the_linear_schedule_masks_at_the_time_and_weights_by_its_inverse(time: float, prob: float) -> None:
    forward = forward_process(torch.tensor([time], dtype=torch.float64))
    assert float(forward.prob_B) == pytest.approx(prob, rel=1e-12)
    assert float(forward.weight_B) == pytest.approx(1 / prob, rel=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_weights_are_the_rate_of_masking_over_the_share_of_masks(schedule: Schedule) -> None:
    time = torch.linspace(0.01, 0.99, 50, dtype=torch.float64).requires_grad_()
    forward = forward_process(time, schedule=schedule, eps=1e-9)
    (rate,) = torch.autograd.grad(forward.prob_B.sum(), time)  # -alpha' = d(1 - alpha) / dt
    assert torch.allclose(forward.weight_B, rate / forward.prob_B, rtol=1e-6)
    prob = forward.prob_B.detach()
    assert (prob.diff() > 0).all() and 0 < float(prob[0]) < float(prob[-1]) < 1


def test_the_cosine_schedule_is_that_of_mdlm() -> None:
    forward = forward_process(torch.tensor([1 / 3], dtype=torch.float64), schedule="cosine", eps=1e-9)
    assert float(forward.prob_B) == pytest.approx(0.5, abs=1e-6)  # cos(pi (1 - 1/3) / 2) = 1/2


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1])
def test_a_least_time_that_is_none_is_refused(eps: float) -> None:
    with pytest.raises(ConfigError, match="eps"):
        forward_process(torch.zeros(1), eps=eps)


def test_answers_are_masked_and_prompts_and_padding_are_not() -> None:
    canvas = _canvas(3000)
    masked = mask_answers(canvas, seeds.stream(0, "m"), mask_id=MASK)
    assert not masked.is_masked_BN[:, :3].any()
    assert torch.equal(masked.tokens_BN[:, :3], canvas.tokens_BN[:, :3])
    assert (masked.tokens_BN[masked.is_masked_BN] == MASK).all()
    assert torch.equal(masked.tokens_BN[~masked.is_masked_BN], canvas.tokens_BN[~masked.is_masked_BN])
    share = masked.is_masked_BN[:, 3:].double().mean(0)  # of each position, the filling end token included
    assert ((share - 0.5).abs() < 4 * 0.5 / math.sqrt(3000)).all()


def test_rows_are_masked_at_their_own_times_and_positions_on_their_own() -> None:
    canvas = _canvas(4000, 50)
    masked = mask_answers(canvas, seeds.stream(1, "m"), mask_id=MASK)
    prob = 1 / masked.weight_B.double()  # linear: the weight is 1 / t
    assert masked.weight_B.dtype == torch.float32
    num = masked.is_masked_BN.sum(1).double()
    z = (num - 50 * prob) / (50 * prob * (1 - prob)).sqrt().clamp(min=1e-3)
    middle = (prob > 0.1) & (prob < 0.9)
    assert abs(float(z[middle].mean())) < 0.1 and abs(float(z[middle].std()) - 1) < 0.1
    assert prob.min() < 0.01 and prob.max() > 0.99


def test_counts_are_exact_and_sets_of_a_size_alike() -> None:
    num, length = 6000, 4
    canvas = _canvas(num, length)
    wanted = torch.arange(num) % length + 1
    masked = mask_counts(canvas, wanted, seeds.stream(2, "k"), mask_id=MASK)
    assert torch.equal(masked.is_masked_BN.sum(1), wanted)
    assert not masked.is_masked_BN[:, :3].any()
    assert torch.equal(masked.weight_B, length / wanted)
    assert (masked.tokens_BN[masked.is_masked_BN] == MASK).all()
    pairs = masked.is_masked_BN[wanted == 2][:, 3:].long() @ torch.tensor([1, 2, 4, 8])
    counts = np.unique(pairs.numpy(), return_counts=True)[1]
    assert len(counts) == 6 and abs(counts - num / 4 / 6).max() < 5 * math.sqrt(num / 4 / 6)


def test_the_same_generator_gives_the_same_masks() -> None:
    a, b = (mask_answers(_canvas(20), seeds.stream(5, "m"), mask_id=MASK) for _ in range(2))
    other = mask_answers(_canvas(20), seeds.stream(6, "m"), mask_id=MASK)
    assert torch.equal(a.is_masked_BN, b.is_masked_BN)
    assert not torch.equal(a.is_masked_BN, other.is_masked_BN)
