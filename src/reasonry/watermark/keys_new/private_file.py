"""A file that only its owner can read: mode 0600 from its first moment, replaced as a whole, one writer at a time.

`reasonry.core.atomic` makes its files with the user's umask, usually readable by everybody; between that and a chmod
anyone could open them. Here the temporary file is created with O_EXCL and mode 0600, so the secret is never in a file
that others can open, and the rename keeps the mode.
"""

# pyright: strict
from __future__ import annotations

import contextlib
import glob
import os
import shlex
import stat
from collections.abc import Generator
from pathlib import Path

from reasonry.core import atomic
from reasonry.errors import ConfigError, ResourceError, UnsafeArtifactError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_OTHERS = 0o077


def read_private(path: Path) -> bytes:
    """The content of a private file.

    Raises:
        ConfigError: There is no such file, or it cannot be read.
        ResourceError: The platform has no POSIX permissions.
        UnsafeArtifactError: Group or others may open it.
    """
    _need_posix(path)
    try:
        with open(path, "rb") as f:
            mode = stat.S_IMODE(os.fstat(f.fileno()).st_mode)  # of the file that is read, not of one put in its place
            if not mode & _OTHERS:
                return f.read()
    except FileNotFoundError:
        raise ConfigError(
            "no such key ring", place=str(path), remedy="Make one with `reasonry watermark key new`."
        ) from None
    except OSError as e:
        raise ConfigError(f"cannot read the key ring: {e.strerror or e}", place=str(path)) from e
    raise UnsafeArtifactError(
        f"the key ring can be opened by other users (mode {mode:04o})",
        place=str(path),
        remedy=f"Run: chmod 600 {shlex.quote(str(path))}  If anyone else uses this machine, then also make a new key "
        "and retire the old ones.",
    )


def write_private(path: Path, data: bytes) -> None:
    """Replace a private file atomically; call it inside `writing`.

    Raises:
        ResourceError: The folder is not writable or the disk is full; the old file is then as it was.
    """
    tmp = atomic.tmp_sibling(path)
    try:
        for left in path.parent.glob(
            f"{atomic.TMP_PREFIX}{glob.escape(path.name)}-*"
        ):  # by a killed writer, with secrets in it
            left.unlink()
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with open(fd, "wb") as f:
            os.fchmod(fd, PRIVATE_FILE)  # a umask may have taken the owner's bits away
            f.write(data)
            f.flush()
            os.fsync(fd)
        os.replace(tmp, path)
        atomic.fsync_dir(path.parent)
    except BaseException as e:
        del data  # error trackers record the locals of every frame
        with contextlib.suppress(OSError):
            tmp.unlink()
        if not isinstance(e, OSError):
            raise
        raise ResourceError(
            f"cannot write the key ring: {e.strerror or e}",
            place=str(path),
            remedy="Free some space or choose another file; what was there before is unharmed.",
        ) from e


@contextlib.contextmanager
def writing(path: Path) -> Generator[Path, None, None]:
    """Hold the file for one reader and writer; waits for another one, which takes milliseconds.

    Missing folders are made, the last one with mode 0700. The lock lies beside the file and stays there.

    Yields:
        The file itself: where ``path`` is a symbolic link, what it points to, so that a link stays a link.

    Raises:
        ResourceError: The folder cannot be made or written, or the platform has no POSIX permissions.
    """
    _need_posix(path)
    import fcntl

    target = Path(os.path.realpath(path))
    try:
        target.parent.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        fd = os.open(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as e:
        raise ResourceError(
            f"cannot write beside the key ring: {e.strerror or e}",
            place=str(path),
            remedy="Choose a file in a folder of your own with --ring.",
        ) from e
    try:
        try:
            os.fchmod(fd, PRIVATE_FILE)
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as e:
            raise ResourceError(
                f"cannot lock the key ring: {e.strerror or e}",
                place=str(path),
                remedy="Its file system may have no file locks; choose a file on a local disk with --ring.",
            ) from e
        yield target
    finally:
        os.close(fd)


def _need_posix(path: Path) -> None:
    if os.name != "posix":
        raise ResourceError(
            "a key ring file needs POSIX permissions, which this platform lacks",
            place=str(path),
            remedy="Keep the ring in a secret store and pass it in the environment variable REASONRY_WATERMARK_KEYS.",
        )
