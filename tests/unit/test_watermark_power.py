"""Growth of bets: the formulas agree with the theory, with enumeration and with simulated texts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.bets import Bets, mixture_bets, paper_bet
from reasonry.watermark.e_values import growth_rate, log_growth, maximal_coupling
from reasonry.watermark.power import best_growth, coupling_information, growth, mean_growth, temperature_sweep
from reasonry.watermark.simulate import draw_texts
from reasonry.watermark.synthetic_model import calibration, make_laws

GRID = mixture_bets()
SWEEP = [0.3, 0.7, 1.2]


def weights(n: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, n, elements=st.floats(1e-3, 1.0))


@st.composite
def law_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A target's law, with zeros at times, and an anchor's over 2 to 8 bins."""
    n = draw(st.integers(2, 8))
    q, p0 = draw(weights(n)), draw(weights(n))
    gone = draw(st.lists(st.integers(0, n - 1), max_size=n - 1, unique=True))
    q[gone] = 0
    return q / q.sum(), p0 / p0.sum()


@pytest.mark.parametrize(
    ("p", "delta", "known"),
    [(0.5, 0.3, 0.270438), (0.4, 0.3, 0.250303), (0.35, 0.3, 0.224738), (0.5, 0.1, 0.494632), (0.4, 0.1, 0.474496)],
)
def test_in_the_worst_case_the_papers_bet_grows_like_its_theory_says(p: float, delta: float, known: float) -> None:
    p0 = np.array([p, 1 - p])
    for sign in (1, -1):
        q = p0 + sign * delta / 2 * np.array([1, -1])
        found = float(growth(q, p0, paper_bet(delta, n=2))[0])
        assert found == pytest.approx(growth_rate(p0, delta), abs=1e-14)
        assert found == pytest.approx(known, abs=1e-6)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.floats(0.01, 0.99))
def test_with_two_bins_the_constant_bet_grows_like_the_minimax_e_value_for_every_text(
    q: float, p: float, delta: float
) -> None:
    laws = np.array([q, 1 - q]), np.array([p, 1 - p])
    assert float(growth(*laws, paper_bet(delta, n=2))[0]) == pytest.approx(log_growth(*laws, delta), abs=1e-12)


@given(law_pairs())
def test_no_bet_grows_faster_than_the_best_and_the_best_not_faster_than_the_information(
    laws: tuple[np.ndarray, np.ndarray],
) -> None:
    best = float(best_growth(*laws))
    assert float(growth(*laws, Bets(eps=GRID.eps, powers=GRID.powers, deltas=(0.3,))).max()) <= best + 1e-12
    information = float(coupling_information(*laws))
    assert best <= information + 1e-12
    if laws[0].size == 2:
        assert best == pytest.approx(information, abs=1e-12)


@given(law_pairs())
def test_growth_and_information_are_sums_over_the_joint_law(laws: tuple[np.ndarray, np.ndarray]) -> None:
    q, p0 = laws
    joint = maximal_coupling(q, p0)
    won, lost = GRID.log_increments(p0)
    by_hand = sum(
        joint[v, s] * (won[v] if v == s else lost[v]) for v in range(q.size) for s in range(q.size) if joint[v, s] > 0
    )
    assert growth(q, p0, GRID) == pytest.approx(by_hand, abs=1e-12)
    mutual = sum(
        joint[v, s] * math.log(joint[v, s] / (q[v] * p0[s]))
        for v in range(q.size)
        for s in range(q.size)
        if joint[v, s] > 0
    )
    assert float(coupling_information(q, p0)) == pytest.approx(mutual, abs=1e-12)


def test_the_best_bet_is_the_probability_of_a_match_given_the_text() -> None:
    # Overlap (.2, .6): a match has probability .2/.4 given text 0, where chance gives .2, and is sure given text 1.
    q, p0 = np.array([0.4, 0.6]), np.array([0.2, 0.8])
    expected = 0.4 * (0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8)) + 0.6 * math.log(1 / 0.8)
    assert float(best_growth(q, p0)) == pytest.approx(expected, abs=1e-14)


def test_an_anchor_that_is_the_target_gives_its_entropy_and_a_sure_text_gives_nothing() -> None:
    p0 = np.array([0.1, 0.2, 0.7])
    entropy = -float((p0 * np.log(p0)).sum())
    assert float(best_growth(p0, p0)) == pytest.approx(entropy)
    assert float(coupling_information(p0, p0)) == pytest.approx(entropy)
    sure = np.array([0.0, 1.0, 0.0])
    assert float(best_growth(sure, p0)) == pytest.approx(0.0, abs=1e-14)
    assert float(coupling_information(sure, p0)) == pytest.approx(0.0, abs=1e-14)
    assert (growth(sure, p0, GRID) < 0).all(), "every bet that does not know it loses"


def test_many_steps_at_once_are_the_same_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    laws = make_laws(calibration("A"), num_bins=5, num_steps=60, seed=0)
    together = growth(laws.q_PN, laws.p0_PN, GRID)
    assert together.shape == (60, 17)
    alone = [growth(q, p0, GRID) for q, p0 in zip(laws.q_PN, laws.p0_PN, strict=True)]
    assert together == pytest.approx(np.array(alone), abs=1e-14)
    assert best_growth(laws.q_PN, laws.p0_PN).shape == coupling_information(laws.q_PN, laws.p0_PN).shape == (60,)
    monkeypatch.setattr("reasonry.watermark.power._CHUNK", 35)
    assert mean_growth(laws.q_PN, laws.p0_PN, GRID) == pytest.approx(together.mean(axis=0), abs=1e-14)


@pytest.mark.parametrize("num_bins", [2, 16])
def test_simulated_texts_grow_as_computed(num_bins: int) -> None:
    laws = make_laws(calibration("A"), num_bins=num_bins, num_steps=800, seed=0)
    texts = draw_texts(laws, "marked", num_tok=100, num_texts=400, rng=stream(0, "growth"))
    won, lost = GRID.log_increments(texts.p_text_TR)
    gained = np.where(texts.match_TR[..., None], won, lost).reshape(-1, 17)
    error = 4 * gained.std(axis=0) / math.sqrt(len(gained))
    assert (np.abs(gained.mean(axis=0) - mean_growth(laws.q_PN, laws.p0_PN, GRID)) < error).all()


def test_more_entropy_means_fewer_tokens() -> None:
    points = temperature_sweep(calibration("A"), SWEEP, GRID, num_bins=4, seed=0, num_steps=512)
    assert [p.temperature for p in points] == SWEEP
    for name in ("entropy_nats", "growth_nats", "best_growth_nats", "information_nats"):
        values = [getattr(p, name) for p in points]
        assert values == sorted(values), name
    for p in points:
        assert p.growth_nats <= p.best_growth_nats <= p.information_nats
        assert p.tok == pytest.approx(math.log(50) / p.growth_nats)
        assert p.best_tok == pytest.approx(math.log(50) / p.best_growth_nats)
        assert p.bet in GRID.names


def test_the_anchor_follows_the_temperature_unless_it_is_told_not_to_or_has_none() -> None:
    follows = temperature_sweep(calibration("A"), SWEEP, GRID, num_bins=2, seed=0, num_steps=512)
    stays = temperature_sweep(calibration("A"), SWEEP, GRID, num_bins=2, seed=0, num_steps=512, anchor_follows=False)
    assert follows[0].anchor_entropy_nats < 0.5 < follows[2].anchor_entropy_nats
    assert len({p.anchor_entropy_nats for p in stays}) == 1
    none = calibration("A").with_anchor(temperature=math.inf)
    for p in temperature_sweep(none, SWEEP, GRID, num_bins=2, seed=0, num_steps=512):
        assert p.anchor_entropy_nats == pytest.approx(math.log(600))


def test_tokens_are_infinite_where_nothing_grows() -> None:
    losing = Bets(deltas=(0.01,))
    (point,) = temperature_sweep(calibration("A"), [0.7], losing, num_bins=2, seed=0, num_steps=512)
    assert point.growth_nats < 0
    assert point.tok == math.inf
    assert math.isfinite(point.best_tok)


@pytest.mark.parametrize(
    ("q", "p0", "said"),
    [
        ([0.5, 0.5], [0.2, 0.3, 0.5], "shape"),
        ([0.5, 0.6], [0.5, 0.5], "q_N holds"),
        ([0.5, 0.5], [1.5, -0.5], "p0_N holds"),
        ([0.5, math.nan], [0.5, 0.5], "q_N holds"),
        ([0.5, 0.5], [1.0, 0.0], "p0_N is 0 where q_N is not"),
    ],
)
def test_what_are_no_laws_is_refused(q: list[float], p0: list[float], said: str) -> None:
    for function in (best_growth, coupling_information, lambda a, b: growth(a, b, GRID)):
        with pytest.raises(DataError, match=said):
            function(q, p0)


def test_a_level_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha"):
        temperature_sweep(calibration("A"), SWEEP, GRID, num_bins=2, seed=0, alpha=1.0)


def test_a_bin_without_text_may_have_no_anchor() -> None:
    assert growth([1.0, 0.0], [1.0, 0.0], GRID) == pytest.approx(np.zeros(17), abs=1e-15)
