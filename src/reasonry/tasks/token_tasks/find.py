"""Tasks over symbols by the names that users give them."""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from reasonry.errors import ConfigError, nearest
from reasonry.tasks.token_tasks.addition import Addition
from reasonry.tasks.token_tasks.base import TokenTask
from reasonry.tasks.token_tasks.chain import DEFAULT_PRIME, Chain
from reasonry.tasks.token_tasks.ledger import DEFAULT_BASE, Ledger
from reasonry.tasks.token_tasks.pairs import Pairs
from reasonry.tasks.token_tasks.sudoku import Sudoku
from reasonry.tasks.token_tasks.tiny_math import TinyMath


class TaskForm(NamedTuple):
    """How a task is named.

    Attributes:
        usage: For help texts.
        pattern: Of the whole name.
        make: The task, from the pattern's groups.
    """

    usage: str
    pattern: str
    make: Callable[[re.Match[str]], TokenTask]


def _pairs(found: re.Match[str]) -> TokenTask:
    return Pairs(int(found[1]), int(found[2]) if found[2] else None)


def _ledger(found: re.Match[str]) -> TokenTask:
    length = int(found[4]) if found[4] else None
    return Ledger(int(found[1]), int(found[2] or DEFAULT_BASE), found[3] is not None, length)


def _chain(found: re.Match[str]) -> TokenTask:
    return Chain(int(found[1]), int(found[2] or DEFAULT_PRIME))


def _addition(found: re.Match[str]) -> TokenTask:
    return Addition(int(found[1]))


def _tiny_math(found: re.Match[str]) -> TokenTask:
    return TinyMath()


def _sudoku(found: re.Match[str]) -> TokenTask:
    return Sudoku()


FORMS: dict[str, TaskForm] = {
    "pairs": TaskForm("pairs:ENTRIES[:len=TOKENS]", r"pairs:([0-9]+)(?::len=([0-9]+))?", _pairs),
    "ledger": TaskForm(
        "ledger:ENTRIES[:BASE][:mixed][:len=TOKENS]",
        r"ledger:([0-9]+)(?::([0-9]+))?(:mixed)?(?::len=([0-9]+))?",
        _ledger,
    ),
    "chain": TaskForm("chain:OPERATIONS[:PRIME]", r"chain:([0-9]+)(?::([0-9]+))?", _chain),
    "tiny-math": TaskForm("tiny-math", r"tiny-math", _tiny_math),
    "sudoku": TaskForm("sudoku", r"sudoku", _sudoku),
    "addition": TaskForm("addition:DIGITS", r"addition:([0-9]+)", _addition),
}
"""Every task, by the word its name begins with."""


def make_task(text: str) -> TokenTask:
    """The task that ``text`` names; ``make_task(task.name)`` equals ``task``.

    Args:
        text: ``pairs:4``, ``ledger:4``, ``ledger:4:5`` (base 5), ``ledger:4:10:mixed`` (a layout token of the prompt
            permutes the fields of each entry), ``chain:8``, ``chain:8:11`` (modulo 11), ``tiny-math``, ``sudoku`` or
            ``addition:6``. ``len=24`` at the end of the first two pads answers with end tokens to 24.

    Raises:
        ConfigError: Nothing of that name, or a size that is missing, not a number or out of range.
    """
    name = text.partition(":")[0]
    if name not in FORMS:
        known = f"Known: {', '.join(form.usage for form in FORMS.values())}."
        remedy = " ".join(part for part in (nearest(name, FORMS), known) if part)
        raise ConfigError(f"unknown task {text!r}", place="task", remedy=remedy)
    form = FORMS[name]
    found = re.fullmatch(form.pattern, text)
    if found is None:
        raise ConfigError(f"cannot read {text!r}", place="task", remedy=f"Write {form.usage}.")
    return form.make(found)
