"""A causal language model of transformers in two parts: the decoder and its head.

    h = decoder(x)            hidden states after the final norm, (B, T, D)
    logits = head(h)          the linear layer, and what the family does behind it:
                              * logit_scale (Cohere), / logits_scaling (Granite), * lm_head_multiplier (Falcon-H1),
                              c tanh(. / c) with c = final_logit_softcapping (Gemma)

That the parts make up the whole is not assumed: `Backbone.check` runs both on a few tokens. A model that feeds its
decoder something besides embeddings, or does something else to its logits, is refused there.

Legend: B rows, T columns, D width, V vocabulary.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from reasonry.core.models.context import context_tok
from reasonry.core.sampling.kv_cache import RoomyLayer, make_cache
from reasonry.errors import ConfigError

_PROBE_TOK = 5
_KEYS_AND_VALUES = (DynamicLayer, DynamicSlidingWindowLayer, RoomyLayer)


@dataclass(frozen=True)
class Backbone:
    """The parts of a model.

    Attributes:
        model: The whole.
        decoder: From embeddings to hidden states.
        scale: The logits are multiplied by it.
        cap: They are softly capped at it; None leaves them.
        context_tok: Longest row, tokens; 0 without a limit.
        steady_tok: Longest row before the model rotates all its keys otherwise (longrope), tokens; 0: it never does.
        takes_positions: Whether the decoder is told positions.
    """

    model: PreTrainedModel
    decoder: nn.Module
    scale: float
    cap: float | None
    context_tok: int
    steady_tok: int
    takes_positions: bool

    @classmethod
    def of(cls, model: Any) -> Backbone:
        """The parts of a model of transformers, or of one that peft has adapted.

        Raises:
            ConfigError: It has no decoder that takes embeddings, or no head.
        """
        model = base_model_of(model)
        name = type(model).__name__
        if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
            raise ConfigError(f"{name} has an encoder", place="model", remedy="Use a decoder-only model.")
        decoder = cast("nn.Module | None", getattr(model, "base_model", None))
        parameters = inspect.signature(decoder.forward).parameters if decoder is not None else {}
        if decoder is None or decoder is model or "inputs_embeds" not in parameters:
            raise ConfigError(
                f"{name} takes no inputs_embeds, so no thought can be fed to it",
                place="model",
                remedy="Use a causal language model of transformers whose forward takes them.",
            )
        if model.get_output_embeddings() is None:
            raise ConfigError(f"{name} has no head for the next token", place="model")
        config = model.config.get_text_config()
        scale = 1.0
        for field, power in (("logit_scale", 1), ("logits_scaling", -1), ("lm_head_multiplier", 1)):
            value = getattr(config, field, None)
            scale *= 1.0 if value is None else float(value) ** power
        cap = getattr(config, "final_logit_softcapping", None)
        takes = "position_ids" in parameters
        return cls(model, decoder, scale, cap, context_tok(model), _steady_tok(config), takes)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids, as the model makes them."""
        return cast("nn.Module", self.model.get_input_embeddings())(ids)

    def run(
        self, embeds_BTD: Tensor, *, attend_BS: Tensor | None, position_ids_BT: Tensor, cache: DynamicCache | None
    ) -> Tensor:
        """Hidden states (B, T, D) after the final norm.

        Args:
            embeds_BTD: Inputs of the columns to compute.
            attend_BS: What is no padding, over all columns up to the last of these; None: everything is.
            position_ids_BT: Positions of the columns.
            cache: Keys and values of the columns before; added to. None: there are none.
        """
        more: dict[str, Any] = {"position_ids": position_ids_BT} if self.takes_positions else {}
        if cache is not None:
            more["past_key_values"] = cache
        return self.decoder(
            inputs_embeds=embeds_BTD, attention_mask=attend_BS, use_cache=cache is not None, **more
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D)."""
        logits = cast("nn.Module", self.model.get_output_embeddings())(hidden)
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap

    def new_cache(self, *, appends: bool = True) -> DynamicCache:
        """An empty cache that may be differentiated through: appending makes new tensors.

        Args:
            appends: False: it may write in place, which is faster; for where no gradient is needed.

        Raises:
            ConfigError: The model keeps something else than keys and values.
        """
        config = self.model.config
        cache = DynamicCache(config=config) if appends else make_cache(config)
        odd = next((layer for layer in cache.layers if type(layer) not in _KEYS_AND_VALUES), None)
        if odd is not None:
            raise ConfigError(
                f"{type(self.model).__name__} keeps a state that it overwrites as it reads ({type(odd).__name__}): no "
                "gradient flows through that",
                place="model",
                remedy="Train with how='recompute', which keeps nothing between passes.",
            )
        return cache

    @property
    def drops_cache(self) -> bool:
        """True while gradient checkpointing makes the model forget a cache it is given."""
        if not self.decoder.training:
            return False
        return any(getattr(module, "gradient_checkpointing", False) for module in self.decoder.modules())

    def check(self) -> None:
        """Compare the parts with the whole on a few tokens.

        Raises:
            ConfigError: They differ: the last hidden state is not what the head reads, or the logits are made in a way
                that is not known here.
        """
        embedding = self.model.get_input_embeddings()
        num = min(_PROBE_TOK, int(cast("Tensor", embedding.weight).shape[0]))
        ids_1T = torch.arange(num, device=self.model.device)[None]
        with torch.no_grad(), evaluating(self.model):
            everything_1T = torch.ones_like(ids_1T)
            whole = self.model(input_ids=ids_1T, attention_mask=everything_1T, use_cache=False).logits.float()
            hidden = self.run(self.embed(ids_1T), attend_BS=None, position_ids_BT=ids_1T, cache=None)
            parts = self.logits(hidden).float()
        tolerance = 1e-4 if hidden.dtype in (torch.float32, torch.float64) else 0.05
        if not torch.allclose(whole, parts, rtol=tolerance, atol=tolerance * float(whole.abs().max())):
            raise ConfigError(
                f"{type(self.model).__name__} makes its logits in a way that is not known here: they differ from those "
                f"of its head by up to {float((whole - parts).abs().max()):.3g}",
                place="model",
                remedy="Use a model whose logits are those of its last hidden state.",
            )


def _steady_tok(config: Any) -> int:
    """Up to which length keys kept from a shorter row are those of a longer one; 0 without a limit."""
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [rope, *(value for value in rope.values() if isinstance(value, dict))]  # one for each kind of layer
    steady = [
        kind.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", 0)
        for kind in kinds
        if kind.get("rope_type") == "longrope"
    ]
    return min((int(tok) for tok in steady if tok), default=0)


def base_model_of(model: Any) -> PreTrainedModel:
    """The model of transformers inside one that peft has adapted; any other as it is."""
    inner = getattr(model, "get_base_model", None)
    return cast("PreTrainedModel", inner()) if callable(inner) else model


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Within the block the model is in eval mode; after it every part is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
