"""Ids of the tokens that stand for reasoning: markers, codes, pause. Pure; `vocabulary.py` makes them."""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

BEGIN, END, PAUSE = "<boLatent>", "<eoLatent>", "<|pause|>"


def code_name(code: int) -> str:
    """The token of a code, which counts from 0."""
    return f"<|latent_{code}|>"


class LatentIds(NamedTuple):
    """Ids with a meaning of their own.

    Attributes:
        begin: Stands before codes.
        end: Stands behind them.
        first_code: Of code 0; the others follow it.
        num_codes: K.
        pause: Fills the place of reasoning in `pause`; None where it is not in the vocabulary.
        pad: Fills batches up; the end token where the tokenizer has no padding. Never attended to, and never learnt.
    """

    begin: int
    end: int
    first_code: int
    num_codes: int
    pause: int | None
    pad: int

    @property
    def codes(self) -> range:
        """Ids of all codes."""
        return range(self.first_code, self.first_code + self.num_codes)

    @property
    def added(self) -> tuple[int, ...]:
        """Ids of all tokens that are not the tokenizer's own, padding apart."""
        return (self.begin, self.end, *self.codes, *(() if self.pause is None else (self.pause,)))

    def names(self) -> dict[int, str]:
        """Tokens by id: what no text may hold."""
        names = {self.begin: BEGIN, self.end: END, **{self.first_code + k: code_name(k) for k in range(self.num_codes)}}
        return names if self.pause is None else {**names, self.pause: PAUSE}
