r"""Tiny math: word problems of two or three steps, with a worked answer and a boxed result.

    prompt   <start> Ann has 1 2 pens . then Ann buys 7 more . later Ann has 3 times as many . how many pens does ... ?
    answer   1 2 + 7 = 1 9 ; 1 9 * 3 = 5 7 ; \boxed{ 5 7 }          and end tokens up to 32

Every number is written digit by digit, every word is one token. A problem opens with 2 to 30 things, and has two or
three steps, equally likely. A step is, equally likely among those that keep the running total between 1 and 99: more
(2 to 20 are added), fewer (1 to 20 are taken away), or times (2 to 5). Names, things, verbs and the word that opens a
sentence are uniform. Most tokens of an answer are fixed by its form, a few by arithmetic, as in GSM8K.

The answer that is drawn is one for each prompt: its entropy is 0. The verifier also accepts the two numbers of a sum or
a product in the other order. Parts are the lines of the working, in order, and the box; lines too many count as wrong
parts. Reconstructed: a stand-in for GSM8K (arXiv 2110.14168) that small models learn.

Shapes: B rows, L answer length.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reasonry.tasks.token_tasks.base import Checked, Draws, Ints
from reasonry.tasks.token_tasks.rows import (
    bad_prompt,
    check_shapes,
    fill_with_ends,
    pad_left,
    spell,
    token_ids,
    until_end,
    vocabulary,
    without_padding,
)

NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana")
THINGS = ("books", "cards", "coins", "pens", "shells", "stamps", "stones", "toys")
MORE = ("buys", "finds", "gets", "wins")
FEWER = ("drops", "lends", "loses", "sells")
OPENERS = ("then", "later", "next")

_WORDS = ("has", "more", "times", "as", "many", "how", "does", "have", ".", "?")
_MARKS = ("+", "-", "*", "=", ";", "\\boxed{", "}")
_DIGITS = tuple(map(str, range(10)))
_MAX = 99


@dataclass(frozen=True)
class TinyMath:
    """The task ``tiny-math``."""

    @property
    def name(self) -> str:
        """``tiny-math``."""
        return "tiny-math"

    @property
    def vocab(self) -> tuple[str, ...]:
        """Digits, signs and words."""
        return _VOCAB

    @property
    def max_prompt_len(self) -> int:
        """38: ``<start>``, an opening of 6, three steps of 8, a question of 7."""
        return 38

    @property
    def answer_len(self) -> int:
        """32: three lines of 9, a box of 4, an end token."""
        return 32

    @property
    def entropy_nats(self) -> float:
        """0: one answer is drawn for each prompt."""
        return 0.0

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        rows = [_problem(rng) for _ in range(num)]
        prompts = [[_TOKEN[symbol] for symbol in story] for story, _ in rows]
        answers = [[_TOKEN[symbol] for symbol in _solution(total, steps)] for _, (total, steps) in rows]
        return Draws(pad_left(prompts), fill_with_ends(answers, length=self.answer_len))

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether every line of the working follows the story, and the box holds the result.

        Raises:
            DataError: Shapes that do not go together, or a prompt of another task.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=self.answer_len)
        is_right_B = np.zeros(len(prompt_BP), dtype=np.bool_)
        share_right_B = np.zeros(len(prompt_BP))
        stories = spell(without_padding(prompt_BP), _VOCAB)
        written = spell(until_end(answer_BL).tolist(), _VOCAB)
        for i, (story, symbols) in enumerate(zip(stories, written, strict=True)):
            expected = _accepted(*_read(story, i))
            ended = symbols.index("<end>") if "<end>" in symbols else len(symbols)
            parts = _split(symbols[:ended], ";")
            num_right = sum(part in right for part, right in zip(parts, expected, strict=False))
            share_right_B[i] = num_right / max(len(parts), len(expected))
            is_right_B[i] = num_right == len(parts) == len(expected)
        return Checked(is_right_B, share_right_B)


_VOCAB = vocabulary("<start>", *_DIGITS, *_MARKS, *_WORDS, *OPENERS, *MORE, *FEWER, *NAMES, *THINGS)
_TOKEN = token_ids(_VOCAB)

Step = tuple[str, int]
"""A sign and a number."""


def _apply(total: int, step: Step) -> int:
    sign, number = step
    return total + number if sign == "+" else total - number if sign == "-" else total * number


def _problem(rng: np.random.Generator) -> tuple[list[str], tuple[int, list[Step]]]:
    """A story, and what it says: the opening total and the steps."""

    def one_of(words: Sequence[str]) -> str:
        return words[int(rng.integers(len(words)))]

    def between(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    name, thing = one_of(NAMES), one_of(THINGS)
    opening = total = between(2, 30)
    story = ["<start>", name, "has", *str(opening), thing, "."]
    steps: list[Step] = []
    for _ in range(between(2, 3)):
        able = {"+": total + 2 <= _MAX, "-": total >= 2, "*": total * 2 <= _MAX}
        sign = one_of([sign for sign, can in able.items() if can])
        story += [one_of(OPENERS), name]
        if sign == "+":
            number = between(2, min(20, _MAX - total))
            story += [one_of(MORE), *str(number), "more", "."]
        elif sign == "-":
            number = between(1, min(20, total - 1))
            story += [one_of(FEWER), *str(number), "."]
        else:
            number = between(2, min(5, _MAX // total))
            story += ["has", str(number), "times", "as", "many", "."]
        steps.append((sign, number))
        total = _apply(total, steps[-1])
    story += ["how", "many", thing, "does", name, "have", "?"]
    return story, (opening, steps)


def _solution(total: int, steps: Sequence[Step]) -> list[str]:
    """The worked answer."""
    symbols: list[str] = []
    for sign, number in steps:
        after = _apply(total, (sign, number))
        symbols += [*str(total), sign, *str(number), "=", *str(after), ";"]
        total = after
    return [*symbols, "\\boxed{", *str(total), "}"]


def _accepted(total: int, steps: Sequence[Step]) -> list[list[list[str]]]:
    """The ways to write each part of a worked answer."""
    parts: list[list[list[str]]] = []
    for sign, number in steps:
        after = _apply(total, (sign, number))
        ways = [[*str(total), sign, *str(number), "=", *str(after)]]
        if sign != "-":
            ways.append([*str(number), sign, *str(total), "=", *str(after)])
        parts.append(ways)
        total = after
    return [*parts, [["\\boxed{", *str(total), "}"]]]


def _read(story: list[str], row: int) -> tuple[int, list[Step]]:
    """What a story says: the opening total and the steps."""
    *sentences, question = _split(story, ".")
    if story[:1] != ["<start>"] or question[-1:] != ["?"] or len(sentences) < 2:
        raise bad_prompt(row, "it is not a story and a question")
    numbers: list[int] = []
    signs: list[str] = []
    for sentence in sentences:
        digits = "".join(symbol for symbol in sentence if symbol in _DIGITS)
        if not digits:
            raise bad_prompt(row, f"no number in {' '.join(sentence)!r}")
        numbers.append(int(digits))
        words = set(sentence)
        signs.append("*" if "times" in words else "-" if words & set(FEWER) else "+")
    return numbers[0], list(zip(signs[1:], numbers[1:], strict=True))


def _split(symbols: Sequence[str], at: str) -> list[list[str]]:
    """Symbols between the marks ``at``."""
    parts: list[list[str]] = [[]]
    for symbol in symbols:
        if symbol == at:
            parts.append([])
        else:
            parts[-1].append(symbol)
    return parts
