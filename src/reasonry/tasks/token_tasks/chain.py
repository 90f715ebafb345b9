"""Chain: apply a list of operations to a number modulo a prime, writing every value on the way.

    prompt   <start>, x_0, op_1 .. op_n, =           n uniform on ceil(N / 2) .. N, so that prompts differ in length
    answer   x_1 .. x_n, end tokens up to N          x_i = op_i(x_{i-1}) mod p
    op       +a with a in 1 .. p-1, or *a with a in 2 .. p-1; x_0 and the 2 p - 3 operations are uniform

Every prompt has one right answer, so the entropy is 0. Operations are one-to-one and x_0 is uniform: each x_i alone is
uniform, and a model that has not followed the chain that far is right with probability 1 / p. How many values can be
known after one forward pass is bounded by how many operations the model's layers can compose. Parts are the values and,
where n < N, the end token. Reconstructed: the paper has no such task.

Shapes: B rows, N longest chain.
"""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasonry.errors import ConfigError
from reasonry.tasks.token_tasks.base import SPECIAL, Checked, Draws, Ints
from reasonry.tasks.token_tasks.rows import (
    bad_prompt,
    check_shapes,
    check_size,
    compare,
    fill_with_ends,
    pad_left,
    vocabulary,
    without_padding,
)

START = len(SPECIAL)
EQUALS = START + 1
VALUE = START + 2
"""Token of the value 0; the others follow, then ``+1 .. +(p-1)`` and ``*2 .. *(p-1)``."""

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
DEFAULT_PRIME = 7


@dataclass(frozen=True)
class Chain:
    """The task ``chain:N``, ``chain:N:p``.

    Attributes:
        max_ops: N.
        prime: p, so that every multiplication is one-to-one.

    Raises:
        ConfigError: A size is out of range.
    """

    max_ops: int
    prime: int = DEFAULT_PRIME

    def __post_init__(self) -> None:
        check_size("operations", self.max_ops, low=1, high=256)
        if self.prime not in PRIMES:
            remedy = f"Use one of {', '.join(map(str, PRIMES))}."
            raise ConfigError(f"{self.prime} is not a prime up to 31", place="task", remedy=remedy)

    @property
    def name(self) -> str:
        """``chain:8``, ``chain:8:11``."""
        return f"chain:{self.max_ops}" + (f":{self.prime}" if self.prime != DEFAULT_PRIME else "")

    @property
    def vocab(self) -> tuple[str, ...]:
        """Values and operations."""
        adds = (f"+{a}" for a in range(1, self.prime))
        multiplies = (f"*{a}" for a in range(2, self.prime))
        return vocabulary("<start>", "=", *map(str, range(self.prime)), *adds, *multiplies)

    @property
    def max_prompt_len(self) -> int:
        """N + 3."""
        return self.max_ops + 3

    @property
    def answer_len(self) -> int:
        """N."""
        return self.max_ops

    @property
    def entropy_nats(self) -> float:
        """0: one right answer."""
        return 0.0

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        first_op = VALUE + self.prime
        num_ops = rng.integers((self.max_ops + 1) // 2, self.max_ops + 1, num).tolist()
        opening = rng.integers(0, self.prime, num).tolist()
        ops = rng.integers(first_op, first_op + 2 * self.prime - 3, (num, self.max_ops)).tolist()
        rows = [(x, row[:n]) for x, row, n in zip(opening, ops, num_ops, strict=True)]
        prompts = [[START, VALUE + x, *row, EQUALS] for x, row in rows]
        answers = [self._follow(x, row) for x, row in rows]
        return Draws(pad_left(prompts), fill_with_ends(answers, length=self.answer_len))

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether every value is right.

        Raises:
            DataError: Shapes that do not go together, or a prompt of another task.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=self.answer_len)
        first_op, num_tokens = VALUE + self.prime, len(self.vocab)
        expected: list[list[int]] = []
        for i, prompt in enumerate(without_padding(prompt_BP)):
            if not 4 <= len(prompt) <= self.max_prompt_len or prompt[0] != START or prompt[-1] != EQUALS:
                raise bad_prompt(i, "it is not <start>, a value, operations and =")
            if not VALUE <= prompt[1] < first_op or not all(first_op <= op < num_tokens for op in prompt[2:-1]):
                raise bad_prompt(i, "it has a symbol where it may not stand")
            expected.append(self._follow(prompt[1] - VALUE, prompt[2:-1]))
        return compare(answer_BL, fill_with_ends(expected, length=self.answer_len))

    def _follow(self, value: int, ops: list[int]) -> list[int]:
        """Tokens of the values after each operation."""
        tokens: list[int] = []
        for op in ops:
            which = op - VALUE - self.prime
            num_adds = self.prime - 1
            value = value + which + 1 if which < num_adds else value * (which - num_adds + 2)
            value %= self.prime
            tokens.append(VALUE + value)
        return tokens
