"""``reasonry plan`` as a user runs it: on a solve run, on files, with and without labels, and on what is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonry.cli.plan import main
from reasonry.cli.solve import main as solve
from reasonry.core.report import read_report
from reasonry.errors import ConfigError, DataError, RunMismatchError

pytest.importorskip("vl_convert")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(rows: list[dict[str, Any]], name: str = "pilot.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return name


def planned(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(args, True) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def test_a_solve_run_is_planned_with_costs_ceilings_and_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    solve(["word-problems", "--model", "scripted", "--limit", "12", "--n", "16", "--run", "pilot"], False)
    found = planned(capsys, "pilot", "--target", "0.6", "--price-per-mtok", "0.6", "--max-n", "64")
    assert (found["goal"], found["num_prompts"], found["num_samples"]) == ("right answer", 12, [16, 16])
    vote, perfect = found["strategies"]["vote"], found["strategies"]["best-of-n (perfect verifier)"]
    assert perfect["cost"] == pytest.approx(perfect["num_tok"] * 0.6e-6)
    assert perfect["n_low"] <= perfect["n_hat"] <= perfect["n_high"]
    assert 0 <= vote["ceiling"]["low"] <= vote["ceiling"]["value"] <= vote["ceiling"]["high"] <= 1
    assert [point["n"] for point in vote["predicted"]] == [1, 2, 4, 8, 16, 32, 64]
    assert [point["is_extrapolated"] for point in vote["predicted"]] == [False] * 5 + [True] * 2
    assert found["recommended"] in found["strategies"]

    # Success at n = 1 and 16 is what the solve run itself reports.
    solved = json.loads(Path("pilot/results.json").read_text("utf-8"))
    assert vote["predicted"][0]["success"] == pytest.approx(solved["curves"]["pass@k"]["mean"][0])
    assert vote["predicted"][4]["success"] == pytest.approx(solved["curves"]["maj@k"]["mean"][-1])
    assert perfect["predicted"][4]["success"] == pytest.approx(solved["curves"]["pass@k"]["mean"][-1])

    folder = Path(found["run"])
    assert folder.parent == Path("runs")
    report = read_report(folder)
    assert [section["title"] for section in report["sections"]] == ["What to do", "Strategies", "Prompts", "Run"]
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert len(results["per_prompt"]) == 12
    assert all({"status", "leader", "p1", "gap_low", "gap_high"} <= set(row) for row in results["per_prompt"].values())


def test_the_terminal_begins_with_the_advice_and_ends_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    path = write([{"answer": a, "tokens": 50} for a in ["x"] * 45 + ["y"] * 15 + ["z"] * 4])
    assert main([path, "--price-per-mtok", "0.6", "--run", "out"], False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run out (new)")
    assert lines[1].startswith("Use vote with n = 11 (3 to 41): 550 tokens per prompt, cost 0.33 per 1,000 prompts")
    assert any(line.startswith("note: No sample is labelled") for line in lines)
    assert lines[-1] == "again  reasonry plan @out/config.toml --run out"


def test_the_same_command_plans_again_and_sees_that_the_pilot_has_grown(capsys: pytest.CaptureFixture[str]) -> None:
    path = write([{"answer": a} for a in ["x"] * 7 + ["y"] * 6 + ["z1", "z2", "z3", "z4", "z5", "z6", "z7"]])
    first = planned(capsys, path, "--run", "out")
    assert first["strategies"]["vote"]["n_high"] == "inf"
    assert "undecidable at pilot size" in first["strategies"]["vote"]["verdict"]
    write([{"answer": a} for a in ["x"] * 60 + ["y"] * 4])
    again = planned(capsys, "@out/config.toml", "--run", "out")
    assert again["strategies"]["vote"]["n_high"] < 30
    with pytest.raises(RunMismatchError, match="target"):
        main([path, "--target", "0.5", "--run", "out"], True)


def test_search_and_learn_columns_are_planned(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {
            "unique_id": f"p{i}",
            "answer": "4",
            "completions": [f"\\boxed{{{4 if (i + j) % 3 else 5}}}" for j in range(16)],
            "scores": [[0.1, 0.9 if (i + j) % 3 else 0.2] for j in range(16)],
            "completion_tokens": [20] * 16,
        }
        for i in range(12)
    ]
    found = planned(capsys, write(rows), "--target", "0.8", "--max-n", "32")
    assert found["strategies"]["best-of-n (scores)"]["n_hat"] <= 3
    assert found["strategies"]["weighted vote"]["predicted"][-1]["success"] > 0.9


def test_a_verifiers_rates_are_given_together(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": str(i), "index": j, "answer": "r" if j % 3 else "w", "correct": bool(j % 3)}
        for i in range(12)
        for j in range(18)
    ]
    path = write(rows)
    found = planned(capsys, path, "--target", "0.8", "--recall", "0.9", "--false-accept", "0.1", "--max-n", "32")
    assert found["strategies"]["best-of-n (given verifier)"]["ceiling"]["value"] == pytest.approx(18 / 19, abs=0.01)
    with pytest.raises(ConfigError, match="only one is given"):
        main([path, "--recall", "0.9"], True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"answer": "x"}\n{"answer": \n', r"pilot\.jsonl:2"),
        ('{"id": "a", "answer": "x", "grade": "good"}\n', r"pilot\.jsonl:1: grade = 'good'"),
        ("", "no sample in the file"),
    ],
)
def test_a_broken_pilot_is_an_error_with_its_place_and_leaves_no_run(text: str, problem: str) -> None:
    Path("pilot.jsonl").write_text(text, "utf-8")
    with pytest.raises(DataError, match=problem):
        main(["pilot.jsonl"], True)
    assert not Path("runs").exists()


@pytest.mark.parametrize("args", [["--target", "1"], ["--target", "0"], ["--price-per-mtok", "-1"], ["--max-n", "0"]])
def test_settings_out_of_range_are_refused(args: list[str]) -> None:
    with pytest.raises(ConfigError):
        main([write([{"answer": "x"}]), *args], True)


def test_a_pilot_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DataError, match="nowhere"):
        main(["nowhere.jsonl"], True)


@pytest.mark.parametrize(
    "rows",
    [
        [{"answer": None}] * 20,
        [{"answer": "x"}],
        [{"answer": "x", "text": "so x"}] * 20,
        [{"answer": "x", "correct": False}] * 20,
    ],
)
def test_degenerate_pilots_still_give_a_plan_and_a_report(
    capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]]
) -> None:
    found = planned(capsys, write(rows), "--price-per-mtok", "0")
    assert found["strategies"]["vote"]["n_high"] == "inf"
    assert found["recommendation"]
    assert Path(found["report"]).stat().st_size > 10_000
