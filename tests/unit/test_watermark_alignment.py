"""Schemes with a key sequence: alignment costs, permutation p-values, bets over offsets, marks that survive edits."""

import itertools
import math
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines.alignment import Alignment, permutation_p
from reasonry.watermark.baselines.exponential import KAPPAS, STAKES, Exponential, ExponentialEdit
from reasonry.watermark.baselines.inverse_transform import (
    UNDECIDED,
    InverseTransform,
    rank_densities,
    rank_log_bets,
)
from reasonry.watermark.baselines.offset_bets import first_occurrences, log_e_path, slip_kernel
from reasonry.watermark.keys import SecretKey

ALPHA = 0.02
SCHEMES = {
    "exponential": (Exponential, {}),
    "exponential-edit": (ExponentialEdit, {"band_tok": 4}),
    "inverse-transform": (InverseTransform, {}),
    "inverse-transform-edit": (InverseTransform, {"gap": 0.4, "band_tok": 4}),
    "exponential in blocks": (Exponential, {"block_tok": 15}),
}


def numbered_key(number: int) -> SecretKey:
    return SecretKey(number.to_bytes(32, "big"))


def marked_text(scheme, num_tok: int, *, seed: int, concentration: float = 0.3) -> list[int]:
    rng, marker, ids = stream(seed, "marked"), scheme.start(), []
    for _ in range(num_tok):
        ids.append(marker.step(rng.dirichlet(np.full(scheme.vocab_size, concentration)), ids, rng))
    return ids


# ---------------------------------------------------------------- alignment costs


def by_recursion(cost_UN, text: list[int], *, gap: float | None, band: int | None, block: int | None) -> float:
    """The definition: least over offsets and blocks, Levenshtein's recursion written out."""
    num_positions, block = cost_UN.shape[1], min(block or len(text), len(text))
    step = 1 if gap is None else max(1, block // 4)

    def distance(words: list[int], offset: int) -> float:
        if gap is None:
            return sum(cost_UN[word, (offset + t) % num_positions] for t, word in enumerate(words))

        cost_of_gap = gap

        @cache
        def cell(i: int, k: int) -> float:
            if band is not None and abs(i - k) > band:
                return math.inf
            if i == 0 or k == 0:
                return (i + k) * cost_of_gap
            together = cell(i - 1, k - 1) + cost_UN[words[i - 1], (offset + k - 1) % num_positions]
            return min(together, cell(i - 1, k) + cost_of_gap, cell(i, k - 1) + cost_of_gap)

        return cell(len(words), len(words))

    starts = range(0, len(text) - block + 1, step)
    return min(distance(text[i : i + block], j) for i in starts for j in range(num_positions))


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    num_positions=st.integers(1, 5),
    gap=st.sampled_from([None, 0.0, 0.4]),
    band=st.sampled_from([None, 0, 1, 3]),
    block=st.sampled_from([None, 1, 4]),
    seed=st.integers(0, 99),
)
def test_the_costs_of_all_prefixes_are_those_of_the_definition(text, num_positions, gap, band, block, seed) -> None:
    band = None if gap is None else band
    cost_UXN = stream(seed, "costs").normal(size=(4, 2, num_positions))
    alignment = Alignment(gap=gap, band_tok=band, block_tok=block)
    lengths = list(range(1, len(text) + 1))
    found = alignment.least_costs(cost_UXN, np.array(text), lengths)
    # With overlapping blocks the first starts are those of the whole text, so a prefix has the same ones.
    for key, length in itertools.product(range(2), lengths):
        expected = by_recursion(cost_UXN[:, key], text[:length], gap=gap, band=band, block=min(block or length, length))
        assert found[key, length - 1] == pytest.approx(expected, abs=1e-9)
    some = alignment.least_costs(cost_UXN, np.array(text), lengths[::2])
    assert np.allclose(some, found[:, ::2], atol=1e-12)


def test_a_band_of_zero_is_one_offset_and_a_wide_one_is_levenshtein() -> None:
    cost, text = stream(0, "band").normal(size=(6, 3, 12)), stream(1, "band").integers(0, 6, 30)
    at = [10, 30]
    for narrow, wide in (
        (Alignment(gap=0.4, band_tok=0), Alignment()),
        (Alignment(gap=0.4, band_tok=30), Alignment(gap=0.4)),
        (Alignment(block_tok=99), Alignment()),
    ):
        assert np.allclose(narrow.least_costs(cost, text, at), wide.least_costs(cost, text, at))
    free = [Alignment(gap=0.0, band_tok=w).least_costs(cost, text, at) for w in (0, 1, 4, None)]
    assert all((b <= a + 1e-12).all() for a, b in itertools.pairwise(free)), "more alignments cost no more"


# ---------------------------------------------------------------- permutation p-values


def test_the_p_value_is_valid_over_all_ranks_and_without_the_ones_it_is_not() -> None:
    # The text's key and 9 fresh ones are exchangeable: every order of the 10 costs is equally likely.
    costs = np.arange(10.0)
    p = np.array([permutation_p(costs[[i]], np.delete(costs, i)[:, None])[0] for i in range(10)])
    assert np.allclose(np.sort(p), np.arange(1, 11) / 10)
    without = np.array([np.mean(np.delete(costs, i) <= costs[i]) for i in range(10)])
    for alpha in (0.0, 0.001, 0.05, 0.1, 0.5):
        assert np.mean(p <= alpha) <= alpha
    assert np.mean(without <= 0.0) == 0.1, "a p-value of zero in one null text of ten"
    # Equal costs count against the text.
    assert permutation_p(np.array([2.0]), np.array([[2.0], [2.0], [3.0]]))[0] == 0.75


def test_a_marked_text_without_the_plus_one_would_have_p_zero() -> None:
    scheme = InverseTransform(numbered_key(1), vocab_size=50, num_positions=64, num_runs=49)
    ids = marked_text(scheme, 100, seed=0)
    reading = scheme.read(ids)
    assert reading.p_T[-1] == 1 / 50
    token_U, place_T = first_occurrences(np.array(ids))
    reference = scheme.alignment.least_costs(scheme.reference_costs(token_U, np.arange(1, 50)), place_T, [100])
    assert np.mean(reference[:, 0] <= scheme.least_costs(ids)[-1]) == 0.0


@pytest.mark.parametrize("name", SCHEMES)
def test_both_tests_keep_their_level_on_a_text_that_repeats_itself(name: str) -> None:
    make, parameters = SCHEMES[name]
    ids = np.tile(stream(0, "loop").integers(0, 25, 24), 2)[:40]
    num_keys, p, num_e = 800, [], 0
    for number in range(num_keys):
        scheme = make(numbered_key(number), vocab_size=25, num_positions=16, num_runs=49, lengths=[40], **parameters)
        reading = scheme.read(ids)
        p.append(reading.p_T[-1])
        num_e += reading.log_e_T.max() >= -math.log(ALPHA)
    limit = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / num_keys)
    assert np.mean(np.array(p) <= ALPHA) <= limit
    assert num_e / num_keys <= limit
    # P is even on 1/50 .. 1 (ties apart), not merely large.
    assert stats.kstest(p, "uniform").statistic < 0.02 + 1.95 / math.sqrt(num_keys)


def test_p_stands_at_the_asked_lengths_and_nowhere_else() -> None:
    ids = stream(0, "lengths").integers(0, 30, 70)
    key = numbered_key(1)
    every = Exponential(key, vocab_size=30, num_positions=8, num_runs=9, lengths=30).read(ids)
    assert (np.flatnonzero(~np.isnan(every.p_T)) + 1).tolist() == [30, 60, 70]
    listed = Exponential(key, vocab_size=30, num_positions=8, num_runs=9, lengths=[5, 60, 90]).read(ids)
    assert (np.flatnonzero(~np.isnan(listed.p_T)) + 1).tolist() == [5, 60]
    assert listed.p_T[59] == every.p_T[59]
    short = Exponential(key, vocab_size=30, num_positions=8, num_runs=9, lengths=[90]).read(ids)
    assert np.isnan(short.p_T).all()
    assert not np.isnan(short.log_e_T).any()


def test_reference_runs_of_a_text_are_made_once() -> None:
    scheme = Exponential(numbered_key(1), vocab_size=30, num_positions=8, num_runs=9)
    calls = []
    made = scheme.reference_costs
    scheme.reference_costs = lambda token_U, run_X: calls.append(len(run_X)) or made(token_U, run_X)
    ids = stream(0, "cache").integers(0, 30, 60)
    first, second = scheme.read(ids), scheme.read(ids)
    assert calls == [9]
    assert np.array_equal(first.p_T, second.p_T, equal_nan=True)
    scheme.read(ids[::-1])
    assert calls == [9, 9]
    for seed in range(40):
        scheme.read(stream(seed, "many").integers(0, 30, 5))
    assert len(scheme._references) == 32


def test_the_search_takes_seconds_at_the_default_size() -> None:
    ids = stream(0, "time").integers(0, 32_000, 200)
    scheme = ExponentialEdit(numbered_key(1), vocab_size=32_000)
    start_s = time.process_time()
    scheme.read(ids)
    assert time.process_time() - start_s < 5


# ---------------------------------------------------------------- bets over offsets


def increments(wealth: dict[tuple, np.ndarray], num_shown_T: list[int]):
    """For every time and every past: the mean wealth now, and the wealth before."""
    for t in range(len(num_shown_T)):
        num_before = num_shown_T[t - 1] if t else 0
        pasts: dict[tuple, list[np.ndarray]] = {}
        for drawn, path in wealth.items():
            pasts.setdefault(drawn[:num_before], []).append(path)
        for paths in pasts.values():
            yield np.mean([path[t] for path in paths]), 1.0 if t == 0 else paths[0][t - 1]


@pytest.mark.parametrize("slip_rate", [0.0, 0.3])
def test_bets_on_fresh_columns_are_a_martingale_over_every_key(slip_rate: float) -> None:
    # Columns of two fair bits instead of uniforms: four columns for each of three tokens, one token twice.
    text, theta = np.array([0, 1, 0, 2]), np.array([0.5, 0.9])
    kernel = slip_kernel(2, slip_rate, reach_tok=1)
    wealth = {}
    for columns in itertools.product(list(itertools.product((0, 1), repeat=2)), repeat=3):
        bits_UN = np.array(columns)
        bets = np.where(bits_UN[:, None] == 1, 2 * theta[:, None], 2 * (1 - theta[:, None]))
        wealth[columns] = np.exp(log_e_path(np.log(bets), text, kernel))
    pairs = list(increments(wealth, [1, 2, 2, 3]))
    assert len(pairs) == 1 + 4 + 16 + 16
    for now, before in pairs:
        assert now == pytest.approx(before, rel=1e-12)
    # Had the third token been bet on once more, as if its column were fresh, the mean would have grown.
    again = [
        np.exp(log_e_path(np.log(np.where(bits == 1, 1.8, 0.2))[[0, 1, 0, 2], None], np.arange(4), kernel))[-1]
        for bits in (np.array(columns) for columns in wealth)
    ]
    assert np.mean(again) > 1.1


@pytest.mark.parametrize("slip_rate", [0.0, 0.3])
def test_bets_on_ranks_are_a_martingale_over_every_order_of_a_small_vocabulary(slip_rate: float) -> None:
    text, u = np.array([0, 1, 0, 2, 3, 4]), stream(5, "u").random(3)
    kernel = slip_kernel(3, slip_rate, reach_tok=1)
    wealth = {
        ranks: np.exp(log_e_path(rank_log_bets(np.array(ranks), u, 5), text, kernel))
        for ranks in itertools.permutations(range(5))
    }
    for now, before in increments(wealth, [1, 2, 2, 3, 4, 5]):
        assert now == pytest.approx(before, rel=1e-12)
    assert max(path[-1] for path in wealth.values()) > 1.5, "something was bet"


def test_each_bet_on_a_uniform_has_mean_one() -> None:
    scheme = Exponential(numbered_key(1), vocab_size=3, num_positions=200_000)
    bets = np.exp(scheme.log_bets(np.array([1])))[0]
    for (stake, kappa), bet in zip(itertools.product(STAKES, KAPPAS), bets, strict=True):
        spread = stake * (kappa - 1) / math.sqrt(2 * kappa - 1)
        assert bet.min() > 1 - stake - 1e-12
        assert bet.mean() == pytest.approx(1, abs=4.5 * spread / math.sqrt(200_000) + 1e-9)
    for num_undecided in UNDECIDED:
        assert np.allclose(rank_densities(4001, num_undecided).mean(axis=1), 1, atol=0.01)


def test_the_rank_bet_is_the_law_of_a_text_that_is_undecided() -> None:
    # Five equally probable tokens of a large vocabulary: the winner's rank given u is Beta(k + 1, 5 - k).
    etas, q = [], np.zeros(400)
    q[:5] = 0.2
    for number in range(1500):
        scheme = InverseTransform(numbered_key(number), vocab_size=400, num_positions=1)
        scheme._u_N[:] = 0.5  # k = 2
        etas.append(scheme._eta(scheme._rank_V[scheme.choose(q, 0)]))
    assert stats.kstest(etas, stats.beta(3, 3).cdf).pvalue > 1e-3


def test_slips_are_a_law_at_every_offset() -> None:
    assert slip_kernel(7, 0.0) is None
    for num_positions in (1, 2, 7, 40):
        kernel = slip_kernel(num_positions, 0.1)
        assert kernel is not None
        assert np.allclose(kernel.sum(axis=1), 1, atol=1e-14)
        assert (kernel > 0).all()
        assert np.allclose(kernel, kernel.T)
    with pytest.raises(ConfigError, match="slip_rate"):
        slip_kernel(7, 1.0)


@given(st.lists(st.integers(0, 9), max_size=30))
def test_first_occurrences_number_the_tokens_in_order(ids: list[int]) -> None:
    token_U, place_T = first_occurrences(np.array(ids, dtype=np.int64))
    assert token_U.tolist() == list(dict.fromkeys(ids))
    assert token_U[place_T].tolist() == ids


# ---------------------------------------------------------------- the law of the text


def test_every_position_draws_from_the_models_law() -> None:
    q, num = np.array([0.05, 0.0, 0.45, 0.2, 0.3]), 20_000
    positive = q > 0
    for make in (Exponential, InverseTransform):
        scheme = make(numbered_key(1), vocab_size=5, num_positions=num)
        counts = np.bincount([scheme.choose(q, position) for position in range(num)], minlength=5)
        assert counts[1] == 0
        assert stats.chisquare(counts[positive], num * q[positive]).pvalue > 1e-3


def test_two_steps_in_a_row_have_the_joint_law() -> None:
    q, num = np.array([0.2, 0.5, 0.3]), 6000
    for make in (Exponential, InverseTransform):
        scheme = make(numbered_key(2), vocab_size=3, num_positions=2 * num)
        pairs = [3 * scheme.choose(q, 2 * i) + scheme.choose(q, 2 * i + 1) for i in range(num)]
        assert stats.chisquare(np.bincount(pairs, minlength=9), num * np.outer(q, q).ravel()).pvalue > 1e-3


def test_texts_start_anywhere_and_go_on_in_order() -> None:
    scheme = Exponential(numbered_key(1), vocab_size=9, num_positions=5)
    asked = []
    scheme.choose = lambda q_V, position: asked.append(position) or 0
    starts = set()
    for seed in range(40):
        marker, rng = scheme.start(), stream(seed, "start")
        asked.clear()
        for num_before in range(7):
            marker.step(np.ones(9) / 9, [0] * num_before, rng)
        assert asked == [(asked[0] + t) % 5 for t in range(7)]
        starts.add(asked[0])
    assert starts == set(range(5))


# ---------------------------------------------------------------- power


@pytest.mark.parametrize("name", SCHEMES)
def test_a_marked_text_is_found_under_its_key_and_no_other(name: str) -> None:
    make, parameters = SCHEMES[name]
    given_ = {"vocab_size": 80, "num_positions": 128, "num_runs": 99, **parameters}
    scheme = make(numbered_key(1), **given_)
    ids = marked_text(scheme, 100, seed=2)
    reading = scheme.read(ids)
    assert reading.p_T[-1] == 0.01
    assert reading.log_e_T[-1] > 6
    assert reading.num_duplicate == 100 - len(set(ids))
    other = make(numbered_key(2), **given_).read(ids)
    assert other.p_T[-1] > ALPHA
    assert other.log_e_T.max() < -math.log(ALPHA)


def test_edit_alignments_survive_deletions_that_the_others_do_not() -> None:
    given_ = {"vocab_size": 200, "num_positions": 128, "num_runs": 99}
    plain, edit = Exponential(numbered_key(1), **given_), ExponentialEdit(numbered_key(1), **given_)
    ids = marked_text(plain, 130, seed=1)
    cut = [token for t, token in enumerate(ids) if t % 13 != 6]
    assert len(cut) == 120
    # Costs as marked, against those of fresh keys: how many spreads below their mean.
    drop = {}
    for scheme in (plain, edit):
        strengths = []
        for text in (ids[:120], cut):
            token_U, place_T = first_occurrences(np.array(text))
            null = scheme.alignment.least_costs(scheme.reference_costs(token_U, np.arange(1, 100)), place_T, [120])
            strengths.append((null.mean() - scheme.least_costs(text)[-1]) / null.std())
        drop[scheme] = strengths[1] / strengths[0]
    assert drop[plain] < 0.4 < 0.7 < drop[edit]
    assert plain.read(cut).log_e_T[-1] < 8 < 40 < edit.read(cut).log_e_T[-1]
    assert edit.read(cut).p_T[-1] == 0.01


def test_blocks_find_a_marked_passage_that_the_whole_text_hides() -> None:
    given_ = {"vocab_size": 200, "num_positions": 64, "num_runs": 99, "lengths": [500]}
    whole = Exponential(numbered_key(1), **given_)
    ids = marked_text(whole, 24, seed=1, concentration=0.2)
    human = stream(0, "human").integers(0, 200, 476).tolist()
    text = human[:240] + ids + human[240:]
    for make in (Exponential, ExponentialEdit):
        assert make(numbered_key(1), block_tok=24, **given_).read(text).p_T[-1] == 0.01
    assert whole.read(text).p_T[-1] > ALPHA


@pytest.mark.parametrize("name", SCHEMES)
def test_a_reading_of_a_prefix_is_the_prefix_of_the_reading(name: str) -> None:
    make, parameters = SCHEMES[name]
    scheme = make(numbered_key(1), vocab_size=20, num_positions=16, num_runs=19, lengths=20, **parameters)
    ids = stream(0, "prefix").integers(0, 20, 60)
    whole, part = scheme.read(ids), scheme.read(ids[:40])
    assert np.array_equal(whole.p_T[:40], part.p_T, equal_nan=True)
    assert np.allclose(whole.log_e_T[:40], part.log_e_T, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- what it says and refuses


def test_an_empty_text_says_nothing() -> None:
    for make, parameters in SCHEMES.values():
        reading = make(numbered_key(1), vocab_size=20, num_positions=16, num_runs=9, **parameters).read([])
        assert len(reading.p_T) == len(reading.log_e_T) == reading.num_tok == 0


def test_names_say_what_differs_from_the_defaults() -> None:
    key = numbered_key(1)
    assert Exponential(key, vocab_size=9).name == "exp"
    assert ExponentialEdit(key, vocab_size=9, num_positions=64).name == "exp-edit:num_positions=64"
    assert InverseTransform(key, vocab_size=9, gap=0.4).name == "inverse-transform:gap=0.4"


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_positions": 0}, {"num_runs": 0}, {"lengths": 0}, {"lengths": []}, {"lengths": [5, 5]}, {"block_tok": 0},
        {"gap": -1.0}, {"gap": math.inf}, {"band_tok": -1}, {"slip_rate": -0.1}, {"vocab_size": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        ExponentialEdit(numbered_key(1), **{"vocab_size": 9, **wrong})


def test_ids_of_another_vocabulary_are_refused() -> None:
    for make, parameters in SCHEMES.values():
        with pytest.raises(DataError, match="vocabulary of 9"):
            make(numbered_key(1), vocab_size=9, **parameters).read([1, 9])
