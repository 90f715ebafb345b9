"""Gradients of decodings that were kept.

    head      the denoiser is frozen: the planner alone, on the states kept from decoding, many steps in one pass
    canvas    the denoiser learns: step by step, the canvas as it was at that step through denoiser and planner, with a
              backward pass for each step, so that the memory of one step is enough
    one step  `one_step`: every token from a single pass over nothing but masks (diffu-GRPO)

Canvases are rebuilt from what each step revealed; nothing is drawn again. Gradients of all parts add up to that of
`policy_loss.step_loss` over whole decodings. Steps of decodings without an advantage have no gradient and are left out,
unless a divergence from a reference is asked for.

Confidence, entropy and margin, where a planner reads them, stay as they were in the rollout: no gradient goes through
them into the denoiser, as it does through hidden states.

Shapes: B decodings, L answer, R steps of all decodings, A decodings that take part in a step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, NotRequired, TypedDict, Unpack

import torch
from torch import Tensor

from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.ordering import set_logp
from reasonry.training.dultra.plan_likelihood import Forced, Score, effective_logits, plan_logp, tokens_logp
from reasonry.training.dultra.planner import PlannerHead
from reasonry.training.dultra.policies.base import StepContext
from reasonry.training.dultra.policy_loss import step_loss
from reasonry.training.dultra.stages.rollouts import Rollout, Steps
from reasonry.training.dultra.trajectory import canvas_at


class Scoring(NamedTuple):
    """What is scored, and how a ratio counts.

    Attributes:
        policy: ``bernoulli`` coins, or ``plackett_luce`` orders.
        forced: Law of forced steps.
        plan_temperature: Of the planner's logits.
        score: Law of tokens.
        temperature: That tokens were drawn at.
        clip_low: Lowest ratio is 1 less this.
        clip_high: Highest ratio is 1 and this.
        beta: Weight of the divergence from the reference.
        micro_batch: Steps, or decodings, in one pass.
    """

    policy: str = "bernoulli"
    forced: Forced = "exact"
    plan_temperature: float = 1.0
    score: Score = "rollout"
    temperature: float = 1.0
    clip_low: float = 0.2
    clip_high: float = 1.0
    beta: float = 0.0
    micro_batch: int = 4096


class Update(TypedDict):
    """What an update is made of besides its decodings.

    Attributes:
        advantage_B: Of each decoding.
        reference: What ``beta`` holds the planner to, on what it sees now; nothing when not given.
        on_policy: The weights are those that drew: warn when log-probabilities differ.
    """

    advantage_B: Tensor
    reference: NotRequired[PlannerHead | None]
    on_policy: NotRequired[bool]


class Replayed(NamedTuple):
    """Sums over the parts of one update.

    Attributes:
        loss: Its value.
        kl_nats: Mean k3 to the reference over steps; 0 without one.
        clipped_share: Share of steps at which clipping stops the gradient.
        max_log_ratio: Largest |log ratio| of a step.
        num_steps: Steps replayed.
    """

    loss: float = 0.0
    kl_nats: float = 0.0
    clipped_share: float = 0.0
    max_log_ratio: float = 0.0
    num_steps: int = 0


def planned_logp(head: PlannerHead, steps: Steps, scoring: Scoring, *, context: StepContext | None = None) -> Tensor:
    """Log-probability (R,) of what each step revealed, under a planner, nats.

    Args:
        head: The planner.
        steps: What was revealed.
        scoring: Which law.
        context: What the planner sees; as it was recorded when not given.
    """
    seen = steps.context if context is None else context
    raw_RL = head.plan(seen)
    if scoring.policy == "plackett_luce":
        return set_logp(raw_RL, steps.reveal_RL, eligible_BL=seen.eligible_BL)
    return plan_logp(
        effective_logits(raw_RL, temperature=scoring.plan_temperature),
        steps.reveal_RL,
        eligible_BL=seen.eligible_BL,
        is_forced_B=steps.is_forced_R,
        forced=scoring.forced,
    )


def with_old_plan(steps: Steps, head: PlannerHead, scoring: Scoring) -> Steps:
    """Steps with the log-probabilities of the weights that drew them, computed where the rollout did not keep any."""
    if steps.old_plan_R is not None:
        return steps
    with torch.no_grad():
        old = [
            planned_logp(head, steps.at(slice(i, i + scoring.micro_batch)), scoring)
            for i in range(0, len(steps.decoding_R), scoring.micro_batch)
        ]
    return steps._replace(old_plan_R=torch.cat(old))


def replay_head(head: PlannerHead, rollout: Rollout, scoring: Scoring, **update: Unpack[Update]) -> Replayed:
    """Add the gradient of an update to the planner's.

    Args:
        head: The planner; its gradients grow.
        rollout: Decodings with their steps, hidden states included where it reads them.
        scoring: Laws and clipping.
        update: See `Update`.

    Warns:
        ReplayWarning: ``on_policy``, and a replayed step is not what it was.
    """
    sums = _Sums(rollout, scoring, update)
    steps = sums.used(with_old_plan(rollout.steps, head, scoring))
    for first in range(0, len(steps.decoding_R), scoring.micro_batch):
        part = steps.at(slice(first, first + scoring.micro_batch))
        logp_R = planned_logp(head, part, scoring)
        assert part.old_plan_R is not None
        sums.add(part.decoding_R, logp_R, part.old_plan_R, sums.reference_logp(part))
    return sums.replayed()


def replay_canvas(
    denoiser: Denoiser,
    head: PlannerHead | None,
    rollout: Rollout,
    scoring: Scoring,
    **update: Unpack[Update],
) -> Replayed:
    """Add the gradient of an update to the denoiser's, and to the planner's.

    Args:
        denoiser: Gradients of its weights grow.
        head: The planner, when it learns too; None scores tokens alone.
        rollout: Decodings with their steps; hidden states are computed anew.
        scoring: Laws and clipping.
        update: See `Update`.

    Warns:
        ReplayWarning: ``on_policy``, and a replayed step is not what it was.
    """
    t, steps, sums = rollout.trajectory, rollout.steps, _Sums(rollout, scoring, update)
    L = t.tokens_BL.shape[1]
    for time in range(len(steps.bounds_S) - 1):
        here = sums.used(steps.at(slice(steps.bounds_S[time], steps.bounds_S[time + 1])))
        canvas_BL = canvas_at(t, time, mask_id=denoiser.mask_id)
        for first in range(0, len(here.decoding_R), scoring.micro_batch):
            part = here.at(slice(first, first + scoring.micro_batch))
            rows_A = part.decoding_R
            tokens_AN = torch.cat([t.prompt_BP[rows_A], canvas_BL[rows_A]], 1)
            attend_AN = torch.cat([t.attend_BP[rows_A].bool(), t.attend_BP.new_ones(len(rows_A), L).bool()], 1)
            said = denoiser.denoise(tokens_AN, attend_AN, with_hidden=head is not None)
            logp_A = tokens_logp(
                said.logits_BNV[:, -L:],
                t.tokens_BL[rows_A],
                reveal_BL=part.reveal_RL,
                mask_id=denoiser.mask_id,
                temperature=scoring.temperature,
                score=scoring.score,
            )
            old_A, reference_A = part.old_tok_R.to(logp_A.dtype), None
            if head is not None:
                assert part.old_plan_R is not None and said.hidden_BND is not None
                context = replace(part.context, hidden_BLD=said.hidden_BND[:, -L:])
                plan_A = planned_logp(head, part, scoring, context=context)
                logp_A, old_A = logp_A + plan_A, old_A + part.old_plan_R
                started_A = sums.reference_logp(part, context=context)
                if started_A is not None:
                    reference_A = logp_A.detach() - plan_A.detach() + started_A
            sums.add(rows_A, logp_A, old_A, reference_A)
    return sums.replayed()


class _Sums:
    """Adds up an update's gradient, part by part."""

    def __init__(self, rollout: Rollout, scoring: Scoring, update: Update) -> None:
        self._scoring, self._num_tok, self._advantage_B = scoring, rollout.num_tok, update["advantage_B"]
        self._reference = update.get("reference") if scoring.beta else None
        self._on_policy = update.get("on_policy", False)
        self._loss = self._kl = self._max_log_ratio = 0.0
        self._num_clipped = self._num_steps = 0

    def used(self, steps: Steps) -> Steps:
        """Those that have a gradient."""
        return steps if self._scoring.beta else steps.where((self._advantage_B != 0)[steps.decoding_R])

    @torch.no_grad()
    def reference_logp(self, part: Steps, *, context: StepContext | None = None) -> Tensor | None:
        """What `planned_logp` gives under the reference; None without one."""
        if self._reference is None:
            return None
        return planned_logp(self._reference, part, self._scoring, context=context)

    def add(self, decoding_R: Tensor, logp_R: Tensor, old_R: Tensor, reference_R: Tensor | None) -> None:
        """Add the gradient of some steps, whose log-probabilities are given now, before and under the reference."""
        part = step_loss(
            logp_R[:, None],
            old_R[:, None].to(logp_R.dtype),
            advantage_B=self._advantage_B[decoding_R],
            is_step_BS=torch.ones_like(logp_R[:, None], dtype=torch.bool),
            num_tok=self._num_tok,
            clip_low=self._scoring.clip_low,
            clip_high=self._scoring.clip_high,
            ref_logp_BS=None if reference_R is None else reference_R[:, None].to(logp_R.dtype),
            beta=self._scoring.beta if reference_R is not None else 0.0,
            on_policy=self._on_policy,
        )
        part.value.backward()
        self._loss += float(part.value.detach())
        self._kl += part.kl_sum
        self._num_clipped += part.num_clipped
        self._num_steps += len(logp_R)
        self._max_log_ratio = max(self._max_log_ratio, part.max_log_ratio)

    def replayed(self) -> Replayed:
        num = max(self._num_steps, 1)
        return Replayed(self._loss, self._kl / num, self._num_clipped / num, self._max_log_ratio, self._num_steps)
