"""Decoding attention that reads a prompt's keys and values once for all samples of that prompt (CPU).

With q a row's single query, (K_p, V_p) of its prompt and (K_s, V_s) of what the row has drawn so far:

    out = softmax([q K_p^T, q K_s^T] * scale) [V_p; V_s]

The prompt part is the same matrix for every row of a prompt, so the rows' queries are stacked into one product
(Juravsky et al. 2024, "Hydragen"). Softmax is taken over both parts together, in float32: nothing is approximated. Keys
and values of a prompt are stored once instead of once per sample.

Rows of further prompts may join while others are still being drawn: all rows append to the same columns, and a row that
joined late does not see the columns before its own first one.

Query heads that share a key-value head go into one product, too; the grouped-query kernel that torch picks on a CPU for
a single query without a mask is several times slower.

Legend: B rows, H key-value heads, G query heads per key-value head, T tokens, D head width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from reasonry.core.sampling.kv_cache import RoomyLayer

NAME = "reasonry_decoding"


class _Prefix(NamedTuple):
    """One prompt's keys (transposed once, because every step multiplies by them) and values in one layer."""

    key_HDT: Tensor
    value_HTD: Tensor


class _Step(NamedTuple):
    """What all layers of one forward pass share."""

    spans: list[tuple[int, int, int]]  # (prompt, first row, end row)
    prefix_tok: int  # longest prompt in flight
    late_BT: Tensor | None  # True where a row must not look: columns before it joined


class PrefixLayer(RoomyLayer):
    """A cache layer whose rows share their prompts' keys and values; ``update`` returns the rows' own part only."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes: dict[int, _Prefix] = {}


class SharedPrefixCache(DynamicCache):
    """The cache of rows fanned out from prefilled prompts; rows of one prompt stand together."""

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.layers = [PrefixLayer() for _ in range(num_layers)]
        self.prompt_of_row: list[int] = []
        self._start_of_row: list[int] = []
        self._step: _Step | None = None

    def join(self, prefilled: DynamicCache, prompts: Sequence[tuple[int, int, int]]) -> None:
        """Add rows: ``prompts`` lists (prompt number, tokens, rows) for each row of ``prefilled``, padded left."""
        layers: list[Any] = self.layers
        sources: list[Any] = prefilled.layers
        num_new = sum(rows for _, _, rows in prompts)
        own_tok = layers[0].get_seq_length() if layers[0].is_initialized else 0
        for layer, source in zip(layers, sources, strict=True):
            for at, (number, num_tok, _) in enumerate(prompts):
                key_HTD, value_HTD = source.keys[at, :, -num_tok:], source.values[at, :, -num_tok:]
                layer.prefixes[number] = _Prefix(key_HTD.transpose(-1, -2).contiguous(), value_HTD.contiguous())
            if not layer.is_initialized:
                layer.lazy_initialization(source.keys[:0], source.values[:0])
            layer.add_rows(num_new)
        for number, _, rows in prompts:
            self.prompt_of_row += [number] * rows
            self._start_of_row += [own_tok] * rows

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows (ascending); drops prompts and columns that no row needs any more."""
        self.prompt_of_row = [self.prompt_of_row[i] for i in rows]
        starts = [self._start_of_row[i] for i in rows]
        unused = min(starts, default=0)
        self._start_of_row = [s - unused for s in starts]
        needed = set(self.prompt_of_row)
        layers: list[Any] = self.layers
        index = torch.tensor(rows, dtype=torch.long)
        for layer in layers:
            layer.batch_select_indices(index, drop_tok=unused)
            layer.prefixes = {p: prefix for p, prefix in layer.prefixes.items() if p in needed}

    def begin_step(self) -> None:
        """Prepare what the layers of the coming forward pass share."""
        rows = self.prompt_of_row
        edges = [i for i in range(len(rows)) if i == 0 or rows[i] != rows[i - 1]]
        first: Any = self.layers[0]
        late_BT = None
        if any(self._start_of_row):
            column_T = torch.arange(first.get_seq_length() + 1)
            late_BT = column_T < torch.tensor(self._start_of_row)[:, None]
        self._step = _Step(
            [(rows[a], a, b) for a, b in pairwise([*edges, len(rows)])],
            max(p.value_HTD.shape[-2] for p in first.prefixes.values()),
            late_BT,
        )

    @property
    def step(self) -> _Step:
        """Of the forward pass under way."""
        assert self._step is not None, "begin_step comes before the forward pass"
        return self._step


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
def decoding(model: PreTrainedModel, cache: SharedPrefixCache) -> Iterator[None]:
    """Within the block the model attends by `attend`; its own setting is given back afterwards."""
    configs = {id(c): c for c in (model.config, model.config.get_text_config())}.values()
    before = [c._attn_implementation for c in configs]
    token = _active.set(cache)
    cache.begin_step()
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
    cache = _active.get()
    if cache is None or num_queries != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    layer = cache.layers[module.layer_idx]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert isinstance(layer, PrefixLayer)
    query_BHGD = query.reshape(batch, key.shape[1], -1, width)
    scale = width**-0.5 if scaling is None else scaling
    out_BHGD = _attend(query_BHGD, key, value, layer.prefixes, cache.step, scale)
    return out_BHGD.reshape(batch, 1, num_heads, width), None


def _attend(
    query_BHGD: Tensor, key_BHTD: Tensor, value_BHTD: Tensor, prefixes: dict[int, _Prefix], step: _Step, scale: float
) -> Tensor:
    batch, heads, group, _ = query_BHGD.shape
    wide = step.prefix_tok
    score_BHGT = torch.empty((batch, heads, group, wide + key_BHTD.shape[-2]), dtype=torch.float32)
    own_BHGT = score_BHGT[..., wide:]
    own_BHGT.copy_(query_BHGD @ key_BHTD.transpose(-1, -2))
    if step.late_BT is not None:
        own_BHGT.masked_fill_(step.late_BT[:, None, None], -torch.inf)
    for prompt, start, end in step.spans:
        key_HDT = prefixes[prompt].key_HDT
        num_tok = key_HDT.shape[-1]
        score_BHGT[start:end, ..., :num_tok] = _unstack(_stack(query_BHGD[start:end]) @ key_HDT, end - start)
        if num_tok < wide:
            score_BHGT[start:end, ..., num_tok:wide] = -torch.inf
    weight_BHGT = torch.softmax(score_BHGT.mul_(scale), -1).to(value_BHTD.dtype)
    out_BHGD = weight_BHGT[..., wide:] @ value_BHTD
    for prompt, start, end in step.spans:
        value_HTD = prefixes[prompt].value_HTD
        weight_HQT = _stack(weight_BHGT[start:end, ..., : value_HTD.shape[-2]])
        out_BHGD[start:end] += _unstack(weight_HQT @ value_HTD, end - start)
    return out_BHGD


def _stack(x_BHGX: Tensor) -> Tensor:
    """(B, H, G, X) -> (H, B*G, X)."""
    return x_BHGX.transpose(0, 1).reshape(x_BHGX.shape[1], -1, x_BHGX.shape[-1])


def _unstack(x_HQX: Tensor, batch: int) -> Tensor:
    """(H, B*G, X) -> (B, H, G, X)."""
    return x_HQX.reshape(x_HQX.shape[0], batch, -1, x_HQX.shape[-1]).transpose(0, 1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
