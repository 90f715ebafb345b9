import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import jsonl
from reasonry.errors import DataError

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
rows_lists = st.lists(st.dictionaries(text, values, max_size=4), max_size=6)


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "rows.jsonl"


def _rows_or_place(call: Callable[[], list[Any]]) -> tuple[list[Any] | None, str]:
    try:
        return call(), ""
    except DataError as e:
        return None, e.place


def _equal(a: Any, b: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, and 0.0 from -0.0."""
    return repr(a) == repr(b)


@given(rows_lists)
def test_what_is_written_is_read_back_unchanged(rows: list[dict[str, Any]]) -> None:
    with _file() as path:
        jsonl.append(path, rows)
        if rows:
            assert _equal(list(jsonl.read(path)), rows)
        assert _equal(jsonl.recover(path), jsonl.Recovery(rows, 0))


@given(rows_lists.filter(bool), st.data())
def test_a_file_cut_at_any_byte_recovers_exactly_the_rows_whose_last_byte_is_in(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    with _file() as path:
        jsonl.append(path, rows)
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
        num_in = sum(end <= cut for end in ends)
        last_newline = whole[:cut].rfind(b"\n") + 1
        num_torn = 0 if cut in ends else cut - last_newline
        assert _equal(jsonl.recover(path), jsonl.Recovery(rows[:num_in], num_torn))


@given(rows_lists.filter(bool), rows_lists.filter(bool), st.data())
def test_appending_to_a_file_cut_at_any_byte_gives_the_recovered_rows_and_the_new_ones(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], data: st.DataObject
) -> None:
    with _file() as path:
        jsonl.append(path, rows)
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        recovered = jsonl.recover(path).rows
        jsonl.append(path, more)
        assert _equal(list(jsonl.read(path)), recovered + more)


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8 \n1e-NaIfity', max_size=40).map(str.encode))
def test_any_bytes_are_rows_or_a_data_error_with_file_and_line(content: bytes) -> None:
    with _file() as path:
        path.write_bytes(content)
        for call in (lambda: list(jsonl.read(path)), lambda: jsonl.recover(path).rows):
            rows, place = _rows_or_place(call)
            assert place.startswith(f"{path}:") if rows is None else all(isinstance(row, dict) for row in rows)


@settings(max_examples=300)
@given(st.binary(max_size=40) | st.text('{}[]",: \n1a', max_size=30).map(str.encode))
def test_appending_to_any_bytes_keeps_every_closed_line_and_agrees_with_recovery(content: bytes) -> None:
    with _file() as path:
        path.write_bytes(content)
        try:
            before = jsonl.recover(path).rows
        except DataError:
            before = None
        try:
            jsonl.append(path, [{"new": 1}])
        except DataError:
            assert path.read_bytes() == content
            assert before is None
            return
        closed = content[: content.rfind(b"\n") + 1]
        assert path.read_bytes().startswith(closed)
        if before is not None:
            assert _equal(list(jsonl.read(path)), [*before, {"new": 1}])


def test_the_cut_property_can_fail() -> None:
    with _file() as path:
        jsonl.append(path, [{"a": 1}])
        path.write_bytes(path.read_bytes()[:-3])
        assert jsonl.recover(path) == jsonl.Recovery([], 6)
        with pytest.raises(DataError, match="malformed"):
            list(jsonl.read(path))
