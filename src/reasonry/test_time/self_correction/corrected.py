"""What self-correction takes and what it gives: a request, the corrected problem, and what the run did in all."""

# pyright: strict
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol

from reasonry.core.messages import Message
from reasonry.test_time.self_correction.budget import Spent
from reasonry.test_time.self_correction.store import Row

Stop = Literal["success", "attempts", "budget"]


class Asked(Protocol):
    """A request with messages; its ``problem`` attribute, when it has one, is what the verifier compares with."""

    @property
    def id(self) -> str:
        """Key of the attempts."""
        ...

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, ending with the turn to answer."""
        ...


@dataclass(frozen=True)
class Corrected:
    """What self-correction made of one problem.

    Attributes:
        id: The problem.
        text: The reply that is returned; empty when there is none.
        answer: Its answer in canonical form, None when none was read.
        reward: The verifier's reward of it, None when it has none.
        attempt: Its number, None when every attempt failed or none was made.
        expert: Who made it.
        stop: Why no further attempt was made.
        leak: The verifier's critique had told the reference answer before this attempt was made.
        num_failed: Attempts in which the expert failed.
        rows: All attempts, in order.
    """

    id: str
    text: str
    answer: str | None
    reward: float | None
    attempt: int | None
    expert: str
    stop: Stop
    leak: bool
    num_failed: int
    rows: tuple[Row, ...]

    @property
    def num_attempts(self) -> int:
        """Attempts, failed ones included."""
        return len(self.rows)

    @property
    def num_tok(self) -> int:
        """Prompt and completion tokens of all attempts."""
        return sum(row["num_prompt_tok"] + row["num_completion_tok"] for row in self.rows)


@dataclass
class Totals:
    """What a run did so far. ``spent`` counts replayed attempts too: they were paid for once.

    Attributes:
        spent: Attempts, tokens, seconds.
        num_replayed: Attempts that were found in the store.
        num_unscored: Attempts that the verifier could not score; the controller learns reward 0.
        num_leaks: Attempts whose critique told the reference answer.
        pulls: Attempts by expert.
        failures: Failed attempts by expert.
        reasons: Why attempts failed -> how many.
    """

    spent: Spent = field(default_factory=Spent)
    num_replayed: int = 0
    num_unscored: int = 0
    num_leaks: int = 0
    pulls: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
