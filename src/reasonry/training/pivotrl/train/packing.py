"""The log probabilities of a group's actions, with the prompt that they share read once.

A row of a micro batch is a prompt and G actions behind it, one after another. Every token counts its position from the
beginning of the prompt, and sees the prompt and what precedes it in its own action:

    columns      prompt (P)      action 0 (C)    action 1 (C)   ...
    positions    0 .. p - 1      p .. p + C - 1  p .. p + C - 1
    sees         before it       prompt, before it in its own action

For a model whose layers look through the attention mask alone this is the same function as G rows of prompt and action,
gradients included, on P + G C columns in place of G (P + C). `supports` says which models are such.

Shapes: R prompts, G actions of each, P prompt columns (padded on the left), C action columns (padded on the right),
T = P + G C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reasonry.training.pivotrl.train.loss import token_logps

Tokens = Sequence[int]


class Packed(NamedTuple):
    """A micro batch.

    Attributes:
        input_RT: Prompts and actions, int64.
        position_RT: Of each token in its own prompt and action.
        sees_R1TT: True where the token of a row may look at that of a column.
        read_GC: Columns (G * C,) whose logits are those of the actions' tokens.
        action_BC: The tokens of the actions, B = R * G.
        mask_BC: True on them, end token included.
    """

    input_RT: Tensor
    position_RT: Tensor
    sees_R1TT: Tensor
    read_GC: Tensor
    action_BC: Tensor
    mask_BC: Tensor


def supports(model: Any) -> bool:
    """True for models of transformers whose every layer is attention over all that the mask allows."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and config._attn_implementation in ("sdpa", "eager")
        and kinds == {"full_attention"}
        and window is None
    )


def pack(prompts: Sequence[Tokens], actions: Sequence[Sequence[Tokens]], *, device: Any = "cpu") -> Packed:
    """Put groups of actions behind their prompts.

    Args:
        prompts: Token ids of each.
        actions: The actions of each prompt, the same number for all, at least one token each.
        device: Where the tensors go.
    """
    P, G = max(map(len, prompts)), len(actions[0])
    C = max(len(action) for group in actions for action in group)
    T = P + G * C
    rows = [
        [0] * (P - len(prompt)) + [*prompt] + [token for a in group for token in (*a, *[0] * (C - len(a)))]
        for prompt, group in zip(prompts, actions, strict=True)
    ]
    input_RT = torch.tensor(rows, device=device)
    column_T = torch.arange(T, device=device)
    num_prompt_R1 = torch.tensor([[len(p)] for p in prompts], device=device)
    within_T = torch.where(column_T < P, column_T - P, (column_T - P) % C)  # from the end of the prompt
    position_RT = (num_prompt_R1 + within_T).clamp(min=0)

    length_RG = torch.tensor([[len(a) for a in group] for group in actions], device=device)
    mask_RGC = torch.arange(C, device=device) < length_RG[..., None]
    is_token_RT = torch.cat([column_T[:P] >= P - num_prompt_R1, mask_RGC.flatten(1)], 1)
    part_T = torch.where(column_T < P, -1, (column_T - P) // C)
    shares_TT = (part_T[None, :] == -1) | (part_T[:, None] == part_T[None, :])
    sees_TT = shares_TT & (column_T[None, :] <= column_T[:, None])
    # A column of padding sees itself, because a softmax over nothing is not a number.
    itself_TT = torch.eye(T, dtype=torch.bool, device=device)
    sees_RTT = (sees_TT & is_token_RT[:, None, :]) | itself_TT

    before_GC = P + torch.arange(G * C, device=device) - 1
    read_GC = torch.where(torch.arange(G * C, device=device) % C == 0, P - 1, before_GC)
    return Packed(
        input_RT, position_RT, sees_RTT[:, None], read_GC, input_RT[:, P:].reshape(-1, C), mask_RGC.reshape(-1, C)
    )


def packed_logps(model: Any, batch: Packed, *, temperature: float = 1.0) -> Tensor:
    """Log probabilities of the actions' tokens, nats, float32, shape (B, C); padding has any value.

    Args:
        model: A causal language model of transformers that `supports` holds for.
        batch: From `pack`.
        temperature: That the actions were drawn at.
    """
    logits = model(
        input_ids=batch.input_RT,
        attention_mask=_as_added(batch.sees_R1TT, model),
        position_ids=batch.position_RT,
        use_cache=False,
        logits_to_keep=batch.read_GC,
    ).logits
    return token_logps(logits.reshape(*batch.action_BC.shape, -1), batch.action_BC, temperature=temperature)


def _as_added(sees_R1TT: Tensor, model: Any) -> Tensor:
    """The mask as the attention takes it: eager attention adds it to its scores."""
    if model.config.get_text_config()._attn_implementation == "sdpa":
        return sees_R1TT
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(sees_R1TT.shape, dtype=model.dtype, device=sees_R1TT.device).masked_fill(~sees_R1TT, lowest)
