"""Whatever the logits: laws of revealed sets are laws, and shifting, scaling and batching do what they say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonry.training.dultra.ordering import order_logp, set_logp
from reasonry.training.dultra.plan_likelihood import effective_logits, expected_nfe, likeliest, plan_entropy, plan_logp
from reasonry.training.dultra.policy_loss import step_loss

LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=5)


def sets(n: int, *, empty: bool = False) -> Tensor:
    return torch.tensor(list(itertools.product([False, True], repeat=n))[0 if empty else 1 :])


@settings(max_examples=60, deadline=None)
@given(LOGITS)
def test_the_exact_law_sums_to_one(logits: list[float]) -> None:
    reveal = sets(len(logits))
    z = torch.tensor(logits, dtype=torch.float64).expand(len(reveal), -1).clone().requires_grad_()
    logp = plan_logp(z, reveal, eligible_BL=torch.ones_like(reveal))
    assert logp.exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    assert (logp <= 0).all()
    (grad,) = torch.autograd.grad(logp.sum(), z)
    assert torch.isfinite(grad).all()


@settings(max_examples=60, deadline=None)
@given(LOGITS)
def test_the_law_with_an_action_of_its_own_for_nothing_sums_to_one(logits: list[float]) -> None:
    reveal = sets(len(logits), empty=True)
    z = torch.tensor(logits, dtype=torch.float64).expand(len(reveal), -1)
    eligible = torch.ones_like(reveal)
    nothing = ~reveal.any(1)
    shown = torch.where(nothing[:, None], likeliest(z, eligible), reveal)
    logp = plan_logp(z, shown, eligible_BL=eligible, is_forced_B=nothing, forced="none_action")
    assert logp.exp().sum().item() == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(LOGITS, st.integers(0, 31), st.sampled_from(["exact", "naive"]))
def test_positions_that_are_not_eligible_change_nothing(logits: list[float], code: int, forced: Any) -> None:
    n = len(logits)
    reveal = torch.tensor([[bool(code >> i & 1) for i in range(n)]])
    reveal[0, 0] |= not bool(reveal.any())
    z = torch.tensor([logits], dtype=torch.float64)
    alone = plan_logp(z, reveal, eligible_BL=torch.ones_like(reveal), forced=forced)
    pad = torch.zeros(1, 3, dtype=torch.bool)
    wide = plan_logp(
        torch.cat([torch.full((1, 3), float("nan"), dtype=torch.float64), z], 1), torch.cat([pad, reveal], 1),
        eligible_BL=torch.cat([pad, torch.ones_like(reveal)], 1), forced=forced,
    )  # fmt: skip
    assert wide.item() == pytest.approx(alone.item(), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.floats(-30, 30), st.floats(0.05, 20), st.floats(0.1, 10))
def test_a_factor_gives_the_probability_it_says(z: float, factor: float, temperature: float) -> None:
    logit = torch.tensor([z], dtype=torch.float64, requires_grad=True)
    made = effective_logits(logit, factor=factor, temperature=temperature)
    expected = min(1.0, factor * torch.sigmoid(torch.tensor(z / temperature, dtype=torch.float64)).item())
    assert torch.sigmoid(made).item() == pytest.approx(expected, abs=1e-9)
    (grad,) = torch.autograd.grad(made.sum(), logit)
    assert torch.isfinite(grad).all()
    assert grad.item() >= 0


@settings(max_examples=60, deadline=None)
@given(LOGITS)
def test_the_entropy_lies_between_none_and_that_of_a_fair_coin(logits: list[float]) -> None:
    z = torch.tensor([logits], dtype=torch.float64)
    made = plan_entropy(z, torch.ones_like(z, dtype=torch.bool)).item()
    assert 0 <= made <= 0.6931472


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1), st.integers(1, 60))
def test_passes_lie_between_blocks_and_tokens_and_fall_with_q(n: int, a: float, b: float, block_len: int) -> None:
    low, high = sorted((a, b))
    few, many = expected_nfe(n, high, block_len=block_len), expected_nfe(n, low, block_len=block_len)
    assert -(-n // block_len) - 1e-9 <= few <= many + 1e-9
    assert many <= n + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=2, max_size=5), st.integers(1, 4))
def test_sets_are_sums_over_orders(scores: list[float], k: int) -> None:
    n = len(scores)
    k = min(k, n)
    orders = torch.tensor(list(itertools.permutations(range(k))))
    score = torch.tensor(scores, dtype=torch.float64)
    everywhere = torch.ones(len(orders), n, dtype=torch.bool)
    summed = order_logp(score.expand(len(orders), -1), orders, eligible_BL=everywhere).logsumexp(0)
    made = set_logp(score[None], (torch.arange(n) < k)[None], eligible_BL=everywhere[:1])
    assert made.item() == pytest.approx(summed.item(), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-3, 3)), min_size=1, max_size=6))
def test_losses_and_gradients_are_finite_and_rows_add_up(rows: list[tuple[float, float, float]]) -> None:
    logp = torch.tensor([[r[0]] for r in rows], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([[r[1]] for r in rows], dtype=torch.float64)
    advantage = torch.tensor([r[2] for r in rows], dtype=torch.float64)
    is_step = torch.ones_like(old, dtype=torch.bool)

    def loss(part: slice) -> Tensor:
        return step_loss(
            logp[part], old[part], advantage_B=advantage[part], is_step_BS=is_step[part], num_tok=len(rows)
        ).value

    whole = loss(slice(None))
    (grad,) = torch.autograd.grad(whole, logp)
    assert torch.isfinite(whole)
    assert torch.isfinite(grad).all()
    assert sum(loss(slice(i, i + 1)).item() for i in range(len(rows))) == pytest.approx(whole.item())
