"""Means over repetitions."""

import math

import pytest

from reasonry.core.stats import spread


def test_a_spread_is_a_t_interval_and_one_value_is_its_own() -> None:
    found = spread([1.0, 2.0, 3.0, math.nan])
    assert found.mean == 2
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3))
    assert spread([5.0]) == (5, 5, 5, 1)
    assert spread([]).num == 0
