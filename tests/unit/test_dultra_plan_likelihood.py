"""Laws of what a planner reveals, by enumeration; their limits; and the passes that they lead to."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.dultra.plan_likelihood import (
    effective_logits,
    expected_nfe,
    likeliest,
    mean_q,
    plan_entropy,
    plan_logp,
    tokens_logp,
)

Q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


def subsets(n: int) -> Tensor:
    """All non-empty sets of n positions, shape (2^n - 1, n)."""
    return torch.tensor(list(itertools.product([False, True], repeat=n))[1:])


def law(q: Tensor, forced: Any) -> dict[tuple[bool, ...], float]:
    sets = subsets(len(q))
    logit = torch.logit(q).expand(len(sets), -1)
    logp = plan_logp(
        logit,
        sets,
        eligible_BL=torch.ones_like(sets),
        is_forced_B=torch.zeros(len(sets), dtype=torch.bool),
        forced=forced,
    )
    return {tuple(s): p for s, p in zip(sets.tolist(), logp.exp().tolist(), strict=True)}


def test_the_exact_law_of_revealed_sets_sums_to_one() -> None:
    made = law(Q, "exact")
    assert sum(made.values()) == pytest.approx(1.0, abs=1e-9)
    assert made[False, True, False] == pytest.approx(0.8 * 0.7)


def test_the_naive_law_lacks_the_mass_of_forced_steps() -> None:
    made = law(Q, "naive")
    assert sum(made.values()) == pytest.approx(0.72, abs=1e-9)
    assert made[False, True, False] == pytest.approx(0.28)


def test_choosing_nothing_is_an_action_of_its_own() -> None:
    nothing = plan_logp(
        torch.logit(Q)[None],
        torch.tensor([[False, True, False]]),
        eligible_BL=torch.ones(1, 3, dtype=torch.bool),
        is_forced_B=torch.tensor([True]),
        forced="none_action",
    )
    assert float(nothing.exp()) == pytest.approx(0.8 * 0.5 * 0.7)
    assert sum(law(Q, "none_action").values()) + float(nothing.exp()) == pytest.approx(1.0, abs=1e-9)


def test_only_the_likeliest_position_alone_is_ever_forced() -> None:
    exact, naive = law(Q, "exact"), law(Q, "naive")
    assert {s for s in exact if exact[s] != pytest.approx(naive[s])} == {(False, True, False)}


def test_of_equal_positions_the_first_is_the_likeliest() -> None:
    logit = torch.tensor([[9.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    eligible = torch.tensor([[False, True, True, True], [False, False, False, False]])
    assert likeliest(logit, eligible).tolist() == [[False, True, False, False], [False] * 4]
    assert sum(law(torch.tensor([0.4, 0.4, 0.4], dtype=torch.float64), "exact").values()) == pytest.approx(
        1.0, abs=1e-9
    )


@pytest.mark.parametrize("forced", ["exact", "none_action", "naive"])
@pytest.mark.parametrize("size", [30.0, 300.0])
def test_log_probabilities_and_gradients_are_finite_where_q_is_0_or_1(forced: Any, size: float) -> None:
    sets = subsets(3)
    logit = torch.tensor([size, -size, -size]).repeat(len(sets), 1).requires_grad_()
    logp = plan_logp(
        logit,
        sets,
        eligible_BL=torch.ones_like(sets),
        is_forced_B=sets.sum(1) == 1,
        forced=forced,
    )
    logp.sum().backward()
    assert torch.isfinite(logp).all()
    assert logit.grad is not None
    assert torch.isfinite(logit.grad).all()
    assert logit.grad.abs().max() <= 1


def test_rows_without_eligible_positions_are_exactly_zero_without_gradient() -> None:
    logit = torch.tensor([[0.3, float("nan"), -5.0], [0.3, 0.2, 0.1]], requires_grad=True)
    eligible = torch.tensor([[False, False, False], [True, True, False]])
    reveal = torch.tensor([[False, False, False], [True, False, False]])
    for forced in ("exact", "naive"):
        logp = plan_logp(logit, reveal, eligible_BL=eligible, forced=forced)  # pyright: ignore[reportArgumentType]
        assert logp[0].item() == 0.0
        (grad,) = torch.autograd.grad(logp.sum(), logit)
        assert grad[0].tolist() == [0, 0, 0]
        assert grad[1, 2] == 0
        assert grad[1, 1] != 0


def test_the_gradient_is_that_of_the_law() -> None:
    logit = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    sets = subsets(3)
    torch.autograd.gradcheck(lambda z: plan_logp(z, sets, eligible_BL=torch.ones_like(sets)), (logit,))


@pytest.mark.parametrize(
    ("reveal", "said"), [([[True, True]], "not eligible"), ([[False, False]], "reveals nothing")], ids=["other", "none"]
)
def test_impossible_steps_are_refused(reveal: list[list[bool]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan_logp(torch.zeros(1, 2), torch.tensor(reveal), eligible_BL=torch.tensor([[True, False]]))


def test_unknown_laws_and_missing_facts_are_refused() -> None:
    sets = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ConfigError, match="Did you mean 'exact'"):
        plan_logp(torch.zeros(1, 2), sets, eligible_BL=sets, forced="exakt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="is_forced_B"):
        plan_logp(torch.zeros(1, 2), sets, eligible_BL=sets, forced="none_action")


def test_low_precision_logits_are_scored_in_float32() -> None:
    sets = torch.tensor([[True, True, False]])
    logit = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.bfloat16)
    made = plan_logp(logit, sets, eligible_BL=torch.ones_like(sets))
    assert made.dtype == torch.float32
    assert made.item() == pytest.approx(plan_logp(logit.double(), sets, eligible_BL=torch.ones_like(sets)).item())


# ---------------------------------------------------------------- temperature and factor


def test_a_factor_scales_probabilities_up_to_one() -> None:
    q = torch.tensor([0.01, 0.2, 0.5, 0.7, 0.9], dtype=torch.float64)
    for factor in (0.5, 0.8, 1.0, 1.2, 1.5, 3.0):
        made = torch.sigmoid(effective_logits(torch.logit(q), factor=factor))
        assert made.tolist() == pytest.approx((factor * q).clamp(max=1).tolist(), abs=1e-12)


def test_a_factor_that_makes_q_certain_leaves_finite_log_probabilities_and_gradients() -> None:
    logit = torch.tensor([[-30.0, 0.0, 0.1, 5.0, 30.0]], requires_grad=True)
    made = effective_logits(logit, factor=2.0)
    reveal = torch.tensor([[False, True, True, True, False]])
    logp = plan_logp(made, reveal, eligible_BL=torch.ones_like(reveal))
    logp.sum().backward()
    assert torch.isfinite(logp).all()
    assert logit.grad is not None
    assert torch.isfinite(logit.grad).all()
    assert logit.grad[0, 2:].tolist() == [0, 0, 0]


def test_a_temperature_divides_logits() -> None:
    logit = torch.tensor([[-2.0, 3.0]])
    assert effective_logits(logit, temperature=2.0).tolist() == [[-1.0, 1.5]]


@pytest.mark.parametrize("bad", [{"factor": 0.0}, {"temperature": -1.0}, {"factor": float("nan")}])
def test_factors_and_temperatures_are_positive(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="positive"):
        effective_logits(torch.zeros(1), **bad)


# ---------------------------------------------------------------- figures


def test_the_entropy_of_coins_is_that_of_the_formula() -> None:
    q = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.9, 0.9]], dtype=torch.float64)
    eligible = torch.tensor([[True, True, False], [False, False, False]])
    by_hand = sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in (0.2, 0.5)) / 2
    assert plan_entropy(torch.logit(q), eligible).tolist() == pytest.approx([by_hand, 0.0])
    assert plan_entropy(torch.full((1, 3), 300.0), torch.ones(1, 3, dtype=torch.bool)).item() == pytest.approx(
        0.0, abs=1e-30
    )


def test_the_mean_q_is_over_eligible_positions() -> None:
    eligible = torch.tensor([[True, True, False]])
    assert mean_q(torch.logit(Q)[None], eligible) == pytest.approx(0.35)


def test_expected_passes_of_a_constant_planner_are_the_closed_forms() -> None:
    for q in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert expected_nfe(1, q) == 1
        assert expected_nfe(2, q) == pytest.approx(2 - q**2)
    assert expected_nfe(2, 0.5) == pytest.approx(1.75)
    assert expected_nfe(3, 0.5) == pytest.approx(2.25)
    assert expected_nfe(20, 0.0) == 20
    assert expected_nfe(20, 1.0) == 1
    assert expected_nfe(256, 0.5, block_len=128) == pytest.approx(2 * expected_nfe(128, 0.5))
    assert expected_nfe(5, 0.5, block_len=2) == pytest.approx(2 * 1.75 + 1)
    assert expected_nfe(0, 0.5) == 0


@pytest.mark.parametrize("bad", [(2, 1.5, None), (-1, 0.5, None), (2, 0.5, 0)])
def test_what_is_no_decoding_is_refused(bad: tuple[int, float, int | None]) -> None:
    with pytest.raises(ConfigError, match="describe no decoding"):
        expected_nfe(bad[0], bad[1], block_len=bad[2])


# ---------------------------------------------------------------- tokens

LOGITS = torch.tensor([[[3.0, 1.0, 2.0, 0.0], [5.0, 0.0, 1.0, 1.0]]], dtype=torch.float64)
BOTH = torch.tensor([[True, True]])


def test_tokens_are_scored_at_the_temperature_they_were_drawn_at_without_the_mask_token() -> None:
    made = tokens_logp(LOGITS, torch.tensor([[1, 3]]), reveal_BL=BOTH, mask_id=0, temperature=0.5)
    by_hand = sum(
        row[token] / 0.5 - math.log(sum(math.exp(x / 0.5) for x in row[1:]))
        for row, token in (([3, 1, 2, 0], 1), ([5, 0, 1, 1], 3))
    )
    assert made.tolist() == pytest.approx([by_hand])


def test_the_release_scores_at_temperature_one() -> None:
    unit = tokens_logp(LOGITS, torch.tensor([[1, 3]]), reveal_BL=BOTH, mask_id=0, temperature=0.5, score="unit")
    drawn_at_one = tokens_logp(LOGITS, torch.tensor([[1, 3]]), reveal_BL=BOTH, mask_id=0, temperature=1.0)
    assert unit.tolist() == drawn_at_one.tolist()
    sure = tokens_logp(LOGITS, torch.tensor([[1, 3]]), reveal_BL=BOTH, mask_id=0, temperature=0.0)
    assert sure.tolist() == [0.0]


def test_tokens_that_were_not_revealed_count_nothing_and_have_no_gradient() -> None:
    logits = torch.cat([LOGITS, LOGITS]).requires_grad_()
    reveal = torch.tensor([[False, True], [False, False]])
    made = tokens_logp(logits, torch.tensor([[0, 3], [0, 0]]), reveal_BL=reveal, mask_id=0, temperature=1.0)
    made.sum().backward()
    assert made[1].item() == 0.0
    assert logits.grad is not None
    assert logits.grad[1].abs().sum() == 0
    assert logits.grad[0, 0].abs().sum() == 0
    assert logits.grad[0, 1, 1:].abs().min() > 0
    assert logits.grad[0, 1, 0] == 0, "the mask token is never drawn"


def test_bad_scores_and_temperatures_are_refused() -> None:
    with pytest.raises(ConfigError, match="rollout"):
        tokens_logp(LOGITS, BOTH.long(), reveal_BL=BOTH, mask_id=0, temperature=1.0, score="rollouts")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="negative"):
        tokens_logp(LOGITS, BOTH.long(), reveal_BL=BOTH, mask_id=0, temperature=-1.0)
