"""Orders of positions: their law by enumeration, as orders and as sets, and draws from it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
from scipy import stats

from reasonry.errors import ConfigError
from reasonry.training.dultra.ordering import OrderedPolicy, draw_order, order_logp, set_logp
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
from reasonry.training.dultra.policies.base import StepContext

SCORE = torch.tensor([0.5, -1.0, 2.0, 0.0], dtype=torch.float64)
ALL = torch.ones(1, 4, dtype=torch.bool)


def orders(k: int) -> torch.Tensor:
    return torch.tensor(list(itertools.permutations(range(4), k)))


def p_orders(k: int) -> dict[tuple[int, ...], float]:
    made = order_logp(SCORE.expand(len(orders(k)), -1), orders(k), eligible_BL=ALL.expand(len(orders(k)), -1))
    return {tuple(o): p for o, p in zip(orders(k).tolist(), made.exp().tolist(), strict=True)}


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_law_of_orders_is_plackett_luce_and_sums_to_one(k: int) -> None:
    made = p_orders(k)
    assert sum(made.values()) == pytest.approx(1.0)
    w = SCORE.exp().tolist()
    for order, p in made.items():
        left, by_hand = sum(w), 1.0
        for i in order:
            by_hand, left = by_hand * w[i] / left, left - w[i]
        assert p == pytest.approx(by_hand)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_law_of_sets_sums_over_orders(k: int) -> None:
    by_order: dict[frozenset[int], float] = {}
    for order, p in p_orders(k).items():
        by_order[frozenset(order)] = by_order.get(frozenset(order), 0.0) + p
    for members, p in by_order.items():
        reveal = torch.tensor([[i in members for i in range(4)]])
        assert set_logp(SCORE[None], reveal, eligible_BL=ALL).exp().item() == pytest.approx(p, rel=1e-11)


def test_the_law_of_sets_is_accurate_where_it_is_tiny_and_where_it_is_certain() -> None:
    score = torch.tensor([[30.0, 0.0, -30.0]], dtype=torch.float64)
    tiny = set_logp(score, torch.tensor([[False, False, True]]), eligible_BL=ALL[:, :3])
    assert tiny.item() == pytest.approx(-60.0, rel=1e-12)
    pair = set_logp(score, torch.tensor([[False, True, True]]), eligible_BL=ALL[:, :3])
    by_hand = math.log(math.exp(-90) * (1 + math.exp(30) / math.exp(30)))  # 1 then 2, and 2 then 1, before 0
    assert pair.item() == pytest.approx(by_hand, abs=1e-9)
    sure = set_logp(score, torch.tensor([[True, True, False]]), eligible_BL=ALL[:, :3])
    assert -1e-9 < sure.item() <= 0


def test_large_steps_agree_with_equal_weights() -> None:
    n, k = 256, 100
    reveal = torch.arange(n)[None] < k
    made = set_logp(torch.full((1, n), 3.0), reveal, eligible_BL=torch.ones(1, n, dtype=torch.bool))
    assert made.item() == pytest.approx(-math.log(math.comb(n, k)), rel=1e-10)


def test_the_gradient_of_sets_is_right_and_finite() -> None:
    score = SCORE.repeat(3, 1).requires_grad_()
    reveal = torch.tensor([[True, False, False, True], [False, False, False, False], [True, True, True, True]])
    torch.autograd.gradcheck(lambda s: set_logp(s, reveal, eligible_BL=ALL.expand(3, -1)), (score,))
    (grad,) = torch.autograd.grad(set_logp(score, reveal, eligible_BL=ALL.expand(3, -1)).sum(), score)
    assert grad[1:].abs().max() == 0
    wild = torch.tensor([[300.0, -300.0, 0.0, 5.0]], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(set_logp(wild, reveal[:1], eligible_BL=ALL).sum(), wild)
    assert torch.isfinite(grad).all()


def test_rows_without_positions_are_zero_with_no_gradient() -> None:
    score = torch.tensor([[0.1, float("nan")], [1.0, 2.0]], requires_grad=True)
    eligible = torch.tensor([[False, False], [True, True]])
    made = order_logp(score, torch.tensor([[-1, -1], [1, -1]]), eligible_BL=eligible)
    made.sum().backward()
    assert made[0].item() == 0.0
    assert score.grad is not None
    assert score.grad[0].tolist() == [0, 0]
    assert score.grad[1, 1] > 0
    assert made[1].item() == pytest.approx(math.log(1 / (1 + math.exp(-1))))


def test_impossible_orders_are_refused() -> None:
    for order in ([[0, 0]], [[3, 0]]):
        with pytest.raises(ValueError, match="not eligible"):
            order_logp(SCORE[None], torch.tensor(order), eligible_BL=torch.tensor([[True, True, True, False]]))
    with pytest.raises(ValueError, match="not eligible"):
        set_logp(SCORE[None], ALL, eligible_BL=torch.tensor([[True, True, True, False]]))
    with pytest.raises(ConfigError, match="num=0"):
        draw_order(SCORE[None], eligible_BL=ALL, num=0)


def test_the_highest_scores_come_first_and_short_rows_are_filled() -> None:
    score = torch.tensor([[0.0, 5.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    eligible = torch.tensor([[True, True, True, False], [False, True, False, False], [False] * 4])
    assert draw_order(score, eligible_BL=eligible, num=2).tolist() == [[1, 2], [1, -1], [-1, -1]]
    assert draw_order(score[:1], eligible_BL=eligible[:1], num=6).tolist() == [[1, 2, 0, -1, -1, -1]]


def test_draws_follow_the_law() -> None:
    rows = 20_000
    uniform = torch.rand(rows, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = draw_order(SCORE.expand(rows, -1), eligible_BL=ALL.expand(rows, -1), num=2, uniform_BL=uniform)
    law = p_orders(2)
    seen = [int((drawn == torch.tensor(order)).all(1).sum()) for order in law]
    assert sum(seen) == rows
    assert stats.chisquare(seen, [p * rows for p in law.values()]).pvalue > 1e-3


def test_the_policy_reveals_its_number_until_none_is_left() -> None:
    shape = PlannerConfig(width=0, inner_width=8, features=("confidence",), num_heads=2, time_dim=4, max_len=5)
    head = PlannerHead(shape).eval()
    for weight in head.parameters():
        weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    none: Any = torch.zeros(2, 5, dtype=torch.float64)
    masked = torch.tensor([[True] * 5, [True, False, False, False, False]])
    for mode in ("sample", "greedy"):
        policy = OrderedPolicy(head, 2, mode=mode)
        assert policy.name == f"order:{mode}:2"
        assert not policy.needs_hidden
        left, sizes = masked, []
        while left.any():
            eligible = policy.eligible(left, block_len=3)
            said = policy.select(
                StepContext(
                    eligible, left, none, none, none, none + 0.3, torch.zeros(2), torch.zeros(2), torch.zeros(2), 3
                )
            )
            assert not (said.reveal_BL & ~eligible).any()
            assert not said.is_forced_B.any()
            assert said.logit_BL is None
            sizes.append(said.reveal_BL.sum(1).tolist())
            left = left & ~said.reveal_BL
        assert sizes == [[2, 1], [1, 0], [2, 0]]
    with pytest.raises(ConfigError, match="num=0"):
        OrderedPolicy(head, 0)
