"""A folder that appears whole or not at all, in place of the one that was there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from reasonry.core.atomic import fsync_dir, tmp_sibling
from reasonry.errors import ResourceError


@contextlib.contextmanager
def whole_folder(target: Path, what: str) -> Iterator[Path]:
    """A new folder to write into, which takes the place of ``target`` at the end of the block.

    Args:
        target: Where it will stand. What is there is replaced, and is put back if that fails.
        what: Named in errors: "the model".

    Raises:
        ResourceError: The disk is full or not writable; ``target`` is then as it was.
    """
    tmp, old = tmp_sibling(target), tmp_sibling(target)
    try:
        tmp.mkdir(parents=True)
        yield tmp
        if target.exists():
            os.rename(target, old)
        os.rename(tmp, target)
        fsync_dir(target.parent)
    except (OSError, SafetensorError) as e:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise ResourceError(f"cannot save {what}: {e}", place=str(target), remedy="Free some space.") from e
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
