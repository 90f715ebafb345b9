"""A pilot as arrays: what a plan needs to know of every prompt's pool of samples.

Symbols: P prompts, M the largest pool, K the most distinct answers of one prompt. Pools are padded to M with silent
samples that are not ``valid``. Answer 0 of a prompt is its leader: most votes, ties in order of first appearance.

Without any label the leader stands for the right answer: a plan is then for the mode of the model's answers. With
labels on some prompts the others are left out of every accuracy, and counted. An answer that was called right once is
right, as in `reasonry.test_time.votes`; a sample whose label is unknown in a labelled pool counts as not right.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import DataError
from reasonry.test_time.pool_files import Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Goal = Literal["right answer", "mode"]

_ROWS = ("_P", "PM", "PK")  # endings of the arrays with a row for each prompt

SILENT = -1
"""Code of a sample without an answer."""


class TokenCount(NamedTuple):
    """Completion tokens of one sample: mean over prompts, standard deviation over samples, and how many were known."""

    mean_tok: float
    sd_tok: float
    num_known: int


@dataclass(frozen=True)
class Pilot:
    """Pools of P prompts.

    Attributes:
        ids: The prompts.
        leaders: The leading answer of each and the one after it; None where there is none.
        code_PM: Answer of each sample, `SILENT` for none and for padding.
        valid_PM: Whether the entry is a sample.
        score_PM: NaN when unknown.
        correct_PM: The sample is right.
        accepted_PM: A verifier accepted it: 1, 0, or -1 when unknown.
        votes_PK: Votes of each answer, most first.
        right_PK: The answer is right.
        num_samples_P: Pool sizes.
        is_labelled_P: Somebody said what is right.
        is_one_text_P: All samples are the same text.
        goal: What counts as success; ``mode`` when no prompt is labelled.
    """

    ids: tuple[str, ...]
    leaders: tuple[tuple[str | None, str | None], ...]
    code_PM: IntArray
    valid_PM: BoolArray
    score_PM: FloatArray
    correct_PM: BoolArray
    accepted_PM: NDArray[np.int8]
    votes_PK: IntArray
    right_PK: BoolArray
    num_samples_P: IntArray
    is_labelled_P: BoolArray
    is_one_text_P: BoolArray
    goal: Goal

    @property
    def num_prompts(self) -> int:
        """P."""
        return len(self.ids)

    @property
    def num_silent_P(self) -> IntArray:
        """Samples without an answer."""
        return self.num_samples_P - self.votes_PK.sum(axis=1)

    @property
    def num_right_P(self) -> IntArray:
        """Right samples."""
        return self.correct_PM.sum(axis=1)

    @property
    def has_answers(self) -> bool:
        """Whether any sample of any prompt holds an answer."""
        return bool(self.votes_PK.any())

    @property
    def has_scores(self) -> bool:
        """Whether any sample has a score."""
        return not bool(np.isnan(self.score_PM).all())

    @property
    def has_flags(self) -> bool:
        """Whether every sample has a verifier's verdict."""
        return bool((self.accepted_PM[self.valid_PM] >= 0).all())

    def take(self, keep_P: BoolArray) -> Pilot:
        """The prompts where ``keep_P`` holds."""
        at: list[int] = np.flatnonzero(keep_P).tolist()
        arrays = {field.name: getattr(self, field.name)[keep_P] for field in fields(self) if field.name[-2:] in _ROWS}
        return replace(self, ids=tuple(self.ids[i] for i in at), leaders=tuple(self.leaders[i] for i in at), **arrays)


def count_tokens(pools: Sequence[Pool]) -> TokenCount | None:
    """Tokens of a sample; None when no pool knows any. Every prompt weighs the same, as every one gets n samples."""
    known = [np.array([t for t in pool.num_tok if t is not None], dtype=np.float64) for pool in pools]
    known = [tokens for tokens in known if tokens.size]
    if not known:
        return None
    flat = np.concatenate(known)
    return TokenCount(math.fsum(float(t.mean()) for t in known) / len(known), float(flat.std()), flat.size)


def make_pilot(pools: Sequence[Pool]) -> Pilot:
    """Turn pools into arrays.

    Raises:
        DataError: There is no pool.
    """
    if not pools:
        raise DataError("a pilot without prompts plans nothing", remedy="Give samples of at least one prompt.")
    num, most = len(pools), max(pool.num_samples for pool in pools)
    counts = [Counter(a for a in pool.answers if a is not None) for pool in pools]
    ranked = [tally.most_common() for tally in counts]
    width = max(1, max(len(names) for names in ranked))
    code_PM = np.full((num, most), SILENT, dtype=np.int64)
    valid_PM = np.zeros((num, most), dtype=bool)
    score_PM = np.full((num, most), np.nan)
    correct_PM = np.zeros((num, most), dtype=bool)
    accepted_PM = np.full((num, most), -1, dtype=np.int8)
    votes_PK = np.zeros((num, width), dtype=np.int64)
    right_PK = np.zeros((num, width), dtype=bool)
    is_labelled_P = np.array([pool.is_labelled for pool in pools])
    goal: Goal = "right answer" if is_labelled_P.any() else "mode"
    for row, (pool, names) in enumerate(zip(pools, ranked, strict=True)):
        size = pool.num_samples
        number: dict[str | None, int] = {name: at for at, (name, _) in enumerate(names)}
        number[None] = SILENT
        code_PM[row, :size] = [number[a] for a in pool.answers]
        valid_PM[row, :size] = True
        score_PM[row, :size] = pool.scores
        accepted_PM[row, :size] = [-1 if flag is None else int(flag) for flag in pool.accepted]
        votes_PK[row, : len(names)] = [votes for _, votes in names]
        if goal == "mode":
            correct_PM[row] = code_PM[row] == 0
            right_PK[row, 0] = bool(names)
        else:
            correct_PM[row, :size] = [c is True for c in pool.correct]
            called_right = code_PM[row, correct_PM[row]]
            right_PK[row, called_right[called_right >= 0]] = True
    return Pilot(
        ids=tuple(pool.id for pool in pools),
        leaders=tuple(_leaders([name for name, _ in names[:2]]) for names in ranked),
        code_PM=code_PM,
        valid_PM=valid_PM,
        score_PM=score_PM,
        correct_PM=correct_PM,
        accepted_PM=accepted_PM,
        votes_PK=votes_PK,
        right_PK=right_PK,
        num_samples_P=valid_PM.sum(axis=1),
        is_labelled_P=is_labelled_P,
        is_one_text_P=np.array([pool.is_one_text for pool in pools]),
        goal=goal,
    )


def _leaders(names: Sequence[str]) -> tuple[str | None, str | None]:
    return (names[0] if names else None, names[1] if len(names) > 1 else None)
