"""``reasonry train pivotrl``: runs that continue, verifiers that are tried first, errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.pivotrl_training import write_pivots

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.core.report import read_report
from reasonry.errors import EXIT_OK, EXIT_USAGE

FLAGS = ("--prompts-per-step", "4", "--sampling.max-new-tokens", "24", "--learning-rate", "3e-3", "--json")
DEVICE = ("--model-options.device", "cpu")


def train(*args: object, capsys: Any = None) -> tuple[int, dict[str, Any]]:
    code = main(["train", "pivotrl", *map(str, args), *FLAGS, *DEVICE])
    out = capsys.readouterr().out if capsys else ""
    return code, json.loads(out) if out.strip() else {}


def tensors(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(next(folder.glob("*model.safetensors")))


@pytest.fixture
def pivots(tmp_path: Path) -> Path:
    return write_pivots(tmp_path / "pivots")


def test_help_names_method_and_settings(capsys: Any) -> None:
    assert main(["train", "--help"]) == EXIT_OK
    assert "pivotrl" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "pivotrl", "--help"])
    assert "--reprofile-when" in capsys.readouterr().out


def test_an_unknown_method_is_refused(capsys: Any) -> None:
    assert main(["train", "pivotlr"]) == EXIT_USAGE
    assert "pivotrl" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "name"), [(0, "model"), (4, "adapter")])
def test_the_plain_engine_trains_reports_and_goes_on(
    pivots: Path, tiny_model: Path, tmp_path: Path, capsys: Any, rank: int, name: str
) -> None:
    run = tmp_path / "run"
    args = (pivots, tiny_model, "--engine", "minimal", "--lora.rank", rank, "--run", run)
    code, found = train(*args, "--num-steps", 2, capsys=capsys)
    assert code == EXIT_OK
    assert found["step"] == 2
    assert found["ledger"]["turns_train"] == 64
    assert any("no profile" in note for note in found["notes"])
    first = tensors(run / name)
    titles = [section["title"] for section in read_report(run)["sections"]]
    assert titles[:4] == ["Learning", "Distance from the start", "Cost", "Verdicts"]
    code, found = train(*args, "--num-steps", 3, capsys=capsys)
    assert code == EXIT_OK
    assert [row["step"] for row in jsonl.read(run / "metrics.jsonl")] == [1, 2, 3]
    second = tensors(run / name)
    assert any((first[key] != second[key]).any() for key in first)
    whole = tmp_path / "whole"
    train(*args[:-1], whole, "--num-steps", 3, capsys=capsys)
    assert all((tensors(whole / name)[key] == second[key]).all() for key in second)
    assert (whole / "results.json").read_bytes() == (run / "results.json").read_bytes()


def test_other_pivots_are_another_run(pivots: Path, tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    args = (pivots, tiny_model, "--engine", "minimal", "--run", tmp_path / "run", "--num-steps", 1)
    assert train(*args, capsys=capsys)[0] == EXIT_OK
    lines = (pivots / "pivots.jsonl").read_text().splitlines()
    (pivots / "pivots.jsonl").write_text("\n".join(lines[:2]) + "\n")
    assert main(["train", "pivotrl", *map(str, args), *FLAGS, *DEVICE]) == EXIT_USAGE
    assert "began with the pivots" in capsys.readouterr().err


def test_a_verifier_that_refuses_the_demonstrations_trains_nothing(
    pivots: Path, tiny_model: Path, tmp_path: Path, capsys: Any
) -> None:
    args = (pivots, tiny_model, "--engine", "minimal", "--num-steps", 1, "--verifier.name", "terminal")
    assert main(["train", "pivotrl", *map(str, args), "--run", str(tmp_path / "a"), *FLAGS, *DEVICE]) == EXIT_USAGE
    assert "4 of 4 demonstrations get no verdict" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    code, _ = train(*args, "--allow", "no_verdict", "--run", tmp_path / "b", capsys=capsys)
    assert code == EXIT_OK


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--sampling.temperature", "0"), "temperature 0"),
        (("--refill",), "refill"),
        (
            ("--engine", "minimal", "--max-prompt-tok", "3"),
            "no pivot can be put before the model: prompt and action",
        ),
        (("--num-steps", "5", "--num-iterations", "2", "--engine", "minimal"), "5 steps"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    pivots: Path, tiny_model: Path, tmp_path: Path, capsys: Any, flags: tuple[str, ...], words: str
) -> None:
    code = main(["train", "pivotrl", str(pivots), str(tiny_model), *flags, "--run", str(tmp_path / "r"), *DEVICE])
    assert code != EXIT_OK
    assert words in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_trl_trains_an_adapter_by_default(pivots: Path, tiny_model: Path, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("trl")
    pytest.importorskip("peft")
    run = tmp_path / "run"
    code, found = train(pivots, tiny_model, "--num-steps", 2, "--run", run, capsys=capsys)
    assert code == EXIT_OK
    assert found["step"] == 2
    assert (run / "adapter/adapter_model.safetensors").is_file()
    assert not list((run / "adapter").glob("*.bin"))
    code, again = train(pivots, tiny_model, "--num-steps", 2, "--run", run, capsys=capsys)
    assert code == EXIT_OK
    assert again == found
