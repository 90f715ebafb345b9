"""What a stopping rule is, and what it says when it has stopped.

A `Rule` is a plain value: it can be compared, printed and used for any number of problems. `Rule.start` gives the
`Watch` of one problem, which takes in answers one by one, in the order in which their samples were submitted. That
order matters: to take answers as they finish lets the fast ones vote first, and how fast a sample finishes may depend
on what it says.

An answer is a canonical string. None is a sample without a readable answer: it counts towards ``max_n``, never wins,
and is no class of its own.
"""

# pyright: strict
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple, Protocol

from reasonry.errors import ConfigError
from reasonry.test_time.stopping.tally import Tally

Verdict = Literal["certified", "decided", "heuristic", "budget_exhausted"]


class Decision(NamedTuple):
    """What a rule says about the samples it has seen.

    Attributes:
        verdict: "certified": the leader is the mode of the model's answers, wrong with probability at most the
            declared delta. "decided": the output is that of all ``max_n`` samples. "heuristic": stopped by a rule
            without an error guarantee. "budget_exhausted": the samples ended before the rule stopped.
        leader: The answer with the most votes, of several the one that had them first. None without any answer.
        runner_up: The answer with the most votes among the others, ties likewise. None when there is none.
        num_seen: Samples taken in, those without an answer included.
        log_e_nats: Logarithm of the leader's e-value, for rules that are built on one.
        detail: One line for a person.
    """

    verdict: Verdict
    leader: str | None
    runner_up: str | None
    num_seen: int
    log_e_nats: float | None
    detail: str


class Watch(Protocol):
    """The state of a rule on one problem."""

    @property
    def num_seen(self) -> int:
        """Samples taken in so far."""
        ...

    def observe(self, answer: str | None) -> bool:
        """Take in the next answer in submission order. True: stop now; it must not be called again after that."""
        ...

    def least_more(self) -> int:
        """Fewest further samples after which the rule could stop: so many can be drawn at once without waste.

        At least 1, and never beyond ``max_n``. Some rules give a lower bound that is not always reached.
        """
        ...

    def decision(self) -> Decision:
        """What the samples seen so far say."""
        ...


class Rule(Protocol):
    """When to stop sampling. ``name`` is the text that `reasonry.test_time.stopping.make_rule` reads."""

    @property
    def name(self) -> str:
        """Text form, e.g. ``certify:0.05``."""
        ...

    @property
    def max_n(self) -> int:
        """Most samples of one problem."""
        ...

    def start(self) -> Watch:
        """A watch that has seen nothing."""
        ...


class TallyWatch(ABC):
    """The part of a watch that all rules share: it counts votes and stops at ``max_n``.

    A rule says in `_fires` whether it stops now, and in `_fewest` how soon it could.
    """

    __slots__ = ("_fired", "_max_n", "_stopped", "num_seen", "tally")

    def __init__(self, max_n: int) -> None:
        self.num_seen = 0
        self.tally = Tally()
        self._max_n = max_n
        self._fired = False
        self._stopped = False

    def observe(self, answer: str | None) -> bool:
        """See `Watch.observe`."""
        assert not self._stopped, "a stopped rule takes no further answers"
        self.num_seen += 1
        record = answer is not None and self.tally.add(answer)
        self._fired = self._fires(answer, record)
        self._stopped = self._fired or self.num_seen >= self._max_n
        return self._stopped

    def least_more(self) -> int:
        """See `Watch.least_more`."""
        assert not self._stopped, "a stopped rule needs no further answers"
        return max(1, min(self._fewest(), self._max_n - self.num_seen))

    @abstractmethod
    def decision(self) -> Decision:
        """See `Watch.decision`."""

    @abstractmethod
    def _fires(self, answer: str | None, record: bool) -> bool:
        """Whether the rule stops now. ``record``: the answer now has more votes than any answer had before."""

    @abstractmethod
    def _fewest(self) -> int:
        """A lower bound on the samples until `_fires`; what `least_more` cuts to its range."""

    def _ended(self) -> str:
        """Why there are no more samples, when the rule itself did not stop."""
        used_up = self.num_seen >= self._max_n
        return f"all {self._max_n} samples used" if used_up else f"ended after {self.num_seen} of {self._max_n} samples"


def check_max_n(max_n: int) -> None:
    """Refuse a budget that holds no sample.

    Raises:
        ConfigError: ``max_n`` is not an integer of at least 1.
    """
    if isinstance(max_n, bool) or not isinstance(max_n, int) or max_n < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"max_n={max_n} is not a number of samples", remedy="Use an integer of at least 1.")


def check_fraction(value: float, *, name: str, above: float = 0.0, remedy: str) -> None:
    """Refuse a level that is not strictly between ``above`` and 1.

    Raises:
        ConfigError: It is not.
    """
    if not above < value < 1.0:  # NaN is refused, too
        raise ConfigError(f"{name}={value} is not strictly between {above:g} and 1", remedy=remedy)


def check_delta(delta: float) -> None:
    """Refuse an error level that is not strictly between 0 and 1.

    Raises:
        ConfigError: It is not.
    """
    check_fraction(delta, name="delta", remedy="0.05 allows one wrong certificate in twenty.")
