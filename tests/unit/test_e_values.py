"""E-values of one token: the published closed forms, their optimality, the coupling, and stopping times."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError
from reasonry.watermark.bets import mixture_bets
from reasonry.watermark.claims.theory import minimax_growth, null_error, pair_form, stopping_times
from reasonry.watermark.e_values import (
    coupled_law,
    e_value,
    expected_stopping_ratio,
    general_e_value,
    growth_rate,
    log_e_star,
    log_growth,
    maximal_coupling,
    null_expectation,
)

GROWTH = [
    ((0.5, 0.5), 0.3, 0.270438),
    ((0.4, 0.6), 0.3, 0.250303),
    ((0.35, 0.65), 0.3, 0.224738),
    ((0.5, 0.5), 0.1, 0.494632),
    ((0.4, 0.6), 0.1, 0.474496),
    ((0.35, 0.65), 0.1, 0.448931),
    ((0.25,) * 4, 0.3, 0.798793),
]


def law(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(n))


# ---------------------------------------------------------------- closed forms


def test_the_minimax_e_value_of_a_fair_coin_is_1_7_for_a_match_and_0_3_otherwise() -> None:
    assert e_value((0.5, 0.5), 0.3) == pytest.approx(np.array([[1.7, 0.3], [0.3, 1.7]]))


def test_rows_are_the_text_symbol_and_columns_the_keyed_symbol() -> None:
    assert e_value((0.4, 0.6), 0.3) == pytest.approx(np.array([[2.125, 0.25], [0.375, 1.416667]]), abs=1e-6)


@pytest.mark.parametrize(("p0", "delta", "expected"), GROWTH)
def test_growth_has_the_known_values(p0: tuple[float, ...], delta: float, expected: float) -> None:
    assert growth_rate(p0, delta) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "expected"), [(4, 0.798793), (16, 1.943672), (64, 3.114704)])
def test_growth_rises_with_the_number_of_symbols_of_a_uniform_anchor(n: int, expected: float) -> None:
    assert growth_rate(np.full(n, 1 / n), 0.3) == pytest.approx(expected, abs=1e-6)


def test_growth_is_an_entropy_less_the_entropies_of_the_mismatch() -> None:
    for n in (2, 3, 7):
        p0, d = law(n, stream(n, "law")), 0.15
        binary = -d * math.log(d) - (1 - d) * math.log(1 - d)
        expected = scipy_stats.entropy(p0) - binary - d * math.log(n - 1)
        assert growth_rate(p0, 2 * d) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("n", [2, 3, 5, 64])
def test_a_text_symbol_that_does_not_know_the_key_has_mean_one_however_poor_the_anchor(n: int) -> None:
    rng = stream(0, "null", n)
    worst = max(
        float(np.abs(null_expectation(e_value(p0, delta), p0) - 1).max())
        for delta in (0.01, 0.3, 0.99)
        for p0 in [*(law(n, rng) for _ in range(50)), np.array([1 - 1e-9 * (n - 1)] + [1e-9] * (n - 1))]
    )
    assert worst < 1e-12


def test_the_null_claim_sees_an_e_value_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = null_error(sizes=[2, 3, 5], num_laws=4, num_steps=[2, 3], seed=1)
    assert honest.value < 1e-12
    monkeypatch.setattr("reasonry.watermark.claims.theory.e_value", lambda p0, delta: e_value(p0, delta) * (1 + 1e-9))
    assert null_error(sizes=[2], num_laws=1, num_steps=[2], seed=1).value == pytest.approx(1e-9, rel=1e-3)


def test_an_e_value_computed_with_another_anchor_than_the_keys_is_not_valid() -> None:
    assert null_expectation(e_value((0.4, 0.6), 0.3), (0.5, 0.5)).max() > 1.1


def test_the_form_that_needs_only_the_keyed_symbols_probability_agrees_with_the_table() -> None:
    p0 = law(5, stream(0, "star"))
    table = np.log(e_value(p0, 0.3))
    v, s = np.divmod(np.arange(25), 5)
    assert log_e_star(v == s, p0[s], delta=0.3, n=5) == pytest.approx(table.ravel(), abs=1e-14)


# ---------------------------------------------------------------- the general family


def test_a_kernel_may_be_any_law_that_depends_on_the_text_symbol() -> None:
    rng = stream(0, "kernel")
    p0, kernel = law(4, rng), rng.dirichlet(np.ones(4) * 0.2, size=4)
    assert null_expectation(general_e_value(p0, kernel), p0) == pytest.approx(np.ones(4), abs=1e-12)


def test_the_minimax_e_value_and_every_bet_of_the_mixture_are_members_of_the_family() -> None:
    p0, n = law(4, stream(1, "kernel")), 4
    kernel = np.full((n, n), 0.15 / (n - 1))
    np.fill_diagonal(kernel, 0.85)
    assert general_e_value(p0, kernel) == pytest.approx(e_value(p0, 0.3), rel=1e-14)
    assert general_e_value(p0, np.tile(p0, (n, 1))) == pytest.approx(np.ones((n, n)), rel=1e-14), "no bet"
    bets = mixture_bets()
    match_NG, mismatch_NG = bets.log_increments(p0)
    for g in range(len(bets)):
        e_NN = pair_form(match_NG[:, g], mismatch_NG[:, g])
        assert general_e_value(p0, e_NN * p0) == pytest.approx(e_NN, rel=1e-12), bets.names[g]


# ---------------------------------------------------------------- coupling and growth


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_coupling_has_both_marginals_and_agrees_as_often_as_possible(n: int) -> None:
    rng = stream(0, "coupling", n)
    for _ in range(20):
        q, p0 = law(n, rng), law(n, rng)
        joint = maximal_coupling(q, p0)
        assert (joint >= 0).all()
        assert joint.sum(axis=1) == pytest.approx(q, abs=1e-15)
        assert joint.sum(axis=0) == pytest.approx(p0, abs=1e-15)
        assert np.trace(joint) == pytest.approx(1 - np.abs(q - p0).sum() / 2, abs=1e-15)


def test_the_coupling_of_equal_or_disjoint_laws_always_or_never_agrees() -> None:
    assert maximal_coupling((0.2, 0.8), (0.2, 0.8)) == pytest.approx(np.diag([0.2, 0.8]))
    assert maximal_coupling((1, 0, 0), (0, 0.25, 0.75)).tolist() == [[0, 0.25, 0.75], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("n", [2, 3, 6])
def test_growth_of_a_given_text_is_the_mean_of_log_e_under_the_coupling(n: int) -> None:
    rng = stream(0, "growth", n)
    for delta in (0.05, 0.3, 0.9):
        q, p0 = law(n, rng), law(n, rng)
        expected = float((maximal_coupling(q, p0) * np.log(e_value(p0, delta))).sum())
        assert log_growth(q, p0, delta) == pytest.approx(expected, abs=1e-13)


def test_growth_in_the_ball_is_least_at_its_edge_and_equal_in_all_directions() -> None:
    p0, delta = np.array([0.3, 0.3, 0.4]), 0.3
    for i, j in itertools.permutations(range(3), 2):
        direction = np.eye(3)[i] - np.eye(3)[j]
        assert log_growth(p0 + 0.15 * direction, p0, delta) == pytest.approx(growth_rate(p0, delta), abs=1e-14)
        assert log_growth(p0 + 0.1 * direction, p0, delta) > growth_rate(p0, delta)
        assert log_growth(p0 + 0.2 * direction, p0, delta) < growth_rate(p0, delta)


@pytest.mark.parametrize(("p0", "delta", "expected"), [*GROWTH, ((0.3, 0.3, 0.4), 0.3, 0.562219)])
def test_numerical_max_min_finds_the_closed_form(p0: tuple[float, ...], delta: float, expected: float) -> None:
    found = minimax_growth(p0, delta)
    assert found.growth_nats == pytest.approx(growth_rate(p0, delta), abs=1e-9)
    assert found.growth_nats == pytest.approx(expected, abs=1e-6)
    assert found.e_NN == pytest.approx(e_value(p0, delta), abs=1e-6)
    assert found.num_rounds <= 5


@pytest.mark.parametrize("p0", [(0.4, 0.6), (0.25, 0.3, 0.45)])
def test_no_start_of_the_numerical_search_finds_more_than_the_closed_form(p0: tuple[float, ...]) -> None:
    n = len(p0)
    rng = stream(0, "starts", n)
    starts = [general_e_value(p0, rng.dirichlet(np.ones(n), size=n)) for _ in range(8)]
    reached = [minimax_growth(p0, 0.3, start_NN=e_NN).growth_nats for e_NN in starts]
    assert max(reached) <= growth_rate(p0, 0.3) + 1e-9
    assert min(reached) < growth_rate(p0, 0.3) - 1e-3, "some end elsewhere, so the starts do matter"


# ---------------------------------------------------------------- stopping times


@pytest.mark.parametrize(("p", "expected"), [(0.5, 3.6977), (0.4, 3.9952), (0.35, 4.4496)])
def test_the_limit_of_stopping_times_is_one_over_growth(p: float, expected: float) -> None:
    assert expected_stopping_ratio((p, 1 - p), 0.3) == pytest.approx(expected, abs=1e-4)


def test_without_growth_the_stopping_time_is_infinite() -> None:
    assert growth_rate((0.05, 0.95), 0.3) < 0
    assert expected_stopping_ratio((0.05, 0.95), 0.3) == math.inf


def exact_stopping_time(alpha: float) -> float:
    """Mean over the lattice of (matches, mismatches) for p = 1/2, delta = 0.3 and a text at distance delta / 2."""
    alive, mean = {(0, 0): 1.0}, 0.0
    while alive:
        mean += math.fsum(alive.values())
        after: dict[tuple[int, int], float] = {}
        for (a, b), prob in alive.items():
            for x, y, chance in ((a + 1, b, 0.85), (a, b + 1, 0.15)):
                if x * math.log(1.7) + y * math.log(0.3) < -math.log(alpha) and prob * chance > 1e-13:
                    after[x, y] = after.get((x, y), 0.0) + prob * chance
        alive = after
    return mean


@pytest.mark.parametrize(("alpha", "expected"), [(1e-2, 3.871), (1e-5, 3.783), (1e-10, 3.74)])
def test_simulated_stopping_times_have_the_exact_mean(alpha: float, expected: float) -> None:
    exact = exact_stopping_time(alpha)
    assert exact / -math.log(alpha) == pytest.approx(expected, abs=6e-3)
    rng = stream(0, "times")
    times = stopping_times(np.array([0.65, 0.35]), np.array([0.5, 0.5]), delta=0.3, alpha=alpha, num_runs=4000, rng=rng)
    assert abs(times.mean() - exact) < 3.5 * times.std() / math.sqrt(4000)


def test_at_a_tiny_alpha_the_stopping_time_is_within_a_percent_of_its_limit() -> None:
    for p in (0.5, 0.4, 0.35):
        p0 = np.array([p, 1 - p])
        rng = stream(0, "tiny", str(p))
        times = stopping_times(np.array([p + 0.15, 0.85 - p]), p0, delta=0.3, alpha=1e-60, num_runs=6000, rng=rng)
        ratio = times.mean() / -math.log(1e-60)
        assert ratio == pytest.approx(expected_stopping_ratio(p0, 0.3), rel=0.01)


# ---------------------------------------------------------------- the law of the next token


def average_law(q: np.ndarray, bins: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    return sum(anchor[s] * coupled_law(q, bins, anchor, s) for s in range(anchor.size))


@pytest.mark.parametrize("num_bins", [2, 5, 40])
def test_the_token_keeps_its_law_on_average_over_the_keyed_bin(num_bins: int) -> None:
    rng = stream(0, "marginal", num_bins)
    for _ in range(50):
        q, bins, anchor = law(40, rng), rng.integers(0, num_bins, 40), law(num_bins, rng)
        assert average_law(q, bins, anchor) == pytest.approx(q, abs=1e-12)


def test_the_bin_agrees_with_the_key_as_often_as_the_maximal_coupling_allows() -> None:
    rng = stream(0, "agree")
    q, bins, anchor = law(30, rng), rng.integers(0, 4, 30), law(4, rng)
    target = np.bincount(bins, weights=q, minlength=4)
    joint = np.stack([anchor[s] * np.bincount(bins, coupled_law(q, bins, anchor, s), minlength=4) for s in range(4)], 1)
    assert joint == pytest.approx(maximal_coupling(target, anchor), abs=1e-14)


def test_without_bins_the_coupling_is_that_of_the_tokens() -> None:
    rng = stream(0, "tokens")
    q, anchor = law(6, rng), law(6, rng)
    joint = np.stack([anchor[s] * coupled_law(q, np.arange(6), anchor, s) for s in range(6)], axis=1)
    assert joint == pytest.approx(maximal_coupling(q, anchor), abs=1e-14)


def test_a_hundred_thousand_sampled_tokens_do_not_differ_from_the_target_law() -> None:
    rng, num = stream(0, "chi"), 100_000
    q, bins, anchor = law(12, rng), rng.integers(0, 3, 12), law(3, rng)
    keyed = np.bincount(rng.choice(3, num, p=anchor), minlength=3)
    counts = sum(rng.multinomial(keyed[s], coupled_law(q, bins, anchor, s)) for s in range(3))
    assert scipy_stats.chisquare(counts, num * q).pvalue > 1e-3
    one_key = rng.multinomial(num, coupled_law(q, bins, anchor, 0))
    assert scipy_stats.chisquare(one_key, num * q).pvalue < 1e-9, "with one keyed bin it does differ"


def test_a_keyed_bin_without_target_mass_falls_to_the_excess() -> None:
    q, bins = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0, 0, 1, 2])
    anchor = np.array([0.2, 0.1, 0.7])
    found = coupled_law(q, bins, anchor, 2)
    # Excess 0.6 in bin 0 and 0.1 in bin 1; bin 0 is shared 5 : 3.
    assert found == pytest.approx(np.array([6 / 7 * 5 / 8, 6 / 7 * 3 / 8, 1 / 7, 0]), abs=1e-15)
    assert average_law(q, bins, anchor) == pytest.approx(q, abs=1e-15)


def test_without_excess_the_token_comes_from_the_keyed_bin() -> None:
    q, bins, anchor = np.array([0.25, 0.25, 0.5]), np.array([0, 0, 1]), np.array([0.5, 0.5])
    assert coupled_law(q, bins, anchor, 0).tolist() == [0.5, 0.5, 0]
    assert coupled_law(q, bins, anchor, 1).tolist() == [0, 0, 1]


def test_an_excess_lost_to_rounding_is_no_division_by_zero() -> None:
    q, bins = np.array([0.1, 0.2, 0.7]), np.array([0, 0, 1])
    target = np.bincount(bins, q)
    for anchor in (
        np.array([np.nextafter(target[0], 1), target[1]]),
        np.array([target[0], np.nextafter(target[1], 1)]),
    ):
        for s in range(2):
            found = coupled_law(q, bins, anchor, s)
            assert np.bincount(bins, found)[s] == pytest.approx(1, abs=1e-12)
    certain = coupled_law(np.array([1.0, 0.0]), np.array([0, 1]), np.array([1.0, 1e-17]), 1)
    assert certain.tolist() == [1, 0], "no target mass in the keyed bin and no excess: the target law"


def test_a_bin_without_anchor_mass_is_reached_by_the_excess_and_never_by_the_key() -> None:
    q, bins, anchor = np.array([0.3, 0.3, 0.4]), np.array([0, 1, 2]), np.array([0.6, 0.4, 0.0])
    assert average_law(q, bins, anchor) == pytest.approx(q, abs=1e-15)
    assert coupled_law(q, bins, anchor, 2).tolist() == q.tolist(), "drawn with probability 0: nothing is changed"


@pytest.mark.parametrize("keyed_bin", range(3))
def test_the_only_possible_token_is_certain_whatever_the_key_says(keyed_bin: int) -> None:
    q, bins, anchor = np.array([0.0, 1.0, 0.0, 0.0]), np.array([0, 1, 1, 2]), np.array([0.7, 0.2, 0.1])
    assert coupled_law(q, bins, anchor, keyed_bin).tolist() == q.tolist()
    assert coupled_law((1.0,), (2,), anchor, keyed_bin).tolist() == [1.0], "a vocabulary of one"


def test_tokens_that_cannot_be_sampled_stay_impossible() -> None:
    rng = stream(0, "masked")
    logits = rng.normal(size=50) * 3
    logits[rng.permutation(50)[:35]] = -math.inf
    q = np.exp(logits - logits.max())
    q /= q.sum()
    bins, anchor = rng.integers(0, 8, 50), law(8, rng)
    for s in range(8):
        found = coupled_law(q, bins, anchor, s)
        assert (found[q == 0] == 0).all()
        assert found.sum() == pytest.approx(1, abs=1e-15)
    assert average_law(q, bins, anchor) == pytest.approx(q, abs=1e-12)


def test_probabilities_of_a_float32_softmax_are_accepted() -> None:
    rng = stream(0, "float32")
    z = rng.normal(size=150_000).astype(np.float32) * 4
    q = np.exp(z - z.max())
    q = q / q.sum()
    assert q.dtype == np.float32
    found = coupled_law(q, rng.integers(0, 16, q.size), np.full(16, 1 / 16), 3)
    assert found.sum() == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(("n", "delta"), [(2, 0.0), (2, 1.0), (2, -0.1), (3, 4 / 3), (5, 1.6), (2, math.nan)])
def test_a_delta_outside_its_range_is_refused_with_the_range(n: int, delta: float) -> None:
    p0 = np.full(n, 1 / n)
    for call in (e_value, growth_rate, expected_stopping_ratio, minimax_growth):
        with pytest.raises(ConfigError, match=rf"delta={delta}.*between 0 and {2 * (n - 1) / n:g}"):
            call(p0, delta)
    with pytest.raises(ConfigError, match="delta"):
        log_growth(p0, p0, delta)
    with pytest.raises(ConfigError, match="delta"):
        log_e_star(True, 0.5, delta=delta, n=n)


def test_a_delta_just_inside_its_range_is_accepted() -> None:
    assert growth_rate((0.5, 0.5), 0.9999) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("p", [(0.5, 0.6), (0.5, 0.4), (1.5, -0.5), (math.nan, 0.5), (1.0,), (), ((0.5, 0.5),)])
def test_what_is_no_law_is_refused(p: tuple[float, ...]) -> None:
    for call in (
        lambda: e_value(p, 0.3),
        lambda: growth_rate(p, 0.3),
        lambda: log_growth(p, (0.5, 0.5), 0.3),
        lambda: maximal_coupling(p, (0.5, 0.5)),
        lambda: maximal_coupling((0.5, 0.5), p),
        lambda: general_e_value((0.5, 0.5), (p, p)) if len(p) == 2 else e_value(p, 0.3),
        lambda: coupled_law((0.5, 0.5), (0, 1), p, 0),
    ):
        with pytest.raises(ConfigError, match=r"probability law|kernel of shape"):
            call()


def test_an_anchor_without_a_floor_is_refused_and_the_symbol_is_named() -> None:
    with pytest.raises(ConfigError, match=r"probability 0 at symbol 1.*eta"):
        e_value((0.5, 0.0, 0.5), 0.3)


def test_laws_over_different_symbols_are_refused() -> None:
    with pytest.raises(ConfigError, match="q_N has 3 symbols and p0_N 2"):
        log_growth((0.2, 0.3, 0.5), (0.5, 0.5), 0.3)
    with pytest.raises(ConfigError, match="kernel of shape"):
        general_e_value((0.5, 0.5), np.eye(3))


def test_a_ball_that_leaves_the_simplex_is_refused_by_the_numerical_search() -> None:
    with pytest.raises(ConfigError, match="not above delta/2"):
        minimax_growth((0.1, 0.9), 0.3)


@pytest.mark.parametrize(
    ("bins", "keyed_bin"), [((0, 2), 0), ((0, -1), 0), ((0,), 0), ((0.0, 1.0), 0), ((0, 1), 2), ((0, 1), -1)]
)
def test_bins_that_do_not_fit_are_refused(bins: tuple[int, ...], keyed_bin: int) -> None:
    with pytest.raises(ConfigError, match=r"bin_V|keyed_bin"):
        coupled_law((0.5, 0.5), bins, (0.5, 0.5), keyed_bin)
