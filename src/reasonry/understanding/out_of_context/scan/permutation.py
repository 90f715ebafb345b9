"""Is an association more than chance? All answers c shuffled over the bridge subjects, with Pearson's chi^2.

    p = P(chi^2 of a shuffled table >= chi^2 of the table)        margins fixed

The statistic is the same in both directions (b on c, c on b), and so is p. One of these finds it:

    constant   every shuffle has the same chi^2, as with one b, one c, or a b of its own for every subject: p = 1
    exact      all N! / prod s_j! arrangements, when they are few
    bound      Cantelli: p <= v / (v + (chi^2 - m)^2), with the exact mean m and variance v of the shuffled statistic
               [1]; taken when it is at most what draws could show, 1 / (num_permutations + 1)
    drawn      random tables with these margins; stopped when k draws were as extreme, after l of them: p = k / l, else
               p = (1 + hits) / (1 + draws). Valid p-values as they stand, not approximations [2]

    m = N (B-1)(C-1) / (N-1)
    v = 2N/(N-3) (v_r - w_r)(v_s - w_s) + N^2/(N-1) w_r w_s
    v_r = (B-1)(N-B)/(N-1),  w_r = (N sum_i 1/r_i - B^2)/(N-2),  v_s and w_s with the columns

Large tables get fewer draws, at least MIN_DRAWS (``MAX_ENTRIES`` cells in all); the result says how many.

``smallest`` is the least p that these margins allow (drawn: that the draws have shown to be possible). Where it is
above the level, no table could have been significant, and the test says nothing.

[1] Dawson, Biometrika 41 (1954) 230, after Haldane, Biometrika 31 (1940) 346.
[2] Besag and Clifford, Biometrika 78 (1991) 301; Phipson and Smyth, SAGMB 9 (2010) 39.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.understanding.out_of_context.scan.dependency import IntArray, Table

FloatArray = NDArray[np.float64]
Method = Literal["constant", "exact", "bound", "drawn"]

MAX_ARRANGEMENTS = 10_000
"""Up to this many arrangements all are looked at."""
MAX_ENTRIES = 4_000_000
"""Cells of all drawn tables together, unless that would be fewer than `MIN_DRAWS` tables."""
MIN_DRAWS = 99

_MAX_EXACT_LABELS = 400_000
_DENSE_CELLS = 4096  # tables up to this size are drawn as tables, larger ones unless they have few subjects
_BLOCK = 1 << 21  # cells drawn at a time
_SLACK = 1e-9  # relative: sums that are equal in exact arithmetic may differ by rounding


class PermutationP(NamedTuple):
    """Result of `permutation_p`.

    Attributes:
        p: The p-value; an upper bound of it for ``bound``.
        method: How it was found.
        num_draws: Arrangements or tables that were looked at.
        smallest: Least p that was possible.
    """

    p: float
    method: Method
    num_draws: int
    smallest: float


def permutation_p(table: Table, rng: np.random.Generator, *, num_permutations: int = 10_000) -> PermutationP:
    """The permutation test of a table.

    Args:
        table: Bridge subjects by b and c.
        rng: Used for ``drawn`` alone.
        num_permutations: Most draws.
    """
    row, column = table.row_B, table.column_C
    if min(row.size, column.size) < 2 or row.max() == 1 or column.max() == 1:
        return PermutationP(1.0, "constant", 0, 1.0)
    observed = float((table.count_E**2 / (row[table.b_E] * column[table.c_E])).sum())
    fewest = min((table, table.transposed()), key=lambda one: _log_arrangements(one.column_C))
    log_num = _log_arrangements(fewest.column_C)
    if log_num <= math.log(MAX_ARRANGEMENTS + 0.5) and math.exp(log_num) * table.num <= _MAX_EXACT_LABELS:
        return _exact(fewest, observed)
    bound = _cantelli(row, column, observed)
    if bound <= 1 / (num_permutations + 1):
        return PermutationP(bound, "bound", 0, bound)
    return _drawn(table, observed, rng, num_permutations)


def shuffled_moments(row_B: IntArray, column_C: IntArray) -> tuple[float, float]:
    """Mean and variance of chi^2 over all shuffles; N of 4 or more."""
    num = float(row_B.sum())

    def parts(margin: IntArray) -> tuple[float, float]:
        k = margin.size
        return (k - 1) * (num - k) / (num - 1), (num * float((1.0 / margin).sum()) - k * k) / (num - 2)

    (v_r, w_r), (v_s, w_s) = parts(row_B), parts(column_C)
    mean = num * (row_B.size - 1) * (column_C.size - 1) / (num - 1)
    return mean, 2 * num / (num - 3) * (v_r - w_r) * (v_s - w_s) + num * num / (num - 1) * w_r * w_s


def _cantelli(row: IntArray, column: IntArray, observed: float) -> float:
    num = int(row.sum())
    if num < 4:
        return 1.0
    mean, variance = shuffled_moments(row, column)
    above = num * (observed - 1.0) * (1.0 - _SLACK) - mean
    return variance / (variance + above * above) if above > 0 else 1.0


def _log_arrangements(column_C: IntArray) -> float:
    return math.lgamma(int(column_C.sum()) + 1) - sum(math.lgamma(s + 1) for s in column_C.tolist() if s > 1)


def _exact(table: Table, observed: float) -> PermutationP:
    num, width, height = table.num, table.column_C.size, table.row_B.size
    left, labels = table.column_C[None, :].copy(), np.empty((1, 0), dtype=np.int64)
    for _ in range(num):
        of, label = np.nonzero(left)
        left, labels = left[of], np.concatenate([labels[of], label[:, None]], axis=1)
        left[np.arange(label.size), label] -= 1
    key = np.repeat(np.arange(height), table.row_B) * width + labels
    cells = height * width
    flat = (key + cells * np.arange(labels.shape[0])[:, None]).ravel()
    counts = np.bincount(flat, minlength=labels.shape[0] * cells).reshape(-1, cells).astype(np.float64)
    value = (counts * counts) @ (1.0 / np.outer(table.row_B, table.column_C).ravel())
    return PermutationP(_share(value, observed), "exact", value.size, _share(value, float(value.max())))


def _share(value: FloatArray, least: float) -> float:
    return float((value >= least * (1 - _SLACK)).mean())


def _drawn(table: Table, observed: float, rng: np.random.Generator, num_permutations: int) -> PermutationP:
    cells = table.row_B.size * table.column_C.size
    is_dense = cells <= max(4 * table.num, _DENSE_CELLS)
    entries = cells if is_dense else 4 * table.num
    draw = _dense_draw(table, rng) if is_dense else _sparse_draw(table, rng)
    num_most = min(num_permutations, max(MAX_ENTRIES // entries, MIN_DRAWS))
    most_hits = min(max(num_most // 200, 10), 50)
    found: list[FloatArray] = []
    num_drawn = num_hits = 0
    width = 2 * most_hits
    while num_drawn < num_most:
        width = max(1, min(width, num_most - num_drawn, _BLOCK // entries + 1))
        value = draw(width)
        hit = np.flatnonzero(value >= observed * (1 - _SLACK))
        found.append(value)
        if num_hits + hit.size >= most_hits:
            num_drawn += int(hit[most_hits - num_hits - 1]) + 1
            p = most_hits / num_drawn
            break
        num_hits += hit.size
        num_drawn += width
        width *= 2
    else:
        p = (1 + num_hits) / (1 + num_drawn)
    values = np.concatenate(found)
    at_top = int((values >= max(float(values.max()), observed) * (1 - _SLACK)).sum())
    return PermutationP(p, "drawn", num_drawn, min(p, (1 + at_top) / (1 + values.size)))


def _dense_draw(table: Table, rng: np.random.Generator) -> Callable[[int], FloatArray]:
    from scipy.stats import random_table  # slow to load, and not every scan needs it

    law = random_table(table.row_B, table.column_C)
    weight = 1.0 / np.outer(table.row_B, table.column_C).ravel()

    def draw(num: int) -> FloatArray:
        counts = np.asarray(law.rvs(num, random_state=rng), dtype=np.float64).reshape(num, -1)
        return (counts * counts) @ weight

    return draw


def _sparse_draw(table: Table, rng: np.random.Generator) -> Callable[[int], FloatArray]:
    b_N, c_N = np.repeat(table.b_E, table.count_E), np.repeat(table.c_E, table.count_E)
    width = table.column_C.size

    def one() -> float:
        cell, count = np.unique(b_N * width + rng.permutation(c_N), return_counts=True)
        return float((count * count / (table.row_B[cell // width] * table.column_C[cell % width])).sum())

    return lambda num: np.array([one() for _ in range(num)])
