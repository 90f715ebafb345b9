"""``oracle`` in place of a denoiser: a planner that learns on exact laws, its comparison with rules, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE

LAWS = ("--head.features", "confidence", "entropy", "margin", "--head.inner-width", "16")
SMALL = ("--num-updates", "2", "--prompts-per-update", "2", "--group-size", "4", "--num-eval", "8", *LAWS)
TASK = ("--data.task", "ledger:2:5")


def called(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main([*map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("oracle") / "run"
    assert main(["train", "dultra", "planner", "oracle", *TASK, *SMALL, "--run", str(run), "--json"]) == EXIT_OK
    return run / "planner"


def test_a_planner_learns_on_exact_laws_and_is_compared_with_rules(planner: Path, tmp_path: Path, capsys: Any) -> None:
    rows = list(jsonl.read(planner.parent / "metrics.jsonl"))
    assert [row["step"] for row in rows] == [1, 2]
    assert all(1 <= row["nfe"] <= 10 and 0 <= row["accuracy"] <= 1 and row["grad_norm"] > 0 for row in rows)
    config = json.loads((planner / "config.json").read_text())
    assert (config["width"], config["denoiser"]) == (0, "oracle:ledger:2:5")
    for oracle, task in (("oracle", ("ledger:2:5",)), ("oracle:ledger:2:5", ())):
        policies = ("--policies", "threshold:0.9", "planner:threshold", "--planners", planner)
        args = (oracle, *task, *policies, "--num-prompts", 4, "--show", 0, "--run", tmp_path / f"run-{len(task)}")
        code, found, err = called("eval", "diffusion-frontier", *args, capsys=capsys)
        assert code == EXIT_OK
        assert "loading" not in err
        assert "Loading weights" not in err
        by_label = {policy["label"]: policy for policy in found["policies"]}
        assert by_label["threshold:0.9"]["nfe"]["value"] == 4 * 2 + 1
        assert by_label["threshold:0.9"]["accuracy"]["value"] == 1
        assert set(by_label) == {"threshold:0.9", "planner:threshold:0.5"}


def test_a_planner_of_exact_laws_goes_on_from_where_it_was(planner: Path, tmp_path: Path, capsys: Any) -> None:
    args = ("oracle:ledger:2:5", "--planner", planner, *SMALL, "--run", tmp_path / "run")
    code, found, _ = called("train", "dultra", "planner", *args, capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["updates"] == 2


def test_a_planner_imitates_a_rule_on_exact_laws(tmp_path: Path, capsys: Any) -> None:
    args = ("oracle", "--data.task", "pairs:2", "--num-steps", 12, "--batch-size", 16, *LAWS, "--run", tmp_path / "run")
    code, found, _ = called("train", "dultra", "imitate", *args, capsys=capsys)
    assert code == EXIT_OK
    assert found["results"]["steps"] == 12
    rows = list(jsonl.read(tmp_path / "run" / "metrics.jsonl"))
    assert rows[-1]["bce_nats"] < rows[0]["bce_nats"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("planner", "oracle", *TASK), EXIT_USAGE, "head.features: oracle:ledger:2:5 has no hidden states"),
        (("imitate", "oracle", *TASK), EXIT_USAGE, "head.features: oracle:ledger:2:5 has no hidden states"),
        (("planner", "oracle", *LAWS), EXIT_USAGE, "does not say which task it knows"),
        (("planner", "oracle:", *LAWS), EXIT_USAGE, "does not say which task it knows"),
        (
            ("planner", "oracle", *TASK, "--freeze", "none", *LAWS),
            EXIT_USAGE,
            "freeze: oracle:ledger:2:5 has no weights",
        ),
        (
            ("planner", "oracle", *TASK, "--freeze", "planner", "--unmask", "top:1"),
            EXIT_USAGE,
            "freeze: oracle:ledger:2:5 has no weights",
        ),
        (("planner", "oracle:chain:4", *LAWS), EXIT_USAGE, "no exact laws are known for chain:4"),
        (("planner", "oracle:pairs:2", *TASK, *LAWS), EXIT_USAGE, "the oracle of pairs:2 does not know ledger:2:5"),
        (("planner", "oracle", "--data.task", "lodger:2", *LAWS), EXIT_USAGE, "unknown task"),
        (("planner", "./oracle", *TASK, *LAWS), EXIT_USAGE, "is not a folder"),
    ],
)
def test_what_the_oracle_cannot_do_is_refused_and_leaves_no_run(
    tmp_path: Path, capsys: Any, args: tuple[str, ...], code: int, words: str
) -> None:
    found, _, err = called("train", "dultra", *args, "--run", tmp_path / "run", capsys=capsys)
    assert found == code, err
    assert words in err
    assert not (tmp_path / "run").exists()


def test_a_planner_of_hidden_states_is_refused_by_a_denoiser_without_any(tmp_path: Path, capsys: Any) -> None:
    from reasonry.training.dultra.planner import PlannerConfig, PlannerHead

    PlannerHead(PlannerConfig(width=16, max_len=10)).save_pretrained(tmp_path / "planner")
    args = ("oracle:ledger:2:5", "--planner", tmp_path / "planner", *SMALL, "--run", tmp_path / "run")
    code, _, err = called("train", "dultra", "planner", *args, capsys=capsys)
    assert code == EXIT_DATA
    assert "hidden states of width 16, and the denoiser gives none" in err
