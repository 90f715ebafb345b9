"""Models that are asked about a text, and about ways it might go on: what does not come true is taken back.

A transformer's cache of keys and values is cut to the tokens that stand; models that keep a running state instead
cannot do that and are refused.

Legend: T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, LogitsProcessorList

from reasonry.errors import ConfigError
from reasonry.watermark.anchors.model import ModelAnchor


class Law(NamedTuple):
    """What comes next.

    Attributes:
        law_V: Final law, float64.
        scores_1V: Its logits, after all processors.
        logits_1V: The model's logits.
    """

    law_V: Tensor
    scores_1V: Tensor
    logits_1V: Tensor


class GrowingText:
    """A text, the model that continues it, and the model's cache.

    Args:
        model: The marked model.
        input_ids: The prompt, shape (1, T), as it came, which is how processors and stopping criteria see it.
        attention_mask: 0 where the prompt is padding, which the model does not see; None when there is none.
        logits_processor: Called with the text before a token and its logits.

    Raises:
        ConfigError: The model's cache cannot be cut.
    """

    def __init__(
        self,
        model: Any,
        input_ids: Tensor,
        *,
        attention_mask: Tensor | None,
        logits_processor: LogitsProcessorList,
    ) -> None:
        self.whole = input_ids
        self.output: list[int] = []
        self._model = model
        self._process = logits_processor
        self._cache = cache_of(model)
        self._seen = input_ids if attention_mask is None else input_ids[:, attention_mask[0].bool()]

    def append(self, token: int) -> None:
        """Let the text go on."""
        self.whole = torch.cat([self.whole, self.whole.new_tensor([[token]])], -1)
        self._seen = torch.cat([self._seen, self._seen.new_tensor([[token]])], -1)
        self.output.append(token)

    def laws(self, drafts: Sequence[int]) -> Laws:
        """The laws after the text and after each of the drafts, in one pass."""
        cut(self._cache, self._seen.shape[-1] - 1)
        known = self._cache.get_seq_length()
        fed = torch.cat([self._seen[:, known:], self._seen.new_tensor([list(drafts)], dtype=torch.long)], -1)
        position = torch.arange(known, known + fed.shape[-1], device=fed.device)[None]
        device = self._model.device
        output = self._model(
            input_ids=fed.to(device),
            past_key_values=self._cache,
            use_cache=True,
            position_ids=position.to(device),
            logits_to_keep=len(drafts) + 1,
        )
        return Laws(self.whole, drafts, output.logits, self._process)


class Laws:
    """Laws along some drafts, each computed when it is asked for."""

    def __init__(self, whole: Tensor, drafts: Sequence[int], logits_1TV: Tensor, process: LogitsProcessorList) -> None:
        self._whole = torch.cat([whole, whole.new_tensor([list(drafts)], dtype=torch.long)], -1)
        self._first = whole.shape[-1]
        self._logits_1TV = logits_1TV
        self._process = process

    def after(self, num_drafts: int) -> Law:
        """The law after so many of the drafts."""
        logits_1V = self._logits_1TV[:, num_drafts].to(torch.float32, copy=True)
        ids = self._whole[:, : self._first + num_drafts].to(logits_1V.device)
        process: Any = self._process  # declared for integers of 64 bits only
        scores_1V = process(ids, logits_1V.clone())
        return Law(normalised(torch.softmax(scores_1V[0], -1).double()), scores_1V, logits_1V)


class AnchorLaws:
    """The anchor's law after a text that mostly grows; an anchor of the whole text keeps its cache."""

    def __init__(self, anchor: ModelAnchor) -> None:
        self._anchor = anchor
        self._cache = cache_of(anchor.model) if anchor.context_tok is None else None
        self._known: list[int] = []

    def after(self, tokens: Sequence[int]) -> Tensor:
        """p0 after at least one token, shape (1, V)."""
        if self._cache is None:
            return self._anchor.next_laws([tokens])
        same = min(len(self._known), len(tokens) - 1)
        while self._known[:same] != tokens[:same]:
            same -= 1
        cut(self._cache, same)
        fed = torch.tensor([list(tokens[same:])], device=self._anchor.device)
        model: Any = self._anchor.model
        output = model(input_ids=fed, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self._known = list(tokens)
        return self._anchor.law(output.logits[:, -1])


def cache_of(model: Any) -> DynamicCache:
    """An empty cache that can be cut.

    Raises:
        ConfigError: The model keeps a running state.
    """
    if model.config.is_encoder_decoder or getattr(model, "_is_stateful", False):
        raise ConfigError(
            f"{type(model).__name__} cannot take back what it has read",
            place="custom_generate",
            remedy="Keyed speculation needs a decoder with attention only; pass a watermarking_config instead.",
        )
    cache = DynamicCache(config=model.config)
    if hasattr(cache, "activate_past_recording"):
        cache.activate_past_recording()  # a sliding window keeps what a cut may bring back
    return cache


def cut(cache: DynamicCache, num_tok: int) -> None:
    """Forget all but the first tokens."""
    extra = cache.get_seq_length() - num_tok
    if extra > 0:
        cache.crop(-extra)


def normalised(law_V: Tensor) -> Tensor:
    """Weights that sum to one."""
    return law_V / law_V.sum(-1, keepdim=True)
