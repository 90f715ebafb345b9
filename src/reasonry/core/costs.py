"""What sampling cost, kept beside the results: a killed session's cost is not forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reasonry.core import jsonl
from reasonry.core.sampling import Sampler

_INTERVAL_S = 2.0
_COSTS = ("seconds", "num_prompt_tok", "num_completion_tok", "num_completions", "num_retries", "num_cache_hits")


class CostLog:
    """Appends what sampling cost every few seconds, so that a killed session's cost is not forgotten."""

    def __init__(self, path: Path, samplers: Sequence[Sampler]) -> None:
        self._path, self._samplers = path, samplers
        self._written = self._now()

    def _now(self) -> dict[str, float]:
        stats = [s.stats for s in self._samplers]
        return {name: sum(getattr(s, name) for s in stats) for name in _COSTS}

    def tick(self) -> None:
        """Write when the last row is some seconds old."""
        if sum(s.stats.seconds for s in self._samplers) - self._written["seconds"] >= _INTERVAL_S:
            self.write()

    def write(self) -> None:
        """Write what came since the last row."""
        now = self._now()
        change = {k: now[k] - self._written[k] for k in now}
        if any(change.values()):
            jsonl.append(self._path, [change])
            self._written = now


def total_costs(path: Path) -> dict[str, float]:
    """The sum of all rows of a cost log."""
    total: dict[str, float] = {}
    for row in jsonl.recover(path).rows if path.exists() else []:
        for key, value in row.items():
            total[key] = total.get(key, 0) + value
    return total
