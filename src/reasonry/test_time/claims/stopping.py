"""Measurements behind the claims about stopping rules, on answer laws that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.core.stats import clopper_pearson
from reasonry.test_time.stopping import Rule, beta, certify_batch, doubling

LAWS: dict[str, tuple[float, ...]] = {
    "(.8, .2)": (0.8, 0.2),
    "(.6, .4)": (0.6, 0.4),
    "(.55, .45)": (0.55, 0.45),
    "(.4, .36, .24)": (0.4, 0.36, 0.24),
    "(.2, 8 x .1)": (0.2, *[0.1] * 8),
    "zipf-20": tuple(1 / k / sum(1 / i for i in range(1, 21)) for k in range(1, 21)),
    "(.5, .5)": (0.5, 0.5),
}
"""Probabilities of answers 0, 1, ...; answer 0 is the mode, except in the tie, where every certificate is wrong."""

_ROWS = 500  # runs simulated at a time


class RuleError(NamedTuple):
    """What a rule did on one law.

    Attributes:
        wrong_rate: Share of runs that returned an answer which is not the only mode, stopped by the rule or not.
        wrong_stop_rate: Share of runs that the rule stopped on such an answer.
        stop_rate: Share of runs that the rule stopped; in the others the samples ran out.
        mean_n: Samples taken, mean.
        p95_n: Samples taken, 95 % quantile.
    """

    wrong_rate: float
    wrong_stop_rate: float
    stop_rate: float
    mean_n: float
    p95_n: float


def draw(law: tuple[float, ...], shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Independent answers 0, 1, ... of a law."""
    return np.searchsorted(np.cumsum(law)[:-1], rng.random(shape), side="right")


def run_rule(rule: Rule, law: tuple[float, ...], *, num_runs: int, seed: int) -> RuleError:
    """Run a rule on simulated samples."""
    names = [str(i) for i in range(len(law))]
    has_mode = law[0] > max(law[1:])
    wrong, stopped, taken = np.zeros(num_runs, dtype=bool), np.zeros(num_runs, dtype=bool), np.zeros(num_runs)
    for run in range(num_runs):
        watch = rule.start()
        for answer in _endless(law, seeds.stream(seed, "run", run)):
            if watch.observe(names[answer]):
                break
        decision = watch.decision()
        taken[run] = decision.num_seen
        stopped[run] = decision.verdict != "budget_exhausted"
        wrong[run] = not has_mode or decision.leader != names[0]
    return RuleError(
        float(wrong.mean()),
        float((wrong & stopped).mean()),
        float(stopped.mean()),
        float(taken.mean()),
        float(np.quantile(taken, 0.95)),
    )


def _endless(law: tuple[float, ...], rng: np.random.Generator) -> Iterator[int]:
    size = 32
    while True:
        yield from draw(law, (1, size), rng)[0].tolist()
        size = min(2 * size, 4096)


def wrong_certificates(*, delta: float, num_runs: int, max_n: int, seed: int) -> Measurement:
    """Largest rate of wrong certificates over the laws. The interval covers all of them at once."""
    level = 1 - 0.05 / len(LAWS)
    found: dict[str, int] = {}
    for name, law in LAWS.items():
        rng = seeds.stream(seed, "certificates", name)
        has_mode = law[0] > max(law[1:])
        found[name] = 0
        for start in range(0, num_runs, _ROWS):
            done = certify_batch(draw(law, (min(_ROWS, num_runs - start), max_n), rng), delta)
            found[name] += int((done.certified_P & ((done.leader_P != 0) | (not has_mode))).sum())
    intervals = {name: clopper_pearson(num, num_runs, level=level) for name, num in found.items()}
    worst = max(found, key=lambda name: found[name])
    rates = ", ".join(f"{name} {num / num_runs:.2%}" for name, num in found.items())
    return Measurement(
        found[worst] / num_runs,
        intervals[worst].low,
        max(interval.high for interval in intervals.values()),
        num_runs * len(LAWS),
        seed,
        f"largest of {len(LAWS)} laws ({rates}), {num_runs} runs each of up to {max_n} samples; "
        "Clopper-Pearson, 95 % for all laws together",
    )


def wrong_stops_of_heuristics(*, num_runs: int, seed: int) -> Measurement:
    """Smaller of the rates at which two heuristics return the wrong answer on (.55, .45)."""
    law = LAWS["(.55, .45)"]
    rules = {
        "beta:0.95 without a cap": beta(0.95, max_n=1_000_000),
        "doubling:0.75 up to 64": doubling(0.75, max_n=64),
    }
    rates = {name: run_rule(rule, law, num_runs=num_runs, seed=seed).wrong_rate for name, rule in rules.items()}
    least = min(rates.values())
    interval = clopper_pearson(round(least * num_runs), num_runs)
    detail = ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items())
    return Measurement(
        least,
        interval.low,
        interval.high,
        num_runs,
        seed,
        f"smaller of {detail} on (.55, .45); 95 % Clopper-Pearson",
    )
