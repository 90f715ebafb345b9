"""From text to a detector in growing pieces: no more of a text is read and tokenised than detection needs.

A piece is a quarter of what was read so far, at least 64 tokens. So where a text turns out to be marked after k tokens,
about 1.25 k + 64 were tokenised, whatever its length, and the number of pieces grows with its logarithm. A stream hands
out what has come, and each piece of it is looked at at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reasonry.errors import DataError
from reasonry.watermark.detection.read import Document, TextSource
from reasonry.watermark.detection.state import DetectorState
from reasonry.watermark.tokenizing import IncrementalTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIRST_TOK = 64
_GROWTH = 0.25
_MAX_CHARS = 1 << 18
_CHARS_PER_TOK = 3.0  # of the first piece, until it is known


class Fed(NamedTuple):
    """How much of a text was used.

    Attributes:
        num_tok: Tokens that were made.
        is_whole: Whether the text was read to its end; false where the evidence was enough before.
        num_out_of_step: Places where ids may differ from those of the whole text; see `IncrementalTokenizer`.
    """

    num_tok: int
    is_whole: bool
    num_out_of_step: int = 0


def feed_document(state: DetectorState, document: Document, tokenizer: PreTrainedTokenizerBase | None) -> Fed:
    """Push a document into a detector until its evidence is enough.

    Args:
        state: A text being read: `WatermarkDetector.start`.
        document: Text or ids.
        tokenizer: Needed for text only.

    Raises:
        DataError: The text cannot be read, or an id is outside the vocabulary; with the document's place.
    """
    try:
        if document.ids is not None:
            state.push(document.ids)
            return Fed(state.num_tok, state.num_tok == len(document.ids))
        assert document.text is not None and tokenizer is not None, "a document with text needs a tokenizer"
        return feed_text(state, document.text, tokenizer)
    except DataError as e:
        if e.place.startswith(document.place):
            raise
        place = ", ".join(filter(None, [document.place, e.place]))
        raise DataError(e.problem, place=place, remedy=e.remedy) from e


def feed_text(state: DetectorState, text: TextSource, tokenizer: PreTrainedTokenizerBase) -> Fed:
    """Read, tokenise and push a text until its evidence is enough or it ends. Raises as `feed_document`."""
    incremental = IncrementalTokenizer(tokenizer)
    num_tok = 0
    chars_per_tok = _CHARS_PER_TOK
    while not state.is_stopped:
        wanted_tok = max(_FIRST_TOK, _GROWTH * num_tok)
        piece = text.read(min(int(wanted_tok * chars_per_tok) + 1, _MAX_CHARS))
        if not piece:
            ids = incremental.finish()
            state.push(ids)
            return Fed(num_tok + len(ids), True, incremental.num_out_of_step)
        ids = incremental.feed(piece)
        if ids:
            chars_per_tok = max(len(piece) / len(ids), 0.25)
            num_tok += len(ids)
            state.push(ids)
    return Fed(num_tok, False, incremental.num_out_of_step)
