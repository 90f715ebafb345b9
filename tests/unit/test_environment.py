"""What a run records about the machine: enough to explain a difference, nothing that is private."""

import importlib.metadata
import json
import platform
import socket
import subprocess
from pathlib import Path

import pytest

import reasonry
from reasonry.core import environment


def _git(folder: Path, *args: str) -> str:
    who = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *args], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up checkout that environment.py believes it runs from."""
    home = tmp_path / "src" / "reasonry" / "core"
    home.mkdir(parents=True)
    (home / "environment.py").write_text("# a file\n", "utf-8")
    monkeypatch.setattr(environment, "__file__", str(home / "environment.py"))
    return tmp_path


def test_versions_name_python_reasonry_and_what_is_installed() -> None:
    found = environment.versions()
    assert found["python"] == platform.python_version()
    assert found["reasonry"] == reasonry.__version__
    assert found["numpy"] == importlib.metadata.version("numpy")


def test_versions_leave_out_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "numpy":
            return "9.9.9"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert environment.versions() == {
        "python": platform.python_version(),
        "reasonry": reasonry.__version__,
        "numpy": "9.9.9",
    }


def test_the_commit_is_none_outside_a_checkout(checkout: Path) -> None:
    assert environment.source_commit() is None


def test_the_commit_is_none_before_the_first_one(checkout: Path) -> None:
    _git(checkout, "init", "-q")
    assert environment.source_commit() is None


def test_the_commit_is_none_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git(checkout, "init", "-q")
    monkeypatch.setenv("PATH", "")
    assert environment.source_commit() is None


def test_the_commit_says_when_tracked_files_were_changed(checkout: Path) -> None:
    _git(checkout, "init", "-q")
    _git(checkout, "add", ".")
    _git(checkout, "commit", "-q", "-m", "first")
    head = _git(checkout, "rev-parse", "HEAD")
    assert environment.source_commit() == head
    (checkout / "notes.txt").write_text("untracked: changes no result\n", "utf-8")
    assert environment.source_commit() == head
    (checkout / "src" / "reasonry" / "core" / "environment.py").write_text("# changed\n", "utf-8")
    assert environment.source_commit() == f"{head}+dirty"


def test_the_machine_class_says_cores_architecture_and_memory_and_not_the_host_name() -> None:
    shown = environment.machine_class()
    assert platform.machine() in shown
    assert "cores" in shown
    assert shown.endswith(" GiB")
    assert socket.gethostname() not in shown


def test_env_json_holds_seed_and_determinism_and_no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONRY_TEST_KEY", "canary-3b1f0c5d")
    found = environment.describe(seed=7, determinism="sample-stable")
    assert found["seed"] == 7
    assert found["determinism"] == "sample-stable"
    assert found.keys() == {"versions", "commit", "platform", "machine", "seed", "determinism"}
    text = json.dumps(found, allow_nan=False)
    assert "canary-3b1f0c5d" not in text
    assert "REASONRY_TEST_KEY" not in text
