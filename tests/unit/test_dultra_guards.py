"""Collapses of planners, made to happen on a bandit of four positions, and the guard that sees them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from reasonry.core import seeds
from reasonry.errors import DataError
from reasonry.training.dultra.guards import (
    Alarm,
    Guard,
    GuardConfig,
    Vitals,
    distinct_share,
    forced_share,
    zero_std_share,
)
from reasonry.training.dultra.plan_likelihood import mean_q, plan_logp
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
from reasonry.training.dultra.policies.base import StepContext
from reasonry.training.dultra.policies.planned import PlannedPolicy
from reasonry.training.dultra.policy_loss import decoding_advantages, step_loss

P, G, L = 8, 8, 4
B = P * G


def planner(bias: float, clamp: float | None) -> PlannerHead:
    shape = PlannerConfig(
        width=0,
        inner_width=8,
        features=("confidence",),
        num_heads=2,
        time_dim=8,
        max_len=L,
        clamp=clamp,
        output_bias=bias,
    )
    return PlannerHead(shape)


def contexts(masked: torch.Tensor, rng: np.random.Generator) -> StepContext:
    flat, row = torch.tensor([[0.9, 0.1] * 2], dtype=torch.float64).expand(B, -1), torch.zeros(B, dtype=torch.int64)
    return StepContext(
        eligible_BL=masked, masked_BL=masked, confidence_BL=flat, entropy_BL=flat, margin_BL=flat,
        uniform_BL=torch.from_numpy(rng.random((B, L))), step_B=row, num_block_masks_B=row + L,
        known_share_B=1 - masked.double().mean(1), block_len=L,
    )  # fmt: skip


def update(head: PlannerHead, optimizer: torch.optim.Optimizer, step: int, speed: float) -> Vitals:
    """One update of a task in which positions 0, 1 and 2, 3 go wrong when revealed together; what it looked like.

    Reward: share of right pairs, less ``speed`` times the share of the most passes there can be.
    """
    rng = seeds.stream(7, "guards", step)
    policy = PlannedPolicy(head)
    masked = torch.ones(B, L, dtype=torch.bool)
    seen, forced, q, pairs = [], [], [], torch.ones(B, 2, dtype=torch.bool)
    nfe = torch.zeros(B, dtype=torch.int64)
    while masked.any():
        context = contexts(masked, rng)
        said = policy.select(context)
        reveal = said.reveal_BL
        q.append(mean_q(said.logit_BL, masked) if said.logit_BL is not None else 0.0)
        luck = torch.from_numpy(rng.random((B, 2)) < 0.1)
        pairs &= ~(reveal[:, 0::2] & reveal[:, 1::2] & ~luck)
        seen.append((context, reveal))
        forced.append(said.is_forced_B)
        nfe += masked.any(1)
        masked = masked & ~reveal
    reward = pairs.double().mean(1).numpy() - speed * nfe.numpy() / L
    made = decoding_advantages(reward.reshape(P, G))
    advantage = torch.from_numpy(made.advantage_PG.ravel())
    optimizer.zero_grad()
    for context, reveal in seen:
        logp = plan_logp(head.plan(context), reveal, eligible_BL=context.eligible_BL)[:, None]
        is_step = context.eligible_BL.any(1, keepdim=True)
        step_loss(logp, logp.detach(), advantage_B=advantage, is_step_BS=is_step, num_tok=B * L).value.backward()
    if advantage.any():
        optimizer.step()
    return Vitals(
        update=step,
        mean_q=float(np.mean(q)),
        forced_share=forced_share(torch.stack(forced, 1), nfe),
        nfe=float(nfe.double().mean()),
        num_blocks=1,
        accuracy=float(pairs.all(1).double().mean()),
        zero_std_share=zero_std_share(reward.reshape(P, G)),
    )


def train(
    speed: float, updates: int, *, bias: float = -1.0, clamp: float | None = 4.0
) -> tuple[list[Vitals], list[Alarm]]:
    head = planner(bias, clamp)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-2)
    guard, vitals, alarms = Guard(GuardConfig(patience=5)), [], []
    for step in range(updates):
        vitals.append(update(head, optimizer, step, speed))
        alarms += guard.observe(vitals[-1])
    return vitals, alarms


def test_the_usual_weight_of_speed_raises_no_alarm() -> None:
    vitals, alarms = train(0.8, 30)
    assert alarms == []
    assert all(1.05 < v.nfe < L and v.mean_q < 0.95 for v in vitals)


def test_a_hundred_times_the_weight_of_speed_reveals_all_at_once_and_is_seen() -> None:
    vitals, alarms = train(80.0, 30)
    assert {alarm.kind for alarm in alarms} <= {"unmask_all", "no_signal"}
    first = next(alarm for alarm in alarms if alarm.kind == "unmask_all")
    assert first.is_first
    assert "revealed at once" in first.message
    assert vitals[-1].mean_q > 0.95
    assert vitals[-1].accuracy < 0.2
    assert any(alarm.should_stop for alarm in alarms)


def test_an_output_bias_of_minus_ten_reveals_one_at_a_time_and_is_seen_at_once() -> None:
    vitals, alarms = train(0.8, 2, bias=-10.0, clamp=None)
    assert [alarm.kind for alarm in alarms[:2]] == ["unmask_one", "no_signal"]
    assert "chooses nothing" in alarms[0].message
    assert vitals[0].forced_share > 0.95
    assert vitals[0].nfe == L
    assert vitals[0].mean_q < 1e-4


# ---------------------------------------------------------------- the machine

FINE = Vitals(0, 0.3, 0.1, 6.0, 2, 0.9, 0.2, 1.0)


def test_all_is_well_until_it_is_not() -> None:
    guard = Guard()
    assert guard.observe(FINE) == ()
    assert guard.observe(FINE._replace(update=1, nfe=2.1, accuracy=0.46)) == ()
    assert guard.observe(FINE._replace(update=2, nfe=2.11, accuracy=0.1)) == (), "5 % more than one pass per block"
    assert guard.observe(FINE._replace(update=3, mean_q=0.95, accuracy=0.1)) == ()
    assert [a.kind for a in Guard(start_accuracy=0.9).observe(FINE._replace(mean_q=0.96, accuracy=0.1))] == [
        "unmask_all"
    ]
    (alarm,) = guard.observe(FINE._replace(update=3, nfe=2.1, accuracy=0.44))
    assert (alarm.kind, alarm.is_first, alarm.should_stop) == ("unmask_all", True, False)
    assert alarm.message.startswith("update 3:")


def test_a_collapse_that_lasts_stops_the_run_and_one_that_recovers_does_not() -> None:
    guard = Guard(GuardConfig(patience=3))
    bad = FINE._replace(forced_share=0.96)
    seen = [guard.observe(v) for v in (bad, bad, FINE, bad, bad, bad, bad)]
    assert [[(a.is_first, a.should_stop) for a in alarms] for alarms in seen] == [
        [(True, False)], [(False, False)], [], [(True, False)], [(False, False)], [(False, True)], [(False, True)],
    ]  # fmt: skip
    never = Guard(GuardConfig(patience=0))
    assert not any(alarm.should_stop for _ in range(50) for alarm in never.observe(bad))


def test_the_accuracy_to_compare_with_may_be_that_of_before_training() -> None:
    ruined = FINE._replace(nfe=2.0, accuracy=0.0)
    assert Guard().observe(ruined) == (), "nothing was lost since the first update"
    assert [a.kind for a in Guard(start_accuracy=0.9).observe(ruined)] == ["unmask_all"]


def test_few_distinct_answers_and_groups_without_signal_never_stop_a_run() -> None:
    guard = Guard(GuardConfig(patience=1))
    guard.observe(FINE)
    alarms = guard.observe(FINE._replace(distinct_share=0.49, zero_std_share=0.96))
    assert [(a.kind, a.should_stop) for a in alarms] == [("no_signal", False), ("diversity", False)]
    assert "memorised" in alarms[1].message
    assert guard.observe(FINE._replace(distinct_share=None)) == ()


def test_a_guard_goes_on_where_it_was() -> None:
    guard, bad = Guard(GuardConfig(patience=2)), FINE._replace(forced_share=1.0, distinct_share=0.1)
    guard.observe(FINE)
    guard.observe(bad)
    other = Guard(GuardConfig(patience=2))
    other.restore(json.loads(json.dumps(guard.state())))
    assert other.observe(bad) == guard.observe(bad)
    assert other.observe(bad)[0].should_stop


def test_the_share_of_distinct_answers_is_counted_within_groups() -> None:
    tokens: Any = [[[1, 2], [1, 2], [1, 3], [1, 2]], [[5, 5], [5, 6], [6, 5], [6, 6]]]
    assert distinct_share(tokens) == pytest.approx((2 / 4 + 1) / 2)
    assert distinct_share(torch.zeros(2, 5, 3).numpy()) == pytest.approx(1 / 5)
    with pytest.raises(DataError, match="not groups of answers"):
        distinct_share([[1, 2]])


def test_shares_of_forced_steps_and_of_groups_without_spread() -> None:
    forced = torch.tensor([[True, False, False], [True, True, False]])
    assert forced_share(forced, torch.tensor([3, 2])) == pytest.approx(0.6)
    assert forced_share(forced[:0], torch.tensor([], dtype=torch.int64)) == 0
    assert zero_std_share([[1.0, 1.0], [0.0, 1.0]]) == 0.5
