"""One writer per run directory: an exclusive advisory lock that the kernel releases when its holder dies.

``flock(2)`` belongs to the open file, so SIGKILL, a crash or a reboot frees it and no stale lock can be left
behind; the name of the holder in the lock file is only for the message. A forked child (a data loader worker)
would inherit the open file and keep the lock alive after its parent's death, so children close it at once.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from reasonry.errors import ResourceError

try:
    import fcntl
except ImportError:  # a platform without POSIX file locks
    fcntl = None

LOCK_NAME = ".lock"
_MAX_COMMAND_CHARS = 200


class Holder(NamedTuple):
    """The process that holds a lock, as it named itself."""

    pid: int
    host: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command})"


def _this_process() -> Holder:
    return Holder(os.getpid(), socket.gethostname(), shlex.join(sys.argv)[:_MAX_COMMAND_CHARS])


def _read_holder(fd: int) -> Holder | None:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        return Holder(**json.loads(os.read(fd, 65536)))
    except (OSError, ValueError, TypeError):  # it has the lock and has not yet written its name
        return None


class RunLock:
    """Exclusive lock on a run directory; a context manager, not reentrant.

    Args:
        path: The run directory; made when missing. The lock is the file ``.lock`` in it, which stays there
            after release (removing it would let two processes lock two files of the same name).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._fd: int | None = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock (never on a platform without file locks)."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock, or fail at once; it never waits.

        Raises:
            ResourceError: Another live process (or another `RunLock` of this one) holds it, and which; or the
                directory is not writable, or its file system has no locks.
        """
        assert self._fd is None, "RunLock is not reentrant"
        if fcntl is None:
            warnings.warn(
                f"{self.path}: this platform has no flock, so nothing stops a second process from writing to "
                "the same run directory; make sure that only one does.",
                RuntimeWarning,
                stacklevel=3,
            )
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as e:
            raise ResourceError(
                f"cannot make the lock file: {e.strerror or e}",
                place=str(self.path / LOCK_NAME),
                remedy="Choose a run directory you may write to.",
            ) from e
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(_this_process()._asdict()).encode("utf-8"), 0)
        except OSError as e:
            error = self._error(fd, e)
            os.close(fd)
            raise error from e
        self._fd = fd
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            self._close()
            _held.discard(self)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _error(self, fd: int, e: OSError) -> ResourceError:
        if e.errno in (errno.EWOULDBLOCK, errno.EACCES):
            holder = _read_holder(fd)
            return ResourceError(
                f"run directory is in use by {holder or 'another process'}",
                place=str(self.path),
                remedy="Wait until it ends or stop it, or choose another run directory.",
            )
        return ResourceError(
            f"cannot lock the run directory: {e.strerror or e}",
            place=str(self.path),
            remedy="Its file system may have no file locks; choose a run directory on a local disk.",
        )


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_held):
        lock._close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
