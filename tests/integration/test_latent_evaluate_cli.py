"""``reasonry eval latent-tokens`` as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.latent_evaluate_runs import finetune_run

from reasonry.cli.main import main
from reasonry.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE

LIMIT_S = 120


def evaluate(*args: object) -> int:
    return main(["eval", "latent-tokens", *map(str, args)])


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finetune_run(tmp_path_factory.mktemp("trained") / "sums", ("latent", "cot", "truncated"))


def test_all_methods_are_compared_and_everything_is_written(trained: Path, capsys: Any) -> None:
    code = evaluate(trained, "--num", 5, "--latent-prefix", "force")
    shown = capsys.readouterr()
    assert code == EXIT_OK
    lines = shown.out.splitlines()
    assert lines[0].startswith("run runs/eval-latent-tokens-run-") and "determinism sample-stable" in lines[0]
    assert "5 questions of" in lines[1] and "test split" in lines[1]
    assert [line.split()[0] for line in lines[3:6]] == ["latent", "cot", "truncated"]
    assert any(line.startswith("control  ") for line in lines)
    assert any(line.startswith("codes    latent: ") for line in lines)
    assert lines[-1].startswith("again  reasonry eval latent-tokens @runs/")
    run = next(Path("runs").iterdir())
    names = {"answers.jsonl", "questions.jsonl", "results.json", "report.html", "report.json", "made_with.json"}
    assert {p.name for p in run.iterdir()} >= names
    assert len((run / "answers.jsonl").read_text().splitlines()) == 15


def test_the_command_it_prints_repeats_it_and_json_is_one_object(trained: Path, capsys: Any) -> None:
    assert evaluate(trained, "--num", 3, "--run", "here", "--json") == EXIT_OK
    first = capsys.readouterr()
    body = json.loads(first.out)
    assert (body["run"], body["results"]["num"]) == ("here", 3)
    assert [method["name"] for method in body["results"]["methods"]] == ["latent", "cot", "truncated"]
    assert evaluate("@here/config.toml", "--run", "here", "--json") == EXIT_OK
    again = capsys.readouterr()
    assert json.loads(again.out) == body
    assert "determinism finished" in again.err


def test_a_prompt_is_answered_with_its_codes_and_leaves_nothing_behind(trained: Path, capsys: Any) -> None:
    assert evaluate(trained / "latent", "--prompt", "1 2 3", "--latent-prefix", "force") == EXIT_OK
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("latent, ") and "codes" in shown[0]
    assert shown[1].startswith("  [")
    assert evaluate(trained / "latent", "--prompt", "1 2 3", "--json") == EXIT_OK
    (reply,) = json.loads(capsys.readouterr().out)["replies"]
    assert reply["num_tok"] == len(reply["ids"])
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "code", "problem"),
    [
        (["--methods", "latnt"], EXIT_USAGE, "latent"),
        (["--sampels", "3"], EXIT_USAGE, "samples"),
        (["--samples", "3"], EXIT_USAGE, "all alike"),
        (["--prompt", " "], EXIT_DATA, "the question is empty"),
        (["--data", "missing.jsonl"], EXIT_DATA, "missing.jsonl"),
    ],
)
def test_mistakes_are_told_with_their_place_and_a_remedy(
    trained: Path, capsys: Any, args: list[str], code: int, problem: str
) -> None:
    try:
        found = evaluate(trained, *args)
    except SystemExit as e:  # the flag parser's own
        found = int(e.code or 0)
    assert found == code
    assert problem in capsys.readouterr().err
    assert not Path("runs").exists()


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(trained: Path, tmp_path: Path) -> None:
    args = [str(trained), "--methods", "latent", "--num", "10", "--samples", "10", "--top-k", "20", "--batch-size", "2"]
    command = [sys.executable, "-m", "reasonry.cli.main", "eval", "latent-tokens", *args, "--run", "stopped"]
    rows = tmp_path / "stopped" / "answers.jsonl"
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + LIMIT_S
        while not (rows.exists() and rows.stat().st_size) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, err
    assert "finished replies are kept" in err
    kept = [json.loads(line) for line in rows.read_text().splitlines()]
    assert 0 < len(kept) < 10 * 10
    assert evaluate(*args, "--run", "stopped") == EXIT_OK
    again = [json.loads(line) for line in rows.read_text().splitlines()]
    assert again[: len(kept)] == kept and len(again) == 10 * 10
