"""Knockout: single elimination among the samples of each question, judged pairwise, a round at a time over all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.rows import Row, Store, check_kept
from reasonry.core.sampling import Sampler
from reasonry.core.scoring import Pair, PairwiseJudge, check_scores
from reasonry.core.verify import Verifier
from reasonry.errors import DataError
from reasonry.test_time.knockout import Knockout, play
from reasonry.test_time.pool import Pool
from reasonry.test_time.selection import Choice
from reasonry.test_time.strategies import Result, Strategy

Compare = Callable[[Sequence[Pair]], Sequence[float]]
"""Probability, for each pair, that its first reply is better; NaN: cannot say."""

KEY = ("id", "first", "second")
"""What names a row of comparisons."""

_CHUNK = 64  # comparisons between two writes: what a kill loses at most


class KnockoutVote(Strategy):
    """The winner of a tournament among the samples; see `knockout` for its rules.

    Args:
        sampler: As for every strategy.
        verifier: As for every strategy.
        judge: A `PairwiseJudge`, or a function from pairs to probabilities. Without one the higher score wins.
        **options: Those of `Strategy`.
    """

    name = "knockout"

    def __init__(
        self,
        sampler: Sampler,
        verifier: str | Verifier = "number",
        *,
        judge: PairwiseJudge | Compare | None = None,
        **options: Any,
    ) -> None:
        super().__init__(sampler, verifier, **options)
        self.judge = judge
        self._compare: Compare | None = _wins_of(judge) if isinstance(judge, PairwiseJudge) else judge
        self.comparisons = Store(key=KEY)
        self._finished: Callable[[], None] = lambda: None

    def keep_in(self, store: Store, finished: Callable[[], None]) -> None:
        """Keep rows {id, first, second, win} in ``store``, and call ``finished`` after each fresh one."""
        self.comparisons, self._finished = store, finished

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """A tournament in which the higher score wins."""
        return play(answers, lambda i, j: _higher(scores[i], scores[j]), rng=rng)

    def select(self, pools: Sequence[Pool]) -> list[Result]:
        """Play all tournaments; with a judge round by round, so that the matches of a round are judged together."""
        if self._compare is None:
            return super().select(pools)
        games: list[Knockout] = []
        for pool in pools:
            rng = seeds.stream(self.seed, "tie", pool.question.id)
            games.append(Knockout(pool.num_used, rng=rng, answers=[r["answer"] for r in pool.used]))
        self._talk(pools, games, self._compare)
        return [self._result(p, g.choice()) for p, g in zip(pools, games, strict=True)]

    def _talk(self, pools: Sequence[Pool], games: Sequence[Knockout], compare: Compare) -> None:
        while any(g.pairs() for g in games):
            matches = [(p, *pair) for p, g in zip(pools, games, strict=True) for pair in g.pairs()]
            self._judge(matches, compare)
            for pool, game in zip(pools, games, strict=True):
                if pairs := game.pairs():
                    game.settle([self._win(pool, first, second) for first, second in pairs])

    def _judge(self, matches: Sequence[tuple[Pool, int, int]], compare: Compare) -> None:
        known = self.comparisons.rows
        missing = [m for m in matches if (m[0].question.id, m[1], m[2]) not in known]
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            pairs = [Pair(p.question.messages, p.rows[i]["text"], p.rows[j]["text"]) for p, i, j in part]
            for (pool, first, second), win in zip(part, _checked(compare(pairs), len(pairs)), strict=True):
                value = None if math.isnan(win) else win
                self.comparisons.put({"id": pool.question.id, "first": first, "second": second, "win": value})
                self._finished()

    def _win(self, pool: Pool, first: int, second: int) -> float:
        win = self.comparisons.rows[pool.question.id, first, second]["win"]
        return math.nan if win is None else win


def _wins_of(judge: PairwiseJudge) -> Compare:
    def compare(pairs: Sequence[Pair]) -> list[float]:
        found = judge.compare(pairs)
        return np.where(found.is_read, found.wins, np.nan).tolist()

    return compare


def check_comparisons(rows: Sequence[Row], path: Path) -> None:
    """Refuse rows of ``comparisons.jsonl`` that nobody could have written.

    Raises:
        DataError: With the line.
    """
    check_kept(rows, path, lambda row: _is_win(row.get("win", "")))


def _is_win(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= 1)


def _checked(wins: Sequence[float], num_pairs: int) -> list[float]:
    """Nothing is kept that a continued run would stumble over."""
    found = check_scores(wins, num_pairs, name="pairwise judge").tolist()
    if wrong := [win for win in found if not (0 <= win <= 1 or math.isnan(win))]:
        raise DataError(
            f"the pairwise judge returned {wrong[0]}, which is no probability",
            remedy="Return the chance that the first reply is better, within [0, 1]; NaN for: cannot say.",
        )
    return found


def _higher(first: float, second: float) -> float:
    """1, 1/2 or 0; a sample without a score loses to any with one."""
    if math.isnan(first) or math.isnan(second):
        return 0.5 if math.isnan(first) and math.isnan(second) else float(math.isnan(second))
    return 0.5 if first == second else float(first > second)
