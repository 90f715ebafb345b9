"""``reasonry eval gsm-agent play`` as a person or a pipe uses it."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import ppe_cli as cli
from tests.gsm_agent_episodes import DOCS, TASKS

from reasonry.core import jsonl
from reasonry.evaluation.gsm_agent.database import Database, write
from reasonry.evaluation.gsm_agent.runs import read_run

PLAY = ("eval", "gsm-agent", "play")
ALL = "search Ada Quill bought plums keeps goats sold kites"


@pytest.fixture(autouse=True)
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small database in the current folder, which is empty but for it; an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASONRY_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "db", Database(TASKS, DOCS, {}, {}))
    return Path("db")


def piped(text: str | bytes, *flags: object, monkeypatch: pytest.MonkeyPatch, db: str = "db") -> cli.Done:
    """The command with this as its standard input."""
    data = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    return cli.command(*PLAY, db, "--retriever", "bm25", *flags)


def test_a_piped_game_reads_like_one_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = piped(f"{ALL}\nanswer 9\n", "--task", "t0", monkeypatch=monkeypatch)
    assert (done.code, done.err) == (0, "")
    asked, searched, shown, answered, right = (
        done.out.index(part)
        for part in (TASKS[0].question, f"> {ALL}", "    " + DOCS[0].text, "> answer 9", "Right: 9.")
    )
    assert asked < searched < shown < answered < right
    assert "Seen: 3 of 3 documents that it takes" in done.out
    assert done.out.splitlines()[-1] == "another  reasonry eval gsm-agent play db --retriever bm25 --task t0"


def test_json_is_one_object_and_what_is_for_people_is_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    done = piped("search plums\nanswer 8\n", "--task", "t0", "--json", monkeypatch=monkeypatch)
    shown = done.json
    assert (shown["task"], shown["is_correct"], shown["answer"], shown["expected"]) == ("t0", False, "8", "9")
    assert shown["metrics"]["coverage"] == pytest.approx(1 / 3) and shown["out"] is None
    assert len(shown["missed"]) == 2 and shown["path"][0]["num_found"] == 1
    assert TASKS[0].question in done.err and "Wrong: 8. The answer is 9." in done.err


def test_games_are_appended_and_can_be_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (9, 8):
        done = piped(f"{ALL}\nanswer {answer}\n", "--task", "t0", "--out", "games/me.jsonl", monkeypatch=monkeypatch)
        assert done.code == 0 and "in games/me.jsonl" in done.out
    found = read_run("games/me.jsonl")
    assert [(e.model, e.task_id, e.seed, e.is_correct) for e in found.episodes] == [
        ("human", "t0", 0, True),
        ("human", "t0", 1, False),
    ]
    assert [m.search_complete for m in found.arms[0].metrics] == [True, True]


def test_the_end_of_the_input_ends_the_game_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "search plums\n", "search plums"):
        done = piped(text, "--task", "t0", "--out", "me.jsonl", monkeypatch=monkeypatch)
        assert done.code == 0 and "No answer (the input ended). It is 9." in done.out and done.err == ""
    assert [len(row["calls"]) for row in jsonl.read("me.jsonl")] == [0, 1, 1]


def test_without_standard_input_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    done = cli.command(*PLAY, "db", "--retriever", "bm25")
    assert done.code == 0 and "the input ended" in done.out


def test_bytes_that_are_no_text_are_a_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    done = piped(b"\xff\xfe\x1b[2J\nanswer 9\n", "--task", "t0", monkeypatch=monkeypatch)
    assert done.code == 0 and "There is no command" in done.out and "Right: 9." in done.out
    assert "\x1b" not in done.out


def test_the_seed_draws_the_task_and_the_next_one_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = set()
    for seed in range(8):
        done = piped("quit\n", "--seed", seed, "--json", monkeypatch=monkeypatch)
        assert f"another  reasonry eval gsm-agent play db --retriever bm25 --seed {seed + 1}" in done.err
        tasks.add(done.json["task"])
    assert tasks == {"t0", "t1", "t2"}


def test_the_embedded_database_is_made_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    done = piped("quit\n", monkeypatch=monkeypatch, db="word-problems:30")
    assert done.code == 0 and "building the embedded database of 30 problems" in done.err
    assert "word-problems:30 --retriever bm25 --seed 1" in done.out


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("flags", "code", "part"),
    [
        (["--task", "t7"], 2, "no task 't7'"),
        (["--tools", "+revist"], 2, "Did you mean '+revisit'?"),
        (["--split", "train"], 2, "no task of the split 'train'"),
        (["--max-rounds", "0"], 2, "max_rounds"),
        (["--tolls", "x"], 2, "--tools"),
        (["--out", "db/docs.jsonl", "--task", "t0"], 3, "docs.jsonl:1"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_asked(
    flags: list[str], code: int, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cli.snapshot(Path("db"))
    cli.is_error(piped("answer 9\n", *flags, monkeypatch=monkeypatch), code, part)
    assert cli.snapshot(Path("db")) == before


def test_a_folder_without_a_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cli.is_error(piped("answer 9\n", monkeypatch=monkeypatch, db="nothing"), 3, "nothing", "build")


def test_a_damaged_file_of_games_is_refused_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("me.jsonl").write_text('{"a": \n{"b": 1}\n', "utf-8")
    cli.is_error(piped("answer 9\n", "--out", "me.jsonl", monkeypatch=monkeypatch), 3, "me.jsonl:1")
    assert Path("me.jsonl").read_text("utf-8") == '{"a": \n{"b": 1}\n'


def test_help_and_a_game_need_no_torch(tmp_path: Path) -> None:
    helped = cli.without(["torch", "transformers"], [*PLAY, "--help"], folder=tmp_path)
    assert helped.returncode == 0 and "--max-rounds" in helped.stdout, helped.stderr
    played = cli.without(["torch", "transformers"], [*PLAY, "db", "--retriever", "bm25"], folder=tmp_path)
    assert played.returncode == 0 and "the input ended" in played.stdout, played.stderr


# ---------------------------------------------------------------- a terminal


class Terminal:
    """The command in a process of its own, behind a pseudo-terminal."""

    def __init__(self, *flags: str) -> None:
        self._master, slave = pty.openpty()
        words = [sys.executable, "-m", "reasonry", *PLAY, "db", "--retriever", "bm25", "--task", "t0", *flags]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "80"}
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
        os.close(slave)
        self.shown, self._place = "", 0

    def until(self, text: str, *, limit_s: float = 60.0) -> None:
        """Read until this is shown after what was waited for before."""
        end_s = time.monotonic() + limit_s
        while text not in self.shown[self._place :]:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end_s - time.monotonic()))
            assert ready and self._read(), self.shown
        self._place = self.shown.index(text, self._place) + len(text)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self, *, patience_s: float = 20.0) -> None:
        """Ctrl-C; once more after a while, as a person would: one between `input` and its wait is seen at the next."""
        for _ in range(3):
            os.kill(self.process.pid, signal.SIGINT)
            if select.select([self._master], [], [], patience_s)[0]:
                return
        pytest.fail(f"three interrupts unheard: {self.shown}")

    def end(self, *, limit_s: float = 120.0) -> int:
        """Read to the end; the exit code."""
        end_s = time.monotonic() + limit_s
        while True:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end_s - time.monotonic()))
            assert ready, self.shown
            if not self._read():
                break
        os.close(self._master)
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


def test_a_terminal_prompts_and_plays() -> None:
    terminal = Terminal("--out", "me.jsonl")
    terminal.until("> ")
    terminal.type(f"{ALL}\n")
    terminal.until("round 1 of 50")
    terminal.type("answer 9\n")
    assert terminal.end() == 0
    assert "Right: 9." in terminal.shown and terminal.shown.count(f"> {ALL}") == 1, "nothing is shown twice"
    (row,) = jsonl.read("me.jsonl")
    assert row["is_correct"] and row["seconds"] > row["calls"][0]["seconds"]


def test_ctrl_c_ends_the_game_politely_and_keeps_it() -> None:
    terminal = Terminal("--out", "me.jsonl")
    terminal.until("> ")
    terminal.type("search plums\n")
    terminal.until("round 1 of 50")
    terminal.until("> ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "No answer (interrupted). It is 9." in terminal.shown and "Traceback" not in terminal.shown
    (row,) = jsonl.read("me.jsonl")
    assert (row["status"], len(row["calls"])) == ("no_answer", 1)


def test_ctrl_d_ends_the_game_politely() -> None:
    terminal = Terminal("--json")
    terminal.until("> ")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert json.loads(terminal.shown.splitlines()[-1])["status"] == "no_answer"
