"""The loss of a decoding's steps by hand, and its mean gradient against that of the expected reward."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.dultra.plan_likelihood import plan_logp
from reasonry.training.dultra.policy_loss import (
    ReplayWarning,
    clip_advantages,
    decoding_advantages,
    step_loss,
    zero_loss,
)

STEPS = torch.tensor([[True, True, True], [True, True, False]])


def value(ratio: list[list[float]], advantage: list[float], **settings: Any) -> float:
    logp = torch.tensor(ratio, dtype=torch.float64).log()
    made = step_loss(
        logp, torch.zeros_like(logp), advantage_B=torch.tensor(advantage), is_step_BS=STEPS, num_tok=10, **settings
    )
    return made.value.item()


def test_steps_are_summed_and_divided_by_the_tokens_of_the_update() -> None:
    assert value([[1, 1, 1], [1, 1, 9]], [2.0, -1.0]) == pytest.approx(-(3 * 2 - 2) / 10)


def test_ratios_are_clipped_at_a_fifth_below_and_at_two() -> None:
    assert value([[3, 0.5, 1], [1, 1, 1]], [1.0, 0.0]) == pytest.approx(-(2 + 0.5 + 1) / 10)
    assert value([[3, 0.5, 1], [1, 1, 1]], [-1.0, 0.0]) == pytest.approx((3 + 0.8 + 1) / 10)


def test_clipped_steps_have_no_gradient_and_are_counted() -> None:
    logp = torch.tensor([[3.0, 0.5, 1.0], [0.5, 3.0, 3.0]]).log().requires_grad_()
    made = step_loss(logp, torch.zeros(2, 3), advantage_B=torch.tensor([1.0, -1.0]), is_step_BS=STEPS, num_tok=6)
    made.value.backward()
    assert made.num_clipped == 2
    assert logp.grad is not None
    assert (logp.grad != 0).tolist() == [[False, True, True], [False, True, False]]
    assert made.max_log_ratio == pytest.approx(math.log(3))


def test_a_part_of_the_steps_adds_up_to_the_whole() -> None:
    rng = torch.Generator().manual_seed(0)
    logp, old = (torch.randn(4, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    is_step, advantage = torch.rand(4, 5, generator=rng) < 0.7, torch.randn(4, generator=rng)

    def loss(rows: slice, columns: slice) -> float:
        made = step_loss(
            logp[rows, columns], old[rows, columns], advantage_B=advantage[rows], is_step_BS=is_step[rows, columns],
            num_tok=20, ref_logp_BS=old[rows, columns] - 0.1, beta=0.3,
        )  # fmt: skip
        return made.value.item()

    parts = sum(loss(slice(i, i + 2), slice(j, j + 1)) for i in (0, 2) for j in range(5))
    assert parts == pytest.approx(loss(slice(None), slice(None)))


def test_the_divergence_is_k3_and_its_gradient_that_of_kl() -> None:
    gap = [0.5, -0.2, 0.0]
    logp = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    made = step_loss(
        logp, torch.zeros(1, 3, dtype=torch.float64), advantage_B=torch.zeros(1),
        is_step_BS=torch.tensor([[True, True, True]]), num_tok=2, ref_logp_BS=torch.tensor([gap], dtype=torch.float64),
        beta=0.5,
    )  # fmt: skip
    k3 = sum(math.exp(g) - g - 1 for g in gap)
    assert made.kl_sum == pytest.approx(k3)
    assert made.value.item() == pytest.approx(0.5 * k3 / 2)
    made.value.backward()
    assert logp.grad is not None
    assert logp.grad[0].tolist() == pytest.approx([-0.5 * g / 2 for g in gap]), "E[log ratio * score]: that of KL"


def test_huge_ratios_give_numbers() -> None:
    logp = torch.tensor([[500.0, -500.0, 0.0]], requires_grad=True)
    for sign in (1.0, -1.0):
        made = step_loss(
            logp, torch.zeros(1, 3), advantage_B=torch.tensor([sign]), is_step_BS=torch.ones(1, 3, dtype=torch.bool),
            num_tok=3, ref_logp_BS=torch.zeros(1, 3), beta=0.1,
        )  # fmt: skip
        (grad,) = torch.autograd.grad(made.value, logp)
        assert torch.isfinite(made.value)
        assert torch.isfinite(grad).all()


def test_steps_that_are_none_may_hold_anything() -> None:
    logp = torch.tensor([[0.1, float("nan")]], requires_grad=True)
    made = step_loss(
        logp, torch.tensor([[0.1, -math.inf]]), advantage_B=torch.tensor([1.0]),
        is_step_BS=torch.tensor([[True, False]]), num_tok=1,
    )  # fmt: skip
    made.value.backward()
    assert made.value.item() == -1.0
    assert logp.grad is not None
    assert logp.grad.tolist() == [[-1.0, 0.0]]


def test_a_replay_that_is_not_the_rollout_is_warned_of() -> None:
    old = torch.zeros(1, 2)
    settings: dict[str, Any] = {
        "advantage_B": torch.ones(1), "is_step_BS": torch.ones(1, 2, dtype=torch.bool), "num_tok": 2, "on_policy": True
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step_loss(torch.tensor([[0.005, 0.0]]), old, **settings)
    for drift in (0.02, float("nan")):
        with pytest.warns(ReplayWarning, match="nats from its rollout"):
            step_loss(torch.tensor([[drift, 0.0]]), old, **settings)


def test_beta_needs_a_reference() -> None:
    with pytest.raises(ConfigError, match="beta"):
        value([[1, 1, 1], [1, 1, 1]], [1.0, 1.0], beta=0.1)


# ---------------------------------------------------------------- advantages


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (0.0, [0, 0, 0.05, 1.15]),
        (0.1, [0, 0, 0, 1.15]),
        (-10.0, [-1, -0.2, 0.05, 1.15]),
        (None, [-1, -0.2, 0.05, 1.15]),
    ],
)
def test_advantages_below_the_bound_are_zero_not_clamped(least: float | None, expected: list[float]) -> None:
    assert clip_advantages([-1, -0.2, 0.05, 1.15], least).tolist() == expected


def test_advantages_are_those_of_the_group_without_its_spread() -> None:
    made = decoding_advantages([[1.0, 3.0], [5.0, 5.0]], least=0.0)
    assert made.advantage_PG.tolist() == [[0, 1], [0, 0]]
    assert made.is_degenerate_P.tolist() == [False, True]
    assert decoding_advantages([[1.0, 3.0]], kind="rloo").advantage_PG.tolist() == [[-2, 2]]


def test_groups_of_equal_rewards_have_a_loss_of_exactly_zero() -> None:
    advantage = decoding_advantages([[0.95] * 8]).advantage_PG[0]
    logp = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    made = step_loss(
        logp, logp.detach(), advantage_B=torch.from_numpy(advantage), is_step_BS=torch.ones(8, 4, dtype=torch.bool),
        num_tok=160,
    )  # fmt: skip
    made.value.backward()
    assert made.value.item() == 0.0
    assert logp.grad is not None
    assert logp.grad.abs().max() == 0


def test_a_zero_loss_is_a_number_where_the_usual_one_is_not() -> None:
    weight = torch.tensor([100.0, -3.0], requires_grad=True)
    other = torch.ones(3, requires_grad=True)
    assert torch.isnan((weight.exp().sum() * 0) + ((weight * 10).exp().sum() * 0)), "inf * 0"
    made = zero_loss([weight, other])
    made.backward()
    assert made.item() == 0.0
    assert weight.grad is not None
    assert other.grad is not None
    assert weight.grad.tolist() == [0, 0]
    assert other.grad.tolist() == [0, 0, 0]


# ---------------------------------------------------------------- the gradient of a bandit of two positions

REVEALED = torch.tensor([[True, False], [False, True], [True, True]])
REWARD = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
LOGIT = torch.tensor([-1.2, -0.4], dtype=torch.float64)
G = 3


def truth(z: Tensor) -> Tensor:
    """P of revealing the first alone, the second alone, both; position 1 is the likelier, and forced when none is."""
    a, b = torch.sigmoid(z)
    return torch.stack([a * (1 - b), (1 - a) * b + (1 - a) * (1 - b), a * b])


def exact_gradient() -> Tensor:
    z = LOGIT.clone().requires_grad_()
    (grad,) = torch.autograd.grad((truth(z) * REWARD).sum(), z)
    return grad


def group_gradients(outcome_NG: Tensor, forced: Any, is_forced_NG: Tensor | None = None) -> Tensor:
    """Gradient of minus the loss of each group, (N, 2), times the answer's length 2."""
    N = len(outcome_NG)
    z = LOGIT.expand(N, G, 2).reshape(-1, 2).clone().requires_grad_()
    logp = plan_logp(
        z, REVEALED[outcome_NG.flatten()], eligible_BL=torch.ones(N * G, 2, dtype=torch.bool),
        is_forced_B=None if is_forced_NG is None else is_forced_NG.flatten(), forced=forced,
    )  # fmt: skip
    advantage = decoding_advantages(REWARD[outcome_NG].numpy()).advantage_PG
    made = step_loss(
        logp[:, None], logp.detach()[:, None], advantage_B=torch.from_numpy(advantage.ravel()),
        is_step_BS=torch.ones(N * G, 1, dtype=torch.bool), num_tok=G * 2,
    )  # fmt: skip
    (grad,) = torch.autograd.grad(made.value, z)
    return -2 * grad.view(N, G, 2).sum(1)


def enumerated(forced: Any) -> Tensor:
    """Mean over all groups of G outcomes, each with its probability."""
    groups = torch.tensor(list(itertools.product(range(3), repeat=G)))
    weight = truth(LOGIT)[groups].prod(1)
    return (weight[:, None] * group_gradients(groups, forced)).sum(0)


def test_the_mean_gradient_is_that_of_the_expected_reward_times_one_less_than_the_group() -> None:
    assert enumerated("exact").tolist() == pytest.approx(((G - 1) / G * exact_gradient()).tolist(), abs=1e-12)


def test_with_the_naive_likelihood_it_is_not() -> None:
    wrong, right = enumerated("naive"), (G - 1) / G * exact_gradient()
    assert (wrong - right).abs().max() > 0.1


def drawn(num: int, forced: Any) -> tuple[Tensor, Tensor]:
    """Monte Carlo mean of group gradients and its standard error."""
    uniform = torch.from_numpy(np.random.default_rng(5).random((num, G, 2)))
    coins = uniform < torch.sigmoid(LOGIT)
    nothing = ~coins.any(-1)
    outcome = torch.where(coins.all(-1), 2, torch.where(coins[..., 0], 0, 1))
    made = group_gradients(outcome, forced, nothing)
    return made.mean(0), made.std(0) / math.sqrt(num)


@pytest.mark.parametrize("forced", ["exact", "none_action"])
def test_the_mean_of_draws_agrees(forced: Any) -> None:
    mean, error = drawn(40_000, forced)
    assert ((mean - (G - 1) / G * exact_gradient()).abs() < 4 * error).all()


def test_the_mean_of_draws_does_not_agree_for_the_naive_likelihood() -> None:
    mean, error = drawn(40_000, "naive")
    assert ((mean - (G - 1) / G * exact_gradient()).abs() > 10 * error).any()
