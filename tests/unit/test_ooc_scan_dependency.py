"""How strongly one answer follows another: values by hand, against SciPy and plain loops, and degenerate tables."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from reasonry.understanding.out_of_context.scan.dependency import (
    Table,
    association,
    compact,
    contingency,
    margin_prior,
)


def table_of(cells: list[list[int]]) -> Table:
    """A table from a matrix of counts; rows and columns of zeros vanish."""
    matrix = np.array(cells)
    b, c = np.nonzero(matrix)
    num = matrix[b, c]
    b_N, c_N = np.repeat(b, num), np.repeat(c, num)
    return contingency(compact(b_N, matrix.shape[0])[0], compact(c_N, matrix.shape[1])[0])


def test_a_rule_without_exception() -> None:
    """Five groups of four bridge subjects, as in the experiment: V is 1 even with the correction for bias."""
    found = association(table_of((4 * np.eye(5, dtype=int)).tolist()))
    assert found.chi_square == pytest.approx(80.0)
    assert (found.cramers_v, found.entropy_ratio, found.strength) == pytest.approx((1.0, 0.0, 1.0))


def test_two_by_two_by_hand() -> None:
    """[[3, 1], [1, 3]]: chi^2 = 8 / 4 = 2, phi^2 - 1/7 = 3/28, B' - 1 = 6/7; V = sqrt(1/8)."""
    found = association(table_of([[3, 1], [1, 3]]))
    assert found.chi_square == pytest.approx(2.0)
    assert found.cramers_v == pytest.approx(math.sqrt(1 / 8))
    assert found.strength == 0.75
    given_b = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.entropy_ratio == pytest.approx(given_b / math.log(2))


def test_independence() -> None:
    found = association(table_of([[2, 4], [3, 6]]))
    assert found.chi_square == pytest.approx(0.0, abs=1e-12)
    assert found.cramers_v == 0.0
    assert found.entropy_ratio == pytest.approx(1.0)


def test_it_has_a_direction() -> None:
    """Two b lead to one c: b decides c, c does not decide b."""
    there = table_of([[2, 0], [2, 0], [0, 3]])
    forth, back = association(there), association(there.transposed())
    assert (forth.strength, back.strength) == (1.0, pytest.approx(5 / 7))
    assert forth.entropy_ratio == 0.0
    assert back.entropy_ratio is not None and back.entropy_ratio > 0.2
    assert forth.chi_square == back.chi_square
    assert forth.cramers_v == back.cramers_v


def test_degenerate_tables() -> None:
    nobody = association(contingency(np.array([], dtype=int), np.array([], dtype=int)))
    assert nobody == (0.0, None, None, 0, None)
    assert association(table_of([[1]])) == (0.0, None, None, 1, 1.0)
    one_c = association(table_of([[3], [2]]))
    assert (one_c.cramers_v, one_c.entropy_ratio, one_c.strength) == (None, None, 1.0)
    own_b = association(table_of(np.eye(4, dtype=int).tolist()))
    assert (own_b.cramers_v, own_b.strength) == (None, 1.0)


CELLS = st.integers(1, 5).flatmap(
    lambda num_c: st.lists(st.lists(st.integers(0, 6), min_size=num_c, max_size=num_c), min_size=1, max_size=5)
)


@given(CELLS)
def test_against_scipy_and_plain_loops(cells: list[list[int]]) -> None:
    matrix = np.array(cells)
    matrix = matrix[matrix.sum(1) > 0][:, matrix.sum(0) > 0]
    if not matrix.size:
        return
    found = association(table_of(cells))
    assert found.strength == pytest.approx(matrix.max(1).sum() / matrix.sum())
    assert found.num_modal == matrix.max(1).sum()
    if min(matrix.shape) > 1:
        assert found.chi_square == pytest.approx(scipy_stats.chi2_contingency(matrix, correction=False)[0], abs=1e-9)
        h_c = scipy_stats.entropy(matrix.sum(0))
        h_given = sum(row.sum() * scipy_stats.entropy(row) for row in matrix) / matrix.sum()
        assert found.entropy_ratio == pytest.approx(h_given / h_c, abs=1e-9)
    if found.cramers_v is not None:
        assert 0.0 <= found.cramers_v <= 1.0


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60), st.integers(0, 2**32))
def test_a_table_does_not_depend_on_the_order_or_on_how_it_is_counted(pairs: list[tuple[int, int]], seed: int) -> None:
    """Sparse tables are sorted and dense ones counted; both give what a Counter gives."""
    rng = np.random.default_rng(seed)
    codes = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    table = contingency(compact(codes[:, 0], 41)[0], compact(codes[:, 1], 41)[0])
    kept_b, kept_c = np.unique(codes[:, 0]), np.unique(codes[:, 1])
    cells = {
        (int(kept_b[b]), int(kept_c[c])): int(n) for b, c, n in zip(table.b_E, table.c_E, table.count_E, strict=True)
    }
    assert cells == dict(Counter(pairs))
    mixed = rng.permutation(codes)
    again = contingency(compact(mixed[:, 0], 41)[0], compact(mixed[:, 1], 41)[0])
    for one, other in zip(table, again, strict=True):
        assert np.array_equal(one, other)


def test_the_correction_for_bias_takes_chance_away() -> None:
    """Independent answers, 20 subjects in five by five: plain V is about .45 by chance alone."""
    rng = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(400):
        found = association(table_of(_shuffled(rng)))
        assert found.cramers_v is not None
        corrected.append(found.cramers_v)
        plain.append(math.sqrt(found.chi_square / 20 / 4))
    assert np.mean(plain) > 0.4
    assert np.mean(corrected) < 0.15


def _shuffled(rng: np.random.Generator) -> list[list[int]]:
    cells = np.zeros((5, 5), dtype=int)
    np.add.at(cells, (np.repeat(np.arange(5), 4), rng.permutation(np.repeat(np.arange(5), 4))), 1)
    return cells.tolist()


@pytest.mark.parametrize(
    ("train", "test", "prior"),
    [
        ([1], [3], math.sqrt(1 / 3)),
        ([2, 2], [1, 1], 1.0),
        ([4] * 5, [16] * 5, 0.5),
        ([0, 4], [4, 4], 0.5),
        ([3, 5], [0, 20], 0.5),
        ([3], [0], None),
    ],
)
def test_the_prior(train: list[int], test: list[int], prior: float | None) -> None:
    assert margin_prior(np.array(train), np.array(test)) == (prior if prior is None else pytest.approx(prior))
