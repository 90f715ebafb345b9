"""Attention of chosen layers, read while a model runs as it always does.

Models of transformers hand queries and keys, rotated and normalised as they are used, to one function for attention.
Within `captured` that function is one that first takes down, for chosen layers and queries,

    z_hqk = scale q_hq . k_hk     c tanh(z / c) where the model caps its scores at c       pre-softmax logits
    p_hqk = softmax_k(z_hqk + mask_qk)                                                    probabilities

in float32, and then computes the layer's output with PyTorch's fused attention. So the whole matrices of all layers,
which ``output_attentions`` gives and only attention of the kind "eager" makes, never exist; the numbers are the same.
Grouped keys (fewer heads of keys than of queries) are repeated. After the block the model is as it was.

Legend: B rows, H heads, Q queries, K keys.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from reasonry.errors import ConfigError

_NAME = "reasonry-capture"
_PLAIN = frozenset({"sliding_window", "is_causal", "position_ids", "cache_position", "output_attentions", "use_cache"})
"""Arguments that change nothing beside the mask, which is always given."""


class LayerAttention(NamedTuple):
    """Attention of one layer.

    Attributes:
        logits_BHQK: Before the softmax, float32; minus infinity where a key is masked.
        probs_BHQK: After it.
    """

    logits_BHQK: Tensor
    probs_BHQK: Tensor


class _Recorder:
    def __init__(self, layers: frozenset[int], queries: Tensor | None) -> None:
        self.layers, self.queries = layers, queries
        self.found: dict[int, LayerAttention] = {}

    def note(self, layer: int, attention: LayerAttention) -> None:
        if layer in self.found:
            raise RuntimeError("capture one forward pass over whole rows, without a cache")
        self.found[layer] = attention


_CURRENT: ContextVar[_Recorder | None] = ContextVar("capture", default=None)


@contextlib.contextmanager
def captured(
    model: PreTrainedModel, layers: Sequence[int], *, queries_BQ: Tensor | None = None
) -> Iterator[dict[int, LayerAttention]]:
    """Take down attention of one forward pass over whole rows, made within the block.

    Args:
        model: Of transformers; in eval mode where its attention has dropout.
        layers: Which layers, from 0.
        queries_BQ: Columns of the wanted queries, row by row; all when not given.

    Yields:
        Layer -> attention, filled by the forward pass; at the end of the block every layer is there.

    Raises:
        ConfigError: The model has no such layer, is in training mode, or has attention that cannot be read here.
    """
    num_layers = int(model.config.get_text_config().num_hidden_layers)
    for layer in layers:
        if not 0 <= layer < num_layers:
            raise ConfigError(f"layer {layer} of {num_layers}", place="layers", remedy=f"Use 0 to {num_layers - 1}.")
    if model.training:
        raise ConfigError(
            "the model is in training mode: dropout would be part of what is read",
            place="model",
            remedy="Call model.eval() first.",
        )
    before = str(model.config._attn_implementation)
    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, _mask)
    recorder = _Recorder(frozenset(layers), queries_BQ)
    token = _CURRENT.set(recorder)
    try:
        if model._can_set_attn_implementation():
            model.set_attn_implementation(_NAME)
        yield recorder.found
    finally:
        _CURRENT.reset(token)
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
    if missing := sorted(recorder.layers.difference(recorder.found)):
        raise ConfigError(
            f"layer {missing[0]} of {type(model).__name__} does its attention in a way that cannot be read",
            place="model",
            remedy="Attention is read of models that use the attention interface of transformers, such as GPT-2, Llama "
            "and Qwen. Leave attention out with --no-attention.",
        )


def _mask(*args: Any, **more: Any) -> Tensor | None:
    """A mask of booleans, always: nothing is left to be guessed from shapes."""
    return sdpa_mask(*args, **{**more, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: query (B, H, Q, D), key and value with as many heads or fewer."""
    recorder = _CURRENT.get()
    layer = getattr(module, "layer_idx", None)
    odd = sorted(name for name, given in more.items() if given is not None and name not in _PLAIN)
    if odd and any(isinstance(more[name], Tensor | nn.Module) for name in odd):
        raise ConfigError(
            f"{type(module).__name__} uses {odd[0]}, which is not read here",
            place="model",
            remedy="Use --no-attention.",
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if recorder is not None and layer in recorder.layers:
        recorder.note(layer, _read(query, key, attention_mask, scale=scale, cap=softcap, queries=recorder.queries))
    if softcap is not None:  # fused attention has no cap
        probs = _read(query, key, attention_mask, scale=scale, cap=softcap, queries=None).probs_BHQK
        return (probs.to(value.dtype) @ _repeated(value, query)).transpose(1, 2).contiguous(), None
    out, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scale, is_causal=False
    )
    return out, None


def _read(
    query: Tensor, key: Tensor, mask: Tensor | None, *, scale: float, cap: float | None, queries: Tensor | None
) -> LayerAttention:
    if mask is None:
        raise RuntimeError("attention without a mask")
    mask = mask.expand(query.shape[0], -1, -1, -1)
    if queries is not None:
        query = query.gather(2, queries[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3]))
        mask = mask.gather(2, queries[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[3]))
    logits = (query.float() @ _repeated(key, query).float().transpose(2, 3)) * scale
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    logits = logits.masked_fill(~mask, float("-inf"))
    # A padded query may see nothing at all: its row is zeros, not NaN.
    return LayerAttention(logits, torch.softmax(logits, -1).nan_to_num(0.0))


def _repeated(heads: Tensor, query: Tensor) -> Tensor:
    """Each head of keys or values once for every head of queries that shares it."""
    return heads.repeat_interleave(query.shape[1] // heads.shape[1], dim=1)
