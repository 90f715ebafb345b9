"""Verifier: finds the answer in a reply and grades it as right, wrong or ungradable."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem


@runtime_checkable
class Verifier(Protocol):
    """The protocol. ``extract`` alone serves voting, which must not see the oracle answer."""

    name: str

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The answer in canonical form, or None. Equal answers have equal canonical forms.

        Args:
            text: The reply.
            cut_off: The reply hit the token limit: only an answer that is marked as one counts, not the last thing
                the model happened to be writing.
        """
        ...

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Grade a reply against the oracle answer."""
        ...


def compare(found: str | None, oracle: str | None, *, problem: Problem, cut_off: bool) -> Outcome:
    """The usual grading: canonical forms are equal or not."""
    if oracle is None:
        return Outcome("ungradable", found, f"the oracle answer {problem.answer!r} cannot be read")
    if found is None:
        return Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found")
    return Outcome("right", found, "equal") if found == oracle else Outcome("wrong", found, "not equal")
