"""Writes that either happened or did not: temporary sibling, fsync, rename, fsync of the folder.

A process killed at any instant leaves the old file or the new one, never half of either. The temporary file of a
killed process is removed by the next writer of the same target (`sweep`).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from reasonry.errors import ResourceError

TMP_PREFIX = ".tmp-"


def fsync_dir(folder: Path) -> None:
    """Make a rename or a new entry in ``folder`` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def tmp_sibling(target: Path) -> Path:
    """A fresh temporary name beside ``target``, on the same file system, so that rename is atomic."""
    return target.with_name(f"{TMP_PREFIX}{target.name}-{secrets.token_hex(4)}")


def write_bytes(target: Path, data: bytes) -> None:
    """Replace ``target`` by ``data`` atomically.

    Raises:
        ResourceError: The disk is full or the folder is not writable; ``target`` is then as it was.
    """
    tmp = tmp_sibling(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(tmp, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(tmp, target)
        fsync_dir(target.parent)
    except BaseException as e:  # Ctrl-C included: outside a run directory nobody would sweep the temporary file
        with contextlib.suppress(OSError):
            tmp.unlink()
        if not isinstance(e, OSError):
            raise
        is_full = e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "Free some space or choose another folder" if is_full else "Choose another file or folder"
        raise ResourceError(
            f"cannot write {len(data)} bytes: {e.strerror or e}",
            place=str(target),
            remedy=f"{advice}, then run the same command again; the finished part is kept.",
        ) from e


def write_text(target: Path, text: str) -> None:
    """Replace ``target`` by ``text`` (UTF-8) atomically."""
    write_bytes(target, text.encode("utf-8"))


def write_json(target: Path, value: Any) -> None:
    """Replace ``target`` by ``value`` as indented JSON with a stable key order. NaN is refused."""
    write_text(target, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def sweep(folder: Path) -> list[Path]:
    """Remove temporary files that killed writers left directly in ``folder``; returns what was removed.

    Call it only while holding the run's lock: another live writer's temporary file looks the same.

    Raises:
        ResourceError: One cannot be removed.
    """
    removed: list[Path] = []
    try:
        for path in sorted(folder.glob(f"{TMP_PREFIX}*")):
            if path.is_dir() and not path.is_symlink():  # what a link points to is not ours
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path)
    except OSError as e:
        raise ResourceError(
            f"cannot remove what an interrupted run left: {e.strerror or e}",
            place=str(folder),
            remedy=f"Remove the files {TMP_PREFIX}* there, or choose another folder.",
        ) from e
    return removed
