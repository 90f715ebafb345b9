"""What a method contributes to ``reasonry demo``."""

from __future__ import annotations

from typing import Any, NamedTuple

from reasonry.core.report import Report


class Part(NamedTuple):
    """One method's part.

    Attributes:
        report: Its own report; the demo takes facts and sections from it.
        lines: What the terminal shows.
        results: JSON values.
    """

    report: Report
    lines: list[str]
    results: dict[str, Any]
