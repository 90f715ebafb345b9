"""Sequential self-correction: a controller chooses who makes the next attempt, a verifier rewards it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry import registry

if TYPE_CHECKING:
    from reasonry.test_time.self_correction.base import Controller
    from reasonry.test_time.self_correction.budget import Budget
    from reasonry.test_time.self_correction.controllers import make_controller
    from reasonry.test_time.self_correction.corrected import Corrected
    from reasonry.test_time.self_correction.experts import Expert
    from reasonry.test_time.self_correction.loop import SelfCorrection, self_correct
    from reasonry.test_time.self_correction.pools import make_pool
    from reasonry.test_time.self_correction.store import JsonlStore, MemoryStore, read_state, write_state

__all__ = [
    "Budget",
    "Controller",
    "Corrected",
    "Expert",
    "JsonlStore",
    "MemoryStore",
    "SelfCorrection",
    "make_controller",
    "make_pool",
    "read_state",
    "self_correct",
    "write_state",
]

_ROOM = "reasonry.test_time.self_correction"
_TARGETS = {
    "Budget": "budget",
    "Controller": "base",
    "Corrected": "corrected",
    "Expert": "experts",
    "JsonlStore": "store",
    "MemoryStore": "store",
    "SelfCorrection": "loop",
    "make_controller": "controllers",
    "make_pool": "pools",
    "read_state": "store",
    "self_correct": "loop",
    "write_state": "store",
}


def __getattr__(name: str) -> Any:
    if name in _TARGETS:
        return registry.resolve(f"{_ROOM}.{_TARGETS[name]}:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
