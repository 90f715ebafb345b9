"""``reasonry train dultra``: every stage, runs that continue, one's own model, errors that say what to do."""

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

from tests.dultra_runs import WHOLE, masked_lm, prompts, results

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.core.report import read_report
from reasonry.errors import EXIT_DATA, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE

SHAPE = ("--shape.width", "16", "--shape.num-layers", "2", "--shape.num-heads", "2")
PRETRAIN = ("--num-steps", "6", "--batch-size", "16", "--num-eval", "8", *SHAPE)
PLANNER = ("--prompts-per-update", "2", "--group-size", "4", "--num-eval", "8", "--head.num-heads", "2")
DEVICE = ("--model-options.device", "cpu")


def train(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["train", "dultra", *map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("dultra") / "pretrained"
    assert main(["train", "dultra", "pretrain", "pairs:1", *PRETRAIN, "--run", str(run), "--json"]) == EXIT_OK
    return run / "denoiser"


@pytest.fixture(scope="module")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_lm(tmp_path_factory.mktemp("bert") / "model")


def toml(path: Path, values: dict[str, Any]) -> Path:
    from reasonry.core.config import dump_toml, from_dict
    from reasonry.training.dultra.config import WholeConfig

    path.write_text(dump_toml(from_dict(WholeConfig, values)))
    return path


@pytest.mark.parametrize("stage", ["", "pretrain", "imitate", "planner"])
def test_every_stage_has_a_help_page(stage: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["train", "dultra", *filter(None, [stage]), "--help"])
    assert f"usage: {' '.join(['reasonry train dultra', stage]).strip()} [" in capsys.readouterr().out.replace(
        "DENOISER [", "["
    )


def test_all_stages_from_one_recipe_go_on_and_end_with_the_same_bytes(tmp_path: Path, capsys: Any) -> None:
    recipe = toml(tmp_path / "r.toml", WHOLE)
    run = tmp_path / "run"
    code, found, _ = train(f"@{recipe}", "--run", run, "--planner.num-updates", 4, capsys=capsys)
    assert code == EXIT_OK
    assert set(found["results"]["stages"]) == {"pretrain", "imitate", "planner"}
    assert Path(found["denoiser"]).is_dir()
    assert Path(found["planner"]).is_dir()
    titles = [section["title"] for section in read_report(run)["sections"]]
    assert titles[0] == "Learning"
    assert {"As in use", "The denoiser", "Imitation"} <= set(titles)
    code, found, _ = train(f"@{recipe}", "--run", run, capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["stages"]["planner"]["updates"] == 8
    whole = tmp_path / "whole"
    assert train(f"@{recipe}", "--run", whole, capsys=capsys)[0] == EXIT_OK
    one, other = results(run), results(whole)
    assert one["planner/planner/model.safetensors"] == other["planner/planner/model.safetensors"]
    assert {k: v for k, v in one.items() if "checkpoints" not in k} == {
        k: v for k, v in other.items() if "checkpoints" not in k
    }
    again, _, _ = train(f"@{run / 'config.toml'}", "--run", run, capsys=capsys)
    assert again == EXIT_OK
    assert results(run) == one


def test_all_stages_end_with_a_comparison_with_rules(tmp_path: Path, capsys: Any) -> None:
    small = {**WHOLE, "imitation": False, "frontier": True, "num_prompts": 4, "policies": ["top:1", "planner:sample"]}
    recipe = toml(tmp_path / "r.toml", small)
    code, _, _ = train(f"@{recipe}", "--run", tmp_path / "run", capsys=capsys)
    assert code == EXIT_OK
    assert (tmp_path / "run" / "frontier" / "results.json").is_file()
    assert any(s["title"].startswith("Against rules") for s in read_report(tmp_path / "run")["sections"])


def test_a_planner_imitates_and_then_learns(denoiser: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "imitated"
    args = ("--num-steps", 6, "--batch-size", 8, "--look-every", 2, "--head.num-heads", 2, "--run", run, *DEVICE)
    code, found, _ = train("imitate", denoiser, "--target", "margin", *args, capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["steps"] == 6
    assert found["results"]["entropy_nats"] > 0.2
    learnt = tmp_path / "learnt"
    settings = ("--num-updates", 2, "--planner", found["planner"], "--freeze", "none", "--run", learnt)
    code, found, err = train("planner", denoiser, *settings, *PLANNER, *DEVICE, capsys=capsys)
    assert code == EXIT_OK
    assert Path(found["denoiser"]) == learnt / "denoiser"
    assert [row["step"] for row in jsonl.read(learnt / "metrics.jsonl")] == [1, 2]
    assert set(found["results"]["final"]) == {"planner:threshold:0.5", "planner:sample"}
    assert len(list(jsonl.read(learnt / "trajectories.jsonl"))) == 16
    assert "forced" in (learnt / "trajectories.jsonl").read_text()
    assert "best planner" in err


def test_imitation_stops_before_the_planner_is_too_sure(denoiser: Path, tmp_path: Path, capsys: Any) -> None:
    args = ("--num-steps", 60, "--batch-size", 8, "--look-every", 2, "--lr", "3e-2", "--min-entropy-nats", "0.4")
    settings = ("--rule", "top:1", "--head.num-heads", 2, "--run", tmp_path / "r", *DEVICE)
    code, found, _ = train("imitate", denoiser, *args, *settings, capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["steps"] < 60
    assert "grew too sure" in found["results"]["ended"]
    assert found["results"]["entropy_nats"] >= 0.4


@pytest.mark.parametrize(
    "settings",
    [
        ("--num-updates", "2"),
        ("--num-updates", "1", "--freeze", "none", "--reward.speed", "multiplicative"),
        ("--num-updates", "1", "--freeze", "planner", "--unmask", "factor:1", "--likelihood", "one_step"),
    ],
)
def test_a_model_of_ones_own_learns_on_prompts_of_ones_own(
    own_model: Path, tmp_path: Path, capsys: Any, settings: tuple[str, ...]
) -> None:
    path = prompts(tmp_path / "sums.jsonl")
    data = ("--data.prompts", path, "--data.answer-len", 3, "--data.verifier", "number", "--head.num-heads", 2)
    run = tmp_path / "run"
    args = (own_model, *data, *settings, *PLANNER[:-2], "--run", run, *DEVICE)
    code, found, err = train("planner", *args, capsys=capsys)
    assert code == EXIT_OK
    assert "evaluated on the prompts of training" in err
    rows = list(jsonl.read(run / "metrics.jsonl"))
    assert all(0 <= row["accuracy"] <= 1 and 1 <= row["nfe"] <= 3 for row in rows)
    assert Path(found["planner"]).is_dir()
    path.write_text(path.read_text().replace('"answer": "0"', '"answer": "1"'))
    code, _, err = train("planner", *args, capsys=capsys)
    assert code == EXIT_USAGE
    assert "began with the data" in err


def test_a_planner_imitates_on_completions_of_ones_own(own_model: Path, tmp_path: Path, capsys: Any) -> None:
    path = prompts(tmp_path / "sums.jsonl")
    args = ("--data.prompts", path, "--data.answer-len", 3, "--num-steps", 3, "--head.num-heads", 2, *DEVICE)
    code, found, _ = train("imitate", own_model, *args, "--run", tmp_path / "a", capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["steps"] == 3
    path.write_text(json.dumps({"prompt": "1+1=", "answer": "2", "completion": "1+1=2"}) + "\n")
    code, _, err = train("imitate", own_model, *args, "--run", tmp_path / "b", capsys=capsys)
    assert code == EXIT_DATA
    assert "no completion of at most 3 tokens" in err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("planner", "NO_SUCH", "--data.task", "pairs:1"), EXIT_USAGE, "NO_SUCH"),
        (("planner", "DENOISER", "--data.task", "pairz:1"), EXIT_USAGE, "pairs"),
        (("planner", "DENOISER", "--freeze", "planner"), EXIT_USAGE, "never trained"),
        (("planner", "DENOISER", "--freeze", "planner", "--unmask", "factr:1"), EXIT_USAGE, "factor"),
        (("planner", "DENOISER", "--planner", "NO_SUCH"), EXIT_DATA, "no config.json"),
        (("planner", "DENOISER", "--likelihood", "one_step"), EXIT_USAGE, "freeze planner"),
        (("imitate", "DENOISER", "--rule", "planner:sample"), EXIT_USAGE, "needs a planner"),
        (("pretrain", "pairz"), EXIT_USAGE, "unknown task"),
        (("pretrain", "pairs:4", "--shape.num-heads", "5"), EXIT_USAGE, "heads"),
        (("--planner.num-updates", "0"), EXIT_USAGE, "num_updates"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_no_run(
    denoiser: Path, tmp_path: Path, capsys: Any, args: tuple[str, ...], code: int, words: str
) -> None:
    names = {"DENOISER": str(denoiser), "NO_SUCH": str(tmp_path / "NO_SUCH")}
    run = tmp_path / "run"
    found, _, err = train(*(names.get(a, a) for a in args), "--run", run, capsys=capsys)
    assert found == code, err
    assert words in err
    assert not (run / "metrics.jsonl").exists()


def test_ctrl_c_saves_where_it_stands_and_the_same_command_goes_on(denoiser: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    args = [str(denoiser), *PLANNER, *DEVICE, "--num-updates", "100000", "--save-every", "100000", "--run", str(run)]
    child = subprocess.Popen(
        [sys.executable, "-m", "reasonry", "train", "dultra", "planner", *args], stderr=subprocess.PIPE, text=True
    )
    metrics = run / "metrics.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and (not metrics.exists() or metrics.stat().st_size < 500):
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == EXIT_INTERRUPTED, err
    saved = [int(p.name.removeprefix("step-")) for p in (run / "checkpoints").glob("step-*")]
    rows = [row["step"] for row in jsonl.read(metrics)]
    assert saved == [rows[-1]]
