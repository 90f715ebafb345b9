"""Wealth of bets under several keys: any cut, counts against tokens, keys, late start, thresholds, bounded memory."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reasonry.core.seeds import stream
from reasonry.watermark.bets import Bets, mixture_bets, paper_bet
from reasonry.watermark.combine import average_log_e
from reasonry.watermark.detection.wealth import Pushed, Wealth
from reasonry.watermark.e_process import EProcess, log_e_path

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

GRID = mixture_bets()
# A constant bet below p falls at a match and rises at a mismatch, the other way round than the rest.
BACKWARDS = paper_bet(0.9, n=2)  # pi = .55
LISTS = {"mixture": GRID, "paper": paper_bet(0.3, n=16), "both ways": Bets(eps=(0.3,), deltas=(0.9, 0.2))}


def matches(num: int, num_keys: int, rate: float, name: str) -> Bools:
    return stream(0, "matches", name).random((num, num_keys)) < rate


def unequal_p(num: int, num_keys: int, name: str) -> Floats:
    return stream(0, "p", name).beta(0.7, 0.7, (num, num_keys)).clip(1e-5, 1 - 1e-5)


def average_path(match_SK: Bools, p_SK: Floats | float, bets: Bets, *, late_start: bool = False) -> Floats:
    """Log E after each token, by the other implementation."""
    p = np.broadcast_to(np.asarray(p_SK, dtype=np.float64), match_SK.shape)
    return average_log_e(log_e_path(match_SK, p, bets, late_start=late_start), axis=1)


def first_at(path_S: Floats, threshold: float) -> int | None:
    return int((path_S >= threshold).argmax()) + 1 if (path_S >= threshold).any() else None


def push_cut(wealth: Wealth, match_SK: Bools, p_SK: Floats | float, cuts: list[int], *, path: bool = False) -> Pushed:
    """Push in pieces; what a single push would have returned."""
    num_used, crossed, paths = 0, None, []
    bounds = [0, *sorted(c % (len(match_SK) + 1) for c in cuts), len(match_SK)]
    for a, b in itertools.pairwise(bounds):
        pushed = wealth.push(match_SK[a:b], p_SK[a:b] if isinstance(p_SK, np.ndarray) else p_SK, path=path)
        if pushed.crossed is not None:
            assert crossed is None, "a threshold is reached once"
            crossed = num_used + pushed.crossed
        num_used += pushed.num_used
        paths.append(pushed.log_e_S)
    return Pushed(num_used, crossed, np.concatenate(paths))


def assert_same(one: Wealth, other: Wealth) -> None:
    assert (one.num_scored, one.has_crossed, one.is_stopped) == (other.num_scored, other.has_crossed, other.is_stopped)
    assert one.num_match_K.tolist() == other.num_match_K.tolist()
    assert one.log_e_K == pytest.approx(other.log_e_K, rel=1e-9, abs=1e-9)
    assert one.log_e == pytest.approx(other.log_e, rel=1e-9, abs=1e-9)
    assert one.max_log_e == pytest.approx(other.max_log_e, rel=1e-9, abs=1e-9)


# ---------------------------------------------------------------- any cut


@st.composite
def texts(draw: st.DrawFn) -> tuple[Bools, Floats | float, float]:
    """Matches whose rate changes on the way, their probabilities, and a threshold that may be reached."""
    num_keys, parts = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rates = rng.choice([0.02, 0.1, 0.3, 0.6, 0.95], parts)
    match_SK = np.concatenate([rng.random((int(rng.integers(0, 90)), num_keys)) < rate for rate in rates])
    p = draw(st.sampled_from([1 / 2, 1 / 3, 1 / 16, 1 / 1000, 0.9, None]))
    p_SK = rng.beta(0.7, 0.7, match_SK.shape).clip(1e-5, 1 - 1e-5) if p is None else p
    return match_SK, p_SK, draw(st.sampled_from([math.inf, 0.1234567, 1.2345678, 3.9120231, 8.7654321]))


@given(texts(), st.lists(st.integers(0, 400), max_size=9), st.sampled_from(sorted(LISTS)), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_pushing_in_pieces_is_pushing_at_once(
    text: tuple[Bools, Floats | float, float], cuts: list[int], bets: str, stops: bool, late_start: bool
) -> None:
    match_SK, p_SK, threshold = text
    make = {"num_keys": match_SK.shape[1], "log_threshold": threshold, "stops": stops, "late_start": late_start}
    whole, cut = Wealth(LISTS[bets], **make), Wealth(LISTS[bets], **make)
    at_once, in_pieces = whole.push(match_SK, p_SK), push_cut(cut, match_SK, p_SK, cuts)
    assert_same(whole, cut)
    assert at_once[:2] == in_pieces[:2]
    expected = average_path(match_SK, p_SK, LISTS[bets], late_start=late_start)
    reached = first_at(expected, threshold)
    assert at_once.crossed == reached
    assert whole.has_crossed == (reached is not None)
    end = reached if stops and reached else len(match_SK)
    assert at_once.num_used == whole.num_scored == end
    assert whole.max_log_e == pytest.approx(max(0.0, expected[:end].max(initial=0.0)), rel=1e-9, abs=1e-9)
    assert whole.log_e == pytest.approx(expected[end - 1] if end else 0.0, rel=1e-9, abs=1e-9)
    assert whole.num_match_K.tolist() == match_SK[:end].sum(0).tolist()


@given(texts(), st.lists(st.integers(0, 400), max_size=5), st.booleans())
@settings(max_examples=60)
def test_the_path_is_log_e_after_every_token(
    text: tuple[Bools, Floats | float, float], cuts: list[int], late_start: bool
) -> None:
    match_SK, p_SK, threshold = text
    wealth = Wealth(GRID, num_keys=match_SK.shape[1], log_threshold=threshold, late_start=late_start)
    pushed = push_cut(wealth, match_SK, p_SK, cuts, path=True)
    expected = average_path(match_SK, p_SK, GRID, late_start=late_start)[: pushed.num_used]
    assert pushed.log_e_S == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert wealth.log_e == pytest.approx(expected[-1] if len(expected) else 0.0, rel=1e-9, abs=1e-9)


# ---------------------------------------------------------------- counts against tokens


@given(texts().filter(lambda text: isinstance(text[1], float)), st.sampled_from(sorted(LISTS)), st.booleans())
@settings(max_examples=150)
def test_where_p_is_one_number_counts_are_enough(
    text: tuple[Bools, Floats | float, float], bets: str, stops: bool
) -> None:
    match_SK, p, threshold = text
    make = {"num_keys": match_SK.shape[1], "log_threshold": threshold, "stops": stops}
    counted, each = Wealth(LISTS[bets], **make), Wealth(LISTS[bets], **make)
    by_counts, by_token = counted.push(match_SK, p), each.push(match_SK, np.full(match_SK.shape, p))
    assert_same(counted, each)
    assert by_counts[:2] == by_token[:2]


@pytest.mark.parametrize("bets", [GRID, BACKWARDS, paper_bet(0.3, n=2)], ids=["mixture", "backwards", "paper"])
@pytest.mark.parametrize(("p", "rate"), [(0.5, 0.5), (0.5, 0.6), (1 / 16, 0.1), (0.9, 0.86), (0.9, 0.97)])
def test_long_texts_have_the_same_maximum_and_crossing_by_counts(bets: Bets, p: float, rate: float) -> None:
    match_SK = matches(20_000, 2, rate, f"long {p} {rate}")
    path = average_path(match_SK, p, bets)
    for level in (0.25, 0.5, 0.9, 0.999):
        threshold = float(path.max()) * level if path.max() > 0 else 1.0
        kept = Wealth(bets, num_keys=2, log_threshold=threshold, stops=False)
        assert kept.push(match_SK, p).crossed == first_at(path, threshold)
        assert kept.max_log_e == pytest.approx(max(0.0, float(path.max())), abs=1e-9)
        stopped = Wealth(bets, num_keys=2, log_threshold=threshold)
        assert stopped.push(match_SK, p)[:2] == ((c := first_at(path, threshold)) or 20_000, c)


@pytest.mark.parametrize("num", range(1984, 2017, 4))
def test_a_text_that_ends_in_the_middle_of_a_block_ends_there(num: int) -> None:
    match_SK = np.ones((num, 2), dtype=np.bool_)
    for bets in (GRID, paper_bet(0.3, n=2)):
        wealth = Wealth(bets, num_keys=2, stops=False)
        wealth.push(match_SK, 0.5)
        assert wealth.max_log_e == pytest.approx(wealth.log_e, rel=1e-12)
        assert wealth.log_e == pytest.approx(average_path(match_SK, 0.5, bets)[-1], rel=1e-12)


def test_many_rare_matches_are_all_looked_at() -> None:
    match_SK = matches(300_000, 1, 1 / 30, "rare")
    assert match_SK.sum() > 9000
    for first, last in ((100_000, 100_400), (240_000, 240_400)):
        marked_SK = match_SK.copy()
        marked_SK[first:last:2] = True
        path = average_path(marked_SK, 1 / 64, GRID)
        wealth = Wealth(GRID, num_keys=1, log_threshold=float(path.max()) - 1.2345, stops=False)
        assert wealth.push(marked_SK, 1 / 64).crossed == first_at(path, float(path.max()) - 1.2345)
        assert wealth.max_log_e == pytest.approx(float(path.max()), rel=1e-9)
        assert wealth.log_e == pytest.approx(path[-1], rel=1e-9)


def test_a_bet_below_p_falls_at_a_match_and_rises_at_a_mismatch() -> None:
    wealth = Wealth(BACKWARDS, num_keys=1)
    for match, factor in ((True, 0.55 / 0.9), (False, 0.45 / 0.1)):
        before = wealth.log_e
        wealth.push(np.array([[match]]), 0.9)
        assert wealth.log_e - before == pytest.approx(math.log(factor))
    # The maximum lies in the middle of a block, where neither its beginning nor its end shows it.
    inside = np.array([[True]] * 5 + [[False]] * 9 + [[True]] * 100)
    for p in (0.9, np.full((114, 1), 0.9)):
        wealth = Wealth(BACKWARDS, num_keys=1, log_threshold=10.9, stops=False)
        assert wealth.push(inside, p).crossed == 14
        assert wealth.max_log_e == pytest.approx(5 * math.log(0.55 / 0.9) + 9 * math.log(4.5))


def test_the_token_at_which_it_stops_is_the_last_one_taken() -> None:
    match_SK = np.array([[False]] * 5 + [[True]] * 60)
    up, down = math.log(1.7), math.log(0.3)
    for p in (0.5, np.full((65, 1), 0.5)):
        wealth = Wealth(paper_bet(0.3, n=2), num_keys=1, log_threshold=5 * down + 20.5 * up)
        assert wealth.push(match_SK, p)[:2] == (26, 26)
        assert wealth.log_e == pytest.approx(5 * down + 21 * up)
        assert wealth.max_log_e == pytest.approx(wealth.log_e)
        assert wealth.push(match_SK, p)[:2] == (0, None), "nothing is taken after the stop"
        assert wealth.num_scored == 26


# ---------------------------------------------------------------- thresholds


@pytest.mark.parametrize("general", [False, True])
def test_without_stopping_the_crossing_is_kept_whatever_comes_later(general: bool) -> None:
    match_SK = np.array([[True]] * 30 + [[False]] * 3000)
    p = np.full(match_SK.shape, 1 / 16) if general else 1 / 16
    wealth = Wealth(GRID, num_keys=1, log_threshold=math.log(50), stops=False)
    pushed = wealth.push(match_SK, p)
    path = average_path(match_SK, 1 / 16, GRID)
    assert pushed.crossed == first_at(path, math.log(50))
    assert (pushed.num_used, wealth.has_crossed, wealth.is_stopped) == (3030, True, False)
    assert wealth.max_log_e == pytest.approx(path[29])
    assert wealth.log_e < 0
    assert wealth.push(match_SK, p).crossed is None, "a second crossing is no first one"


def test_before_any_token_the_evidence_is_one() -> None:
    for late_start in (False, True):
        wealth = Wealth(GRID, num_keys=3, log_threshold=2.0, late_start=late_start)
        assert (wealth.log_e, wealth.max_log_e, wealth.num_scored, wealth.is_stopped) == (0.0, 0.0, 0, False)
        assert wealth.log_e_K.tolist() == [0.0] * 3
        empty = wealth.push(np.empty((0, 3), dtype=np.bool_), 0.5, path=True)
        assert (empty.num_used, empty.crossed, empty.log_e_S.shape) == (0, None, (0,))
        assert wealth.best_bet(0) == GRID.names[0]


# ---------------------------------------------------------------- keys


def test_several_keys_are_their_average() -> None:
    match_SK, p_SK = matches(300, 5, 0.4, "keys"), unequal_p(300, 5, "keys")
    together = Wealth(GRID, num_keys=5)
    pushed = together.push(match_SK, p_SK, path=True)
    alone = []
    for k in range(5):
        one = Wealth(GRID, num_keys=1)
        alone.append(one.push(match_SK[:, [k]], p_SK[:, [k]], path=True).log_e_S)
        assert together.log_e_K[k] == pytest.approx(one.log_e, abs=1e-9)
        assert together.best_bet(k) == one.best_bet(0)
        assert together.num_match_K[k] == one.num_match_K[0] == match_SK[:, k].sum()
    assert pushed.log_e_S == pytest.approx(average_log_e(np.stack(alone)), abs=1e-9)


def test_one_key_among_many_pays_the_logarithm_of_their_number() -> None:
    match_SK = matches(400, 64, 1 / 16, "many")
    match_SK[:, 17] = matches(400, 1, 0.5, "one")[:, 0]
    wealth = Wealth(GRID, num_keys=64)
    wealth.push(match_SK, 1 / 16)
    assert int(wealth.log_e_K.argmax()) == 17
    assert wealth.log_e == pytest.approx(float(wealth.log_e_K[17]) - math.log(64), abs=1e-6)


# ---------------------------------------------------------------- the other implementation


@pytest.mark.parametrize("late_start", [False, True])
@pytest.mark.parametrize("bets", LISTS.values(), ids=LISTS)
def test_one_key_is_the_e_process(bets: Bets, late_start: bool) -> None:
    match_SK = np.concatenate([matches(400, 1, 0.3, "unmarked"), matches(400, 1, 0.8, "marked")])
    p_SK = unequal_p(800, 1, "one")
    path = log_e_path(match_SK[:, 0], p_SK[:, 0], bets, late_start=late_start)
    process = EProcess(bets, late_start=late_start)
    for match, p in zip(match_SK[:, 0].tolist(), p_SK[:, 0].tolist(), strict=True):
        process.push(match, p)
    wealth = Wealth(bets, num_keys=1, late_start=late_start)
    assert wealth.push(match_SK, p_SK, path=True).log_e_S == pytest.approx(path, rel=1e-10, abs=1e-10)
    assert wealth.log_e == pytest.approx(process.log_e_nats, rel=1e-10)
    assert wealth.max_log_e == pytest.approx(process.max_log_e_nats, rel=1e-10)
    assert wealth.best_bet(0) == process.best_bet


def test_the_best_bet_of_a_late_start_is_the_best_since_it_began() -> None:
    # 500 mismatches, which cost a timid bet least; then matches only, at which the bold one earns most.
    match_SK = np.array([[False]] * 500 + [[True]] * 60)
    late, early = (Wealth(GRID, num_keys=1, late_start=late) for late in (True, False))
    for wealth in (late, early):
        wealth.push(match_SK, 1 / 16)
    won, lost = (x[0] for x in GRID.log_increments(np.array([1 / 16])))
    assert early.best_bet(0) == GRID.names[int((500 * lost + 60 * won).argmax())] != "eps:0.05"
    assert late.best_bet(0) == GRID.names[int(won.argmax())] == "eps:0.05"
    price = math.log(501 * 502) + math.log(17)
    assert late.log_e >= 60 * math.log(0.05 + 0.95 * 16) - price
    assert early.log_e < 160


# ---------------------------------------------------------------- size


@pytest.mark.parametrize("late_start", [False, True])
def test_many_tokens_take_little_memory_and_stay_finite(late_start: bool) -> None:
    num, num_keys = (1_000_000, 2) if not late_start else (100_000, 2)
    match_SK = matches(num, num_keys, 1 / 16, "million")
    match_SK[num // 2 :, 1] = True
    wealth = Wealth(GRID, num_keys=num_keys, log_threshold=math.log(50), stops=False, late_start=late_start)
    tracemalloc.start()
    try:
        wealth.push(match_SK, 1 / 16)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150e6
    assert math.isfinite(wealth.log_e) and wealth.log_e > num / 4, "half of the text gains 2.7 nats a token"
    assert np.isfinite(wealth.log_e_K).all() and wealth.log_e_K[0] < 20


def test_many_keys_take_little_memory() -> None:
    match_SK = matches(2000, 3000, 1 / 16, "keys at once")
    wealth = Wealth(GRID, num_keys=3000, log_threshold=math.log(50))
    tracemalloc.start()
    try:
        wealth.push(match_SK, 1 / 16)
        wealth.push(match_SK[:200], np.full((200, 3000), 0.1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    assert wealth.num_scored == 2200
