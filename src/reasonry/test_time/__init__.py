"""Test-time scaling: spend samples well (Huang et al. 2025, arXiv 2506.05295)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry import registry

if TYPE_CHECKING:
    from reasonry.test_time.config import SolveConfig
    from reasonry.test_time.run import Solved, solve
    from reasonry.test_time.votes import curves, vote

__all__ = ["SolveConfig", "Solved", "curves", "solve", "vote"]

_TARGETS = {
    "SolveConfig": "reasonry.test_time.config:SolveConfig",
    "Solved": "reasonry.test_time.run:Solved",
    "curves": "reasonry.test_time.votes:curves",
    "solve": "reasonry.test_time.run:solve",
    "vote": "reasonry.test_time.votes:vote",
}


def __getattr__(name: str) -> Any:
    if name in _TARGETS:
        return registry.resolve(_TARGETS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
