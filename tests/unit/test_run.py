"""Run directories: who may continue what, and that a refusal changes nothing."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest

from reasonry.core import config, environment, flags
from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.run import Run, default_folder, read_json
from reasonry.errors import ConfigError, DataError, ResourceError, RunMismatchError


class Inner(Config):
    """A table."""

    rate: float = 0.5
    """Matters."""
    workers: Annotated[int, Neutral] = 1
    """Does not."""


class Settings(Config):
    """A run's settings."""

    task: str = "sums"
    """Matters."""
    seed: int = 0
    """Matters."""
    n: Annotated[int, Extends] = 4
    """May grow."""
    limit: Annotated[int | None, Extends] = None
    """May grow; None is no limit."""
    run: Annotated[Path | None, Neutral] = None
    """Does not matter."""
    inner: Inner = Inner()


def opened(folder: Path, verb: str = "solve", warn=lambda line: None, **changes: object) -> Run:
    return Run(verb, Settings().with_(**changes), folder=folder, seed=0, warn=warn)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file but the lock, which every visitor takes."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    before = snapshot(folder)
    yield
    assert snapshot(folder) == before


# ---------------------------------------------------------------- new, continued, extended


def test_a_new_run_holds_config_and_marker(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "run") as run:
        assert run.state == "new"
    assert set(snapshot(run.folder)) == {"config.toml", "run.json"}
    marker = read_json(run.path("run.json"))
    assert marker == {"verb": "solve", "fingerprint": config.fingerprint(Settings()), "format": 1}


def test_the_same_command_continues_and_changes_no_file(tmp_path: Path) -> None:
    with opened(tmp_path / "run"):
        pass
    with unchanged(tmp_path / "run"), opened(tmp_path / "run") as run:
        assert run.state == "continued"


def test_settings_that_cannot_change_a_result_continue_the_run(tmp_path: Path) -> None:
    with opened(tmp_path / "run"):
        pass
    with opened(tmp_path / "run", inner={"workers": 8}, run=Path("elsewhere")) as run:
        assert run.state == "continued"


def test_settings_that_grow_extend_the_run_and_are_remembered(tmp_path: Path) -> None:
    with opened(tmp_path / "run", limit=5):
        pass
    marker = (tmp_path / "run" / "run.json").read_bytes()
    for changes in ({"limit": 5, "n": 8}, {"limit": 9, "n": 8}, {"n": 8}):
        with opened(tmp_path / "run", **changes) as run:
            assert run.state == "extended"
    assert config.read_toml(run.path("config.toml"))["n"] == 8
    assert run.path("run.json").read_bytes() == marker
    with pytest.raises(RunMismatchError, match=r"n: 8 -> 4  \(may grow, not shrink\)"):
        opened(tmp_path / "run").__enter__()


def test_another_config_is_refused_with_every_difference_and_nothing_changes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with opened(folder, n=4, limit=10):
        pass
    (folder / ".tmp-left-by-a-killed-writer").touch()
    with unchanged(folder), pytest.raises(RunMismatchError) as caught:
        opened(folder, task="products", seed=3, n=2, limit=20, inner={"rate": 0.25, "workers": 9}).__enter__()
    lines = caught.value.problem.split("\n")[1:]
    assert [line.strip() for line in lines] == [
        "task: 'sums' -> 'products'",
        "seed: 0 -> 3",
        "n: 4 -> 2  (may grow, not shrink)",
        "inner.rate: 0.5 -> 0.25",
    ]
    assert caught.value.place == str(folder) and "Nothing was changed" in caught.value.remedy
    with opened(folder, n=4, limit=10) as run:  # and the lock was given back
        assert run.state == "continued" and not list(folder.glob(".tmp-*"))


def test_the_run_of_another_verb_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "run"):
        pass
    with unchanged(tmp_path / "run"), pytest.raises(RunMismatchError, match="'reasonry solve', not 'reasonry plan'"):
        opened(tmp_path / "run", verb="plan").__enter__()


def test_a_config_edited_by_hand_is_refused_even_by_the_command_it_now_says(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with opened(folder):
        pass
    text = (folder / "config.toml").read_text().replace("rate = 0.5", "rate = 0.25")
    (folder / "config.toml").write_text(text)
    for rate in (0.25, 0.5):
        with unchanged(folder), pytest.raises(RunMismatchError, match="did not begin with this config"):
            opened(folder, inner={"rate": rate}).__enter__()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.toml", "n = ", "config cannot be read"),
        ("config.toml", "colour = 3\n", "unknown key 'colour'"),
        ("config.toml", None, "config cannot be read"),
        ("run.json", "{", "cannot be read"),
        ("run.json", "[1]", "holds list, not an object"),
        ("run.json", '{"name": "of another program"}', "not that of a run"),
        ("run.json", '{"verb": "solve", "fingerprint": "x", "format": 99}', "format 99, this version reads 1"),
    ],
)
def test_damaged_marks_are_named_and_left_alone(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    folder = tmp_path / "run"
    with opened(folder):
        pass
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with unchanged(folder), pytest.raises((ConfigError, DataError), match=message) as caught:
        opened(folder).__enter__()
    assert name in str(caught.value)


# ---------------------------------------------------------------- what is not a run


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with unchanged(tmp_path), pytest.raises(ConfigError, match="not a run directory"):
        opened(tmp_path).__enter__()
    assert not (tmp_path / ".lock").exists()


def test_a_config_written_by_hand_is_not_taken_for_the_remains_of_a_run(tmp_path: Path) -> None:
    for text in ("# my settings\nseed = 3\n", "not even TOML", "[tool.other]\nx = 1\n"):
        (tmp_path / "config.toml").write_text(text)
        with unchanged(tmp_path), pytest.raises(ConfigError, match="not a run directory"):
            opened(tmp_path).__enter__()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("precious")
    with unchanged(tmp_path), pytest.raises(ConfigError, match="is a file"):
        opened(tmp_path / "run").__enter__()


def test_a_folder_that_cannot_be_made_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot use this as run directory") as caught:
        opened(tmp_path / "file" / "run").__enter__()
    assert "--run" in caught.value.remedy


@contextmanager
def as_nobody(*folders: Path) -> Iterator[None]:
    """Root may write anywhere, so be somebody else; ``folders`` are then open to everybody for reading."""
    if os.geteuid() != 0:
        yield
        return
    for folder in folders:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_parent_is_a_resource_error(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o555)
    with as_nobody(tmp_path, tmp_path.parent), pytest.raises(ResourceError) as caught:
        opened(parent / "run").__enter__()
    assert caught.value.problem == "cannot use this as run directory: Permission denied"
    assert caught.value.place == str(parent / "run") and "--run" in caught.value.remedy
    assert not (parent / "run").exists()


def test_a_folder_that_may_not_be_read_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "closed" / "run").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    try:
        with (
            as_nobody(tmp_path, tmp_path.parent),
            pytest.raises(ResourceError, match="run directory: Permission denied"),
        ):
            opened(tmp_path / "closed" / "run").__enter__()
    finally:
        (tmp_path / "closed").chmod(0o755)


@pytest.mark.parametrize(
    "left",
    [(), (".lock",), (".tmp-config.toml-1a2b",), ("config.toml",), (".lock", ".tmp-run.json-1a2b", "config.toml")],
)
def test_a_run_killed_before_its_marker_is_taken_over(tmp_path: Path, left: tuple[str, ...]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in left:
        (folder / name).write_text(config.dump_toml(Settings(seed=9)) if name == "config.toml" else "half of i")
    with opened(folder) as run:
        assert run.state == "new"
    assert set(snapshot(folder)) == {"config.toml", "run.json"}
    assert (folder / "config.toml").read_text() == config.dump_toml(Settings())


# ---------------------------------------------------------------- two processes


def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.unit.test_run import opened\n"
        f"with opened(Path({str(tmp_path / 'run')!r})): print('open', flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        with (
            unchanged(tmp_path / "run"),
            pytest.raises(ResourceError, match=f"in use by process {child.pid} on ") as caught,
        ):
            opened(tmp_path / "run").__enter__()
        assert caught.value.exit_code == 5
    finally:
        child.kill()
        child.wait()
    with opened(tmp_path / "run") as run:
        assert run.state == "continued"


# ---------------------------------------------------------------- environment


def test_the_environment_is_recorded_without_names_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2-hunter2")
    with opened(tmp_path / "run") as run:
        run.record_environment("bitwise")
    text = run.path("env.json").read_text("utf-8")
    found = json.loads(text)
    assert set(found) == {"versions", "commit", "platform", "machine", "seed", "determinism"}
    assert found["seed"] == 0 and found["determinism"] == "bitwise" and "reasonry" in found["versions"]
    assert socket.gethostname() not in text
    if len(getpass.getuser()) > 4:  # a short one (root) may be part of any word
        assert getpass.getuser() not in text
    home = os.path.expanduser("~")
    assert home == "/" or home not in text
    assert "hunter2" not in text and "SECRET_KEY" not in text


def test_a_run_continued_with_other_versions_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with opened(tmp_path / "run", warn=said.append) as run:
        run.record_environment("bitwise")
        first = run.path("env.json").read_bytes()
        run.record_environment("bitwise")
        assert said == []
        versions = environment.versions()
        monkeypatch.setattr(environment, "versions", lambda: {**versions, "numpy": "99.0"})
        monkeypatch.setattr(environment, "machine_class", lambda: "another machine")
        run.record_environment("bitwise")
    assert len(said) == 2
    assert f"other versions (numpy {versions['numpy']} -> 99.0)" in said[0] and "no longer promised" in said[0]
    assert "other machine (" in said[1] and "-> another machine)" in said[1]
    assert run.path("env.json").read_bytes() == first, "what the run began with is kept"


# ---------------------------------------------------------------- names and commands


def test_the_default_folder_depends_on_what_decides_results_alone() -> None:
    base = default_folder("solve", Settings(), "sums", "tiny")
    assert base == default_folder("solve", Settings(), "sums", "tiny")
    assert base.parent == Path("runs") and base.name.startswith("solve-sums-tiny-")
    for changes in ({"n": 9}, {"limit": 3}, {"run": Path("x")}, {"inner": {"workers": 5}}):
        assert default_folder("solve", Settings().with_(**changes), "sums", "tiny") == base
    for changes in ({"seed": 1}, {"task": "products"}, {"inner": {"rate": 0.1}}):
        assert default_folder("solve", Settings().with_(**changes), "sums", "tiny") != base


def test_the_default_folder_of_a_known_config_never_changes() -> None:
    name = default_folder("solve", Settings(), "sums").name
    assert name == f"solve-sums-{config.fingerprint(Settings())[:8]}"
    code = (
        "from tests.unit.test_run import Settings; from reasonry.core.run import default_folder; "
        "print(default_folder('solve', Settings(), 'sums').name)"
    )
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == name


@pytest.mark.parametrize("label", ["../../etc/passwd", "a b/c:d", "x" * 300, "\u6570\u5b66", "", "--run"])
def test_labels_make_one_plain_folder_name(label: str) -> None:
    folder = default_folder("solve", Settings(), label)
    assert folder.parent == Path("runs") and len(folder.name) < 80
    assert all(c.isascii() and (c.isalnum() or c in ".-") for c in folder.name)


def test_the_printed_command_replays_the_config(tmp_path: Path) -> None:
    folder = tmp_path / "a run with 'quotes'"
    with opened(folder, task="a task", n=7, inner={"rate": 0.125}, run=folder) as run:
        words = shlex.split(run.command)
    assert words[:2] == ["reasonry", "solve"] and words[3:] == ["--run", str(folder)]
    again = flags.parse(Settings, words[2:], prog="reasonry solve")
    assert again == run.config
