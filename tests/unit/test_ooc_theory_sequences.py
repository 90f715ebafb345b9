"""Sequences with noise, their counts, and batches of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.theory.sequences import (
    batch_parts,
    count_matrix,
    counts_of,
    draw_counts,
    draw_questions,
    draw_sequences,
    vocabulary,
)
from reasonry.understanding.out_of_context.theory.table import FACT, IMPLICATION, Questions, make_table

TABLE = make_table(3, bridge=2, others=2)


def test_the_authors_vocabulary_has_128_tokens() -> None:
    tokens = vocabulary(make_table(20, bridge=1, others=3))
    assert tokens.size == 128 == 2 + 20 + 20 + 80 + 5 + 1
    assert tokens.eos == 127 and tokens.num_noise_in == 13


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 20), st.integers(0, 6), st.integers(0, 999))
def test_subject_before_relation_and_the_end_last(length: int, num_noise: int, seed: int) -> None:
    tokens = vocabulary(TABLE, num_noise=num_noise, length=length)
    assert tokens.length == (length if num_noise else 3)
    sequences = draw_sequences(TABLE.train, tokens, np.random.default_rng(seed))
    assert sequences.shape == (len(TABLE.train), tokens.length)
    assert (sequences[:, -1] == tokens.eos).all() and (sequences[:, :-1] != tokens.eos).all()
    is_subject = (sequences >= tokens.num_answers) & (sequences < tokens.first_relation)
    is_relation = (sequences >= tokens.first_relation) & (sequences < tokens.first_noise)
    assert (is_subject.sum(1) == 1).all() and (is_relation.sum(1) == 1).all()
    assert (is_subject.argmax(1) < is_relation.argmax(1)).all()
    assert (sequences[is_subject] - tokens.num_answers == TABLE.train.subject_Q).all()
    assert (sequences[is_relation] - tokens.first_relation == TABLE.train.relation_Q).all()


def test_without_noise_a_sequence_is_subject_relation_end() -> None:
    tokens = vocabulary(TABLE, num_noise=0, length=16)
    sequences = draw_sequences(TABLE.test, tokens, np.random.default_rng(0))
    assert sequences.shape[1] == 3
    assert (sequences[:, 0] == tokens.num_answers + TABLE.test.subject_Q).all()
    assert draw_counts(TABLE.test, tokens, np.random.default_rng(0)).noise_BN.shape == (len(TABLE.test), 0)


def test_counts_have_the_law_of_counted_sequences() -> None:
    tokens = vocabulary(TABLE, num_noise=3, length=7)
    many = Questions(*(np.repeat(column[:1], 40_000) for column in TABLE.train))
    counted = counts_of(draw_sequences(many, tokens, np.random.default_rng(1)), tokens)
    drawn = count_matrix(draw_counts(many, tokens, np.random.default_rng(2)), tokens)
    assert (counted.sum(1) == 7).all() and (drawn.sum(1) == 7).all()
    noise = slice(tokens.first_noise, tokens.eos)
    assert counted[:, noise].mean(0) == pytest.approx(np.full(3, 4 / 3), abs=0.02)
    assert np.cov(counted[:, noise].T) == pytest.approx(np.cov(drawn[:, noise].T), abs=0.03)
    rest = np.delete(counted[0], np.arange(tokens.first_noise, tokens.eos))
    assert (rest == np.delete(drawn[0], np.arange(tokens.first_noise, tokens.eos))).all()


def test_places_of_subject_and_relation_are_uniform_over_pairs() -> None:
    tokens = vocabulary(TABLE, num_noise=2, length=5)
    many = Questions(*(np.repeat(column[:1], 30_000) for column in TABLE.train))
    sequences = draw_sequences(many, tokens, np.random.default_rng(0))
    first = (sequences == tokens.num_answers).argmax(1)
    second = (sequences == tokens.first_relation).argmax(1)
    shares = np.bincount(4 * first + second, minlength=16) / len(first)
    assert np.count_nonzero(shares) == 6 and shares[shares > 0] == pytest.approx(np.full(6, 1 / 6), abs=0.01)


def test_a_batch_is_a_third_of_each_kind() -> None:
    table = make_table(20, bridge=1, others=3)
    drawn = draw_questions(batch_parts(table), 252, np.random.default_rng(0))
    is_bridge = table.is_bridge_S[drawn.subject_Q]
    assert (is_bridge & (drawn.relation_Q == FACT)).sum() == 84
    assert (is_bridge & (drawn.relation_Q == IMPLICATION)).sum() == 84
    assert (~is_bridge).sum() == 84 and not (~is_bridge & (drawn.relation_Q == IMPLICATION)).any()
    right = np.where(drawn.relation_Q == FACT, 0, 20) + table.group_S[drawn.subject_Q]
    assert (drawn.answer_Q == right).all()
    without = draw_questions(batch_parts(make_table(3, pairing="no-bridge")), 11, np.random.default_rng(0))
    assert len(without) == 11 and (without.relation_Q == FACT).all()


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="2 tokens"):
        vocabulary(TABLE, length=2)
