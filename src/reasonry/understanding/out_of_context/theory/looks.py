"""What is measured of a model of the lab while it learns: scores, margins, norms, and nearness to the closed forms.

    margin            smallest h of the training questions; of test questions over implications of other groups
    at margin 1       ||W||_* / margin and ||W||_F^2 / margin^2: what the maximum-margin problems minimise
    cosine            of W and an optimum, as vectors

W of the one-layer model gives mean logits over the noise in sequences: what they have in common counts as that of their
relation. A transformer has no W: it has scores only.

Shapes as in `table`.
"""

# pyright: strict
from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from reasonry.understanding.out_of_context.theory import svm
from reasonry.understanding.out_of_context.theory.closed_form import Norm, Optimum, closed_form, optimum
from reasonry.understanding.out_of_context.theory.margins import (
    Scores,
    cosine,
    held_out_margins,
    least_margin,
)
from reasonry.understanding.out_of_context.theory.table import Floats, Questions, Table

NORMS: tuple[Norm, Norm] = ("nuclear", "frobenius")


class HasScores(Protocol):
    """A model that can be asked."""

    table: Table

    @property
    def matrix(self) -> Floats:
        """W, or the logits of the answers by subject."""
        ...

    def scores(self, questions: Questions) -> Scores:
        """How well questions are answered."""
        ...


class Optima(NamedTuple):
    """The maximum-margin solutions of a table.

    Attributes:
        values: Norms, and the smallest test margins, by norm.
        weights: W, by norm.
        how: ``closed form``, or the solver.
    """

    values: dict[Norm, Optimum]
    weights: dict[Norm, Floats]
    how: str = "closed form"


def optima_of(table: Table, *, solve: bool = False) -> Optima | None:
    """The closed forms, where there are any; else None, or numerical solutions of tables with true pairs.

    Raises:
        MissingDependencyError: ``solve`` without cvxpy.
    """
    if not table.is_balanced:
        return _solved(table) if solve and table.pairing == "true" else None
    sizes = table.num_groups, table.bridge[0], table.others[0]
    return Optima(
        {norm: optimum(*sizes, norm=norm) for norm in NORMS}, {norm: closed_form(table, norm=norm) for norm in NORMS}
    )


def _solved(table: Table) -> Optima:
    found: dict[Norm, svm.SvmSolution] = {norm: svm.solve(table, norm=norm) for norm in NORMS}
    values: dict[Norm, Optimum] = {}
    for norm, solution in found.items():
        margins = held_out_margins(solution.weights, table)
        least = (pair[0] for pair in margins)
        values[norm] = Optimum(solution.nuclear_norm, solution.frobenius_sq, *least)
    return Optima(values, {norm: solution.weights for norm, solution in found.items()}, found["nuclear"].how)


def look(model: HasScores, *, is_linear: bool, optima: Optima | None) -> dict[str, Any]:
    """One row of what is measured; what cannot be is None.

    Args:
        model: Of the lab.
        is_linear: Whether it has a W.
        optima: To compare with.
    """
    table = model.table
    row: dict[str, Any] = {}
    for name, questions in (("train", table.train), ("test", table.test)):
        found = model.scores(questions)
        row |= {
            f"{name}_loss": found.loss,
            f"{name}_accuracy": found.accuracy,
            f"{name}_rank_all": found.rank_all,
            f"{name}_rank_within": found.rank_within,
        }
    if not is_linear:
        return row
    weights_AC = model.matrix
    margin = least_margin(weights_AC, table.train, table.num_subjects)
    within = held_out_margins(weights_AC, table).within[0]
    nuclear = float(np.linalg.svd(weights_AC, compute_uv=False).sum())
    frobenius_sq = float((weights_AC**2).sum())
    row |= {
        "train_margin": margin,
        "test_margin": within,
        "nuclear": nuclear,
        "frobenius_sq": frobenius_sq,
        "margin_ratio": within / margin if margin > 0 else None,
        "nuclear_at_1": nuclear / margin if margin > 0 else None,
        "frobenius_sq_at_1": frobenius_sq / margin**2 if margin > 0 else None,
    }
    if optima is not None:
        row |= {f"cosine_{norm}": cosine(weights_AC, weights) for norm, weights in optima.weights.items()}
    return row


def look_steps(num_steps: int, num_looks: int) -> list[int]:
    """0, about ``num_looks`` steps evenly spread in their logarithm, and the last one."""
    spread = np.geomspace(1, num_steps, max(2, num_looks)).round().astype(int).tolist()
    return sorted({0, *spread, num_steps})
