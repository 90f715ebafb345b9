"""A decoder of transformers, run with attention in both directions, as a denoiser: LLaDA, Dream, converted models.

These models are Llama or Qwen networks but for the mask of their attention, so that transformers' own classes run them
when they are given a mask of four dimensions, which they take as it is; no code of a model's repository is needed.

    h      = last hidden states, after the final norm
    logits = W h_i           LLaDA
    logits = W h_{i-1}       shifted (Dream, arXiv 2508.15487): as in the autoregressive model that it began as

In a shifted model the hidden state given for a position is the one that its logits come from, h_{i-1}. A row's first
attended token has none before it and is read from its own, so that padding changes nothing; it is part of the prompt.

Shapes: B rows, N canvas, W columns read, S of these that are asked for, H heads, D width, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from reasonry.core.models.context import context_tok
from reasonry.errors import ConfigError
from reasonry.training.dultra.columns import ColumnDenoiser, KeyValues, Read
from reasonry.training.dultra.denoiser import Denoised
from reasonry.training.dultra.hf_denoiser import SpecialTokens, describe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KNOWN = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
"""Classes whose logits are a linear map of the last hidden states and whose attention takes any mask."""


class DecoderDenoiser(ColumnDenoiser):
    """A decoder with attention in both directions. What it says is float32 whatever its weights are.

    Args:
        model: Of one of the classes `KNOWN`; put into eval mode.
        special: Its special tokens.
        is_shifted: Logits at i are of the token at i + 1.
        max_len: Longest canvas, tokens; by default the model's own limit.
        name: For tables and saved planners; by default the name that the model was loaded by.

    Attributes:
        model: As given.
        is_shifted: As given.
        name, vocab_size, width, max_len, mask_id, pad_id, end_id: As `Denoiser` has them.
        lookback: 1 when shifted, else 0.

    Raises:
        ConfigError: A model of another class, or with attention to a window.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        special: SpecialTokens,
        *,
        is_shifted: bool = False,
        max_len: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        if type(model).__name__ not in KNOWN:
            raise ConfigError(
                f"{type(model).__name__} is not known to work with attention in both directions",
                remedy=f"Known: {', '.join(KNOWN)}.",
            )
        if any(kind != "full_attention" for kind in getattr(model.config, "layer_types", None) or ()):
            raise ConfigError("the model attends to a window, not to everything", remedy="Set use_sliding_window off.")
        self.model = model.eval()
        self.is_shifted, self.lookback = is_shifted, int(is_shifted)
        self.name, self.vocab_size, self.width = describe(model, name)
        self.max_len = max_len or context_tok(model) or None
        self.mask_id, self.pad_id, self.end_id = special

    def stream(self, read: Read) -> Tensor:
        """The last hidden states, each where its logits belong."""
        dtype = self.model.dtype
        hidden_from = torch.zeros(read.attend_BN.shape, dtype=dtype, device=read.attend_BN.device)
        hidden_from = hidden_from.masked_fill(~read.keys_BN, torch.finfo(dtype).min)
        base = cast("nn.Module", self.model.base_model)
        h_BWD = base(
            input_ids=read.tokens_BW,
            attention_mask=hidden_from[:, None, None, :],
            position_ids=read.position_BW,
            past_key_values=None if read.cache is None else _Writer(read.cache, read.columns_BW),
            use_cache=False,
        ).last_hidden_state
        if self.is_shifted:
            source_BW = _column_before(read.attend_BN, read.columns_BW)
            h_BWD = h_BWD.gather(1, source_BW[..., None].expand_as(h_BWD))
        return h_BWD

    def say(self, h_BSD: Tensor) -> Denoised:
        """Logits and hidden states."""
        logits_BSV = cast("nn.Module", self.model.get_output_embeddings())(h_BSD)
        return Denoised(logits_BSV.float(), h_BSD.float())


class _Writer:
    """What transformers takes for its cache: keys and values of the columns read go where these columns stand."""

    def __init__(self, keys: KeyValues, columns_BW: Tensor | None) -> None:
        self._keys, self._columns_BW = keys, columns_BW

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        return self._keys.write(layer_idx, self._columns_BW, new=(key_states, value_states))


def _column_before(attend_BN: Tensor, columns_BW: Tensor | None) -> Tensor:
    """For each column read, the place among them of the column before; its own where that is padding or not read."""
    if columns_BW is None:
        columns_BW = torch.arange(attend_BN.shape[1], device=attend_BN.device).expand(attend_BN.shape).contiguous()
    before_BW = columns_BW - 1
    place_BW = torch.searchsorted(columns_BW, before_BW)
    is_read_BW = columns_BW.gather(1, place_BW) == before_BW
    is_text_BW = attend_BN.gather(1, before_BW.clamp(min=0))
    own_BW = torch.arange(columns_BW.shape[1], device=columns_BW.device)
    return torch.where(is_read_BW & is_text_BW, place_BW, own_BW)
