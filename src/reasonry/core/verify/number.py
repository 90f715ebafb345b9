r"""Numbers as answers: ``1,000`` = ``1000`` = ``$1,000.00``, ``1/2`` = ``0.5``; a percent sign is a unit, not a factor.

An answer that is marked as one is preferred: a line ``#### 12``, else ``\boxed{12}``, else ``the answer is 12``, the
last mark winning within the strongest kind. Otherwise the answer is the last number of the reply. It is that number or
none: when it cannot be used (more than 60 digits, division by zero), no earlier number takes its place.

After a mark, what follows the last equals sign of the clause counts: ``the answer is 3 * 4 = 12 cows, as 2 + 1 = 3``.
A sign belongs to a number only where it touches it and nothing that could be subtracted from stands before: ``3-2=1``
holds 3, 2 and 1, and the range ``2-3`` ends in 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.core.verify.base import compare

_MAX_DIGITS = 60
_MAX_TOKEN_CHARS = 4 * _MAX_DIGITS
# A mark's line is read this far, the reply's end that far, and so many marks of a kind: bounds on the time for replies
# of any length.
_LINE_CHARS = 200
_TAIL_CHARS = 4096
_NUM_MARKS = 32

_SIGNS = "-+\u2212\u2013"  # hyphen, plus, minus sign, en dash
_CURRENCY = r"[$\u20ac\u00a3\u00a5\u20b9]"
# Thousands groups first, so that "1,000" is one number and "1,5" is two.
_UNSIGNED = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(
    rf"""
    (?: (?<![\w.)\]}}%$])[{_SIGNS}](?:{_CURRENCY}[ ]?)?    # -5, -$5
      | {_CURRENCY}(?:[{_SIGNS}]|[ ])?                     # $5, $-5, $ 5
      | (?<![\w.])                                         # 5, but neither x5 nor the 3 of 1.2.3
      | (?<=[^\d]\.)(?=\d)                                 # the 5 of "sentence.5"
    )
    (?: \d+[ ]\d+/\d+                                      # 1 1/2
      | {_UNSIGNED}(?:[ ]?/[ ]?{_UNSIGNED})?               # 1,000.5, 3/4
    )
    """,
    re.VERBOSE,
)
_PARTS = re.compile(
    rf"(?P<sign>[{_SIGNS}]?)(?:(?P<whole>\d+)[ ])?(?P<over>{_UNSIGNED})\.?(?:[ ]?/[ ]?(?P<under>[-+]?{_UNSIGNED}))?"
)
_HASH_MARK = re.compile(r"####")
_BOX_MARK = re.compile(r"\\boxed[ ]*\{")
_REST_OF_NUMBER = re.compile(rf"[\d.,/]{{0,{_MAX_TOKEN_CHARS}}}")
_WORD_MARK = re.compile(r"\banswer\b[*_\s]{0,20}(?:is\b(?!\s+not\b)|[:=])", re.IGNORECASE)
_FRACTION = re.compile(r"(\d?)\\[dt]?frac(?:\{([^{}]{1,80})\}\{([^{}]{1,80})\}|(\d)(\d))")


def canonical_number(text: str) -> str | None:
    """The number that ``text`` is, in canonical form, or None.

    Equal numbers have equal forms: integers without point or plus, decimals without trailing zeros, fractions that are
    no finite decimal as ``a/b`` in lowest terms. Signs, currency, thousands commas, exponents, fractions and mixed
    numbers (``1 1/2``) are read. Numbers of more than 60 digits are refused: nobody asked for them, they cost time.
    """
    if len(text) > _MAX_TOKEN_CHARS:
        return None
    bare = re.sub(rf"{_CURRENCY}[ ]?", "", text.strip(), count=1)
    found = _PARTS.fullmatch(bare)
    if found is None:
        return None
    over, under = _fraction(found["over"]), _fraction(found["under"] or "1")
    if over is None or under is None or under == 0:
        return None
    value = over / under
    if found["whole"]:
        if not (found["over"].isdigit() and found["under"] and value < 1):  # "2 10/5" is no mixed number
            return None
        value += int(found["whole"])
    form = _form(-value if found["sign"] in ("-", "\u2212", "\u2013") else value)
    return form if all(sum(map(str.isdigit, part)) <= _MAX_DIGITS for part in form.split("/")) else None


def _fraction(written: str) -> Fraction | None:
    """The exact value of an unsigned decimal with an exponent; None when its size is absurd."""
    mantissa, _, exponent = written.replace(",", "").lower().partition("e")
    if len(exponent) > 4 or abs(int(exponent or 0)) > 2 * _MAX_DIGITS:
        return None
    whole, _, decimals = mantissa.partition(".")
    return Fraction(int(whole + decimals)) * Fraction(10) ** (int(exponent or 0) - len(decimals))


def _form(value: Fraction) -> str:
    rest, num_places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        num_places = max(num_places, power)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    if num_places == 0:
        return str(value.numerator)
    digits = str(abs(value.numerator) * 10**num_places // value.denominator).rjust(num_places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-num_places]}.{digits[-num_places:]}"


def find_number(text: str, *, only_marked: bool = False) -> str | None:
    """The answer of a reply: the last marked number of the strongest mark, else the last number of all.

    Args:
        text: The reply.
        only_marked: The reply was cut off: an unmarked number does not count, nor one that runs into the cut, because
            its last digits may be missing.
    """
    for bodies in (_hash_bodies(text), _bodies(_BOX_MARK, text), _bodies(_WORD_MARK, text)):
        for body, reaches_end in bodies:
            found = _first_of(body)
            if found is None:
                continue
            if only_marked and reaches_end and found.end() == len(found.string) and body.endswith(found.string):
                return None
            return _usable(found.group())
    if only_marked:
        return None
    last_digit = re.search(r"\d", text[::-1])
    if last_digit is None:
        return None
    end = len(text) - last_digit.start()
    tail = _plain(text[max(0, end - _TAIL_CHARS) : end + 8])
    numbers = [found.group() for found in _NUMBER.finditer(tail)]
    return _usable(numbers[-1]) if numbers else None


def _usable(token: str) -> str | None:
    number = canonical_number(token)
    if number is None and " " in token and "/" in token:  # "in 2 10/5" ends in 10/5
        return canonical_number(token.rsplit(" ", 1)[1])
    return number


def _bodies(mark: re.Pattern[str], text: str) -> Iterator[tuple[str, bool]]:
    """The text after each mark to the end of its line or box, last mark first, and whether the reply ends there."""
    for start in [found.end() for found in mark.finditer(text)][: -_NUM_MARKS - 1 : -1]:
        limit = start + _LINE_CHARS
        rest = _REST_OF_NUMBER.match(text, limit)
        line = text[start : rest.end() if rest else limit].lstrip()
        if mark is _BOX_MARK:
            end = _closing_brace(line)
            yield _plain(line[:end]), end == len(line)
            continue
        end = line.find("\n")
        yield _plain(line if end < 0 else line[:end]), end < 0


def _hash_bodies(text: str) -> Iterator[tuple[str, bool]]:
    """As `_bodies`, without the headings of Markdown's fourth level: a mark is followed by a number, not by words."""
    for body, reaches_end in _bodies(_HASH_MARK, text):
        first = _NUMBER.search(body)
        if first is None or re.search(r"[^\W\d_]", re.sub(r"^\W*\w\s*=", "", body[: first.start()])):
            continue
        if not re.match(r"[.):]\s+[^\W\d_]", body[first.end() :]):  # "#### 2. Find the cost"
            yield body, reaches_end


def _closing_brace(text: str) -> int:
    depth = 1
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return at
    return len(text)


def _first_of(body: str) -> re.Match[str] | None:
    """The first number of the clause, or else of the sentence; after its last equals sign where it has one."""
    sentence = re.split(r"[.!?](?:\s+(?!\d)|$)", body, maxsplit=1)[0]  # not at "approx. 15"
    clause = re.split(r"[,;](?!\d)|\s\(", sentence, maxsplit=1)[0]
    for part in (clause, sentence):
        for piece in (re.split(r"[=\u2248]", part)[-1], part):
            if found := _NUMBER.search(piece):
                return found
    return None


def _plain(text: str) -> str:
    r"""LaTeX's ways to write a number as plain ones: ``\frac{1}{2}``, ``1{,}000``, ``10\,000``, ``\$5``."""
    text = re.sub(r"(?<=\d)(?:\{,\}|\\[,!])(?=\d{3})", ",", text)
    text = text.replace("\\$", "$").replace("\\%", "%")
    return _FRACTION.sub(lambda m: f"{m[1]}{' ' if m[1] else ''}{m[2] or m[4]}/{m[3] or m[5]}", text)


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
