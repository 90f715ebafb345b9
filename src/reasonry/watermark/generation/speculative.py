"""Keyed speculative decoding: the anchor's draft both marks the text and speeds it up.

The keyed symbol of a marked step is a draft from the anchor. Speculative decoding accepts a draft D ~ p0 with
probability min(1, q(D) / p0(D)) and otherwise draws from (q - p0)_+ (Leviathan et al. 2023, arXiv 2211.17192): that is
the maximal coupling of the watermark. So one pass of the marked model over several drafts yields several marked tokens,
each with law q exactly. With bins the draft is a token of the keyed bin, drawn from the anchor:

    p0'(v) = P[label v] p0(v) / sum of p0 over the bin,     D = a token of bin S,     P(D = v) = p0'(v) over keys

Acceptance at the token level makes text and key agree somewhat less often than the coupling of bins does; detection is
the same. Steps without a fresh context are drafted with ordinary randomness, and carry no evidence.

    speculation = KeyedSpeculation(profile, key, anchor)
    model.generate(**inputs, do_sample=True, custom_generate=speculation)

One text at a time, as in transformers' assisted generation.

Legend: J drafts of a round, V vocabulary, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation.utils import GenerateDecoderOnlyOutput

from reasonry.errors import ConfigError
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.generation.coupling import keyed_symbol, symbol_mass, with_floor
from reasonry.watermark.generation.processor import AnchoredWatermarkProcessor, refuse_unless_sampling
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of_rows, make_prf, uniforms
from reasonry.watermark.prf.torch_labels import VocabularyLabels
from reasonry.watermark.profile import Profile


class _Draft(NamedTuple):
    """One drafted token."""

    token: int
    law_V: Tensor  # p0', float64
    context: int | None  # hash of a context that this step would use up; None when the step is not marked


@dataclass
class SpeculationStats:
    """What speculation did, over all texts so far."""

    num_rounds: int = 0
    num_verified: int = 0
    num_accepted: int = 0
    num_marked: int = 0
    num_tok: int = 0


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
        ConfigError: A uniform anchor, which drafts nothing of use, or ``num_draft`` below 1.
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
        if profile.anchor.kind == "uniform":
            raise ConfigError("a uniform anchor drafts no text", place="anchor.kind", remedy="Use a model as anchor.")
        if num_draft < 1:
            raise ConfigError(f"num_draft is {num_draft}", remedy="Draft at least one token.")
        self.stats = SpeculationStats()
        self._profile = profile
        self._prf = make_prf(profile.prf, key)
        self._anchor = anchor
        self._num_draft = num_draft
        self._generator = generator
        width = anchor.vocab_size
        self._num_symbols = profile.num_bins or profile.vocab_size
        self._label_of = VocabularyLabels(width, profile.num_bins, anchor.device) if profile.num_bins else None

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        *,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        attention_mask: Tensor | None = None,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateDecoderOnlyOutput:
        """Called by ``generate``; returns the ids of prompt and text, shape (1, T).

        Raises:
            ConfigError: More than one prompt, greedy decoding, a beam search, or a second watermark.
        """
        refuse_unless_sampling(generation_config)
        if len(input_ids) != 1:
            raise ConfigError(
                f"{len(input_ids)} texts at once",
                place="custom_generate",
                remedy="Keyed speculation generates one at a time; for a batch pass a watermarking_config instead.",
            )
        if any(isinstance(p, AnchoredWatermarkProcessor) for p in logits_processor):
            raise ConfigError("two watermarks at once", remedy="Pass watermarking_config or custom_generate, not both.")
        prompt = input_ids if attention_mask is None else input_ids[:, attention_mask[0].bool()]
        text = _Text(model, prompt, logits_processor)
        cursor = _AnchorCursor(self._anchor)
        seen: set[int] = set()
        if streamer is not None:
            streamer.put(input_ids.cpu())
        is_done = False
        with torch.inference_mode():
            while not is_done:
                drafts = self._draft(cursor, text.output, seen)
                is_done = False
                for token, context in self._verify(text, drafts):
                    if context is not None:
                        seen.add(context)
                        self.stats.num_marked += 1
                    text.append(token)
                    self.stats.num_tok += 1
                    if streamer is not None:
                        streamer.put(torch.tensor([token]))
                    whole = torch.cat([input_ids, text.ids[:, prompt.shape[-1] :]], -1)
                    is_done = bool(stopping_criteria(whole, None).all())  # pyright: ignore[reportArgumentType]
                    if is_done:
                        break
        if streamer is not None:
            streamer.end()
        whole = torch.cat([input_ids, text.ids[:, prompt.shape[-1] :]], -1)
        if generation_config.return_dict_in_generate:
            return GenerateDecoderOnlyOutput(sequences=whole)  # pyright: ignore[reportArgumentType]
        return whole

    # ------------------------------------------------------------ drafting

    def _draft(self, cursor: _AnchorCursor, output: Sequence[int], seen: set[int]) -> list[_Draft]:
        """Drafts after the output so far; none before its first token, where the anchor has nothing to go by."""
        drafts: list[_Draft] = []
        tokens = list(output)
        used: set[int] = set()
        while tokens and len(drafts) <= self._num_draft:
            draft = self._draft_one(cursor.law(tokens), tokens, seen | used)
            if draft.context is not None:
                used.add(draft.context)
            drafts.append(draft)
            tokens.append(draft.token)
        return drafts

    def _draft_one(self, law_1V: Tensor, tokens: Sequence[int], seen: set[int]) -> _Draft:
        h = self._profile.context_tok
        if len(tokens) < h:
            return _Draft(self._sample(law_1V[0].double()), law_1V[0].double(), None)
        contexts = contexts_of_rows(np.array([tokens[-h:]], dtype=np.int64))
        context = int(contexts.hash_N[0])
        if context in seen and self._profile.dedup != "none":
            return _Draft(self._sample(law_1V[0].double()), law_1V[0].double(), None)
        words = self._prf.words(contexts)
        label_1V = self._label_of(words.label_N) if self._label_of is not None else None
        mass_1N = symbol_mass(law_1V, label_1V, self._num_symbols)
        p_1N = with_floor(mass_1N, self._anchor.floor)
        keyed = int(keyed_symbol(p_1N, torch.from_numpy(uniforms(words.draw_N)).to(p_1N.device)))
        if label_1V is None:
            return _Draft(keyed, p_1N[0], context)
        label_V = label_1V[0].long()
        law_V = law_1V[0].double() * (p_1N[0] / mass_1N[0].clamp(min=1e-300))[label_V]
        inside_V = torch.where(label_V == keyed, law_V, 0.0)
        if not bool(inside_V.sum() > 0):  # the anchor gives the keyed bin no token: there is nothing to draft
            return _Draft(self._sample(law_V), law_V, None)
        return _Draft(self._sample(inside_V), law_V, context)

    # ------------------------------------------------------------ verification

    def _verify(self, text: _Text, drafts: Sequence[_Draft]) -> list[tuple[int, int | None]]:
        """Tokens to append, each with the context it uses up."""
        self.stats.num_rounds += 1
        fed = [draft.token for draft in drafts[: self._num_draft]]
        laws = text.laws(fed)
        if not drafts:
            return [(self._sample(laws(0)), None)]
        out: list[tuple[int, int | None]] = []
        for i, draft in enumerate(drafts):
            q_V = laws(i)
            p_V = torch.nn.functional.pad(draft.law_V, (0, max(0, len(q_V) - len(draft.law_V))))[: len(q_V)]
            self.stats.num_verified += 1
            threshold = float(q_V[draft.token] / p_V[draft.token])
            if float(torch.rand((), dtype=torch.float64, generator=self._generator)) < threshold:
                self.stats.num_accepted += 1
                out.append((draft.token, draft.context))
                continue
            excess_V = (q_V - p_V).clamp(min=0.0)
            out.append((self._sample(excess_V if bool(excess_V.sum() > 0) else q_V), draft.context))
            break
        return out

    def _sample(self, law_V: Tensor) -> int:
        cdf_V = law_V.double().cumsum(-1)
        u = torch.rand((), dtype=torch.float64, generator=self._generator).to(cdf_V.device)
        token = int(torch.searchsorted(cdf_V, u * cdf_V[-1], right=True))
        return token if token < len(law_V) else int(law_V.nonzero()[-1])


class _Text:
    """The text so far, and the marked model's cache of it."""

    def __init__(self, model: Any, prompt_1T: Tensor, logits_processor: LogitsProcessorList) -> None:
        self.ids = prompt_1T
        self.output: list[int] = []
        self._model = model
        self._process = logits_processor
        self._cache = DynamicCache(config=model.config)

    def append(self, token: int) -> None:
        self.ids = torch.cat([self.ids, self.ids.new_tensor([[token]])], -1)
        self.output.append(token)

    def laws(self, drafts: Sequence[int]) -> Any:
        """One pass over what the cache lacks and the drafts; call the result with i for the law after i drafts."""
        _keep(self._cache, self.ids.shape[-1] - 1)
        known = self._cache.get_seq_length()
        fed = (
            torch.cat([self.ids[:, known:], self.ids.new_tensor([list(drafts)])], -1) if drafts else self.ids[:, known:]
        )
        out = self._model(
            input_ids=fed,
            past_key_values=self._cache,
            use_cache=True,
            position_ids=torch.arange(known, known + fed.shape[-1], device=fed.device)[None],
            logits_to_keep=len(drafts) + 1,
        )
        before = self.ids

        def law(i: int) -> Tensor:
            ids = torch.cat([before, before.new_tensor([list(drafts[:i])])], -1) if i else before
            scores = self._process(ids, out.logits[:, i].float())
            return torch.softmax(scores[0].double(), -1)

        return law


class _AnchorCursor:
    """The anchor's law after a text that mostly grows; over the whole text its cache is kept."""

    def __init__(self, anchor: ModelAnchor) -> None:
        self._anchor = anchor
        self._cache = DynamicCache(config=anchor.model.config)
        self._known: list[int] = []

    def law(self, tokens: Sequence[int]) -> Tensor:
        if self._anchor.context_tok is not None:
            return self._anchor.next_laws([tokens])
        same = next((i for i, (a, b) in enumerate(zip(self._known, tokens)) if a != b), len(self._known))
        same = min(same, len(tokens) - 1)
        _keep(self._cache, same)
        fed = torch.tensor([list(tokens[same:])], device=self._anchor.device)
        out = self._anchor.model(input_ids=fed, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        self._known = list(tokens)
        return self._anchor.law(out.logits[:, -1])


def _keep(cache: DynamicCache, num_tok: int) -> None:
    """Forget all but the first tokens of a cache."""
    extra = cache.get_seq_length() - num_tok
    if extra > 0:
        cache.crop(-extra)
