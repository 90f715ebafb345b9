"""Several e-values at once: any key, which documents, and error rates under dependence."""

import math

import numpy as np
import pytest

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.bets import mixture_bets
from reasonry.watermark.combine import average_log_e, bonferroni_any, e_bh
from reasonry.watermark.e_process import crossings, log_e_path

# ---------------------------------------------------------------- any key


def test_the_average_is_taken_of_e_values_and_not_of_their_logarithms() -> None:
    assert float(average_log_e(np.log([1.0, 2.0, 6.0]))) == pytest.approx(math.log(3))
    table = np.log([[1.0, 3.0], [5.0, 9.0], [3.0, 0.0 + 3e-9]])
    assert average_log_e(table) == pytest.approx(np.log([3, 4]))
    assert average_log_e(table, axis=1) == pytest.approx(np.log([2, 7, 1.5]))
    assert average_log_e(table, axis=-1).shape == (3,)


def test_the_average_of_huge_and_of_vanishing_e_values_is_exact() -> None:
    assert float(average_log_e([5000.0, 4000.0])) == pytest.approx(5000 - math.log(2))
    assert float(average_log_e([-5000.0, -5000.0])) == pytest.approx(-5000)
    assert float(average_log_e([-math.inf, 0.0])) == pytest.approx(-math.log(2))
    assert float(average_log_e([-math.inf, -math.inf])) == -math.inf


def test_one_key_is_tested_as_if_it_were_alone() -> None:
    assert float(average_log_e([3.25])) == 3.25
    assert bool(bonferroni_any([math.log(50)], 0.02)) is True
    assert bool(bonferroni_any([math.log(49.9)], 0.02)) is False


def test_bonferroni_needs_k_times_the_evidence() -> None:
    log_e = np.log([1.0, 199.0, 1.0, 1.0])
    assert not bonferroni_any(log_e, 0.02)
    assert bonferroni_any(log_e + 0.01, 0.02)
    assert bonferroni_any(np.stack([log_e, log_e + 0.01], axis=1), 0.02).tolist() == [False, True]
    assert bonferroni_any(np.stack([log_e, log_e + 0.01]), 0.02, axis=1).tolist() == [False, True]


def test_the_average_finds_what_bonferroni_finds_and_more() -> None:
    log_e = np.log([101.0, 101.0, 1.0, 1.0])
    assert float(average_log_e(log_e)) >= math.log(50)
    assert not bonferroni_any(log_e, 0.02)


# ---------------------------------------------------------------- which documents


@pytest.mark.parametrize(
    ("e", "num_rejected", "threshold"),
    [
        ((50, 21, 5, 1), 2, 20),
        ((1, 5, 21, 50), 2, 20),
        ((10, 10, 10, 10), 4, 10),
        ((39, 19, 13, 9), 0, 40),
        ((39, 19, 13.4, 9), 3, 40 / 3),
        ((40, 0.1, 0.1, 0.1), 1, 40),
        ((1e300, 1e-300, 1, 1), 1, 40),
    ],
)
def test_documents_are_rejected_from_the_largest_e_value_down(
    e: tuple[float, ...], num_rejected: int, threshold: float
) -> None:
    found = e_bh(np.log(e) + 1e-12, 0.1)
    assert found.rejected.sum() == num_rejected
    assert math.exp(found.threshold_log_e) == pytest.approx(threshold)
    assert found.rejected.tolist() == [x >= threshold * (1 - 1e-9) for x in e]


def test_without_documents_nothing_is_rejected() -> None:
    found = e_bh([], 0.05)
    assert found.rejected.shape == (0,)
    assert found.rejected.dtype == bool


def test_documents_without_evidence_or_with_endless_evidence_are_numbers() -> None:
    assert e_bh([-math.inf, math.inf, 0.0], 0.1).rejected.tolist() == [False, True, False]


# ---------------------------------------------------------------- error rates


def test_under_the_worst_dependence_the_false_discovery_rate_is_exactly_alpha() -> None:
    # All documents share every keyed symbol, and the e-value is all or nothing: 1/alpha with probability alpha.
    alpha, num = 0.1, 1000
    lucky = e_bh(np.full(num, -math.log(alpha)), alpha)
    assert lucky.rejected.all(), "each of them is wrong: false discovery proportion 1"
    unlucky = e_bh(np.full(num, -math.inf), alpha)
    assert not unlucky.rejected.any()
    assert alpha * lucky.rejected.mean() + (1 - alpha) * unlucky.rejected.mean() == pytest.approx(alpha)
    assert not e_bh(np.full(num, -math.log(alpha) - 1e-9), alpha).rejected.any()


def test_a_thousand_unmarked_documents_that_share_a_key_and_boilerplate_keep_the_false_discovery_rate() -> None:
    num_docs, num_keys, alpha = 1000, 120, 0.1
    rng = stream(0, "shared key")
    # Contexts and what follows them are boilerplate of the whole corpus; each document holds 40 of the 200.
    p_C = rng.beta(0.7, 0.7, 200).clip(1e-3, 1 - 1e-3)
    context_TN = rng.permuted(np.tile(np.arange(200), (num_docs, 1)), axis=1)[:, :40].T
    num_any, num_alone, peeked = 0, 0, 0
    for _ in range(num_keys):
        match_C = rng.random(200) < p_C  # one keyed symbol for each context, in whichever document
        log_e_TN = log_e_path(match_C[context_TN], p_C[context_TN], mixture_bets())
        num_any += bool(e_bh(log_e_TN[-1], alpha).rejected.any())
        num_alone += bool((log_e_TN[-1] >= -math.log(alpha)).any())
        peeked += bool(np.isfinite(crossings(log_e_TN, alpha)).any())
    # No document is marked, so a key with any rejection has a false discovery proportion of 1.
    assert num_any / num_keys <= alpha
    assert peeked >= num_alone > alpha * num_keys * 1.5, "each document at level alpha on its own has some wrong"


def test_marked_documents_are_found_among_a_thousand() -> None:
    rng = stream(0, "mixed")
    p = rng.beta(0.7, 0.7, (150, 1000)).clip(1e-3, 1 - 1e-3)
    is_marked = np.arange(1000) < 100
    match = rng.random(p.shape) < np.where(is_marked, p + 0.5 * (1 - p), p)
    found = e_bh(log_e_path(match, p, mixture_bets())[-1], 0.05)
    assert found.rejected[is_marked].mean() > 0.9
    assert found.rejected[~is_marked].sum() <= 0.05 * found.rejected.sum()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.5, 20.0, math.nan])
def test_a_level_that_is_no_probability_is_refused(alpha: float) -> None:
    for call in (e_bh, bonferroni_any):
        with pytest.raises(ConfigError, match=f"alpha={alpha}"):
            call([0.0], alpha)


def test_what_is_no_evidence_is_refused() -> None:
    for call in (average_log_e, lambda x: bonferroni_any(x, 0.1), lambda x: e_bh(x, 0.1)):
        with pytest.raises(DataError, match="NaN"):
            call([0.0, math.nan])
    for call in (average_log_e, lambda x: bonferroni_any(x, 0.1)):
        with pytest.raises(DataError, match="no e-value"):
            call([])
        with pytest.raises(DataError, match="no e-value"):
            call(3.0)
    with pytest.raises(DataError, match="shape"):
        e_bh([[0.0], [1.0]], 0.1)
