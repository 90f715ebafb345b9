"""How many of how many, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reasonry.core.stats.intervals import wilson


class Share(NamedTuple):
    """How many of how many.

    Attributes:
        num: Those counted.
        of: All.
    """

    num: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.num / self.of if self.of else float("nan")

    @property
    def low(self) -> float:
        """Lower end of Wilson's 95 % interval."""
        return wilson(self.num, self.of).low

    @property
    def high(self) -> float:
        """Upper end of it."""
        return wilson(self.num, self.of).high

    def to_json(self) -> dict[str, Any]:
        """The counts, the share and its interval."""
        return {"num": self.num, "of": self.of, "value": self.value, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Share:
        """Back from `to_json`."""
        return cls(int(found["num"]), int(found["of"]))
