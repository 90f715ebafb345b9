"""Text that a model wrote, made safe to print.

A terminal obeys bytes, not intentions: a reply with ``ESC ] 0 ; title BEL`` renames the window, one with
``ESC [ 2 J`` wipes the operator's log, and one with U+202E shows a name backwards. Everything a model wrote
passes through `strip_controls` before it reaches a terminal, and `escape_html` before it reaches markup.

Removed (ECMA-48 for the sequences, UAX #9 for the bidirectional controls):
    ESC or C1 sequences   CSI, OSC with its payload (the text of a hyperlink stays), DCS, SOS, PM, APC, ESC x
    C0, DEL, C1           all but line feed and tab
    bidi controls         U+202A-202E, U+2066-2069
    invisible characters  U+200B, U+2060-2064, U+FEFF, U+FFF9-FFFB, the tag block U+E0000-E007F
    joiners               U+200C, U+200D, unless between two characters outside ASCII (emoji, Persian)
Lone surrogates, which no encoding can carry, become U+FFFD.
"""

from __future__ import annotations

import html
import re

from rich.cells import cell_len

# The payload stops at every introducer and at CAN or SUB, as in a terminal; so an unterminated string
# swallows nothing, and the scan stays linear on text made of introducers only.
_STRING = r"[^\x07\x18\x1a\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
_UNSAFE = re.compile(
    rf"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING}"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
    r"\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LONELY_JOINER = re.compile(r"(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f\u200c\u200d])")
_SPACES = re.compile(r"\s+")


def strip_controls(text: str) -> str:
    """``text`` without anything a terminal would obey or a reader would not see.

    Idempotent: the result holds no introducer of a sequence, so a second pass finds nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _SURROGATE.sub("\ufffd", text)
    text = _UNSAFE.sub("", text)
    return _LONELY_JOINER.sub("", text)


def escape_html(text: str) -> str:
    """``text`` as HTML text or as a quoted attribute value, control characters removed first."""
    return html.escape(strip_controls(text), quote=True)


def one_line(text: str, width: int) -> str:
    """``text`` on one line of at most ``width`` terminal cells, for a table cell.

    White space collapses to single spaces; what does not fit is cut and marked with an ellipsis.

    Args:
        text: Any text.
        width: Cells, at least 1. An East Asian wide character takes two.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1 cell, not {width}")
    line = _SPACES.sub(" ", strip_controls(text)).strip()
    # Zero-width characters beyond this bound go with the rest: a cell is no place for a tower of accents.
    cut = line[: width + 1]
    if len(cut) == len(line) and cell_len(line) <= width:
        return line
    while cut and cell_len(cut) > width - 1:
        cut = cut[:-1]
    return strip_controls(cut.rstrip() + "…")
