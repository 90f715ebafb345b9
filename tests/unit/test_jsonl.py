import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reasonry.core import jsonl
from reasonry.core.jsonl import JsonlWriter
from reasonry.errors import DataError, ResourceError


def _nested(depth: int) -> str:
    """An object that is ``depth`` containers deep."""
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


BAD_LINES = {
    "malformed": (b'{"a": 1,}', "malformed JSON"),
    "two objects": (b'{"a": 1} {"b": 2}', "malformed JSON"),
    "cut short": (b'{"a": 1', "malformed JSON"),
    "empty": (b"", "empty line"),
    "an array": (b"[1, 2]", "a row is a JSON object"),
    "a number": (b"7", "a row is a JSON object"),
    "duplicate key": (b'{"a": 1, "a": 1}', "duplicate key 'a'"),
    "duplicate key below": (b'{"x": [{"k": 1, "k": 2}]}', "duplicate key 'k'"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "Infinity": (b'{"a": Infinity}', "Infinity is not a JSON number"),
    "-Infinity": (b'{"a": [-Infinity]}', "-Infinity is not a JSON number"),
    "overflow": (b'{"a": 1e400}', "1e400 is too large"),
    "a huge integer": (b'{"a": 1' + b"0" * 5000 + b"}", "number out of range"),
    "not UTF-8": (b'{"a": "\xff"}', "byte 0xff at column 8 is not UTF-8"),
    "overlong UTF-8": (b'{"a": "\xc0\xaf"}', "not UTF-8"),
    "lone surrogate": (b'{"a": "\\ud800"}', "lone surrogate U\\+D800"),
    "lone surrogate key": (b'{"\\uDfff": 1}', "lone surrogate U\\+DFFF"),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
    "too deep": (_nested(jsonl.MAX_DEPTH + 1).encode(), "nested deeper than 200"),
    "far too deep": (_nested(100_000).encode(), "nested deeper than 200"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_reading_refuses_a_bad_line_with_its_number(tmp_path: Path, name: str) -> None:
    line, problem = BAD_LINES[name]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"ok": 1}\n' + line + b'\n{"ok": 2}\n')
    rows = jsonl.read(path)
    assert next(rows) == {"ok": 1}
    with pytest.raises(DataError, match=problem) as caught:
        next(rows)
    assert caught.value.place == f"{path}:2"
    assert caught.value.remedy


@pytest.mark.parametrize("name", BAD_LINES)
def test_recovery_never_skips_a_bad_line_in_the_middle(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"ok": 1}\n' + BAD_LINES[name][0] + b'\n{"ok": 2}\n')
    with pytest.raises(DataError) as caught:
        jsonl.recover(path)
    assert caught.value.place == f"{path}:2"


def test_reading_accepts_what_json_allows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b' {"a" : [1, 2.5, null, true], "b": {}}\r\n{"\\ud83d\\ude00": "\xe2\x80\xa8"}\n' + _nested(200).encode()
    )
    rows = list(jsonl.read(path))
    assert rows[:2] == [{"a": [1, 2.5, None, True], "b": {}}, {"\U0001f600": "\u2028"}]
    assert len(rows) == 3, "a last line without its newline is a row"


def test_many_brackets_inside_strings_are_not_depth(tmp_path: Path) -> None:
    jsonl.append(tmp_path / "rows.jsonl", [{"text": "[" * 1000}])
    assert list(jsonl.read(tmp_path / "rows.jsonl")) == [{"text": "[" * 1000}]


def test_reading_a_missing_file_is_an_error_and_recovering_it_gives_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        next(jsonl.read(tmp_path / "none.jsonl"))
    assert jsonl.recover(tmp_path / "none.jsonl") == jsonl.Recovery([], 0)


def test_a_row_longer_than_the_limit_is_refused_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    jsonl.append(path, [{"a": "x" * 100}])
    monkeypatch.setattr(jsonl, "MAX_ROW_BYTES", 50)
    with pytest.raises(DataError, match="longer than 50 bytes"):
        list(jsonl.read(path))
    with pytest.raises(DataError, match="longer than 50 bytes"):
        jsonl.append(tmp_path / "b.jsonl", [{"a": "x" * 100}])
    path.write_bytes(b'{"a": "' + b"x" * 100)
    with pytest.raises(DataError, match="longer than 50 bytes"):
        jsonl.append(path, [{"b": 1}])
    with pytest.raises(DataError, match="longer than 50 bytes"):
        jsonl.recover(path)


def test_recovery_counts_the_bytes_of_a_torn_last_line_and_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": "\xc3')
    assert jsonl.recover(path) == jsonl.Recovery([{"a": 1}], 8)
    assert path.read_bytes() == b'{"a": 1}\n{"b": "\xc3'


def test_appending_cuts_a_torn_last_line_off_before_the_first_row_and_not_earlier(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b')
    with JsonlWriter(path):
        pass
    assert path.read_bytes() == b'{"a": 1}\n{"b'
    jsonl.append(path, [{"c": 2}])
    assert path.read_bytes() == b'{"a": 1}\n{"c": 2}\n'


def test_a_whole_last_row_without_its_newline_is_kept_by_reader_recovery_and_writer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": 2}')
    assert list(jsonl.read(path)) == [{"a": 1}, {"b": 2}]
    assert jsonl.recover(path) == jsonl.Recovery([{"a": 1}, {"b": 2}], 0)
    jsonl.append(path, [{"c": 3}])
    assert path.read_bytes() == b'{"a": 1}\n{"b": 2}\n{"c": 3}\n'


def test_a_tail_of_nul_bytes_left_by_a_power_cut_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"\0" * 100)
    assert jsonl.recover(path) == jsonl.Recovery([{"a": 1}], 100)


@pytest.mark.parametrize("content", [b"\x89PNG\r\x1a and no newline", b"a note", b'{"a": 1}\n{"a": 1, "a": 2}'])
def test_appending_to_what_is_not_a_log_destroys_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DataError):
        jsonl.append(path, [{"a": 1}])
    with pytest.raises(DataError):
        jsonl.recover(path)
    assert path.read_bytes() == content


def test_a_torn_line_longer_than_one_block_is_found(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": "' + b"x" * 300_000)
    jsonl.append(path, [{"c": 2}])
    assert path.read_bytes() == b'{"a": 1}\n{"c": 2}\n'


@pytest.mark.parametrize(
    "row",
    [{"a": float("nan")}, {"a": [float("inf")]}, {"a": "\ud800"}, {"\udfff": 1}, json.loads(_nested(201))],
)
def test_writing_refuses_what_could_not_be_read_back(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "rows.jsonl"
    jsonl.append(path, [{"ok": 1}])
    with pytest.raises(DataError, match="row cannot be written"):
        jsonl.append(path, [row])
    assert path.read_bytes() == b'{"ok": 1}\n'


@pytest.mark.parametrize("row", [{1: "a"}, {"a": {None: 1}}, {"a": {1, 2}}, {"a": b"b"}, ["a"], {"a": [{2: 3}]}])
def test_writing_what_has_no_json_form_is_a_type_error(tmp_path: Path, row: Any) -> None:
    with pytest.raises(TypeError):
        jsonl.append(tmp_path / "rows.jsonl", [row])


def test_a_row_that_contains_itself_is_refused(tmp_path: Path) -> None:
    row: dict[str, Any] = {}
    row["self"] = row
    with pytest.raises(DataError, match="nested deeper"):
        jsonl.append(tmp_path / "rows.jsonl", [row])


def test_every_row_is_one_write_call_and_visible_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "er" / "rows.jsonl"
    calls: list[bytes] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (calls.append(bytes(data)), write(fd, data))[1])
    with JsonlWriter(path) as writer:
        writer.write({"a": "é"})
        assert path.read_bytes() == '{"a": "é"}\n'.encode()
        writer.write_all([{"b": 1}, {"c": 2}])
    assert calls == ['{"a": "é"}\n'.encode(), b'{"b": 1}\n', b'{"c": 2}\n']


@pytest.mark.parametrize(("sync", "num_fsyncs"), [(False, 0), (True, 4)])
def test_sync_fsyncs_the_new_folder_entry_every_row_and_a_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool, num_fsyncs: int
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(os, "fsync", calls.append)
    with JsonlWriter(tmp_path / "rows.jsonl", sync=sync) as writer:
        writer.write({"a": 1})
        writer.write({"b": 1})
        writer.write_all([{"c": 1}, {"d": 2}])
    assert len(calls) == num_fsyncs


@pytest.mark.parametrize("num_taken", [0, 1, 7])
def test_a_full_disk_leaves_whole_rows_and_the_writer_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_taken: int
) -> None:
    path = tmp_path / "rows.jsonl"
    write = os.write
    with JsonlWriter(path) as writer:
        writer.write({"a": 1})

        def full(fd: int, data: bytes) -> int:
            if num_taken and len(data) == len(b'{"b": 22}\n'):
                return write(fd, data[:num_taken])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(ResourceError, match="No space left on device") as caught:
            writer.write({"b": 22})
        assert caught.value.place == str(path)
        assert "Free some space" in caught.value.remedy
        assert path.read_bytes() == b'{"a": 1}\n'
        monkeypatch.setattr(os, "write", write)
        writer.write({"b": 22})
    assert path.read_bytes() == b'{"a": 1}\n{"b": 22}\n'


def test_a_file_size_limit_of_the_kernel_leaves_whole_rows(tmp_path: Path) -> None:
    """The kernel takes a part of the row and refuses the rest, as on a full disk."""
    path = tmp_path / "rows.jsonl"
    code = """
import resource, sys
from reasonry.core import jsonl
from reasonry.errors import ResourceError
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    jsonl.append(sys.argv[1], ({"i": i} for i in range(1000)))
except ResourceError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert [row["i"] for row in jsonl.read(path)] == list(range(7)), "7 rows of 9 bytes fit into 64"
    assert path.stat().st_size == 63


def test_an_interrupt_in_the_middle_of_a_row_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    write = os.write

    def interrupted(fd: int, data: bytes) -> int:
        write(fd, data[:4])
        raise KeyboardInterrupt

    with JsonlWriter(path) as writer:
        writer.write({"a": 1})
        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write({"b": 2})
    assert path.read_bytes() == b'{"a": 1}\n'


def test_a_bad_row_in_a_batch_keeps_the_rows_before_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with pytest.raises(DataError):
        jsonl.append(path, [{"a": 1}, {"b": float("nan")}, {"c": 3}])
    assert path.read_bytes() == b'{"a": 1}\n'


def test_a_folder_in_the_place_of_the_file_is_an_error_with_the_place(tmp_path: Path) -> None:
    for call in (lambda: list(jsonl.read(tmp_path)), lambda: jsonl.recover(tmp_path)):
        with pytest.raises(DataError, match="Is a directory"):
            call()
    with pytest.raises(ResourceError, match="Is a directory"):
        jsonl.append(tmp_path, [{"a": 1}])


# --- replacing a whole file ---------------------------------------------------------------------------


def test_a_file_is_replaced_by_rows_that_read_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.jsonl"
    rows = [{"a": "Zürich\n", "b": [1, 2.5, None]}, {}, {"a": True}]
    jsonl.write(path, iter(rows))
    assert list(jsonl.read(path)) == rows
    jsonl.append(tmp_path / "appended.jsonl", rows)
    assert path.read_bytes() == (tmp_path / "appended.jsonl").read_bytes()
    jsonl.write(str(path), rows[:1])
    assert list(jsonl.read(path)) == rows[:1]
    jsonl.write(path, [])
    assert path.read_bytes() == b"" and list(jsonl.read(path)) == []


def test_a_file_with_a_torn_line_or_without_a_row_is_replaced_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for before in (b'{"a": 1}\n{"b"', b"a note", b""):
        path.write_bytes(before)
        jsonl.write(path, [{"c": 3}])
        assert path.read_bytes() == b'{"c": 3}\n'


@pytest.mark.parametrize(
    ("row", "error"),
    [({"a": float("nan")}, DataError), ({"a": "\ud800"}, DataError), ({1: 2}, TypeError), (["a"], TypeError)],
)
def test_a_row_that_cannot_be_written_leaves_the_old_file(tmp_path: Path, row: Any, error: type[Exception]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"old": 1}\n')
    with pytest.raises(error) as caught:
        jsonl.write(path, [{"new": 1}, row])
    assert path.read_bytes() == b'{"old": 1}\n' and os.listdir(tmp_path) == ["rows.jsonl"]
    assert error is TypeError or getattr(caught.value, "place", None) == str(path)


def test_rows_that_end_in_an_error_leave_the_old_file(tmp_path: Path) -> None:
    def rows() -> Any:
        yield {"new": 1}
        raise KeyboardInterrupt

    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"old": 1}\n')
    with pytest.raises(KeyboardInterrupt):
        jsonl.write(path, rows())
    assert path.read_bytes() == b'{"old": 1}\n' and os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"old": 1}\n')
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left") as caught:
        jsonl.write(path, [{"new": 1}])
    assert caught.value.place == str(path) and "Free some space" in caught.value.remedy
    assert path.read_bytes() == b'{"old": 1}\n' and os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_file_may_be_replaced_by_its_own_rows(tmp_path: Path) -> None:
    """Reading is lazy: the rows are taken before the file is touched."""
    path = tmp_path / "rows.jsonl"
    jsonl.write(path, [{"a": i} for i in range(3)])
    jsonl.write(path, (row for row in jsonl.read(path) if row["a"] != 1))
    assert list(jsonl.read(path)) == [{"a": 0}, {"a": 2}]
