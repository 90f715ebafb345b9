"""Runs of the lab: what a folder holds, runs that go on, arms that are added, and the report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.kill.ooc_lab_runs import config_of

from reasonry.core import jsonl
from reasonry.core.config import from_dict
from reasonry.core.report import read_report, write_report
from reasonry.errors import ConfigError, DataError, RunMismatchError
from reasonry.understanding.out_of_context.theory.config import PRESETS, find_arms
from reasonry.understanding.out_of_context.theory.looks import look_steps
from reasonry.understanding.out_of_context.theory.matrix_chart import MAX_GROUPS, layout, matrix_chart
from reasonry.understanding.out_of_context.theory.report import lab_report
from reasonry.understanding.out_of_context.theory.run import Lab, lab
from reasonry.understanding.out_of_context.theory.table import make_table
from reasonry.understanding.out_of_context.theory.tables import arm_table, summary_lines


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return lab(config_of("fixed-attention", run=tmp_path_factory.mktemp("lab") / "run"))


def test_results_hold_what_the_theory_says(fixed: Lab) -> None:
    body = json.loads((fixed.folder / "results.json").read_text())
    assert body == fixed.to_json()
    assert body["optima"]["nuclear"]["within"] == pytest.approx(math.sqrt(1 / 3))
    assert body["optima"]["frobenius"]["frobenius_sq"] == 19
    assert body["arms"]["factorised"]["last"]["test_accuracy"] == 1
    assert body["arms"]["combined"]["last"]["test_loss"] > body["floor_loss"] == math.log(4)
    assert body["arms"]["rank-3"]["last"]["step"] == 800
    rows = jsonl.recover(fixed.folder / "factorised" / "looks.jsonl").rows
    assert [row["step"] for row in rows] == look_steps(800, 12)
    assert rows[0]["step"] == 0 and rows[-1]["step"] == 800


def test_the_same_command_again_does_nothing_and_says_the_same(fixed: Lab) -> None:
    before = {p: p.stat().st_mtime_ns for p in fixed.folder.rglob("*.safetensors")}
    again = lab(fixed.config)
    assert again.to_json() == fixed.to_json()
    assert {p: p.stat().st_mtime_ns for p in fixed.folder.rglob("*.safetensors")} == before


def test_arms_are_added_and_other_settings_refused(fixed: Lab) -> None:
    more = lab(fixed.config.with_(arms=("combined", "frozen-value", "permuted-bridge", "no-bridge")))
    assert [arm.name for arm in more.arms] == ["combined", "frozen-value", "permuted-bridge", "no-bridge"]
    assert "cosine_nuclear" not in more.arm("permuted-bridge").last, "another table has no closed form"
    with pytest.raises(RunMismatchError, match="lr"):
        lab(fixed.config.with_(lr=0.5))


def test_a_damaged_arm_is_told(tmp_path: Path) -> None:
    config = config_of("fixed-attention", run=tmp_path / "run", steps=20, arms=("combined",))
    done = lab(config)
    results = done.folder / "combined" / "results.json"
    results.write_text(json.dumps({"name": "combined"}))
    with pytest.raises(DataError, match=r"Delete it"):
        lab(config)
    results.unlink()
    assert lab(config).to_json() == done.to_json()


def test_a_run_that_ends_early_is_told_and_kept(tmp_path: Path) -> None:
    said: list[str] = []
    changes = {"descent": "normalised", "lr": 0.05, "steps": 2000, "arms": ("factorised",)}
    config = config_of("fixed-attention", run=tmp_path / "run", **changes)
    done = lab(config, say=said.append)
    assert done.arms[0].ended and done.arms[0].last["step"] < 2000 and any("no digits" in line for line in said)
    (done.folder / "factorised" / "results.json").unlink()
    assert lab(config).to_json() == done.to_json(), "killed between the last checkpoint and the results"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_report(preset: str, tmp_path: Path) -> None:
    if preset == "transformer":
        pytest.importorskip("torch")
    pytest.importorskip("vl_convert")
    done = lab(config_of(preset, run=tmp_path / "run"))
    paths = write_report(done.folder, lab_report(done, command="reasonry probe out-of-context lab"))
    assert paths.html is not None
    body = read_report(done.folder)
    titles = [section["title"] for section in body["sections"]]
    linear = ["Margins and norms", "Which optimum it goes to"] if done.is_linear else []
    assert titles == [
        "What was inferred",
        *linear,
        "Singular values",
        "The matrix",
        "How this is computed",
        "Run",
    ]
    columns, rows = arm_table(done)
    assert len(rows) == len(done.arms) and all(len(row) == len(columns) for row in rows)
    assert f"log {done.table.num_groups}" in summary_lines(done)[0]


def test_unequal_groups_run_without_a_closed_form(tmp_path: Path) -> None:
    done = lab(config_of("fixed-attention", run=tmp_path / "run", bridge=(1, 2, 0, 3), arms=("factorised",), steps=100))
    assert done.optima is None and done.to_json()["optima"] is None
    assert "unequal size" in summary_lines(done)[1]
    assert lab_report(done).sections


def test_unequal_groups_are_compared_with_a_solver(tmp_path: Path) -> None:
    pytest.importorskip("cvxpy")
    sizes = {"bridge": (1, 2, 1, 3), "others": (3, 1, 2, 2), "solve": True}
    done = lab(config_of("fixed-attention", run=tmp_path / "run", arms=("factorised", "combined"), **sizes))
    assert done.optima is not None and done.optima.how.startswith("CLARABEL")
    assert done.arm("factorised").last["cosine_nuclear"] > 0.95 > done.arm("factorised").last["cosine_frobenius"]
    assert done.arm("combined").last["cosine_frobenius"] > 0.98
    assert "CLARABEL" in summary_lines(done)[1] and lab_report(done).sections


def test_the_matrix_shows_its_blocks() -> None:
    table = make_table(3, bridge=1, others=2)
    values = np.arange(6 * 11, dtype=float).reshape(6, 11)
    spec = matrix_chart(values, table, value_title="entry")
    cells = {(row["row"], row["column"]): row["value"] for row in spec["data"]["values"]}
    assert len(cells) == 66, "gaps are no cells"
    assert cells["c2", "test 2.1"] == values[4, 4] and cells["b1", "bridge 3.1"] == values[0, 2]
    assert cells["c3", "r2"] == values[5, 10]
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["b1", "b2", "b3", " ", "c1", "c2", "c3"]
    big = layout(make_table(20, bridge=1, others=9), 202)
    assert big.is_cut and len(big.rows) == 2 * MAX_GROUPS + 1


def test_looks_are_spread_in_their_logarithm() -> None:
    assert look_steps(1, 5) == [0, 1]
    steps = look_steps(10_000, 60)
    assert steps[:4] == [0, 1, 2, 3] and steps[-1] == 10_000 and len(steps) <= 62 and steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("preset", "arms", "said"),
    [
        ("fixed-attention", ("factorized",), "Did you mean 'factorised'"),
        ("fixed-attention", (), "no arms"),
        ("fixed-attention", ("rank-0",), "rank-0"),
        ("one-layer", ("frozen-value",), "frozen-value"),
        ("transformer", ("combined",), "There are true"),
    ],
)
def test_unknown_arms_leave_no_run_behind(preset: str, arms: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        lab(config_of(preset, arms=arms, run=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_bad_sizes_leave_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="for 4 groups"):
        lab(config_of("fixed-attention", bridge=(1, 2), run=tmp_path / "run"))
    with pytest.raises(ConfigError, match="num_groups"):
        from_dict(PRESETS["one-layer"], {"num_groups": 1})
    assert not (tmp_path / "run").exists()
    assert [arm.width for arm in find_arms(config_of("one-layer", arms=("rank-7", "rank-7", "combined")))] == [7, None]
