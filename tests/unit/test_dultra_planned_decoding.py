"""Decoding with a learned planner: what it did can be scored again, step by step, and hangs on no other row."""

import pytest
import torch
from tests.dultra_fakes import HashDenoiser, prompts_of, row_of

from reasonry.training.dultra.decoding import DecodingConfig, decode
from reasonry.training.dultra.plan_likelihood import effective_logits, plan_logp
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.trajectory import revealed_by

CONFIG = DecodingConfig(answer_len=9, block_len=4, temperature=0.7)


@pytest.fixture(scope="module")
def head():
    config = PlannerConfig(
        width=8, num_heads=2, time_dim=8, max_len=16, features=["hidden", "confidence", "entropy"], init="released"
    )
    head = PlannerHead(config, seed=3).eval()
    with torch.no_grad():  # far from the start, where every position has nearly the same logit
        for name, weight in head.named_parameters():
            if weight.ndim > 1:
                weight.mul_(3 if "norm" not in name else 1)
    return head


def test_steps_kept_while_decoding_score_as_they_were_drawn(head):
    denoiser, steps = HashDenoiser(width=8, end_bias=2.0), []
    prompt_BP, attend_BP = prompts_of([2, 7, 4])
    policy = make_policy("planner:sample:1.3", head)
    t = decode(
        denoiser, prompt_BP, attend_BP, policy=policy, config=CONFIG, seeds_B=[1, 2, 3], record=steps.append
    ).trajectory
    assert t.logp_plan_BS is not None
    assert len(set(t.nfe_B.tolist())) > 1
    assert (t.logp_plan_BS[:, 0] < 0).all()
    for seen in steps:
        with torch.no_grad():
            logit_BL = effective_logits(head.plan(seen.context), factor=1.3)
        logp_B = plan_logp(
            logit_BL, revealed_by(t, seen.step)[seen.rows_A], eligible_BL=seen.context.eligible_BL
        ).double()
        torch.testing.assert_close(logp_B, t.logp_plan_BS[seen.rows_A, seen.step], atol=1e-5, rtol=0)


@pytest.mark.parametrize("text", ["planner:sample", "planner:expected", "planner:threshold:0.2"])
def test_a_planned_row_alone_is_the_row_in_a_batch(head, text):
    denoiser, policy = HashDenoiser(width=8, end_bias=1.0), make_policy(text, head)
    lengths = [2, 7, 4]
    prompt_BP, attend_BP = prompts_of(lengths)
    together = decode(denoiser, prompt_BP, attend_BP, policy=policy, config=CONFIG, seeds_B=[4, 5, 6]).trajectory
    assert (together.logp_plan_BS is None) == (text != "planner:sample")
    for i, length in enumerate(lengths):
        ids, there = prompt_BP[[i], 7 - length :], attend_BP[[i], 7 - length :]
        alone = decode(denoiser, ids, there, policy=policy, config=CONFIG, seeds_B=[4 + i]).trajectory
        assert row_of(alone, 0)[:4] == row_of(together, i)[:4]
