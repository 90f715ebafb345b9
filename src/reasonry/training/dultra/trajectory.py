"""What a decoding did, small enough to keep and exact enough to replay.

The final tokens and the step at which each was revealed are a whole trajectory: the canvas before step t shows the
tokens revealed at steps below t, and masks elsewhere.

Shapes: B rows, P prompt, L answer, S steps of the longest row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

NEVER = -1
"""Step of positions that no step revealed: what follows an end token, filled in when decoding stops there."""


class Trajectory(NamedTuple):
    """A batch of decodings.

    Attributes:
        prompt_BP: Token ids, padded on the left.
        attend_BP: False on padding.
        tokens_BL: The answer as it ended.
        revealed_at_BL: Step, from 0, at which each position was revealed; `NEVER` where none did.
        is_forced_BS: Steps that revealed the likeliest position because the policy chose none.
        nfe_B: Forward passes until the row was done: steps that it took part in.
        logp_plan_BS: Log-probability of each step's choice of positions under the policy, nats; None for rules.
        logp_tok_BS: Log-probability of the tokens revealed at each step under the law that they were drawn from,
            nats, their sum; 0 where tokens are the likeliest ones (temperature 0).
    """

    prompt_BP: Tensor
    attend_BP: Tensor
    tokens_BL: Tensor
    revealed_at_BL: Tensor
    is_forced_BS: Tensor
    nfe_B: Tensor
    logp_plan_BS: Tensor | None
    logp_tok_BS: Tensor


def canvas_at(trajectory: Trajectory, step: int, *, mask_id: int) -> Tensor:
    """The answer's canvas (B, L) as the forward pass of ``step`` saw it."""
    known = (trajectory.revealed_at_BL < step) & (trajectory.revealed_at_BL != NEVER)
    return trajectory.tokens_BL.masked_fill(~known, mask_id)


def revealed_by(trajectory: Trajectory, step: int) -> Tensor:
    """Positions (B, L) that ``step`` revealed."""
    return trajectory.revealed_at_BL == step
