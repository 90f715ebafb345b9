"""Stopping rules of others, as baselines. None of them bounds the error of what it returns; the names are theirs.

    beta        after every sample: P(Beta(v1 + 1, v2 + 1) > 1/2) >= confidence    v1, v2: leader, runner-up   [1, 2]
    doubling    after 2, 4, 8, ... samples: v1 / votes >= threshold                                            [2]
    window      after every w samples: the last w all hold the same answer                                     [3]
    martingale  E(s, f) >= 1/delta for two pairs of counts at once: the leader against the runner-up, and
                against all answers outside these two, where leader and runner-up are those before the vote    [4]

Why beta errs: its posterior is right for one look at two answers picked beforehand, but it is looked at after every
sample, and the leader is picked by leading. Why martingale may: each single bet is fair, but what was won on one leader
is carried over to the next. Its second test asks that the leader beats all other answers together, so on long-tailed
laws it never stops. E(a, b) is that of `reasonry.test_time.stopping.certificate`.

[1] Aggarwal et al., "Let's Sample Step by Step" (Adaptive-Consistency), EMNLP 2023, arXiv 2305.11860.
[2] its_hub, BetaSelfConsistency and AdaptiveSelfConsistency.
[3] Li et al., "Escape Sky-high Cost" (ESC), ICLR 2024, arXiv 2401.10480.
[4] Cordero-Encinar and Duncan, "Certified Self-Consistency" (Martingale Majority Certificate), arXiv 2510.17472.
"""

# pyright: strict
from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from reasonry.core.stats import log_e_value
from reasonry.errors import ConfigError
from reasonry.test_time.stopping.base import Decision, TallyWatch, check_delta, check_fraction, check_max_n
from reasonry.test_time.stopping.frontier import Frontier, evidence_frontier, posterior_frontier


class _HeuristicWatch(TallyWatch):
    __slots__ = ()

    def decision(self) -> Decision:
        """See `Watch.decision`."""
        tally, said = self.tally, f"{self.tally.best} to {self.tally.second} of {self.tally.num_votes} votes"
        verdict = "heuristic" if self._fired else "budget_exhausted"
        detail = f"{said}; {self._reason()}, no error guarantee" if self._fired else f"{self._ended()}, {said}"
        return Decision(verdict, tally.leader, tally.runner_up, self.num_seen, self._log_e_nats(), detail)

    @abstractmethod
    def _reason(self) -> str:
        """Why it stopped."""

    def _log_e_nats(self) -> float | None:
        return None


class _BetaWatch(_HeuristicWatch):
    __slots__ = ("_confidence", "_frontier")

    def __init__(self, max_n: int, confidence: float) -> None:
        super().__init__(max_n)
        self._confidence = confidence
        self._frontier: Frontier = posterior_frontier(confidence)

    def _fires(self, answer: str | None, record: bool) -> bool:
        return record and self.tally.best >= self._frontier.least(self.tally.second)

    def _fewest(self) -> int:
        # The leader goes on; another answer would have to overtake it first, and then meet a stronger rival.
        return self._frontier.least(self.tally.second) - self.tally.best

    def _reason(self) -> str:
        return f"posterior that the leader beats the runner-up is at least {self._confidence:g}"


class _DoublingWatch(_HeuristicWatch):
    __slots__ = ("_next_look", "_threshold")

    def __init__(self, max_n: int, threshold: float) -> None:
        super().__init__(max_n)
        self._threshold = threshold
        self._next_look = 2

    def _fires(self, answer: str | None, record: bool) -> bool:
        if self.num_seen != self._next_look or self.num_seen == self._max_n:
            return False
        self._next_look *= 2
        tally = self.tally
        return tally.num_votes > 0 and tally.best / tally.num_votes >= self._threshold

    def _fewest(self) -> int:
        return self._next_look - self.num_seen

    def _reason(self) -> str:
        return f"the leader holds at least {self._threshold:g} of them"


class _WindowWatch(_HeuristicWatch):
    __slots__ = ("_run", "_size", "_window_answer")

    def __init__(self, max_n: int, size: int) -> None:
        super().__init__(max_n)
        self._size = size
        self._run = 0  # samples of this window that hold its first answer
        self._window_answer: str | None = None

    def _fires(self, answer: str | None, record: bool) -> bool:
        place = (self.num_seen - 1) % self._size
        if place == 0:
            self._window_answer, self._run = answer, 0
        self._run += answer is not None and answer == self._window_answer
        return self._run == self._size

    def _fewest(self) -> int:
        place = self.num_seen % self._size
        left = self._size - place
        return left if place == self._run or place == 0 else left + self._size

    def _reason(self) -> str:
        return f"the last {self._size} samples agree on {self._window_answer!r}"


class _MartingaleWatch(_HeuristicWatch):
    __slots__ = ("_frontier", "_log_threshold", "_other", "_pair", "_won")

    def __init__(self, max_n: int, delta: float) -> None:
        super().__init__(max_n)
        self._log_threshold = -math.log(delta)
        self._frontier = evidence_frontier(self._log_threshold)
        self._pair = [0, 0]  # for the leader, for the runner-up
        self._other = [0, 0]  # for the leader, for answers outside the two
        self._won = False  # the last vote was for the leader

    def observe(self, answer: str | None) -> bool:
        """See `Watch.observe`."""
        leader, runner_up = self.tally.leader, self.tally.runner_up  # before the vote: a bet must not know its outcome
        self._won = answer is not None and answer == leader
        if self._won:
            self._pair[0] += 1
            self._other[0] += 1
        elif answer is not None and leader is not None:
            lost = self._pair if runner_up is None or answer == runner_up else self._other
            lost[1] += 1
        return super().observe(answer)

    def _fires(self, answer: str | None, record: bool) -> bool:
        return self._won and self._missing(self._pair) <= 0 and self._missing(self._other) <= 0

    def _missing(self, counts: list[int]) -> int:
        return self._frontier.least(counts[1]) - counts[0]

    def _fewest(self) -> int:
        return max(self._missing(self._pair), self._missing(self._other))

    def _reason(self) -> str:
        return f"both log e-values are at least {self._log_threshold:.2f} nats"

    def _log_e_nats(self) -> float | None:
        return min(float(log_e_value(c[0], c[0] + c[1])) for c in (self._pair, self._other))


@dataclass(frozen=True)
class Beta:
    """The rule made by `beta`."""

    confidence: float
    max_n: int

    def __post_init__(self) -> None:
        remedy = "Adaptive-Consistency uses 0.95; a single vote reaches 0.75 already."
        check_fraction(self.confidence, name="confidence", above=0.5, remedy=remedy)
        check_max_n(self.max_n)

    @property
    def name(self) -> str:
        """Text form."""
        return f"beta:{self.confidence}"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _BetaWatch(self.max_n, self.confidence)


@dataclass(frozen=True)
class Doubling:
    """The rule made by `doubling`."""

    threshold: float
    max_n: int

    def __post_init__(self) -> None:
        check_max_n(self.max_n)
        if not 0.5 < self.threshold <= 1.0:
            raise ConfigError(f"threshold={self.threshold} is not within (0.5, 1]", remedy="its_hub uses 0.75.")

    @property
    def name(self) -> str:
        """Text form."""
        return f"doubling:{self.threshold}"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _DoublingWatch(self.max_n, self.threshold)


@dataclass(frozen=True)
class Window:
    """The rule made by `window`."""

    size: int
    max_n: int

    def __post_init__(self) -> None:
        check_max_n(self.max_n)
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"size={self.size} is not a window", remedy="Use an integer of at least 2; ESC uses 5.")

    @property
    def name(self) -> str:
        """Text form."""
        return f"window:{self.size}"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _WindowWatch(self.max_n, self.size)


@dataclass(frozen=True)
class Martingale:
    """The rule made by `martingale`."""

    delta: float
    max_n: int

    def __post_init__(self) -> None:
        check_delta(self.delta)
        check_max_n(self.max_n)

    @property
    def name(self) -> str:
        """Text form."""
        return f"martingale:{self.delta}"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _MartingaleWatch(self.max_n, self.delta)


def beta(confidence: float = 0.95, *, max_n: int = 40) -> Beta:
    """Rule of Adaptive-Consistency (Aggarwal et al. 2023), a heuristic: stop when the posterior favours the leader.

    Args:
        confidence: Level of the posterior, within (0.5, 1). It is not the probability of being right.
        max_n: Most samples; the paper uses 40.

    Raises:
        ConfigError: ``confidence`` or ``max_n`` is out of range.
    """
    return Beta(confidence, max_n)


def doubling(threshold: float = 0.75, *, max_n: int = 64) -> Doubling:
    """Rule of its_hub's AdaptiveSelfConsistency, a heuristic: stop at 2, 4, 8, ... samples when enough votes agree.

    Args:
        threshold: Share of the votes the leader needs, within (0.5, 1].
        max_n: Most samples.

    Raises:
        ConfigError: ``threshold`` or ``max_n`` is out of range.
    """
    return Doubling(threshold, max_n)


def window(size: int = 5, *, max_n: int = 40) -> Window:
    """Rule of ESC (Li et al. 2024), a heuristic: stop when a window of samples is unanimous.

    Windows do not overlap; the decision's leader is that of all samples. A sample without an answer breaks a window.

    Args:
        size: Samples per window, at least 2.
        max_n: Most samples; what is left after the last whole window cannot stop.

    Raises:
        ConfigError: ``size`` or ``max_n`` is out of range.
    """
    return Window(size, max_n)


def martingale(delta: float = 0.05, *, max_n: int = 64) -> Martingale:
    """Martingale Majority Certificate (Cordero-Encinar and Duncan 2025), as published with the paper.

    Counted as a heuristic here, because the evidence gathered for one leader is carried over when the leader changes.
    Two details are ours: the mixture over theta is uniform, and while only one answer has been seen any other one is
    its runner-up.

    Args:
        delta: Its nominal error level.
        max_n: Most samples.

    Raises:
        ConfigError: ``delta`` or ``max_n`` is out of range.
    """
    return Martingale(delta, max_n)
