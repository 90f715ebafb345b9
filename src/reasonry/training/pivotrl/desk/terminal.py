"""The comparison as a table of text: means over repetitions, and both counts of turns."""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable

from reasonry.core.stats import spread
from reasonry.training.pivotrl.desk.results import Comparison
from reasonry.training.pivotrl.desk.training import Look

_COLUMNS: tuple[tuple[str, Callable[[Look], float], str], ...] = (
    ("desk", lambda look: look.found.desk_sampled, ".0%"),
    ("hotel", lambda look: look.found.hotel, ".0%"),
    ("far skills", lambda look: look.found.far, ".1%"),
    ("KL far", lambda look: look.found.kl_far, ".3f"),
    ("training turns", lambda look: float(look.ledger.train_turns), ",.0f"),
    ("profiling turns", lambda look: float(look.ledger.profile_turns), ",.0f"),
)


def arm_table(result: Comparison) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: the base model, then every arm at every learning rate."""
    rows = [["base model", *(_cell(value(result.base), form) for _, value, form in _COLUMNS)]]
    for arm, lr in result.settings:
        ends = [course.end for course in result.of(arm, lr)]
        cells = [_cell(spread(value(look) for look in ends).mean, form) for _, value, form in _COLUMNS]
        rows.append([f"{arm} {lr:g}", *cells])
    return ["way of training", *(name for name, _, _ in _COLUMNS)], rows


def _cell(value: float, form: str) -> str:
    return format(value, form) if value == value else "-"
