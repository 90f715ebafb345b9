"""A heat map over text as JSON: the text in one piece, and one list per property of its tokens.

    text        what all tokens say together, control characters stripped
    num_chars   code points of each token; the text is cut at their running sums
    values      a number, or null for a token that is not scored
    notes       a phrase each, mostly empty

The text stays whole because cleaning a piece needs its neighbours: a joiner (U+200C, U+200D) at the edge of a
token is kept or dropped by the character on the other side of the cut.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeGuard

from reasonry.core.report.model import TokenMark
from reasonry.core.text import strip_controls
from reasonry.errors import DataError

_QUANTILE = 0.95
_MAX_DIGITS = 15
_JOINERS = re.compile("([\u200c\u200d])")
_WORDS = ("title", "caption", "value_title", "for_label", "against_label", "unscored_label", "stop_label")


class TokenColumns(TypedDict):
    """Tokens as parallel lists."""

    text: str
    num_chars: list[int]
    values: list[float | None]
    notes: list[str]


def token_columns(tokens: Sequence[TokenMark]) -> TokenColumns:
    """The text of ``tokens`` and where each of them ends.

    The text is what `strip_controls` leaves of the tokens one by one, except that joiners are judged in the
    whole. So no token is lost, and text without control characters is kept exactly.
    """
    texts = [_without_controls(token.text) for token in tokens]
    num_chars = [len(text) for text in texts]
    whole = "".join(texts)
    clean = strip_controls(whole)
    if len(clean) < len(whole):
        at = 0
        for i, text in enumerate(texts):
            for char in text:
                if clean[at : at + 1] == char:
                    at += 1
                else:  # a joiner between characters that it cannot join
                    num_chars[i] -= 1
    return {
        "text": clean,
        "num_chars": num_chars,
        "values": [token.value for token in tokens],
        "notes": [token.note for token in tokens],
    }


def colour_limit(values: Iterable[float | None]) -> float:
    """Where a colour scale for ``values`` ends: the 95% quantile of ``|value|``, to two significant digits.

    Zeros and None do not count, or a text with few scored tokens would have a scale of no width. Without any
    other value, 1.
    """
    sizes = sorted(abs(v) for v in values if v)
    if not sizes:
        return 1.0
    size = sizes[math.ceil(_QUANTILE * len(sizes)) - 1]
    rounded = float(f"{size:.1e}")
    return rounded if math.isfinite(rounded) else size


def check_passage(block: Mapping[str, Any], *, place: str, remedy: str) -> None:
    """Refuse JSON from elsewhere that is no passage, or no set of passages.

    Args:
        block: A block of kind ``passage`` or ``passages``, its strings already cleaned.
        place: Its file, for the error message.
        remedy: For the error message.

    Raises:
        DataError: A key is missing, of the wrong type, or does not fit the others.
    """
    if block["kind"] == "passages":
        items = block.get("items")
        if not isinstance(items, list) or not items:
            raise DataError("report block 'passages' has no items", place=place, remedy=remedy)
        for item in items:
            if not isinstance(item, Mapping) or item.get("kind") != "passage":
                raise DataError("an item of report block 'passages' is no passage", place=place, remedy=remedy)
            check_passage(item, place=place, remedy=remedy)
        return
    if wrong := _wrong_key(block):
        problem = f"report block 'passage': key {wrong!r} is missing, of the wrong type or out of range"
        raise DataError(problem, place=place, remedy=remedy)


def _wrong_key(block: Mapping[str, Any]) -> str | None:
    text, num_chars, values = block.get("text"), block.get("num_chars"), block.get("values")
    notes, stop, limit = block.get("notes"), block.get("stop_index"), block.get("limit")
    if not isinstance(text, str):
        return "text"
    if not isinstance(num_chars, list) or not all(_is_whole(n) for n in num_chars) or sum(num_chars) != len(text):
        return "num_chars"
    if not isinstance(values, list) or not all(v is None or _is_number(v) for v in values):
        return "values"
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        return "notes"
    for name, column in (("values", values), ("notes", notes)):
        if len(column) != len(num_chars):
            return name
    if stop is not None and not (_is_whole(stop) and stop < len(num_chars)):
        return "stop_index"
    if not _is_number(limit) or limit <= 0:
        return "limit"
    if not _is_whole(block.get("digits")) or block["digits"] > _MAX_DIGITS:
        return "digits"
    return next((name for name in _WORDS if not isinstance(block.get(name), str)), None)


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_controls(text: str) -> str:
    """``text`` cleaned, its joiners left for the whole to judge."""
    return "".join(part if _JOINERS.fullmatch(part) else strip_controls(part) for part in _JOINERS.split(text))
