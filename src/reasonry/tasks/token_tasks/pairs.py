"""Pairs: entries in which a digit fixes a digit and a letter fixes a letter, and nothing else depends on anything.

    prompt   <start>
    answer   K times  d, (d + 3) mod 10, c, c, ;      d uniform on ten digits, c uniform on ten letters

The law of answers is uniform on 100^K answers, its entropy 2 K ln 10 nats. A part is a pair, and the pair of letters
takes its separator along: 2 K parts. Reconstructed from the argument of dUltra (arXiv 2512.21446), which has no such
task; small models learn it in seconds, see `entries` for what it isolates.

Shapes: B rows, K entries, L answer length.
"""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasonry.tasks.token_tasks import entries
from reasonry.tasks.token_tasks.base import Checked, Draws, Ints
from reasonry.tasks.token_tasks.entries import DIGIT, ENTRY_LEN, FIRST, NUM_FIELDS, NUM_LETTERS, ORDERS, SECOND, START
from reasonry.tasks.token_tasks.rows import bad_prompt, check_shapes, count, vocabulary

BASE = 10
SHIFT = 3
"""What the second digit has over the first, modulo ten."""


@dataclass(frozen=True)
class Pairs:
    """The task ``pairs:K``.

    Attributes:
        num_entries: K.
        padded_len: L, when answers are to end in end tokens; None for 5 K.

    Raises:
        ConfigError: A size is out of range.
    """

    num_entries: int
    padded_len: int | None = None

    def __post_init__(self) -> None:
        entries.check_sizes(self.num_entries, BASE, self.answer_len)

    @property
    def base(self) -> int:
        """Digits there are: ten."""
        return BASE

    @property
    def name(self) -> str:
        """``pairs:4``."""
        padded = self.answer_len != self.num_entries * ENTRY_LEN
        return f"pairs:{self.num_entries}" + (f":len={self.answer_len}" if padded else "")

    @property
    def vocab(self) -> tuple[str, ...]:
        """Digits and letters."""
        return vocabulary(*entries.symbols(BASE))

    @property
    def max_prompt_len(self) -> int:
        """Of every prompt: 1."""
        return 1

    @property
    def answer_len(self) -> int:
        """L."""
        return self.num_entries * ENTRY_LEN if self.padded_len is None else self.padded_len

    @property
    def entropy_nats(self) -> float:
        """2 K ln 10."""
        return entries.entropy_nats(self.num_entries, BASE)

    def order(self, prompt_BP: Ints) -> Ints:
        """Place of each field in its entry (B, K, 4): the plain order everywhere."""
        return np.broadcast_to(ORDERS[0], (len(prompt_BP), self.num_entries, NUM_FIELDS))

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        digit_BK = rng.integers(0, BASE, (num, self.num_entries))
        letter_BK = rng.integers(0, NUM_LETTERS, (num, self.num_entries)) + entries.letter_id(BASE)
        fields = [digit_BK + DIGIT, (digit_BK + SHIFT) % BASE + DIGIT, letter_BK, letter_BK]
        prompt_BP = np.full((num, 1), START, dtype=np.int64)
        answer_BL = entries.write(np.stack(fields, axis=-1), self.order(prompt_BP), answer_len=self.answer_len)
        return Draws(prompt_BP, answer_BL)

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether every pair is one.

        Raises:
            DataError: Shapes that do not go together, or a prompt of another task.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=self.answer_len)
        if len(bad := np.flatnonzero((prompt_BP[:, -1:] != START).all(1))):
            raise bad_prompt(int(bad[0]), "it does not end in <start>")
        fields = entries.read(answer_BL, self.order(prompt_BP))
        digit_BK, second_BK = fields.token_BK4[..., FIRST] - DIGIT, fields.token_BK4[..., SECOND] - DIGIT
        is_digit_BK = (digit_BK >= 0) & (digit_BK < BASE)
        are_digits_BK = is_digit_BK & (second_BK == (digit_BK + SHIFT) % BASE)
        return count(np.concatenate([are_digits_BK, entries.copies(fields, base=BASE)], axis=1))
