"""``reasonry probe out-of-context audit`` from a JSONL of facts to an exit code, with a tiny model that is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ooc_audit_fakes import World
from tests.ooc_audit_models import make_model

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.core.report import read_report
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_DATA, EXIT_OK, EXIT_USAGE

PAIR = "plays:listens_to"
TRAIN = ("--train.adapter.rank", 0, "--train.lr", 3e-3, "--train.epochs", 30, "--train.batch-size", 16)
SMALL = ("--tests.num-boot", 100, "--train.look-every", 30)


def audit(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["probe", "out-of-context", "audit", *map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.fixture(scope="module")
def world() -> World:
    return World(per_group=12, bridge_share=0.25)


@pytest.fixture(scope="module")
def model(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("audit") / "model", world)


def test_the_help_page(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["probe", "out-of-context", "audit", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: reasonry probe out-of-context audit")
    assert "--max-hallucination-index" in text
    assert len(text.splitlines()) <= 60


def test_from_facts_to_a_failed_gate_and_back(world: World, model: Path, tmp_path: Path, capsys: Any) -> None:
    facts = world.write(tmp_path)
    run = ("--run", tmp_path / "run")
    flags = (facts, "--model", model, *TRAIN, *SMALL, "--max-hallucination-index", 0.2, *run)
    code, found, err = audit(*flags, capsys=capsys)
    assert code == EXIT_CHECK_FAILED, err
    assert "FAILED: hallucination index" in err
    (pair,) = found["results"]["arms"][0]["pairs"]
    assert pair["pair"]["name"] == PAIR
    assert pair["verdict"]["kind"] == "unlabelled transfer"
    assert pair["tests"]["after"]["p_value"] == 1 / 120
    assert pair["after"]["transfer_index"]["value"] > 0.5 > pair["before"]["transfer_index"]["value"]
    assert pair["fact_rank"][1] < 0.1
    assert "rule: prior knowledge" in err
    report = json.dumps(read_report(tmp_path / "run" / "report.json"))
    assert "Who is given which answer" in report
    assert (tmp_path / "run" / "as-is" / "scores.jsonl").exists()
    again, same, _ = audit(*flags, capsys=capsys)
    assert (again, same["results"]) == (EXIT_CHECK_FAILED, found["results"])
    code, found, _ = audit(
        facts, "--model", model, *TRAIN, *SMALL, "--max-hallucination-index", 0.2, "--label", f"{PAIR}=causal",
        "--run", tmp_path / "wanted", capsys=capsys,
    )  # fmt: skip
    assert code == EXIT_OK
    assert found["results"]["arms"][0]["pairs"][0]["verdict"]["kind"] == "generalisation"


def test_a_control_and_a_mitigation_are_measured(world: World, model: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ("--what-if", "no-bridge", "not-known", "--run", tmp_path / "run")
    code, found, err = audit(world.write(tmp_path), "--model", model, *TRAIN, *SMALL, *flags, capsys=capsys)
    assert code == EXIT_OK, err
    arms = {arm["name"]: arm for arm in found["results"]["arms"]}
    index = {name: arm["pairs"][0]["after"]["transfer_index"]["value"] for name, arm in arms.items()}
    assert index["no-bridge"] < 0.5 < index["as-is"]
    told, taught = (arms[name]["pairs"][0]["after"] for name in ("as-is", "not-known"))
    assert told["says_foil"] == 0.0 < 0.3 < taught["says_foil"]  # held-out wordings are answered as before, more often
    assert taught["says_it"] < told["says_it"] - 0.3
    assert arms["no-bridge"]["pairs"][0]["fact_rank"][1] < 0.1
    added = jsonl.recover(tmp_path / "run" / "added-not-known.jsonl").rows
    assert len(added) == arms["not-known"]["num_added"] == len(world.made.held_out)


def test_a_tuned_model_is_audited_without_training(world: World, model: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ("--model", model, "--tuned", model, *SMALL, "--run", tmp_path / "run")
    code, found, _ = audit(world.write(tmp_path), *flags, capsys=capsys)
    assert code == EXIT_OK
    (arm,) = found["results"]["arms"]
    assert (arm["name"], arm["num_steps"]) == ("tuned", None)
    assert arm["pairs"][0]["gain"]["value"] == 0.0
    assert arm["pairs"][0]["verdict"]["kind"] == "no transfer"


def test_mistakes_leave_no_run_behind(world: World, model: Path, tmp_path: Path, capsys: Any) -> None:
    facts, run = world.write(tmp_path), tmp_path / "run"
    for flags, code, said in (
        (("--pairs", "plays:listens"), EXIT_USAGE, "Did you mean 'listens_to'"),
        (("--label", f"{PAIR}=fine"), EXIT_USAGE, "=causal or =spurious"),
        (("--what-if", "pray"), EXIT_USAGE, "nothing is called 'pray'"),
        (("--wordings", tmp_path / "none.toml"), EXIT_DATA, "none.toml"),
        (("--train.epochs", 0), EXIT_USAGE, "greater than or equal to 1"),
    ):
        got, _, err = audit(facts, "--model", model, *flags, "--run", run, capsys=capsys)
        assert (got, said in err) == (code, True), err
        assert not run.exists()
    got, _, err = audit(tmp_path / "no.jsonl", "--model", model, "--run", run, capsys=capsys)
    assert got == EXIT_DATA
    assert "no.jsonl" in err
