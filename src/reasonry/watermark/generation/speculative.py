"""Keyed speculative decoding: the anchor's draft both marks the text and speeds it up.

The keyed symbol of a marked step is a draft D ~ p from the anchor (with bins: a token of the keyed bin). Speculative
decoding accepts it with probability min(1, q(D) / p(D)) and otherwise draws from (q - p)_+ (Leviathan et al. 2023,
arXiv 2211.17192): that is the maximal coupling of the watermark. So one pass of the marked model over several drafts
yields several marked tokens, each with law q exactly. With bins, what replaces a rejected draft is coupled once more
(`reasonry.watermark.generation.drafting`): then as many drafts are accepted as without a key, and text and key agree as
often as without speculation. Evidence costs no speed and speed no evidence. Both are ours, after the paper's coupling
(Huang et al. 2026, arXiv 2602.17608).

Steps without a fresh context are drafted with ordinary randomness, and carry no evidence.

    speculation = KeyedSpeculation(profile, key, anchor)
    model.generate(**inputs, do_sample=True, custom_generate=speculation)

One text at a time, as in transformers' assisted generation. Stop strings go into ``stopping_criteria`` (a
``StopStringCriteria``): transformers does not hand a tokenizer on when ``custom_generate`` is a callable.

Legend: T tokens of prompt and text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer
from transformers.generation.utils import GenerateDecoderOnlyOutput

from reasonry.errors import ConfigError
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.generation.drafting import Draft, Drafts, Randomness
from reasonry.watermark.generation.processor import AnchoredWatermarkProcessor, refuse_unless_sampling
from reasonry.watermark.generation.rewinding import GrowingText, Law, Laws
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import make_prf
from reasonry.watermark.profile import Profile

# What generate passes on of itself. Anything else (images, embeddings) would be left out of the law in silence.
_PASSED_ON = frozenset(
    {"attention_mask", "position_ids", "logits_to_keep", "past_key_values", "use_cache", "cache_position"}
)


class _Chosen(NamedTuple):
    token: int
    context: int | None
    law: Law


@dataclass
class SpeculationStats:
    """What speculation did, over all texts so far.

    Attributes:
        num_rounds: Passes of the marked model.
        num_verified: Drafts that were looked at; after one that is rejected, the rest of a round is not.
        num_accepted: Drafts that were accepted.
        num_marked: Tokens that carry evidence.
        num_tok: Tokens.
    """

    num_rounds: int = 0
    num_verified: int = 0
    num_accepted: int = 0
    num_marked: int = 0
    num_tok: int = 0

    @property
    def acceptance(self) -> float:
        """Share of the drafts looked at that were accepted."""
        return self.num_accepted / max(1, self.num_verified)

    @property
    def tok_per_pass(self) -> float:
        """Tokens for each pass of the marked model; 1 without speculation."""
        return self.num_tok / max(1, self.num_rounds)


class KeyedSpeculation:
    """A ``custom_generate`` for transformers.

    Args:
        profile: How to mark; its anchor is a model.
        key: With what.
        anchor: The anchor, which drafts.
        num_draft: Drafts verified in one pass of the marked model, at least 1; one more token comes out when all are
            accepted.
        generator: Ordinary randomness; None for torch's own, as in ``generate``.

    Raises:
        ConfigError: A uniform anchor, which drafts nothing of use, another scheme, or ``num_draft`` below 1.
    """

    def __init__(
        self,
        profile: Profile,
        key: SecretKey,
        anchor: ModelAnchor,
        *,
        num_draft: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        if profile.scheme != "anchored":
            raise ConfigError(f"cannot generate with scheme {profile.scheme!r}", place="profile.scheme")
        if profile.anchor.kind == "uniform":
            raise ConfigError("a uniform anchor drafts no text", place="anchor.kind", remedy="Use a model as anchor.")
        if num_draft < 1:
            raise ConfigError(f"num_draft is {num_draft}", remedy="Draft at least one token.")
        self.stats = SpeculationStats()
        self._profile = profile
        self._prf = make_prf(profile.prf, key)
        self._anchor = anchor
        self._num_draft = num_draft
        self._random = Randomness(generator)

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        *,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        streamer: BaseStreamer | None = None,
        **model_kwargs: Any,  # attention_mask among them: generate takes one that is named here for an option of ours
    ) -> Tensor | GenerateDecoderOnlyOutput:
        """Called by ``generate``; returns the ids of prompt and text, shape (1, T).

        Raises:
            ConfigError: More than one prompt, greedy decoding, a beam search, a second watermark, a prompt that is not
                text alone, or a model whose cache cannot be cut.
        """
        self._refuse(input_ids, logits_processor, generation_config, model_kwargs)
        streamer = streamer or _streamer_of_caller()  # it has the prompt already
        mask = model_kwargs.get("attention_mask")
        text = GrowingText(model, input_ids, attention_mask=mask, logits_processor=logits_processor)
        drafts = Drafts(
            self._profile,
            self._prf,
            self._anchor,
            vocab_size=model.config.get_text_config().vocab_size,
            device=model.device,
            randomness=self._random,
        )
        max_length = generation_config.max_length or sys.maxsize
        keeps_laws = generation_config.output_scores or generation_config.output_logits
        laws: list[Law] = []
        is_done = False
        with torch.no_grad():
            while not is_done:
                room = max(1, max_length - text.whole.shape[-1])
                drafted = drafts.after(text.output, min(self._num_draft + 1, room))
                # The last draft is compared with the law behind all others: it is not given to the model.
                passed = text.laws([draft.token for draft in drafted[:-1]])
                self.stats.num_rounds += 1
                for chosen in self._verify(drafts, drafted, passed):
                    if chosen.context is not None:
                        drafts.use_up(chosen.context)
                        self.stats.num_marked += 1
                    self.stats.num_tok += 1
                    text.append(chosen.token)
                    laws += [chosen.law] if keeps_laws else []
                    if streamer is not None:
                        streamer.put(torch.tensor([chosen.token]))
                    is_done = bool(stopping_criteria(text.whole, None).all())  # pyright: ignore[reportArgumentType]
                    if is_done:
                        break
        if streamer is not None:
            streamer.end()
        if not generation_config.return_dict_in_generate:
            return text.whole
        return GenerateDecoderOnlyOutput(
            sequences=text.whole,  # pyright: ignore[reportArgumentType]
            scores=tuple(law.scores_1V for law in laws) if generation_config.output_scores else None,  # pyright: ignore[reportArgumentType]
            logits=tuple(law.logits_1V for law in laws) if generation_config.output_logits else None,  # pyright: ignore[reportArgumentType]
        )

    def _verify(self, drafts: Drafts, drafted: Sequence[Draft], laws: Laws) -> Iterator[_Chosen]:
        """The next tokens of the text, up to the first draft that is rejected."""
        if not drafted:
            law = laws.after(0)
            yield _Chosen(self._random.sample(law.law_V), None, law)
        for i, draft in enumerate(drafted):
            law = laws.after(i)
            self.stats.num_verified += 1
            if self._random.uniform() * float(draft.law_V[draft.token]) >= float(law.law_V[draft.token]):
                yield _Chosen(drafts.instead_of(draft, law.law_V), draft.context, law)
                return
            self.stats.num_accepted += 1
            yield _Chosen(draft.token, draft.context, law)

    def _refuse(
        self,
        input_ids: Tensor,
        logits_processor: LogitsProcessorList,
        request: GenerationConfig,
        model_kwargs: dict[str, Any],
    ) -> None:
        refuse_unless_sampling(request)
        if len(input_ids) != 1:
            raise ConfigError(
                f"{len(input_ids)} texts at once",
                place="custom_generate",
                remedy="Keyed speculation generates one at a time; for a batch pass a watermarking_config instead.",
            )
        is_marked = any(isinstance(p, AnchoredWatermarkProcessor) for p in logits_processor)
        if is_marked or request.watermarking_config is not None:
            raise ConfigError("two watermarks at once", remedy="Pass watermarking_config or custom_generate, not both.")
        if request.guidance_scale not in (None, 1):
            raise ConfigError(
                "guidance keeps a state of its own, which drafts would spoil",
                place="guidance_scale",
                remedy="Pass a watermarking_config instead of custom_generate.",
            )
        if request.output_attentions or request.output_hidden_states:
            raise ConfigError(
                "keyed speculation keeps no attentions and no hidden states",
                place="generation_config",
                remedy="Leave out output_attentions and output_hidden_states.",
            )
        more = [name for name, value in model_kwargs.items() if name not in _PASSED_ON and value is not None]
        if more:
            raise ConfigError(
                f"keyed speculation takes a prompt of text alone, not {', '.join(more)}",
                place="custom_generate",
                remedy="Pass a watermarking_config instead.",
            )


def _streamer_of_caller() -> BaseStreamer | None:
    """The streamer that ``generate`` was called with.

    transformers gives it the prompt, and does not hand it on when ``custom_generate`` is a callable: a reader of it
    would wait for ever. So it is looked up in the calling frame. None when somebody else calls.
    """
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # the documented way to read a caller's frame
    return frame.f_locals.get("streamer") if frame.f_code.co_name == "generate" else None
