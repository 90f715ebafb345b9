"""``reasonry train continuous-cot``: runs, going on, other methods, interrupts, errors that say what to do."""

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
pytest.importorskip("transformers")

from tests.ccot_train_runs import TINY, fingerprint

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.core.config import dump_toml, from_dict
from reasonry.core.report import read_report
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_RESOURCE, EXIT_USAGE
from reasonry.training.continuous_cot.config import GraphTrainConfig


def train(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["train", "continuous-cot", *map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(dump_toml(from_dict(GraphTrainConfig, TINY)))
    return path


@pytest.mark.parametrize("kind", ["graphs", "text"])
def test_both_kinds_have_a_help_page(kind: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["train", "continuous-cot", kind, "--help"])
    assert f"usage: reasonry train continuous-cot {kind}" in capsys.readouterr().out


def test_train_lists_the_method(capsys: Any) -> None:
    assert main(["train", "--help"]) == EXIT_OK
    assert "continuous-cot" in capsys.readouterr().out


def test_a_recipe_trains_thoughts_and_their_control_and_prints_them_side_by_side(
    recipe: Path, tmp_path: Path, capsys: Any
) -> None:
    run = tmp_path / "run"
    code, found, err = train("graphs", f"@{recipe}", "--run", run, capsys=capsys)
    assert code == EXIT_OK
    assert [each["name"] for each in found["results"]["methods"]] == ["continuous", "pause"]
    assert found["results"]["pairs"][0]["reference"] == "continuous"
    assert set(found["models"]) == {"continuous", "pause"}
    assert all((Path(folder) / "model.safetensors").is_file() for folder in found["models"].values())
    assert "pause - continuous:" in err
    assert "pauses under the same curriculum" in err
    assert read_report(run)["sections"][0]["title"] == "What came out"
    before = fingerprint(run)
    assert train(f"@{run / 'config.toml'}", "--run", run, capsys=capsys)[0] == EXIT_OK  # graphs is the default
    assert fingerprint(run) == before
    code, found, _ = train("graphs", f"@{recipe}", "--run", run, "--methods", "continuous", "no-cot", capsys=capsys)
    assert code == EXIT_OK
    assert [each["name"] for each in found["results"]["methods"]] == ["continuous", "no-cot"]
    assert (run / "pause" / "results.json").is_file()


def test_a_gate_that_is_never_reached_is_told_and_is_no_success(recipe: Path, tmp_path: Path, capsys: Any) -> None:
    gate = ("--curriculum.advance-when", "1e-9", "--methods", "continuous")
    code, found, err = train("graphs", f"@{recipe}", "--run", tmp_path / "run", *gate, capsys=capsys)
    assert code == EXIT_CHECK_FAILED
    assert "warning: continuous: stage 0 ended at a loss of" in err
    assert found["models"] == {}
    assert found["results"]["methods"][0]["ended"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--methods", "continuous", "puase"), EXIT_USAGE, "Did you mean 'pause'?"),
        (("--hops", "0"), EXIT_USAGE, "hops"),
        (("--hops", "8", "--num-nodes", "9"), EXIT_USAGE, "cannot hold a path of 8 edges"),
        (("--hops", "5", "--num-nodes", "9"), EXIT_USAGE, "Use more vertices, or fewer hops"),
        (("--shape.initializer-range", "0.01"), EXIT_USAGE, "would not learn to search"),
        (("--curriculum.patience", "3"), EXIT_USAGE, "advance_when"),
        (("--layout", "pakced"), 2, "layout"),
        (("--device", "cuda:77"), EXIT_RESOURCE, "Try --device cpu"),
        (("--curriculum.firts", "3"), EXIT_USAGE, "--curriculum.first"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_trained(
    recipe: Path, tmp_path: Path, capsys: Any, args: tuple[str, ...], code: int, words: str
) -> None:
    run = tmp_path / "run"
    try:
        found, _, err = train("graphs", f"@{recipe}", *args, "--run", run, capsys=capsys)
    except SystemExit as e:  # tyro's own, for a flag whose text is not of its type
        found, err = int(str(e.code)), capsys.readouterr().err
    assert found == code, err
    assert words in " ".join(err.split())
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_methods_for_graphs_are_refused_for_text(capsys: Any) -> None:
    code, _, err = train("text", "--methods", "bfs-set", capsys=capsys)
    assert code == EXIT_USAGE
    assert "train continuous-cot graphs" in err


def test_ctrl_c_saves_where_it_stands_and_the_same_command_goes_on(recipe: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    args = ["graphs", f"@{recipe}", "--methods", "pause", "--save-every", "100000", "--curriculum.last", "200"]
    child = subprocess.Popen(
        [sys.executable, "-m", "reasonry", "train", "continuous-cot", *args, "--run", str(run)],
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = run / "pause" / "metrics.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and (not metrics.exists() or metrics.stat().st_size < 500):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == EXIT_INTERRUPTED, err
    saved = [int(p.name.removeprefix("step-")) for p in (run / "pause" / "checkpoints").glob("step-*")]
    assert saved == [[row["step"] for row in jsonl.read(metrics)][-1]]
    assert saved[0] < 207
    assert train(*args, "--run", run, capsys=capsys)[0] == EXIT_OK
    whole = tmp_path / "whole"
    assert train(*args, "--run", whole, capsys=capsys)[0] == EXIT_OK
    kept = ("pause/metrics.jsonl", "pause/model/model.safetensors", "pause/answers.jsonl", "results.json")
    one, other = fingerprint(run), fingerprint(whole)
    assert {name: one[name] for name in kept} == {name: other[name] for name in kept}


@pytest.mark.parametrize("rank", [0, 2])
def test_a_language_model_learns_to_think_on_worked_examples(
    tiny_model: Path, tmp_path: Path, capsys: Any, rank: int
) -> None:
    if rank:
        pytest.importorskip("peft")
    lengths = ("--curriculum.first", 2, "--curriculum.middle", 1, "--curriculum.last", 2)
    looks = ("--evaluation.every", 2, "--evaluation.num-validation", 2, "--evaluation.num-test", 3)
    sizes = ("--data", "word-problems:2", "--num-train", 8, "--max-stage", 2, "--words.max-new-tokens", 12)
    few = (
        "--optimizer.batch-size",
        2,
        "--adapter.rank",
        rank,
        "--model-options.device",
        "cpu",
        *lengths,
        *looks,
        *sizes,
    )
    run = tmp_path / "run"
    args = ("text", tiny_model, "--methods", "continuous", "cot", *few, "--run", run)
    code, found, err = train(*args, capsys=capsys)
    assert code == EXIT_OK, err
    assert [each["num_steps"] for each in found["results"]["methods"]] == [5, 5]
    assert [each["exact"]["of"] for each in found["results"]["methods"]] == [3, 3]
    before = fingerprint(run)
    assert train(*args, capsys=capsys)[0] == EXIT_OK
    assert fingerprint(run) == before
