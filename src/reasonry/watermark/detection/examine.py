"""Reads many texts with one detector, and a few of them token by token for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from reasonry.watermark.combine import e_bh
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.feed import feed_text
from reasonry.watermark.detection.read import Document
from reasonry.watermark.detection.report import Shown
from reasonry.watermark.detection.result import Detection

_MOST_SHOWN_TOK = 5000


class Examined(NamedTuple):
    """What was found.

    Attributes:
        names: Of the texts.
        detections: One per text.
        rejected: With false discovery control: which texts are called marked; None without.
        shown: The first texts token by token.
    """

    names: list[str]
    detections: list[Detection]
    rejected: list[bool] | None
    shown: list[Shown]


def examine(
    documents: Iterable[Document],
    detector: WatermarkDetector,
    *,
    tokenizer: Any | None,
    fdr: bool = False,
    num_shown: int = 8,
    tick: Callable[[Document, Detection], None] = lambda document, detection: None,
) -> Examined:
    """Read all texts.

    Args:
        documents: The texts; of those with text the ids are made here, of the others they are taken.
        detector: Stops at its threshold.
        tokenizer: Needed for texts, and to show tokens in words; None where there are ids only.
        fdr: Test all texts together by e-BH, at the detector's alpha. The e-value of a text is that of the moment at
            which its reading stopped.
        num_shown: How many texts are read a second time, to the end, with a trace.
        tick: Called after each text.
    """
    names: list[str] = []
    detections: list[Detection] = []
    shown: list[Shown] = []
    for document in documents:
        state = detector.start()
        if document.text is not None:
            feed_text(document.text, tokenizer, state)
        else:
            state.push(document.ids or ())
        detection = state.result()
        names.append(document.id)
        detections.append(detection)
        if len(shown) < num_shown and detection.num_scored:
            shown.append(_traced(document, detector, tokenizer))
        tick(document, detection)
    rejected = None
    if fdr and detections:
        rejected = e_bh([d.log_e for d in detections], detector.alpha).rejected.tolist()
    return Examined(names, detections, rejected, shown)


def _traced(document: Document, detector: WatermarkDetector, tokenizer: Any | None) -> Shown:
    if document.text is not None and tokenizer is not None:
        ids, pieces = pieces_of(tokenizer, document.text)
    else:
        ids = list(document.ids or ())[:_MOST_SHOWN_TOK]
        pieces = [str(i) + " " for i in ids] if tokenizer is None else [str(tokenizer.decode([i])) for i in ids]
    return Shown(document.id, pieces, detector.traced(ids[:_MOST_SHOWN_TOK]))


def pieces_of(tokenizer: Any, text: str) -> tuple[list[int], list[str]]:
    """Token ids of a text and the part of the text that each covers; the parts put together are the text."""
    if not getattr(tokenizer, "is_fast", False):
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        return ids, [str(tokenizer.decode([i])) for i in ids]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, ends = list(encoded["input_ids"]), [end for _, end in encoded["offset_mapping"]]
    pieces: list[str] = []
    start = 0
    for number, end in enumerate(ends):
        stop = len(text) if number == len(ends) - 1 else max(start, end)
        pieces.append(text[start:stop])
        start = stop
    return ids, pieces
