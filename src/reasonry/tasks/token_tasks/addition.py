"""Addition of numbers of many digits, with carries that run far.

    prompt   <start>, digits of a, +, digits of b, =
    answer   digits of a + b, most significant first, end tokens up to D + 1

In half of the rows the lengths of a and b are uniform on 1 .. D, each on its own, and numbers of a length are uniform.
In the other half carries run far: b has the length of a; their last digits make ten or more (a's uniform on 1 .. 9, b's
on what is enough); and every other digit of b is, with probability 3/4, the one that makes nine with the digit of a
above it, so that it hands on a carry from the right. No number begins with 0, except 0 itself.

Every prompt has one right answer, so the entropy is 0. The first digits of a sum depend on the last digits of both
numbers: a model that has not carried that far is unsure of them, and says so. Parts are the digits of the sum, counted
from the left, and the end token where there is room for one. Reconstructed: the paper has no such task.

Shapes: B rows, D most digits of a number.
"""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasonry.tasks.token_tasks.base import SPECIAL, Checked, Draws, Ints
from reasonry.tasks.token_tasks.rows import (
    bad_prompt,
    check_shapes,
    check_size,
    compare,
    fill_with_ends,
    pad_left,
    spell,
    vocabulary,
    without_padding,
)

START, PLUS, EQUALS, DIGIT = range(len(SPECIAL), len(SPECIAL) + 4)
"""Tokens; `DIGIT` is that of the digit 0, the others follow."""

_NINE_SHARE = 0.75


@dataclass(frozen=True)
class Addition:
    """The task ``addition:D``.

    Attributes:
        max_digits: D.

    Raises:
        ConfigError: It is out of range.
    """

    max_digits: int

    def __post_init__(self) -> None:
        check_size("digits", self.max_digits, low=1, high=128)

    @property
    def name(self) -> str:
        """``addition:6``."""
        return f"addition:{self.max_digits}"

    @property
    def vocab(self) -> tuple[str, ...]:
        """Ten digits and two signs."""
        return vocabulary("<start>", "+", "=", *map(str, range(10)))

    @property
    def max_prompt_len(self) -> int:
        """2 D + 3."""
        return 2 * self.max_digits + 3

    @property
    def answer_len(self) -> int:
        """D + 1."""
        return self.max_digits + 1

    @property
    def entropy_nats(self) -> float:
        """0: one right answer."""
        return 0.0

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        size = (num, self.max_digits)
        a_BD: Ints = rng.integers(0, 10, size)
        b_BD: Ints = rng.integers(0, 10, size)
        leading_2B = rng.integers(1, 10, (2, num))
        len_2B = rng.integers(1, self.max_digits + 1, (2, num))
        is_far_B = rng.random(num) < 0.5
        len_2B[1] = np.where(is_far_B, len_2B[0], len_2B[1])
        for digits_BD, len_B, leading_B in zip((a_BD, b_BD), len_2B, leading_2B, strict=True):
            digits_BD[:, 0] = np.where(len_B > 1, leading_B, digits_BD[:, 0])
        is_nine_BD = is_far_B[:, None] & (rng.random(size) < _NINE_SHARE)
        is_nine_BD[:, 0] &= a_BD[:, 0] < 9  # nothing but a leading zero makes nine with it
        b_BD = np.where(is_nine_BD, 9 - a_BD, b_BD)
        last_B = rng.integers(1, 10, num)
        enough_B = rng.integers(10 - last_B, 10)
        for digits_BD, digit_B in ((a_BD, last_B), (b_BD, enough_B)):
            digits_BD[is_far_B, len_2B[0][is_far_B] - 1] = digit_B[is_far_B]
        texts = [
            ("".join(map(str, a[:m])), "".join(map(str, b[:n])))
            for a, b, m, n in zip(a_BD.tolist(), b_BD.tolist(), *len_2B.tolist(), strict=True)
        ]
        prompts = [[START, *_tokens(a), PLUS, *_tokens(b), EQUALS] for a, b in texts]
        answers = [_tokens(str(int(a) + int(b))) for a, b in texts]
        return Draws(pad_left(prompts), fill_with_ends(answers, length=self.answer_len))

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether every digit of the sum is right.

        Raises:
            DataError: Shapes that do not go together, or a prompt of another task.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=self.answer_len)
        expected: list[list[int]] = []
        for i, symbols in enumerate(spell(without_padding(prompt_BP), self.vocab)):
            a, _, b = "".join(symbols[1:-1]).partition("+")
            if symbols[:1] != ["<start>"] or symbols[-1:] != ["="] or not (a.isdecimal() and b.isdecimal()):
                raise bad_prompt(i, "it is not <start>, a number, +, a number and =")
            if max(len(a), len(b)) > self.max_digits:
                raise bad_prompt(i, f"a number has more than {self.max_digits} digits")
            expected.append(_tokens(str(int(a) + int(b))))
        return compare(answer_BL, fill_with_ends(expected, length=self.answer_len))


def _tokens(number: str) -> list[int]:
    return [DIGIT + int(digit) for digit in number]
