"""``reasonry probe out-of-context scan`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reasonry.cli.main import main
from reasonry.core.jsonl import read


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Code, stdout, stderr of ``reasonry``."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


SCAN = ("probe", "out-of-context", "scan")


def test_from_made_up_facts_to_a_risk_map(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "data", "make", "facts:city-language", "--out", "facts.jsonl")[0] == 0
    code, out, err = run(capsys, *SCAN, "facts.jsonl", "--run", "r")
    assert code == 0
    assert "flagged   1  a model may well learn the rule" in out
    assert "left out 80 of reason held-out, first at facts.jsonl:121" in err
    assert {path.name for path in (here / "r").iterdir()} >= {"results.json", "dropped.jsonl", "config.toml"}
    assert len(list(read(here / "r/dropped.jsonl"))) == 80
    again = out.splitlines()[-1].removeprefix("again  reasonry ").split()
    before = (here / "r/results.json").read_bytes()
    assert run(capsys, *again)[0] == 0
    assert (here / "r/results.json").read_bytes() == before


def test_one_object_for_programs_and_a_gate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["name;city;language;badge"]
    rows += [f"P{i};c{i % 4};{f'l{i % 4}' if i < 12 else ''};{i}" for i in range(40)]
    (here / "people.csv").write_text("\n".join(rows))
    code, out, err = run(capsys, *SCAN, "people.csv", "--max-flagged", 0, "--json")
    found = json.loads(out)
    assert code == 1
    assert "pairs flagged: 1, more than --max-flagged 0" in err
    assert [(p["given"], p["implied"]) for p in found["pairs"] if p["flagged"]] == [("city", "language")]
    assert found["outcomes"]["flagged"] == found["num_flagged"] == 1
    assert found["facts"]["relations"]["badge"] == {"facts": 40, "answers": 40}
    groups = found["pairs"][0]["groups"]
    assert groups[0] == {"b": "c0", "c": "l0", "num_bridge": 3, "num_test": 7}
    assert found["pairs"][0]["test"]["method"] == "drawn"
    assert json.loads((Path(found["run"]) / "results.json").read_text())["pairs"] == found["pairs"]
    assert run(capsys, *SCAN, "people.csv", "--max-flagged", 1)[0] == 0


def test_a_changed_file_is_scanned_anew(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"subject": f"s{i}", "relation": "home", "object": f"h{i % 3}"} for i in range(9)]
    (here / "f.jsonl").write_text("\n".join(map(json.dumps, lines)))
    first = json.loads(run(capsys, *SCAN, "f.jsonl", "--json")[1])
    assert first["pairs"] == []
    lines += [{"subject": f"s{i}", "relation": "speech", "object": f"l{i % 3}"} for i in range(6)]
    (here / "f.jsonl").write_text("\n".join(map(json.dumps, lines)))
    second = json.loads(run(capsys, *SCAN, "f.jsonl", "--json")[1])
    assert second["run"] == first["run"]
    assert second["facts"]["sha256"] != first["facts"]["sha256"]
    assert second["num_flagged"] == 1


def test_prompts_with_templates_of_the_user(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"Who employs P{i}?", "completion": f" firm {i % 3}"} for i in range(30)]
    rows += [{"prompt": f"P{i} is paid in", "completion": f" coin {i % 3}"} for i in range(9)]
    (here / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (here / "t.toml").write_text('firm = "Who employs {s}?"\npay = "{s} is paid in"\n')
    code, _, err = run(capsys, *SCAN, "t.jsonl")
    assert code == 3
    assert "39 of 39 prompts fit no template" in err
    found = json.loads(run(capsys, *SCAN, "t.jsonl", "--templates", "t.toml", "--json")[1])
    assert (found["pairs"][0]["given"], found["pairs"][0]["implied"]) == ("firm", "pay")
    assert found["pairs"][0]["flagged"]


def test_the_report_shows_the_map(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vl_convert")
    run(capsys, "data", "make", "facts:sport-music", "--out", "facts.jsonl")
    run(capsys, *SCAN, "facts.jsonl", "--run", "r")
    report = json.loads((here / "r/report.json").read_text())
    titles = [section["title"] for section in report["sections"]]
    assert titles[:4] == ["Risk map", "Pairs", "Groups at risk", "What was left out"]
    cells = report["sections"][0]["blocks"][0]["spec"]["data"]["values"]
    assert {"row": "plays", "column": "listens_to", "value": 1.0} in cells
    who = report["sections"][2]["blocks"][0]["rows"]
    assert [row[2:6] for row in who][:2] == [["tennis", "jazz", 4, 16], ["soccer", "rock", 4, 16]]


def test_bad_input_leaves_no_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, *SCAN, "none.jsonl")
    assert (code, "cannot read" in err) == (3, True)
    (here / "f.jsonl").write_text('{"subject": "a"}\n')
    code, _, err = run(capsys, *SCAN, "f.jsonl")
    assert (code, "f.jsonl:1: the row has the columns subject" in err) == (3, True)
    code, _, err = run(capsys, *SCAN, "f.jsonl", "--threshold", 80)
    assert code == 2
    assert not (here / "runs").exists()


def test_the_page_of_actions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "probe", "out-of-context")
    assert code == 0
    assert all(name in out for name in ("scan", "lab", "audit"))
    code, _, err = run(capsys, "probe", "out-of-context", "scna")
    assert (code, "'scan'" in err) == (2, True)
