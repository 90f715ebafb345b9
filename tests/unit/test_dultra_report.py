"""Figures of decodings and of training: what is drawn, and that it stands in a page without gaps or clashes."""

from pathlib import Path

import pytest
from tests.dultra_frontier import config

from reasonry.core.report import Chart, Report, Section, Table, read_report, write_report
from reasonry.core.report.style import LIGHT
from reasonry.training.dultra.frontier.report import frontier_report
from reasonry.training.dultra.frontier.run import compare
from reasonry.training.dultra.frontier.tables import fastest_table, frontier_table, shown_lines, summary_lines
from reasonry.training.dultra.report import (
    Strip,
    TradeOff,
    plan_map,
    progress_rows,
    reveal_chart,
    trade_off_chart,
    training_report,
    wrapped,
)


def values_of(spec):
    return spec["data"]["values"]


def charts_of(report: Report) -> dict[str, Chart]:
    return {b.title: b for section in report.sections for b in section.blocks if isinstance(b, Chart)}


# ---------------------------------------------------------------- accuracy against cost


def point(label: str, family: str, cost: float, accuracy: float, *, is_dominated: bool = False) -> TradeOff:
    return TradeOff(label, family, cost, cost, cost, accuracy, accuracy - 0.1, accuracy + 0.05, is_dominated)


def test_a_kind_is_a_line_in_order_of_cost_with_its_own_look() -> None:
    families = [f"kind{i}" for i in range(14)]
    points = [point(f"{f}:{cost}", f, cost, 0.5) for f in families for cost in (8, 2)]
    spec = trade_off_chart(points, cost_title="passes", target=0.95)
    rows = values_of(spec)
    assert [row["x"] for row in rows if row["family"] == "kind3"] == [2, 8]
    marks = next(layer for layer in spec["layer"] if "params" in layer)["encoding"]
    looks = zip(marks["color"]["scale"]["range"], marks["shape"]["scale"]["range"], strict=True)
    assert len(set(looks)) == 14 and marks["color"]["scale"]["domain"] == families
    assert spec["layer"][1]["mark"]["strokeDash"] != spec["layer"][2]["mark"]["strokeDash"]


def test_the_staircase_is_the_best_accuracy_that_each_cost_buys() -> None:
    points = [point("a", "a", 2, 0.5), point("b", "a", 4, 0.4), point("c", "a", 8, 0.9), point("d", "b", 16, 0.9)]
    stairs = trade_off_chart(points, cost_title="passes")["layer"][0]["data"]["values"]
    assert [(s["x"], s["y"]) for s in stairs] == [(2, 0.5), (8, 0.9), (16, 0.9)]


def test_a_cost_of_nothing_has_no_place_on_a_logarithmic_axis() -> None:
    for points in ([], [point("a", "a", 0, 0.5)]):
        with pytest.raises(ValueError, match="costs above 0"):
            trade_off_chart(points, cost_title="passes")


# ---------------------------------------------------------------- strips


def test_a_cell_says_when_it_was_revealed_and_whether_by_force() -> None:
    strip = Strip("top:1", ["a", " the", "\n", "<end>"], [1, 0, 2, -1], [False, False, True])
    spec = reveal_chart([strip])
    cells = values_of(spec)
    assert [cell["pass"] for cell in cells] == [2, 1, 3, None]
    assert [cell["text"] for cell in cells] == ["a", "the", "↵", "<end>"]
    assert cells[1]["token"] == " the" and cells[2]["token"] == "\\n"
    assert [cell["when"] for cell in cells] == ["pass 2", "pass 1", "pass 3 forced", "never"]
    assert spec["params"][0]["bind"]["max"] == spec["params"][0]["value"] == 3


def test_strips_share_one_scale_and_one_slider_and_long_ones_are_wrapped() -> None:
    short = Strip("a", ["x"] * 50, [0] * 50, [False])
    long = Strip("b", ["x"] * 50, list(range(50)), [False] * 50)
    spec = reveal_chart([short, long])
    lines = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert len(lines) == len(set(lines)) == 6 and wrapped(50) == 24 and wrapped(40) == 40
    assert [line.strip() for line in lines] == ["a", "25 to 48", "49 to 50", "b", "25 to 48", "49 to 50"]
    assert {cell["column"] for cell in values_of(spec)} == set(range(1, 25))
    assert spec["layer"][1]["encoding"]["color"]["scale"]["domain"] == [1, 50]
    with pytest.raises(ValueError, match="distinct"):
        reveal_chart([short, short])


# ---------------------------------------------------------------- plans


def test_a_plan_shows_probabilities_where_positions_were_open() -> None:
    q = [[0.9, 0.1, None], [None, 0.2, 0.3]]
    spec = plan_map(q, revealed_at=[0, 1, 1], forced=[False, True], tokens=["a", "b", "c"])
    cells = {(row["step"], row["position"]): row for row in values_of(spec)}
    assert len(cells) == 4 and cells[2, 3]["q"] == 0.3
    assert [cells[at]["what"] for at in ((1, 1), (1, 2), (2, 2))] == ["revealed", "", "forced"]
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {"domain": [0, 1], "range": list(LIGHT.ramp)}
    with pytest.raises(ValueError, match="do not fit"):
        plan_map(q, revealed_at=[0, 1], forced=[False, True], tokens=["a", "b", "c"])


# ---------------------------------------------------------------- training


def metrics(num: int):
    for i in range(num):
        part = {"reward/right": 0.5, "reward/parts": 1.0, "reward/speed": -0.1, "reward": 1.4 + i / num}
        rest = {"nfe": 10 - 8 * i / num, "accuracy": 0.5 + 0.4 * i / num, "distinct": 1.0, "mean_q": 0.2}
        yield {"step": i + 1, **part, **rest, "forced_share": 0.1, "zero_std_share": 0.0, "kl_ref": None, "lr": 1e-3}


def test_a_training_shows_its_reward_in_parts_and_leaves_out_what_was_not_logged() -> None:
    report = training_report(list(metrics(60)), command="reasonry train dultra", notes=["it collapsed"])
    charts = charts_of(report)
    assert {"Reward", "What it is made of", "The way of training", "Passes", "Distinct answers"} <= set(charts)
    assert "Distance from the start" not in charts and "Norm of the gradient" not in charts
    parts = {row["series"] for row in values_of(charts["What it is made of"].spec)}
    assert parts == {"right answers", "right parts", "speed"}
    assert {fact.label: fact.value for fact in report.facts}["Forward passes"] == pytest.approx(2.733, abs=0.01)
    assert any(getattr(b, "text", "") == "it collapsed" for b in report.sections[0].blocks)


@pytest.mark.parametrize("num", [0, 1, 3, 200])
def test_a_training_of_any_length_has_a_report(num: int, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    report = training_report(list(metrics(num)), sections=[Section("More", [])])
    assert "More" in [section.title for section in report.sections]
    write_report(tmp_path, report)
    assert read_report(tmp_path)["title"] == report.title
    columns, rows = progress_rows(list(metrics(num)))
    assert (all(len(row) == len(columns) for row in rows) and len(rows) == min(num, 5)) or num == 3


def test_the_running_mean_is_that_of_the_last_ten() -> None:
    rows = [{"step": i, "reward": float(i)} for i in range(40)]
    points = values_of(charts_of(training_report(rows))["Reward"].spec)
    mean = {p["x"]: p["y"] for p in points if p["series"] == "mean of 10"}
    assert mean[0] == 0 and mean[4] == 2 and mean[39] == 34.5


# ---------------------------------------------------------------- a comparison


def test_a_comparison_reports_kinds_policies_and_decodings(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    cfg = config(policies=("top:1", "rand:2", "entropy_bound:0.1"), run=tmp_path / "r", show=2)
    compared = compare(cfg)
    report = frontier_report(compared, command="again")
    assert list(charts_of(report)) == [
        "Accuracy against forward passes",
        "Accuracy against wall time",
        "Pass by pass, prompt 1",
        "Pass by pass, prompt 2",
    ]
    tables = [b for section in report.sections for b in section.blocks if isinstance(b, Table)]
    assert [len(table.rows) for table in tables] == [3, 3]
    assert tables[0].rows[0][1] == "entropy_bound:0.1" and {f.label for f in report.facts} >= {"Best policy"}
    assert write_report(tmp_path, report).html.stat().st_size > 1e5
    columns, rows = fastest_table(compared.result)
    assert rows[0][:3] == ["entropy_bound", "entropy_bound:0.1", "5.00"] and len(columns) == 5
    assert len(frontier_table(compared.result)[1]) == 3
    lines = shown_lines(compared)
    assert sum(line.startswith("prompt ") for line in lines) == 2 and "  top:1: 10 passes, right" in lines
    assert "best   entropy_bound:0.1: 5.00 forward passes at 100.0%" in summary_lines(compared.result)[-1]


def test_kinds_that_never_reach_the_target_are_told_with_what_they_reach(tmp_path: Path) -> None:
    compared = compare(config(policies=("top:5", "threshold:0.1"), run=tmp_path / "r", show=0))
    report = frontier_report(compared)
    assert report.facts[0].label == "Most accurate policy" and "none reaches 95%" in report.facts[0].note
    assert all(row[1].startswith("none; ") for row in fastest_table(compared.result)[1])
    assert not any(section.title == "Decodings" for section in report.sections)
