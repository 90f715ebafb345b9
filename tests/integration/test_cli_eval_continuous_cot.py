"""``reasonry eval continuous-cot`` as a user runs it, and texts from the first step of training to an answer."""

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

from tests.ccot_text_runs import graph_run, text_config, text_run

from reasonry.cli.main import main
from reasonry.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE


def evaluate(*args: object) -> int:
    return main(["eval", "continuous-cot", *map(str, args)])


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def texts(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_run(tmp_path_factory.mktemp("runs") / "texts", text_config(tiny_model))


def test_accuracy_by_number_of_thoughts_and_without_ones_own(texts: Path, capsys: Any) -> None:
    code = evaluate(texts, "--sweep", "0,1,2", "--thoughts", "own", "random", "swapped", "--num", 6)
    shown = capsys.readouterr()
    assert code == EXIT_OK
    lines = shown.out.splitlines()
    assert lines[0].startswith("run runs/eval-continuous-cot-texts-") and "seed 0" in lines[0]
    assert lines[1].strip() == "texts/continuous: word-problems:2, test split"
    assert [line.split()[:2] for line in lines[3:10]] == [
        *(["own", k] for k in "012"),
        *([kind, k] for kind in ("random", "swapped") for k in "12"),
    ]
    assert lines[5].rstrip().endswith("reference")
    assert any(line.startswith("norms  of thoughts 6.9") for line in lines)
    assert lines[-1].startswith("again  reasonry eval continuous-cot @runs/")
    run = next(Path("runs").iterdir())
    assert {p.name for p in run.iterdir()} >= {"answers.jsonl", "results.json", "report.html", "made_with.json"}
    assert len((run / "answers.jsonl").read_text().splitlines()) == 7 * 6


def test_the_command_it_prints_repeats_it_and_json_is_one_object(texts: Path, capsys: Any) -> None:
    assert evaluate(texts, "--num", 3, "--run", "here", "--json") == EXIT_OK
    first = capsys.readouterr()
    body = json.loads(first.out)
    assert (body["run"], body["results"]["reference"], body["results"]["num"]) == ("here", "own, 2", 3)
    assert "against reference" in first.err
    assert evaluate("@here/config.toml", "--run", "here", "--json") == EXIT_OK
    again = capsys.readouterr()
    assert json.loads(again.out) == body
    assert "determinism finished" in again.err


def test_a_prompt_is_answered_and_leaves_nothing_behind(texts: Path, capsys: Any) -> None:
    assert evaluate(texts, "--prompt", "Tom has 3 apples and eats 1. How many are left?") == EXIT_OK
    shown = capsys.readouterr().out
    assert "own thoughts; token embeddings have a norm of" in shown
    assert "(cut off after 6 tokens)" in shown
    assert evaluate(texts, "--prompt", "How many?", "--json") == EXIT_OK
    (reply,) = json.loads(capsys.readouterr().out)["replies"]
    assert reply["num_slots"] == 2
    assert len(reply["look"]["norms"]) == 2
    assert not Path("runs").exists()


def test_a_model_of_graphs_is_asked_about_graphs(tmp_path: Path, capsys: Any) -> None:
    run = graph_run(tmp_path / "graphs", ("continuous", "pause"))
    assert evaluate(run, "--sweep", "0-2", "--num", 8) == EXIT_OK
    shown = capsys.readouterr().out
    assert "graphs of 2 hops, test split" in shown
    assert "of candidates" in shown
    assert evaluate(run / "pause", "--num", 8) == EXIT_OK
    assert "graphs/pause" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--sweep", "1,b"), EXIT_USAGE, "write it like 0,1,2,4 or 0-4"),
        (("--sweep", "1", "--num-thoughts", "1"), EXIT_USAGE, "give one of them"),
        (("--sweep", "0,9999"), EXIT_USAGE, "do not fit the model's context of 512. Ask for at most"),
        (("--method", "pause"), EXIT_USAGE, "no model of method 'pause'"),
        (("--method", "continous"), EXIT_USAGE, "Did you mean 'continuous'?"),
        (("--data", "word-problem:2"), EXIT_USAGE, "unknown source of texts"),
        (("--data", "nowhere.jsonl"), EXIT_DATA, "no such file"),
        (("--sweeps", "1"), EXIT_USAGE, "--sweep"),
        (("--prompt", " "), EXIT_DATA, "the question is empty"),
    ],
)
def test_mistakes_are_told_with_a_remedy(
    texts: Path, capsys: Any, args: tuple[str, ...], code: int, words: str
) -> None:  # fmt: skip
    assert evaluate(texts, *args) == code
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_model_that_is_none_is_refused(capsys: Any) -> None:
    assert evaluate("smolm2-135m") == EXIT_USAGE
    assert "Did you mean 'smollm2-135m'?" in capsys.readouterr().err


# ---------------------------------------------------------------- training on texts


def training(*words: object, run: str = "t") -> list[str]:
    """Fourteen steps of one method."""
    settings: dict[str, object] = {
        "num-train": 24,
        "methods": "continuous",
        "curriculum.first": 6,
        "curriculum.middle": 3,
        "curriculum.last": 5,
        "evaluation.num-validation": 2,
        "evaluation.num-test": 4,
        "evaluation.num-by-slots": 0,
        "save-every": 4,
        "run": run,
    }
    flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return [str(word) for word in ("train", "continuous-cot", "text", *words, *flags)]


def kill_after(words: list[str], rows: Path, *, num: int, wait_s: float) -> None:
    """Start a command, and kill it when a file has so many lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reasonry", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + wait_s
    try:
        while not (rows.exists() and rows.read_text().count("\n") >= num):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < end, "it did not get that far"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def steps(run: Path) -> list[dict[str, Any]]:
    lines = (run / "continuous" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_killed_training_on_texts_goes_on_and_ends_with_the_same_weights(tiny_model: Path) -> None:
    own = (tiny_model, "--adapter.rank", 2, "--words.max-new-tokens", 4, "--optimizer.batch-size", 4)
    kill_after(training(*own), Path("t/continuous/metrics.jsonl"), num=6, wait_s=90)
    assert len(steps(Path("t"))) < 14
    assert main(training(*own)) == EXIT_OK
    assert main(training(*own, run="whole")) == EXIT_OK
    resumed, whole = steps(Path("t")), steps(Path("whole"))
    assert resumed == whole
    assert [row["stage"] for row in resumed] == [0] * 6 + [1] * 3 + [2] * 5
    files = [Path(run) / "continuous" / "model" / "model.safetensors" for run in ("t", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
@pytest.mark.model
def test_a_real_model_is_trained_killed_resumed_evaluated_and_asked(capsys: Any) -> None:
    own = ("smollm2-135m", "--optimizer.batch-size", 2, "--optimizer.lr", 1e-3, "--words.max-new-tokens", 24)
    kill_after(training(*own), Path("t/continuous/metrics.jsonl"), num=6, wait_s=400)
    assert main(training(*own)) == EXIT_OK
    rows = steps(Path("t"))
    assert [row["step"] for row in rows] == list(range(1, 15))
    assert rows[5]["loss"] < rows[0]["loss"]  # six steps teach it the form of the answers
    assert all(row["thought_norm"] > 0 for row in rows if row["stage"])
    capsys.readouterr()
    assert evaluate("t", "--num", 4, "--sweep", "0,2", "--thoughts", "own", "random", "--json") == EXIT_OK
    body = json.loads(capsys.readouterr().out)
    assert [(arm["thoughts"], arm["slots"]) for arm in body["results"]["arms"]] == [
        ("own", 0),
        ("own", 2),
        ("random", 2),
    ]
    assert body["results"]["own_slots"] == 2
    assert evaluate("t", "--prompt", "Tom has 3 apples and buys 4 more. How many has he?", "--json") == EXIT_OK
    (reply,) = json.loads(capsys.readouterr().out)["replies"]
    assert reply["text"]
    assert len(reply["look"]["nearest"]) == 2
