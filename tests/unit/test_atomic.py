"""Atomic writes: the old file or the new one, whatever fails and whenever."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import atomic
from reasonry.errors import ResourceError

STEPS = ("open", "write", "fsync", "replace")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def break_step(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    if step == "open":
        monkeypatch.setattr("builtins.open", fail)
    elif step == "write":

        class Full:
            def __init__(self, path: Path, mode: str) -> None:
                Path(path).touch()

            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            write = fail

        monkeypatch.setattr("builtins.open", Full)
    else:
        monkeypatch.setattr(os, step, fail)


def test_a_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.txt"
    atomic.write_text(target, "old")
    atomic.write_text(target, "new \u00e9\n")
    assert target.read_bytes() == "new \u00e9\n".encode()
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with monkeypatch.context() as patch:
        break_step(patch, step, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(ResourceError, match="No space left on device") as caught:
            atomic.write_text(target, "new")
    assert "Free some space" in caught.value.remedy and caught.value.place == str(target)
    assert target.read_text() == "old" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_an_interrupt_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with monkeypatch.context() as patch:
        break_step(patch, step, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            atomic.write_text(target, "new")
    assert target.read_text() == "old" and names(tmp_path) == ["file"]


def test_a_file_in_place_of_the_folder_is_an_error_that_names_the_target(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot write 1 bytes") as caught:
        atomic.write_text(tmp_path / "file" / "x" / "y", "z")
    assert "Choose another" in caught.value.remedy, "freeing space would not help"


def test_a_folder_in_place_of_the_file_is_an_error_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ResourceError, match="s a directory"):
        atomic.write_text(tmp_path / "there", "z")
    assert names(tmp_path) == ["there"]


def test_json_has_sorted_keys_and_refuses_nan(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a", {"b": [1, "\u00e9"], "a": None})
    assert (tmp_path / "a").read_text("utf-8") == '{\n  "a": null,\n  "b": [\n    1,\n    "\u00e9"\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "a", {"b": float("nan")})
    assert json.loads((tmp_path / "a").read_text("utf-8"))["a"] is None


@settings(deadline=None)  # fsync takes as long as the disk likes
@given(data=st.binary(max_size=2000))
def test_bytes_come_back(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("bytes") / "x"
    atomic.write_bytes(target, data)
    assert target.read_bytes() == data


def test_temporary_names_are_siblings_and_fresh(tmp_path: Path) -> None:
    found = {atomic.tmp_sibling(tmp_path / "x") for _ in range(50)}
    assert len(found) == 50
    assert all(p.parent == tmp_path and p.name.startswith(f"{atomic.TMP_PREFIX}x-") for p in found)


def test_sweep_removes_files_and_trees_of_killed_writers_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".tmp-file-1").touch()
    (tmp_path / ".tmp-tree-2" / "a" / "b").mkdir(parents=True)
    (tmp_path / ".tmp-tree-2" / "a" / "b" / "c").touch()
    (tmp_path / "kept" / ".tmp-inside").mkdir(parents=True)
    assert [p.name for p in atomic.sweep(tmp_path)] == [".tmp-file-1", ".tmp-tree-2"]
    assert names(tmp_path) == ["kept"] and names(tmp_path / "kept") == [".tmp-inside"]
    assert atomic.sweep(tmp_path) == []


def test_sweep_removes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("kept")
    run = tmp_path / "run"
    (run / ".tmp-tree").mkdir(parents=True)
    (run / ".tmp-link").symlink_to(precious)
    (run / ".tmp-tree" / "link").symlink_to(precious)
    atomic.sweep(run)
    assert names(run) == [] and (precious / "data").read_text() == "kept"


def test_what_sweep_cannot_remove_is_an_error_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".tmp-x").touch()

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ResourceError, match=r"Permission denied\. Remove the files \.tmp-\*"):
        atomic.sweep(tmp_path)
