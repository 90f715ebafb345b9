"""The maximum-margin problems, solved: by closed form where tasks are balanced, by cvxpy where they are not.

    min ||W||_*  or  min ||W||_F^2     such that   h_{(s,r),a'}(W) >= 1 for all training questions and wrong answers

Subjects with the same training questions may have the same column: averaging an optimum over their permutations is
feasible and no longer. With mult_k subjects of kind k and columns sqrt(mult_k) w_k both norms are those of W, so that
the size of the problem hangs on the number of kinds and not on that of subjects: two kinds for each group, however many
people a file of facts has. (RECONSTRUCTED; the paper solves nothing numerically.)

An optimum of the nuclear norm need not be unique; the one returned is symmetric in this sense. A kind that no training
question tells anything about has the column 0.

8 groups take half a second, 20 about a minute. Shapes as in `table`; K kinds, C columns. cvxpy comes with
``pip install "reasonry[svm]"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from reasonry.core import optional
from reasonry.errors import CheckFailed, ConfigError
from reasonry.understanding.out_of_context.theory.closed_form import Norm, check_norm, closed_form
from reasonry.understanding.out_of_context.theory.margins import least_margin, logits_of, margins_of
from reasonry.understanding.out_of_context.theory.table import Floats, Ints, Table, make_table

_RANK_TOLERANCE = 1e-5
_INTERIOR_POINT_LIMIT = 2_500  # entries of the matrix; above, memory and time of an interior point grow fast
_STATUSES = ("optimal", "optimal_inaccurate")


class SvmSolution(NamedTuple):
    """A maximum-margin solution.

    Attributes:
        weights: W (A, C).
        nuclear_norm: ||W||_*.
        frobenius_sq: ||W||_F^2.
        rank: Singular values above 1e-5 of the largest.
        train_margin: Smallest margin of training questions; 1 up to the solver's precision.
        test_margins: Smallest margin of each test question over all wrong answers, (Q,).
        transfer: Smallest margin of each test question over implications of other groups, (Q,).
        how: ``closed form``, or the solver and what it said.
    """

    weights: Floats
    nuclear_norm: float
    frobenius_sq: float
    rank: int
    train_margin: float
    test_margins: Floats
    transfer: Floats
    how: str


def svm_solution(
    num_groups: int,
    m_train: int | Sequence[int],
    m_test: int | Sequence[int],
    *,
    norm: Norm = "nuclear",
    solver: str | None = None,
) -> SvmSolution:
    """The solution of a task by its sizes.

    Args:
        num_groups: n.
        m_train: Bridge subjects of each group; one number for all, or one for each.
        m_test: Other subjects, likewise.
        norm: Which problem.
        solver: None for the closed form where there is one; ``cvxpy`` or the name of a solver of cvxpy to compute.

    Raises:
        ConfigError: Sizes out of range, an unknown norm or solver.
        MissingDependencyError: cvxpy is needed and not installed.
        CheckFailed: The solver found nothing.
    """
    return solve(make_table(num_groups, bridge=m_train, others=m_test), norm=norm, solver=solver)


def solve(table: Table, *, norm: Norm = "nuclear", solver: str | None = None) -> SvmSolution:
    """The solution of a task, balanced or not; arguments and errors as of `svm_solution`."""
    check_norm(norm)
    if solver is None and table.is_balanced:
        return _solution(closed_form(table, norm=norm), table, "closed form")
    weights_AC, how = _by_cvxpy(table, norm, solver)
    return _solution(weights_AC, table, how)


def predicted_transfer(
    bridge: Sequence[int], others: Sequence[int], *, norm: Norm = "nuclear", solver: str | None = None
) -> Floats:
    """Margin over other implications that each group's subjects without one are predicted to have, (G,).

    At a training margin of 1; NaN for a group without such subjects. For groups of equal size min(sqrt(m_tr/m_te), 1).

    Args:
        bridge: Subjects of each group with the implication.
        others: Without it.
        norm: nuclear for models whose output and value matrices are both trained.
        solver: As of `svm_solution`.

    Raises:
        ConfigError, MissingDependencyError, CheckFailed: As `svm_solution`.
    """
    num_groups = len(bridge)
    table = make_table(num_groups, bridge=bridge, others=others)
    transfer_Q = solve(table, norm=norm, solver=solver).transfer
    found_G = np.full(num_groups, np.nan)
    group_Q = table.test.answer_Q - num_groups
    found_G[group_Q] = transfer_Q  # equal within a group: its columns are
    return found_G


def _solution(weights_AC: Floats, table: Table, how: str) -> SvmSolution:
    singular = np.linalg.svd(weights_AC, compute_uv=False)
    test = table.test
    margins_QA = margins_of(logits_of(weights_AC, test, table.num_subjects), test.answer_Q)
    return SvmSolution(
        weights=weights_AC,
        nuclear_norm=float(singular.sum()),
        frobenius_sq=float((weights_AC**2).sum()),
        rank=int((singular > _RANK_TOLERANCE * singular[0]).sum()),
        train_margin=least_margin(weights_AC, table.train, table.num_subjects),
        test_margins=margins_QA.min(1),
        transfer=margins_QA[:, table.num_groups :].min(1),
        how=how,
    )


class _Kinds(NamedTuple):
    """Subjects that are alike in training.

    Attributes:
        kind_S: Of each subject.
        count_K: Subjects of each.
        asked: Training questions, each (kind, relation, answer), each once.
    """

    kind_S: Ints
    count_K: Ints
    asked: list[tuple[int, int, int]]


def _kinds(table: Table) -> _Kinds:
    known: list[list[tuple[int, int]]] = [[] for _ in range(table.num_subjects)]
    for s, r, a in zip(*(column.tolist() for column in table.train), strict=True):
        known[s].append((r, a))
    number: dict[tuple[tuple[int, int], ...], int] = {}
    kind_S = np.array([number.setdefault(tuple(sorted(facts)), len(number)) for facts in known], dtype=np.int64)
    asked = [(k, r, a) for facts, k in number.items() for r, a in facts]
    return _Kinds(kind_S, np.bincount(kind_S, minlength=len(number)), asked)


def _by_cvxpy(table: Table, norm: Norm, solver: str | None) -> tuple[Floats, str]:
    optional.need("cvxpy", extra="svm", why="to solve the maximum-margin problem of this task")
    import cvxpy

    kinds = _kinds(table)
    num_answers, num_kinds = table.num_answers, len(kinds.count_K)
    shape = (num_answers, num_kinds + 2)
    name = solver.upper() if solver else "CVXPY"
    if name == "CVXPY":
        name = "CLARABEL" if norm == "frobenius" or shape[0] * shape[1] <= _INTERIOR_POINT_LIMIT else "SCS"
    if name not in cvxpy.installed_solvers():
        raise ConfigError(
            f"unknown solver {solver!r}", place="solver", remedy=f"Installed: {', '.join(cvxpy.installed_solvers())}."
        )
    scaled = cvxpy.Variable(shape)  # columns sqrt(count) w
    scale_K = 1 / np.sqrt(kinds.count_K)
    asked = np.array(kinds.asked)
    features_QC = np.zeros((len(asked), shape[1]))
    rows = np.arange(len(asked))
    features_QC[rows, asked[:, 0]] = scale_K[asked[:, 0]]
    features_QC[rows, num_kinds + asked[:, 1]] = 1
    logits_QA = features_QC @ scaled.T
    question, other = np.nonzero(
        np.arange(num_answers)[None] != asked[:, 2, None]
    )  # no constraint that holds as 0 >= 0
    constraint = logits_QA[question, asked[question, 2]] - logits_QA[question, other] >= 1
    length = cvxpy.normNuc(scaled) if norm == "nuclear" else cvxpy.sum_squares(scaled)
    problem = cvxpy.Problem(cvxpy.Minimize(length), [constraint])
    try:
        problem.solve(solver=name, **_precision(name))
    except cvxpy.SolverError as e:
        raise CheckFailed(f"{name} failed: {e}", place="solver", remedy="Name another solver.") from e
    if problem.status not in _STATUSES or scaled.value is None:
        raise CheckFailed(f"{name} ended {problem.status}", place="solver", remedy="Name another solver.")
    found = cast("Floats", np.asarray(scaled.value, dtype=np.float64))
    columns_AC = np.concatenate([(found[:, :num_kinds] * scale_K)[:, kinds.kind_S], found[:, num_kinds:]], 1)
    return columns_AC, f"{name}, {problem.status}"


def _precision(solver: str) -> dict[str, Any]:
    if solver == "CLARABEL":
        return {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    return {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 100_000} if solver == "SCS" else {}
