"""1-Feasible-k and 1-Optimal-k: exact values, and against drawing k of n samples in every way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.maze.check import PlanVerdict
from reasonry.tasks.maze.metrics import PAPER_K, one_feasible_k, one_of_k, one_optimal_k

LOST = PlanVerdict(False, False, False, 3, "into a wall", "wall")
SHORT = PlanVerdict(True, False, False, 3, "not at goal", "not at goal")
LONG = PlanVerdict(True, True, False, 9, "2 more than needed")
BEST = PlanVerdict(True, True, True, 7, "optimal")


def test_with_exactly_k_samples_it_is_whether_any_is_good() -> None:
    found = one_of_k([[False, True], [False, False], [True, True]], k=2)
    assert found.of_prompt_P.tolist() == [1.0, 0.0, 1.0]
    assert found.value == pytest.approx(2 / 3)
    assert found.is_exact_k


def test_with_more_samples_it_is_the_mean_over_all_ways_to_draw_k() -> None:
    rng = np.random.default_rng(0)
    rows = [(rng.random(int(n)) < 0.3).tolist() for n in rng.integers(3, 8, size=12)]
    found = one_of_k(rows, k=3)
    expected = [np.mean([any(each) for each in combinations(row, 3)]) for row in rows]
    np.testing.assert_allclose(found.of_prompt_P, expected, rtol=1e-12)
    assert found.value == pytest.approx(np.mean(expected))
    assert not found.is_exact_k


def test_feasible_is_not_optimal_and_legal_is_not_feasible() -> None:
    verdicts = [[LOST, LONG], [SHORT, LOST], [BEST, SHORT]]
    assert one_feasible_k(verdicts, k=2).value == pytest.approx(2 / 3)
    assert one_optimal_k(verdicts, k=2).value == pytest.approx(1 / 3)
    assert one_feasible_k(verdicts, k=1).value == pytest.approx(1 / 3)
    assert PAPER_K == 10


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(DataError, match="prompt 2 has 1 samples, fewer than k=2"):
        one_of_k([[True, False], [True]], k=2)
    with pytest.raises(DataError, match="no prompt"):
        one_of_k([], k=2)
    with pytest.raises(ConfigError):
        one_of_k([[True]], k=0)
