"""Ledger: entries that carry a running balance modulo b.

    prompt   <start>, s_0                             s_0 uniform on b digits
             and with mixed fields K layout tokens    uniform on the 24 orders of four fields, one for each entry
    answer   K times  d_i, s_i, c_i, c_i, ;           s_i = (s_{i-1} + d_i) mod b
             d_i uniform on b digits, c_i uniform on ten letters

The law of answers given the prompt is uniform on (10 b)^K answers, its entropy K (ln b + ln 10) nats. A part is the
balance of an entry, right when it follows from the balance written before it, or its pair of letters with their
separator: 2 K parts. A wrong balance thus costs one part, not all that come after it.

With mixed fields the four fields of entry i stand in the order that layout token i names, so that no position has a
role of its own: roles have to be read from the prompt.

Reconstructed from the argument of dUltra (arXiv 2512.21446), which has no such task; see `entries`.

Shapes: B rows, K entries, L answer length, b base.
"""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasonry.tasks.token_tasks import entries
from reasonry.tasks.token_tasks.base import Checked, Draws, Ints
from reasonry.tasks.token_tasks.entries import DIGIT, ENTRY_LEN, FIRST, NUM_FIELDS, NUM_LETTERS, ORDERS, SECOND, START
from reasonry.tasks.token_tasks.rows import bad_prompt, check_shapes, count, vocabulary

DEFAULT_BASE = 10
_FIELD_NAMES = "dscx"  # of layout symbols: change, balance, letter, copy


@dataclass(frozen=True)
class Ledger:
    """The task ``ledger:K``, ``ledger:K:b``, ``ledger:K:b:mixed``.

    Attributes:
        num_entries: K.
        base: b.
        mixed: Layout tokens in the prompt permute the fields of each entry.
        padded_len: L, when answers are to end in end tokens; None for 5 K.

    Raises:
        ConfigError: A size is out of range.
    """

    num_entries: int
    base: int = DEFAULT_BASE
    mixed: bool = False
    padded_len: int | None = None

    def __post_init__(self) -> None:
        entries.check_sizes(self.num_entries, self.base, self.answer_len)

    @property
    def name(self) -> str:
        """``ledger:4``, ``ledger:4:5``, ``ledger:4:10:mixed``."""
        parts = ["ledger", str(self.num_entries)]
        if self.mixed or self.base != DEFAULT_BASE:
            parts.append(str(self.base))
        if self.mixed:
            parts.append("mixed")
        if self.answer_len != self.num_entries * ENTRY_LEN:
            parts.append(f"len={self.answer_len}")
        return ":".join(parts)

    @property
    def vocab(self) -> tuple[str, ...]:
        """Digits, letters and, with mixed fields, layouts: ``[csxd]`` has the letter first and the change last."""
        at = np.argsort(ORDERS, axis=1)  # the field at each place
        layouts = ("[" + "".join(_FIELD_NAMES[f] for f in fields) + "]" for fields in at.tolist())
        return vocabulary(*entries.symbols(self.base), *(layouts if self.mixed else ()))

    @property
    def layout_id(self) -> int:
        """Token of the first layout, when fields are mixed."""
        return entries.letter_id(self.base) + NUM_LETTERS

    @property
    def max_prompt_len(self) -> int:
        """Of every prompt: 2, or 2 + K with mixed fields."""
        return 2 + self.num_entries * self.mixed

    @property
    def answer_len(self) -> int:
        """L."""
        return self.num_entries * ENTRY_LEN if self.padded_len is None else self.padded_len

    @property
    def entropy_nats(self) -> float:
        """K (ln b + ln 10)."""
        return entries.entropy_nats(self.num_entries, self.base)

    def read_prompt(self, prompt_BP: Ints) -> tuple[Ints, Ints]:
        """Opening balances (B,) and the place of each field in its entry (B, K, 4).

        Raises:
            DataError: A prompt of another task.
        """
        wide = prompt_BP.shape[1] >= self.max_prompt_len
        prompt_BP = prompt_BP[:, -self.max_prompt_len :]
        starts_B = (prompt_BP[:, 0] == START) if wide else np.zeros(len(prompt_BP), dtype=np.bool_)
        if len(bad := np.flatnonzero(~starts_B)):
            raise bad_prompt(int(bad[0]), f"it is not <start> and {self.max_prompt_len - 1} more")
        balance_B, layout_BK = prompt_BP[:, 1] - DIGIT, prompt_BP[:, 2:] - self.layout_id
        if len(bad := np.flatnonzero((balance_B < 0) | (balance_B >= self.base))):
            raise bad_prompt(int(bad[0]), "its balance is not a digit")
        if not self.mixed:
            return balance_B, np.broadcast_to(ORDERS[0], (len(prompt_BP), self.num_entries, NUM_FIELDS))
        if len(bad := np.flatnonzero(((layout_BK < 0) | (layout_BK >= len(ORDERS))).any(1))):
            raise bad_prompt(int(bad[0]), "one of its layouts is none")
        return balance_B, ORDERS[layout_BK]

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        size = (num, self.num_entries)
        opening_B1 = rng.integers(0, self.base, (num, 1))
        change_BK = rng.integers(0, self.base, size)
        balance_BK = (opening_B1 + np.cumsum(change_BK, axis=1)) % self.base
        letter_BK = rng.integers(0, NUM_LETTERS, size) + entries.letter_id(self.base)
        columns = [np.full((num, 1), START, dtype=np.int64), opening_B1 + DIGIT]
        if self.mixed:
            columns.append(rng.integers(0, len(ORDERS), size) + self.layout_id)
        prompt_BP = np.concatenate(columns, axis=1)
        token_BK4 = np.stack([change_BK + DIGIT, balance_BK + DIGIT, letter_BK, letter_BK], axis=-1)
        _, order_BK4 = self.read_prompt(prompt_BP)
        return Draws(prompt_BP, entries.write(token_BK4, order_BK4, answer_len=self.answer_len))

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether every balance follows from the one before, and every letter is copied.

        Raises:
            DataError: Shapes that do not go together, or a prompt of another task.
        """
        check_shapes(prompt_BP, answer_BL, answer_len=self.answer_len)
        opening_B, order_BK4 = self.read_prompt(prompt_BP)
        fields = entries.read(answer_BL, order_BK4)
        change_BK, balance_BK = fields.token_BK4[..., FIRST] - DIGIT, fields.token_BK4[..., SECOND] - DIGIT
        before_BK = np.concatenate([opening_B[:, None], balance_BK[:, :-1]], axis=1)
        digits = [(part >= 0) & (part < self.base) for part in (change_BK, balance_BK, before_BK)]
        follows_BK = np.logical_and.reduce(digits) & (balance_BK == (before_BK + change_BK) % self.base)
        return count(np.concatenate([follows_BK, entries.copies(fields, base=self.base)], axis=1))
