"""Decoding attention that reads a prompt's keys and values once for all samples of that prompt (CPU).

With q a row's single query, (K_p, V_p) of its prompt and (K_s, V_s) of what the row has drawn so far:

    out = softmax([q K_p^T, q K_s^T] * scale) [V_p; V_s]

The prompt part is the same matrix for every row of a prompt, so the rows' queries are stacked into one product
(Juravsky et al. 2024, "Hydragen"). Softmax is taken over both parts together, in float32: nothing is approximated. Keys
and values of a prompt are stored once instead of once per sample.

It also packs the query heads that share a key-value head into one product; the grouped-query kernel that torch picks on
a CPU for a single query without a mask is several times slower.

Legend: B rows, P prompts, H key-value heads, G query heads per key-value head, T tokens, D head width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from reasonry.core.sampling.kv_cache import RoomyLayer

NAME = "reasonry_decoding"


class PrefixLayer(RoomyLayer):
    """A cache layer whose rows share their prompt's keys and values; ``update`` returns the rows' own part only."""

    def __init__(self, key_PHTD: Tensor, value_PHTD: Tensor) -> None:
        super().__init__()
        self.prefix_key_PHDT = key_PHTD.transpose(-1, -2).contiguous()
        self.prefix_value_PHTD = value_PHTD.contiguous()

    def get_seq_length(self) -> int:
        """Tokens of the prompt and of the rows' own part."""
        return self.prefix_value_PHTD.shape[-2] + (super().get_seq_length() if self.is_initialized else 0)


class SharedPrefixCache(DynamicCache):
    """The cache of rows fanned out from prefilled prompts.

    Args:
        prefilled: Cache after the prompts' forward pass.
        mask_PT: True where a prompt position is a token, None when no prompt is padded.
        prompt_of_row: Non-decreasing prompt number of each row.
    """

    def __init__(self, prefilled: DynamicCache, mask_PT: Tensor | None, prompt_of_row: list[int]) -> None:
        super().__init__()
        layers: list[Any] = prefilled.layers
        self.layers = [PrefixLayer(layer.keys, layer.values) for layer in layers]
        self.mask_PT = mask_PT
        self.prompt_of_row = prompt_of_row

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """(prompt, first row, end row) of each run of rows that share a prompt."""
        rows = self.prompt_of_row
        starts = [i for i in range(len(rows)) if i == 0 or rows[i] != rows[i - 1]]
        return [(rows[a], a, b) for a, b in pairwise([*starts, len(rows)])]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep rows; ``indices`` ascends."""
        self.prompt_of_row = [self.prompt_of_row[i] for i in indices.tolist()]
        super().batch_select_indices(indices)


_active: ContextVar[SharedPrefixCache | None] = ContextVar("reasonry_shared_prefix", default=None)


def supports(model: PreTrainedModel, cache: DynamicCache) -> bool:
    """True when the model's attention goes through the exchangeable interface and is plain full attention."""
    config = model.config.get_text_config()
    return (
        model.device.type == "cpu"
        and bool(getattr(model, "_supports_attention_backend", False))
        and model.config._attn_implementation == "sdpa"
        and getattr(config, "attn_logit_softcapping", None) is None
        and all(type(layer) is RoomyLayer for layer in cache.layers)
    )


@contextmanager
def decoding(model: PreTrainedModel, cache: SharedPrefixCache | None = None) -> Iterator[None]:
    """Within the block the model attends by `attend`; its own setting is given back afterwards."""
    configs = {id(c): c for c in (model.config, model.config.get_text_config())}.values()
    before = [c._attn_implementation for c in configs]
    token = _active.set(cache)
    try:
        for c in configs:
            c._attn_implementation_internal = NAME
        yield
    finally:
        for c, old in zip(configs, before, strict=True):
            c._attn_implementation_internal = old
        _active.reset(token)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface: query (B, H*G, 1, D), key and value (B, H, T, D) -> (B, 1, H*G, D)."""
    batch, num_heads, num_queries, width = query.shape
    scale = width**-0.5 if scaling is None else scaling
    cache = _active.get()
    if num_queries != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    query_BHGD = query.reshape(batch, key.shape[1], -1, width)
    if cache is not None:
        layer = cache.layers[module.layer_idx]  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert isinstance(layer, PrefixLayer)
        out_BHGD = _attend_shared(query_BHGD, key, value, layer, cache, scale)
    else:
        out_BHGD = torch.nn.functional.scaled_dot_product_attention(
            query_BHGD, key, value, attn_mask=attention_mask, scale=scale
        )
    return out_BHGD.reshape(batch, 1, num_heads, width), None


def _attend_shared(
    query_BHGD: Tensor,
    key_BHTD: Tensor,
    value_BHTD: Tensor,
    layer: PrefixLayer,
    cache: SharedPrefixCache,
    scale: float,
) -> Tensor:
    batch, heads, group, _ = query_BHGD.shape
    prefix_tok = layer.prefix_value_PHTD.shape[-2]
    own_tok = key_BHTD.shape[-2]
    score_BHGT = torch.empty((batch, heads, group, prefix_tok + own_tok), dtype=torch.float32)
    score_BHGT[..., prefix_tok:] = query_BHGD @ key_BHTD.transpose(-1, -2)
    for p, start, end in cache.spans:
        stacked_HQD = _stack(query_BHGD[start:end])
        score_HQT = stacked_HQD @ layer.prefix_key_PHDT[p]
        score_BHGT[start:end, ..., :prefix_tok] = _unstack(score_HQT, end - start)
        if cache.mask_PT is not None:
            score_BHGT[start:end, ..., :prefix_tok].masked_fill_(~cache.mask_PT[p], -torch.inf)
    weight_BHGT = torch.softmax(score_BHGT.mul_(scale), -1).to(value_BHTD.dtype)
    out_BHGD = weight_BHGT[..., prefix_tok:] @ value_BHTD
    for p, start, end in cache.spans:
        weight_HQT = _stack(weight_BHGT[start:end, ..., :prefix_tok])
        out_BHGD[start:end] += _unstack(weight_HQT @ layer.prefix_value_PHTD[p], end - start)
    return out_BHGD


def _stack(x_BHGX: Tensor) -> Tensor:
    """(B, H, G, X) -> (H, B*G, X)."""
    return x_BHGX.transpose(0, 1).reshape(x_BHGX.shape[1], -1, x_BHGX.shape[-1])


def _unstack(x_HQX: Tensor, batch: int) -> Tensor:
    """(H, B*G, X) -> (B, H, G, X)."""
    return x_HQX.reshape(x_HQX.shape[0], batch, -1, x_HQX.shape[-1]).transpose(0, 1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
