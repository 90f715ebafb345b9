import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.core import checkpoint
from reasonry.core.checkpoint import CheckpointWarning, Rejection, find_damage, newest, save, write_manifest
from reasonry.errors import ConfigError, DataError, ResourceError

TENSORS = {
    "model": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "scale": np.array(0.5)},
    "optimizer": {"m": np.array([1, -2], dtype=np.int64)},
}
FILES = ["manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"]


def _save(folder: Path, *steps: int, keep: int = 2) -> Path:
    path = folder
    for step in steps:
        path = save(folder, step, tensors=TENSORS, state={"step": step}, keep=keep)
    return path


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[:-1])
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "one bit flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif how == "grown":
        path.write_bytes(data + b"\n")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = save(tmp_path, 200, tensors=TENSORS, state={"seed": 2**70, "names": ["a", None], "x": 0.1})
    assert path == tmp_path / "step-000200"
    found = newest(tmp_path)
    assert found is not None
    assert (found.path, found.step, found.rejected) == (path, 200, ())
    assert found.state == {"seed": 2**70, "names": ["a", None], "x": 0.1}
    assert found.groups == ["model", "optimizer"]
    for group, tensors in TENSORS.items():
        loaded = found.load_tensors(group)
        assert loaded.keys() == tensors.keys()
        for key, tensor in tensors.items():
            assert (loaded[key].dtype, loaded[key].shape) == (tensor.dtype, tensor.shape)
            np.testing.assert_array_equal(loaded[key], tensor)


def test_an_empty_or_missing_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    assert newest(tmp_path / "none") is None


def test_the_newest_is_by_step_number_and_not_by_name_or_time(tmp_path: Path) -> None:
    _save(tmp_path, 999_999, 1_000_000)
    os.utime(tmp_path / "step-1000000", (1, 1))
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 1_000_000


@pytest.mark.parametrize(("keep", "left"), [(2, [4, 5]), (3, [3, 4, 5]), (9, [1, 2, 3, 4, 5])])
def test_the_newest_checkpoints_are_kept_and_the_others_pruned(tmp_path: Path, keep: int, left: list[int]) -> None:
    _save(tmp_path, 1, 2, 3, 4, 5, keep=keep)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"step-{step:06d}" for step in left]


@pytest.mark.parametrize("keep", [1, 0, -1])
def test_keeping_fewer_than_two_is_refused(tmp_path: Path, keep: int) -> None:
    with pytest.raises(ConfigError, match=f"keep={keep}"):
        _save(tmp_path, 1, keep=keep)


def test_pruning_counts_only_complete_checkpoints(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    (tmp_path / "step-000002" / "state.json").unlink()
    _save(tmp_path, 3)
    assert (tmp_path / "step-000001").exists(), "1 and 3 are the two complete ones"


@pytest.mark.parametrize("how", ["deleted", "truncated", "emptied", "one bit flipped", "grown"])
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_falls_back_aloud_to_the_checkpoint_before(tmp_path: Path, name: str, how: str) -> None:
    _save(tmp_path, 1, 2)
    assert sorted(p.name for p in (tmp_path / "step-000002").iterdir()) == FILES
    _damage(tmp_path / "step-000002" / name, how)
    with pytest.warns(CheckpointWarning, match=f"step-000002: .*{name}.*not deleted") as caught:
        found = newest(tmp_path)
    assert len(caught) == 1
    assert found is not None
    assert found.step == 1
    assert found.state == {"step": 1}
    (rejection,) = found.rejected
    assert rejection.path == tmp_path / "step-000002"
    assert rejection.moved_to == tmp_path / "rejected" / "step-000002"
    assert name in rejection.reason
    assert rejection.moved_to.is_dir()
    assert not rejection.path.exists()


def test_when_nothing_verifies_every_one_is_reported_and_none_returned(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    for step in (1, 2):
        (tmp_path / f"step-{step:06d}" / "manifest.json").unlink()
    seen: list[Rejection] = []
    assert newest(tmp_path, warn=seen.append) is None
    assert [r.path.name for r in seen] == ["step-000002", "step-000001"]
    assert sorted(p.name for p in (tmp_path / "rejected").iterdir()) == ["step-000001", "step-000002"]


def test_a_second_rejection_of_the_same_step_does_not_replace_the_first(tmp_path: Path) -> None:
    for content in ("first", "second"):
        _save(tmp_path, 1)
        (tmp_path / "step-000001" / "state.json").write_text(content)
        assert newest(tmp_path, warn=lambda _: None) is None
    shelf = tmp_path / "rejected"
    assert (shelf / "step-000001" / "state.json").read_text() == "first"
    assert (shelf / "step-000001.2" / "state.json").read_text() == "second"


@pytest.mark.parametrize(
    "manifest",
    ["[]", "{}", '{"files": {}}', '{"files": {"a": 1}}', '{"files": []}', "null", "[" * 100_000],
)
def test_a_manifest_of_another_form_is_damage_and_no_crash(tmp_path: Path, manifest: str) -> None:
    path = _save(tmp_path, 1)
    (path / "manifest.json").write_text(manifest)
    damage = find_damage(path)
    assert damage is not None
    assert "manifest.json" in damage


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path, 1)
    manifest = {"files": {name: {"num_bytes": 0, "sha256": ""}}, "format": 1}
    (path / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    assert "lies outside" in str(find_damage(path))


def test_a_required_file_must_be_in_the_manifest(tmp_path: Path) -> None:
    path = _save(tmp_path, 1)
    assert find_damage(path, require=("state.json", "opt*")) is None
    assert find_damage(path, require=("optimizer.pt",)) == "it was saved without optimizer.pt"


def test_a_manifest_covers_subfolders_and_leaves_temporary_files_out(tmp_path: Path) -> None:
    """The digest of "abc" is the example of FIPS 180-4."""
    (tmp_path / "c" / "shards").mkdir(parents=True)
    (tmp_path / "c" / "shards" / "0.bin").write_bytes(b"abc")
    (tmp_path / "c" / ".tmp-x").write_bytes(b"left over")
    write_manifest(tmp_path / "c")
    assert json.loads((tmp_path / "c" / "manifest.json").read_text()) == {
        "format": 1,
        "files": {
            "shards/0.bin": {
                "num_bytes": 3,
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            }
        },
    }


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    path = _save(tmp_path, 1)
    for call in (lambda: newest(tmp_path), lambda: _save(tmp_path, 2)):
        shutil.copytree(path, tmp_path / ".tmp-step-000002-abcd")
        call()
        assert not list(tmp_path.glob(".tmp-*"))


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    save(tmp_path, 2, tensors={}, state={"again": True})
    found = newest(tmp_path)
    assert found is not None
    assert (found.state, found.groups) == ({"again": True}, [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000001", "step-000002"]


def test_saving_before_an_existing_later_step_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, 5)
    with pytest.raises(ConfigError, match="step 3: step-000005 is already there"):
        _save(tmp_path, 3)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_group_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no file name"):
        save(tmp_path, 1, tensors={name: {}}, state={})


@pytest.mark.parametrize("state", [{"x": float("nan")}, {"x": object()}])
def test_state_that_is_not_json_is_refused_before_anything_is_written(tmp_path: Path, state: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        save(tmp_path / "run", 1, tensors=TENSORS, state=state)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("where", ["write_manifest", "rename"])
def test_a_full_disk_leaves_the_earlier_checkpoints_and_no_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    _save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((checkpoint, where) if where == "write_manifest" else (os, where)), full)
    with pytest.raises(ResourceError, match="No space left on device") as caught:
        _save(tmp_path, 2)
    assert "Free some space" in caught.value.remedy
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]
    assert newest(tmp_path) is not None


def test_a_file_size_limit_of_the_kernel_is_a_resource_error(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from reasonry.core.checkpoint import save
from reasonry.errors import ResourceError
save(Path(sys.argv[1]), 1, tensors={"w": {"w": np.zeros(4)}}, state={})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(Path(sys.argv[1]), 2, tensors={"w": {"w": np.zeros(100_000)}}, state={})
except ResourceError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "cannot write checkpoint step-000002" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]


def test_arrays_of_any_memory_layout_keep_their_values(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {
        "transposed": base.T,
        "strided": base[::2, ::3],
        "reversed": base[::-1],
        "fortran": np.asfortranarray(base),
        "big endian": base.astype(">f4"),
        "empty": np.zeros((0, 3)),
        "bool": base > 3,
    }
    save(tmp_path, 1, tensors={"a": arrays}, state={})
    found = newest(tmp_path)
    assert found is not None
    loaded = found.load_tensors("a")
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


@pytest.mark.parametrize("array", [np.array([None]), np.array(["text"]), np.array([b"b"])])
def test_arrays_that_are_not_numbers_are_refused(tmp_path: Path, array: Any) -> None:
    with pytest.raises(TypeError, match="tensor 'x' has dtype"):
        save(tmp_path, 1, tensors={"a": {"x": array}}, state={})
    assert list(tmp_path.iterdir()) == []


def test_a_shared_array_is_stored_once_and_shared_when_loaded(tmp_path: Path) -> None:
    big = np.zeros((100, 100))
    path = save(tmp_path, 1, tensors={"a": {"embed": big, "head": big, "part": big[:50]}}, state={})
    assert (path / "a.safetensors").stat().st_size < 1.6 * big.nbytes
    found = newest(tmp_path)
    assert found is not None
    loaded = found.load_tensors("a")
    assert loaded["embed"] is loaded["head"]
    assert loaded["part"].shape == (50, 100)


def test_an_unknown_group_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    found = newest(tmp_path)
    assert found is not None
    with pytest.raises(DataError, match="'modle'") as caught:
        found.load_tensors("modle")
    assert "['model', 'optimizer']" in caught.value.remedy


def test_torch_tensors_keep_dtype_and_ties_and_views_keep_their_values(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.arange(6, dtype=torch.float32).reshape(2, 3))
    half = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    group = {"embed": weight, "head": weight, "row": weight[1], "transposed": weight.T, "half": half}
    save(tmp_path, 1, tensors={"m": {**group, "mixed": np.array([7])}}, state={})
    found = newest(tmp_path)
    assert found is not None
    loaded = found.load_tensors("m", "torch")
    for name, tensor in group.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name
    assert loaded["embed"] is loaded["head"]
    assert loaded["mixed"].tolist() == [7]


def test_bfloat16_as_numpy_is_refused_with_the_remedy_or_loaded_exactly(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save(tmp_path, 1, tensors={"m": {"half": torch.tensor([1.5], dtype=torch.bfloat16)}}, state={})
    found = newest(tmp_path)
    assert found is not None
    with pytest.raises(DataError, match="'half'") as caught:
        found.load_tensors("m", "numpy")
    assert 'framework="torch"' in caught.value.remedy


def test_importing_the_storage_modules_imports_no_heavy_package() -> None:
    modules = "jsonl, lock, checkpoint, hf_checkpoint"
    heavy = "{'torch', 'transformers', 'numpy', 'safetensors', 'accelerate'}"
    code = f"import sys\nfrom reasonry.core import {modules}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
