"""The permutation test of a table: exact values, moments, and its level over 500 shuffled files."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.tasks.facts.generate import make_facts
from reasonry.understanding.out_of_context.scan import permutation
from reasonry.understanding.out_of_context.scan.dependency import Table, association, compact, contingency
from reasonry.understanding.out_of_context.scan.permutation import permutation_p, shuffled_moments
from reasonry.understanding.out_of_context.scan.risk import scan


def table_of(b: object, c: object) -> Table:
    """A table of codes."""
    first, second = np.asarray(b), np.asarray(c)
    return contingency(compact(first, int(first.max()) + 1)[0], compact(second, int(second.max()) + 1)[0])


def by_hand(b: list[int], c: list[int]) -> Fraction:
    """p by all permutations, in exact arithmetic."""
    r, s = np.bincount(b), np.bincount(c)

    def statistic(order: tuple[int, ...]) -> Fraction:
        counts = np.zeros((r.size, s.size), dtype=int)
        np.add.at(counts, (b, list(order)), 1)
        cells = zip(*np.nonzero(counts), strict=True)
        return sum((Fraction(int(counts[i, j]) ** 2, int(r[i] * s[j])) for i, j in cells), Fraction(0))

    values = [statistic(order) for order in permutations(c)]
    return Fraction(sum(value >= statistic(tuple(c)) for value in values), len(values))


def test_two_groups_of_three() -> None:
    """Of C(6, 3) = 20 splits, two are as far apart."""
    found = permutation_p(table_of([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]), stream(0))
    assert found == (0.1, "exact", 20, 0.1)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=6))
def test_few_arrangements_are_counted_exactly(pairs: list[tuple[int, int]]) -> None:
    b = np.unique([p[0] for p in pairs], return_inverse=True)[1].tolist()
    c = np.unique([p[1] for p in pairs], return_inverse=True)[1].tolist()
    found = permutation_p(table_of(b, c), stream(0))
    assert found.method in ("exact", "constant")
    assert found.p == pytest.approx(float(by_hand(b, c)))
    assert found.smallest <= found.p


def test_both_directions_are_one_test() -> None:
    rng = stream(3, "directions")
    table = table_of(rng.integers(0, 3, size=9), rng.integers(0, 2, size=9))
    assert permutation_p(table, stream(0)) == permutation_p(table.transposed(), stream(0))


@pytest.mark.parametrize(("b", "c"), [([0, 1, 2, 3], [0, 1, 2, 3]), ([0, 0, 0], [0, 1, 2]), ([0, 1, 1], [0, 0, 0])])
def test_where_every_shuffle_is_alike_nothing_is_tested(b: list[int], c: list[int]) -> None:
    assert permutation_p(table_of(b, c), stream(0)) == (1.0, "constant", 0, 1.0)


def test_margins_that_allow_no_small_p() -> None:
    """Nine b once and one twice, c likewise: the two pairs coincide (1 of 55), share a subject (18), or neither."""
    b = [0, 0, *range(1, 10)]
    found = permutation_p(table_of(b, b), stream(0))
    assert found.method == "drawn"
    assert found.p == pytest.approx(1 / 55, abs=0.01)
    sharing = permutation_p(table_of(b, [0, 1, 0, *range(2, 10)]), stream(0))
    assert sharing.p == pytest.approx(19 / 55, abs=0.05)
    short = permutation_p(table_of([0, 0, 1, 2, 3], [0, 1, 0, 2, 3]), stream(0))  # 1 of 10, 6 of 10, 3 of 10
    assert (short.p, short.smallest) == pytest.approx((0.7, 0.1))


@pytest.mark.parametrize("sizes", [([3, 4, 2, 6], [5, 5, 5]), ([2, 2, 2], [1, 2, 3]), ([1, 5], [3, 3])])
def test_moments_of_the_shuffled_statistic(sizes: tuple[list[int], list[int]]) -> None:
    row, column = (np.array(one) for one in sizes)
    b, c = np.repeat(np.arange(row.size), row), np.repeat(np.arange(column.size), column)
    rng = stream(0, "moments")
    values = [association(table_of(b, rng.permutation(c))).chi_square for _ in range(6000)]
    mean, variance = shuffled_moments(row, column)
    assert np.mean(values) == pytest.approx(mean, abs=5 * np.sqrt(variance / 6000))
    assert np.var(values) == pytest.approx(variance, rel=0.12)


def test_many_bridge_subjects_need_no_draws() -> None:
    b = np.arange(20_000) % 10
    noisy = np.where(np.arange(20_000) % 3 == 0, np.arange(20_000) // 7 % 10, b)
    found = permutation_p(table_of(b, noisy), stream(0))
    assert found.method == "bound"
    assert 0.0 < found.p < 1e-4
    assert permutation_p(table_of(b, b), stream(0)).p < found.p


def test_the_bound_is_above_the_p_that_draws_find() -> None:
    rng = stream(1, "bound")
    b = np.repeat(np.arange(4), 12)
    for _ in range(8):
        c = np.where(rng.random(48) < 0.35, b, rng.integers(0, 4, size=48))
        table = table_of(b, c)
        mean, variance = shuffled_moments(table.row_B, table.column_C)
        above = association(table).chi_square - mean
        drawn = permutation_p(table, stream(2), num_permutations=2000)
        assert above <= 0 or drawn.p <= variance / (variance + above * above) + 0.02


def test_draws_agree_with_all_arrangements(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 0])
    exact = permutation_p(table, stream(0))
    monkeypatch.setattr(permutation, "MAX_ARRANGEMENTS", 1)
    drawn = np.mean([permutation_p(table, stream(i), num_permutations=4000).p for i in range(40)])
    assert exact.method == "exact"
    assert drawn == pytest.approx(exact.p, rel=0.1)


def test_sparse_tables_are_drawn_by_shuffling(monkeypatch: pytest.MonkeyPatch) -> None:
    """120 values each: more cells than it would be wise to draw; independent answers, and half-true ones."""
    monkeypatch.setattr(permutation, "_DENSE_CELLS", 0)
    rng = stream(0, "sparse")
    b, c = rng.integers(0, 120, size=600), rng.integers(0, 120, size=600)
    loose = permutation_p(table_of(b, c), stream(0), num_permutations=300)
    assert (loose.method, loose.p > 0.02) == ("drawn", True)
    tight = permutation_p(table_of(b, np.where(rng.random(600) < 0.15, b, c)), stream(0), num_permutations=300)
    assert tight.p < 0.02


def test_large_tables_take_fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = stream(0, "large")
    table = table_of(rng.integers(0, 30, size=2000), rng.integers(0, 30, size=2000))
    monkeypatch.setattr(permutation, "MAX_ENTRIES", 900 * 150)
    found = permutation_p(table, stream(0))
    assert found.num_draws <= 150


# --- the level, over 500 files ---


@pytest.fixture(scope="module")
def permuted() -> list[tuple[float, float, str]]:
    """p, strength and outcome of 500 files whose implications are shuffled among the bridge subjects."""
    found: list[tuple[float, float, str]] = []
    for seed in range(500):
        made = make_facts("profession-color", pairing="permuted-bridge", seed=seed)
        pair = scan(made.table, seed=seed, num_permutations=999).pair("works_as", "favorite_color")
        assert pair.p is not None and pair.strength is not None
        found.append((pair.p, pair.strength, pair.outcome))
    return found


def test_the_test_keeps_its_level_on_permuted_files(permuted: list[tuple[float, float, str]]) -> None:
    """At 5 %: at most the count that a true level of 5 % exceeds once in a hundred times."""
    p = np.array([one[0] for one in permuted])
    for level in (0.01, 0.05, 0.1, 0.5):
        assert (p <= level).sum() <= scipy_stats.binom.ppf(0.99, 500, level)
    assert (p <= 0.05).mean() <= 0.07


def test_no_permuted_file_is_flagged(permuted: list[tuple[float, float, str]]) -> None:
    assert {one[2] for one in permuted} == {"weak"}


def test_p_is_uniform_on_permuted_files() -> None:
    """Kolmogorov-Smirnov, with 20 bridge subjects in a group, since with four the statistic has few values."""
    p: list[float] = []
    for seed in range(500):
        made = make_facts("profession-color", per_group=100, pairing="permuted-bridge", seed=seed)
        pair = scan(made.table, seed=seed).pair("works_as", "favorite_color")
        assert pair.p is not None
        p.append(pair.p)
    assert scipy_stats.kstest(p, "uniform").statistic <= 1.63 / np.sqrt(500)
    assert 0.46 <= np.mean(p) <= 0.54


def test_flags_keep_the_level_where_chance_is_often_strong() -> None:
    """Three b and two c, four bridge subjects each: a shuffle has strength .8 in one file of twelve."""
    b = np.repeat(np.arange(3), 4)
    strong = flagged = 0
    for seed in range(500):
        table = table_of(b, stream(seed, "strong").permutation(np.repeat([0, 1], 6)))
        is_strong = (association(table).strength or 0.0) >= 0.8
        strong += is_strong
        flagged += is_strong and permutation_p(table, stream(seed), num_permutations=999).p <= 0.05
    assert strong >= 25
    assert flagged / 500 <= 0.05
