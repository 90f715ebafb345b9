"""Objects of a JSON list or of a JSONL file, each with the line on which it begins."""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from reasonry.core import jsonl
from reasonry.errors import DataError

_WHITE = " \t\r\n"
_REMEDY = "The file is one JSON list of objects, or JSONL with one object a line."


class JsonRow(NamedTuple):
    """One object.

    Attributes:
        place: ``file:line`` of its first line.
        row: The object.
    """

    place: str
    row: dict[str, Any]


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)!r}")
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def read_rows(path: str | Path) -> Iterator[JsonRow]:
    """Objects in the order of the file.

    Raises:
        DataError: The file cannot be read, is empty, or is neither of the two (with ``file:line``).
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise DataError(f"not UTF-8: {e.reason} at byte {e.start}", place=str(path), remedy=_REMEDY) from e
    if not text.strip(_WHITE):
        raise DataError("the file is empty", place=str(path), remedy=_REMEDY)
    if text.lstrip(_WHITE).startswith("["):
        yield from _list(text, path)
    else:
        for number, row in enumerate(jsonl.read(path), 1):
            yield JsonRow(f"{path}:{number}", row)


def _list(text: str, path: Path) -> Iterator[JsonRow]:
    at, line, counted = text.index("[") + 1, 1, 0

    def skip(at: int) -> int:
        while at < len(text) and text[at] in _WHITE:
            at += 1
        return at

    def refuse(problem: str, at: int) -> DataError:
        return DataError(problem, place=f"{path}:{text.count(chr(10), 0, at) + 1}", remedy=_REMEDY)

    at = skip(at)
    if text[at : at + 1] == "]":
        raise refuse("the list is empty", at)
    while True:
        line, counted = line + text.count("\n", counted, at), at
        try:
            item, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as e:
            raise refuse(f"malformed JSON: {e.msg}", e.pos) from e
        except (ValueError, RecursionError) as e:
            raise refuse(f"malformed JSON: {e}", at) from e
        if not isinstance(item, dict):
            raise refuse(f"an item of the list is no object: {text[at:end][:40]}", at)
        yield JsonRow(f"{path}:{line}", cast("dict[str, Any]", item))
        at = skip(end)
        mark = text[at : at + 1]
        at = skip(at + 1)
        if mark == "]":
            if at < len(text):
                raise refuse(f"text after the list: {text[at : at + 40]!r}", at)
            return
        if mark != ",":
            raise refuse(f"expected ',' or ']' after an item, got {mark!r}", min(at, len(text)))
