"""SEAL's statistics: the Poisson-binomial tail, and which of the released verifiers is calibrated."""

import itertools
import math
import time
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines import sequential_p
from reasonry.watermark.baselines.seal import poisson_binomial_p_path, seal_p_path

ALPHA = 0.02


# ---------------------------------------------------------------- the tail


def test_equal_probabilities_give_the_binomial() -> None:
    for p in (0.5, 0.03, 0.9):
        match_T = stream(1, "equal").random(200) < p + 0.05
        count_T, t_T = np.cumsum(match_T), np.arange(1, 201)
        expected = stats.binom.sf(count_T - 1, t_T, p)
        assert poisson_binomial_p_path(match_T, np.full(200, p)) == pytest.approx(expected, rel=1e-10)
        assert seal_p_path(match_T, np.full(200, 0.123), version="lite", gamma=p) == pytest.approx(expected, rel=1e-9)


def test_six_tokens_are_the_sum_over_all_outcomes() -> None:
    p_T = np.array([0.1, 0.85, 0.5, 0.33, 0.99, 0.02])
    outcomes = np.array(list(itertools.product([False, True], repeat=6)))
    mass = np.where(outcomes, p_T, 1 - p_T).prod(axis=1)
    for match_T in outcomes:
        expected = mass[outcomes.sum(axis=1) >= match_T.sum()].sum()
        assert poisson_binomial_p_path(match_T, p_T)[-1] == pytest.approx(expected, abs=1e-14)


def test_every_prefix_has_the_p_value_of_a_text_that_ends_there() -> None:
    rng = stream(2, "prefix")
    p_T = rng.random(60)
    match_T = rng.random(60) < p_T
    whole = poisson_binomial_p_path(match_T, p_T)
    assert [poisson_binomial_p_path(match_T[:t], p_T[:t])[-1] for t in range(1, 61)] == pytest.approx(whole, rel=1e-12)


def test_far_tails_keep_their_digits() -> None:
    assert poisson_binomial_p_path(np.ones(100, bool), np.full(100, 0.01))[-1] == pytest.approx(1e-200, rel=1e-10)
    rng = stream(3, "tail")
    p_T, match_T = rng.integers(1, 1000, 80) / 1000, np.arange(80) < 75
    law = [Fraction(1)]
    for p in p_T:
        exact = Fraction(float(p))
        law = [
            (law[k] * (1 - exact) if k < len(law) else Fraction(0)) + (law[k - 1] * exact if k else Fraction(0))
            for k in range(len(law) + 1)
        ]
    expected = float(sum(law[75:]))
    assert expected < 1e-12
    assert poisson_binomial_p_path(match_T, p_T)[-1] == pytest.approx(expected, rel=1e-11)
    assert poisson_binomial_p_path(np.ones(300, bool), np.full(300, 0.01))[-1] == 0.0, "below the smallest float"


def test_certain_and_impossible_matches_say_nothing() -> None:
    rng = stream(4, "certain")
    p_T, match_T = rng.random(30), rng.random(30) < 0.5
    padded_p = np.concatenate([[1.0, 0.0], p_T, [1.0]])
    padded = poisson_binomial_p_path(np.concatenate([[True, False], match_T, [True]]), padded_p)
    assert padded[2:-1] == pytest.approx(poisson_binomial_p_path(match_T, p_T), rel=1e-12)
    assert padded[-1] == pytest.approx(padded[-2], rel=1e-12)
    assert poisson_binomial_p_path(np.ones(50, bool), np.ones(50)).tolist() == [1.0] * 50
    assert poisson_binomial_p_path(np.empty(0, bool), np.empty(0)).shape == (0,)
    assert poisson_binomial_p_path(np.empty((0, 3), bool), np.empty((0, 3))).shape == (0, 3)


def test_texts_side_by_side_are_texts_one_by_one() -> None:
    rng = stream(5, "side by side")
    p_TR = rng.random((90, 800))  # more than is computed at a time
    match_TR = rng.random((90, 800)) < p_TR ** rng.uniform(0.3, 3, 800)
    whole = poisson_binomial_p_path(match_TR, p_TR)
    for r in (0, 1, 499, 799):
        assert whole[:, r] == pytest.approx(poisson_binomial_p_path(match_TR[:, r], p_TR[:, r]), rel=1e-10)


def test_a_thousand_tokens_take_well_under_a_second() -> None:
    rng = stream(6, "speed")
    p_T = rng.random(1000)
    match_T = rng.random(1000) < p_T
    best_s = math.inf
    for _ in range(3):
        start_s = time.process_time()
        poisson_binomial_p_path(match_T, p_T)
        best_s = min(best_s, time.process_time() - start_s)
    assert best_s < 0.25


# ---------------------------------------------------------------- calibration


class Pairs:
    """Text and keyed symbols of unmarked text, two symbols, R texts of T tokens; the anchor's law differs by step.

    It is flatter than the target's, as one at a higher temperature is (2 against .7 as SEAL is released)."""

    def __init__(self, num_tok: int, num_texts: int, *, is_greedy: bool) -> None:
        rng = stream(7, "pairs", num_tok, int(is_greedy))
        logit = 1.5 * rng.standard_normal((num_tok, num_texts))
        anchor = 1 / (1 + np.exp(-logit))  # of symbol 1
        if is_greedy:
            text = logit > 0
        else:
            target = 1 / (1 + np.exp(-2.9 * logit - 0.5 * rng.standard_normal(logit.shape)))
            text = rng.random(logit.shape) < target
        keyed = rng.random(logit.shape) < anchor
        self.match = text == keyed
        self.p_text: NDArray[np.float64] = np.where(text, anchor, 1 - anchor)
        self.p_keyed: NDArray[np.float64] = np.where(keyed, anchor, 1 - anchor)


@pytest.mark.parametrize(("is_greedy", "least"), [(False, 0.3), (True, 0.5)])
def test_the_released_base_verifier_raises_false_alarms_and_the_correct_one_does_not(
    is_greedy: bool, least: float
) -> None:
    pairs = Pairs(200, 1500, is_greedy=is_greedy)
    correct = seal_p_path(pairs.match, pairs.p_text, pairs.p_keyed)[-1]
    released = seal_p_path(pairs.match, pairs.p_text, pairs.p_keyed, version="released-base")[-1]
    assert (correct <= ALPHA).mean() <= ALPHA + 3 * math.sqrt(ALPHA / 1500)
    assert (correct <= 0.5).mean() == pytest.approx(0.5, abs=0.08), "nor is it far too large"
    assert (released <= ALPHA).mean() >= least


def test_peeking_at_the_correct_p_value_is_not_free() -> None:
    pairs = Pairs(400, 600, is_greedy=False)
    p_TR = seal_p_path(pairs.match, pairs.p_text)
    assert (p_TR.min(axis=0) <= ALPHA).mean() >= 5 * ALPHA
    paid = np.mean([sequential_p(p_T)[-1] <= ALPHA for p_T in p_TR.T])
    assert paid <= ALPHA + 3 * math.sqrt(ALPHA / 600)


def test_what_cannot_be_tested_is_refused() -> None:
    match_T, p_T = np.array([True, False]), np.array([0.5, 0.5])
    for bad in ([0.5, 1.1], [0.5, -0.1], [0.5, math.nan]):
        with pytest.raises(DataError):
            poisson_binomial_p_path(match_T, bad)
    with pytest.raises(DataError, match="shape"):
        poisson_binomial_p_path(match_T, [0.5])
    with pytest.raises(DataError, match="booleans"):
        poisson_binomial_p_path([2, 0], p_T)
    with pytest.raises(ConfigError, match="released-base"):
        seal_p_path(match_T, p_T, version="released_base")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="p_keyed_T"):
        seal_p_path(match_T, p_T, version="released-base")
    with pytest.raises(ConfigError, match="gamma"):
        seal_p_path(match_T, p_T, version="lite", gamma=1.0)
