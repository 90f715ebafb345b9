"""Texts to look at: a text file, JSON Lines, or standard input; read as they come, in bounded memory.

    text      one document: UTF-8, a byte order mark at its beginning is dropped, line ends are left as they are
    JSONL     one document a row: "text" or "token_ids" (or "ids"), and optionally "id" and "index"

A file named .jsonl or .ndjson is JSONL, one named .txt, .md or .rst is text; anything else, standard input included, is
JSONL when its first line is a JSON object. A text is read piece by piece by whoever looks at it; a row is in memory at
once, up to `reasonry.core.jsonl.MAX_ROW_BYTES`.
"""

# pyright: strict
from __future__ import annotations

import codecs
import io
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from reasonry.core.jsonl import MAX_ROW_BYTES
from reasonry.errors import DataError, nearest
from reasonry.watermark.detection.source import ByteSource, Utf8Text, open_bytes

Prefer = Literal["auto", "text", "ids"]
STANDARD_INPUT = "-"
TEXT_FIELD = "text"
ID_FIELDS = ("token_ids", "ids")
ROW_SUFFIXES = (".jsonl", ".ndjson")
TEXT_SUFFIXES = (".txt", ".md", ".rst")


class TextSource(Protocol):
    """Text that is read piece by piece; `io.StringIO` is one."""

    def read(self, size: int, /) -> str:
        """At most ``size`` characters, fewer where no more have come yet; empty at the end."""
        ...


@dataclass(frozen=True)
class Document:
    """A text to look at, or its token ids.

    Attributes:
        id: From the row; its line number, or the file's name, when it has none.
        place: Where it was found, for messages.
        text: None when there are ids. It can be read once.
        ids: Token ids, shape (T,); None when there is text.
    """

    id: str
    place: str
    text: TextSource | None = None
    ids: NDArray[np.int64] | None = None


def read_documents(
    file: str | Path, *, prefer: Prefer = "auto", limit: int | None = None, stdin: BinaryIO | None = None
) -> Iterator[Document]:
    """The documents of a file, one after the other.

    Args:
        file: Path, or ``-`` for standard input.
        prefer: What to take of a row that has both: ``auto`` takes the text. ``text`` and ``ids`` insist.
        limit: Only the first so many.
        stdin: Standard input, for tests.

    Raises:
        DataError: There is no such file; it is empty, or not text; a row is not a JSON object, has neither field, or
            ids that are not integers. With ``file:line``. Rows before it were given already.
    """
    if str(file) == STANDARD_INPUT:
        label = "standard input"
        source = ByteSource(stdin or sys.stdin.buffer, label)
    else:
        path = Path(file)
        label = path.name
        source = ByteSource(open_bytes(path), str(path), closes=True)
    found = _rows(source, prefer) if _is_rows(source, label) else _whole(source, label, prefer)
    yield from itertools.islice(found, limit)


def as_ids(value: Any, *, place: str = "") -> NDArray[np.int64]:
    """Token ids from a list, tuple or array of integers, shape (T,).

    Raises:
        DataError: It is something else, or nested; with the first entry that is no integer.
    """
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        if array.dtype.kind in "iu" and array.ndim == 1:
            return array.astype(np.int64)
        value = array.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"token ids are a list of integers, not {_shown(value)}", place=place)
    entries = cast("Sequence[Any]", value)
    for index, entry in enumerate(entries):
        if type(entry) is not int and not isinstance(entry, np.integer):
            remedy = "Give one row per text." if isinstance(entry, list | tuple) else "Give the ids as whole numbers."
            raise DataError(f"token id {index + 1} is {_shown(entry)}, not an integer", place=place, remedy=remedy)
    try:
        return np.array(entries, dtype=np.int64)
    except OverflowError as e:
        raise DataError("a token id is beyond 64 bits", place=place, remedy="Are these token ids?") from e


# ---------------------------------------------------------------- what kind of file


def _is_rows(source: ByteSource, label: str) -> bool:
    suffix = Path(label).suffix.lower()
    if suffix in (*ROW_SUFFIXES, *TEXT_SUFFIXES):
        return suffix in ROW_SUFFIXES
    try:
        row: Any = json.loads(source.peek_line().removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) and suffix == ".json":  # its marks would drown in quotes and escapes
        raise DataError(
            "a .json file is neither text nor JSONL",
            place=source.name,
            remedy="Write its texts as rows of a .jsonl file; if the JSON is the text itself, name the file .txt.",
        )
    return isinstance(row, dict)


def _whole(source: ByteSource, label: str, prefer: Prefer) -> Iterator[Document]:
    if prefer == "ids":
        remedy = 'Token ids come in JSONL rows: {"token_ids": [...]}.'
        raise DataError("a text has no token ids", place=source.name, remedy=remedy)
    if not source.peek_line():
        raise DataError("is empty: there is no text in it", place=source.name)
    yield Document(label, source.name, text=Utf8Text(source))


# ---------------------------------------------------------------- rows


def _rows(source: ByteSource, prefer: Prefer) -> Iterator[Document]:
    number = num = 0
    while line := source.read_line(MAX_ROW_BYTES + 2):
        number += 1
        place = f"{source.name}:{number}"
        if len(line) > MAX_ROW_BYTES + 1:
            remedy = "Is it JSONL? One row is one line; a long text may stand in a file of its own."
            raise DataError(f"the line is longer than {MAX_ROW_BYTES} bytes", place=place, remedy=remedy)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            num += 1
            yield _document(_row(line, place), number, place, prefer)
    if not num:
        raise DataError("holds no rows", place=source.name, remedy="A row is a JSON object on a line of its own.")


def _row(line: bytes, place: str) -> Mapping[str, Any]:
    remedy = "Every line is one JSON object in UTF-8; mend or remove this line."
    try:
        row: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as e:
        raise DataError(f"byte 0x{line[e.start]:02x} is not UTF-8", place=place, remedy=remedy) from e
    except json.JSONDecodeError as e:
        raise DataError(f"malformed JSON: {e.msg} at column {e.colno}", place=place, remedy=remedy) from e
    except (ValueError, RecursionError) as e:  # an integer of absurd length; absurd nesting
        raise DataError(f"not a row: {e}", place=place, remedy=remedy) from e
    if not isinstance(row, dict):
        raise DataError(f"a row is a JSON object, not {_shown(row)}", place=place, remedy=remedy)
    return cast("dict[str, Any]", row)


def _document(row: Mapping[str, Any], number: int, place: str, prefer: Prefer) -> Document:
    """The document of a row; a field that is null is not there."""
    name = _name(row, number)
    ids_field = next((field for field in ID_FIELDS if row.get(field) is not None), None)
    has_text = row.get(TEXT_FIELD) is not None
    if prefer != "ids" and has_text:
        return Document(name, place, text=_text(row[TEXT_FIELD], place))
    if prefer != "text" and ids_field is not None:
        return Document(name, place, ids=as_ids(row[ids_field], place=f"{place}, {ids_field}"))
    wanted = {"text": ("text",), "ids": ID_FIELDS, "auto": (TEXT_FIELD, *ID_FIELDS[:1])}[prefer]
    hint = " ".join(filter(None, [nearest(wanted[0], row)])) or f"Its fields: {', '.join(map(repr, row)) or 'none'}."
    raise DataError(f"the row has no {' and no '.join(map(repr, wanted))}", place=place, remedy=hint[:300])


def _name(row: Mapping[str, Any], number: int) -> str:
    given, index = row.get("id"), row.get("index")
    name = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else str(number)
    return f"{name}/{index}" if type(index) is int else name


def _text(value: Any, place: str) -> io.StringIO:
    if not isinstance(value, str):
        raise DataError(f"text is {_shown(value)}, not a string", place=place)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as e:
        found = f"U+{ord(value[e.start]):04X}"
        raise DataError(f"lone surrogate {found} at character {e.start + 1} of the text", place=place) from e
    return io.StringIO(value, newline="")  # line ends stay as they are


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {str: "a string", list: "a list", tuple: "a list", dict: "an object"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), repr(value)[:40])
