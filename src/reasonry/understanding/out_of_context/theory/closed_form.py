"""Closed forms of the two maximum-margin problems of a balanced task (arXiv 2506.10887, results 1 and 2).

    nuclear     min ||W||_*      such that h >= 1 on the training questions     (limit of training two factors)
    frobenius   min ||W||_F^2    likewise                                       (limit of training their product)

With n groups of m_train bridge and m_test other subjects, P = I_n - J / n, J all ones, and

    x = min(sqrt(m_train / m_test), 1)   nuclear;    x = 0   frobenius,

both optima are

    W[b rows, subject of g] = P[:, g]            W[c rows, bridge subject of g] = P[:, g]
    W[c rows, other subject of g] = x P[:, g]    W[b rows, r1] = W[c rows, r2] = 1/2, and -1/2 crosswise

    ||W||_*   = (n - 1) (sqrt(m_train) + sqrt(m_test)) + sqrt(n)     if m_train <= m_test
              = (n - 1) sqrt(2 (m_train + m_test)) + sqrt(n)         otherwise
    ||W||_F^2 = (n - 1) (2 m_train + m_test) + n

    margins of a test question over  c_j: x;   its own b: x + (1 - x) / n;   b_j: 1 + x + (1 - x) / n

Why: the problem is convex and does not change when groups change names, so an optimum is made of I and J in every block
(trivial and standard representation of S_n). On the standard part constraints fix three of four numbers, and what is
left is the nuclear norm of [[sqrt m_tr, sqrt m_te], [sqrt m_tr, x sqrt m_te]]. A 2 x 2 matrix has ||M||_*^2 =
||M||_F^2 + 2 |det M| = 2 m_tr + m_te (1 + x^2) + 2 sqrt(m_tr m_te) |1 - x|, least at x = min(sqrt(m_tr / m_te), 1).

The paper states the margin of the nuclear problem as a lower bound; it is attained. The closed forms are RECONSTRUCTED,
and were checked against a numerical solver (`svm`). A ratio m_train / (m_train + m_test) that is sometimes quoted is
not the margin. All norms here are those of the optima at margin 1.

Degenerate: m_train >= m_test gives x = 1, full transfer. The frobenius optimum has margin 0 among implications whatever
the numbers: test cross entropy never gets below log n.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from reasonry.errors import ConfigError, nearest
from reasonry.understanding.out_of_context.theory.table import Floats, Table

Norm = Literal["nuclear", "frobenius"]


class Optimum(NamedTuple):
    """What a maximum-margin problem comes to, at margin 1.

    Attributes:
        nuclear: ||W||_*.
        frobenius_sq: ||W||_F^2.
        within: Margin of a test question over implications of other groups, x.
        own_fact: Over the fact of its own group.
        other_facts: Over facts of other groups.
    """

    nuclear: float
    frobenius_sq: float
    within: float
    own_fact: float
    other_facts: float


def transfer_ratio(m_train: int, m_test: int, *, norm: Norm = "nuclear") -> float:
    """x: the test margin over implications of other groups, at a training margin of 1.

    Raises:
        ConfigError: Numbers below 1, or an unknown norm.
    """
    check_norm(norm)
    if m_train < 1 or m_test < 1:
        raise ConfigError(
            f"m_train = {m_train}, m_test = {m_test}", remedy="The closed form needs one subject or more of both kinds."
        )
    return min(math.sqrt(m_train / m_test), 1.0) if norm == "nuclear" else 0.0


def optimum(num_groups: int, m_train: int, m_test: int, *, norm: Norm = "nuclear") -> Optimum:
    """Norms and test margins of the closed form.

    Raises:
        ConfigError: As `transfer_ratio`; fewer than two groups.
    """
    x = transfer_ratio(m_train, m_test, norm=norm)
    n = num_groups
    if n < 2:
        raise ConfigError(f"{n} groups", place="num_groups", remedy="Two are the fewest to tell apart.")
    a, b = math.sqrt(m_train), math.sqrt(m_test)
    frobenius_sq = (n - 1) * (2 * m_train + m_test * (1 + x * x)) + n
    block = math.sqrt(2 * m_train + m_test * (1 + x * x) + 2 * a * b * abs(1 - x))
    own = x + (1 - x) / n
    return Optimum((n - 1) * block + math.sqrt(n), frobenius_sq, x, own, 1 + own)


def closed_form(table: Table, *, norm: Norm = "nuclear") -> Floats:
    """W of the optimum, (A, C).

    Raises:
        ConfigError: The task is not balanced, or the norm is unknown.
    """
    check_norm(norm)
    if not table.is_balanced:
        raise ConfigError(
            "there is no closed form for groups of unequal size or other pairings",
            remedy='Solve it numerically: svm.solve(table); that needs pip install "reasonry[svm]".',
        )
    n = table.num_groups
    x = transfer_ratio(table.bridge[0], table.others[0], norm=norm)
    centred_GG = np.eye(n) - 1.0 / n
    weights_AC = np.zeros((table.num_answers, table.num_columns))
    by_subject_GS = centred_GG[:, table.group_S]
    weights_AC[:n, : table.num_subjects] = by_subject_GS
    weights_AC[n:, : table.num_subjects] = by_subject_GS * np.where(table.is_bridge_S, 1.0, x)
    weights_AC[:n, -2], weights_AC[n:, -2] = 0.5, -0.5
    weights_AC[:n, -1], weights_AC[n:, -1] = -0.5, 0.5
    return weights_AC


def check_norm(norm: str) -> None:
    """Refuse a norm that is neither.

    Raises:
        ConfigError: It is not.
    """
    known = get_args(Norm)
    if norm not in known:
        raise ConfigError(f"unknown norm {norm!r}", remedy=nearest(norm, known) or f"Norms: {', '.join(known)}.")
