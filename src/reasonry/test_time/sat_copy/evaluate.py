"""Greedy first attempt, exact verdict, greedy second attempt, on fresh prompts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

from reasonry.core import seeds
from reasonry.core.tiny import Cache, TinyGPT, greedy
from reasonry.test_time.sat_copy import data
from reasonry.test_time.sat_copy.config import Feedback, SatCopyConfig
from reasonry.test_time.sat_copy.data import Flags, Prompts

VerdictShown = Literal["true", "always-ok", "inverted"]
"""What the model is told after its first attempt: the truth, that it was right, or the opposite of the truth."""

_BATCH = 500


class Evaluation(NamedTuple):
    """One row per test prompt; each field has shape (B,).

    Attributes:
        length_B: String length.
        is_sat_B: Whether the formula is satisfiable.
        copy_right_B: Whether the string itself is the right answer: satisfiable, or a palindrome.
        first_copies_B: Whether the first attempt is the string itself.
        first_right_B: Whether the first attempt is right.
        second_right_B: Whether the second one is; the first again without feedback.
    """

    length_B: np.ndarray
    is_sat_B: Flags
    copy_right_B: Flags
    first_copies_B: Flags
    first_right_B: Flags
    second_right_B: Flags

    @property
    def num(self) -> int:
        """Prompts."""
        return len(self.is_sat_B)

    @property
    def first(self) -> float:
        """Accuracy of the first attempt."""
        return float(self.first_right_B.mean())

    @property
    def copying(self) -> float:
        """Accuracy that copying every string would have on these prompts."""
        return float(self.copy_right_B.mean())

    @property
    def second(self) -> float:
        """Accuracy of the second attempt."""
        return float(self.second_right_B.mean())

    def at(self, rows: np.ndarray) -> Evaluation:
        """The prompts chosen by a mask, such as ``found.length_B == 5``."""
        return Evaluation(*(field[rows] for field in self))


def evaluate(
    model: TinyGPT, config: SatCopyConfig, *, part: str = "test", num: int, shown: VerdictShown = "true"
) -> Evaluation:
    """Accuracy on ``num`` fresh prompts of each string length.

    Args:
        model: In any mode, on any device.
        config: Task and seed.
        part: Names the random stream; the same name gives the same prompts.
        num: Prompts of each length.
        shown: What the verdict token says.
    """
    rows: list[Evaluation] = []
    for length in config.lengths:
        for block, first in enumerate(range(0, num, _BATCH)):
            prompts = data.draw_prompts(
                seeds.stream(config.seed, "sat-copy", part, length, block),
                min(_BATCH, num - first),
                num_clauses=config.num_clauses,
                length=length,
                sat_share=config.test_sat_share,
            )
            rows.append(_answer(model, prompts, shown=shown, feedback=config.feedback))
    return Evaluation(*(np.concatenate(field) for field in zip(*rows, strict=True)))


def _answer(model: TinyGPT, prompts: Prompts, *, shown: VerdictShown, feedback: Feedback) -> Evaluation:
    device = next(model.parameters()).device
    length = prompts.string_Bn.shape[1]
    cache = Cache()
    first = greedy(model, torch.from_numpy(prompts.tokens_BT).to(device), num_new=length, cache=cache)
    first_Bn = first.cpu().numpy()
    first_right_B = (first_Bn == prompts.answer_Bn).all(1)
    second_right_B = first_right_B
    if feedback == "verifier":
        says_ok_B = {"true": first_right_B, "always-ok": np.ones_like(first_right_B), "inverted": ~first_right_B}[shown]
        token_B = torch.from_numpy(np.where(says_ok_B, data.OK, data.BAD)).to(device)
        read = torch.cat([first[:, -1:], token_B[:, None]], 1)
        second_Bn = greedy(model, read, num_new=length, cache=cache).cpu().numpy()
        second_right_B = (second_Bn == prompts.answer_Bn).all(1)
    return Evaluation(
        length_B=np.full(len(first_Bn), length),
        is_sat_B=prompts.is_sat_B,
        copy_right_B=(prompts.string_Bn == prompts.answer_Bn).all(1),
        first_copies_B=(first_Bn == prompts.string_Bn).all(1),
        first_right_B=first_right_B,
        second_right_B=second_right_B,
    )
