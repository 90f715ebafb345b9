"""Closed forms against their tabulated values, against the definitions, and against a numerical solver."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.theory import svm
from reasonry.understanding.out_of_context.theory.closed_form import closed_form, optimum, transfer_ratio
from reasonry.understanding.out_of_context.theory.margins import held_out_margins, least_margin
from reasonry.understanding.out_of_context.theory.table import make_table

CASES = [(2, 1, 1), (3, 1, 3), (4, 1, 3), (5, 4, 16), (6, 3, 1), (20, 1, 3), (20, 3, 1)]
NUCLEAR = dict(zip(CASES, (3.414214, 7.196152, 10.196152, 26.236068, 16.591625, 56.381101, 58.212251), strict=True))
FROBENIUS = dict(zip(CASES, (5, 13, 19, 101, 41, 115, 153), strict=True))
SIZES = st.tuples(st.integers(2, 7), st.integers(1, 5), st.integers(1, 7))


@pytest.mark.parametrize("case", CASES)
def test_optimal_norms_are_the_tabulated_ones(case: tuple[int, int, int]) -> None:
    assert optimum(*case).nuclear == pytest.approx(NUCLEAR[case], abs=1e-6)
    assert optimum(*case, norm="frobenius").frobenius_sq == pytest.approx(FROBENIUS[case], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_weights_have_these_norms_and_rank(case: tuple[int, int, int]) -> None:
    nuclear, frobenius = svm.svm_solution(*case), svm.svm_solution(*case, norm="frobenius")
    assert nuclear.nuclear_norm == pytest.approx(NUCLEAR[case], abs=1e-6)
    assert frobenius.frobenius_sq == pytest.approx(FROBENIUS[case], abs=1e-9)
    n, m_train, m_test = case
    full = m_train >= m_test  # facts and implications are then one and the same block
    assert nuclear.rank == (n - 1 if full else 2 * (n - 1)) + 1
    assert nuclear.how == "closed form"


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_margins_are_those_of_the_formulas(case: tuple[int, int, int]) -> None:
    n, m_train, m_test = case
    table = make_table(n, bridge=m_train, others=m_test)
    for norm in ("nuclear", "frobenius"):
        weights = closed_form(table, norm=norm)
        found, expected = held_out_margins(weights, table), optimum(*case, norm=norm)
        x = min(math.sqrt(m_train / m_test), 1) if norm == "nuclear" else 0.0
        assert expected.within == pytest.approx(x)
        assert found.within == pytest.approx((x, x), abs=1e-12)
        assert found.own_fact == pytest.approx((x + (1 - x) / n,) * 2, abs=1e-12)
        assert found.other_facts == pytest.approx((1 + x + (1 - x) / n,) * 2, abs=1e-12)
        assert least_margin(weights, table.train, table.num_subjects) == pytest.approx(1, abs=1e-12)
        singular = np.linalg.svd(weights, compute_uv=False)
        assert singular.sum() == pytest.approx(expected.nuclear)
        assert (weights**2).sum() == pytest.approx(expected.frobenius_sq)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 10_000))
def test_no_feasible_neighbour_is_shorter(case: tuple[int, int, int], seed: int) -> None:
    """The problem is convex: what is not beaten near by is not beaten anywhere."""
    n, m_train, m_test = case
    table = make_table(n, bridge=m_train, others=m_test)
    rng = np.random.default_rng(seed)
    best = closed_form(table)
    other = best + 0.2 * rng.normal(size=best.shape)
    margin = least_margin(other, table.train, table.num_subjects)
    if margin > 0:
        other = other / margin
        assert np.linalg.svd(other, compute_uv=False).sum() >= optimum(*case).nuclear - 1e-9
        assert (other**2).sum() >= optimum(*case, norm="frobenius").frobenius_sq - 1e-9


@pytest.mark.parametrize(("case", "right", "wrong"), [((3, 1, 3), 0.57735, 0.25), ((3, 2, 1), 1.0, 2 / 3)])
def test_the_ratio_is_a_square_root_and_no_share(case: tuple[int, int, int], right: float, wrong: float) -> None:
    pytest.importorskip("cvxpy")
    found = svm.svm_solution(*case, solver="cvxpy")
    assert found.transfer == pytest.approx(np.full(case[0] * case[2], right), abs=1e-4)
    assert abs(found.transfer[0] - wrong) > 0.3
    assert transfer_ratio(*case[1:]) == pytest.approx(right, abs=1e-5)


@pytest.mark.parametrize("case", [(2, 1, 1), (3, 1, 3), (4, 1, 3), (5, 4, 16), (6, 3, 1)])
@pytest.mark.parametrize("norm", ["nuclear", "frobenius"])
def test_the_solver_agrees(case: tuple[int, int, int], norm: str) -> None:
    pytest.importorskip("cvxpy")
    exact = svm.svm_solution(*case, norm=norm)  # pyright: ignore[reportArgumentType]
    solved = svm.svm_solution(*case, norm=norm, solver="cvxpy")  # pyright: ignore[reportArgumentType]
    assert solved.how.startswith("CLARABEL")
    if norm == "nuclear":
        assert solved.nuclear_norm == pytest.approx(exact.nuclear_norm, abs=1e-6)
    else:
        assert solved.frobenius_sq == pytest.approx(exact.frobenius_sq, abs=1e-6)
        assert solved.weights == pytest.approx(exact.weights, abs=1e-4)
    assert solved.train_margin == pytest.approx(1, abs=1e-6)
    assert solved.transfer == pytest.approx(exact.transfer, abs=1e-3)


def test_groups_of_unequal_size_are_solved() -> None:
    pytest.importorskip("cvxpy")
    found = svm.predicted_transfer([1, 2, 4], [4, 2, 1])
    assert (np.diff(found) > -1e-6).all() and found[0] < found[2], "more bridges, more transfer"
    nothing = svm.predicted_transfer([1, 0, 1], [2, 2, 2])
    assert nothing[1] <= 1e-6 < nothing[0], "without a bridge there is nothing to infer"
    alone = svm.predicted_transfer([1, 1], [2, 0], norm="frobenius")
    assert alone[0] <= 1e-6, "of an unbalanced table a product learns a constant preference, and it is a wrong one"
    assert math.isnan(alone[1])


def test_equal_numbers_need_no_solver() -> None:
    assert svm.predicted_transfer([1, 1, 1], [4, 4, 4]) == pytest.approx(np.full(3, 0.5))


def test_kinds_make_the_size_of_the_problem() -> None:
    """A thousand subjects cost what ten do."""
    pytest.importorskip("cvxpy")
    found = svm.svm_solution(3, 250, 1000, solver="cvxpy")
    assert found.transfer[:3] == pytest.approx(np.full(3, 0.5), abs=1e-3)
    assert found.nuclear_norm == pytest.approx(optimum(3, 250, 1000).nuclear, rel=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: transfer_ratio(0, 3),
        lambda: optimum(1, 1, 1),
        lambda: svm.svm_solution(3, 1, 1, norm="spectral"),  # pyright: ignore[reportArgumentType]
        lambda: closed_form(make_table(3, bridge=(1, 2, 1))),
        lambda: closed_form(make_table(3, pairing="no-bridge")),
    ],
)
def test_mistakes_are_told(call: object) -> None:
    with pytest.raises(ConfigError):
        call()  # pyright: ignore[reportCallIssue]


def test_unknown_solver_is_told() -> None:
    pytest.importorskip("cvxpy")
    with pytest.raises(ConfigError, match="unknown solver"):
        svm.svm_solution(3, 1, 1, solver="abacus")
