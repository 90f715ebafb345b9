"""Reads many texts with one detector, and a few of them token by token for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import DataError
from reasonry.watermark.combine import e_bh
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.feed import feed_document
from reasonry.watermark.detection.others import SchemeDetector
from reasonry.watermark.detection.read import Document, TextSource
from reasonry.watermark.detection.report import Shown
from reasonry.watermark.detection.result import Detection
from reasonry.watermark.tokenizing import encode

_MOST_SHOWN_TOK = 3000
_MOST_SHOWN_CHARS = 12_000

Detector = WatermarkDetector | SchemeDetector


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
    detector: Detector,
    *,
    tokenizer: Callable[[], Any],
    fdr: bool = False,
    num_shown: int = 8,
    done: Mapping[str, Detection] | None = None,
    tick: Callable[[Document, Detection], None] = lambda document, detection: None,
) -> Examined:
    """Read all texts.

    Args:
        documents: The texts; of those with text the ids are made here, of the others they are taken.
        detector: Stops at its threshold; with ``fdr`` better at the end of the text.
        tokenizer: Gives the tokenizer; called when the first text comes, so never where there are ids only.
        fdr: Test all texts together by e-BH, at the detector's alpha. The e-value of a text is that of the moment at
            which its reading stopped; of N texts, one that is the only marked one needs N / alpha.
        num_shown: How many texts are read a second time, up to some thousand tokens, with a trace.
        done: Detections of an earlier session, by the place of the text; these texts are not read, only shown.
        tick: Called after each text.
    """
    names: list[str] = []
    detections: list[Detection] = []
    shown: list[Shown] = []
    for document in documents:
        is_shown = len(shown) < num_shown
        kept = _Kept(document.text) if is_shown and document.text is not None else None
        if kept is not None:
            document = replace(document, text=kept)
        detection = (done or {}).get(document.place) or _detect(document, detector, tokenizer)
        names.append(document.id)
        detections.append(detection)
        if is_shown and detection.num_scored:
            shown.append(_traced(document, kept.beginning() if kept is not None else None, detector, tokenizer))
        tick(document, detection)
    rejected = None
    if fdr and detections:
        rejected = e_bh([d.log_e for d in detections], detector.alpha).rejected.tolist()
    return Examined(names, detections, rejected, shown)


def _detect(document: Document, detector: Detector, tokenizer: Callable[[], Any]) -> Detection:
    if isinstance(detector, WatermarkDetector):
        state = detector.start()
        feed_document(state, document, tokenizer() if document.text is not None else None)
        return state.result()
    try:
        ids = _ids(document) if document.text is None else encode(tokenizer(), _whole(document.text))
        return detector.detect(ids)
    except DataError as e:
        if e.place.startswith(document.place):
            raise
        raise DataError(e.problem, place=", ".join(filter(None, [document.place, e.place])), remedy=e.remedy) from e


def _traced(document: Document, text: str | None, detector: Detector, tokenizer: Callable[[], Any]) -> Shown:
    if text is not None:
        ids, pieces = pieces_of(tokenizer(), text)
    else:
        ids = _ids(document).tolist()
        pieces = [f"{i} " for i in ids[:_MOST_SHOWN_TOK]]
    return Shown(document.id, pieces[:_MOST_SHOWN_TOK], detector.traced(ids[:_MOST_SHOWN_TOK]))


def _ids(document: Document) -> NDArray[np.int64]:
    return document.ids if document.ids is not None else np.empty(0, dtype=np.int64)


def _whole(text: TextSource) -> str:
    pieces: list[str] = []
    while piece := text.read(1 << 20):
        pieces.append(piece)
    return "".join(pieces)


class _Kept:
    """A text that can be read once, of which the beginning is kept for the report."""

    def __init__(self, text: TextSource) -> None:
        self._text = text
        self._pieces: list[str] = []
        self._num = 0

    def read(self, size: int, /) -> str:
        piece = self._text.read(size)
        if self._num < _MOST_SHOWN_CHARS:
            self._pieces.append(piece)
            self._num += len(piece)
        return piece

    def beginning(self) -> str:
        while self._num < _MOST_SHOWN_CHARS and self.read(_MOST_SHOWN_CHARS - self._num):
            pass
        return "".join(self._pieces)[:_MOST_SHOWN_CHARS]


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
