"""Bytes as they come, and the text in them."""

# pyright: strict
from __future__ import annotations

import codecs
import weakref
from pathlib import Path
from typing import Any, BinaryIO, cast

from reasonry.core.jsonl import MAX_ROW_BYTES
from reasonry.errors import DataError

_BLOCK_BYTES = 1 << 16


class ByteSource:
    """A binary stream of which a beginning may have been looked at already.

    Args:
        stream: The bytes.
        name: For messages.
        closes: Close the stream when nobody has the source any more: a text outlives the loop that found it.
    """

    def __init__(self, stream: BinaryIO, name: str, *, closes: bool = False) -> None:
        self.name = name
        self._stream = stream
        self._ahead = b""
        if closes:
            weakref.finalize(self, stream.close)

    def peek_line(self) -> bytes:
        """The first line, which stays unread; of a line that cannot be a row only the beginning."""
        if not self._ahead:
            self._ahead = self._call(self._stream.read, 1)
            if self._ahead in (b"{", b" ", b"\t", b"\r", b"\n", b"\xef"):  # what a first row may begin with
                self._ahead += self._call(self._stream.readline, MAX_ROW_BYTES)
        return self._ahead

    def read_some(self, size: int) -> bytes:
        """At most ``size`` bytes, without waiting for more than have come."""
        if self._ahead:
            block, self._ahead = self._ahead[:size], self._ahead[size:]
            return block
        read1 = getattr(self._stream, "read1", None)
        return self._call(read1 or self._stream.read, size)

    def read_line(self, size: int) -> bytes:
        """A line with its end, or ``size`` bytes of it."""
        line, self._ahead = self._ahead, b""
        if line.endswith(b"\n"):
            return line
        return line + self._call(self._stream.readline, size - len(line))

    def _call(self, method: Any, size: int) -> bytes:
        try:
            return cast("bytes", method(size))
        except OSError as e:
            raise DataError(f"cannot read: {e.strerror or e}", place=self.name) from e


def open_bytes(path: Path) -> BinaryIO:
    """Open a file.

    Raises:
        DataError: It is a folder, or cannot be read.
    """
    if path.is_dir():
        raise DataError("is a folder", place=str(path), remedy="Name one of its files.")
    try:
        return open(path, "rb")
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        reason = e.strerror or str(e) if isinstance(e, OSError) else str(e)
        raise DataError(f"cannot read: {reason}", place=str(path), remedy="Check the path.") from e


class Utf8Text:
    """The text of a binary stream, decoded piece by piece; characters cut between two pieces come out whole.

    Raises:
        DataError: From ``read``: the bytes are not UTF-8 text, with the place of the first that is wrong.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._num_bytes = 0
        self._is_first = True
        self._text = ""

    def read(self, size: int, /) -> str:
        """At most ``size`` characters, fewer where no more have come yet; empty at the end."""
        while not self._text:
            block = self._source.read_some(min(max(size, 1), _BLOCK_BYTES))
            self._text = self._decode(block)
            if self._is_first and self._text:
                self._text, self._is_first = self._text.removeprefix("\ufeff"), False
            if not block:
                break
        piece, self._text = self._text[:size], self._text[size:]
        return piece

    def _decode(self, block: bytes) -> str:
        num_held = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as e:
            at = self._num_bytes - num_held + e.start
            if not block:
                raise self._refuse("it ends within a character", at) from e
            raise self._refuse(f"byte 0x{e.object[e.start]:02x} is not UTF-8", at) from e
        if "\0" in text:
            raise self._refuse("it holds a zero byte", self._num_bytes + max(block.find(0), 0))
        self._num_bytes += len(block)
        return text

    def _refuse(self, problem: str, at: int) -> DataError:
        return DataError(
            f"this is not text in UTF-8: {problem}",
            place=f"{self._source.name}, byte {at + 1}",
            remedy="Save it as UTF-8; a compressed file or a document has to be turned into text first.",
        )
