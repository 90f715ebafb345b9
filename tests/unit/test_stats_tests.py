"""Benjamini and Hochberg's rate, tests of equivalence, the permutation test of two samples."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.core.stats import (
    benjamini_hochberg,
    equivalent_mean,
    equivalent_share,
    holm,
    two_sample_permutation,
)
from reasonry.errors import ConfigError, DataError

P = st.lists(st.floats(0, 1), min_size=1, max_size=20)


# --- Benjamini and Hochberg ---


def test_q_values_by_hand() -> None:
    """Sorted .01 .02 .03 .5: 4 * .01 / 1 = .04, 4 * .02 / 2 = .04, 4 * .03 / 3 = .04, .5; in the order given."""
    assert benjamini_hochberg([0.5, 0.02, 0.01, 0.03]) == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert benjamini_hochberg([]).size == 0


@given(P)
def test_q_values_lie_between_p_and_holm(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    assert (q >= np.array(p) - 1e-12).all()
    assert (q <= holm(p) + 1e-12).all()
    order = np.argsort(p)
    assert (np.diff(q[order]) >= -1e-12).all()


def test_a_p_value_beyond_one_is_refused() -> None:
    with pytest.raises(DataError, match="1 are outside"):
        benjamini_hochberg([0.1, 1.2])


def test_statistics_are_imported_without_scipys_slow_module() -> None:
    code = "import sys, reasonry.core.stats; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- equivalence ---


def test_equivalence_of_a_mean_is_the_larger_of_two_t_tests() -> None:
    value = stream(0, "tost").normal(0.05, 0.3, size=40)
    found = equivalent_mean(value, margin=0.2)
    above = float(np.asarray(scipy_stats.ttest_1samp(value, -0.2, alternative="greater")[1]))
    below = float(np.asarray(scipy_stats.ttest_1samp(value, 0.2, alternative="less")[1]))
    assert found.p_value == pytest.approx(max(above, below))
    assert found.interval.level == pytest.approx(0.9)


@given(st.integers(0, 200), st.floats(0.01, 0.8), st.floats(-0.3, 0.3))
def test_a_mean_is_equivalent_when_its_interval_is_within_the_margin(seed: int, margin: float, target: float) -> None:
    value = stream(seed, "tost").normal(0.0, 0.4, size=12)
    found = equivalent_mean(value, margin=margin, target=target)
    inside = target - margin <= found.interval.low and found.interval.high <= target + margin
    assert found.is_equivalent == inside


def test_equal_values_are_equivalent_only_within_the_margin() -> None:
    assert equivalent_mean([1.0, 1.0], margin=0.5, target=1.2).p_value == 0.0
    assert equivalent_mean([1.0, 1.0], margin=0.5, target=2.0).p_value == 1.0


def test_equivalence_of_a_share_is_the_larger_of_two_binomial_tests() -> None:
    found = equivalent_share(78, 300, margin=0.05, target=0.258)
    above = scipy_stats.binomtest(78, 300, 0.208, alternative="greater").pvalue
    below = scipy_stats.binomtest(78, 300, 0.308, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(above, below))
    assert found.estimate == 0.26


@given(st.integers(0, 60), st.floats(0.02, 0.3), st.floats(0.0, 1.0))
def test_an_equivalent_share_has_its_interval_within_the_margin(k: int, margin: float, target: float) -> None:
    found = equivalent_share(k, 60, margin=margin, target=target)
    inside = found.interval.low >= target - margin - 1e-9 and found.interval.high <= target + margin + 1e-9
    assert not found.is_equivalent or inside
    assert 0.0 <= found.p_value <= 1.0


def test_at_the_edge_of_the_margin_equivalence_is_found_at_the_level() -> None:
    rng = stream(1, "edge")
    shares = rng.binomial(400, 0.55, size=400)
    found = sum(equivalent_share(int(k), 400, margin=0.05, target=0.5).is_equivalent for k in shares)
    assert found / 400 <= 0.08


def test_equivalence_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match="margin=0"):
        equivalent_mean([1.0, 2.0], margin=0)
    with pytest.raises(ConfigError, match=r"alpha=0\.5"):
        equivalent_mean([1.0, 2.0], margin=1, alpha=0.5)
    with pytest.raises(ConfigError, match="not a share"):
        equivalent_share(1, 2, margin=0.1, target=50)
    with pytest.raises(DataError, match="two or more"):
        equivalent_mean([1.0], margin=1)
    with pytest.raises(DataError, match="needs trials"):
        equivalent_share(0, 0, margin=0.1, target=0.5)


# --- two samples ---


def test_the_exact_test_counts_splits() -> None:
    """Of the 10 splits of 1..5 in 2 and 3, only {4, 5} has a difference as large as 4.5 - 2."""
    found = two_sample_permutation([4.0, 5.0], [1.0, 2.0, 3.0], seed=0, alternative="greater")
    assert found == (2.5, 0.1, "permutation exact")
    both = two_sample_permutation([4.0, 5.0], [1.0, 2.0, 3.0], seed=0)
    assert both.p_value == pytest.approx(0.2)  # {1, 2} is as far from the mean


def test_it_agrees_with_scipy() -> None:
    rng = stream(5, "two samples")
    first, second = rng.normal(0.3, 1, size=6), rng.normal(0, 1, size=7)
    theirs = scipy_stats.permutation_test(
        (first, second),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        n_resamples=100_000,
        vectorized=True,
        alternative="greater",  # its two-sided p-value is twice the smaller tail
    )
    ours = two_sample_permutation(first, second, seed=0, alternative="greater")
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_drawn_splits_are_close_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = stream(6, "two samples")
    first, second = rng.normal(0.8, 1, size=7), rng.normal(0, 1, size=7)
    exact = two_sample_permutation(first, second, seed=0).p_value
    monkeypatch.setattr("reasonry.core.stats.two_samples.MAX_EXACT_SPLITS", 10)
    drawn = two_sample_permutation(first, second, seed=0, num_resamples=20_000)
    assert drawn.p_value == pytest.approx(exact, abs=0.01)
    assert "20000 resamples" in drawn.method


def test_two_samples_refuse_nothing_and_nan() -> None:
    with pytest.raises(DataError, match="non-empty"):
        two_sample_permutation([], [1.0], seed=0)
    with pytest.raises(DataError, match="finite"):
        two_sample_permutation([float("nan")], [1.0], seed=0)
    with pytest.raises(ConfigError, match="alternative"):
        two_sample_permutation([1.0], [1.0], seed=0, alternative="great")  # type: ignore[arg-type]
