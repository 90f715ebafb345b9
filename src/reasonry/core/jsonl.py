"""Append-only JSON Lines that survive SIGKILL and a full disk: one row, one line, one write call.

A row is a JSON object (RFC 8259) in UTF-8, closed by a newline. A writer killed half-way leaves at most a
*torn* last line: bytes after the last newline that are not a complete row. `recover` drops it, the writer
cuts it off before it appends, and both decide by the same function, so what was recovered is exactly what the
file keeps. (No proper prefix of a JSON object is a JSON object, so a complete last row that lacks only its
newline is known to be whole: it counts, and the writer closes it.) Damage anywhere else is never skipped: it
raises `DataError` with ``file:line``.

What is refused, when reading and when writing alike, so that whatever was written can be read back unchanged:
duplicate and non-string keys, NaN and infinities (also ``1e400``), lone surrogates, nesting deeper than
``MAX_DEPTH``, rows longer than ``MAX_ROW_BYTES``, and anything on a line that is not one object.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn

from reasonry.core import atomic
from reasonry.errors import DataError, ResourceError

MAX_DEPTH = 200
MAX_ROW_BYTES = 64 * 2**20


class Recovery(NamedTuple):
    """The whole rows of a file, and how many bytes of a torn last line follow them (0: none)."""

    rows: list[dict[str, Any]]
    num_torn_bytes: int


class _RefusedError(Exception):
    """A line that is complete JSON but not a row; ``problem`` says why."""


class _SyntaxError(_RefusedError):
    """A line that is not complete JSON: malformed, or cut short."""


# --- one row <-> one line -----------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"duplicate key {key!r}")
            seen.add(key)
    return row


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not a JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _RefusedError(f"number {digits[:40]} is too large for a float")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _check_tree(row: Any) -> None:
    """Refuse what JSON text would accept and change: non-string keys, and nesting a reader would refuse."""
    level: list[Any] = [row]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                for key in node:
                    if not isinstance(key, str):
                        raise TypeError(f"a JSONL row has string keys, got {key!r}")
                below.extend(v for v in node.values() if isinstance(v, (dict, list, tuple)))
            else:
                below.extend(v for v in node if isinstance(v, (dict, list, tuple)))
        if not below:
            return
        level = below
    raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels")


def _check_unicode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as e:
        found = f"U+{ord(text[e.start]):04X}"
        raise _RefusedError(f"lone surrogate {found} in a string is not Unicode text") from e


def _decode(line: bytes) -> dict[str, Any]:
    """The row on a line (without its newline); raises `_RefusedError`."""
    if len(line) > MAX_ROW_BYTES:
        raise _RefusedError(f"row is longer than {MAX_ROW_BYTES} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as e:
        raise _SyntaxError(f"byte 0x{line[e.start]:02x} at column {e.start + 1} is not UTF-8") from e
    text = text.strip(" \t\r")
    if not text:
        raise _SyntaxError("empty line")
    if text.startswith("\ufeff"):
        raise _SyntaxError("byte order mark before the row")
    try:
        row = _DECODER.decode(text)
    except json.JSONDecodeError as e:
        raise _SyntaxError(f"malformed JSON: {e.msg} at column {e.colno}") from e
    except RecursionError as e:
        raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels") from e
    except ValueError as e:  # an integer beyond the interpreter's limit on digits
        raise _RefusedError(f"number out of range: {e}") from e
    if not isinstance(row, dict):
        raise _RefusedError(f"a row is a JSON object, got {text[:40]!r}")
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_tree(row)
    if "\\u" in text:  # only an escape can bring in half of a surrogate pair: the line was strict UTF-8
        _check_unicode(_ENCODER.encode(row))
    return row


def _encode(row: Mapping[str, Any], path: Path) -> bytes:
    """The line of a row, newline included."""
    if not isinstance(row, Mapping):
        raise TypeError(f"a JSONL row is a mapping, got {type(row).__name__}")
    row = dict(row)
    try:
        _check_tree(row)
        line = _check_unicode(_ENCODER.encode(row))
        if len(line) > MAX_ROW_BYTES:
            raise _RefusedError(f"row is longer than {MAX_ROW_BYTES} bytes")
    except (_RefusedError, ValueError) as e:  # ValueError: NaN or an infinity
        raise DataError(f"row cannot be written: {e}", place=str(path)) from e
    return line + b"\n"


# --- reading ------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """(line number from 1, bytes without the newline, whether the newline was there)."""
    with open(path, "rb") as f:
        number = 0
        while line := f.readline(MAX_ROW_BYTES + 2):
            number += 1
            closed = line.endswith(b"\n")
            yield number, line[:-1] if closed else line, closed
            if not closed and len(line) > MAX_ROW_BYTES:
                return  # `_decode` refuses a row of this length; never split it into two


def _data_error(path: Path, number: int, problem: object) -> DataError:
    remedy = "Every line is one JSON object in UTF-8; mend or remove this line."
    return DataError(str(problem), place=f"{path}:{number}", remedy=remedy)


def read(path: Path | str) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file, strictly: the reader for data a user gave.

    Raises:
        DataError: At the first line that is not a row (with ``file:line``), or the file cannot be opened.
    """
    path = Path(path)
    try:
        for number, line, _ in _lines(path):
            try:
                row = _decode(line)
            except _RefusedError as e:
                raise _data_error(path, number, e) from e
            yield row
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e


def _is_torn(tail: bytes, path: Path, number: int | str) -> bool:
    """Whether bytes after the last newline are a torn row (True), or a whole row without its newline (False).

    Raises:
        DataError: Neither: no prefix of a row looks like that, so it is not ours to drop.
    """
    try:
        _decode(tail)
    except _SyntaxError as e:
        # A file system may extend a file with NULs before a power cut lets the data reach it.
        if tail.lstrip(b" \t\r")[:1] in (b"{", b"") or not tail.strip(b"\0"):
            return True
        remedy = "This does not look like a JSONL file; it was left untouched."
        raise DataError(str(e), place=f"{path}:{number}", remedy=remedy) from e
    except _RefusedError as e:
        raise DataError(str(e), place=f"{path}:{number}", remedy="Mend or remove the last line.") from e
    return False


def recover(path: Path | str) -> Recovery:
    """Whole rows of a log that may have been killed while it was written. The file is not changed.

    A missing file has no rows: nothing had been written yet.

    Raises:
        DataError: Any line but a torn last one is not a row.
    """
    path = Path(path)
    rows: list[dict[str, Any]] = []
    try:
        for number, line, closed in _lines(path):
            if not closed and _is_torn(line, path, number):
                return Recovery(rows, len(line))
            try:
                rows.append(_decode(line))
            except _RefusedError as e:
                raise _data_error(path, number, e) from e
    except FileNotFoundError:
        return Recovery([], 0)
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e
    return Recovery(rows, 0)


# --- writing ------------------------------------------------------------------------------------------


def _tail(fd: int, size: int) -> bytes:
    """The bytes after the last newline (at most ``MAX_ROW_BYTES`` + 1 of them)."""
    tail = b""
    at = size
    step = 65536
    while at > 0 and len(tail) <= MAX_ROW_BYTES:
        step = min(at, step)
        at -= step
        os.lseek(fd, at, os.SEEK_SET)
        block = os.read(fd, step)
        cut = block.rfind(b"\n")
        tail = block[cut + 1 :] + tail
        if cut >= 0:
            break
        step *= 2
    return tail


class JsonlWriter:
    """Appends rows to a JSONL file; a context manager. Hold the run's lock: one writer at a time.

    The file and its folder are made when needed. Before the first append a torn last line is cut off. If a
    write fails for any reason, Ctrl-C included, the file is cut back to its last whole row.

    Args:
        path: The file.
        sync: fsync after every row: it then survives a power cut, not only the death of the process.
    """

    def __init__(self, path: Path | str, *, sync: bool = False) -> None:
        self.path = Path(path)
        self.sync = sync
        self._fd: int | None = None
        self._num_good_bytes = 0

    def __enter__(self) -> JsonlWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row.

        Raises:
            DataError: The row is not JSON (NaN, lone surrogate, too deep), or the file does not end in a row.
            ResourceError: The disk is full or the file not writable; the file holds only whole rows.
            TypeError: A value or a key has no JSON form.
        """
        self._write_lines([_encode(row, self.path)])

    def write_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, each by its own write call; with ``sync``, one fsync at the end. Raises as `write`."""
        self._write_lines(_encode(row, self.path) for row in rows)

    def close(self) -> None:
        """Close the file. Further writes reopen it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write_lines(self, lines: Iterable[bytes]) -> None:
        line = b""
        try:
            for line in lines:
                self._write_bytes(self._fd if self._fd is not None else self._open(), line)
            if self.sync and self._fd is not None:
                os.fsync(self._fd)
        except OSError as e:
            self._roll_back()
            raise ResourceError(
                f"cannot append a row of {len(line)} bytes: {e.strerror or e}",
                place=str(self.path),
                remedy="Free some space or choose another folder, then run the same command again; "
                "the rows written so far are kept.",
            ) from e
        except BaseException:
            self._roll_back()
            raise

    def _write_bytes(self, fd: int, data: bytes) -> None:
        num_written = os.write(fd, data)
        while num_written < len(data):  # a nearly full disk takes a part first and refuses the next call
            num_written += os.write(fd, data[num_written:])
        self._num_good_bytes += len(data)

    def _roll_back(self) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, self._num_good_bytes)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            size = os.fstat(fd).st_size
            tail = _tail(fd, size)
            is_torn = bool(tail) and _is_torn(tail, self.path, "last line")
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._num_good_bytes = size - len(tail) if is_torn else size
        if is_torn:
            os.ftruncate(fd, self._num_good_bytes)
        elif tail:
            self._write_bytes(fd, b"\n")
        if self.sync and is_new:
            atomic.fsync_dir(self.path.parent)
        return fd


def append(path: Path | str, rows: Iterable[Mapping[str, Any]], *, sync: bool = False) -> None:
    """Append rows to a JSONL file and close it.

    With ``sync`` one fsync follows the last row. Raises as `JsonlWriter.write`; rows before a failed one
    stay.
    """
    with JsonlWriter(path, sync=sync) as writer:
        writer.write_all(rows)


def write(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file by these rows, whole or not at all. Raises as `JsonlWriter.write`; the old file then stays."""
    path = Path(path)
    atomic.write_bytes(path, b"".join(_encode(row, path) for row in rows))
