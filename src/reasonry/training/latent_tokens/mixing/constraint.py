"""Keeps codes between their markers while a model of transformers generates.

    outside     no code, no end marker; a begin marker once, or as often as the model likes
    inside      codes and the end marker alone; the end marker alone after ``max_codes`` codes
    always      no pause and no padding row

The state of a row is read from its ids each time, and not kept: a row is inside where its last begin marker stands
behind its last end marker, and has as many codes as stand behind that. So beams may be reordered, rows may be padded on
the left, prompts may end in a begin marker (the first run of codes is then forced), and one object serves any number of
calls.

What is left is left to the model: where all its mass was on forbidden tokens, their laws are renormalised by whoever
samples.

Legend: B rows or beams, T columns, V rows of the embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor

from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

MAX_CODES = 16
"""256 tokens of reasoning, the most that the published law replaces, in chunks of 16."""


class CodeConstraint(LogitsProcessor):
    """A logits processor for ``model.generate(logits_processor=[...])``.

    Args:
        ids: Of the added tokens.
        num_tokens: Ids that the tokenizer has; rows from there on are padding.
        max_codes: Most codes of a run; None: no limit.
        min_codes: Fewest codes of a run; 0 allows an end marker at once.
        codes_per_chunk: A run has a multiple of so many codes.
        once: Whether a row may have one run of codes alone. A run that the prompt begins is that one.
        start_tok: Columns, from the left, that are not looked at: those of a prompt that holds codes of its own, such
            as worked examples. What is in them neither opens a run nor counts as one.

    Raises:
        ConfigError: Numbers that leave nothing to generate, or a padding that begins before the codes end.
    """

    def __init__(
        self,
        ids: LatentIds,
        *,
        num_tokens: int,
        max_codes: int | None = MAX_CODES,
        min_codes: int = 0,
        codes_per_chunk: int = 1,
        once: bool = False,
        start_tok: int = 0,
    ) -> None:
        if max_codes is not None and (max_codes < 0 or max_codes % codes_per_chunk or max_codes < min_codes):
            raise ConfigError(
                f"at most {max_codes} codes, at least {min_codes}, a multiple of {codes_per_chunk}",
                place="max_codes",
                remedy="Give a multiple of the codes of a chunk that is not below the fewest.",
            )
        if num_tokens <= max(ids.added):
            raise ConfigError(
                f"{num_tokens} tokens, and id {max(ids.added)} among the added ones",
                place="num_tokens",
                remedy="Give the number of ids of the extended tokenizer.",
            )
        self.ids, self.num_tokens, self.once, self.start_tok = ids, num_tokens, once, start_tok
        self.max_codes, self.min_codes, self.codes_per_chunk = max_codes, min_codes, codes_per_chunk
        self._masks: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores with -inf for what may not come next.

        Args:
            input_ids: (B, T), prompts and what was written; padding of any id but the markers'.
            scores: (B, V), logits or log-probabilities.

        Returns:
            (B, V), of the same kind.
        """
        ids = self.ids
        inside_V, outside_V = self._forbidden(scores)
        is_inside_B, num_codes_B, num_begun_B = self._state(input_ids)
        forbidden_BV = torch.where(is_inside_B[:, None], inside_V, outside_V)
        may_end_B = (num_codes_B >= self.min_codes) & (num_codes_B % self.codes_per_chunk == 0)
        forbidden_BV[:, ids.end] |= ~may_end_B  # outside of a run it is forbidden anyway
        if self.max_codes is not None:
            is_full_B = is_inside_B & (num_codes_B >= self.max_codes)
            forbidden_BV[:, ids.codes.start : ids.codes.stop] |= is_full_B[:, None]
            forbidden_BV[:, ids.end] &= ~is_full_B
        if self.once:
            forbidden_BV[:, ids.begin] |= num_begun_B > 0
        return scores.masked_fill(forbidden_BV, -torch.inf)

    def _forbidden(self, scores_BV: Tensor) -> tuple[Tensor, Tensor]:
        """(V,) masks of what may come neither inside nor outside of a run."""
        key = scores_BV.shape[1], scores_BV.device
        if key not in self._masks:
            ids = self.ids
            inside_V = torch.ones(key[0], dtype=torch.bool, device=key[1])
            inside_V[ids.codes.start : ids.codes.stop] = False
            inside_V[ids.end] = False
            outside_V = ~inside_V
            outside_V[self.num_tokens :] = True
            if ids.pause is not None:
                outside_V[ids.pause] = True
            self._masks[key] = inside_V, outside_V
        return self._masks[key]

    def _state(self, input_ids_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B,) each: whether a run is open, its codes so far, runs begun."""
        ids_BT = input_ids_BT[:, self.start_tok :]
        num_rows, length = ids_BT.shape
        if not length:
            none_B = torch.zeros(num_rows, dtype=torch.long, device=ids_BT.device)
            return none_B.bool(), none_B, none_B
        column_T = torch.arange(1, length + 1, device=ids_BT.device)
        is_begin_BT = ids_BT == self.ids.begin
        begin_B = (is_begin_BT * column_T).amax(1)
        end_B = ((ids_BT == self.ids.end) * column_T).amax(1)
        is_code_BT = (ids_BT >= self.ids.codes.start) & (ids_BT < self.ids.codes.stop)
        num_codes_B = (is_code_BT & (column_T > begin_B[:, None])).sum(1)
        return begin_B > end_B, num_codes_B, is_begin_BT.sum(1)
