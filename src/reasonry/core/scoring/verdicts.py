"""Reads a judge's verdict out of its text.

A verdict that repeats the code of its prompt counts, the last one if there are several. A model may drop the code, so
a verdict without it (``Grade: 7``, ``8/10``, ``[[A]]``, ``Winner: B``) counts too, but only where the judged
texts hold nothing of that form, which the judge might be quoting. A text that is nothing but the verdict always counts.

What a reasoning model writes up to ``</think>`` is no verdict, and a text that ends before it holds none. Of a text cut
off by the token limit only whole lines and only coded verdicts count: ``grade-3f2a91: 1`` may have been going to be 10.
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

LOWEST, HIGHEST = 1.0, 10.0

Unreadable = Literal["", "no verdict", "verdict out of range", "cut off before a verdict"]


class ReadVerdict(NamedTuple):
    """A verdict.

    Attributes:
        value: Grade in [1, 10], or margin of A over B in {-2, -1, 0, 1, 2}; None when unreadable.
        problem: Why there is none; empty when there is one.
        is_coded: It repeated the code.
    """

    value: float | None
    problem: Unreadable
    is_coded: bool


_GAP = r"[\s:=*_\[({\"'`$\\<]{0,12}"
# Possessive digits: "10" must not be read as 1 where 10 does not fit. A range ("1-10"), a percentage, or a larger scale
# is no grade.
_GRADE = (
    r"(?P<grade>\d++(?:\.\d++)?)(?![\d.]*\d)(?!\s*%)(?!\s{0,3}(?:-|to\b|\u2013)\s{0,3}\d)"
    r"(?:\s{0,3}(?:/|out\s+of)\s{0,3}(?P<scale>\d++))?"
)
_FREE_GRADE = re.compile(
    rf"(?i)\b(?:score|grade|rating|mark)\b[ \w*_]{{0,20}}?(?:\bis\b|:|=){_GAP}{_GRADE}"
    rf"|\[\[\s{{0,3}}(?P<boxed>\d++(?:\.\d++)?)\s{{0,3}}\]\]"
    rf"|(?<![\d./])(?P<over>\d++(?:\.\d++)?)\s{{0,3}}/\s{{0,3}}10(?![\d.]*\d)"
)
_BARE_GRADE = re.compile(rf"[\s*_\[({{\"'`]*{_GRADE}[\s*_\])}}\"'`.]*")

_REPLY_WORD = r"(?:(?:reply|answer|response|assistant)[\s-]{1,3})?"
_MARGINS = {"a>>b": 2, "a>b": 1, "a": 1, "a=b": 0, "tie": 0, "tied": 0, "draw": 0, "b>a": -1, "b": -1, "b>>a": -2}
_PICK = r"(?P<pick>A\s?>>\s?B|A\s?>\s?B|A\s?=\s?B|B\s?>>\s?A|B\s?>\s?A|A|B|tied?|draw)"
# A verdict ends its line, so that "winner: A and B are close" is none.
_END = r"(?:\s+(?:is\s+(?:much\s+)?better|wins?))?[\s*_\])}\"'`.!>]*$"
_FREE_PICK = re.compile(
    rf"(?im)\b(?:winner|verdict|better)\b[ \w*_]{{0,20}}?(?:\bis\b|:|=){_GAP}{_REPLY_WORD}{_PICK}{_END}"
    rf"|\[\[\s{{0,3}}{_PICK.replace('pick', 'boxed')}\s{{0,3}}\]\]"
)
_BARE_PICK = re.compile(rf"(?i)[\s*_\[({{\"'`]*{_REPLY_WORD}{_PICK}[\s*_\])}}\"'`.]*")


def read_grade(
    text: str, *, code: str, judged: Sequence[str], cut_off: bool = False, require_code: bool = False
) -> ReadVerdict:
    """The grade that a judge's text gives.

    Args:
        text: What the judge wrote.
        code: The code of its prompt.
        judged: The judged texts, as shown to it.
        cut_off: The text hit the token limit.
        require_code: No verdict counts without the code.
    """
    final = _final_part(text, cut_off=cut_off)
    if coded := list(re.finditer(rf"(?i)\bgrade[-_\s]{{0,3}}{code}{_GAP}{_GRADE}", final or "")):
        return _grade(coded[-1]["grade"], coded[-1]["scale"], is_coded=True)
    if final is None or cut_off:
        return ReadVerdict(None, "cut off before a verdict", False)
    if require_code:
        return ReadVerdict(None, "no verdict", False)
    if bare := _BARE_GRADE.fullmatch(final):
        return _grade(bare["grade"], bare["scale"], is_coded=False)
    free = list(_FREE_GRADE.finditer(final))
    if free and not any(_FREE_GRADE.search(t) for t in judged):
        last = free[-1]
        return _grade(last["grade"] or last["boxed"] or last["over"], last["scale"], is_coded=False)
    return ReadVerdict(None, "no verdict", False)


def read_pick(
    text: str, *, code: str, judged: Sequence[str], cut_off: bool = False, require_code: bool = False
) -> ReadVerdict:
    """The margin of A over B that a judge's text gives: 2 much better, 1 better, 0 tie, negative for B.

    Arguments as for `read_grade`.
    """
    final = _final_part(text, cut_off=cut_off)
    coded_form = rf"(?im)\bwinner[-_\s]{{0,3}}{code}{_GAP}{_REPLY_WORD}{_PICK}{_END}"
    if coded := list(re.finditer(coded_form, final or "")):
        return ReadVerdict(_margin(coded[-1]["pick"]), "", True)
    if final is None or cut_off:
        return ReadVerdict(None, "cut off before a verdict", False)
    if require_code:
        return ReadVerdict(None, "no verdict", False)
    if bare := _BARE_PICK.fullmatch(final):
        return ReadVerdict(_margin(bare["pick"]), "", False)
    free = list(_FREE_PICK.finditer(final))
    if free and not any(_FREE_PICK.search(t) for t in judged):
        return ReadVerdict(_margin(free[-1]["pick"] or free[-1]["boxed"]), "", False)
    return ReadVerdict(None, "no verdict", False)


def _final_part(text: str, *, cut_off: bool) -> str | None:
    """What may hold the verdict: behind the last ``</think>``, whole lines; None while it is still thinking."""
    final = text.rpartition("</think>")[2]
    if "<think>" in final:
        return None
    return final[: final.rfind("\n") + 1] if cut_off else final


def _grade(number: str, scale: str | None, *, is_coded: bool) -> ReadVerdict:
    value = float(number)
    if not LOWEST <= value <= HIGHEST or (scale is not None and float(scale) != HIGHEST):
        return ReadVerdict(None, "verdict out of range", is_coded)
    return ReadVerdict(value, "", is_coded)


def _margin(pick: str) -> float:
    return float(_MARGINS[re.sub(r"\s", "", pick).lower()])
