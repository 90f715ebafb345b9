"""E-values, evidence and couplings of a watermark on arbitrary laws and texts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.seeds import stream
from reasonry.watermark.bets import Bets, mixture_bets, paper_bet
from reasonry.watermark.claims.theory import adversary
from reasonry.watermark.combine import average_log_e, bonferroni_any, e_bh
from reasonry.watermark.e_process import EProcess, anytime_p, crossing, log_e_path
from reasonry.watermark.e_values import (
    coupled_law,
    e_value,
    general_e_value,
    growth_rate,
    log_growth,
    maximal_coupling,
    null_expectation,
)

GRID = mixture_bets()
MEMBERS = [Bets(eps=(x,)) for x in GRID.eps] + [Bets(powers=(a,)) for a in GRID.powers]
SEEDS = st.integers(0, 2**32)
PROBS = st.floats(1e-9, 1, allow_subnormal=False)
TEXTS = st.lists(st.tuples(st.booleans(), PROBS), min_size=1, max_size=40)
BETS = st.one_of(
    st.just(GRID),
    st.floats(0.01, 0.99).map(lambda delta: paper_bet(delta, n=2)),
    st.floats(0.001, 0.999).map(lambda x: Bets(eps=(x,), powers=(x,))),
)
LOG_ES = st.lists(st.floats(-50, 50), min_size=1, max_size=30)
ALPHAS = st.sampled_from([0.5, 0.1, 0.02, 1e-6])


@st.composite
def laws(draw: st.DrawFn, least: int = 2, most: int = 7, *, zeros: bool = False) -> np.ndarray:
    weights = draw(st.lists(st.integers(0 if zeros else 1, 40), min_size=least, max_size=most).filter(any))
    power = draw(st.sampled_from([1, 1, 8]))  # some laws are all but certain
    p = np.array(weights, dtype=float) ** power
    return p / p.sum()


def columns(text: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([m for m, _ in text]), np.array([p for _, p in text])


# ---------------------------------------------------------------- one token


@given(laws(), st.floats(0.001, 0.999), SEEDS)
def test_the_null_mean_of_any_kernel_is_one_for_every_text_symbol(p0: np.ndarray, share: float, seed: int) -> None:
    n = p0.size
    kernel = stream(seed, "kernel").dirichlet(np.full(n, 0.5), size=n)
    for e_NN in (general_e_value(p0, kernel), e_value(p0, share * 2 * (n - 1) / n)):
        assert np.abs(null_expectation(e_NN, p0) - 1).max() < 1e-12


@given(BETS, st.floats(1e-300, 1, exclude_max=True, allow_subnormal=False))
def test_the_null_mean_of_any_bet_is_one_for_every_probability(bets: Bets, p: float) -> None:
    won, lost = bets.log_increments(p)
    assert np.exp(math.log(p) + won) + np.exp(math.log1p(-p) + lost) == pytest.approx(np.ones(len(bets)), abs=1e-11)


@given(laws(), laws(), st.floats(0.001, 0.999))
def test_growth_is_a_mean_under_the_coupling_and_at_least_the_worst_case_in_the_ball(
    q: np.ndarray, p0: np.ndarray, share: float
) -> None:
    n = min(q.size, p0.size)
    q, p0 = q[:n] / q[:n].sum(), p0[:n] / p0[:n].sum()
    delta = share * 2 * (n - 1) / n
    growth = log_growth(q, p0, delta)
    assert growth == pytest.approx(float((maximal_coupling(q, p0) * np.log(e_value(p0, delta))).sum()), abs=1e-9)
    if np.abs(q - p0).sum() <= delta:
        assert growth >= growth_rate(p0, delta) - 1e-9


@given(laws(1, 12, zeros=True), laws(2, 6, zeros=True), SEEDS)
@settings(max_examples=300)
def test_the_token_keeps_its_law_on_average_over_keys(q: np.ndarray, anchor: np.ndarray, seed: int) -> None:
    bins = stream(seed, "bins").integers(0, anchor.size, q.size)
    by_key = np.stack([coupled_law(q, bins, anchor, s) for s in range(anchor.size)])
    assert (by_key >= 0).all()
    assert by_key.sum(axis=1) == pytest.approx(np.ones(anchor.size), abs=1e-12)
    assert (by_key[:, q == 0] == 0).all()
    assert anchor @ by_key == pytest.approx(q, abs=1e-12)
    target = np.bincount(bins, weights=q, minlength=anchor.size)
    agree = sum(anchor[s] * by_key[s, bins == s].sum() for s in range(anchor.size))
    assert agree == pytest.approx(np.minimum(target, anchor).sum(), abs=1e-12)


@given(laws(1, 8), SEEDS)
def test_names_of_bins_do_not_matter(q: np.ndarray, seed: int) -> None:
    rng = stream(seed, "names")
    bins, anchor, names = rng.integers(0, 4, q.size), rng.dirichlet(np.ones(4)), rng.permutation(4)
    renamed = np.empty(4)
    renamed[names] = anchor
    for s in range(4):
        expected = coupled_law(q, bins, anchor, s)
        assert coupled_law(q, names[bins], renamed, int(names[s])) == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------- whole texts


@given(SEEDS, st.integers(2, 4), st.integers(1, 3), BETS, st.booleans())
@settings(max_examples=60)
def test_whatever_the_text_does_with_the_key_its_mean_wealth_is_one(
    seed: int, n: int, num_steps: int, bets: Bets, late_start: bool
) -> None:
    paths = adversary(n, num_steps, stream(seed, "adversary"))
    log_e_TR = log_e_path(paths.match_TR, paths.p_TR, bets, late_start=late_start)
    assert np.exp(log_e_TR) @ paths.prob_R == pytest.approx(np.ones(num_steps), abs=1e-10)
    # Also when tokens are left out by a rule on the anchor and the text.
    skip_TR = (paths.p_TR > 0.6) | (paths.text_TR == 1)
    log_e_TR = log_e_path(paths.match_TR | skip_TR, np.where(skip_TR, 1.0, paths.p_TR), bets, late_start=late_start)
    assert np.exp(log_e_TR) @ paths.prob_R == pytest.approx(np.ones(num_steps), abs=1e-10)


@given(TEXTS, BETS, st.booleans(), ALPHAS)
@settings(max_examples=200)
def test_the_stream_says_what_the_path_says(
    text: list[tuple[bool, float]], bets: Bets, late_start: bool, alpha: float
) -> None:
    process = EProcess(bets, late_start=late_start)
    pushed = [process.push(match, p) for match, p in text]
    path = log_e_path(*columns(text), bets, late_start=late_start)
    assert path == pytest.approx(np.array(pushed), abs=1e-9)
    assert process.num_scored == len(text)
    assert process.p_anytime == pytest.approx(anytime_p(path)[-1])
    assert (np.diff(anytime_p(path)) <= 0).all()
    crossed = crossing(path, alpha)
    assert crossed == next((t for t, log_e in enumerate(path, 1) if log_e >= -math.log(alpha)), None)
    if crossed is None:
        assert process.max_log_e_nats < -math.log(alpha) + 1e-9
    else:
        assert process.max_log_e_nats >= -math.log(alpha) - 1e-9


@given(TEXTS)
def test_the_mixture_is_at_most_log_17_behind_the_best_bet_and_never_ahead(text: list[tuple[bool, float]]) -> None:
    mixed = log_e_path(*columns(text), GRID)
    best = np.max([log_e_path(*columns(text), member) for member in MEMBERS], axis=0)
    assert (best - mixed >= -1e-9).all()
    assert (best - mixed <= math.log(17) + 1e-9).all()


@given(TEXTS, st.data())
def test_late_start_is_at_most_log_j_j_plus_1_behind_a_test_that_begins_at_token_j(
    text: list[tuple[bool, float]], data: st.DataObject
) -> None:
    j = data.draw(st.integers(1, len(text)))
    late = log_e_path(*columns(text), GRID, late_start=True)
    from_j = log_e_path(*columns(text[j - 1 :]), GRID)
    assert (late[j - 1 :] >= from_j - math.log(j * (j + 1)) - 1e-9).all()
    assert (late >= -np.log(np.arange(2, len(text) + 2)) - 1e-9).all(), "the cash that is left"


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_texts_of_different_lengths_stand_side_by_side_when_padded_with_certain_matches(
    texts: list[list[tuple[bool, float]]],
) -> None:
    longest = max(map(len, texts))
    padded = [text + [(True, 1.0)] * (longest - len(text)) for text in texts]
    match, p = (np.array(x).T for x in zip(*map(columns, padded), strict=True))
    path = log_e_path(match, p, GRID)
    for r, text in enumerate(texts):
        alone = log_e_path(*columns(text), GRID)
        assert path[: len(text), r] == pytest.approx(alone, abs=1e-9)
        assert path[len(text) :, r] == pytest.approx(np.full(longest - len(text), alone[-1]), abs=1e-9)


@given(TEXTS, st.data())
def test_a_match_in_place_of_a_mismatch_never_lowers_the_evidence(
    text: list[tuple[bool, float]], data: st.DataObject
) -> None:
    t = data.draw(st.integers(0, len(text) - 1))
    match, p = columns(text)
    for late_start in (False, True):
        paths = []
        for value in (False, True):
            match[t] = value
            paths.append(log_e_path(match, p, GRID, late_start=late_start))
        assert (paths[1] >= paths[0] - 1e-9).all()


# ---------------------------------------------------------------- several e-values


@given(LOG_ES, ALPHAS)
def test_the_average_finds_whatever_bonferroni_finds(log_es: list[float], alpha: float) -> None:
    average = float(average_log_e(log_es))
    assert max(log_es) - math.log(len(log_es)) - 1e-12 <= average <= max(log_es) + 1e-12
    assert average == pytest.approx(math.log(math.fsum(math.exp(x) for x in log_es) / len(log_es)), abs=1e-9)
    if bonferroni_any(log_es, alpha):
        assert average >= -math.log(alpha) - 1e-12


@given(LOG_ES, ALPHAS, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_e_bh_rejects_the_largest_set_whose_members_all_have_enough(log_es: list[float], alpha: float, random) -> None:
    found = e_bh(log_es, alpha)
    num, ordered = len(log_es), sorted(log_es, reverse=True)
    enough = [k for k in range(1, num + 1) if ordered[k - 1] >= math.log(num) - math.log(alpha) - np.log(k)]
    k = max(enough, default=0)
    assert found.rejected.sum() == k
    assert sorted(np.array(log_es)[found.rejected].tolist(), reverse=True) == ordered[:k]
    assert found.rejected.tolist() == [x >= found.threshold_log_e for x in log_es]
    order = list(range(num))
    random.shuffle(order)
    assert e_bh([log_es[i] for i in order], alpha).rejected.tolist() == [bool(found.rejected[i]) for i in order]


@given(LOG_ES, ALPHAS, st.floats(0, 20), st.data())
def test_more_evidence_for_one_document_never_loses_another(
    log_es: list[float], alpha: float, more: float, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(log_es) - 1))
    before = e_bh(log_es, alpha).rejected
    log_es[i] += more
    after = e_bh(log_es, alpha).rejected
    assert (after >= before).all()
    assert (e_bh(log_es, alpha * 0.9).rejected <= after).all()
