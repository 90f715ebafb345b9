"""Whatever a user gets wrong: one paragraph on stderr that says what, where and what to do; and nothing is lost."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reasonry.cli.main import main
from reasonry.core import jsonl

SCRIPTED = ("solve", "word-problems:1-2", "--model", "scripted", "--limit", "6", "--n", "5", "--run", "r")
PROBLEMS = [{"id": f"p{i}", "question": f"{i} + {i}?", "answer": str(2 * i)} for i in range(1, 5)]


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Done:
        capsys.readouterr()
        try:
            code = main([str(a) for a in args])
        except SystemExit as e:  # the flag parser's own
            code = int(e.code or 0)
        return Done(code, *capsys.readouterr())

    return run


def is_error(done: Done, code: int, *parts: str) -> None:
    """One paragraph on stderr with all the parts, the exit code, no traceback; on stdout nothing but a run's head."""
    assert done.code == code, done
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and done.err.rstrip().splitlines()[-1].endswith((".", "?", '"')), done.err
    assert "Traceback" not in done.err and len(errors[0]) < 700
    assert all(part in done.err for part in parts), done.err
    assert done.out == "" or done.out.startswith("run r "), done.out


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


# ---------------------------------------------------------------- data files

BAD_FILES: dict[str, tuple[bytes | None, tuple[str, ...]]] = {
    "missing": (None, ("no such file, folder or task", "mine.jsonl")),
    "empty": (b"", ("mine.jsonl: the file is empty",)),
    "malformed": (b'{"question": "a", "answer": "1"}\n{"question": "b",\n', ("mine.jsonl:2: malformed JSON",)),
    "blank line": (b'{"question": "a", "answer": "1"}\n\n', ("mine.jsonl:2: empty line",)),
    "not UTF-8": (b'{"question": "\xff", "answer": "1"}\n', ("mine.jsonl:1: byte 0xff", "not UTF-8")),
    "a list": (b"[1, 2]\n", ("mine.jsonl:1: a row is a JSON object",)),
    "duplicate key": (b'{"question": "a", "question": "b", "answer": "1"}\n', ("mine.jsonl:1: duplicate key",)),
    "no answer": (b'{"question": "a", "anser": "1"}\n', ("mine.jsonl:1", "needs 'question' and 'answer'")),
    "empty question": (b'{"question": " ", "answer": "1"}\n', ("mine.jsonl:1: column 'question' is empty",)),
    "an id twice": (
        b'{"id": "x", "question": "a", "answer": "1"}\n{"id": "x", "question": "b", "answer": "2"}\n',
        ("mine.jsonl:2: duplicate id 'x'", "Line 1 has it too"),
    ),
    "GSM8K without a number": (b'{"question": "a", "answer": "so #### four"}\n', ("mine.jsonl:1", "not a number")),
}


@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.parametrize("verb", ["solve", "data check"])
def test_a_bad_data_file_is_named_with_its_line(call: Call, tmp_path: Path, case: str, verb: str) -> None:
    content, parts = BAD_FILES[case]
    if content is not None:
        (tmp_path / "mine.jsonl").write_bytes(content)
    if verb == "solve":
        is_error(call("solve", "mine.jsonl", "--model", "scripted", "--run", "r"), 3, *parts)
    elif case == "missing":
        is_error(call("data", "check", "mine.jsonl"), 3, "mine.jsonl: cannot read: No such file")
    else:
        is_error(call("data", "check", "mine.jsonl"), 3, *parts)
    assert not (tmp_path / "r").exists()
    assert content is None or (tmp_path / "mine.jsonl").read_bytes() == content


def test_a_bad_trajectory_is_named_with_its_line(call: Call, tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "a"}]}
    write(tmp_path / "t.jsonl", [good, {"messages": [{"role": "usr", "content": "a"}]}])
    is_error(call("data", "check", "t.jsonl"), 3, "t.jsonl:2: message 0: unknown role 'usr'", "Did you mean 'user'?")


# ---------------------------------------------------------------- names, flags, values

USAGE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "task": (("word-problem",), ("unknown task 'word-problem'", "Did you mean 'word-problems'?")),
    "range of steps": (("word-problems:9",), ("steps from 9 to 9", "<= 6")),
    "model": (("--model", "smolm2-135m"), ("unknown model 'smolm2-135m'", "Did you mean 'smollm2-135m'?")),
    "model folder": (("--model", "./nowhere"), ("model './nowhere' is not a folder",)),
    "encoder": (("--model", "minilm"), ("'minilm' is an encoder",)),
    "flag": (("--sampling.temprature", "1"), ("unknown flag", "Did you mean '--sampling.temperature'?")),
    "word": (("word-problems", "again"), ("unexpected argument 'again'",)),
    "n": (("--n", "0"), ("n = 0", "greater than or equal to 1")),
    "too large n": (("--n", "2000"), ("n = 2000", "at most 1024")),
    "limit": (("--limit", "0"), ("limit = 0",)),
    "temperature": (("--sampling.temperature", "-1"), ("sampling.temperature = -1",)),
    "shots": (("--shots", "60"), ("shots = 60", "worked examples")),
    "verifier": (("--verifier", "nosuch"), ("unknown verifier 'nosuch'", "Known: number")),
    "pattern": (("--verifier", "regex:("), ("is not a regular expression",)),
    "config file": (("@nowhere.toml",), ("nowhere.toml: no such config file",)),
}


@pytest.mark.parametrize("case", USAGE)
def test_a_wrong_name_or_value_is_a_usage_error_and_makes_no_run(call: Call, tmp_path: Path, case: str) -> None:
    args, parts = USAGE[case]
    is_error(call("solve", *args, *(() if case.startswith(("model", "enc")) else ("--model", "scripted"))), 2, *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [("--n", "many"), ("--n",), ("--model-options.dtype", "int8"), ("--seed", "1.5")])
def test_a_flag_of_the_wrong_type_is_a_usage_error(call: Call, tmp_path: Path, args: Sequence[str]) -> None:
    done = call("solve", "--model", "scripted", *args)
    assert done.code == 2 and done.out == "" and args[0] in done.err and "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("limit = 3\ntemperatur = 1\n", ("c.toml:2: unknown key 'temperatur'",)),
        ("[sampling]\ntemprature = 1\n", ("c.toml:2: unknown key 'sampling.temprature'", "'temperature'?")),
        ("limit = 3\nn = 0\n", ("c.toml:2: n = 0",)),
        ("limit = \n", ("c.toml:1: not valid TOML",)),
        ("n = true\n", ("c.toml:1: n = True", "not true or false")),
    ],
)
def test_a_bad_config_file_is_named_with_its_line(
    call: Call, tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    (tmp_path / "c.toml").write_text(text)
    is_error(call("solve", "@c.toml", "--model", "scripted", "--run", "r"), 2, *parts)
    assert not (tmp_path / "r").exists()


# ---------------------------------------------------------------- run directories


def test_the_run_directory_of_another_config_is_left_alone(call: Call, tmp_path: Path) -> None:
    call(*SCRIPTED)
    before = snapshot(tmp_path)
    done = call(*SCRIPTED, "--seed", "1", "--sampling.temperature", "0.5", "--n", "2")
    is_error(
        done, 2, "\n  n: 5 -> 2  (may grow", "\n  seed: 0 -> 1\n", "\n  sampling.temperature: 0.8 -> 0.5.", "--run"
    )
    is_error(call(*SCRIPTED[:-1], "r/samples.jsonl"), 2, "r/samples.jsonl: is a file, not a run directory")
    is_error(call(*SCRIPTED[:-1], "."), 2, "not a run directory")
    is_error(call(*SCRIPTED[:-1], "r/results.json/x"), 5, "cannot use this as run directory: Not a directory")
    assert snapshot(tmp_path) == before


def replaced(pattern: bytes, by: bytes) -> Callable[[bytes], bytes]:
    return lambda line: re.sub(pattern, by, line)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "garbage": (lambda line: b"{garbage}", "malformed JSON"),
    "half a line": (lambda line: line[:20], "malformed JSON"),
    "zeros": (lambda line: b"\0" * 30, "malformed JSON"),
    "another row": (lambda line: b'{"id": "x"}', "not a sample: 'index' is missing or wrong"),
    "no answer": (replaced(rb'"answer"', b'"anser"'), "not a sample: 'answer' is missing or wrong"),
    "text for a number": (replaced(rb'"index": 1', b'"index": "1"'), "not a sample: 'index'"),
    "unknown grade": (replaced(rb'"grade": "\w+"', b'"grade": "good"'), "not a sample: 'grade'"),
    "index beyond n": (replaced(rb'"index": 1', b'"index": 99'), "sample 99 of problem"),
    "foreign problem": (replaced(rb'"id": "[^"]+"', b'"id": "foreign"'), "a sample of problem 'foreign'"),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("unfinished", [False, True])
def test_damaged_samples_are_named_and_nothing_is_destroyed(
    call: Call, tmp_path: Path, case: str, unfinished: bool
) -> None:
    damage, message = DAMAGE[case]
    call(*SCRIPTED)
    path = tmp_path / "r" / "samples.jsonl"
    whole = path.read_bytes()
    lines = whole.split(b"\n")
    assert b'"index": 1' in lines[6]
    lines[6] = damage(lines[6])
    path.write_bytes(b"\n".join(lines[:12] if unfinished else lines))
    before = snapshot(tmp_path)
    is_error(call(*SCRIPTED), 3, f"r/samples.jsonl:7: {message}")
    assert snapshot(tmp_path) == before
    del lines[6]
    path.write_bytes(b"\n".join(lines))
    assert call(*SCRIPTED).code == 0, "the remedy works"
    assert path.read_bytes() == whole


def test_a_torn_last_line_is_dropped_aloud_and_drawn_again(call: Call, tmp_path: Path) -> None:
    call(*SCRIPTED)
    path = tmp_path / "r" / "samples.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    done = call(*SCRIPTED)
    assert done.code == 0 and "dropped a torn last line" in done.err and path.read_bytes() == whole


def edited(**changes: str) -> list[dict[str, Any]]:
    return [{**PROBLEMS[0], **changes}, *PROBLEMS[1:]]


@pytest.mark.parametrize(
    "rows",
    [
        edited(question="1 + 2?"),
        edited(answer="3"),
        [{**p, "id": f"p{(i + 1) % 4 + 1}"} for i, p in enumerate(PROBLEMS)],
        [*PROBLEMS, {"id": "p9", "question": "a word?", "answer": "yes"}],  # no longer graded as numbers
    ],
    ids=["question", "answer", "ids shifted", "verifier"],
)
def test_an_edited_task_is_not_mixed_into_old_samples(call: Call, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    args = ("solve", "mine.jsonl", "--model", "scripted", "--n", "2", "--run", "r")
    write(tmp_path / "mine.jsonl", PROBLEMS)
    assert call(*args).code == 0
    write(tmp_path / "mine.jsonl", rows)
    before = snapshot(tmp_path)
    is_error(call(*args), 3, "not what they were when they were sampled", "mine.jsonl", "--run")
    assert snapshot(tmp_path) == before
    write(tmp_path / "mine.jsonl", [*PROBLEMS, {"id": "p5", "question": "5 + 5?", "answer": "10"}])
    grown = call(*args)
    assert grown.code == 0, "a task may grow at its end"
    assert len(list(jsonl.read(tmp_path / "r/samples.jsonl"))) == 10


def test_problems_that_have_left_the_task_are_named(call: Call, tmp_path: Path) -> None:
    args = ("solve", "mine.jsonl", "--model", "scripted", "--n", "2", "--run", "r")
    write(tmp_path / "mine.jsonl", PROBLEMS)
    assert call(*args).code == 0
    write(tmp_path / "mine.jsonl", PROBLEMS[:3])
    before = snapshot(tmp_path)
    is_error(call(*args), 3, "samples.jsonl:7: a sample of problem 'p4', which the task does not hold")
    assert snapshot(tmp_path) == before


def test_other_worked_examples_are_another_prompt(call: Call, tmp_path: Path) -> None:
    test = [{"question": "2 and 2?", "answer": "2+2\n#### 4"}]
    args = ("solve", "d/test.jsonl", "--model", "scripted", "--n", "2", "--run", "r")
    write(tmp_path / "d/test.jsonl", test)
    write(tmp_path / "d/train.jsonl", [{"question": "1 and 1?", "answer": "1+1\n#### 2"}])
    assert call(*args).code == 0
    write(tmp_path / "d/train.jsonl", [{"question": "3 and 3?", "answer": "3+3\n#### 6"}])
    is_error(call(*args), 3, "'gsm8k-test-00001'", "worked examples")


# ---------------------------------------------------------------- models


def test_a_prompt_longer_than_the_context_stops_the_run_before_it_draws_and_keeps_what_is_there(
    call: Call, tmp_path: Path, tiny_model: Path
) -> None:
    """All prompts are measured before the first sample: a new run draws nothing, a grown one keeps its old samples."""
    long = {"id": "long", "question": "x" * 600, "answer": "1"}
    args = ("solve", "mine.jsonl", "--model", tiny_model, "--n", "2", "--shots", "0", "--instruction", "",
            "--sampling.max-new-tokens", "4", "--model-options.dtype", "float32")  # fmt: skip
    parts = ("problem long", "the model's context holds 512", "Shorten the prompt")
    write(tmp_path / "mine.jsonl", [*PROBLEMS, long])
    is_error(call(*args, "--run", "r"), 3, *parts)
    assert not (tmp_path / "r" / "samples.jsonl").exists() or not (tmp_path / "r" / "samples.jsonl").read_bytes()
    write(tmp_path / "mine.jsonl", PROBLEMS)
    shutil.rmtree(tmp_path / "r")
    assert call(*args, "--run", "r").code == 0
    finished = (tmp_path / "r" / "samples.jsonl").read_bytes()
    assert finished.count(b"\n") == 8
    write(tmp_path / "mine.jsonl", [*PROBLEMS, long])
    is_error(call(*args, "--run", "r"), 3, *parts)
    assert (tmp_path / "r" / "samples.jsonl").read_bytes() == finished
    write(tmp_path / "mine.jsonl", [*PROBLEMS, {**long, "question": "short?"}])
    assert call(*args, "--run", "r").code == 0, "the remedy works"
    assert (tmp_path / "r" / "samples.jsonl").read_bytes().startswith(finished)


def test_an_unsafe_model_makes_no_run(call: Call, tmp_path: Path, tiny_model: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "evil.C"}}))
    is_error(
        call("solve", "--model", "./m", "--run", "r"), 4, "m/config.json", "'auto_map'", "--model-options.revision"
    )
    assert not (tmp_path / "r").exists()


def test_a_hub_model_without_a_network_names_what_works_without(call: Call) -> None:
    is_error(call("solve", "--model", "owner/name", "--run", "r"), 5, "owner/name", "packaged model: smollm2-135m")


def test_a_report_without_its_package_is_found_out_before_the_work(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "vl_convert" else real(name, *a))
    is_error(call(*SCRIPTED), 5, "vl_convert is not installed", 'pip install "reasonry[report]"')
    assert not (tmp_path / "r").exists()


# ---------------------------------------------------------------- a full disk


def reference(call: Call, tmp_path: Path, args: Sequence[str]) -> bytes:
    assert call(*args[:-1], "whole").code == 0
    return (tmp_path / "whole" / "samples.jsonl").read_bytes()


@pytest.mark.parametrize("room_bytes", [0, 1, 100, 5000, 5001])
def test_a_disk_that_fills_up_amid_the_samples_loses_none(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int
) -> None:
    whole = reference(call, tmp_path, SCRIPTED)
    real, left = os.write, [room_bytes]

    def write_some(fd: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        num = real(fd, data[: left[0]])
        left[0] -= num
        return num

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_some)
        is_error(call(*SCRIPTED), 5, "No space left on device", "run the same command again", "kept")
    kept = (tmp_path / "r" / "samples.jsonl").read_bytes()
    assert whole.startswith(kept) and (not kept or kept.endswith(b"\n")) and len(kept) <= room_bytes
    assert len(kept) > room_bytes - 600
    assert not (tmp_path / "r" / "results.json").exists()
    assert call(*SCRIPTED).code == 0
    assert (tmp_path / "r" / "samples.jsonl").read_bytes() == whole


@pytest.mark.parametrize("name", ["config.toml", "run.json", "prompts.json", "env.json", "results.json", "report.json"])
def test_a_disk_that_fills_up_at_any_file_leaves_a_run_that_continues(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = reference(call, tmp_path, SCRIPTED)
    real = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        is_error(call(*SCRIPTED), 5, f"r/{name}: cannot write", "No space left on device", "Free some space")
    assert not (tmp_path / "r" / name).exists() and not list((tmp_path / "r").glob(".tmp-*"))
    assert call(*SCRIPTED).code == 0
    assert (tmp_path / "r" / "samples.jsonl").read_bytes() == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory of a given size; call again to resize it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def resize(size: str) -> Path:
        nonlocal mounted
        options = f"{'remount,' if mounted else ''}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted = True
        return place

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    yield resize
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full_loses_nothing(
    call: Call, tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    args = ("solve", "word-problems:1-2", "--model", "scripted", "--limit", "30", "--n", "8", "--run", "disk/r")
    whole = reference(call, tmp_path, args)

    def command() -> Done:
        argv = [sys.executable, "-m", "reasonry", *args]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        return Done(done.returncode, "", done.stderr)

    disk = small_disk("48k")
    is_error(command(), 5, "samples.jsonl", "No space left on device", "Free some space")
    samples = disk / "r" / "samples.jsonl"
    kept = samples.read_bytes()
    assert kept and whole.startswith(kept) and kept.endswith(b"\n") and len(kept) < len(whole)
    is_error(command(), 5, "No space left on device")
    assert samples.read_bytes().startswith(kept), "trying again on the full disk destroys nothing"
    small_disk("300k")  # room for the samples, not for the report's page
    is_error(command(), 5, "report.html", "No space left on device")
    assert samples.read_bytes() == whole and (disk / "r" / "results.json").exists()
    small_disk("20m")
    assert command().code == 0 and (disk / "r" / "report.html").exists()
    assert samples.read_bytes() == whole
    assert (disk / "r" / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()
