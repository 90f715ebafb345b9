"""What a model has written, token by token: text, codes, and the markers around them.

Every token is counted once, and none is left out: a reply of so many tokens has so many text tokens, codes and markers.
The end token counts as text, and so does whatever else stands outside of runs of codes. (The published table of ProsQA
does not count markers: 10.9 tokens are 8.2 of the answer and 2.7 codes.)

    begin code code end text text eos        ->    latent (2 codes), text (3 tokens); 2 markers
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

Ids = tuple[int, ...]


class Run(NamedTuple):
    """Neighbouring tokens of one kind.

    Attributes:
        kind: What they are.
        ids: Token ids of text; of latent runs the codes, counted from 0, without markers.
    """

    kind: Literal["text", "latent"]
    ids: Ids


class Split(NamedTuple):
    """A reply in parts.

    Attributes:
        runs: In order.
        num_text: Text tokens, the end token with them.
        num_codes: Codes.
        num_markers: Begin and end markers.
        num_pauses: Pauses.
        num_stray: Codes and markers where none belong: codes outside of a run, text inside, a run begun within a run,
            an end without a beginning. They are among the counts above too.
        is_open: Whether it ends within a run of codes.
        is_ended: Whether it ends with the end token, and was not cut off.
    """

    runs: tuple[Run, ...]
    num_text: int
    num_codes: int
    num_markers: int
    num_pauses: int
    num_stray: int
    is_open: bool
    is_ended: bool

    @property
    def num_tok(self) -> int:
        """All tokens."""
        return self.num_text + self.num_codes + self.num_markers + self.num_pauses

    @property
    def is_well_formed(self) -> bool:
        """Whether codes stand between markers and nothing else does; a reply that was cut off may end within them."""
        return not self.num_stray

    @property
    def codes(self) -> Ids:
        """All codes, from 0."""
        return tuple(code for run in self.runs if run.kind == "latent" for code in run.ids)

    @property
    def text(self) -> Ids:
        """All text tokens."""
        return tuple(token for run in self.runs if run.kind == "text" for token in run.ids)


def split(ids: Sequence[int], latent: LatentIds | None, *, eos_id: int | None = None, is_open: bool = False) -> Split:
    """Take a reply apart.

    Args:
        ids: Generated tokens, without the prompt.
        latent: Of the added tokens; None: everything is text.
        eos_id: What follows the first such token is padding and is dropped; None: nothing is.
        is_open: Whether the prompt ends within a run of codes (a begin marker that was forced).
    """
    runs: list[Run] = []
    num = {"text": 0, "code": 0, "begin": 0, "end": 0, "pause": 0}
    stray, inside, is_ended = 0, is_open, False
    current: list[int] = []

    def close(kind: Literal["text", "latent"], *, keep_empty: bool = False) -> None:
        if current or keep_empty:
            runs.append(Run(kind, tuple(current)))
            current.clear()

    for token in ids:
        kind = _kind(token, latent)
        num[kind] += 1
        if kind in ("begin", "end"):
            stray += inside == (kind == "begin")
            close("latent" if inside else "text", keep_empty=inside and kind == "end")
            inside = kind == "begin"
        elif kind == "code":
            stray += not inside
            if inside and latent is not None:
                current.append(token - latent.first_code)
        elif kind == "text":
            stray += inside
            if inside:
                close("latent")
                inside = False
            current.append(token)
        if token == eos_id:
            is_ended = True
            break
    close("latent" if inside else "text")
    counts = num["text"], num["code"], num["begin"] + num["end"], num["pause"]
    return Split(tuple(runs), *counts, stray, inside, is_ended)


def _kind(token: int, latent: LatentIds | None) -> Literal["text", "code", "begin", "end", "pause"]:
    if latent is None:
        return "text"
    if 0 <= token - latent.first_code < latent.num_codes:
        return "code"
    if token == latent.begin:
        return "begin"
    if token == latent.end:
        return "end"
    return "pause" if token == latent.pause else "text"
