"""Sequences of the symbolic task as the authors' release draws them, without a loop over them (arXiv 2506.10887).

    T tokens: T - 3 noise tokens drawn independently from a small vocabulary, the subject at a random place, the
    relation at a random place behind it, and EOS last. What is asked for is the answer at EOS.

RECONSTRUCTED: the pair of places of subject and relation is uniform over all pairs in order. With T = 3, or without
noise tokens, a sequence is subject, relation, EOS.

A model without positions that attends linearly sees a sequence only through how often each token occurs in it: with
one-hot rows X^T X = diag(counts). `count_matrix` draws those counts directly. Subject, relation and EOS occur once, and
noise tokens are multinomial, so their law is that of counting in `draw_sequences`.

Tokens: answers 0 .. 2n-1, subjects, two relations, noise, EOS. A model's input weights for subjects and relations are
therefore the columns of `table` in order.

Shapes: B sequences, T tokens, V vocabulary, N noise tokens.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.theory.table import (
    FACT,
    IMPLICATION,
    Floats,
    Ints,
    Questions,
    Table,
)


class Vocabulary(NamedTuple):
    """Which token is what.

    Attributes:
        num_answers: The first tokens.
        num_subjects: After them.
        num_noise: After the two relations that follow.
        length: T.
    """

    num_answers: int
    num_subjects: int
    num_noise: int
    length: int

    @property
    def first_relation(self) -> int:
        """The token of r1; that of r2 follows."""
        return self.num_answers + self.num_subjects

    @property
    def first_noise(self) -> int:
        """The first noise token."""
        return self.first_relation + 2

    @property
    def eos(self) -> int:
        """The last token of the vocabulary and of every sequence."""
        return self.first_noise + self.num_noise

    @property
    def size(self) -> int:
        """V."""
        return self.eos + 1

    @property
    def num_noise_in(self) -> int:
        """Noise tokens in a sequence."""
        return self.length - 3


def vocabulary(table: Table, *, num_noise: int = 5, length: int = 16) -> Vocabulary:
    """The tokens of a task; without noise tokens sequences have three.

    Raises:
        ConfigError: ``length`` below 3, or ``num_noise`` below 0.
    """
    if length < 3 or num_noise < 0:
        raise ConfigError(
            f"sequences of {length} tokens with {num_noise} noise tokens",
            place="length",
            remedy="Use 3 tokens or more, and 0 noise tokens or more.",
        )
    return Vocabulary(table.num_answers, table.num_subjects, num_noise, length if num_noise else 3)


def draw_sequences(questions: Questions, tokens: Vocabulary, rng: np.random.Generator) -> Ints:
    """A sequence for each question, (B, T)."""
    num, length = len(questions), tokens.length
    sequences_BT = np.full((num, length), tokens.eos, dtype=np.int64)
    if tokens.num_noise_in:
        noise = rng.integers(tokens.first_noise, tokens.eos, size=(num, length - 1))
        sequences_BT[:, :-1] = noise
    places_B2 = np.sort(np.argsort(rng.random((num, length - 1)), 1)[:, :2], 1)
    rows = np.arange(num)
    sequences_BT[rows, places_B2[:, 0]] = tokens.num_answers + questions.subject_Q
    sequences_BT[rows, places_B2[:, 1]] = tokens.first_relation + questions.relation_Q
    return sequences_BT


def counts_of(sequences_BT: Ints, tokens: Vocabulary) -> Floats:
    """How often each token occurs, (B, V)."""
    num = len(sequences_BT)
    flat = sequences_BT + tokens.size * np.arange(num)[:, None]
    return np.bincount(flat.ravel(), minlength=num * tokens.size).reshape(num, tokens.size).astype(np.float64)


class Counts(NamedTuple):
    """Sequences by what matters to a model without positions: EOS occurs once in each.

    Attributes:
        subject_B: Token.
        relation_B: Token.
        noise_BN: How often each noise token occurs.
        answer_B: The token that is right.
    """

    subject_B: Ints
    relation_B: Ints
    noise_BN: Floats
    answer_B: Ints


def draw_counts(questions: Questions, tokens: Vocabulary, rng: np.random.Generator) -> Counts:
    """Counts of one sequence for each question: the law of `counts_of` (`draw_sequences`)."""
    noise_BN = np.zeros((len(questions), tokens.num_noise))
    if tokens.num_noise_in:
        law = np.full(tokens.num_noise, 1 / tokens.num_noise)
        noise_BN = rng.multinomial(tokens.num_noise_in, law, size=len(questions)).astype(np.float64)
    return Counts(
        tokens.num_answers + questions.subject_Q,
        tokens.first_relation + questions.relation_Q,
        noise_BN,
        questions.answer_Q,
    )


def count_matrix(counts: Counts, tokens: Vocabulary) -> Floats:
    """Counts as a matrix, (B, V)."""
    num = len(counts.subject_B)
    rows = np.arange(num)
    matrix_BV = np.zeros((num, tokens.size))
    matrix_BV[rows, counts.subject_B] = 1
    matrix_BV[rows, counts.relation_B] = 1
    matrix_BV[:, tokens.first_noise : tokens.eos] = counts.noise_BN
    matrix_BV[:, tokens.eos] = 1
    return matrix_BV


def batch_parts(table: Table) -> list[Questions]:
    """What a batch is made of, in equal parts: facts and implications of bridge subjects, facts of the others."""
    train = table.train
    is_bridge_Q = table.is_bridge_S[train.subject_Q]
    parts = [
        train.where(is_bridge_Q & (train.relation_Q == FACT)),
        train.where(train.relation_Q == IMPLICATION),
        train.where(~is_bridge_Q & (train.relation_Q == FACT)),
    ]
    return [part for part in parts if len(part)]


def draw_questions(parts: list[Questions], num: int, rng: np.random.Generator) -> Questions:
    """``num`` questions with replacement, as many of each part; what does not divide evenly goes to the first ones."""
    sizes = [num // len(parts) + (i < num % len(parts)) for i in range(len(parts))]
    picked = [rng.integers(len(part), size=size) for part, size in zip(parts, sizes, strict=True)]
    columns = [
        np.concatenate([column[at] for column, at in zip(kind, picked, strict=True)])
        for kind in zip(*parts, strict=True)
    ]
    return Questions(*columns)
