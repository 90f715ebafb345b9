"""Test-time scaling: vote, select, self-correct, stop early, and plan (Huang et al. 2025, arXiv 2506.05295)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry import registry

if TYPE_CHECKING:
    from reasonry.test_time.config import SolveConfig
    from reasonry.test_time.knockout_vote import KnockoutVote
    from reasonry.test_time.run import Solved, solve
    from reasonry.test_time.self_correction.loop import self_correct
    from reasonry.test_time.stopping import certify, curtail, fixed, make_rule
    from reasonry.test_time.strategies import (
        BestOfN,
        BestThenVote,
        Result,
        SelfConsistency,
        SoftBestOfN,
        WeightedVote,
    )
    from reasonry.test_time.votes import curves, vote

_HOMES = {
    "config": ("SolveConfig",),
    "knockout_vote": ("KnockoutVote",),
    "run": ("Solved", "solve"),
    "self_correction.loop": ("self_correct",),
    "stopping": ("certify", "curtail", "fixed", "make_rule"),
    "strategies": ("BestOfN", "BestThenVote", "Result", "SelfConsistency", "SoftBestOfN", "WeightedVote"),
    "votes": ("curves", "vote"),
}
_TARGETS = {name: f"reasonry.test_time.{home}:{name}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "BestOfN",
    "BestThenVote",
    "KnockoutVote",
    "Result",
    "SelfConsistency",
    "SoftBestOfN",
    "SolveConfig",
    "Solved",
    "WeightedVote",
    "certify",
    "curtail",
    "curves",
    "fixed",
    "make_rule",
    "self_correct",
    "solve",
    "vote",
]


def __getattr__(name: str) -> Any:
    if name in _TARGETS:
        return registry.resolve(_TARGETS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
