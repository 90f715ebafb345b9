"""Rows of a log file, leniently by row and strictly within one: a row that is broken costs itself, not the file.

    .jsonl     one JSON object a line; blank lines are nothing
    .json      one document: an object, or a list of objects
    .parquet   and folders of Hugging Face's datasets, see `tables`

Refused in a row is what could not be written down again unchanged: a key twice, NaN and infinities, half of a surrogate
pair, nesting deeper than `core.jsonl` allows, and a line longer than it allows.
"""

# pyright: strict
from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, cast

from reasonry.core.jsonl import MAX_DEPTH, MAX_ROW_BYTES
from reasonry.core.messages import Json
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.logs import Unread

TABLE = ".parquet"
_BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        place: ``file:line``, ``file[index]`` in a list or a table, or the file.
        value: Its columns.
        num_nulls: Nulls left out of arguments of its calls, see `cells`.
    """

    place: str
    value: Json
    num_nulls: int = 0


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a data set, as ``Dataset.save_to_disk`` writes one."""
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def rows(path: Path) -> Iterator[Row | Unread]:
    """Rows of a file, or of the folder of a data set, one at a time.

    Raises:
        DataError: The file cannot be opened or read.
        MissingDependencyError: It is a table, and pyarrow is not installed.
    """
    if path.suffix == TABLE or is_dataset(path):
        from reasonry.training.pivotrl.extract import tables  # which needs this module

        yield from tables.rows(path)
        return
    try:
        with open(path, "rb") as file:
            yield from _document(path, file.read()) if path.suffix == ".json" else _lines(path, file)
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e


def peek(path: Path, num: int = 3) -> tuple[Json, ...]:
    """The first rows that can be read, to tell a format by; none where the file holds none.

    Raises:
        DataError: The file cannot be opened or read.
    """
    stat = path.stat() if path.exists() else None
    return _peek(path, num, stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)


@lru_cache(maxsize=1)  # every format in turn looks at the same file
def _peek(path: Path, num: int, changed_ns: int, size: int) -> tuple[Json, ...]:
    first = islice(rows(path), 10 * num)
    return tuple(islice((row.value for row in first if isinstance(row, Row)), num))


def decode(data: bytes) -> Any:
    """The JSON value that some bytes are.

    Raises:
        ValueError: They are none, or one that is refused; says why.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text.strip())
        if "\\u" in text:  # only an escape can bring in half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and not _is_shallow(value):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


# ---------------------------------------------------------------- reading


def _lines(path: Path, file: IO[bytes]) -> Iterator[Row | Unread]:
    number = 0
    while line := file.readline(MAX_ROW_BYTES + 2):
        number += 1
        place = f"{path}:{number}"
        if len(line) > MAX_ROW_BYTES + 1:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_ROW_BYTES)
            yield Unread(place, "too long", f"the line is longer than {MAX_ROW_BYTES} bytes")
            continue
        line = line.removeprefix(_BOM) if number == 1 else line
        if line.strip():
            yield _row(place, line)


def _document(path: Path, data: bytes) -> Iterator[Row | Unread]:
    try:
        value = decode(data.removeprefix(_BOM))
    except ValueError as e:
        yield Unread(str(path), "not JSON", str(e))
        return
    if isinstance(value, list):
        for i, item in enumerate(cast("list[Any]", value)):
            yield _checked(f"{path}[{i}]", item)
    else:
        yield _checked(str(path), value)


def _row(place: str, line: bytes) -> Row | Unread:
    try:
        value = decode(line)
    except ValueError as e:
        return Unread(place, "not JSON", str(e))
    return _checked(place, value)


def _checked(place: str, value: Any) -> Row | Unread:
    if isinstance(value, dict):
        return Row(place, cast("Json", value))
    return Unread(place, "no object", f"{type(value).__name__} where a row is an object")


# ---------------------------------------------------------------- strict JSON


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)


def _is_shallow(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            below += cast("Json", node).values() if isinstance(node, dict) else cast("list[Any]", node)
        level = [part for part in below if isinstance(part, dict | list)]
        if not level:
            return True
    return False
