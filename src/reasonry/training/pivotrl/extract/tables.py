"""Rows of tables: Parquet files, and folders that ``Dataset.save_to_disk`` of Hugging Face's datasets wrote.

    FILE.parquet                                                read in batches of rows
    FOLDER/state.json, dataset_info.json, data-*.arrow          a data set; ``_data_files`` names its parts, in order
    FOLDER/dataset_dict.json, FOLDER/train/, FOLDER/test/ ...   a data set for each split

A place is ``file[row]``, from 0. Rows of a split have its name in the column ``split`` where they have none: as the
data set has it, else its folder among those of the splits, or a file as the hub names them
(``test-00000-of-00001.parquet``). Values become JSON as in `cells`.

Only pyarrow is needed, nothing is fetched, and no code of a data set runs. Memory holds a batch of rows: 64 of a data
set, and of a Parquet file at most the row group that they are in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.core import optional
from reasonry.core.messages import Json
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.cells import Cells, Nulls
from reasonry.training.pivotrl.extract.lines import Row, decode
from reasonry.training.pivotrl.extract.logs import Unread

if TYPE_CHECKING:
    import pyarrow as pa

_STATE = "state.json"
_ROWS_AT_ONCE = 64
_SPLIT = re.compile(r"(\w+)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?")
_AGAIN = "Write it again with Dataset.save_to_disk."


def rows(path: Path) -> Iterator[Row | Unread]:
    """Rows of a table, one at a time.

    Raises:
        DataError: It cannot be opened or read, or two of its columns have one name.
        MissingDependencyError: pyarrow is not installed.
    """
    optional.need("pyarrow", extra="eval", why="to read Parquet files and data sets on disk")
    if path.is_dir():
        state = _state(path)
        split, batches = state.get("_split") or _folder_of_split(path), _dataset_batches(path, state)
    else:
        named = _SPLIT.fullmatch(path.stem)
        split, batches = named and named[1], _parquet_batches(path)
    about: Json = {"split": split} if isinstance(split, str) and split else {}
    num_before, cells = 0, None
    for batch in batches:
        if cells is None or not batch.schema.equals(cells[0]):
            try:
                cells = (batch.schema, Cells(batch.schema))
            except ValueError as e:
                raise DataError(str(e), place=str(path), remedy="Rename one of the two.") from e
        for i, value in enumerate(_values(batch), num_before):
            yield _row(f"{path}[{i}]", value, cells[1], about)
        num_before += batch.num_rows


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | Exception]:
    """Rows as Python values, or why one has none: bytes that are no text, a date beyond the calendar."""
    failures = (ValueError, OverflowError, LookupError)  # a zone that is not known is one of look-up
    try:
        values = batch.to_pylist()
    except failures:
        values = None
    if values is not None:
        yield from values
    else:
        for i in range(batch.num_rows):
            try:
                yield batch.slice(i, 1).to_pylist()[0]
            except failures as e:
                yield e


def _row(place: str, value: dict[str, Any] | Exception, cells: Cells, about: Json) -> Row | Unread:
    nulls = Nulls()
    if isinstance(value, Exception):
        return Unread(place, "not JSON", str(value))
    try:
        return Row(place, {**about, **cells.row(value, nulls)}, nulls.num)
    except ValueError as e:
        return Unread(place, "not JSON", str(e))


# ---------------------------------------------------------------- files


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with _told(path, "Parquet", "Write it, or download it, again."), pq.ParquetFile(path, memory_map=True) as file:
        yield from file.iter_batches(batch_size=_ROWS_AT_ONCE)


def _dataset_batches(folder: Path, state: Json) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for name in _parts(folder, state):
        path = folder / name
        with _told(path, "Arrow", _AGAIN), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    some = batch.slice(start, _ROWS_AT_ONCE)
                    some.validate(full=True)  # offsets in a file are not to be trusted
                    yield some


def _state(folder: Path) -> Json:
    path = folder / _STATE
    try:
        state = decode(path.read_bytes())
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e
    except ValueError as e:
        raise DataError(f"not JSON: {e}", place=str(path), remedy=_AGAIN) from e
    if not isinstance(state, dict):
        raise DataError("not the state of a data set", place=str(path), remedy=_AGAIN)
    return state


def _folder_of_split(folder: Path) -> str:
    return folder.name if (folder.parent / "dataset_dict.json").is_file() else ""


def _parts(folder: Path, state: Json) -> list[str]:
    """Names of the files of a data set, in order."""
    place = str(folder / _STATE)
    if state.get("_indices_data_files"):
        problem = "the data set was saved as a choice of rows, by an old version of datasets"
        raise DataError(problem, place=place, remedy="Load it, and save it again, with a newer version.")
    files = state.get("_data_files")
    names = [f.get("filename") if isinstance(f, dict) else None for f in files] if isinstance(files, list) else [None]
    found = [name for name in names if isinstance(name, str) and name and Path(name).name == name]
    if len(found) < len(names):  # a name with a folder in it could lead anywhere
        raise DataError("_data_files is no list of names of files beside it", place=place, remedy=_AGAIN)
    return found


@contextmanager
def _told(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Errors of Arrow as errors of data."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as e:
        why = (getattr(e, "strerror", None) or str(e)).splitlines()
        raise DataError(f"cannot be read as {kind}: {why[0] if why else e!r}", place=str(path), remedy=remedy) from e
