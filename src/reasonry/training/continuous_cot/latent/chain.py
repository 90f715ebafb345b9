"""The forward pass of rows with thoughts: each slot's input is the last hidden state before it.

With x_q the input of column q, h_q the hidden state after the final norm, and f the feedback:

    x_q = f(h_{q-1})   where a row has a thought at q,        x_q = E[token]   elsewhere
    f = h                                                     feedback "hidden" (Coconut)
    f = softmax(logits(h) / T) E                              "soft"; "topk_soft": over the k likeliest tokens

cache      One pass up to the first slot, one column for each slot but the last, one pass for the rest: n + 1 calls,
           each reading the keys and values of those before. Every column is computed once. Gradients flow through the
           thoughts and through the cache.
recompute  n + 1 calls over whole prefixes, nothing kept in between: the same numbers, the sum of all prefixes' work.
           For gradient checkpointing, which makes transformers drop a cache without a word, and for models whose state
           is overwritten in place. With dropout each call draws anew.

Truncation: with ``bptt=k`` gradients flow back through a row's last k thoughts, and "detach" is k = 0. What is cut is
the feedback alone; keys and values of earlier columns still carry gradients.

Coconut: Hao et al. 2024, arXiv 2412.06769. Soft feedback as in Soft Thinking, Zhang et al. 2025, arXiv 2505.15778.

Legend: B rows, T columns, D width, K most thoughts of a row, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.backbone import Backbone
from reasonry.training.continuous_cot.latent.chain_inputs import HIDDEN, Bptt, ChainInputs, Feedback, FeedbackTable
from reasonry.training.continuous_cot.latent.rows import Batch

How = Literal["cache", "recompute", "auto"]


class Chained(NamedTuple):
    """What the chain computed.

    Attributes:
        hidden_BTD: Hidden states after the final norm; of no meaning on padding.
        thoughts_BKD: What was fed into the slots, in their order; zeros behind a row's last one. K may be 0.
        num_thoughts_B: Thoughts of each row.
    """

    hidden_BTD: Tensor
    thoughts_BKD: Tensor
    num_thoughts_B: Tensor


def chained_forward(
    model: Any,
    embeds_BTD: Tensor,
    batch: Batch,
    *,
    bptt: Bptt = "full",
    feedback: Feedback = HIDDEN,
    how: How = "cache",
) -> Chained:
    """Run rows whose thoughts are computed one after the other.

    Args:
        model: A causal language model of transformers, or its `Backbone`.
        embeds_BTD: Embeddings of the batch's tokens; what stands in slots of thoughts is not looked at.
        batch: The rows.
        bptt: How far gradients flow back through thoughts.
        feedback: What a thought is made of.
        how: cache, recompute, or auto: recompute while gradient checkpointing is on.

    Raises:
        ConfigError: Rows longer than the model's context; cache while gradient checkpointing is on; a model whose
            cache cannot be differentiated through; a bad setting.
    """
    backbone = model if isinstance(model, Backbone) else Backbone.of(model)
    feedback.check()
    if how not in ("cache", "recompute", "auto"):
        raise ConfigError(f"how {how!r}", place="how", remedy="cache, recompute or auto.")
    inputs = ChainInputs.of(batch, embeds_BTD, bptt=bptt)
    is_cached = bool(inputs.columns) and (how == "cache" or (how == "auto" and not backbone.drops_cache))
    check_length(backbone, inputs.longest_tok, is_cached=is_cached)
    if not inputs.columns:
        hidden_BTD = backbone.run(
            embeds_BTD, attend_BS=inputs.attend_BT, position_ids_BT=batch.position_ids_BT, cache=None
        )
        return Chained(hidden_BTD, *inputs.thoughts([]))
    if not is_cached:
        return _recomputed(backbone, inputs, feedback)
    if backbone.drops_cache:
        raise ConfigError(
            "gradient checkpointing makes the model drop the cache that holds what came before a thought",
            place="how",
            remedy="Use how='recompute', or turn gradient checkpointing off.",
        )
    cache = backbone.new_cache(appends=torch.is_grad_enabled())
    return cached(backbone, inputs, feedback, cache=cache).chained


def logits(model: Any, hidden: Tensor) -> Tensor:
    """Logits (..., V) of hidden states (..., D), as the model's family makes them."""
    return (model if isinstance(model, Backbone) else Backbone.of(model)).logits(hidden)


class CachedChain(NamedTuple):
    """A chain run through a cache.

    Attributes:
        chained: What it computed.
        last_BD: With ``hold_last``, the input of the last column, which was not run.
    """

    chained: Chained
    last_BD: Tensor | None


def cached(
    backbone: Backbone, inputs: ChainInputs, feedback: Feedback, *, cache: DynamicCache, hold_last: bool = False
) -> CachedChain:
    """Run a chain through a cache, which holds all columns that were run at the end.

    Args:
        backbone: The model.
        inputs: With at least one thought.
        feedback: What a thought is made of.
        cache: Empty.
        hold_last: Do not run the last column, only make its input.
    """
    length = inputs.embeds_BTD.shape[1] - hold_last
    starts = [column for column in inputs.columns if column < length]
    table = FeedbackTable(backbone, feedback)
    hidden: list[Tensor] = []
    filled: list[Tensor] = []
    for index, (start, end) in enumerate(pairwise([0, *starts, length])):
        part_BSD = inputs.embeds_BTD[:, start:end]
        if index:
            filled.append(inputs.fill(index - 1, table.feed(hidden[-1][:, -1])))
            first_B1D = filled[-1][:, None]
            part_BSD = first_B1D if end - start == 1 else torch.cat([first_B1D, part_BSD[:, 1:]], 1)
        hidden.append(
            backbone.run(
                part_BSD,
                attend_BS=None if inputs.attend_BT is None else inputs.attend_BT[:, :end],
                position_ids_BT=inputs.position_ids_BT[:, start:end],
                cache=cache,
            )
        )
    last_BD = None
    if hold_last:
        last_BD = inputs.embeds_BTD[:, -1]
        if len(starts) < len(inputs.columns):
            last_BD = inputs.fill(len(starts), table.feed(hidden[-1][:, -1]))
            filled.append(last_BD)
    return CachedChain(Chained(torch.cat(hidden, 1), *inputs.thoughts(filled)), last_BD)


def _recomputed(backbone: Backbone, inputs: ChainInputs, feedback: Feedback) -> Chained:
    table = FeedbackTable(backbone, feedback)
    pieces: list[Tensor] = []
    filled: list[Tensor] = []
    hidden_BTD = inputs.embeds_BTD
    for index, (start, end) in enumerate(pairwise([0, *inputs.columns, inputs.embeds_BTD.shape[1]])):
        if index:
            filled.append(inputs.fill(index - 1, table.feed(hidden_BTD[:, -1])))
            pieces += [filled[-1][:, None], inputs.embeds_BTD[:, start + 1 : end]]
        else:
            pieces.append(inputs.embeds_BTD[:, :end])
        hidden_BTD = backbone.run(
            torch.cat(pieces, 1),
            attend_BS=None if inputs.attend_BT is None else inputs.attend_BT[:, :end],
            position_ids_BT=inputs.position_ids_BT[:, :end],
            cache=None,
        )
    return Chained(hidden_BTD, *inputs.thoughts(filled))


def check_length(backbone: Backbone, longest_tok: int, *, is_cached: bool) -> None:
    """Refuse rows that the model cannot take.

    Raises:
        ConfigError: Longer than the context, or than keys can be kept for.
    """
    limit, steady = backbone.context_tok, backbone.steady_tok
    if limit and longest_tok > limit:
        raise ConfigError(
            f"a row of {longest_tok} tokens, thoughts included, for a context of {limit}",
            place="batch",
            remedy="Shorten the rows, or use fewer thoughts.",
        )
    if is_cached and steady and longest_tok > steady:
        raise ConfigError(
            f"a row of {longest_tok} tokens: beyond {steady} the model rotates all keys anew, those kept too",
            place="batch",
            remedy="Shorten the rows, or train with how='recompute'.",
        )
