"""The watermark inside ``model.generate`` of Hugging Face transformers.

    unlock(key)
    config = AnchoredWatermarkConfig.of(profile, key)
    model.generate(**inputs, do_sample=True, watermarking_config=config)

transformers appends the processor after temperature, top-k, top-p and every other filter, so that it sees the final law
q and returns the logarithm of the coupled law. Penalties and grammars are respected, because they came before. A new
processor is made for each call of ``generate``: rows keep their state for that call. The prompt's length is taken from
the first step, left padding included, so contexts are of the output alone.

The config names the key and never holds it: ``generation_config.json``, ``save_pretrained``, ``push_to_hub`` and
``repr`` show a profile and a key id. The key is looked up in this process when the processor is made.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Self

import torch
from torch import Tensor
from transformers import LogitsProcessor
from transformers.generation.configuration_utils import BaseWatermarkingConfig, GenerationConfig

from reasonry.errors import ConfigError
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.generation.marking import Marking, RowState
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.unlocking import unlock, unlocked
from reasonry.watermark.profile import Profile

_anchors: dict[str, ModelAnchor] = {}
_REMEDY = "Use do_sample=True and num_beams=1; a greedy choice has no randomness that could carry a mark."


class AnchoredWatermarkConfig(BaseWatermarkingConfig):
    """A ``watermarking_config`` for ``generate``; JSON values only.

    Args:
        profile: How to mark, as `reasonry.watermark.profile.Profile` dumps it.
        key_id: Which unlocked key to mark with.
    """

    def __init__(self, profile: dict[str, Any], key_id: str) -> None:
        self.profile = profile
        self.key_id = key_id

    @classmethod
    def of(cls, profile: Profile, key: SecretKey, *, anchor: ModelAnchor | None = None) -> Self:
        """The config of a profile and a key, which this unlocks for the process, as it remembers the anchor."""
        unlock(key)
        if anchor is not None:
            _anchors[profile.profile_id] = anchor
        return cls(profile.model_dump(mode="json"), key.key_id)

    def to_profile(self) -> Profile:
        """The profile."""
        return Profile.model_validate(self.profile)

    def validate(self) -> None:
        """Raises ConfigError when the profile is not one."""
        self.to_profile()

    def construct_processor(  # pyright: ignore[reportIncompatibleMethodOverride]  # declared without arguments there
        self, vocab_size: int, device: str
    ) -> AnchoredWatermarkProcessor:
        """Called by ``generate``.

        Raises:
            ConfigError: The key is not unlocked here, the anchor is not there, or the request is greedy or a beam
                search.
        """
        request = _generation_config_of_caller()
        if request is not None:
            refuse_unless_sampling(request)
        profile = self.to_profile()
        anchor = _anchors.get(profile.profile_id)
        marking = Marking(profile, unlocked(self.key_id), vocab_size=vocab_size, anchor=anchor, device=device)
        return AnchoredWatermarkProcessor(marking)

    def to_json_string(self) -> str:
        """As JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


class AnchoredWatermarkProcessor(LogitsProcessor):
    """Couples each row's final law with the key; made anew for each call of ``generate``."""

    def __init__(self, marking: Marking) -> None:
        self._marking = marking
        self._states: list[RowState] = []
        self._histories: list[list[int]] = []
        self._num_tok = -1

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Log w(. | S) for marked rows, the scores as they are for the others; shapes (B, T) and (B, V).

        Raises:
            ConfigError: Rows were reordered, as a beam search does.
        """
        self._update(input_ids)
        step = self._marking.plan(self._histories, self._states)
        if step is None:
            return scores
        every = len(step.rows) == len(scores)
        at = slice(None) if every else torch.tensor(step.rows, device=scores.device)
        scores_MV = scores[at]
        law_MV = torch.softmax(scores_MV.float(), -1)
        coupled = self._marking.couple(step, law_MV, [self._histories[i] for i in step.rows])
        marked_MV = coupled.add_log_to(scores_MV)
        if every:
            return marked_MV
        out = scores.clone()
        out[at] = marked_MV
        return out

    def _update(self, input_ids: Tensor) -> None:
        num_tok = input_ids.shape[-1]
        if self._num_tok < 0:
            self._states = [RowState() for _ in range(len(input_ids))]
            self._histories = [[] for _ in range(len(input_ids))]
        else:
            last = input_ids[:, self._num_tok :].tolist()
            if len(input_ids) != len(self._histories) or num_tok != self._num_tok + 1 or not self._continues(input_ids):
                raise ConfigError(
                    "the rows of the batch were reordered or did not grow by one token",
                    place="watermarking_config",
                    remedy=_REMEDY,
                )
            for history, new in zip(self._histories, last, strict=True):
                history += new
        self._num_tok = num_tok

    def _continues(self, input_ids: Tensor) -> bool:
        if not self._histories[0]:
            return True
        before = input_ids[:, self._num_tok - 1].tolist()
        return before == [history[-1] for history in self._histories]


def refuse_unless_sampling(request: GenerationConfig) -> None:
    """Raises ConfigError for a greedy request or a beam search: neither samples from the law it is given."""
    if not request.do_sample:
        raise ConfigError("do_sample is False", place="generation_config", remedy=_REMEDY)
    if (request.num_beams or 1) > 1:
        raise ConfigError(f"num_beams is {request.num_beams}", place="generation_config", remedy=_REMEDY)


def _generation_config_of_caller() -> GenerationConfig | None:
    """The request that a processor is being made for.

    transformers hands a watermark the vocabulary size and the device only. A greedy request would take the most
    probable token of the coupled law, which is not the greedy text and looks like it: it has to be refused, so the
    request is looked up in the calling frame. None when somebody else calls.
    """
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # the documented way to read a caller's frame
    request = frame.f_locals.get("generation_config")
    return request if isinstance(request, GenerationConfig) else None
