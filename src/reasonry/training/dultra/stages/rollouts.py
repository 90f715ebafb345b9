"""Decodings to learn from, and what they earned.

A rollout decodes B = P G answers with the weights as they are and keeps each step as the policy saw it. Laid end to end
the steps of all decodings are the rows of one large batch: a planner alone, whose denoiser is frozen, is replayed on
them in a few passes, without the denoiser.

Log-probabilities of the rollout are kept under the laws that training scores: of positions from the logits decided by,
of tokens at the temperature drawn at or at 1.

Shapes: P prompts, G decodings of each, B = P G, L answer, S steps of the longest decoding, R steps of all decodings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.groups import FloatArray
from reasonry.core.learning import device_of
from reasonry.tasks.token_tasks.base import Checked
from reasonry.training.dultra.data import Rows, Source
from reasonry.training.dultra.decoding import DecodingConfig, Seen, decode, until_end
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.guards import distinct_share
from reasonry.training.dultra.plan_likelihood import Forced, Score, plan_logp
from reasonry.training.dultra.policies.base import StepContext, UnmaskPolicy
from reasonry.training.dultra.rewards import Floats, step_sizes
from reasonry.training.dultra.trajectory import Trajectory


class Steps(NamedTuple):
    """The steps of all decodings, one after the other in time.

    Attributes:
        context: What the policy saw; rows are steps.
        reveal_RL: What it revealed.
        is_forced_R: Steps at which it chose nothing itself.
        decoding_R: Which decoding each is a step of.
        old_plan_R: Log-probability of the positions under the weights that drew them, nats; None when the policy said
            no logits.
        old_tok_R: The same of the tokens.
        mean_q: Mean probability of revealing an eligible position; of rules and orders the share revealed.
        bounds_S: First row of each time, and the end.
    """

    context: StepContext
    reveal_RL: Tensor
    is_forced_R: Tensor
    decoding_R: Tensor
    old_plan_R: Tensor | None
    old_tok_R: Tensor
    mean_q: float
    bounds_S: tuple[int, ...]

    def at(self, rows: slice) -> Steps:
        """Some of the steps, without ``bounds_S``."""
        return self._map(lambda x: x[rows], ())

    def where(self, keep_R: Tensor) -> Steps:
        """The steps that are kept, in their order."""
        index_K = keep_R.nonzero()[:, 0]
        before = [0, *keep_R.cumsum(0).tolist()]
        return self._map(lambda x: x[index_K], tuple(before[end] for end in self.bounds_S))

    def _map(self, change: Callable[[Tensor], Tensor], bounds_S: tuple[int, ...]) -> Steps:
        return Steps(
            context=_map(self.context, change),
            reveal_RL=change(self.reveal_RL),
            is_forced_R=change(self.is_forced_R),
            decoding_R=change(self.decoding_R),
            old_plan_R=None if self.old_plan_R is None else change(self.old_plan_R),
            old_tok_R=change(self.old_tok_R),
            mean_q=self.mean_q,
            bounds_S=bounds_S,
        )


class Rollout(NamedTuple):
    """Decodings of some prompts.

    Attributes:
        rows: The prompts, each G times.
        trajectory: The decodings.
        steps: Their steps.
        checked: What the verifier says.
        size_BS: Tokens that each step revealed.
        num_tok: Tokens of answers, B L.
        token_forwards: Tokens that the denoiser read.
    """

    rows: Rows
    trajectory: Trajectory
    steps: Steps
    checked: Checked
    size_BS: NDArray[np.int64]
    num_tok: int
    token_forwards: int


def roll_out(
    denoiser: Denoiser,
    policy: UnmaskPolicy,
    source: Source,
    rows: Rows,
    *,
    config: DecodingConfig,
    seed: int,
    names: Sequence[str | int],
    forced: Forced = "exact",
    score: Score = "rollout",
    keep_hidden: bool = True,
) -> Rollout:
    """Decode and check.

    Args:
        denoiser: The model.
        policy: Chooses what to reveal.
        source: Checks the answers.
        rows: The prompts, each as often as it shall be decoded.
        config: Of the decoding.
        seed: Root of what is drawn, with ``names``.
        names: What these decodings are for.
        forced: Law of forced steps for ``old_plan_R``.
        score: Law of tokens for ``old_tok_R``.
        keep_hidden: Keep hidden states where the policy reads them: L D numbers for each step.

    Raises:
        ConfigError: The canvas does not fit the denoiser, or the policy cannot work with it.
    """
    device = device_of(denoiser)
    seeds_B = [seeds.derive(seed, "dultra", *names, i) for i in range(len(rows.prompt_BP))]
    seen: list[Seen] = []

    def record(step: Seen) -> None:
        kept = step.context if keep_hidden else replace(step.context, hidden_BLD=None)
        seen.append(step._replace(context=kept))

    decoded = decode(
        denoiser,
        rows.prompt_BP.to(device),
        rows.attend_BP.to(device),
        policy=policy,
        config=config,
        seeds_B=seeds_B,
        record=record,
    )
    t = decoded.trajectory
    return Rollout(
        rows=rows,
        trajectory=t,
        steps=lay_out(seen, t, forced=forced, score=score),
        checked=source.check(rows, t.tokens_BL),
        size_BS=step_sizes(t.revealed_at_BL),
        num_tok=t.tokens_BL.numel(),
        token_forwards=decoded.token_forwards,
    )


def lay_out(seen: Sequence[Seen], trajectory: Trajectory, *, forced: Forced, score: Score) -> Steps:
    """The recorded steps as one batch, with what they scored when they were drawn."""
    context = _cat([s.context for s in seen])
    reveal_RL = torch.cat([s.decision.reveal_BL for s in seen])
    is_forced_R = torch.cat([s.decision.is_forced_B for s in seen])
    decoding_R = torch.cat([s.rows_A for s in seen])
    old_plan_R = None
    mean_q = float((reveal_RL.sum(1) / context.eligible_BL.sum(1).clamp(min=1)).mean())
    if all(s.decision.logit_BL is not None for s in seen):
        logit_RL = torch.cat([s.decision.logit_BL for s in seen if s.decision.logit_BL is not None])
        old_plan_R = plan_logp(
            logit_RL, reveal_RL, eligible_BL=context.eligible_BL, is_forced_B=is_forced_R, forced=forced
        )
        mean_q = float(torch.sigmoid(logit_RL)[context.eligible_BL].mean())
    if score == "unit":
        # At temperature 1 the law of tokens is the one that confidence is taken from.
        logp_RL = context.confidence_BL.clamp(min=torch.finfo(torch.float64).tiny).log()
        old_tok_R = logp_RL.masked_fill(~reveal_RL, 0.0).sum(1)
    else:
        old_tok_R = torch.cat([trajectory.logp_tok_BS[s.rows_A, s.step] for s in seen])
    sizes = torch.tensor([0] + [len(s.rows_A) for s in seen]).cumsum(0)
    return Steps(
        context, reveal_RL, is_forced_R, decoding_R, old_plan_R, old_tok_R, mean_q, tuple(int(x) for x in sizes)
    )


class Evaluated(NamedTuple):
    """How a policy decodes.

    Attributes:
        accuracy: Share of answers that are right.
        share: Mean share of parts that are right.
        nfe: Mean forward passes.
        tokens_per_forward: Mean over decodings of tokens of the answer over passes.
        forced_share: Share of steps that were forced.
        distinct: Distinct answers over answers, where all prompts are alike; else None.
        num: Decodings.
    """

    accuracy: float
    share: float
    nfe: float
    tokens_per_forward: float
    forced_share: float
    distinct: float | None
    num: int


def evaluate(
    denoiser: Denoiser,
    policy: UnmaskPolicy,
    source: Source,
    *,
    config: DecodingConfig,
    num: int,
    seed: int,
    name: str = "evaluate",
    batch: int = 256,
) -> tuple[Evaluated, Checked, Floats]:
    """Decode the prompts to evaluate on, each with random numbers of its own, the same at every call.

    Returns:
        Means, and for rewards the check and the sizes of steps of every decoding.
    """
    device = device_of(denoiser)
    rows = source.test(num)
    seeds_B = [seeds.derive(seed, "dultra", name, i) for i in range(num)]
    checks: list[Checked] = []
    sizes: list[FloatArray] = []
    tokens: list[Tensor] = []
    nfe = tpf = forced = 0.0
    for first in range(0, num, batch):
        part = _slice(rows, slice(first, first + batch))
        decoded = decode(
            denoiser,
            part.prompt_BP.to(device),
            part.attend_BP.to(device),
            policy=policy,
            config=config,
            seeds_B=seeds_B[first : first + batch],
        )
        t = decoded.trajectory
        checks.append(source.check(part, t.tokens_BL))
        size_BS = step_sizes(t.revealed_at_BL)
        sizes.append(np.pad(size_BS, ((0, 0), (0, config.answer_len - size_BS.shape[1]))).astype(np.float64))
        tokens.append(until_end(t.tokens_BL, denoiser.end_id).cpu())
        nfe += float(t.nfe_B.sum())
        tpf += float(decoded.tokens_per_forward_B.sum())
        forced += float(t.is_forced_BS.sum())
    checked = Checked(np.concatenate([c.is_right_B for c in checks]), np.concatenate([c.share_right_B for c in checks]))
    is_one_prompt = bool((rows.prompt_BP == rows.prompt_BP[:1]).all())
    found = Evaluated(
        accuracy=float(checked.is_right_B.mean()),
        share=float(checked.share_right_B.mean()),
        nfe=nfe / num,
        tokens_per_forward=tpf / num,
        forced_share=forced / nfe,
        distinct=distinct_share(torch.cat(tokens)[None].numpy()) if is_one_prompt else None,
        num=num,
    )
    return found, checked, np.concatenate(sizes)


def _slice(rows: Rows, part: slice) -> Rows:
    answer = None if rows.answer_BL is None else rows.answer_BL[part]
    return Rows(rows.prompt_BP[part], rows.attend_BP[part], answer, rows.problems[part])


def _map(context: StepContext, change: Callable[[Tensor], Tensor]) -> StepContext:
    values = {f.name: getattr(context, f.name) for f in fields(StepContext)}
    changed: dict[str, Any] = {name: change(x) if isinstance(x, Tensor) else x for name, x in values.items()}
    return StepContext(**changed)


def _cat(contexts: Sequence[StepContext]) -> StepContext:
    values = {f.name: [getattr(c, f.name) for c in contexts] for f in fields(StepContext)}
    joined: dict[str, Any] = {name: torch.cat(x) if isinstance(x[0], Tensor) else x[0] for name, x in values.items()}
    return StepContext(**joined)
