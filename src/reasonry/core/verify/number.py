"""Numbers as answers: ``1,000`` = ``1000`` = ``$1,000.00``; 0.5 = 1/2 = 50%? No: a percent sign is a unit, not a factor.

An answer that is marked as one is preferred (``#### 12``, ``\\boxed{12}``, ``the answer is 12``), the last mark winning
within the strongest kind; otherwise it is the last number of the reply.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.core.verify.base import compare

_MAX_DIGITS = 60

# Thousands groups first, so that "1,000" is one number and "1,5" is two.
_NUMBER = r"[-+\u2212\u2013]?\s?[$\u20ac\u00a3]?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?:\s?/\s?\d+)?"
_BARE = re.compile(rf"(?<![\w.])(?:{_NUMBER})|(?<![\w.])[-+\u2212]?[$]?\.\d+")
_MARKS = (
    re.compile(r"####[^\S\n]*([^\n]*)"),
    re.compile(r"\\boxed\s*\{([^{}]*)\}"),
    re.compile(r"(?:final answer|the answer|answer)\s*(?:is|:|=)+\s*([^\n]*)", re.IGNORECASE),
)


def canonical_number(text: str) -> str | None:
    """The number at the start of ``text`` in canonical form, or None.

    Integers have no point or sign of plus, decimals no trailing zeros, fractions that are no decimal stay ``a/b`` in
    lowest terms. Numbers of more than 60 digits are refused: nobody asked for them, and they cost time.
    """
    cleaned = re.sub(r"[$\u20ac\u00a3,\s]", "", text).replace("\u2212", "-").replace("\u2013", "-")
    if not cleaned or len(cleaned) > 2 * _MAX_DIGITS:
        return None
    over, _, under = cleaned.partition("/")
    try:
        value = Decimal(over)
        if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS:
            return None
        exact = Fraction(value) / Fraction(Decimal(under)) if under else Fraction(value)
    except (InvalidOperation, ValueError, ZeroDivisionError):
        return None
    if exact.denominator == 1:
        return str(exact.numerator)
    twos_and_fives = exact.denominator
    for prime in (2, 5):
        while twos_and_fives % prime == 0:
            twos_and_fives //= prime
    if twos_and_fives != 1:
        return f"{exact.numerator}/{exact.denominator}"
    digits = len(str(exact.denominator)) * 4
    return f"{Decimal(exact.numerator) / Decimal(exact.denominator):.{digits}f}".rstrip("0").rstrip(".")


def find_number(text: str, *, only_marked: bool = False) -> str | None:
    """The answer of a reply: the last marked number of the strongest mark, else the last number of all."""
    for mark in _MARKS:
        for body in reversed(mark.findall(text)):
            for found in _BARE.findall(body):
                if (number := canonical_number(found)) is not None:
                    return number
    if only_marked:
        return None
    for found in reversed(_BARE.findall(text)):
        if (number := canonical_number(found)) is not None:
            return number
    return None


class NumberVerifier:
    """Grades by numeric equality of canonical forms."""

    name = "number"

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """See `find_number`."""
        return find_number(text, only_marked=cut_off)

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the found number equals the oracle's."""
        oracle = find_number(problem.answer)
        return compare(self.extract(text, cut_off=cut_off), oracle, problem=problem, cut_off=cut_off)
