"""Measurements behind the claims about self-correction: bounds on regret, its rate, and what learning buys."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.core.verify.number import NumberVerifier
from reasonry.test_time.self_correction.controllers import Halving, Hedge
from reasonry.test_time.self_correction.loop import self_correct
from reasonry.test_time.self_correction.regret import cumulative_regret, hedge_bound
from reasonry.test_time.simulate import ExpertPool

FloatArray = NDArray[np.float64]
Adversary = Callable[[int, FloatArray], FloatArray]

_Z95 = 1.959963984540054


def hedge_regret(*, num_plays: int, num_arms: int, seed: int) -> Measurement:
    """Largest regret of hedge over seven adversaries, as a share of its bound sqrt(T ln K / 2)."""
    ratios = {name: _regret(a, num_plays, num_arms) for name, a in _adversaries(num_arms, num_plays, seed).items()}
    name, regret = max(ratios.items(), key=lambda pair: pair[1])
    bound = hedge_bound(num_plays, num_arms)
    worst = regret / bound
    detail = f"maximum over {len(ratios)} adversaries, attained by {name!r}: {regret:.2f} of {bound:.2f}"
    return Measurement(worst, worst, worst, len(ratios), seed, detail)


def _regret(adversary: Adversary, num_plays: int, num_arms: int) -> float:
    controller = Hedge(num_arms, horizon=num_plays)
    probs, rewards = np.empty((num_plays, num_arms)), np.empty((num_plays, num_arms))
    for t in range(num_plays):
        probs[t] = controller.probs()
        rewards[t] = adversary(t, probs[t])
        controller.update_all(rewards[t].tolist())
    return cumulative_regret(rewards, probs)


def _adversaries(num_arms: int, num_plays: int, seed: int) -> dict[str, Adversary]:
    coins = seeds.stream(seed, "coins").integers(0, 2, (num_plays, num_arms)).astype(float)
    noise = seeds.stream(seed, "noise").random((num_plays, num_arms))
    arms = np.arange(num_arms)
    return {
        "nothing for the likeliest": lambda t, p: (arms != np.argmax(p)).astype(float),
        "all for the least likely": lambda t, p: (arms == np.argmin(p)).astype(float),
        "alternating": lambda t, p: ((arms + t) % 2).astype(float),
        "one good arm": lambda t, p: (arms == num_arms - 1).astype(float),
        "the good arm moves": lambda t, p: (arms == (8 * t // num_plays) % num_arms).astype(float),
        "fair coins": lambda t, p: coins[t],
        "one arm a little better": lambda t, p: np.where(arms == 0, np.minimum(1.0, noise[t] + 0.05), noise[t]),
    }


def simple_regret_rate(*, num_plays: list[int], num_runs: int, seed: int) -> Measurement:
    """Slope of log simple regret against log T for halving between two arms whose means differ by 1 / sqrt(T)."""
    regret, errors = [], []
    for num in num_plays:
        wrong = sum(_picks_wrong(num, run, seed) for run in range(num_runs)) / num_runs
        regret.append(wrong / math.sqrt(num))
        errors.append(math.sqrt((1 - wrong) / (wrong * num_runs)))  # of the logarithm, by the delta method
    x = np.log(num_plays) - np.mean(np.log(num_plays))
    slope = float((x * np.log(regret)).sum() / (x**2).sum())
    half = _Z95 * float(np.sqrt(((x * errors) ** 2).sum()) / (x**2).sum())
    shown = ", ".join(f"T={num}: {r:.5f}" for num, r in zip(num_plays, regret, strict=True))
    return Measurement(slope, slope - half, slope + half, num_runs, seed, f"95 % normal interval; {shown}")


def _picks_wrong(num_plays: int, run: int, seed: int) -> bool:
    best, gap = run % 2, 1 / math.sqrt(num_plays)
    means = [0.5 + (gap if arm == best else -gap) / 2 for arm in range(2)]
    u = seeds.uniforms(seed, "rewards", num_plays, run, num=num_plays)
    rng = seeds.stream(seed, "choices", num_plays, run)
    controller = Halving(2, horizon=num_plays)
    for t in range(num_plays):
        arm = controller.choose(rng)
        controller.update(arm, float(u[t] < means[arm]))
    return controller.survivors != [best]


def learning_gain(
    *, success_probs: list[float], num_problems: int, max_attempts: int, num_runs: int, controller: str, seed: int
) -> Measurement:
    """Share of problems solved by a shared controller minus that of uniform choices, paired over simulated pools."""
    solved: dict[str, list[float]] = {controller: [], "uniform": []}
    attempts: dict[str, int] = {controller: 0, "uniform": 0}
    for run in range(num_runs):
        order = seeds.stream(seed, "order", run).permutation(success_probs).tolist()
        pool = ExpertPool(order, seed=seeds.derive(seed, "pool", run))
        for name, shares in solved.items():
            done = self_correct(
                pool.problems(num_problems),
                pool,
                NumberVerifier(),
                controller=name,
                max_attempts=max_attempts,
                feedback="none",
                seed=run,
            )
            shares.append(sum(c.reward == 1.0 for c in done) / num_problems)
            attempts[name] += done.totals.spent.num_attempts
    gains = np.array(solved[controller]) - np.array(solved["uniform"])
    mean, half = float(gains.mean()), _Z95 * float(gains.std(ddof=1)) / math.sqrt(num_runs)
    saved = 1 - attempts[controller] / attempts["uniform"]
    detail = (
        f"95 % normal interval over pools; {np.mean(solved[controller]):.1%} with {controller}, "
        f"{np.mean(solved['uniform']):.1%} uniform, {saved:.0%} fewer attempts"
    )
    return Measurement(mean, mean - half, mean + half, num_runs, seed, detail)
