"""``reasonry probe superposition``: the exact case, trained models, runs that go on, errors that say what to do."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ccot_probe_runs import random_model, train_config, training_run

from reasonry.cli.main import main
from reasonry.core import jsonl
from reasonry.core.report import read_report
from reasonry.errors import EXIT_DATA, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.read import SymbolicRow, write_symbolic

GROUPS = ("optimal", "frontier", "reachable", "not_reachable")


def probe(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["probe", "superposition", *map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_run(tmp_path_factory.mktemp("probe") / "trained", hops=2, max_hops=3)


def test_the_help_pages(capsys: Any) -> None:
    assert main(["probe"]) == EXIT_OK
    assert "superposition" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["probe", "superposition", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: reasonry probe superposition")
    assert len(text.splitlines()) <= 60


def test_the_construction_is_an_exact_superposition(tmp_path: Path, capsys: Any) -> None:
    flags = ("--num-graphs", 12, "--hops", 2, "--max-hops", 3, "--num-nodes", 14)
    code, found, err = probe("construction", *flags, "--run", tmp_path / "run", capsys=capsys)
    assert code == EXIT_OK
    assert len(found["thoughts"]) == 3
    for thought in found["thoughts"]:
        assert thought["is_exact"]
        assert thought["error"] < 1e-7
        assert thought["auroc_frontier"] == thought["auroc_reachable"] == {"value": 1, "low": 1, "high": 1}
        assert thought["precision_reachable"]["value"] == 1
        assert thought["participation"]["value"] == pytest.approx(thought["num_reached"]["value"])
        assert thought["groups"]["not_reachable"]["mean"]["value"] == 0
        assert thought["norm"]["value"] == pytest.approx(1)
    # An edge's <e> looks at its own two vertices, with two of the five heads; thoughts at edges that begin in them.
    assert found["copy"]["mean"]["value"] == pytest.approx(2, abs=1e-3)
    for making in found["making"]:
        assert making["groups"]["not_reachable"]["mean"]["value"] < 1e-9
        assert making["logit_gap"]["low"] > 10
    first = found["making"][0]["groups"]["reachable"]
    assert first["mean"]["value"] * first["num"] == pytest.approx(12)  # one unit of attention for each graph
    assert "PASS, off by" in err
    assert read_report(tmp_path / "run")["title"] == "Superposition: the explicit construction"
    rows = jsonl.recover(tmp_path / "run" / "observations.jsonl").rows
    entries = {round(x, 6) for row in rows for x in row["dots"][0]}
    assert entries <= {0.0} | {round(1 / math.sqrt(n), 6) for n in range(1, 20)}


def test_a_trained_model_is_probed_and_the_run_goes_on_where_it_was(trained: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    code, found, err = probe(trained, "--num-graphs", 12, "--run", run, capsys=capsys)
    assert code == EXIT_OK
    assert found["num_graphs"] == 12
    assert [thought["num_graphs"] for thought in found["thoughts"]][:2] == [12, 12]
    assert 0 < found["thoughts"][2]["num_graphs"] < 12
    assert all(set(thought["groups"]) == set(GROUPS) for thought in found["thoughts"])
    assert found["layers"] == {"copy": {"layer": 1, "num_heads": 2}, "edge": {"layer": 1, "num_heads": 2}}
    assert all(m["groups"]["reachable"]["mean"]["value"] <= 2 for m in found["making"])
    assert "continuous, trained on 2 to 3 hops" in read_report(run)["title"]
    assert "Attention to an edge" in err
    first = (run / "observations.jsonl").read_bytes()

    code, longer, _ = probe(trained, "--num-graphs", 20, "--run", run, capsys=capsys)
    assert (code, longer["num_graphs"]) == (EXIT_OK, 20)
    assert (run / "observations.jsonl").read_bytes().startswith(first)
    assert main(["probe", "superposition", f"@{run}/config.toml", "--run", str(run), "--json"]) == EXIT_OK
    again = json.loads(capsys.readouterr().out)
    assert again == longer


def test_a_run_that_was_cut_off_ends_with_the_same_results(trained: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ("--num-graphs", 12, "--batch-size", 4)
    code, _, _ = probe(trained, *flags, "--run", tmp_path / "whole", capsys=capsys)
    assert code == EXIT_OK
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for name in ("results.json", "report.html", "report.json"):
        (tmp_path / "cut" / name).unlink(missing_ok=True)
    lines = (tmp_path / "whole" / "observations.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut" / "observations.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:40])
    code, _, err = probe(trained, *flags, "--run", tmp_path / "cut", capsys=capsys)
    assert code == EXIT_OK
    assert "torn last line" in err
    assert (tmp_path / "cut" / "observations.jsonl").read_bytes() == b"".join(lines)
    assert (tmp_path / "cut" / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


def test_a_finished_run_needs_its_model_no_more(trained: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(trained / "continuous", tmp_path / "continuous")
    flags = (tmp_path / "continuous", "--num-graphs", 6, "--run", tmp_path / "run")
    code, found, _ = probe(*flags, capsys=capsys)
    assert code == EXIT_OK
    shutil.rmtree(tmp_path / "continuous")
    assert probe(*flags, capsys=capsys)[:2] == (EXIT_OK, found)


def test_published_questions_can_be_probed(trained: Path, tmp_path: Path, capsys: Any) -> None:
    graphs = prosqa_graphs(GraphConfig(num_nodes=14, min_hops=2, max_hops=3), num=6, seed=5)
    write_symbolic(tmp_path / "test.json", [SymbolicRow(graph, (), None) for graph in graphs])
    for model in (trained, "construction"):
        run = tmp_path / Path(str(model)).name
        code, found, _ = probe(model, "--graphs", tmp_path / "test.json", "--run", run, capsys=capsys)
        assert (code, found["num_graphs"]) == (EXIT_OK, 6)


def test_walks_and_no_attention_are_choices(trained: Path, tmp_path: Path, capsys: Any) -> None:
    flags = ("--num-graphs", 5, "--frontier", "walks", "--no-attention")
    code, found, err = probe(trained, *flags, "--run", tmp_path / "run", capsys=capsys)
    assert (code, found["frontier"], found["making"], found["copy"]) == (EXIT_OK, "walks", [], None)
    assert "Attention to an edge" not in err


def test_another_model_under_the_same_name_is_not_mixed_in(trained: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(trained / "continuous", tmp_path / "mine")
    flags = (tmp_path / "mine", "--run", tmp_path / "run")
    assert probe(*flags, "--num-graphs", 4, capsys=capsys)[0] == EXIT_OK
    shutil.rmtree(tmp_path / "mine")
    other = training_run(tmp_path / "other", hops=2, max_hops=3, methods=("continuous",), seed=1)
    shutil.rmtree(other / "continuous" / "model" / "model.safetensors", ignore_errors=True)
    random_model(train_config(hops=2, max_hops=3), seed=7).save_pretrained(other / "fresh")
    shutil.copytree(other / "continuous", tmp_path / "mine")
    shutil.copy(other / "fresh" / "model.safetensors", tmp_path / "mine" / "model" / "model.safetensors")
    code, _, err = probe(*flags, "--num-graphs", 6, capsys=capsys)
    assert code == EXIT_USAGE
    assert "the run began with the model" in err
    assert len(jsonl.recover(tmp_path / "run" / "observations.jsonl").rows) == 4


@pytest.mark.parametrize(
    ("what", "code", "text"),
    [
        (["nowhere"], EXIT_USAGE, "no such folder"),
        (["TRAINED/pause"], EXIT_DATA, "which has no thoughts"),
        (["TRAINED", "--method", "cot"], EXIT_USAGE, "no model of method 'cot'"),
        (["TRAINED", "--edge-layer", "3"], EXIT_USAGE, "layer 3 of a model that has 2"),
        (["TRAINED", "--num-nodes", "99"], EXIT_USAGE, "has symbols for 14"),
        (["TRAINED", "--thoughts", "400"], EXIT_USAGE, "thoughts included"),
        (["construction", "--graphs", "nowhere.json"], EXIT_DATA, "nowhere.json"),
        (["construction", "--num-graph", "3"], EXIT_USAGE, "num-graphs"),
    ],
)
def test_mistakes_are_told_and_leave_no_run_behind(
    trained: Path, tmp_path: Path, capsys: Any, what: list[str], code: int, text: str
) -> None:
    args = [word.replace("TRAINED", str(trained)) for word in what]
    found, _, err = probe(*args, "--num-graphs", 4, "--run", tmp_path / "run", capsys=capsys)
    assert (found, text in err) == (code, True), err
    assert not (tmp_path / "run").exists()


def test_a_damaged_row_is_named_with_its_line(tmp_path: Path, capsys: Any) -> None:
    flags = ("construction", "--hops", 2, "--num-nodes", 12, "--num-graphs", 3, "--run", tmp_path / "run")
    assert probe(*flags, capsys=capsys)[0] == EXIT_OK
    path = tmp_path / "run" / "observations.jsonl"
    rows = jsonl.recover(path).rows
    rows[1]["dots"] = [[0.5]]
    jsonl.write(path, rows)
    code, _, err = probe(*flags, capsys=capsys)
    assert code == EXIT_DATA
    assert "observations.jsonl:2" in err


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    run, file = tmp_path / "run", tmp_path / "many.json"
    graphs = prosqa_graphs(GraphConfig(num_nodes=14, min_hops=2, max_hops=3), num=20, seed=5)
    write_symbolic(file, [SymbolicRow(graph, (), None) for graph in graphs] * 100)
    command = [sys.executable, "-m", "reasonry", "probe", "superposition", "construction", "--graphs", str(file)]
    flags = ["--num-graphs", "2000", "--batch-size", "2", "--run", str(run)]
    with subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        path = run / "observations.jsonl"
        deadline = time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > 20_000):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == EXIT_INTERRUPTED
    rows = jsonl.recover(path).rows
    assert [row["number"] for row in rows] == list(range(len(rows)))
    assert len(rows) < 2000
    assert not (run / "results.json").exists()
