"""A language model as anchor: a smaller one that shares the tokenizer, or the marked model itself. Needs torch.

    p0(v | x_1..x_{t-1}) = softmax(logits(x_{t-K} .. x_{t-1}) / T_a)

The anchor sees the last K tokens of the output only, never the prompt: the detector does not have it. With a window
(K > 0) an edit in the text is forgotten after K tokens, and every step costs K tokens of the anchor. With the whole
text (K = 0) detection is one pass and speculative decoding keeps the anchor's cache; but an edit disturbs all that
follows, a stream is kept whole, and other generation computes the anchor over all of the output at every step. The law
is over the ids that anchor and marked model share; a model whose logits are wider has none of the mass on the rest.

Generation and detection need not agree to the last bit: where their laws differ a little, a few keyed symbols differ,
which costs power. Validity is the detector's own law's alone.

Legend: T tokens, S scored tokens, K keys, W windows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from reasonry.core.models import LoadedModel, ModelConfig, load_causal_lm
from reasonry.watermark.anchors.base import Keyed
from reasonry.watermark.generation.coupling import keyed_symbol, symbol_mass, with_floor
from reasonry.watermark.prf import Words, uniforms
from reasonry.watermark.prf.torch_labels import VocabularyLabels
from reasonry.watermark.profile import AnchorProfile, Profile, check_match

_TOKENS_PER_PASS = 2048  # windows are batched up to this many tokens
_ROWS_PER_STEP = 64  # laws over the vocabulary in flight


class ModelAnchor:
    """The law of the next token under a model, from the last K tokens of the text.

    Args:
        model: A causal language model in eval mode.
        vocab_size: Ids that it shares with the marked model.
        context_tok: K; None for the whole text.
        temperature: T_a.
        floor: Share of the uniform law mixed into the law over symbols.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        vocab_size: int,
        context_tok: int | None = 20,
        temperature: float = 1.0,
        floor: float = 1e-4,
    ) -> None:
        self.model = model
        self.vocab_size = vocab_size
        self.context_tok = context_tok
        self.temperature = temperature
        self.floor = floor
        self.device = next(model.parameters()).device

    # ------------------------------------------------------------ laws over tokens

    def law(self, logits_BV: Tensor) -> Tensor:
        """p0 from the anchor's logits, float32, over the shared ids."""
        return torch.softmax(logits_BV[:, : self.vocab_size].float() / self.temperature, -1)

    @torch.inference_mode()
    def next_laws(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """p0 after each of several texts (at least one token each), shape (B, V)."""
        windows = [text if self.context_tok is None else text[-self.context_tok :] for text in texts]
        laws: list[Tensor | None] = [None] * len(windows)
        for length in sorted(set(map(len, windows))):
            rows = [i for i, window in enumerate(windows) if len(window) == length]
            input_WT = torch.tensor([list(windows[i]) for i in rows], device=self.device)
            law_WV = self.law(self.model(input_ids=input_WT, logits_to_keep=1, use_cache=False).logits[:, -1])
            for i, row in zip(rows, law_WV, strict=True):
                laws[i] = row
        return torch.stack([law for law in laws if law is not None])

    @torch.inference_mode()
    def laws_along(self, ids_T: NDArray[np.int64], position_S: NDArray[np.int64]) -> Iterator[tuple[slice, Tensor]]:
        """p0 before each of the given positions (ascending, at least 1), in pieces of some rows."""
        ids = torch.from_numpy(np.ascontiguousarray(ids_T)).to(self.device)
        position = torch.from_numpy(np.ascontiguousarray(position_S)).to(self.device)
        window = self.context_tok if self.context_tok is not None else len(ids_T)
        num_head = int(np.searchsorted(position_S, window, side="right"))
        # Windows that begin where the text does: one pass over the beginning serves all of them.
        yield from self._laws_of_beginning(ids, position[:num_head])
        rows = min(_ROWS_PER_STEP, max(1, _TOKENS_PER_PASS // max(1, window)))
        offset = torch.arange(-window, 0, device=self.device)
        for start in range(num_head, len(position_S), rows):
            stop = min(start + rows, len(position_S))
            input_WT = ids[position[start:stop, None] + offset]
            logits = self.model(input_ids=input_WT, logits_to_keep=1, use_cache=False).logits[:, -1]
            yield slice(start, stop), self.law(logits)

    def _laws_of_beginning(self, ids: Tensor, position: Tensor) -> Iterator[tuple[slice, Tensor]]:
        cache = DynamicCache(config=self.model.config)
        end = int(position[-1]) if len(position) else 0
        for first in range(0, end, _TOKENS_PER_PASS):
            last = min(first + _TOKENS_PER_PASS, end)
            begin, stop = (int(i) for i in torch.searchsorted(position, torch.tensor([first, last]) + 1))
            at = position[begin:stop] - 1 - first
            output = self.model(
                input_ids=ids[first:last][None], past_key_values=cache, use_cache=True, logits_to_keep=at
            )
            for start in range(0, len(at), _ROWS_PER_STEP):
                rows = slice(start, min(start + _ROWS_PER_STEP, len(at)))
                yield slice(begin + rows.start, begin + rows.stop), self.law(output.logits[0, rows])

    # ------------------------------------------------------------ detection

    def read(
        self, ids_T: NDArray[np.int64], position_S: NDArray[np.int64], words_K: Sequence[Words], num_bins: int
    ) -> Keyed:
        """Compare a text with the keyed symbols; see `reasonry.watermark.anchors.base.Anchor.read`."""
        num_symbols = num_bins or self.vocab_size
        label_of = VocabularyLabels(self.vocab_size, num_bins, self.device) if num_bins else None
        match_SK = np.empty((len(position_S), len(words_K)), dtype=np.bool_)
        p_SK = np.empty((len(position_S), len(words_K)))
        token_S = torch.from_numpy(ids_T[position_S]).to(self.device)
        for piece, law_WV in self.laws_along(ids_T, position_S):
            for k, words in enumerate(words_K):
                label_WV = label_of(words.label_N[piece]) if label_of is not None else None
                p_WN = with_floor(symbol_mass(law_WV, label_WV, num_symbols), self.floor)
                u_W = torch.from_numpy(uniforms(words.draw_N[piece])).to(self.device)
                token_W1 = token_S[piece][:, None]
                symbol_W1 = token_W1 if label_WV is None else label_WV.gather(-1, token_W1).long()
                match_SK[piece, k] = (keyed_symbol(p_WN, u_W) == symbol_W1[:, 0]).cpu().numpy()
                p_SK[piece, k] = p_WN.gather(-1, symbol_W1)[:, 0].cpu().numpy()
        return Keyed(match_SK, p_SK)


def load_anchor(profile: Profile, options: ModelConfig | None = None) -> ModelAnchor:
    """Load the model that a profile names as anchor, and check that it is the same one.

    Raises:
        ProfileMismatchError: Another revision or other weights than the text was marked with.
        ReasonryError: As `reasonry.core.models.load_causal_lm`.
    """
    anchor = profile.anchor
    options = options or ModelConfig()
    wanted: dict[str, Any] = {"dtype": anchor.dtype or options.dtype}
    if len(anchor.revision) == 40 and not options.revision:
        wanted["revision"] = anchor.revision
    loaded = load_causal_lm(anchor.model, options.model_copy(update=wanted))
    check_match(profile, anchor_revision=anchor_revision(loaded))
    return make_anchor(loaded, anchor, vocab_size=profile.vocab_size)


def make_anchor(loaded: LoadedModel, anchor: AnchorProfile, *, vocab_size: int) -> ModelAnchor:
    """An anchor as a profile describes it, over a model that is there."""
    width = loaded.model.config.get_text_config().vocab_size
    return ModelAnchor(
        loaded.model,
        vocab_size=min(vocab_size, width) if vocab_size else width,
        context_tok=anchor.context_tok or None,
        temperature=anchor.temperature,
        floor=anchor.floor,
    )


def anchor_revision(loaded: LoadedModel) -> str:
    """What tells one set of weights from another: a hub commit, a packaged alias, or the hash of a folder's files."""
    identity = loaded.identity
    return str(identity.get("weights") or identity["revision"] or identity["model"])
