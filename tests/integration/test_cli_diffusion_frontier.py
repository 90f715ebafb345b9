"""``reasonry eval diffusion-frontier`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.dultra_frontier import write_tiny

from reasonry.cli.main import main
from reasonry.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE

ORACLE = ("oracle:ledger:2:5", "--num-prompts", "4", "--show", "1")


def frontier(*args: object) -> int:
    return main(["eval", "diffusion-frontier", *map(str, args)])


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_policy_decodes_and_shows_what_it_wrote(capsys: Any) -> None:
    code = frontier(*ORACLE, "--policies", "threshold:0.9", "--show", 2)
    shown = capsys.readouterr()
    assert code == EXIT_OK
    lines = shown.out.splitlines()
    assert lines[0].startswith("run runs/eval-diffusion-frontier-oracle-ledger-2-5-") and "seed 0" in lines[0]
    assert lines[1].startswith("prompt 1: <start>") and lines[2] == "  threshold:0.9: 9 passes, right"
    assert len(lines[3].split()) == 10 and lines[3].split()[4] == ";"
    assert lines[-1].startswith("again  reasonry eval diffusion-frontier @runs/")
    run = next(Path("runs").iterdir())
    assert {p.name for p in run.iterdir()} >= {
        *("results.json", "results.csv", "report.html", "decoded.jsonl", "shown.jsonl", "trajectories", "env.json"),
    }
    assert (run / "trajectories" / "threshold-0.9.jsonl").read_text().count("\n") == 2


def test_the_command_it_prints_repeats_it_and_json_is_one_object(capsys: Any) -> None:
    policies = ("--policies", "entropy_bound:sweep", "top:1")
    assert frontier(*ORACLE, *policies, "--run", "here", "--json") == EXIT_OK
    first = capsys.readouterr()
    body = json.loads(first.out)
    assert body["fastest"] == "entropy_bound:0.01" and body["run"] == "here"
    assert [f["name"] for f in body["families"]] == ["top", "entropy_bound"] or len(body["families"]) == 2
    assert "The frontier" in first.err
    assert frontier("@here/config.toml", "--run", "here", "--json") == EXIT_OK
    again = capsys.readouterr()
    assert json.loads(again.out) == body and "determinism finished" in again.err


def test_a_planner_of_a_tiny_model_takes_part(tmp_path: Path, capsys: Any) -> None:
    made = write_tiny(tmp_path / "made")
    args = (made / "tiny", "ledger:2:5", "--num-prompts", 2, "--policies", "planner:sample", "top:5")
    assert frontier(*args, "--planners", made / "planner", "--run", tmp_path / "r") == EXIT_OK
    out = capsys.readouterr().out
    assert "planner:sample" in out and "ms in planner" in out
    assert frontier(*args, "--planners", made / "wide", "--run", tmp_path / "s") == EXIT_DATA
    said = capsys.readouterr().err
    assert "wide" in said and "hidden states of width 24" in said and "Use the denoiser" in said


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("somewhere",), "which task?"),
        ((*ORACLE, "--policies", "treshold:0.9"), "'threshold'"),
        ((*ORACLE, "--block-len", "5", "--policies", "entropy:1"), "fewer steps than the answer has blocks"),
        ((*ORACLE, "--policies", "planner:sample"), "needs a planner"),
        ((*ORACLE, "--polices", "top:1"), "--policies"),
        (("oracle:ledgr:2",), "ledger"),
    ],
)
def test_a_slip_is_told_with_its_remedy_and_leaves_no_run(args: tuple[str, ...], words: str, capsys: Any) -> None:
    assert frontier(*args) == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said
    assert not Path("runs").exists()


def test_help_names_the_arguments(capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        frontier("--help")
    assert stop.value.code == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.startswith("usage: reasonry eval diffusion-frontier DENOISER [TASK]") and "--num-prompts" in shown
    assert main(["eval"]) == EXIT_OK and "diffusion-frontier" in capsys.readouterr().out
