"""Story: a word problem while it is being written, sentence by sentence, with its solution beside it.

A problem is composed of *beats*: one opener, some middles and one closer of one family. A beat says something,
and each of its calculations goes through `Story.step`, which keeps the solution in step with the text and
rejects what a grade-school problem must not hold: fractions, values below 2, magnitudes beyond the grade.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from reasonry.tasks.word_problems.draw import Draw
from reasonry.tasks.word_problems.words import PEOPLE, SHARES, TIMES, Noun, Person, Share, noun, others

# Index = steps of the problem: the largest value anywhere in its solution, and the largest smaller factor.
_MAX_VALUE = (0, 30, 50, 400, 800, 1500, 2500)
_MAX_FACTOR = (0, 5, 6, 20, 25, 30, 40)
_THEN = (
    ("Then", "Soon after that,"),
    ("After that,", "Next,"),
    ("Later,", "A while later,"),
    ("Finally,", "At last,"),
)


class RejectedError(Exception):
    """The numbers drawn do not make a good problem; draw others."""


class Known(int):
    """A number that the story accounts for: given and noted, or computed. A plain int is yet to be noted."""


class Story:
    """A problem in the making.

    Attributes:
        draw: The stream of choices.
        num_steps: Calculations the finished solution must have.
        who: The main character.
        noun: What is counted.
        value: The running quantity that the next beat works on.
        num_middles: Middles in the plan, for wording that depends on it.
        reduced: Whether the last change took something away ("left" rather than "now").
        scene: Words that the opener chose for the later beats.
        cast: People or days with their quantities, where a family compares several.
        multiplied: Whether a comparison in the story multiplies by 3 or more (else a difference may be given).
        position: Place of the beat being written: 0 for the opener.
        undo: Calculations that a backward family does at the end.
    """

    def __init__(self, draw: Draw, num_steps: int, num_middles: int) -> None:
        self.draw = draw
        self.num_steps = num_steps
        self.num_middles = num_middles
        self.who: Person = draw.pick(PEOPLE)
        self.noun: Noun = noun("thing")
        self.value: int = 0
        self.reduced = False
        self.multiplied = False
        self.scene: dict[str, Noun] = {}
        self.cast: list[tuple[str, int]] = []
        self.undo: list[Callable[[], None]] = []
        self.sentences: list[str] = []
        self.solution: list[str] = []
        self.quantities: list[int] = []
        self.results: list[int] = []
        self.position = 0
        self._style = draw.below(2)

    # --- text ---

    def say(self, *variants: str) -> None:
        """Add one of the variants to the question."""
        self.sentences.append(self.draw.pick(variants))

    def then(self) -> str:
        """The connective for this place in the story; every middle has its own."""
        return _THEN[self.position - 1][self._style]

    def companion(self) -> Person:
        """Somebody else, new in the story, whose pronouns differ from the main character's."""
        taken = {name for name, _ in self.cast}
        return self.draw.pick([p for p in others(self.who) if p.name not in taken])

    # --- numbers ---

    @staticmethod
    def reject() -> NoReturn:
        """Give these numbers up."""
        raise RejectedError

    def num(self, low: int, high: int) -> int:
        """A number in [low, high]; in problems of one or two steps from the lower third."""
        return self.draw.between(low, high if self.num_steps > 2 else (2 * low + high + 2) // 3)

    def less(self, value: int, high: int = 60) -> int:
        """A number to take away from ``value``, leaving at least 2."""
        if value < 5:
            self.reject()
        return self.draw.between(2, min(value - 2, high))

    def divisor(self, value: int, low: int = 2, high: int = 12) -> int:
        """A number in [low, high] that divides ``value`` and leaves at least 2."""
        fits = [d for d in range(low, high + 1) if value % d == 0 and value // d >= 2]
        return self.draw.pick(fits) if fits else self.reject()

    def share(self, value: int) -> Share:
        """A unit fraction that divides ``value``."""
        fits = [f for f in SHARES if value % f.parts == 0 and value // f.parts >= 2]
        return self.draw.pick(fits) if fits else self.reject()

    def factor(self) -> tuple[int, str]:
        """A number of times with its words: (3, "three times")."""
        k = self.draw.between(2, 5 if self.num_steps > 2 else 3)
        return k, TIMES[k]

    def given(self, n: int) -> Known:
        """Note a number that the question gives, when it is first used or in advance if it is used repeatedly.

        Raises:
            RejectedError: It is below 2 or was given before: equal numbers may allow a shorter way to the answer.
        """
        if isinstance(n, Known):
            return n
        if n < 2 or n in self.quantities:
            self.reject()
        self.quantities.append(n)
        return Known(n)

    def step(self, text: str, a: int, op: str, b: int) -> Known:
        """Do one calculation and write its sentence; ``@`` in ``text`` is where it stands.

        Args:
            text: The sentence, with ``@`` or ``$@`` for the calculation.
            a: Left operand.
            op: One of ``+ - * /``.
            b: Right operand.

        Returns:
            The result, a natural number of at least 2.

        Raises:
            RejectedError: The result is no such number, or too large for the grade, or was there already (a
                shorter way to the answer would exist).
        """
        a, b = self.given(a), self.given(b)
        if op == "/":
            value, rest = divmod(a, b)
            if rest:
                self.reject()
        else:
            value = a + b if op == "+" else a - b if op == "-" else a * b
        k = self.num_steps
        too_hard = op in "*/" and min(b, a if op == "*" else value) > _MAX_FACTOR[k]
        if not 2 <= value <= _MAX_VALUE[k] or max(a, b) > _MAX_VALUE[k] or too_hard or value in self.results:
            self.reject()
        mark = "$" if "$@" in text else ""
        sum_ = f"{int(a)} {op} {int(b)} = {mark}<<{int(a)}{op}{int(b)}={value}>>{value}"
        text = text.replace("$@", sum_).replace("@", sum_)
        self.solution.append(text[0].upper() + text[1:])
        self.results.append(value)
        return Known(value)

    def change(self, text: str, op: str, b: int) -> None:
        """One calculation on the running value."""
        self.value = self.step(text, self.value, op, b)


class Beat(NamedTuple):
    """One part of a story.

    Attributes:
        name: Its part of the template id; never reused for something else.
        cost: Calculations it adds.
        write: Adds its sentences and calculations to the story.
        rank: Middles are told in the order of their ranks (a discount after everything is in the basket).
        group: At most one middle of a group, where two would be odd or ambiguous.
        cost_per_middle: Calculations it adds for every middle of the story (a total over a cast).
        min_middles: Middles the story needs for it.
    """

    name: str
    cost: int
    write: Callable[[Story], None]
    rank: int = 0
    group: str = ""
    cost_per_middle: int = 0
    min_middles: int = 0


class Aside(NamedTuple):
    """A sentence with a number that the solution does not use: ``{He}`` and ``{n}`` are filled in."""

    text: str
    low: int
    high: int


class Family(NamedTuple):
    """A kind of scene with the beats that fit together in it."""

    name: str
    openers: tuple[Beat, ...]
    middles: tuple[Beat, ...]
    closers: tuple[Beat, ...]
    asides: tuple[Aside, ...]
