"""Anytime-valid certificate that the leader of a vote is the mode of the model's answers, the set of which is unknown.

For every answer i: j_i is its place in the order of first appearance (1, 2, ...), and c_k counts the votes for k that
came after i appeared first; the vote that made it appear is left out. The leader i is certified when

    E(c_i, max_{k != i} c_k)  >=  j_i (j_i + 1) / delta
    E(a, b) = 2^(a+b+1) B(a+1, b+1) P(Beta(a+1, b+1) > 1/2)
            = average over theta uniform in (1/2, 1] of (2 theta)^a (2 (1 - theta))^b

P(an answer is certified although another one is at least as probable) <= delta, for independent samples of one law,
however often one looks. Proof: let p_i <= p_m, m != i. What comes after i's first appearance is independent of it. A
vote for i multiplies a stake by 2 theta, one for m by 2 (1 - theta); with q = p_i / (p_i + p_m) <= 1/2 the mean factor
is 2 theta q + 2 (1 - theta)(1 - q) <= 1. So E(c_i, c_m) is a supermartingale that starts at 1, and by Ville's
inequality it ever reaches j (j+1) / delta with probability at most delta / (j (j+1)). These sum to delta over
j = 1, 2, ..., and the maximum over k in the rule covers m, also when m has not been seen: its count is then 0. The
snapshot is needed because i is picked by having appeared: a count that includes that vote starts ahead.

When the number K of possible answers is declared there is no picking: the law fixes K labels before the first sample,
E runs for each over all its votes, at most K - 1 of them are not the mode, and the threshold is (K - 1) / delta for
each. For K = 2 it is 1 / delta. (If several answers are exactly equally probable, each is a mode and to certify one is
no error; the rate of it can reach K delta / (K - 1).) Should more than K answers appear, the declaration is refuted:
the watch says so and continues with the rule for an unknown set, whose own error is at most delta.

"Certified" is about the model's most frequent answer, not about truth. In a tie for the most votes nobody is certified.

After: Ville 1939; the same spirit as CITE (arXiv 2605.05873) and the Martingale Majority Certificate (2510.17472).
"""

# pyright: strict
from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from reasonry.core.stats import log_e_value
from reasonry.errors import ConfigError
from reasonry.test_time.stopping.base import Decision, TallyWatch, check_delta, check_max_n
from reasonry.test_time.stopping.frontier import Frontier, evidence_frontier

DECLARED = 0
"""Stands for the place in the order of appearance when the number of answers is declared: one threshold for all."""


class Boundary(Protocol):
    """Which counts suffice. ``order`` is a place in the order of first appearance, or `DECLARED`."""

    def least(self, order: int, num_rival: int) -> int:
        """Least votes of an answer whose strongest rival has ``num_rival``."""
        ...

    def log_e_nats(self, num_votes: int, num_rival: int) -> float | None:
        """The evidence, where the boundary is one on evidence."""
        ...

    def explain(self, order: int, num_votes: int, num_rival: int) -> str:
        """How the counts compare with the boundary."""
        ...


class Evidence:
    """The boundary of `certify`."""

    def __init__(self, delta: float, num_answers: int | None) -> None:
        self.delta = delta
        self.num_answers = num_answers
        self._frontiers: dict[int, Frontier] = {}

    def log_threshold_nats(self, order: int) -> float:
        """Logarithm of ``j (j + 1) / delta``, or of ``(K - 1) / delta`` for a declared number K of answers."""
        if order == DECLARED:
            assert self.num_answers is not None
            return math.log(self.num_answers - 1) - math.log(self.delta)
        return math.log(order) + math.log(order + 1) - math.log(self.delta)

    def frontier(self, order: int) -> Frontier:
        """The least votes for every count of the strongest rival."""
        found = self._frontiers.get(order)
        if found is None:
            found = self._frontiers[order] = evidence_frontier(self.log_threshold_nats(order))
        return found

    def least(self, order: int, num_rival: int) -> int:
        """See `Boundary.least`."""
        return self.frontier(order).least(num_rival)

    def log_e_nats(self, num_votes: int, num_rival: int) -> float | None:
        """See `Boundary.log_e_nats`."""
        return float(log_e_value(num_votes, num_votes + num_rival))

    def explain(self, order: int, num_votes: int, num_rival: int) -> str:
        """See `Boundary.explain`."""
        threshold = self.log_threshold_nats(order)
        return (
            f"log E({num_votes}, {num_rival}) = {self.log_e_nats(num_votes, num_rival):.2f} "
            f"against {threshold:.2f} nats for delta {self.delta:g}"
        )


class ModeWatch(TallyWatch):
    """Counts what came after each answer's first appearance, and compares the leader with a `Boundary`.

    The evidence of an answer grows only by its own votes, so it is looked at only when the leader, then without a tie,
    has just got a vote. Of the leader's rivals one number is kept up to date, the strongest count since the leader
    appeared; when the leader changes it is found again, and only once the leader's own count could suffice.

    Args:
        max_n: Most samples.
        boundary: Which counts suffice.
        num_answers: Declared number of answers, None when unknown.
        looks: Numbers of samples at which the rule may stop; None for all.
    """

    __slots__ = (
        "_boundary", "_declared", "_followed", "_head_start", "_looks", "_num_answers", "_order", "_rival", "_times",
    )  # fmt: skip

    def __init__(
        self, max_n: int, *, boundary: Boundary, num_answers: int | None, looks: Sequence[int] | None = None
    ) -> None:
        super().__init__(max_n)
        self._boundary = boundary
        self._num_answers = num_answers
        self._declared = num_answers is not None
        self._looks = looks
        self._times: dict[str, list[int]] = {}  # per answer, in order of appearance: which votes were for it
        self._order: dict[str, int] = {}
        self._followed: str | None = None  # the leader
        self._rival: int | None = None  # None: the leader has changed since it was last needed
        self._head_start: dict[str, int] = {}  # votes of earlier answers before the leader appeared

    def _fires(self, answer: str | None, record: bool) -> bool:
        if answer is not None:
            self._count(answer, record)
        if self._looks is None:
            return record and self._certifies()
        tally = self.tally
        return self.num_seen in self._looks and tally.best > tally.second and self._certifies()

    def _count(self, answer: str, record: bool) -> None:
        times = self._times.get(answer)
        if times is None:
            times = self._times[answer] = []
            self._order[answer] = len(self._times)
            if self._declared and self._num_answers is not None and len(self._times) > self._num_answers:
                self._declared = False
                self._rival = None
        times.append(self.tally.num_votes - 1)
        if record:
            if answer != self._followed:
                self._followed, self._rival = answer, None
        elif self._rival is not None:
            since = len(times) - self._head_start.get(answer, 0)
            if since > self._rival:
                self._rival = since

    def _certifies(self) -> bool:
        leader = self.tally.leader
        assert leader is not None
        num_votes, order = self._standing(leader, self._declared)
        if num_votes < self._boundary.least(order, 0):
            return False
        return num_votes >= self._boundary.least(order, self._leaders_rival(leader))

    def _standing(self, answer: str, declared: bool) -> tuple[int, int]:
        """The answer's own count, and the place that sets its threshold."""
        num_votes = self.tally.counts[answer]
        return (num_votes, DECLARED) if declared else (num_votes - 1, self._order[answer])

    def _leaders_rival(self, leader: str) -> int:
        if self._rival is None:
            self._rival, self._head_start = self._strongest_rival(leader, self._declared)
        return self._rival

    def _strongest_rival(self, answer: str, declared: bool) -> tuple[int, dict[str, int]]:
        """Most votes any other answer has got since ``answer`` appeared, and what each had before (if any)."""
        head_start: dict[str, int] = {}
        if not declared:
            start = self._times[answer][0]
            for other, times in self._times.items():
                if other == answer:
                    break
                head_start[other] = bisect_left(times, start)
        counts = self.tally.counts
        rivals = (count - head_start.get(other, 0) for other, count in counts.items() if other != answer)
        return max(rivals, default=0), head_start

    def _fewest(self) -> int:
        more = self._fewest_when(self._declared)
        if self._declared and self._num_answers is not None:
            # Or so many new answers that the declaration falls, and then by the other rule.
            more = min(more, self._num_answers - len(self._times) + self._fewest_when(False))
        if self._looks is None:
            return more
        reached = self.num_seen + max(1, more)
        return next((n for n in self._looks if n >= reached), self._max_n) - self.num_seen

    def _fewest_when(self, declared: bool) -> int:
        """Fewest samples, all for one answer, that certify it: votes for others only delay."""
        tally, boundary = self.tally, self._boundary
        if declared:
            more = max(tally.best + 1, boundary.least(DECLARED, tally.best))
            if len(self._times) == self._num_answers:
                more = self._max_n  # no further answer exists
        else:
            more = max(tally.best + 1, 1 + boundary.least(len(self._times) + 1, 0))
        for answer, count in tally.counts.items():
            num_votes, order = self._standing(answer, declared)
            to_lead = tally.best + 1 - count
            if max(to_lead, boundary.least(order, 0) - num_votes) < more:
                rival, _ = self._strongest_rival(answer, declared)
                more = min(more, max(to_lead, boundary.least(order, rival) - num_votes))
        return more

    def decision(self) -> Decision:
        """See `Watch.decision`."""
        tally, leader = self.tally, self.tally.leader
        if leader is None:
            return Decision("budget_exhausted", None, None, self.num_seen, None, f"{self._ended()}, no answer in any")
        num_votes, order = self._standing(leader, self._declared)
        rival = self._leaders_rival(leader)
        said = self._boundary.explain(order, num_votes, rival)
        if self._num_answers is not None:
            said += f"; {self._num_answers} answers declared"
            if not self._declared:
                said += f" but {len(self._times)} seen: the threshold for an unknown set was used"
        if self._fired:
            detail = f"most frequent answer of the model, which may still be wrong: {said}"
        else:
            detail = f"{self._ended()}, not certified: {said}"
        return Decision(
            "certified" if self._fired else "budget_exhausted",
            leader,
            tally.runner_up,
            self.num_seen,
            self._boundary.log_e_nats(num_votes, rival),
            detail,
        )


@dataclass(frozen=True)
class Certify:
    """The rule made by `certify`."""

    delta: float
    max_n: int
    num_answers: int | None

    def __post_init__(self) -> None:
        check_delta(self.delta)
        check_max_n(self.max_n)
        check_num_answers(self.num_answers)

    @property
    def name(self) -> str:
        """Text form."""
        return f"certify:{self.delta}" + ("" if self.num_answers is None else f":{self.num_answers}")

    def start(self) -> ModeWatch:
        """A watch that has seen nothing."""
        return ModeWatch(self.max_n, boundary=evidence(self.delta, self.num_answers), num_answers=self.num_answers)


def certify(delta: float = 0.05, *, max_n: int = 64, num_answers: int | None = None) -> Certify:
    """Stop once the leader is certified as the mode of the model's answers, or at ``max_n``.

    Args:
        delta: Probability, over the sampling of one problem, that an answer is certified although another one is at
            least as probable. It holds for any ``max_n``, and if sampling is ended or continued for any reason.
        max_n: Most samples of one problem.
        num_answers: How many answers the model can give, where that is known (2 for yes or no): it makes
            certificates cheaper when it is small. If it turns out wrong the decision says so.

    Raises:
        ConfigError: ``delta`` is not within (0, 1), ``max_n`` below 1 or ``num_answers`` below 2.
    """
    return Certify(delta, max_n, num_answers)


@lru_cache(maxsize=256)
def evidence(delta: float, num_answers: int | None) -> Evidence:
    """The boundary of `certify`; one for all problems, because it fills up tables as it is used."""
    return Evidence(delta, num_answers)


def check_num_answers(num_answers: int | None) -> None:
    """Refuse a declared number of answers that leaves nothing to decide.

    Raises:
        ConfigError: It is not an integer of at least 2.
    """
    if num_answers is None:
        return
    if isinstance(num_answers, bool) or not isinstance(num_answers, int) or num_answers < 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"num_answers={num_answers} is not a number of answers a model can choose from",
            remedy="Use an integer of at least 2, or leave it out when the answers are not known beforehand.",
        )
