import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reasonry.core import lock
from reasonry.core.lock import RunLock
from reasonry.errors import ResourceError

HOLD = """
import sys, time
from reasonry.core.lock import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def _hold(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_process_is_refused_and_told_the_pid_host_and_command_of_the_first(tmp_path: Path) -> None:
    child = _hold(tmp_path)
    try:
        with pytest.raises(ResourceError) as caught:
            RunLock(tmp_path).acquire()
        assert f"process {child.pid} on {os.uname().nodename}" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
        assert "(-c " in str(caught.value), "the command that holds it"
        assert caught.value.remedy
        assert caught.value.exit_code == 5
    finally:
        child.kill()
        child.wait()


def test_sigkill_of_the_holder_frees_the_lock(tmp_path: Path) -> None:
    child = _hold(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with RunLock(tmp_path) as held:
        assert held.is_held


def test_an_orphan_forked_by_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = """
import os, sys, time
from reasonry.core.lock import RunLock
with RunLock(sys.argv[1]):
    pid = os.fork()
    if pid == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    try:
        parent.kill()
        parent.wait()
        os.kill(orphan, 0)  # it is alive
        with RunLock(tmp_path):
            pass
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_forked_child_that_ends_does_not_free_the_lock_of_its_parent(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        with pytest.raises(ResourceError):
            RunLock(tmp_path).acquire()


def test_the_same_process_cannot_take_it_twice_and_can_take_it_again_after_release(tmp_path: Path) -> None:
    first = RunLock(tmp_path)
    first.acquire()
    with pytest.raises(ResourceError, match=f"process {os.getpid()} "):
        RunLock(tmp_path).acquire()
    first.release()
    first.release()
    with RunLock(tmp_path):
        pass


def test_the_run_directory_is_made(tmp_path: Path) -> None:
    with RunLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / lock.LOCK_NAME).exists()


def test_an_exception_inside_releases_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        raise ZeroDivisionError
    RunLock(tmp_path).acquire()


def test_a_holder_that_has_not_written_its_name_yet_is_still_an_error(tmp_path: Path) -> None:
    child = _hold(tmp_path)
    try:
        (tmp_path / lock.LOCK_NAME).write_text("")
        with pytest.raises(ResourceError, match="in use by another process"):
            RunLock(tmp_path).acquire()
    finally:
        child.kill()
        child.wait()


def test_a_path_that_is_a_file_is_an_error_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(ResourceError, match="run"):
        RunLock(tmp_path / "run").acquire()


def test_a_platform_without_file_locks_is_said_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    with pytest.warns(RuntimeWarning, match="no flock"), RunLock(tmp_path) as held:
        assert not held.is_held


def test_taking_a_lock_never_waits(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        begin = time.monotonic()
        with pytest.raises(ResourceError):
            RunLock(tmp_path).acquire()
        assert time.monotonic() - begin < 1.0
