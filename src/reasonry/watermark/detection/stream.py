"""``reasonry watermark detect - --stream``: one text as it comes, and an answer at the first moment there is one.

No more is taken from standard input than detection needs, and nothing is waited for at the end: the answer comes while
the pipe is still open. A stream leaves no run directory.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from reasonry.core.work import Say
from reasonry.errors import ConfigError, Interrupted
from reasonry.watermark.config import DetectConfig
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.feed import feed_document
from reasonry.watermark.detection.inputs import check_standard_input
from reasonry.watermark.detection.read import ID_FIELDS, STANDARD_INPUT, TEXT_FIELD, Document
from reasonry.watermark.detection.report import line_of
from reasonry.watermark.detection.result import Detection
from reasonry.watermark.detection.run import Tokenizers, make_detector, profile_of
from reasonry.watermark.detection.source import ByteSource, Utf8Text

_STREAM = "standard input"


def detect_stream(config: DetectConfig, *, say: Say = lambda line: None) -> Detection:
    """Read standard input as it comes and stop when the evidence is enough.

    Raises:
        ReasonryError: See the errors of its parts.
        Interrupted: The user stopped it; what the stream said until then was told.
    """
    _check_stream(config)
    profile = profile_of(config)
    detector = make_detector(config, profile)
    if not isinstance(detector, WatermarkDetector):
        raise ConfigError(f"scheme {profile.scheme} is read whole", place="stream", remedy="Leave --stream out.")
    state = detector.start()
    tokenizer = Tokenizers(profile, config.tokenizer, config.model_options)()
    try:
        feed_document(state, _stream_document(), tokenizer)
    except KeyboardInterrupt:
        say(f"until here: {line_of(state.result(), state.is_stopped)}")
        raise Interrupted("stopped on request, before the stream was at its end", place=_STREAM) from None
    if state.is_stopped:
        say(f"enough evidence after {state.num_tok} tokens; the rest of the stream was not read")
    return state.result()


def _check_stream(config: DetectConfig) -> None:
    if config.file != STANDARD_INPUT:
        raise ConfigError(f"--stream reads standard input, not {config.file!r}", remedy="Write - for the file.")
    wrong = {
        "--fdr is for several texts": config.fdr,
        "--limit is for several texts": config.limit is not None,
        "--read ids is for rows": config.read == "ids",
        "--run is for a report, which a stream has not": config.run is not None,
    }
    for problem in (problem for problem, is_given in wrong.items() if is_given):
        raise ConfigError(f"{problem}; a stream is one text", remedy="Leave it or --stream out.")
    check_standard_input()


def _stream_document() -> Document:
    """Standard input as one text, of which nothing is waited for but its first character."""
    source = ByteSource(sys.stdin.buffer, _STREAM)
    if sys.stdin.buffer.peek(1)[:1] == b"{":  # pyright: ignore[reportAttributeAccessIssue]
        try:
            row: Any = json.loads(source.peek_line())
        except ValueError:
            row = None
        if isinstance(row, dict) and any(name in row for name in (TEXT_FIELD, *ID_FIELDS)):
            raise ConfigError(
                "the stream holds JSON rows, and --stream reads one text", place=_STREAM, remedy="Leave --stream out."
            )
    return Document(_STREAM, _STREAM, text=Utf8Text(source))
