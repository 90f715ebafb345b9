"""What a task over symbols is: rows of token ids to draw, and a check of whole answers.

Ids 0, 1 and 2 are mask, padding and end in every task. Prompts are padded on the left, so that answers line up; answers
shorter than ``answer_len`` end in end tokens, which a model has to learn to write.

Shapes: B rows, P longest prompt, L answer length.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MASK, PAD, END = 0, 1, 2
SPECIAL = ("<mask>", "<pad>", "<end>")
"""Symbols of the first three ids of every vocabulary."""


class Draws(NamedTuple):
    """Rows of a task.

    Attributes:
        prompt_BP: Token ids, padded on the left with `PAD`.
        answer_BL: Token ids of one right answer; other answers may be right too.
    """

    prompt_BP: Ints
    answer_BL: Ints


class Checked(NamedTuple):
    """What a verifier says of whole answers.

    Attributes:
        is_right_B: True when the whole answer is right.
        share_right_B: Share of its parts that are right, 0 to 1; 1 exactly where ``is_right_B``.
    """

    is_right_B: NDArray[np.bool_]
    share_right_B: NDArray[np.float64]


class TokenTask(Protocol):
    """A task over symbols; a pure function of the generator that it is given."""

    @property
    def name(self) -> str:
        """For tables and run directories, with its sizes: ``pairs:4``."""
        ...

    @property
    def vocab(self) -> tuple[str, ...]:
        """Symbol of each token id; begins with `SPECIAL`."""
        ...

    @property
    def max_prompt_len(self) -> int:
        """Longest prompt, tokens."""
        ...

    @property
    def answer_len(self) -> int:
        """Tokens of an answer, end tokens included."""
        ...

    @property
    def entropy_nats(self) -> float | None:
        """Entropy of the law of answers given the prompt, averaged over prompts; None where it is not known."""
        ...

    def draw(self, rng: np.random.Generator, num: int) -> Draws:
        """``num`` rows."""
        ...

    def check(self, prompt_BP: Ints, answer_BL: Ints) -> Checked:
        """Whether answers are right; any answer the task allows is, not only the drawn one."""
        ...
