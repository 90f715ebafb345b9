"""Unmasking policies as text: ``threshold:0.9``, ``low_confidence:64``, ``planner:sample``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from reasonry.core.named import build_named
from reasonry.errors import ConfigError, nearest
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policies.multi_block import MultiBlock
from reasonry.training.dultra.policies.parallel_rules import EntropyBound, EntropyThreshold, Factor, Threshold
from reasonry.training.dultra.policies.rules import By, Fixed, Scheduled

if TYPE_CHECKING:
    from reasonry.training.dultra.planner import PlannerHead

Words = Sequence[str]


class PolicyKind(NamedTuple):
    """One kind of policy.

    Attributes:
        syntax: Its text form; what is in brackets may be left out.
        reveals: What it reveals at a step, one line.
        build: Makes the policy from the words after the first colon and the planner, if there is one.
        max_words: Most words that ``build`` takes.
        is_random: Whether what it reveals depends on chance beyond the tokens drawn: then average over seeds.
    """

    syntax: str
    reveals: str
    build: Callable[[Words, PlannerHead | None], UnmaskPolicy]
    max_words: int
    is_random: bool = False


def _scheduled(by: By) -> Callable[[Words, PlannerHead | None], UnmaskPolicy]:
    return lambda words, planner: Scheduled(by, int(words[0]) if words else None)


def _top(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return Fixed("low_confidence", int(words[0]) if words else 1)


def _rand(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return Fixed("random", int(words[0]) if words else 1)


def _threshold(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return Threshold(*map(float, words))


def _factor(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    factor, compat = [*words, "1"][0], words[1] if len(words) > 1 else None
    if compat not in (None, "fast-dllm"):
        raise ConfigError(f"unknown variant {compat!r} of the factor rule", remedy="There is one: fast-dllm.")
    return Factor(float(factor), compat)


def _entropy_bound(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return EntropyBound(*map(float, words))


def _entropy_threshold(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return EntropyThreshold(*map(float, words))


def _multi_block(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    return MultiBlock(*map(float, words))


def _planner(words: Words, planner: PlannerHead | None) -> UnmaskPolicy:
    from reasonry.training.dultra.policies.planned import MODES, PlannedPolicy

    mode, *numbers = words or ["sample"]
    if mode not in MODES:
        raise ConfigError(
            f"unknown mode {mode!r} of a planner", remedy=nearest(mode, MODES) or f"Modes: {', '.join(MODES)}."
        )
    names = ("threshold", "factor") if mode == "threshold" else ("factor",)
    if len(numbers) > len(names):
        raise ConfigError(
            f"planner:{mode} takes {' and '.join(names)} alone, not {':'.join(numbers)}",
            remedy=f"It is written {POLICIES['planner'].syntax}.",
        )
    if planner is None:
        raise ConfigError(
            f"planner:{mode} needs a planner", remedy="Name the folder of one that was trained for this model."
        )
    return PlannedPolicy(planner, mode, **cast("Any", dict(zip(names, map(float, numbers), strict=False))))


POLICIES: Mapping[str, PolicyKind] = {
    "random": PolicyKind("random[:STEPS]", "its share of STEPS, any positions", _scheduled("random"), 1, True),
    "low_confidence": PolicyKind(
        "low_confidence[:STEPS]", "its share of STEPS, the likeliest tokens", _scheduled("low_confidence"), 1
    ),
    "margin": PolicyKind(
        "margin[:STEPS]", "its share of STEPS, the largest gaps between two tokens", _scheduled("margin"), 1
    ),
    "entropy": PolicyKind("entropy[:STEPS]", "its share of STEPS, the least entropy", _scheduled("entropy"), 1),
    "top": PolicyKind("top[:K]", "the K likeliest tokens", _top, 1),
    "rand": PolicyKind("rand[:K]", "any K positions", _rand, 1, True),
    "threshold": PolicyKind("threshold[:CONFIDENCE]", "all tokens likely enough", _threshold, 1),
    "factor": PolicyKind(
        "factor[:FACTOR[:fast-dllm]]", "the likeliest tokens, surer of each the more there are", _factor, 2
    ),
    "entropy_bound": PolicyKind(
        "entropy_bound[:NATS]", "the lowest entropies, as long as their sum is small", _entropy_bound, 1
    ),
    "entropy_threshold": PolicyKind("entropy_threshold[:NATS]", "all entropies low enough", _entropy_threshold, 1),
    "multi_block": PolicyKind(
        "multi_block[:ADD[:DECODED[:NATS]]]", "all entropies low enough, in several blocks at once", _multi_block, 3
    ),
    "planner": PolicyKind(
        "planner[:sample[:FACTOR] | :expected[:FACTOR] | :threshold[:Q[:FACTOR]]]",
        "what a trained planner says",
        _planner,
        3,
        True,
    ),
}
"""Every kind of policy, by the name that `make_policy` reads."""


def make_policy(text: str, planner: PlannerHead | None = None) -> UnmaskPolicy:
    """Read a policy, e.g. ``threshold:0.9``, ``entropy:64``, ``factor:1:fast-dllm`` or ``planner:threshold:0.5``.

    Args:
        text: Name and arguments, parted by colons; see the ``syntax`` of `POLICIES`. A policy of STEPS without them
            reveals one token a step.
        planner: What ``planner`` asks.

    Raises:
        ConfigError: Unknown name (with the nearest one), too many or unreadable arguments, a value out of range, or
            no planner where one is needed.
    """
    return build_named(text, POLICIES, planner, what="unmasking policy")
