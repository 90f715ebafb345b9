"""Single-elimination tournament by a pairwise judge: N contenders, N - 1 matches, ceil(log2 N) rounds.

    round 1   a shuffled order (x_1 .. x_N) is paired (x_1, x_2), (x_3, x_4), ...
    next      the winners, in order; with an odd number the last one has a bye, and stands first in the next round
    match     w = P(x_i beats x_j), as a judge says; w > 1/2: x_i, w < 1/2: x_j, w = 1/2: a fair coin, counted

A judge prefers what it sees first (Zheng et al. 2023, arXiv 2306.05685, section 3.3), so every match is asked in both
orders. With p_ij = P(the first shown wins | i shown first):

    w = (p_ij + 1 - p_ji) / 2           position bias = p_ij + p_ji - 1  (above 0: the first shown is favoured)

With a judge that picks the better of two with probability q, the best of N = 2^r wins with probability q^r.

Two contenders with the same canonical answer need no judge: nothing about the answer depends on who of them goes on.
The one earlier in the shuffled order does, for free; the match counts as ``num_free``, and ``num_comparisons`` is what
a judge was asked for. Copies stay in the tournament instead of being merged: how often an answer was given is
evidence, and gives it as many chances. A contender without an answer does not enter.

`Knockout` only keeps the state, one round at a time, so that the matches of a round can be judged together, over many
problems; `play` runs one tournament with a function as the judge. Source: knockout among samples as in Chen et al.
2024, arXiv 2411.19477; here a match is two questions, not a best of K.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np

from reasonry.errors import DataError
from reasonry.test_time.selection import Choice


class BothOrders(NamedTuple):
    """A match judged in both orders.

    Attributes:
        win: Probability that the first contender of the pair is better, position bias cancelled.
        position_bias: Above 0 when the one shown first was favoured; within [-1, 1].
    """

    win: float
    position_bias: float


def both_orders(shown_first: float, shown_second: float) -> BothOrders:
    """Combine the two answers of a judge about a pair (i, j).

    Args:
        shown_first: P(i is better), asked with i shown first.
        shown_second: P(j is better), asked with j shown first; so i was shown second.

    Returns:
        NaN in both fields when either answer is NaN (the judge could not say).

    Raises:
        DataError: A probability is outside [0, 1].
    """
    for p in (shown_first, shown_second):
        _check_probability(p)
    return BothOrders((shown_first + 1.0 - shown_second) / 2.0, shown_first + shown_second - 1.0)


class Knockout:
    """State of one tournament.

    Args:
        num: Contenders, at least 0.
        rng: Shuffles the order once and breaks ties.
        answers: Canonical answer of each contender, None for one without (it does not enter). Without this argument
            all enter, and all matches are judged.

    Attributes:
        winner: Index of the winner once there is one; None before, and when nobody entered.
        num_comparisons: Matches settled by a judge so far; each is asked in both orders.
        num_free: Matches between equal answers, which needed no judge.
        num_byes: How often a contender went on without a match.
        num_ties: Matches that a coin decided: the judge said 1/2, or NaN.
        num_unjudged: Those of them where it said NaN.
        num_rounds: Rounds begun.
        wins: For each contender the matches it won.

    Raises:
        DataError: ``num`` is negative, or is not the number of answers.
    """

    def __init__(self, num: int, *, rng: np.random.Generator, answers: Sequence[str | None] | None = None) -> None:
        if num < 0 or (answers is not None and len(answers) != num):
            given = "" if answers is None else f" with {len(answers)} answers"
            raise DataError(f"num={num} contenders{given} make no tournament")
        self._rng = rng
        self._answers = answers
        entered = [i for i in range(num) if answers is None or answers[i] is not None]
        self._alive: list[int] = [entered[int(at)] for at in rng.permutation(len(entered))]
        self._pairs: list[tuple[int, int]] = []
        self._open: list[int] = []  # positions in _pairs that a judge must settle
        self._bye: list[int] = []
        self.winner: int | None = None
        self.num_comparisons = self.num_free = self.num_byes = self.num_ties = self.num_unjudged = self.num_rounds = 0
        self.wins = [0] * num
        self._begin_rounds()

    def pairs(self) -> list[tuple[int, int]]:
        """The matches of this round that a judge must settle; empty when the tournament is over."""
        return [self._pairs[at] for at in self._open]

    def settle(self, results: Sequence[float]) -> None:
        """End the round.

        Args:
            results: For each of `pairs`, in order, the probability that the first contender is better: 1/2 is a tie,
                and so is NaN, which says that the judge could not tell.

        Raises:
            DataError: Not one probability per pair, or no round is open. Nothing is settled then.
        """
        if len(results) != len(self._open) or not self._open:
            raise DataError(f"{len(results)} results for {len(self._open)} open matches")
        for win in results:
            _check_probability(win)
        first_wins = [True] * len(self._pairs)
        for at, win in zip(self._open, results, strict=True):
            first_wins[at] = self._decided(win)
        self.num_comparisons += len(self._open)
        self._end_round(first_wins)
        self._begin_rounds()

    def choice(self) -> Choice:
        """The winner as a `Choice`; ``weights`` are the matches won by an answer's samples.

        ``was_tied`` says that a coin decided at least one match. Without answers the contenders' numbers stand for
        them.

        Raises:
            DataError: The tournament is not over.
        """
        if self._open:
            raise DataError(f"{len(self._open)} matches are still open", remedy="Settle them first.")
        won: Counter[str] = Counter()
        for i, wins in enumerate(self.wins):
            if self._answers is None or self._answers[i] is not None:
                won[self._answer(i)] += wins
        return Choice(
            index=self.winner,
            answer=None if self.winner is None else self._answer(self.winner),
            weights={answer: float(wins) for answer, wins in won.most_common()},
            num_abstain=0 if self._answers is None else sum(a is None for a in self._answers),
            num_unscored=0,
            was_tied=self.num_ties > 0,
            warning=f"the judge could not tell in {self.num_unjudged} of {self.num_comparisons} matches"
            if self.num_unjudged
            else "",
        )

    # ------------------------------------------------------------ rounds

    def _begin_rounds(self) -> None:
        """Pair the contenders, round by round, until a judge is needed or one is left."""
        while len(self._alive) > 1:
            self.num_rounds += 1
            paired = len(self._alive) - len(self._alive) % 2
            self._pairs = [(self._alive[at], self._alive[at + 1]) for at in range(0, paired, 2)]
            self._bye = self._alive[paired:]
            self.num_byes += len(self._bye)
            self._open = [at for at, (i, j) in enumerate(self._pairs) if not self._same(i, j)]
            self.num_free += len(self._pairs) - len(self._open)
            if self._open:
                return
            self._end_round([True] * len(self._pairs))
        self._pairs, self._open = [], []
        self.winner = self._alive[0] if self._alive else None

    def _end_round(self, first_wins: Sequence[bool]) -> None:
        winners = [pair[0] if first else pair[1] for pair, first in zip(self._pairs, first_wins, strict=True)]
        for i in winners:
            self.wins[i] += 1
        self._alive = [*self._bye, *winners]  # in front, so that nobody has a bye twice running

    def _decided(self, win: float) -> bool:
        if win == 0.5 or math.isnan(win):
            self.num_ties += 1
            self.num_unjudged += math.isnan(win)
            return bool(self._rng.random() < 0.5)
        return win > 0.5

    def _same(self, i: int, j: int) -> bool:
        return self._answers is not None and self._answers[i] == self._answers[j]

    def _answer(self, i: int) -> str:
        return str(i) if self._answers is None else cast(str, self._answers[i])


def play(answers: Sequence[str | None], prefers: Callable[[int, int], float], *, rng: np.random.Generator) -> Choice:
    """Run one tournament.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        prefers: ``prefers(i, j)`` is P(sample i is better), asked with i shown first; called for both orders.
        rng: See `Knockout`.

    Raises:
        DataError: ``prefers`` gave something outside [0, 1] (NaN is allowed: it could not tell).
    """
    cup = Knockout(len(answers), rng=rng, answers=answers)
    while pairs := cup.pairs():
        cup.settle([both_orders(prefers(i, j), prefers(j, i)).win for i, j in pairs])
    return cup.choice()


def _check_probability(p: float) -> None:
    if not (0.0 <= p <= 1.0 or math.isnan(p)):
        raise DataError(f"{p} is not a probability", remedy="A judge's verdict is within [0, 1], 1/2 for a tie.")
