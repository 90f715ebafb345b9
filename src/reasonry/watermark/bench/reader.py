"""Text symbols against keyed ones: what all readers of the anchored scheme have in common.

Legend: S scored tokens, K keys.
"""

# pyright: strict
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.anchors import Anchor
from reasonry.watermark.baselines.scored import token_ids
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Contexts, contexts_of, make_prf

Ids = Sequence[int] | NDArray[Any]

_KEPT = 32  # a text is read by all readers of its mark, one after the other


class Keyed(NamedTuple):
    """Text symbols against keyed ones.

    Attributes:
        position_S: Scored tokens.
        match_SK: Whether the symbols agree under each key.
        p_SK: The anchor's probability of the text's symbol.
        num_tok: Tokens of the text.
        num_short_context: Tokens with too little text before them.
    """

    position_S: NDArray[np.int64]
    match_SK: NDArray[np.bool_]
    p_SK: NDArray[np.float64]
    num_tok: int
    num_short_context: int


class AnchoredMark(NamedTuple):
    """How the anchored scheme marks; the anchor is the benchmark's.

    Attributes:
        num_bins: Symbols that tokens are hashed into; 0 makes each token its own.
        context_tok: Tokens before a step that decide its keyed symbol.
        prf: Keyed function.
    """

    num_bins: int
    context_tok: int
    prf: str

    @property
    def text(self) -> str:
        """One text for each mark."""
        return f"anchored:num_bins={self.num_bins},context_tok={self.context_tok},prf={self.prf}"


class Reader:
    """What reading a text takes besides the key.

    Comparisons with keyed symbols are kept for a while and shared by all readers of a mark: with a model as anchor they
    are what takes time.

    Args:
        vocab_size: Width of the marked model's logits.
        anchor: Law of the keyed symbol, for the anchored scheme.
    """

    def __init__(self, vocab_size: int, anchor: Anchor) -> None:
        self.vocab_size = vocab_size
        self.anchor = anchor
        self._kept: OrderedDict[Any, Keyed] = OrderedDict()

    def compare(self, mark: AnchoredMark, ids: Ids, keys: Sequence[SecretKey]) -> Keyed:
        """A text against the keyed symbols, where a context is whole and occurs for the first time."""
        ids_T = token_ids(ids, self.vocab_size)
        name = (mark, ids_T.tobytes(), tuple(keys))
        if name not in self._kept:
            self._kept[name] = self._compared(mark, ids_T, keys)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[name]

    def _compared(self, mark: AnchoredMark, ids_T: NDArray[np.int64], keys: Sequence[SecretKey]) -> Keyed:
        contexts = contexts_of(ids_T, mark.context_tok)
        row_S = np.flatnonzero(SeenContexts().first_seen(contexts.hash_N))
        fresh = Contexts(contexts.hash_N[row_S], contexts.ids_NH[row_S])
        position_S = row_S + mark.context_tok
        words_K = [make_prf(mark.prf, key).words(fresh) for key in keys]
        found = self.anchor.read(ids_T, position_S, words_K, mark.num_bins)
        p_SK = np.broadcast_to(np.asarray(found.p_SK, dtype=np.float64), found.match_SK.shape)
        return Keyed(position_S, found.match_SK, p_SK, len(ids_T), len(ids_T) - len(contexts.hash_N))
