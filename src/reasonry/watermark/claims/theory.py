"""Measurements behind the claims about e-values: their null mean is exactly 1, and growth and stopping times agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.errors import ConfigError
from reasonry.watermark.bets import Bets, mixture_bets, paper_bet
from reasonry.watermark.e_process import log_e_path
from reasonry.watermark.e_values import (
    e_value,
    expected_stopping_ratio,
    general_e_value,
    growth_rate,
    maximal_coupling,
    null_expectation,
)

FloatArray = NDArray[np.float64]

_DELTAS = (0.05, 0.3, 0.9)
_STOP_AT_NATS = 0.2  # small enough for two or three tokens to reach it
_BLOCK_TOK = 64
_LOG_E_BOUND = 80.0  # of the convex program: its e-values are nowhere near exp(80)


class Paths(NamedTuple):
    """All keyed sequences against one adversary, each a column.

    Attributes:
        match_TR: Whether text symbol and keyed symbol agree.
        p_TR: Anchor's probability of the text symbol.
        text_TR: The text symbols, 0 .. n - 1.
        prob_R: Probability of the keyed sequence.
    """

    match_TR: NDArray[np.bool_]
    p_TR: FloatArray
    text_TR: NDArray[np.int64]
    prob_R: FloatArray


def null_error(*, sizes: Sequence[int], num_laws: int, num_steps: Sequence[int], seed: int) -> Measurement:
    """Largest |E e - 1| without a watermark, by enumeration: one token, several tokens, a stopping time."""
    worst, num = 0.0, 0
    for n in sizes:
        for i in range(num_laws):
            rng = seeds.stream(seed, "null", n, i)
            errors = [
                *_token_errors(rng.dirichlet(np.ones(n)), rng),
                *itertools.chain.from_iterable(_text_errors(adversary(n, num, rng), n) for num in num_steps),
            ]
            worst, num = max(worst, *errors), num + len(errors)
    return Measurement(
        worst, worst, worst, num, seed, "maximum over laws, text symbols, bets and adversaries; exact sums"
    )


def _token_errors(p0: FloatArray, rng: np.random.Generator) -> Iterator[float]:
    n = p0.size
    pairs = [e_value(p0, delta) for delta in _DELTAS]
    pairs += [general_e_value(p0, rng.dirichlet(np.ones(n), size=n))]
    bets = _all_bets(n)
    match_NG, mismatch_NG = bets.log_increments(p0)
    pairs += [pair_form(match_NG[:, g], mismatch_NG[:, g]) for g in range(len(bets))]
    for e_NN in pairs:
        yield float(np.abs(null_expectation(e_NN, p0) - 1).max())
    p = p0[:, None]
    yield float(np.abs(p * np.exp(match_NG) + (1 - p) * np.exp(mismatch_NG) - 1).max())


def _text_errors(paths: Paths, n: int) -> Iterator[float]:
    for bets, late_start in itertools.product((mixture_bets(), paper_bet(0.3, n=n)), (False, True)):
        log_e_TR = log_e_path(paths.match_TR, paths.p_TR, bets, late_start=late_start)
        reached = log_e_TR >= _STOP_AT_NATS
        reached[-1] = True
        stopped_R = np.take_along_axis(log_e_TR, reached.argmax(axis=0)[None], axis=0)[0]
        for log_e_R in (*log_e_TR, stopped_R):
            yield abs(float((paths.prob_R * np.exp(log_e_R)).sum()) - 1)


def _all_bets(n: int) -> Bets:
    grid = mixture_bets()
    return Bets(eps=grid.eps, powers=grid.powers, deltas=tuple(d for d in _DELTAS if d < 2 * (n - 1) / n))


def pair_form(log_match_N: FloatArray, log_mismatch_N: FloatArray) -> FloatArray:
    """A bet on a match as e(v, s), rows text symbol, from its log e-values at p = p0(v)."""
    e_NN = np.repeat(np.exp(log_mismatch_N)[:, None], log_mismatch_N.size, axis=1)
    np.fill_diagonal(e_NN, np.exp(log_match_N))
    return e_NN


def adversary(n: int, num_steps: int, rng: np.random.Generator) -> Paths:
    """A text that reacts to all keyed symbols so far, under an anchor that does, too; every keyed sequence."""
    laws: dict[tuple[int, ...], FloatArray] = {}
    texts: dict[tuple[int, ...], int] = {}
    for past in itertools.chain.from_iterable(itertools.product(range(n), repeat=t) for t in range(num_steps)):
        laws[past], texts[past] = rng.dirichlet(np.ones(n)), int(rng.integers(n))
    keyed = list(itertools.product(range(n), repeat=num_steps))
    steps = range(num_steps)
    return Paths(
        np.array([[s[t] == texts[s[:t]] for s in keyed] for t in steps]),
        np.array([[laws[s[:t]][texts[s[:t]]] for s in keyed] for t in steps]),
        np.array([[texts[s[:t]] for s in keyed] for t in steps]),
        np.array([math.prod(float(laws[s[:t]][s[t]]) for t in steps) for s in keyed]),
    )


class MinimaxGrowth(NamedTuple):
    """Result of `minimax_growth`.

    Attributes:
        growth_nats: Growth of log-wealth per token that ``e_NN`` has for every q in the ball.
        e_NN: The e-value, rows text symbol.
        num_rounds: Convex programs solved.
    """

    growth_nats: float
    e_NN: FloatArray
    num_rounds: int


def minimax_growth(
    p0_N: ArrayLike, delta: float, *, start_NN: ArrayLike | None = None, tolerance: float = 1e-11
) -> MinimaxGrowth:
    """Solve sup_e min_q max_w E_w log e numerically, without knowing e*: the check of its optimality.

    e runs over what is valid for the ball, E_{q x p0} e <= 1 for all its q, and w over all couplings of q and p0. The
    least over q is attained at a corner q = p0 + delta/2 (1_i - 1_j): for a given e the maximum over w is concave in q.
    Two steps alternate and never lose: the best couplings of the corners for the e at hand (a linear program each),
    then the best e for those couplings (one convex program, SLSQP). It is a local search, so the growth it reaches is
    certain and that nothing exceeds it is not. For few symbols.

    Args:
        p0_N: Anchor law, shape ``(N,)``, more than delta/2 everywhere.
        delta: Radius of the ball.
        start_NN: E-value to start from; by default one that favours v = s a little.
        tolerance: Stop when a round gains less, nats.

    Raises:
        ConfigError: As for `e_value`, or the ball sticks out of the simplex.
    """
    from scipy import optimize

    growth_rate(p0_N, delta)  # refuses what is no anchor or no delta
    p0 = np.asarray(p0_N, dtype=np.float64)
    n = p0.size
    if p0.min() <= delta / 2:
        raise ConfigError(f"p0 has an entry of {p0.min():g}, not above delta/2", remedy="Use a smaller delta.")
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    corners = [p0 + delta / 2 * (np.eye(n)[i] - np.eye(n)[j]) for i, j in pairs]
    budgets = np.stack([np.outer(q, p0).ravel() for q in corners])
    sums = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    log_e = np.log(general_e_value(p0, 0.9 * p0 + 0.1 * np.eye(n)) if start_NN is None else np.asarray(start_NN))
    log_e, value, num_rounds = log_e.ravel(), -math.inf, 0
    while True:
        couplings = np.stack(
            [optimize.linprog(-log_e, A_eq=sums, b_eq=np.concatenate([q, p0])).x for q in corners], dtype=np.float64
        )
        reached = float((couplings @ log_e).min())
        if reached - value < tolerance:
            return MinimaxGrowth(reached, np.exp(log_e).reshape(n, n), num_rounds)
        log_e, value = _best_e(couplings, budgets, log_e, reached)
        num_rounds += 1


def _best_e(couplings: FloatArray, budgets: FloatArray, log_e: FloatArray, value: float) -> tuple[FloatArray, float]:
    """Maximise t over (log e, t) with couplings @ log e >= t and budgets @ e <= 1."""
    from scipy import optimize

    gains = np.column_stack([couplings, -np.ones(len(couplings))])
    last = np.zeros(log_e.size + 1)
    last[-1] = -1

    def budget_slope(z: FloatArray) -> FloatArray:
        return np.column_stack([-budgets * np.exp(z[:-1]), np.zeros(len(budgets))])

    found = optimize.minimize(
        lambda z: -z[-1],
        np.append(log_e, value),
        jac=lambda z: last,
        bounds=[(-_LOG_E_BOUND, _LOG_E_BOUND)] * log_e.size + [(None, None)],
        constraints=[
            {"type": "ineq", "fun": lambda z: gains @ z, "jac": lambda z: gains},
            {"type": "ineq", "fun": lambda z: 1 - budgets @ np.exp(z[:-1]), "jac": budget_slope},
        ],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    log_e = np.asarray(found.x[:-1])
    # SLSQP may leave a budget overdrawn by its own tolerance: pay it back, so that what is returned is an e-value.
    log_e = log_e - max(0.0, math.log(float((budgets @ np.exp(log_e)).max())))
    return log_e, float((couplings @ log_e).min())


def growth_deviation(
    *,
    probs: Sequence[float],
    growth_nats: Mapping[str, Sequence[float]],
    delta: float,
    alpha: float,
    num_runs: int,
    growth_tolerance_nats: float,
    stopping_tolerance: float,
    seed: int,
) -> Measurement:
    """Largest deviation of the numerical minimax growth and of simulated stopping times, as a share of its tolerance.

    Args:
        probs: First probability of each binary anchor (p, 1 - p).
        growth_nats: Expected growth: delta -> one number per anchor.
        delta: Radius for the stopping times; the text is at that distance from the anchor.
        alpha: Level for the stopping times.
        num_runs: Simulated texts per anchor.
        growth_tolerance_nats: Absolute tolerance of the growth.
        stopping_tolerance: Relative tolerance of mean stopping time / log(1/alpha) against 1 / J*.
        seed: Seed of the simulation.
    """
    found = {d: [minimax_growth((p, 1 - p), float(d)).growth_nats for p in probs] for d in growth_nats}
    off_nats = max(abs(a - b) for d, numbers in growth_nats.items() for a, b in zip(found[d], numbers, strict=True))
    quantile = 2.935  # two-sided 99 % for three anchors at once
    ratios: list[float] = []
    low = high = off_nats / growth_tolerance_nats
    value = low
    for p in probs:
        p0 = np.array([p, 1 - p])
        q = p0 + delta / 2 * np.array([1, -1])
        scale = -math.log(alpha) * expected_stopping_ratio(p0, delta)
        times = stopping_times(
            q, p0, delta=delta, alpha=alpha, num_runs=num_runs, rng=seeds.stream(seed, "stop", str(p))
        )
        ratio = float(times.mean()) / scale
        half = quantile * float(times.std(ddof=1)) / math.sqrt(num_runs) / scale
        ratios.append(ratio)
        away = abs(ratio - 1)
        value = max(value, away / stopping_tolerance)
        low = max(low, (away - half) / stopping_tolerance)
        high = max(high, (away + half) / stopping_tolerance)
    detail = (
        f"J* off by {off_nats:.1e} nats at most; mean stopping time / (log(1/alpha) / J*) "
        + ", ".join(f"{r:.4f} at p = {p:g}" for p, r in zip(probs, ratios, strict=True))
        + f" for alpha = {alpha:g}; 99 % normal interval for all anchors together"
    )
    return Measurement(value, low, high, num_runs * len(probs), seed, detail)


def stopping_times(
    q_N: FloatArray, p0_N: FloatArray, *, delta: float, alpha: float, num_runs: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Tokens until the product of e* reaches 1 / alpha, when text and key are coupled maximally.

    The growth must be positive, or this does not end. Returns shape ``(num_runs,)``.
    """
    edges = np.cumsum(maximal_coupling(q_N, p0_N).ravel())[:-1]
    log_e = np.log(e_value(p0_N, delta)).ravel()
    wealth, start, running = np.zeros(num_runs), 0, np.arange(num_runs)
    times = np.zeros(num_runs, dtype=np.int64)
    while running.size:
        cells = np.searchsorted(edges, rng.random((_BLOCK_TOK, running.size)), side="right")
        path = wealth + np.cumsum(log_e[cells], axis=0)
        reached = path >= -math.log(alpha)
        done = reached.any(axis=0)
        times[running[done]] = start + 1 + reached.argmax(axis=0)[done]
        wealth, running, start = path[-1, ~done], running[~done], start + _BLOCK_TOK
    return times
