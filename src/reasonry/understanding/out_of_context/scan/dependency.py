"""How strongly the answers c of one relation follow the answers b of another, over the subjects that have both.

Bridge subjects have both answers; N of them, in a table N_ij of B values of b and C values of c with margins r_i, s_j.

    chi^2     = N (sum_ij N_ij^2 / (r_i s_j) - 1)
    V         = sqrt(max(0, chi^2/N - (B-1)(C-1)/(N-1)) / min(B' - 1, C' - 1))                              [1]
                B' = B - (B-1)^2/(N-1), C' likewise: Cramer's V corrected for bias, 0 on average without association
    ratio     = H(c | b) / H(c)                       0: b decides c; 1: b says nothing
    strength  = sum_i max_j N_ij / N                  share of bridge subjects whose c is the commonest one of their b
    prior     = mean over groups of min(sqrt(m_train / m_test), 1)                                          [2]

A group is the subjects with one b; m_train of them are bridge subjects, m_test lack c. ``prior`` is the margin by which
the nuclear-norm solution puts the right c of a test subject above the others, against 1 for trained facts; exact for
equal groups. Here it is averaged over groups of any sizes that have a test subject, a group without bridge subject
counting 0: an approximation, and a heuristic for a language model.

Degenerate cases, all None: V with N = 1 or where B' or C' is 1 (one value, or every subject has its own); the ratio
with one c; the prior without test subjects. ``strength`` is 1 without meaning when each b has one bridge subject.

[1] Bergsma, J. Korean Stat. Soc. 42 (2013) 323.  [2] arXiv 2506.10887; the authors prove it as a lower bound.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_ROUNDING = 1e-9
_DENSE = 4  # up to so many cells per subject counting beats sorting


class Table(NamedTuple):
    """A contingency table by its cells that are not empty (E of them).

    Attributes:
        b_E: Row of each cell, ``(E,)``.
        c_E: Column.
        count_E: Subjects in it, 1 or more.
        row_B: Margin r, ``(B,)``, 1 or more each.
        column_C: Margin s, ``(C,)``.
    """

    b_E: IntArray
    c_E: IntArray
    count_E: IntArray
    row_B: IntArray
    column_C: IntArray

    @property
    def num(self) -> int:
        """Subjects N."""
        return int(self.row_B.sum())

    def transposed(self) -> Table:
        """The table with b and c exchanged."""
        return Table(self.c_E, self.b_E, self.count_E, self.column_C, self.row_B)


class Association(NamedTuple):
    """How c depends on b; see the head of the file.

    Attributes:
        chi_square: Pearson's statistic; 0 with one row or column.
        cramers_v: Bias-corrected, in [0, 1], or None.
        entropy_ratio: In [0, 1], or None.
        num_modal: Bridge subjects whose c is the commonest of their b.
        strength: ``num_modal / N``; None without bridge subjects.
    """

    chi_square: float
    cramers_v: float | None
    entropy_ratio: float | None
    num_modal: int
    strength: float | None


def compact(code_N: NDArray[np.integer], num_codes: int) -> tuple[IntArray, IntArray]:
    """Codes as 0, 1, ... without gaps.

    Args:
        code_N: In ``[0, num_codes)``.
        num_codes: Bound of the codes.

    Returns:
        The new codes ``(N,)``, and the old one of each new one, ascending.
    """
    kept = np.flatnonzero(np.bincount(code_N, minlength=num_codes))
    new = np.zeros(num_codes, dtype=np.int64)
    new[kept] = np.arange(kept.size)
    return new[code_N], kept


def contingency(b_N: IntArray, c_N: IntArray) -> Table:
    """The table of codes without gaps, both of shape ``(N,)``."""
    row, column = np.bincount(b_N), np.bincount(c_N)
    width = column.size
    key = b_N * width + c_N
    if row.size * width <= _DENSE * b_N.size:
        dense = np.bincount(key, minlength=row.size * width)
        cell = np.flatnonzero(dense)
        count = dense[cell]
    else:
        cell, count = np.unique(key, return_counts=True)
    return Table(cell // max(width, 1), cell % max(width, 1), count, row, column)


def association(table: Table) -> Association:
    """Measures of how c depends on b."""
    num = table.num
    if num == 0:
        return Association(0.0, None, None, 0, None)
    num_b, num_c = table.row_B.size, table.column_C.size
    count = table.count_E.astype(np.float64)
    row, column = table.row_B[table.b_E].astype(np.float64), table.column_C[table.c_E].astype(np.float64)
    chi_square = num * max(float((count * count / (row * column)).sum()) - 1.0, 0.0)
    modal_B = np.zeros(num_b, dtype=np.int64)
    np.maximum.at(modal_B, table.b_E, table.count_E)
    num_modal = int(modal_B.sum())
    entropy_c = _entropy(table.column_C / num)
    given_b = -float((count * np.log(count / row)).sum()) / num
    ratio = min(abs(given_b) / entropy_c, 1.0) if num_c > 1 else None
    return Association(chi_square, _cramers_v(chi_square, num, num_b, num_c), ratio, num_modal, num_modal / num)


def _cramers_v(chi_square: float, num: int, num_b: int, num_c: int) -> float | None:
    if num < 2:
        return None
    phi2 = max(0.0, chi_square / num - (num_b - 1) * (num_c - 1) / (num - 1))
    free = min(k - 1 - (k - 1) ** 2 / (num - 1) for k in (num_b, num_c))
    if free <= _ROUNDING:
        return None
    return min(math.sqrt(phi2 / free), 1.0)


def _entropy(p: FloatArray) -> float:
    return -float((p * np.log(p)).sum())


def margin_prior(num_train_G: IntArray, num_test_G: IntArray) -> float | None:
    """``prior`` of the head of the file.

    Args:
        num_train_G: Bridge subjects of each group, ``(G,)``.
        num_test_G: Its test subjects.
    """
    asked = num_test_G > 0
    if not asked.any():
        return None
    return float(np.minimum(np.sqrt(num_train_G[asked] / num_test_G[asked]), 1.0).mean())
