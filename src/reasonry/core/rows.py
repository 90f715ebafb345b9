"""Rows of a run: kept in memory by key, and appended to a JSONL file as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from reasonry.core import jsonl
from reasonry.errors import DataError

Row = dict[str, Any]


class Store:
    """Rows by key, in memory.

    Args:
        rows: What is there already.
        key: Fields that name a row.
    """

    def __init__(self, rows: Iterable[Row] = (), *, key: tuple[str, ...] = ("id", "index")) -> None:
        self._key = itemgetter(*key)
        self.rows: dict[Any, Row] = {self._key(row): row for row in rows}

    def put(self, row: Row) -> None:
        """Keep a row."""
        self.rows[self._key(row)] = row


class FileStore(Store):
    """Rows kept in memory and appended to a JSONL file as they come."""

    def __init__(
        self, rows: Iterable[Row], writer: jsonl.JsonlWriter, *, key: tuple[str, ...] = ("id", "index")
    ) -> None:
        super().__init__(rows, key=key)
        self._writer = writer

    def put(self, row: Row) -> None:
        """Write the row, then keep it."""
        self._writer.write(row)
        super().put(row)


def check_kept(rows: Sequence[Row], path: Path, is_sound: Callable[[Row], bool]) -> None:
    """Refuse rows that are not of a file's kind.

    Raises:
        DataError: With the line.
    """
    for line, row in enumerate(rows, 1):
        if not is_sound(row):
            raise DataError(
                f"not a row of {path.name}: {row}"[:200],
                place=f"{path}:{line}",
                remedy="Remove the line, and it is made again; or restore the file.",
            )
