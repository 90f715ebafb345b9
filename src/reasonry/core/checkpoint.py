"""Checkpoints that are complete or not there: staged beside the target, hashed, fsynced, renamed.

    folder/step-000200/<group>.safetensors ...   tensors, one file per group
                       state.json                counters, generator states, whatever is JSON
                       manifest.json             size and SHA-256 of every other file
    folder/rejected/step-000190/                 what failed verification: moved aside, never deleted

`save` writes into a ``.tmp-*`` sibling, fsyncs each file and the folder, renames, and fsyncs the parent; a
killed writer leaves a temporary folder that the next call sweeps. "Latest" is no symlink: `newest` computes
it as the highest step whose manifest verifies, byte for byte. At least two checkpoints are kept, so that
damage to the newest costs steps and not the run. Hold the run's lock around both.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from reasonry.core.atomic import TMP_PREFIX, fsync_dir, sweep, tmp_sibling, write_text
from reasonry.errors import ConfigError, DataError, ResourceError

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = torch.Tensor | np.ndarray

MANIFEST = "manifest.json"
STATE = "state.json"
REJECTED = "rejected"
_STEP = re.compile(r"step-(\d+)")
_ALIASES = "reasonry_aliases"

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class CheckpointWarning(UserWarning):
    """A checkpoint was not usable and has been moved aside."""


class Rejection(NamedTuple):
    """A checkpoint that failed verification: where it was, where it is now, and why."""

    path: Path
    moved_to: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: not resumed from: {self.reason}. Moved to {self.moved_to}, not deleted."


# --- manifests: also used for checkpoints that another library wrote ----------------------------------


def _files(folder: Path) -> list[Path]:
    """Files under a checkpoint, in a stable order, without its manifest and temporary leftovers."""
    found = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(TMP_PREFIX))
    return sorted(p for p in found if p != folder / MANIFEST)


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _fsync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _manifest_text(entries: Mapping[str, Any]) -> str:
    return json.dumps({"format": 1, "files": entries}, indent=2, sort_keys=True) + "\n"


def write_manifest(folder: Path) -> None:
    """Vouch for the files now in ``folder``: fsync them all, then write ``manifest.json`` last, atomically.

    Raises:
        ResourceError: The disk is full or the folder is not writable; there is then no manifest.
    """
    try:
        entries: dict[str, dict[str, int | str]] = {}
        for path in _files(folder):
            _fsync_file(path)
            name = path.relative_to(folder).as_posix()
            entries[name] = {"num_bytes": path.stat().st_size, "sha256": _sha256(path)}
        for inner in (p for p in folder.rglob("*") if p.is_dir()):
            fsync_dir(inner)
    except OSError as e:
        raise ResourceError(
            f"cannot write the checkpoint to disk: {e.strerror or e}",
            place=str(folder),
            remedy="Free some space, then run the same command again; the checkpoint before is intact.",
        ) from e
    write_text(folder / MANIFEST, _manifest_text(entries))
    fsync_dir(folder.parent)


def find_damage(folder: Path, *, require: Iterable[str] = (), check_hashes: bool = True) -> str | None:
    """Why a checkpoint folder must not be used, or None when its manifest verifies.

    Every file of the manifest must be there with its exact size and SHA-256. Files it does not name are
    ignored.

    Args:
        folder: The checkpoint.
        require: Patterns (``rng_state*``), each of which must match a file of the manifest.
        check_hashes: False compares sizes only: fast, blind to flipped bits.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
        entries = json.loads(text)["files"]
        recorded = {str(name): (int(e["num_bytes"]), str(e["sha256"])) for name, e in entries.items()}
        if text != _manifest_text(entries):
            return f"{MANIFEST} is damaged"
    except FileNotFoundError:
        return f"{MANIFEST} is missing (its writer was killed before it finished, or was not ours)"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{MANIFEST} is damaged"
    except OSError as e:
        return f"{MANIFEST} cannot be read: {e.strerror or e}"
    if not recorded:
        return f"{MANIFEST} names no file"
    for pattern in require:
        if not any(fnmatchcase(name, pattern) for name in recorded):
            return f"it was saved without {pattern}"
    for name, (num_bytes, sha256) in recorded.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            return f"{MANIFEST} names {name!r}, which lies outside the checkpoint"
        try:
            num_found = (folder / name).stat().st_size
            if num_found != num_bytes:
                return f"{name} has {num_found} bytes instead of {num_bytes}"
            if check_hashes and _sha256(folder / name) != sha256:
                return f"{name} is damaged (its SHA-256 differs from {MANIFEST})"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as e:
            return f"{name} cannot be read: {e.strerror or e}"
    return None


def move_aside(folder: Path, reason: str) -> Rejection:
    """Move a checkpoint to ``rejected/`` beside it, under a free name; only temporary leftovers are lost."""
    sweep(folder)
    shelf = folder.parent / REJECTED
    shelf.mkdir(exist_ok=True)
    target = shelf / folder.name
    number = 1
    while target.exists():
        number += 1
        target = shelf / f"{folder.name}.{number}"
    os.rename(folder, target)
    fsync_dir(shelf)
    fsync_dir(folder.parent)
    return Rejection(folder, target, reason)


def warn_rejected(rejection: Rejection) -> None:
    """The default hook for rejected checkpoints: a Python warning of category `CheckpointWarning`."""
    warnings.warn(str(rejection), CheckpointWarning, stacklevel=3)


# --- our own checkpoints ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk; its files were verified when `newest` returned it.

    Attributes:
        path: Its folder.
        step: The step it was saved at.
        rejected: Newer checkpoints that failed verification, newest first.
    """

    path: Path
    step: int
    rejected: tuple[Rejection, ...] = ()

    @property
    def state(self) -> dict[str, Any]:
        """What was passed as ``state``, read from disk."""
        return json.loads((self.path / STATE).read_bytes())

    @property
    def groups(self) -> list[str]:
        """Names of the tensor groups, sorted."""
        return sorted(p.stem for p in self.path.glob("*.safetensors"))

    def load_tensors(self, name: str, framework: Literal["numpy", "torch"] = "numpy") -> dict[str, Any]:
        """The tensors of a group, by name, on the CPU. Tensors that were one when saved are one again.

        Raises:
            DataError: There is no such group, or NumPy has no such dtype (``bfloat16``: load with torch).
        """
        file = self.path / f"{name}.safetensors"
        if not file.is_file():
            raise DataError(f"no tensor group {name!r}", place=str(self.path), remedy=f"It has {self.groups}.")
        from safetensors import safe_open

        tensors: dict[str, Any] = {}
        with safe_open(file, framework="pt" if framework == "torch" else "numpy") as f:
            aliases: dict[str, str] = json.loads((f.metadata() or {}).get(_ALIASES, "{}"))
            for key in f.keys():  # noqa: SIM118  (safe_open is no mapping)
                try:
                    tensors[key] = f.get_tensor(key)
                except (TypeError, AttributeError) as e:
                    raise DataError(
                        f"tensor {key!r} has a dtype that {framework} lacks: {e}",
                        place=str(file),
                        remedy='Load it with framework="torch".',
                    ) from e
        for alias, key in aliases.items():
            tensors[alias] = tensors[key]
        return tensors


def _write_group(file: Path, tensors: Mapping[str, Array]) -> None:
    """Write one safetensors file. Exact aliases (tied weights) are stored once and named in the metadata."""
    first: dict[tuple[object, ...], str] = {}
    aliases: dict[str, str] = {}
    stored: dict[str, Any] = {}
    torch: Any = sys.modules.get("torch")  # no torch tensor can exist without it
    is_torch = torch is not None and any(isinstance(t, torch.Tensor) for t in tensors.values())
    for key, value in tensors.items():
        tensor: Any = value
        if torch is not None and isinstance(tensor, torch.Tensor):
            if hasattr(tensor, "full_tensor"):
                raise TypeError(f"tensor {key!r} is sharded over devices; gather it first: full_tensor()")
            tensor = tensor.detach()
            identity = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
            is_empty = tensor.numel() == 0
        else:
            import numpy as np

            tensor = np.asarray(tensor, order="C")
            if tensor.dtype.hasobject or tensor.dtype.kind in "SUVMm":
                raise TypeError(f"tensor {key!r} has dtype {tensor.dtype}; only numbers and booleans are stored")
            tensor = tensor.astype(tensor.dtype.newbyteorder("="), copy=False)
            identity = (tensor.__array_interface__["data"], tensor.shape, tensor.strides, tensor.dtype.str)
            is_empty = tensor.size == 0
        if not is_empty and identity in first:
            aliases[key] = first[identity]
            continue
        first[identity] = key
        stored[key] = tensor
    metadata = {_ALIASES: json.dumps(aliases, sort_keys=True)} if aliases else None
    if is_torch and torch is not None:
        from safetensors.torch import save_file

        # A clone gives overlapping views storages of their own: each keeps its values.
        stored = {k: t if isinstance(t, torch.Tensor) else torch.from_numpy(t) for k, t in stored.items()}
        save_file({k: t.cpu().contiguous().clone() for k, t in stored.items()}, file, metadata)
    else:
        from safetensors.numpy import save_file

        save_file(stored, file, metadata)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """(step, path) of what is named like a checkpoint, newest first."""
    found = ((_STEP.fullmatch(p.name), p) for p in folder.glob("step-*") if p.is_dir())
    return sorted(((int(m[1]), p) for m, p in found if m), reverse=True)


def retire(folder: Path) -> None:
    """Delete a checkpoint so that no instant shows half of it: it is renamed to a temporary name first."""
    tmp = tmp_sibling(folder)
    os.rename(folder, tmp)
    shutil.rmtree(tmp)


def save(
    folder: Path,
    step: int,
    *,
    tensors: Mapping[str, Mapping[str, Array]],
    state: Mapping[str, Json],
    keep: int = 2,
) -> Path:
    """Write the checkpoint of a step, atomically, then delete all but the newest ``keep`` complete ones.

    Args:
        folder: Where the checkpoints of this run stand; made when missing.
        step: Steps done, >= 0. A checkpoint of the same step is replaced.
        tensors: Group name -> tensor name -> torch tensor (any device) or NumPy array. Tied tensors are
            stored once and tied again by `Checkpoint.load_tensors`.
        state: JSON without NaN: counters, configuration hash, generator states.
        keep: Complete checkpoints to keep, >= 2.

    Returns:
        The folder of the new checkpoint.

    Raises:
        ConfigError: ``keep`` < 2, a bad group name, or ``folder`` holds checkpoints of later steps.
        ResourceError: The disk is full or not writable; the earlier checkpoints are untouched.
        TypeError, ValueError: ``state`` is not JSON, or a tensor has a dtype that safetensors lacks.
    """
    if keep < 2:
        raise ConfigError(
            f"keep={keep} would leave no checkpoint to fall back to when the newest is damaged",
            remedy="Keep 2 or more.",
        )
    assert step >= 0, step
    for name in tensors:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise ConfigError(f"tensor group {name!r} is no file name", remedy="Use letters, digits, '_', '-', '.'.")
    text = json.dumps(state, sort_keys=True, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)
    later = [p.name for s, p in _numbered(folder) if s > step]
    if later:
        raise ConfigError(
            f"cannot save step {step}: {later[0]} is already there and would be taken for the newest",
            place=str(folder),
            remedy="Continue from the newest checkpoint, or write to another folder.",
        )
    sweep(folder)
    target = folder / f"step-{step:06d}"
    tmp = tmp_sibling(target)
    from safetensors import SafetensorError

    try:
        tmp.mkdir()
        for name, group in tensors.items():
            _write_group(tmp / f"{name}.safetensors", group)
        (tmp / STATE).write_text(text, encoding="utf-8")
        write_manifest(tmp)
        if target.exists():
            retire(target)
        os.rename(tmp, target)
        fsync_dir(folder)
    except (OSError, SafetensorError, ResourceError) as e:
        shutil.rmtree(tmp, ignore_errors=True)
        raise ResourceError(
            f"cannot write checkpoint {target.name}: {e}",
            place=str(folder),
            remedy="Free some space, then run the same command again; the checkpoint before is intact.",
        ) from e
    except BaseException:
        shutil.rmtree(tmp, ignore_errors=True)
        raise
    complete = [p for _, p in _numbered(folder) if find_damage(p, check_hashes=False) is None]
    for old in complete[keep:]:
        retire(old)
    return target


def newest(folder: Path, *, warn: Callable[[Rejection], None] = warn_rejected) -> Checkpoint | None:
    """The newest checkpoint whose every byte verifies, or None when there is none.

    Newer ones that do not verify are reported through ``warn``, moved to ``folder/rejected/`` and listed in
    ``Checkpoint.rejected``. Temporary leftovers of killed writers are swept.
    """
    if not folder.is_dir():
        return None
    sweep(folder)
    rejected: list[Rejection] = []
    for step, path in _numbered(folder):
        damage = find_damage(path, require=(STATE,))
        if damage is None:
            return Checkpoint(path, step, tuple(rejected))
        rejected.append(move_aside(path, damage))
        warn(rejected[-1])
    return None
