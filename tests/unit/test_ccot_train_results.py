"""Shares, results of methods, and the paired comparison with continuous thoughts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reasonry.core.stats import wilson
from reasonry.errors import DataError
from reasonry.training.continuous_cot.source import Judged
from reasonry.training.continuous_cot.train.results import (
    MethodResult,
    Share,
    answer_row,
    by_group,
    compare,
    share,
)


def judged(is_right: bool, number: int, group: str = "") -> Judged:
    return Judged(is_right, is_right, False, "1", 1, 3, group, f"test-{number}")


def answers(pattern: str) -> list[dict[str, Any]]:
    return [answer_row(judged(mark == "+", number)) for number, mark in enumerate(pattern)]


NINE = Share(9, 10)


def result(name: str = "continuous", exact: Share = NINE, **more: Any) -> MethodResult:
    values: dict[str, Any] = {
        "candidates": Share(10, 10),
        "num_ties": 0,
        "mean_tok": 1.0,
        "mean_slots": 3.0,
        "by_group": {"2 hops": Share(4, 5), "3 hops": Share(5, 5)},
        "by_slots": {0: Share(1, 4), 3: Share(4, 4)},
        "num_parameters": (100, 120),
        "num_steps": 7,
        "best_step": 6,
        "best_validation": 0.5,
    }
    return MethodResult(name, exact, **{**values, **more})


def test_a_share_has_wilsons_interval() -> None:
    found = Share(9, 10)
    assert (found.value, found.low, found.high) == (0.9, wilson(9, 10).low, wilson(9, 10).high)
    assert math.isnan(Share(0, 0).value)


def test_results_come_back_from_json() -> None:
    for each in (result(), result(candidates=None, ended="stopped", by_group={}, by_slots={})):
        assert MethodResult.from_json(each.to_json()) == each


def test_a_file_that_is_something_else_is_refused() -> None:
    with pytest.raises(DataError, match=r"results.json: not the results of a method.*Remove the file"):
        MethodResult.from_json({"num_parameters": [1, 2]}, place="results.json")


def test_groups_are_in_their_natural_order_and_one_group_is_none() -> None:
    rows = [judged(True, 0, "10 hops"), judged(False, 1, "2 hops"), judged(True, 2, "2 hops")]
    assert list(by_group(rows).items()) == [("2 hops", Share(1, 2)), ("10 hops", Share(1, 1))]
    assert by_group(rows[1:]) == {}
    assert share(rows) == Share(2, 3)


def test_methods_are_compared_on_the_questions_that_one_of_the_two_got_right() -> None:
    # Eight questions only the reference got right, none the other way round: p = 2 (1/2)^8.
    (pair,) = compare({"pause": answers("--------++"), "continuous": answers("++++++++++")})
    assert (pair.method, pair.reference) == ("pause", "continuous")
    assert (pair.only_method, pair.only_reference) == (0, 8)
    assert pair.difference == pytest.approx(-0.8)
    assert pair.p_value == pytest.approx(2 * 0.5**8)
    assert pair.p_holm == pair.p_value


def test_p_values_are_corrected_for_the_number_of_methods() -> None:
    found = compare(
        {
            "continuous": answers("++++++++++"),
            "pause": answers("--------++"),
            "cot": answers("+++++-----"),
        }
    )
    assert [pair.p_value for pair in found] == pytest.approx([2 * 0.5**8, 2 * 0.5**5])
    assert [pair.p_holm for pair in found] == pytest.approx([4 * 0.5**8, 2 * 0.5**5])


def test_without_continuous_thoughts_the_first_method_is_the_reference() -> None:
    (pair,) = compare({"cot": answers("+-"), "pause": answers("-+")})
    assert (pair.method, pair.reference, pair.p_value) == ("pause", "cot", 1.0)
    assert compare({"cot": answers("+-")}) == []
    assert compare({"cot": answers("+-"), "pause": []}) == []


def test_answers_to_other_questions_are_not_compared() -> None:
    with pytest.raises(DataError, match="pause and continuous answered different questions"):
        compare({"continuous": answers("++"), "pause": answers("+++")})
