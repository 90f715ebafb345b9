"""The symbolic task: who is asked what, and what mistakes are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.theory.margins import cross_entropy, mid_ranks, score
from reasonry.understanding.out_of_context.theory.table import FACT, IMPLICATION, make_table


def test_authors_order() -> None:
    """Group of subject i is i mod n, and the first quarter are bridges: one of each group."""
    table = make_table(20, bridge=1, others=3)
    assert table.num_subjects == 80 and table.num_columns == 82 and table.num_answers == 40
    assert (table.group_S == np.arange(80) % 20).all()
    assert (table.is_bridge_S == (np.arange(80) < 20)).all()
    assert len(table.train) == 80 + 20 and len(table.test) == 60
    assert table.is_balanced


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=6), st.integers(0, 99))
def test_every_subject_has_its_fact_and_bridges_their_implication(sizes: list[tuple[int, int]], seed: int) -> None:
    bridge, others = [a for a, _ in sizes], [b for _, b in sizes]
    if not sum(others):
        return
    n = len(sizes)
    for pairing in ("true", "permuted-bridge", "no-bridge"):
        table = make_table(n, bridge=bridge, others=others, pairing=pairing, seed=seed)
        facts = table.train.relation_Q == FACT
        assert sorted(table.train.subject_Q[facts]) == list(range(table.num_subjects))
        assert (table.train.answer_Q[facts] == table.group_S[table.train.subject_Q[facts]]).all()
        assert np.bincount(table.group_S[table.is_bridge_S], minlength=n).tolist() == bridge
        learnt = table.train.where(~facts)
        assert not set(learnt.subject_Q) & set(table.test.subject_Q)
        assert (table.test.answer_Q == n + table.group_S[table.test.subject_Q]).all()
        assert (table.test.relation_Q == IMPLICATION).all()
        assert len(learnt) == (0 if pairing == "no-bridge" else sum(bridge))
        if pairing == "true":
            assert (learnt.answer_Q == n + table.group_S[learnt.subject_Q]).all()
        elif pairing == "permuted-bridge":
            right = np.bincount(n + table.group_S[learnt.subject_Q], minlength=2 * n)
            assert (np.bincount(learnt.answer_Q, minlength=2 * n) == right).all(), "as often each as before"


def test_permutation_hangs_on_the_seed() -> None:
    first, again, other = (make_table(5, bridge=4, others=4, pairing="permuted-bridge", seed=s) for s in (0, 0, 1))
    assert (first.train.answer_Q == again.train.answer_Q).all()
    assert (first.train.answer_Q != other.train.answer_Q).any()
    assert not first.is_balanced


@pytest.mark.parametrize(
    "changes",
    [{"bridge": 0}, {"others": 0}, {"bridge": (1, 2)}, {"bridge": (1, -1, 1)}, {"others": (0, 0, 0)}],
)
def test_groups_without_a_bridge_come_only_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make_table(3, **changes)  # pyright: ignore[reportArgumentType]
    assert make_table(3, bridge=(1, 0, 2), others=1).bridge == (1, 0, 2)


def test_other_mistakes() -> None:
    with pytest.raises(ConfigError, match="1 groups"):
        make_table(1)
    with pytest.raises(ConfigError, match="Did you mean 'no-bridge'"):
        make_table(3, pairing="no-bridges")  # pyright: ignore[reportArgumentType]


def test_a_model_that_says_nothing_is_at_chance() -> None:
    table = make_table(5, bridge=4, others=16)
    found = score(np.zeros((len(table.test), table.num_answers)), table.test, table)
    assert found.rank_all == 4.5 and found.rank_within == 2.0 == found.chance_within
    assert found.accuracy == 0.0 and found.loss == pytest.approx(np.log(10))


def test_ranks_and_losses_by_hand() -> None:
    logits = np.array([[1.0, 3.0, 3.0, 0.0], [5.0, 1.0, 1.0, 1.0]])
    assert mid_ranks(logits, np.array([1, 3])).tolist() == [0.5, 2.0]
    exact = np.log(np.exp(logits).sum(1)) - logits[[0, 1], [1, 3]]
    assert cross_entropy(logits, np.array([1, 3])) == pytest.approx(exact)


def test_losses_far_below_the_precision_of_one_are_kept() -> None:
    logits = np.array([[100.0, 0.0, -1.0]])
    assert cross_entropy(logits, np.array([0]))[0] == pytest.approx(np.exp(-100) + np.exp(-101), rel=1e-12)
    assert cross_entropy(logits, np.array([2]))[0] == pytest.approx(101.0)
    assert np.isfinite(cross_entropy(np.array([[1e4, 0.0]]), np.array([1]))).all()
