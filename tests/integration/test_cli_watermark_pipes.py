"""``reasonry watermark detect`` on standard input, on pipes, and on a stream that has no end."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import watermark_cli as cli

from reasonry.watermark.profile import read_profile, write_profile

A = cli.key_of("a")
Type = Callable[[Iterator[bytes]], None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> cli.Home:
    return cli.make_home(tmp_path_factory.mktemp("home"), A)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli.quicken(monkeypatch)


def test_rows_and_text_come_by_standard_input(home: cli.Home) -> None:
    rows = cli.detect("-", "--profile", home.profile, ring=home.ring, stdin=home.signed.read_bytes())
    assert rows.code == 10
    assert [t["id"] for t in rows.json["texts"]] == [f"1/{i}" for i in range(6)]
    text = cli.detect("-", "--profile", home.profile, ring=home.ring, stdin=cli.random_text(300, "pipe").encode())
    assert (text.code, text.json["num_texts"], text.json["texts"][0]["num_tok"]) == (0, 1, 300)
    assert "Looking for a mark: standard input" in Path(text.json["report"]).read_text("utf-8")


def test_what_comes_by_a_pipe_is_never_taken_for_what_came_before(home: cli.Home, tmp_path: Path) -> None:
    profile = read_profile(home.profile)
    texts = [cli.marked(A, profile, 200, "pipe").encode(), cli.random_text(200, "pipe").encode()]
    args = ("-", "--profile", home.profile)
    first, second = (cli.detect(*args, ring=home.ring, stdin=text) for text in texts)
    assert (first.code, second.code) == (10, 0)
    assert first.json["run"] != second.json["run"]
    assert cli.detect(*args, "--run", "r", ring=home.ring, stdin=texts[0]).code == 10
    before = cli.snapshot(tmp_path / "r")
    again = cli.detect(*args, "--run", "r", ring=home.ring, stdin=texts[1])
    assert again.code == 2 and "an earlier standard input said" in again.err and "--run" in again.err
    assert cli.snapshot(tmp_path / "r") == before


def test_a_pipe_with_a_name_is_read_once(home: cli.Home) -> None:
    read, write = os.pipe()
    os.write(write, home.signed.read_bytes())
    os.close(write)
    try:
        found = cli.detect(f"/dev/fd/{read}", "--profile", home.profile, ring=home.ring)
    finally:
        os.close(read)
    assert (found.code, found.json["num_marked"]) == (10, 6)


class Typed(io.RawIOBase):
    """Standard input that somebody types, or interrupts."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._left or next(self._pieces, b"")
        piece, self._left = piece[: len(buffer)], piece[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Type:
    def type_(pieces: Iterator[bytes]) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Typed(pieces))))

    return type_


def test_a_stream_is_read_no_further_than_the_evidence_needs(home: cli.Home, typed: Type) -> None:
    """Pieces of 16 characters on one endless line: nothing may be waited for but the next piece."""
    profile = read_profile(home.profile).with_(num_bins=2)
    write_profile(Path("profile.json"), profile)
    text = " " + cli.marked(A, profile, 3000, "stream")
    num_read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal num_read
        for start in range(0, len(text), 16):
            num_read += 16
            yield text[start : start + 16].encode()
        raise AssertionError("the whole stream was read")

    for alpha in (0.02, 1e-120, 1e-300):
        num_read = 0
        typed(pieces())
        found = cli.detect("-", "--stream", "--alpha", alpha, "--profile", "profile.json", ring=home.ring)
        assert found.code == 10, found
        assert set(found.json) == set(cli.KINDS) and cli.is_detection(found.json)
        assert found.json["stop_index"] <= num_read <= 1.3 * found.json["stop_index"] + 300
        assert f"enough evidence after {found.json['stop_index']} tokens" in found.err
    assert found.json["stop_index"] > 900, "long enough for the share to count"
    assert list(Path().iterdir()) == [Path("profile.json")], "a stream leaves no run"


def test_a_stream_without_a_mark_is_read_to_its_end(home: cli.Home, typed: Type) -> None:
    text = cli.random_text(700, "end")
    typed(iter([text[:300].encode(), text[300:].encode()]))
    found = cli.detect("-", "--stream", "--profile", home.profile, ring=home.ring, json=False)
    assert found.code == 0
    assert found.out.startswith("no mark found; ") and found.out.rstrip().endswith("of 700 tokens scored")


def test_a_stream_that_is_interrupted_says_what_it_saw(home: cli.Home, typed: Type) -> None:
    def pieces() -> Iterator[bytes]:
        yield cli.random_text(500, "cut").encode()
        raise KeyboardInterrupt

    typed(pieces())
    found = cli.detect("-", "--stream", "--profile", home.profile, ring=home.ring)
    assert found.code == 130 and "until here: no mark found; e-value" in found.err and "Traceback" not in found.err


# ---------------------------------------------------------------- a process of its own

# Modules that are refused when they are imported, and the command.
DRIVER = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "tokenizers"):
            raise ImportError(f"refused: {name}")
sys.meta_path.insert(0, Refuse())
from reasonry.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def drive(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRIVER, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_token_ids_are_read_without_torch_and_transformers(home: cli.Home) -> None:
    args = ("watermark", "detect", home.signed, "--ring", home.ring, "--json")
    found = drive(*args, "--read", "ids", "--run", "r")
    assert found.returncode == 10, found.stderr
    here = cli.detect(home.signed, "--read", "ids", "--run", "s", ring=home.ring)
    assert json.loads(found.stdout)["texts"] == here.json["texts"]
    # The blocker works: text needs a tokenizer, and says so.
    refused = drive(*args, "--run", "t")
    assert refused.returncode not in (0, 10) and "refused: transformers" in refused.stderr, refused


def test_a_process_ends_while_the_pipe_is_open(home: cli.Home) -> None:
    """Pieces are written when the last one was taken; the writer never closes the pipe."""
    text = cli.marked(A, read_profile(home.profile), 4000, "process").encode()
    command = [sys.executable, "-m", "reasonry", "watermark", "detect", "-", "--stream", "--json",
               "--profile", str(home.profile), "--ring", str(home.ring)]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    )
    assert process.stdin is not None and process.stdout is not None
    pipe, num_written, deadline_s = process.stdin.fileno(), 0, time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline_s and num_written < len(text):
        if struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]:
            time.sleep(0.002)
            continue
        with contextlib.suppress(BrokenPipeError):
            num_written += os.write(pipe, text[num_written : num_written + 16])
    assert process.wait(timeout=30) == 10
    found = json.loads(process.stdout.read())
    process.stdin.close()
    assert found["stop_index"] <= num_written <= 1.3 * found["stop_index"] + 332  # 300, and two pieces in the pipe
