"""Rules for a largest number of samples N = ``max_n`` that is fixed beforehand.

    fixed             all N samples
    curtail           stop after t samples when  leader - runner_up > N - t
    group_sequential  stop when  c_i - max_{k != i} c_k >= d_j,  at planned looks

Curtailment (strict) gives what all N samples would have given, in every run: what is left cannot even make a tie, so
no tie-break is lost.

The group-sequential rule has the shape of O'Brien and Fleming: on the scale of the lead the boundary is constant, so
an early stop needs near unanimity and the last look hardly pays for the earlier ones. Counts c_k and the place j are
those of the certificate (`reasonry.test_time.stopping.certificate`), and so is the error it controls:
P(an answer is certified although another one is at least as probable) <= delta. But it holds only when N was fixed
before the first sample, and is lost when a run is extended. Proof: for p_i <= p_m the lead of i over m after i's first
appearance steps up with probability at most 1/2 at each vote for one of the two; there are at most n = N - 1 of those,
and by the reflection principle for a fair walk S

    P(max_{s <= n} S_s >= d)  =  P(S_n >= d) + P(S_n >= d + 1)

d_j is the least d for which this is at most delta / (j (j+1)): exact, nothing is asymptotic. It pays for a look after
every vote and so covers any planned looks. For five looks the asymptotic boundary of the paper is some 10 % lower, but
here the number of votes for i and m at a look is random. With a declared number K of answers: n = N, no first
appearance to leave out, and delta / (K - 1) for each.

After: O'Brien and Fleming, Biometrics 35 (1979) 549.
"""

# pyright: strict
from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from reasonry.core.stats._special import binomial_half_cdf
from reasonry.errors import ConfigError
from reasonry.test_time.stopping.base import Decision, TallyWatch, check_delta, check_max_n
from reasonry.test_time.stopping.certificate import DECLARED, ModeWatch, check_num_answers


class _FixedWatch(TallyWatch):
    __slots__ = ()

    def _fires(self, answer: str | None, record: bool) -> bool:
        return self.num_seen == self._max_n

    def _fewest(self) -> int:
        return self._max_n

    def decision(self) -> Decision:
        """See `Watch.decision`."""
        tally = self.tally
        if not self._fired:
            return Decision("budget_exhausted", tally.leader, tally.runner_up, self.num_seen, None, self._ended())
        detail = f"{tally.best} to {tally.second} votes, {self._said()}"
        return Decision("decided", tally.leader, tally.runner_up, self.num_seen, None, detail)

    def _said(self) -> str:
        return f"all {self._max_n} samples"


class _CurtailWatch(_FixedWatch):
    __slots__ = ()

    def _fires(self, answer: str | None, record: bool) -> bool:
        left = self._max_n - self.num_seen
        return left == 0 or self.tally.best - self.tally.second > left

    def _fewest(self) -> int:
        # m more votes, all for the leader: lead + m > left - m.
        lead = self.tally.best - self.tally.second
        return (self._max_n - self.num_seen - lead) // 2 + 1

    def _said(self) -> str:
        left = self._max_n - self.num_seen
        return f"the other {left} samples could not change it" if left else f"all {self._max_n} samples"


@dataclass(frozen=True)
class Fixed:
    """The rule made by `fixed`."""

    max_n: int

    def __post_init__(self) -> None:
        check_max_n(self.max_n)

    @property
    def name(self) -> str:
        """Text form."""
        return "fixed"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _FixedWatch(self.max_n)


@dataclass(frozen=True)
class Curtail:
    """The rule made by `curtail`."""

    max_n: int

    def __post_init__(self) -> None:
        check_max_n(self.max_n)

    @property
    def name(self) -> str:
        """Text form."""
        return "curtail"

    def start(self) -> TallyWatch:
        """A watch that has seen nothing."""
        return _CurtailWatch(self.max_n)


class _Lead:
    """The boundary of `group_sequential`: a constant lead."""

    def __init__(self, delta: float, max_n: int, num_answers: int | None) -> None:
        self.delta = delta
        self.max_n = max_n
        self.num_answers = num_answers
        self._leads: dict[int, int] = {}

    def lead(self, order: int) -> int:
        """The least lead d_j, with N + 1 for one that is out of reach."""
        found = self._leads.get(order)
        if found is None:
            found = self._leads[order] = self._least_lead(order)
        return found

    def _least_lead(self, order: int) -> int:
        if order == DECLARED:
            assert self.num_answers is not None
            num_steps, level = self.max_n, self.delta / (self.num_answers - 1)
        else:
            num_steps, level = self.max_n - 1, self.delta / (order * (order + 1))

        def is_rare(lead: int) -> bool:
            crossed = binomial_half_cdf((num_steps - lead) // 2, num_steps)
            return crossed + binomial_half_cdf((num_steps - lead - 1) // 2, num_steps) <= level

        return 1 + bisect_left(range(1, self.max_n + 1), True, key=is_rare)

    def least(self, order: int, num_rival: int) -> int:
        """See `Boundary.least`."""
        return num_rival + self.lead(order)

    def log_e_nats(self, num_votes: int, num_rival: int) -> float | None:
        """See `Boundary.log_e_nats`."""
        return None

    def explain(self, order: int, num_votes: int, num_rival: int) -> str:
        """See `Boundary.explain`."""
        return (
            f"a lead of {num_votes} - {num_rival} = {num_votes - num_rival} against {self.lead(order)} "
            f"for delta {self.delta:g} and {self.max_n} samples fixed beforehand"
        )


@dataclass(frozen=True)
class GroupSequential:
    """The rule made by `group_sequential`."""

    delta: float
    max_n: int
    num_answers: int | None
    looks: int | None

    def __post_init__(self) -> None:
        check_delta(self.delta)
        check_max_n(self.max_n)
        check_num_answers(self.num_answers)
        if self.looks is not None and not 1 <= self.looks <= self.max_n:
            raise ConfigError(
                f"looks={self.looks} is not within 1..max_n={self.max_n}",
                remedy="Leave it out to look after every sample.",
            )

    @property
    def name(self) -> str:
        """Text form."""
        text = f"group-sequential:{self.delta}"
        if self.num_answers is not None or self.looks is not None:
            text += f":{self.num_answers or 'unknown'}"
        return text if self.looks is None else f"{text}:{self.looks}"

    def start(self) -> ModeWatch:
        """A watch that has seen nothing."""
        looks = None
        if self.looks is not None:
            looks = tuple(-(-self.max_n * k // self.looks) for k in range(1, self.looks + 1))
        boundary = lead_boundary(self.delta, self.max_n, self.num_answers)
        return ModeWatch(self.max_n, boundary=boundary, num_answers=self.num_answers, looks=looks)


@lru_cache(maxsize=256)
def lead_boundary(delta: float, max_n: int, num_answers: int | None) -> _Lead:
    """The boundary of `group_sequential`; one for all problems."""
    return _Lead(delta, max_n, num_answers)


def fixed(n: int) -> Fixed:
    """Take all ``n`` samples.

    Raises:
        ConfigError: ``n`` is below 1.
    """
    return Fixed(n)


def curtail(n: int) -> Curtail:
    """Stop as soon as the vote of ``n`` samples is settled; the outcome is that of all ``n`` in every run.

    Raises:
        ConfigError: ``n`` is below 1.
    """
    return Curtail(n)


def group_sequential(
    delta: float = 0.05, *, max_n: int = 64, num_answers: int | None = None, looks: int | None = None
) -> GroupSequential:
    """Stop at a planned look when the leader's lead is out of reach of a fair coin; O'Brien-Fleming shape.

    Where `certify` needs fewer samples on clear problems, this one certifies more of the close ones within ``max_n``.

    Args:
        delta: Probability that an answer is certified although another one is at least as probable. It holds only
            for a ``max_n`` that was fixed before the first sample.
        max_n: Samples at the last look.
        num_answers: How many answers the model can give, where that is known.
        looks: Number of looks, equally spaced up to ``max_n``. Without it the rule looks after every sample, at the
            same boundary.

    Raises:
        ConfigError: ``delta`` is not within (0, 1), ``max_n`` below 1, ``num_answers`` below 2 or ``looks`` not
            within 1..max_n.
    """
    return GroupSequential(delta, max_n, num_answers, looks)
