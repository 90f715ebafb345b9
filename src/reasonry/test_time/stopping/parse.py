"""Stopping rules as text: ``certify:0.05``, ``curtail``, ``window:5``."""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reasonry.core.named import build_named
from reasonry.test_time.stopping.base import Rule
from reasonry.test_time.stopping.certificate import certify
from reasonry.test_time.stopping.heuristics import beta, doubling, martingale, window
from reasonry.test_time.stopping.sequential import curtail, fixed, group_sequential

Words = Sequence[str]


class RuleKind(NamedTuple):
    """One kind of rule.

    Attributes:
        syntax: Its text form; what is in brackets may be left out.
        guarantee: What it promises, one line.
        build: Makes the rule from the words after the first colon and ``max_n``.
        max_words: Most words that ``build`` takes.
    """

    syntax: str
    guarantee: str
    build: Callable[[Words, int], Rule]
    max_words: int


def _fixed(words: Words, max_n: int) -> Rule:
    return fixed(max_n)


def _curtail(words: Words, max_n: int) -> Rule:
    return curtail(max_n)


def _certify(words: Words, max_n: int) -> Rule:
    return certify(_level(words, 0.05), max_n=max_n, num_answers=_count(words, 1))


def _group_sequential(words: Words, max_n: int) -> Rule:
    return group_sequential(_level(words, 0.05), max_n=max_n, num_answers=_count(words, 1), looks=_count(words, 2))


def _beta(words: Words, max_n: int) -> Rule:
    return beta(_level(words, 0.95), max_n=max_n)


def _doubling(words: Words, max_n: int) -> Rule:
    return doubling(_level(words, 0.75), max_n=max_n)


def _window(words: Words, max_n: int) -> Rule:
    return window(_count(words, 0) or 5, max_n=max_n)


def _martingale(words: Words, max_n: int) -> Rule:
    return martingale(_level(words, 0.05), max_n=max_n)


def _level(words: Words, default: float) -> float:
    return float(words[0]) if words else default


def _count(words: Words, place: int) -> int | None:
    return None if len(words) <= place or words[place] == "unknown" else int(words[place])


RULES: Mapping[str, RuleKind] = {
    "fixed": RuleKind("fixed", "all samples are taken", _fixed, 0),
    "curtail": RuleKind("curtail", "the outcome of all samples, in every run", _curtail, 0),
    "certify": RuleKind(
        "certify[:DELTA[:NUM_ANSWERS]]",
        "the model's mode, wrong with probability at most delta, however often one looks",
        _certify,
        2,
    ),
    "group-sequential": RuleKind(
        "group-sequential[:DELTA[:NUM_ANSWERS[:LOOKS]]]",
        "the model's mode, wrong with probability at most delta, for a number of samples fixed beforehand",
        _group_sequential,
        3,
    ),
    "beta": RuleKind("beta[:CONFIDENCE]", "none: a heuristic", _beta, 1),
    "doubling": RuleKind("doubling[:SHARE]", "none: a heuristic", _doubling, 1),
    "window": RuleKind("window[:SIZE]", "none: a heuristic", _window, 1),
    "martingale": RuleKind("martingale[:DELTA]", "none: a heuristic", _martingale, 1),
}
"""Every kind of rule, by the name that `make_rule` reads."""


def make_rule(text: str, *, max_n: int) -> Rule:
    """Read a rule, e.g. ``certify:0.05``, ``certify:0.05:2``, ``curtail`` or ``window:5``.

    Args:
        text: Name and arguments, parted by colons; see the ``syntax`` of `RULES`. A number of answers that is not
            known is left out or ``unknown``.
        max_n: Most samples of one problem.

    Raises:
        ConfigError: Unknown name (with the nearest one), too many or unreadable arguments, a value out of range.
    """
    return build_named(text, RULES, max_n, what="stopping rule")
