"""How a training is told: running means, what is faint, beginnings and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.report import Reference, Series, curve_chart
from reasonry.core.report.channels import Spec
from reasonry.core.report.style import LIGHT
from reasonry.core.report.training import (
    WINDOW,
    Figure,
    change_facts,
    mean_of,
    mean_text,
    running_mean,
    step_chart,
    steps_of,
    stretches,
)


def rows_of(num: int, **names: float) -> list[dict[str, float]]:
    return [{"step": i + 1, **{name: slope * i for name, slope in names.items()}} for i in range(num)]


def points_of(spec: Spec | None) -> dict[str, list[tuple[float, float]]]:
    assert spec is not None
    found: dict[str, list[tuple[float, float]]] = {}
    for row in spec["data"]["values"]:
        found.setdefault(row["series"], []).append((row["x"], row["y"]))
    return found


def y_title(spec: Spec | None) -> str:
    assert spec is not None
    return spec["layer"][0]["encoding"]["y"]["axis"]["title"]


def test_a_running_mean_is_that_of_the_last_ten_and_of_fewer_at_the_beginning() -> None:
    assert running_mean([0, 1, 2]) == [0, 0.5, 1]
    assert running_mean(range(40))[-1] == pytest.approx(34.5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_running_mean_lies_between_the_least_and_the_largest(values: list[float]) -> None:
    found = running_mean(values)
    assert len(found) == len(values) and found[0] == values[0]
    assert all(min(values) - 1e-6 <= m <= max(values) + 1e-6 for m in found)


def test_a_few_values_are_shown_as_they_are_and_many_pale_behind_their_mean() -> None:
    few = points_of(step_chart(rows_of(2 * WINDOW, a=1.0), {"a": "loss"}, y_title="nats"))
    assert few == {"loss": [(i + 1, i) for i in range(20)]}
    spec = step_chart(rows_of(21, a=1.0), {"a": "loss"}, y_title="nats")
    many = points_of(spec)
    assert list(many) == ["mean of 10", "loss"]
    assert many["loss"][20] == (21, 20) and many["mean of 10"][20] == (21, 15.5)
    assert y_title(spec) == "nats"
    as_it_is = step_chart(rows_of(21, a=1.0), {"a": "loss"}, y_title="nats", is_noisy=False)
    assert list(points_of(as_it_is)) == ["loss"]


def test_of_several_numbers_the_means_are_shown_and_it_is_said_which_are_means() -> None:
    both = step_chart(rows_of(30, a=1.0, b=2.0), {"a": "left", "b": "right"}, y_title="share")
    assert points_of(both)["right"][29] == (30, 49) and y_title(both) == "share, mean of 10"
    rows = [{**row, "b": 7.0 if row["step"] == 30 else None} for row in rows_of(30, a=1.0)]
    mixed = step_chart(rows, {"a": "left", "b": "right", "c": "never"}, y_title="share")
    assert points_of(mixed).keys() == {"left, mean of 10", "right"} and y_title(mixed) == "share"
    assert points_of(mixed)["right"] == [(30, 7)]
    assert step_chart(rows, {"c": "never"}, y_title="share") is None


def test_a_figure_is_told_at_its_end_with_its_beginning() -> None:
    figures = [Figure("a", "A", "percent", 1), Figure("b", "B", "decimal", 2), Figure("c", "C", "decimal", 2)]
    a, b = change_facts(rows_of(40, a=0.01, b=1.0), figures, unit="rounds")
    assert (a.value, a.note) == (pytest.approx(0.345), "last 10 rounds; first 10: 4.5%")
    assert (b.value, b.note) == (34.5, "last 10 rounds; first 10: 4.50")
    (short,) = change_facts(rows_of(3, a=0.5), figures)
    assert (short.value, short.note) == (1.0, "first: 0.0%")
    assert change_facts([], figures) == []


@given(st.integers(0, 60), st.integers(1, 9))
def test_stretches_are_all_rows_in_order_in_at_most_so_many_parts(num: int, parts: int) -> None:
    rows = rows_of(num, a=1.0)
    found = stretches(rows, parts)
    assert [row for part in found for row in part] == rows
    assert len(found) <= parts and len({len(part) for part in found[:-1]}) <= 1


def test_what_was_not_measured_has_a_dash() -> None:
    rows = [{"step": 4, "a": 1.0}, {"step": 5, "a": None}, {"step": 6, "a": 0.5}]
    assert mean_of(rows, "a") == 0.75 and mean_of(rows, "b") is None
    assert (steps_of(rows), mean_text(rows, "a", "{:.0%}"), mean_text(rows, "b", "{:.0%}")) == ("4-6", "75%", "-")


def test_a_faint_line_is_grey_thin_and_beneath_and_the_others_keep_their_colours() -> None:
    lines = [Series("main", [1, 2], [1, 2]), Series("noise", [1, 2], [1, 3], faint=True), Series("b", [1, 2], [0, 0])]
    spec = curve_chart(lines, x_title="x", y_title="y")
    beneath, above = (layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert beneath["encoding"]["color"]["scale"]["range"] == [LIGHT.series[0], LIGHT.muted, LIGHT.series[2]]
    assert beneath["mark"]["strokeWidth"] == 1 and "strokeWidth" not in above["mark"]
    assert beneath["transform"] == [{"filter": {"field": "series", "oneOf": ["noise"]}}]
    assert above["transform"] == [{"filter": {"not": {"field": "series", "oneOf": ["noise"]}}}]
    plain = curve_chart([lines[0], lines[2]], x_title="x", y_title="y")
    (only,) = (layer for layer in plain["layer"] if layer["mark"]["type"] == "line")
    assert "transform" not in only


def test_the_words_of_a_line_stand_at_the_end_that_is_asked_for() -> None:
    for is_left, align, x in ((False, "right", "width"), (True, "left", 0)):
        spec = curve_chart(
            [Series("a", [1, 2], [1, 2])], x_title="x", y_title="y", references=[Reference(1, "least", is_left)]
        )
        texts = [layer for layer in spec["layer"] if layer["mark"].get("text") == "least"]
        assert texts and all(t["mark"]["align"] == align and t["encoding"]["x"] == {"value": x} for t in texts)
