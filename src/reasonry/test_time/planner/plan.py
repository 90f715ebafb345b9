"""How many samples each strategy needs to reach a target, with an interval, its cost, and what to do.

Success is averaged over prompts: P(the strategy's answer is right), or, where no prompt is labelled, is the mode of the
model's answers. Per strategy

    n_hat            fewest samples per prompt whose predicted success reaches the target
    [n_low, n_high]  the same, read off the upper and the lower end of the prediction's interval
    ceiling          success as n grows without end: the share of prompts whose mode is right for a vote, with a right
                     sample at all (coverage) for a perfect verifier, p r / (p r + (1 - p) f) for an imperfect one

and the interval of a prediction is

    several labelled prompts   percentile bootstrap over prompts of the exact finite-pool value; beyond the pools of a
                               law of prompts that is fitted to each resample (`planner.mixture`)
    one prompt, or no labels   the ends of each prompt's own interval (`planner.intervals`), averaged: Phi(sqrt(n / v))
                               for a vote, 1 - (1 - p)^n for a verifier; a prompt whose leader the pilot cannot tell
                               counts 0 at the lower end

so that n_high is infinite where the pilot is too small to promise anything. Predictions beyond the pilot's own size
are extrapolated, and said so. Without labels all are plug-in values, since the pilot itself chose the answer to agree
with.

Symbols: P prompts, G grid of sample numbers. Sources: the formulas of `reasonry.test_time.theory` and
`reasonry.core.groups`; ceilings and the population view after Huang et al., arXiv 2506.05295, section 3.
"""

# pyright: strict
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reasonry.core import groups
from reasonry.core.stats import check_level
from reasonry.errors import ConfigError
from reasonry.test_time.planner import verdicts
from reasonry.test_time.planner.intervals import TopTwo, top_two
from reasonry.test_time.planner.pilot import Pilot, TokenCount
from reasonry.test_time.planner.reading import Priced, predict_in_pool, predict_plug_in, read
from reasonry.test_time.planner.records import Plan, PromptStatus
from reasonry.test_time.planner.strategies import leader_right, strategies_of

IntArray = NDArray[np.int64]

_DENSE = 32  # every n up to here is predicted, beyond it odd ones in steps of 15 %
_STEP = 1.15


def plan(
    pilot: Pilot,
    *,
    target: float,
    tokens: TokenCount | None = None,
    price_per_mtok: float | None = None,
    recall: float | None = None,
    false_accept: float | None = None,
    max_n: int = 1024,
    level: float = 0.9,
    seed: int = 0,
    num_boot: int = 1000,
) -> Plan:
    """Plan the number of samples.

    Args:
        pilot: The pools.
        target: Success asked for, in (0, 1).
        tokens: Completion tokens of one sample.
        price_per_mtok: Money per million completion tokens; prompts and verifiers are not priced.
        recall: P(accept | right) of a verifier you could use; with ``false_accept``.
        false_accept: P(accept | wrong) of it.
        max_n: Samples per prompt that are thinkable.
        level: Coverage of the intervals.
        seed: Seed of bootstrap and simulation.
        num_boot: Bootstrap resamples.

    Raises:
        ConfigError: An argument is out of range, or one of the verifier's two rates is missing.
    """
    _check(target, price_per_mtok, recall, false_accept, max_n, level)
    top, status = _prompts(pilot, level)
    labelled = pilot.goal == "right answer"
    planned, planned_top, planned_status = pilot, top, status
    if labelled and not pilot.is_labelled_P.all():
        planned = pilot.take(pilot.is_labelled_P)
        planned_top, planned_status = _prompts(planned, level)
    num_samples = (int(planned.num_samples_P.min()), int(planned.num_samples_P.max()))
    in_pool = labelled and planned.num_prompts > 1
    exact_up_to = min(num_samples[0], groups.MAX_VOTES, max_n) if in_pool else 0
    n_G = _grid(max_n, exact_up_to)
    found = strategies_of(
        planned, planned_top, n_G, recall, false_accept, exact_up_to=exact_up_to, level=level, seed=seed
    )
    if in_pool:
        predicted = predict_in_pool(found, n_G, exact_up_to=exact_up_to, seed=seed, num_boot=num_boot, level=level)
    else:
        predicted = [predict_plug_in(strategy, n_G) for strategy in found]
    priced = Priced(tokens, price_per_mtok)
    strategies = [
        read(strategy, curve, planned, n_G, target=target, exact_up_to=exact_up_to, priced=priced)
        for strategy, curve in zip(found, predicted, strict=True)
    ]
    if recall is None and labelled and planned.has_flags:
        recall, false_accept = _measured_rates(planned)
    situation = verdicts.Situation(
        goal=pilot.goal,
        target=target,
        max_n=max_n,
        num_prompts=pilot.num_prompts,
        num_samples=num_samples,
        planned=planned,
        leader_right_P=leader_right(planned),
        top=planned_top,
        status_P=planned_status,
        exact_up_to=exact_up_to,
        tokens=tokens,
        price_per_mtok=price_per_mtok,
    )
    worded = [verdicts.word(strategy, situation) for strategy in strategies]
    advice = verdicts.recommend(worded, situation)
    return Plan(
        goal=pilot.goal,
        target=target,
        level=level,
        max_n=max_n,
        num_prompts=pilot.num_prompts,
        num_planned=planned.num_prompts,
        num_samples=num_samples,
        basis="finite pool" if in_pool else "plug-in",
        tokens=tokens,
        price_per_mtok=price_per_mtok,
        recall=recall,
        false_accept=false_accept,
        top=top,
        status_P=status,
        strategies=tuple(worded),
        recommended=advice.strategy,
        recommendation=advice.text,
        warnings=verdicts.warnings(situation),
    )


def _check(
    target: float,
    price: float | None,
    recall: float | None,
    false_accept: float | None,
    max_n: int,
    level: float,
) -> None:
    check_level(level)
    if not 0 < target < 1:
        raise ConfigError(f"target={target} is not strictly between 0 and 1", place="target")
    if price is not None and not 0 <= price < math.inf:
        raise ConfigError(f"price_per_mtok={price} is not a price", place="price_per_mtok")
    if max_n < 1:
        raise ConfigError(f"max_n={max_n} is below 1", place="max_n")
    if (recall is None) != (false_accept is None):
        raise ConfigError(
            "of a verifier's two rates only one is given",
            place="recall, false_accept",
            remedy="Give both: how often it accepts a right answer, and how often a wrong one.",
        )
    for name, rate in (("recall", recall), ("false_accept", false_accept)):
        if rate is not None and not 0 <= rate <= 1:
            raise ConfigError(f"{name}={rate} is outside [0, 1]", place=name)


def _grid(max_n: int, exact_up_to: int) -> IntArray:
    dense = range(1, min(_DENSE, max_n) + 1)
    doubled = [2**i for i in range(max_n.bit_length())]
    steps: list[int] = []
    n = float(_DENSE)
    while (n := n * _STEP) < max_n:
        steps.append(int(n) // 2 * 2 + 1)
    return np.array(
        sorted({*dense, *doubled, *(s for s in steps if s <= max_n), max_n, exact_up_to or 1}), dtype=np.int64
    )


def _prompts(pilot: Pilot, level: float) -> tuple[TopTwo, tuple[PromptStatus, ...]]:
    """Intervals of every prompt. A pool that is one text over and over counts as one sample."""
    first, second = pilot.votes_PK[:, 0], pilot.votes_PK[:, 1:2].sum(axis=1)
    once = pilot.is_one_text_P
    first, second = np.where(once, np.minimum(first, 1), first), np.where(once, 0, second)
    top = top_two(first, second, np.where(once, 1, pilot.num_samples_P), level=level)
    status = np.select(
        [first == 0, once, top.gap_low > 0, first == second],
        ["silent", "one text", "decided", "tied"],
        default="undecided",
    )
    return top, tuple(status.tolist())


def _measured_rates(pilot: Pilot) -> tuple[float | None, float | None]:
    """Shares of right and of wrong samples that were accepted; None where there is no such sample."""
    accepted, right = (pilot.accepted_PM == 1)[pilot.valid_PM], pilot.correct_PM[pilot.valid_PM]
    shares = [float(accepted[mask].mean()) if mask.any() else None for mask in (right, ~right)]
    return shares[0], shares[1]
