"""Bets and the evidence of whole texts: validity by enumeration, error rates under peeking, long streams, price."""

import math
import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.bets import Bets, make_bets, mixture_bets, paper_bet
from reasonry.watermark.claims.theory import adversary
from reasonry.watermark.e_process import EProcess, anytime_p, crossing, crossings, log_e_path
from reasonry.watermark.e_values import e_value

GRID = mixture_bets()
ALL = Bets(eps=GRID.eps, powers=GRID.powers, deltas=(0.3, 0.05))


def null_text(shape: tuple[int, ...], name: str, p: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Matches of a text that does not know the key."""
    rng = stream(0, "null", name)
    p_T = np.full(shape, p) if p else rng.beta(0.7, 0.7, shape).clip(1e-5, 1 - 1e-5)
    return rng.random(shape) < p_T, p_T


def pushed(process: EProcess, match_T: np.ndarray, p_T: np.ndarray) -> list[float]:
    return [process.push(m, p) for m, p in zip(match_T.tolist(), p_T.tolist(), strict=True)]


# ---------------------------------------------------------------- bets


def test_the_grid_has_seventeen_bets_with_names() -> None:
    assert len(GRID) == len(GRID.names) == 17
    assert GRID.names[0] == "eps:0.05"
    assert GRID.names[9:11] == ("eps:0.95", "power:0.1")
    assert GRID.names[-1] == "power:0.9"
    assert GRID.log_increments([0.2, 0.5, 0.9]).match_TG.shape == (3, 17)
    assert GRID.log_increments(0.2).mismatch_TG.shape == (17,)
    assert GRID.log_increments(np.full((4, 3), 0.2)).match_TG.shape == (4, 3, 17)


def test_every_bet_is_its_formula() -> None:
    p = 0.3
    pi = [1 - eps * (1 - p) for eps in ALL.eps] + [p**a for a in ALL.powers] + [1 - d / 2 for d in ALL.deltas]
    won, lost = ALL.log_increments(p)
    assert np.exp(won) == pytest.approx(np.array(pi) / p, rel=1e-14)
    assert np.exp(lost) == pytest.approx((1 - np.array(pi)) / (1 - p), rel=1e-14)


def test_the_mean_is_one_for_every_probability_however_small_or_large() -> None:
    p = np.concatenate([10.0 ** -np.arange(1, 301, 7), 1 - 10.0 ** -np.arange(1, 16), np.linspace(0.01, 0.99, 99)])
    won, lost = ALL.log_increments(p)
    mean = np.exp(np.log(p)[:, None] + won) + np.exp(np.log1p(-p)[:, None] + lost)
    assert np.abs(mean - 1).max() < 1e-12


def test_a_certain_symbol_carries_no_evidence() -> None:
    won, lost = ALL.log_increments(1.0)
    assert won.tolist() == [0.0] * 19
    assert (lost <= 0).all(), "impossible, so a mismatch is not to count for the watermark"
    assert np.isfinite(lost).all()
    assert paper_bet(1.5, n=16).log_increments(1.0).mismatch_TG.tolist() == [0.0], "a small pi is off, too"
    assert ALL.log_increments(1 + 1e-7).match_TG.tolist() == [0.0] * 19, "rounding of a float32 sum"
    near_won, near_lost = GRID.log_increments(1 - 1e-13)
    assert near_won == pytest.approx(np.zeros(17), abs=1e-12)
    assert near_lost == pytest.approx(GRID.log_increments(1.0).mismatch_TG, abs=1e-6)


def test_a_match_never_loses_with_the_mixture_where_the_constant_bet_does() -> None:
    p = np.linspace(0.001, 1, 500)
    assert (GRID.log_increments(p).match_TG >= 0).all()
    assert (paper_bet(0.3, n=2).log_increments(0.95).match_TG < 0).all()


def test_the_constant_bet_on_two_symbols_is_the_minimax_e_value() -> None:
    p0 = np.array([0.4, 0.6])
    won, lost = paper_bet(0.3, n=2).log_increments(p0)
    table = e_value(p0, 0.3)
    assert np.exp(won[:, 0]) == pytest.approx(np.diag(table), rel=1e-14)
    assert np.exp(lost[:, 0]) == pytest.approx([table[0, 1], table[1, 0]], rel=1e-14)


def test_on_more_symbols_a_mismatch_is_its_mean_over_the_other_symbols() -> None:
    p0 = np.array([0.1, 0.2, 0.3, 0.4])
    won, lost = paper_bet(0.3, n=4).log_increments(p0)
    table = e_value(p0, 0.3)
    for v in range(4):
        others = np.arange(4) != v
        assert math.exp(won[v, 0]) == pytest.approx(table[v, v])
        assert math.exp(lost[v, 0]) == pytest.approx(float((p0 * table[v])[others].sum() / p0[others].sum()))


def test_bets_are_made_from_their_text() -> None:
    assert make_bets("mixture", n=16) == GRID
    assert make_bets("paper:0.3", n=2) == paper_bet(0.3, n=2)
    assert make_bets("paper:0.3", n=2).names == ("paper:0.3",)
    assert make_bets("paper:1.5", n=16).deltas == (1.5,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mixtur", "Did you mean 'mixture'"),
        ("mixture:3", "unknown bet"),
        ("paper", "Write paper:0.3"),
        ("paper:x", "Write paper:0.3"),
        ("paper:1.5", "between 0 and 1 for 2 symbols"),
        ("paper:nan", "delta=nan"),
        ("", "Use mixture"),
    ],
)
def test_a_bet_that_does_not_exist_is_refused_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_bets(text, n=2)


@pytest.mark.parametrize("wrong", [{}, {"eps": (0.0,)}, {"eps": (1.0,)}, {"powers": (math.nan,)}, {"deltas": (2.0,)}])
def test_parameters_without_an_e_value_are_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError):
        Bets(**wrong)


# ---------------------------------------------------------------- the path and the stream


@pytest.mark.parametrize("late_start", [False, True])
@pytest.mark.parametrize("bets", [GRID, paper_bet(0.3, n=2)], ids=["mixture", "paper"])
def test_the_stream_and_the_path_say_the_same(bets: Bets, late_start: bool) -> None:
    match_T, p_T = null_text((9000,), "both")  # more than one block
    process = EProcess(bets, late_start=late_start)
    log_e = pushed(process, match_T, p_T)
    assert log_e_path(match_T, p_T, bets, late_start=late_start) == pytest.approx(np.array(log_e), abs=1e-8)
    assert process.num_scored == 9000
    assert process.log_e_nats == log_e[-1]
    assert process.max_log_e_nats == max(0.0, *log_e)
    assert process.p_anytime == anytime_p(log_e)[-1] == pytest.approx(min(1, math.exp(-max(log_e))))


@pytest.mark.parametrize("late_start", [False, True])
@pytest.mark.parametrize("shape", [(700, 130), (3, 1), (1, 70), (0, 5), (5, 0), (0,)])
def test_sequences_side_by_side_are_the_single_ones(shape: tuple[int, ...], late_start: bool) -> None:
    match, p = null_text(shape, "columns")
    path = log_e_path(match, p, GRID, late_start=late_start)
    assert path.shape == shape
    for r in range(shape[1] if len(shape) == 2 else 0):
        single = log_e_path(match[:, r], p[:, r], GRID, late_start=late_start)
        assert path[:, r] == pytest.approx(single, abs=1e-9)


def test_late_start_is_its_recursion() -> None:
    match_T, p_T = null_text((40,), "recursion")
    won, lost = GRID.log_increments(p_T)
    e_TG = np.exp(np.where(match_T[:, None], won, lost))
    wealth, paid_in, expected = np.zeros(17), 0.0, []
    for t in range(1, 41):
        weight = 1 / (t * (t + 1))
        wealth = (wealth + weight) * e_TG[t - 1]
        paid_in += weight
        expected.append(math.log(wealth.mean() + 1 - paid_in))
    assert log_e_path(match_T, p_T, GRID, late_start=True) == pytest.approx(np.array(expected), abs=1e-12)


def test_late_start_is_right_when_wealth_spans_more_than_a_float_in_one_block() -> None:
    rng = stream(0, "spread")
    p_T = np.where(rng.random(900) < 0.5, 1e-12, 1 - 1e-12)
    match_T = rng.random(900) < 0.5
    log_e = log_e_path(match_T, p_T, paper_bet(0.3, n=2), late_start=True)
    assert np.ptp(log_e) > 1500
    assert log_e == pytest.approx(
        np.array(pushed(EProcess(paper_bet(0.3, n=2), late_start=True), match_T, p_T)), abs=1e-7
    )


def test_the_best_bet_is_the_one_with_the_most_wealth() -> None:
    members = [Bets(eps=(x,)) for x in GRID.eps] + [Bets(powers=(a,)) for a in GRID.powers]
    for match, name in ((True, "eps:0.05"), (False, "power:0.9")):
        process = EProcess(GRID)
        for _ in range(30):
            process.push(match, 0.2)
        alone = [log_e_path([match] * 30, [0.2] * 30, member)[-1] for member in members]
        assert process.best_bet == name == GRID.names[int(np.argmax(alone))]
    assert "best_bet='power:0.9'" in repr(process)


def test_before_the_first_token_there_is_no_evidence() -> None:
    for late_start in (False, True):
        process = EProcess(GRID, late_start=late_start)
        assert (process.num_scored, process.log_e_nats, process.max_log_e_nats, process.p_anytime) == (0, 0, 0, 1)
        assert process.best_bet == "eps:0.05"


def test_the_maximum_stays_when_the_evidence_goes() -> None:
    process = EProcess(paper_bet(0.3, n=2))
    for match in (True, True, True, False, False):
        process.push(match, 0.5)
    assert process.max_log_e_nats == pytest.approx(3 * math.log(1.7))
    assert process.log_e_nats == pytest.approx(3 * math.log(1.7) + 2 * math.log(0.3))
    assert process.p_anytime == pytest.approx(1.7**-3)
    assert anytime_p([math.log(0.5), math.log(4), 0.0, math.log(5)]) == pytest.approx([1, 0.25, 0.25, 0.2])


def test_a_crossing_is_counted_from_one_and_includes_equality() -> None:
    log_e = np.log([1.0, 49.9, 50.0, 3.0, 60.0])
    assert crossing(log_e, 0.02) == 3
    assert crossing(log_e, 1 / 60) == 5
    assert crossing(log_e, 0.001) is None
    assert crossing([], 0.02) is None
    assert crossings(np.stack([log_e, log_e - 9], axis=1), 0.02).tolist() == [3, math.inf]
    assert crossings(np.zeros((0, 3)), 0.02).tolist() == [math.inf] * 3


# ---------------------------------------------------------------- validity


@pytest.mark.parametrize("late_start", [False, True])
@pytest.mark.parametrize(("n", "num_steps"), [(2, 3), (3, 3), (5, 2)])
def test_no_text_however_it_reacts_to_the_key_has_more_wealth_than_one_on_average(
    n: int, num_steps: int, late_start: bool
) -> None:
    for i in range(20):
        paths = adversary(n, num_steps, stream(0, "adversary", n, num_steps, i))
        assert paths.prob_R.sum() == pytest.approx(1)
        log_e_TR = log_e_path(paths.match_TR, paths.p_TR, ALL, late_start=late_start)
        assert np.exp(log_e_TR) @ paths.prob_R == pytest.approx(np.ones(num_steps), abs=1e-12)


def test_a_loop_scored_again_and_again_is_a_false_alarm_and_scored_once_is_none() -> None:
    # The context repeats, so the keyed symbol does: one draw of S decides all twelve tokens.
    bet, p0 = paper_bet(0.3, n=2), 0.6
    by_key = {match: log_e_path([match] * 12, [p0] * 12, bet) for match in (True, False)}
    assert math.exp(by_key[True][-1]) == pytest.approx((0.85 / 0.6) ** 12) == pytest.approx(65.3, abs=0.05)
    assert crossing(by_key[True], 0.02) == 12
    assert crossing(by_key[False], 0.02) is None
    false_alarms = p0 * 1 + (1 - p0) * 0
    assert false_alarms == 0.6
    mean = p0 * math.exp(by_key[True][-1]) + (1 - p0) * math.exp(by_key[False][-1])
    assert mean > 39, "no e-process: the mean of one is 1"
    assert all(crossing(path[:1], 0.02) is None for path in by_key.values()), "counted once it cannot cross"
    once = p0 * math.exp(by_key[True][0]) + (1 - p0) * math.exp(by_key[False][0])
    assert once == pytest.approx(1, abs=1e-15)


SKIPS = {
    "a text symbol of which the anchor is sure": lambda p, v, m: p > 0.5,
    "the text symbol": lambda p, v, m: v == 1,
    "the text symbol and its probability": lambda p, v, m: (v == 0) & (p < 0.3),
    "a mismatch": lambda p, v, m: ~m,
    "an expensive mismatch": lambda p, v, m: ~m & (p > 0.5),
}
"""What is left out, as a function of p = p0(V), the text symbol V, and whether the keyed symbol is V."""


@pytest.mark.parametrize("reason", SKIPS)
def test_skipping_is_fair_when_decided_without_the_keyed_symbol(reason: str) -> None:
    # For each text symbol the mean over the key is 1, so what depends on the anchor and on the text alone may choose.
    # What depends on the keyed symbol, a match or anything computed from one, picks the winners.
    fair = "mismatch" not in reason
    means: list[np.ndarray] = []
    num_skipped = 0
    for i in range(20):
        paths = adversary(3, 3, stream(0, "skip", i))
        skip_TR = SKIPS[reason](paths.p_TR, paths.text_TR, paths.match_TR)
        log_e_TR = log_e_path(paths.match_TR | skip_TR, np.where(skip_TR, 1.0, paths.p_TR), GRID)
        means.append(np.exp(log_e_TR) @ paths.prob_R)
        num_skipped += int(skip_TR.sum())
    assert num_skipped > 50
    if fair:
        assert np.array(means) == pytest.approx(np.ones((20, 3)), abs=1e-12)
    else:
        assert np.max(means) > 1.2


def test_a_skip_decided_from_the_key_lets_a_stream_cross_where_one_decided_from_the_text_does_not() -> None:
    match, p = null_text((200, 2000), "skip", p=0.5)
    text_only = stream(0, "text").random(match.shape) < 0.3
    rates = {}
    for name, skip in (("text", text_only), ("key", ~match & (stream(0, "key").random(match.shape) < 0.3))):
        log_e = log_e_path(match | skip, np.where(skip, 1.0, p), GRID)
        rates[name] = float(np.isfinite(crossings(log_e, 0.02)).mean())
    assert rates["text"] <= 0.02
    assert rates["key"] > 0.2


# ---------------------------------------------------------------- error rates and power


def test_looking_after_every_token_keeps_the_level_where_a_p_value_of_fixed_length_does_not() -> None:
    match, p = null_text((200, 4000), "peeking", p=0.5)
    rate = np.isfinite(crossings(log_e_path(match, p, GRID), 0.02)).mean()
    assert 0.005 < rate <= 0.02
    t = np.arange(1, 201)[:, None]
    naive = (scipy_stats.binom.sf(np.cumsum(match, axis=0) - 1, t, 0.5) <= 0.02).any(axis=0).mean()
    assert naive > 0.1


def test_late_start_keeps_the_level() -> None:
    match, p = null_text((200, 4000), "late", p=0.5)
    rate = np.isfinite(crossings(log_e_path(match, p, GRID, late_start=True), 0.02)).mean()
    assert rate == pytest.approx(0.0138, abs=0.005)
    assert rate <= 0.02


def test_late_start_finds_a_mark_behind_a_persons_prefix_sooner() -> None:
    rng = stream(0, "prefix")
    p = np.full((400, 400), 0.5)
    match = rng.random(p.shape) < np.where(np.arange(400)[:, None] < 200, 0.5, 0.85)
    plain, late = (crossings(log_e_path(match, p, GRID, late_start=x), 0.02) for x in (False, True))
    assert np.median(late) < np.median(plain) - 25
    plain, late = (crossings(log_e_path(match[200:], p[200:], GRID, late_start=x), 0.02) for x in (False, True))
    assert np.median(late) <= np.median(plain) + 3, "it costs little where there is no prefix"


def test_the_average_is_at_most_log_17_behind_its_best_member() -> None:
    rng = stream(0, "regret")
    members = [Bets(eps=(x,)) for x in GRID.eps] + [Bets(powers=(a,)) for a in GRID.powers]
    for lift in (0.0, 0.1, 0.3):
        p = rng.beta(0.7, 0.7, (500, 20)).clip(1e-4, 1 - 1e-4)
        match = rng.random(p.shape) < p + lift * (1 - p)
        mixed = log_e_path(match, p, GRID)
        regret = np.max([log_e_path(match, p, member) for member in members], axis=0) - mixed
        assert regret.max() <= math.log(17) + 1e-9
        assert regret.min() >= -1e-9
        assert regret.max() > 1.0, "it does cost something"


# ---------------------------------------------------------------- long streams and price


def test_ten_thousand_tokens_of_a_marked_text_do_not_overflow_a_stream() -> None:
    for late_start in (False, True):
        process = EProcess(GRID, late_start=late_start)
        for _ in range(10_000):
            process.push(True, 1e-5)
        assert process.log_e_nats == pytest.approx(10_000 * math.log(0.05 + 0.95e5), rel=1e-3)
        assert process.p_anytime == 0.0


@pytest.mark.parametrize("late_start", [False, True])
def test_a_million_tokens_neither_overflow_nor_lose_what_comes_after(late_start: bool) -> None:
    num = 1_000_000
    match_T, p_T = null_text((num,), "million")
    match_T[-3000:] = True
    log_e = log_e_path(match_T, p_T, GRID, late_start=late_start)
    assert np.isfinite(log_e).all()
    assert log_e[:-3000].max() < 8
    floor = -math.log(num) if late_start else -1e6
    assert log_e[-3001] >= floor
    assert log_e[-1] - log_e[-3001] > (1000 if late_start else 100), "late start has kept its stake"
    marked = log_e_path(np.ones(num, dtype=bool), np.full(num, 1e-5), GRID, late_start=late_start)
    assert marked[-1] == pytest.approx(num * math.log(0.05 + 0.95e5), rel=1e-5)


def test_the_state_of_a_stream_does_not_grow() -> None:
    process = EProcess(GRID)
    for _ in range(100):
        process.push(True, 0.4)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(3000):
        process.push(False, 0.4)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 5000


def test_many_sequences_are_scored_in_little_time_and_memory() -> None:
    match, p = null_text((1000, 1000), "price")
    tracemalloc.start()
    path = log_e_path(match, p, GRID)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.nbytes + p.nbytes * 2 + 40e6, "17 arrays of that size would be 136 MB"
    start_s = time.process_time()
    log_e_path(match, p, GRID)
    assert time.process_time() - start_s < 3


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, math.nan, math.inf])
def test_a_probability_without_an_e_value_is_refused_and_the_state_is_kept(p: float) -> None:
    process = EProcess(GRID)
    process.push(True, 0.5)
    before = (process.num_scored, process.log_e_nats, process.max_log_e_nats)
    with pytest.raises(DataError, match="floor"):
        process.push(True, p)
    assert (process.num_scored, process.log_e_nats, process.max_log_e_nats) == before
    assert process.push(True, 0.5) == pytest.approx(log_e_path([True, True], [0.5, 0.5], GRID)[-1])
    with pytest.raises(DataError, match=r"p_T\[1\]"):
        log_e_path([True, True], [0.5, p], GRID)
    with pytest.raises(DataError, match=r"p_T\[0, 1\]"):
        log_e_path([[True, True]], [[0.5, p]], GRID)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(3,\) and p_T \(2,\)"):
        log_e_path([True] * 3, [0.5] * 2, GRID)
    with pytest.raises(DataError, match="shape"):
        log_e_path(np.ones((1, 1, 1), dtype=bool), np.ones((1, 1, 1)), GRID)
    with pytest.raises(DataError, match="not booleans"):
        log_e_path([1, 0], [0.5, 0.5], GRID)
    with pytest.raises(DataError, match="crossings"):
        crossing(np.zeros((2, 2)), 0.02)
    with pytest.raises(ConfigError, match="alpha=0"):
        crossing([0.0], 0.0)
