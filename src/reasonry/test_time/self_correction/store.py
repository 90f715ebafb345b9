"""Where attempts are kept, one JSON row each, so that a run can be continued and replayed; and states between runs."""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from reasonry.core import atomic, jsonl
from reasonry.errors import DataError

Row = dict[str, Any]


class Store(Protocol):
    """Attempts by problem and number."""

    def get(self, id: str, attempt: int) -> Row | None:
        """The row of one attempt, None when it was not made yet."""
        ...

    def put(self, row: Row) -> None:
        """Keep a row. Its key is its ``id`` and ``attempt``."""
        ...


class MemoryStore:
    """Rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Row] = {}

    def get(self, id: str, attempt: int) -> Row | None:
        """The row, None when there is none."""
        return self.rows.get((id, attempt))

    def put(self, row: Row) -> None:
        """Keep it."""
        self.rows[row["id"], row["attempt"]] = row


class JsonlStore(MemoryStore):
    """Rows in a JSONL file, one a line in the order in which they were made; a torn last line is cut off.

    Use it as a context manager, or call `close`.

    Raises:
        DataError: A line that is no attempt.
        ResourceError: The disk is full or the file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path = Path(path)
        self.num_torn_bytes = 0
        if self.path.exists():
            found = jsonl.recover(self.path)
            self.num_torn_bytes = found.num_torn_bytes
            for line, row in enumerate(found.rows, 1):
                if not isinstance(row.get("id"), str) or not isinstance(row.get("attempt"), int):
                    raise DataError("not an attempt: 'id' or 'attempt' is missing", place=f"{self.path}:{line}")
                super().put(row)
        self._writer = jsonl.JsonlWriter(self.path)

    def put(self, row: Row) -> None:
        """Append it."""
        self._writer.write(row)
        super().put(row)

    def close(self) -> None:
        """Let go of the file."""
        self._writer.close()

    def __enter__(self) -> JsonlStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_state(path: Path | str, task: str) -> Row | None:
    """The controller's state that `write_state` kept for a task, None when there is none.

    Raises:
        DataError: The file is not what `write_state` writes.
    """
    return _read_states(Path(path)).get(task)


def write_state(path: Path | str, task: str, state: Mapping[str, Any]) -> None:
    """Keep a controller's state under a task's name, beside those of other tasks. The file is replaced atomically.

    Raises:
        DataError: The file exists and is not what this function writes.
        ResourceError: The file cannot be written.
    """
    atomic.write_json(Path(path), {**_read_states(Path(path)), task: dict(state)})


def _read_states(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    try:
        states = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as e:
        raise DataError(f"cannot read the controllers' states: {e}", place=str(path)) from e
    if not isinstance(states, dict) or not all(isinstance(s, dict) for s in cast("Row", states).values()):
        raise DataError("not an object of states by task", place=str(path), remedy="Choose another file.")
    return cast("dict[str, Row]", states)
