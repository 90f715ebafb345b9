"""The ordinary small transformer: it infers what was never told, and not where the association is destroyed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from reasonry.understanding.out_of_context.theory.table import make_table
from reasonry.understanding.out_of_context.theory.transformer import SmallTransformer


@pytest.mark.parametrize(("bridge", "others", "seed"), [(4, 16, 0), (4, 16, 1), (10, 10, 0)])
def test_it_infers_within_a_hundred_steps(bridge: int, others: int, seed: int) -> None:
    table = make_table(5, bridge=bridge, others=others)
    model = SmallTransformer(table, seed=seed)
    before = model.scores(table.test)
    assert before.rank_within == pytest.approx(2, abs=0.3) and before.accuracy < 0.3
    model.advance(0, 50)
    assert model.scores(table.test).rank_within == 0
    assert model.scores(table.test).accuracy > 0.8
    model.advance(50, 100)
    after = model.scores(table.test)
    assert after.rank_all == 0 and after.accuracy == 1


def test_one_bridge_subject_of_twenty_is_enough() -> None:
    table = make_table(5, bridge=1, others=19)
    for seed in (0, 1):
        model = SmallTransformer(table, seed=seed)
        model.advance(0, 200)
        assert model.scores(table.train).loss < 0.1
        assert model.scores(table.test).rank_within < 0.1, "among implications; chance is 2"


def test_permuted_bridges_are_at_chance() -> None:
    ranks = []
    for seed in range(8):
        table = make_table(5, bridge=4, others=16, pairing="permuted-bridge", seed=seed)
        model = SmallTransformer(table, seed=seed)
        model.advance(0, 80)
        ranks.append(model.scores(table.test).rank_within)
    assert np.mean(ranks) == pytest.approx(2, abs=0.5) and min(ranks) > 0.8


def test_large_first_embeddings_infer_less() -> None:
    table = make_table(5, bridge=4, others=16)
    ranks = {}
    for std in (0.02, 1.0):
        model = SmallTransformer(table, embedding_std=std)
        model.advance(0, 60)
        ranks[std] = model.scores(table.test).rank_within
    assert ranks[0.02] == 0 < 0.5 < ranks[1.0]


def test_matrix_is_centred_logits_of_implications() -> None:
    table = make_table(3, bridge=1, others=2)
    model = SmallTransformer(table)
    assert model.matrix.shape == (6, 9)
    assert model.matrix.mean(0) == pytest.approx(np.zeros(9), abs=1e-9)
