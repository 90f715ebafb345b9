"""Decoding with a masked diffusion language model: one loop for every policy, in evaluation and in training.

    the answer is all masks
    repeat     one forward pass over the canvas; the policy chooses among the eligible positions; a token is proposed
               for each (`proposals`), and those chosen are filled in
    until      a row has no masks, or (``stop_early``) an end token with nothing masked before it: masks after that
               are filled with end tokens

The policy is told confidence, entropy and margin of eligible positions; elsewhere these are 0.

Every step reveals a position of every row that takes part, so that the number of forward passes of a row (NFE) is at
least its number of blocks and at most L. Rows are independent of each other: each fills its blocks at its own pace,
draws from its own generators, is counted until it is done and then leaves the batch. So what a row becomes and what it
costs does not depend on the rows decoded with it, as far as the denoiser's numbers do not. (The loop that dUltra, arXiv
2512.21446, released waits in each block for the slowest row of the batch, and counts that.)

Tokens that were revealed behind an end token stay as they were, so that a trajectory can be replayed; they are not part
of the answer (`until_end`), and tokens per forward count up to the first end token, that one included.

Shapes: B rows, P prompt, L answer, N canvas, S steps of the longest row; A rows that are not done, M their eligible
positions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from reasonry.core import seeds
from reasonry.core.config import Config
from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.policies.base import StepContext, StepDecision, UnmaskPolicy
from reasonry.training.dultra.proposals import propose
from reasonry.training.dultra.trajectory import NEVER, Trajectory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_STEPS_DRAWN = 8
"""Steps whose random numbers are drawn in one call."""


class DecodingConfig(Config):
    """How an answer is decoded."""

    answer_len: Annotated[int, Field(ge=1)] = 256
    """L, tokens of the answer."""
    block_len: Annotated[int, Field(ge=1)] = 32
    """Tokens of a block; the last is shorter where this does not divide the answer, which may be one block."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Of the tokens; 0 takes the likeliest one."""
    stop_early: bool = True
    """A row is done when an end token stands with nothing masked before it. Published figures are without."""
    cache: Literal["none", "prefix", "dual"] = "none"
    """Keys and values that are kept from pass to pass, an approximation: of what is before the block, or after too."""
    refresh_every: Annotated[int, Field(ge=1)] | None = None
    """Steps after which everything kept is computed anew; by default only when a block begins."""

    @model_validator(mode="after")
    def _refreshes_what_is_kept(self) -> Self:
        if self.cache == "none" and self.refresh_every is not None:
            raise ValueError("refresh_every is given, but no cache that could be refreshed")
        return self


class Seen(NamedTuple):
    """A step, as it is handed to ``record``.

    Attributes:
        step: From 0.
        rows_A: Rows of the batch that take part, ascending; the rows of all that follows.
        context: What the policy saw.
        decision: What it chose.
        token_AL: Tokens proposed where positions are eligible.
    """

    step: int
    rows_A: Tensor
    context: StepContext
    decision: StepDecision
    token_AL: Tensor


class Decoded(NamedTuple):
    """What came out.

    Attributes:
        trajectory: The answers and how they came about.
        seconds: Wall time of the whole call, planner and caches included.
        token_forwards: Tokens that the denoiser read, summed over passes and rows, without padding: what caches save.
        tokens_per_forward_B: Tokens of the answer, up to and with the first end token, over the row's forward passes.
    """

    trajectory: Trajectory
    seconds: float
    token_forwards: int
    tokens_per_forward_B: Tensor


def decode(
    denoiser: Denoiser,
    prompt_BP: Tensor,
    attend_BP: Tensor,
    *,
    policy: UnmaskPolicy,
    config: DecodingConfig,
    seeds_B: Sequence[int],
    record: Callable[[Seen], None] | None = None,
) -> Decoded:
    """Decode an answer to each prompt.

    Args:
        denoiser: The model, on the device of the prompts.
        prompt_BP: Token ids, padded on the left.
        attend_BP: False on padding.
        policy: Chooses what to reveal.
        config: Sizes and temperature.
        seeds_B: One for each row; the same seed gives the same numbers to every policy.
        record: Told of each step. What it is given may be kept, but not written into.

    Returns:
        The trajectory and what it cost.

    Raises:
        ConfigError: The canvas does not fit the denoiser, the policy cannot work with it, or a number of seeds other
            than B.
        DataError: Prompts that are not padded on the left, or logits that are not finite.
    """
    import torch

    _check(denoiser, attend_BP, policy=policy, config=config, seeds_B=seeds_B)
    start_s = _now(prompt_BP)
    with torch.no_grad():
        loop = _Loop(denoiser, prompt_BP, attend_BP.bool(), policy=policy, config=config, seeds_B=seeds_B)
        while len(loop.rows_A):
            loop.step(record)
        trajectory, token_forwards = loop.trajectory(), loop.session.num_token_forwards
    num_tokens_B = answer_lengths(trajectory.tokens_BL, denoiser.end_id)
    return Decoded(trajectory, _now(prompt_BP) - start_s, token_forwards, num_tokens_B.double() / trajectory.nfe_B)


def answer_lengths(tokens_BL: Tensor, end_id: int | None) -> Tensor:
    """Tokens up to the first end token, that one included, shape (B,); L where there is none."""
    L = tokens_BL.shape[1]
    if end_id is None:
        return tokens_BL.new_full((len(tokens_BL),), L)
    is_end_BL = tokens_BL == end_id
    return (is_end_BL.byte().argmax(1) + 1).where(is_end_BL.any(1), L)


def until_end(tokens_BL: Tensor, end_id: int | None) -> Tensor:
    """Answers (B, L) with end tokens after the first one: what a verifier and a reader should see."""
    import torch

    if end_id is None:
        return tokens_BL
    at_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
    return tokens_BL.masked_fill(at_L >= answer_lengths(tokens_BL, end_id)[:, None], end_id)


# ---------------------------------------------------------------- the loop


@dataclass
class _Rows:
    """State of the rows that are not done.

    Attributes:
        prompt_AP: Their prompts.
        attend_AN: Their canvas without padding.
        tokens_AL: The answer so far, mask tokens included.
        masked_AL: Where it is masked.
        revealed_at_AL: Step of each position.
        block_A: Index of the current block.
        step_A: Steps spent in it.
        num_block_masks_A: Masks that it had when it was opened.
    """

    prompt_AP: Tensor
    attend_AN: Tensor
    tokens_AL: Tensor
    masked_AL: Tensor
    revealed_at_AL: Tensor
    block_A: Tensor
    step_A: Tensor
    num_block_masks_A: Tensor

    def keep(self, rows_K: Tensor) -> _Rows:
        """Some of the rows."""
        return _Rows(**{name: values[rows_K] for name, values in vars(self).items()})


class _Loop:
    def __init__(
        self,
        denoiser: Denoiser,
        prompt_BP: Tensor,
        attend_BP: Tensor,
        *,
        policy: UnmaskPolicy,
        config: DecodingConfig,
        seeds_B: Sequence[int],
    ) -> None:
        import torch

        from reasonry.training.dultra.caches import start_session

        B, L = len(prompt_BP), config.answer_len
        device = prompt_BP.device
        self.denoiser, self.policy, self.config = denoiser, policy, config
        self.block_len = min(config.block_len, L)
        self.session = start_session(
            denoiser,
            answer_len=L,
            block_len=self.block_len,
            cache=config.cache,
            refresh_every=config.refresh_every,
        )
        self.steps_done = 0
        self.rows_A = torch.arange(B, device=device)
        self.position_L = torch.arange(L, device=device)
        self.block_L = self.position_L // self.block_len
        self.prompt_BP, self.attend_BP = prompt_BP, attend_BP
        is_used_P = attend_BP.any(0)  # columns of padding alone cost time and say nothing
        self.state = _Rows(
            prompt_AP=prompt_BP[:, is_used_P],
            attend_AN=torch.cat([attend_BP[:, is_used_P], attend_BP.new_ones(B, L)], 1),
            tokens_AL=torch.full((B, L), denoiser.mask_id, dtype=torch.int64, device=device),
            masked_AL=torch.ones(B, L, dtype=torch.bool, device=device),
            revealed_at_AL=torch.full((B, L), NEVER, dtype=torch.int64, device=device),
            block_A=torch.zeros(B, dtype=torch.int64, device=device),
            step_A=torch.zeros(B, dtype=torch.int64, device=device),
            num_block_masks_A=torch.full((B,), self.block_len, dtype=torch.int64, device=device),
        )
        self.canvas_len_A = self.state.attend_AN.sum(1)
        self.uniforms = _Uniforms(seeds_B, L, num_kinds=2 if config.temperature else 1, device=device)
        self.tokens_BL = torch.empty_like(self.state.tokens_AL)
        self.revealed_at_BL = torch.empty_like(self.state.tokens_AL)
        self.nfe_B = torch.zeros(B, dtype=torch.int64, device=device)
        self.is_forced_BS = torch.zeros(B, L, dtype=torch.bool, device=device)
        self.logp_tok_BS = torch.zeros(B, L, dtype=torch.float64, device=device)
        self.logp_plan_BS: Tensor | None = None

    def step(self, record: Callable[[Seen], None] | None) -> None:
        """One forward pass, and what it reveals."""
        import torch

        state, t = self.state, self.steps_done
        eligible_AL = self.policy.eligible(state.masked_AL, block_len=self.block_len)
        said = self.session.denoise(
            torch.cat([state.prompt_AP, state.tokens_AL], 1),
            state.attend_AN,
            eligible_AL,
            with_hidden=self.policy.needs_hidden,
        )
        A, L = state.tokens_AL.shape
        temperature = self.config.temperature
        uniform_KAL = self.uniforms.at(t)
        row_M, at_M = eligible_AL.nonzero(as_tuple=True)
        proposed = propose(
            said.logits_BNV[row_M, at_M],
            mask_id=self.denoiser.mask_id,
            temperature=temperature,
            uniform_M=uniform_KAL[1][row_M, at_M] if temperature else None,
        )
        flat_M = row_M * L + at_M
        about_4M = torch.stack([proposed.confidence_M, proposed.entropy_M, proposed.margin_M, proposed.logp_M])
        about_4AL = about_4M.new_zeros(4, A * L).index_copy_(1, flat_M, about_4M).view(4, A, L)
        token_AL = state.tokens_AL.flatten().index_copy(0, flat_M, proposed.token_M).view(A, L)
        context = StepContext(
            eligible_BL=eligible_AL,
            masked_BL=state.masked_AL,
            confidence_BL=about_4AL[0],
            entropy_BL=about_4AL[1],
            margin_BL=about_4AL[2],
            uniform_BL=uniform_KAL[0],
            step_B=state.step_A,
            num_block_masks_B=state.num_block_masks_A,
            known_share_B=1 - state.masked_AL.sum(1).double() / self.canvas_len_A,
            block_len=self.block_len,
            hidden_BLD=said.hidden_BND,
        )
        decision = self.policy.select(context)
        self._check_decision(decision, eligible_AL)
        if record is not None:
            record(Seen(t, self.rows_A, context, decision, token_AL))
        self.is_forced_BS[self.rows_A, t] = decision.is_forced_B
        if temperature:
            self.logp_tok_BS[self.rows_A, t] = about_4AL[3].where(decision.reveal_BL, 0).sum(1)
        self._keep_plan(decision, eligible_AL)
        self._reveal(decision.reveal_BL, token_AL)

    def _check_decision(self, decision: StepDecision, eligible_AL: Tensor) -> None:
        reveal_AL = decision.reveal_BL
        if bool((reveal_AL > eligible_AL).any()) or not bool(reveal_AL.any(1).all()):
            raise ConfigError(
                f"the policy {self.policy.name} revealed what was not eligible, or nothing, at step {self.steps_done}",
                remedy="A policy reveals at least one eligible position of every row.",
            )

    def _keep_plan(self, decision: StepDecision, eligible_AL: Tensor) -> None:
        if decision.logit_BL is None or not getattr(self.policy, "is_stochastic", True):
            return
        from reasonry.training.dultra.plan_likelihood import plan_logp

        if self.logp_plan_BS is None:
            self.logp_plan_BS = self.logp_tok_BS.new_zeros(self.logp_tok_BS.shape)
        logp_A = plan_logp(
            decision.logit_BL, decision.reveal_BL, eligible_BL=eligible_AL, is_forced_B=decision.is_forced_B
        )
        self.logp_plan_BS[self.rows_A, self.steps_done] = logp_A.double()

    def _reveal(self, reveal_AL: Tensor, token_AL: Tensor) -> None:
        """Fill in what was chosen, and let rows go that are done."""
        state, L, end_id = self.state, self.config.answer_len, self.denoiser.end_id
        state.tokens_AL = token_AL.where(reveal_AL, state.tokens_AL)
        state.masked_AL = masked_AL = state.masked_AL & ~reveal_AL
        state.revealed_at_AL = state.revealed_at_AL.masked_fill(reveal_AL, self.steps_done)
        self.steps_done += 1
        has_mask_A = masked_AL.any(1)
        first_mask_A = masked_AL.byte().argmax(1).where(has_mask_A, L)
        is_done_A = ~has_mask_A
        if self.config.stop_early and end_id is not None:
            is_end_AL = (state.tokens_AL == end_id) & (self.position_L < first_mask_A[:, None])
            is_done_A = is_done_A | is_end_AL.any(1)
        if bool(is_done_A.any()):
            self._let_go(is_done_A)
            first_mask_A = first_mask_A[~is_done_A]
        self._enter_blocks(first_mask_A)

    def _enter_blocks(self, first_mask_A: Tensor) -> None:
        """Count the step, and begin a new block in rows whose first mask is in another one."""
        state = self.state
        state.step_A = state.step_A + 1
        if self.block_len == self.config.answer_len:
            return
        block_A = first_mask_A // self.block_len
        is_new_A = block_A != state.block_A
        in_block_AL = state.masked_AL & (self.block_L == block_A[:, None])
        state.step_A = state.step_A.masked_fill(is_new_A, 0)
        state.num_block_masks_A = in_block_AL.sum(1).where(is_new_A, state.num_block_masks_A)
        state.block_A = block_A

    def _let_go(self, is_done_A: Tensor) -> None:
        """Write down rows that are done and take them out of the batch."""
        state, end_id = self.state, self.denoiser.end_id
        done, kept = is_done_A.nonzero()[:, 0], (~is_done_A).nonzero()[:, 0]
        rows = self.rows_A[done]
        tokens = state.tokens_AL[done]
        if end_id is not None:
            tokens = tokens.masked_fill(state.masked_AL[done], end_id)
        self.tokens_BL[rows] = tokens
        self.revealed_at_BL[rows] = state.revealed_at_AL[done]
        self.nfe_B[rows] = self.steps_done
        self.rows_A, self.canvas_len_A, self.state = self.rows_A[kept], self.canvas_len_A[kept], state.keep(kept)
        if not len(kept):
            return
        self.session.keep(kept)
        self.uniforms.keep(kept)
        if self.config.cache == "none" and not bool((is_used := self.state.attend_AN.any(0)).all()):
            num_prompt = self.state.prompt_AP.shape[1]
            self.state.prompt_AP = self.state.prompt_AP[:, is_used[:num_prompt]]
            self.state.attend_AN = self.state.attend_AN[:, is_used]

    def trajectory(self) -> Trajectory:
        """What was decoded."""
        S = self.steps_done
        return Trajectory(
            prompt_BP=self.prompt_BP,
            attend_BP=self.attend_BP,
            tokens_BL=self.tokens_BL,
            revealed_at_BL=self.revealed_at_BL,
            is_forced_BS=self.is_forced_BS[:, :S],
            nfe_B=self.nfe_B,
            logp_plan_BS=None if self.logp_plan_BS is None else self.logp_plan_BS[:, :S],
            logp_tok_BS=self.logp_tok_BS[:, :S],
        )


class _Uniforms:
    """Numbers in [0, 1) for each kind, row, position and step, from each row's own generator, some steps ahead."""

    def __init__(self, seeds_B: Sequence[int], num_positions: int, *, num_kinds: int, device: torch.device) -> None:
        self._rngs = [seeds.stream(seed, "dultra", "decode") for seed in seeds_B]
        self._shape = (_STEPS_DRAWN, num_kinds, num_positions)
        self._device = device
        self._drawn_CKAL: Tensor | None = None

    def at(self, step: int) -> Tensor:
        """The numbers of a step (K, A, L); steps are asked for in order."""
        import torch

        if self._drawn_CKAL is None or step % _STEPS_DRAWN == 0:
            drawn_ACKL = np.empty((len(self._rngs), *self._shape))
            for rng, drawn_CKL in zip(self._rngs, drawn_ACKL, strict=True):
                rng.random(out=drawn_CKL)
            drawn_CKAL = np.ascontiguousarray(drawn_ACKL.transpose(1, 2, 0, 3))
            self._drawn_CKAL = torch.from_numpy(drawn_CKAL).to(self._device)
        return self._drawn_CKAL[step % _STEPS_DRAWN]

    def keep(self, rows_K: Tensor) -> None:
        """Go on with these rows."""
        self._rngs = [self._rngs[row] for row in rows_K.tolist()]
        if self._drawn_CKAL is not None:
            self._drawn_CKAL = self._drawn_CKAL[:, :, rows_K]


# ---------------------------------------------------------------- what is refused, and the clock


def _check(
    denoiser: Denoiser, attend_BP: Tensor, *, policy: UnmaskPolicy, config: DecodingConfig, seeds_B: Sequence[int]
) -> None:
    if len(seeds_B) != len(attend_BP):
        raise ConfigError(f"{len(seeds_B)} seeds for {len(attend_BP)} prompts", remedy="Give every row a seed.")
    if bool((attend_BP[:, :-1].byte() > attend_BP[:, 1:].byte()).any()):
        raise DataError("a prompt is padded on the right or inside", remedy="Pad on the left: answers line up then.")
    longest = int(attend_BP.sum(1).max()) if attend_BP.numel() else 0
    if denoiser.max_len is not None and longest + config.answer_len > denoiser.max_len:
        raise ConfigError(
            f"a prompt of {longest} and an answer of {config.answer_len} tokens do not fit the {denoiser.max_len} of "
            f"{denoiser.name}",
            remedy="Shorten answer_len or the prompt.",
        )
    if policy.needs_hidden and not denoiser.width:
        raise ConfigError(
            f"the policy {policy.name} reads hidden states, and {denoiser.name} has none",
            remedy="Use a rule, or a planner of confidences.",
        )


def _now(on: Tensor) -> float:
    """Seconds of a clock, once what was begun on the device is done."""
    if on.is_cuda:
        import torch

        torch.cuda.synchronize(on.device)
    return time.perf_counter()
