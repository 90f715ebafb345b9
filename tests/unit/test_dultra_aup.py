"""Accuracy under parallelism."""

import math

import pytest

from reasonry.errors import ConfigError
from reasonry.training.dultra.aup import Point, aup, weight


def test_the_weight_falls_exponentially_below_the_best_and_is_1_above():
    assert weight(79, 80) == pytest.approx(0.963194, abs=1e-6)
    assert weight(90, 80) == 1


def test_two_points_give_the_area_worked_out_by_hand():
    assert aup([(1, 80), (2, 79)]) == pytest.approx(158.0462, abs=5e-5)
    assert aup([Point(2, 79), Point(1, 80)], 80) == aup([(1, 80), (2, 79)])


def test_a_single_point_is_a_rectangle_without_weight():
    assert aup([(3, 50)], 100) == 150


def test_a_better_method_elsewhere_lowers_every_weight_but_the_first():
    w = math.exp(-3 * (1 - 80 / 90))
    assert aup([(1, 80), (3, 80)], 90) == pytest.approx(80 + 2 * 80 * w)


def test_points_that_fall_too_far_below_the_first_are_left_out():
    curve = [(1.0, 80.0), (2.0, 79.0)]
    assert aup([*curve, (10.0, 74.9)]) == aup(curve)
    assert aup([*curve, (10.0, 75.0)]) > aup(curve)
    assert aup([*curve, (10.0, 74.9)], max_drop_percent=6) > aup(curve)


def test_an_outlier_in_the_middle_is_bridged():
    assert aup([(1, 80), (2, 10), (3, 80)]) == pytest.approx(80 + 2 * 80)


def test_of_points_at_the_same_place_the_best_is_the_first():
    assert aup([(1, 70), (1, 80)]) == 80  # 70 lies more than 5 below 80
    assert aup([(1, 80), (1, 70)]) == 80


@pytest.mark.parametrize(
    ("points", "best"),
    [([], None), ([(0, 50)], None), ([(1, 101)], None), ([(1, -1)], None), ([(1, 0)], None), ([(1, 50)], 0)],
)
def test_curves_without_an_area_are_refused(points, best):
    with pytest.raises(ConfigError):
        aup(points, best)
