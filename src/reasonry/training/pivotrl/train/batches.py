"""The actions of a round as micro batches, and the log probabilities of their tokens under a model.

Two layouts of the same function: `packing` reads a prompt once for all actions of its group, `tokens` reads it again
for each, which models need whose layers do not look through an attention mask alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from reasonry.training.pivotrl.train.packing import Packed, pack, packed_logps
from reasonry.training.pivotrl.train.tokens import Padded, action_logps, pad

Tokens = Sequence[int]


def micro_batches(
    groups: Sequence[tuple[Tokens, Sequence[Tokens]]], *, size: int, packed: bool, device: Any = "cpu"
) -> list[Packed | Padded]:
    """Cut groups into micro batches of at most ``size`` actions, in the order of the actions.

    Args:
        groups: A prompt and its actions each, the same number of actions for all.
        size: Actions of a micro batch; the last may have fewer.
        packed: Read shared prompts once.
        device: Where the tensors go.
    """
    if not packed:
        rows = [(prompt, action) for prompt, actions in groups for action in actions]
        return [pad(*zip(*rows[i : i + size], strict=True), device=device) for i in range(0, len(rows), size)]
    num_actions = len(groups[0][1])
    if size >= num_actions:
        at_once = size // num_actions
        parts = [groups[i : i + at_once] for i in range(0, len(groups), at_once)]
    else:
        parts = [[(p, actions[i : i + size])] for p, actions in groups for i in range(0, num_actions, size)]
    return [pack(*zip(*part, strict=True), device=device) for part in parts]


def logps_of(model: Any, batch: Packed | Padded, *, temperature: float = 1.0) -> Tensor:
    """Log probabilities of a micro batch's tokens, nats, float32, shape (B, C); padding has any value."""
    if isinstance(batch, Packed):
        return packed_logps(model, batch, temperature=temperature)
    return action_logps(model, batch, temperature=temperature)
