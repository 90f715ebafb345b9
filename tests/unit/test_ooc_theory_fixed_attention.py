"""Gradients against autograd, and what gradient descent comes to on two factors and on their product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.errors import CheckFailed, ConfigError
from reasonry.understanding.out_of_context.theory import factors
from reasonry.understanding.out_of_context.theory.closed_form import closed_form, optimum
from reasonry.understanding.out_of_context.theory.fixed_attention import CERTAIN, FixedAttention
from reasonry.understanding.out_of_context.theory.gradients import FixedAttentionLoss
from reasonry.understanding.out_of_context.theory.looks import look, optima_of
from reasonry.understanding.out_of_context.theory.margins import cosine
from reasonry.understanding.out_of_context.theory.table import Table, make_table

TABLE = make_table(4, bridge=1, others=3)
OPTIMA = optima_of(TABLE)
LOG_4 = np.log(4)


def seen(model: FixedAttention) -> dict[str, float]:
    return look(model, is_linear=True, optima=optima_of(model.table))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), st.integers(0, 99))
def test_gradients_are_those_of_autograd(n: int, bridge: int, others: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    table = make_table(n, bridge=bridge, others=others)
    loss = FixedAttentionLoss(table.train, table.num_subjects)
    for kind in ("factorised", "combined", "frozen-value"):
        weights = factors.initial_weights(kind, table.num_answers, table.num_columns, width=3, scale=1.0, seed=seed)
        found = loss(factors.product(weights))
        mine = factors.gradients(kind, weights, found.gradient_CA)
        theirs = {name: torch.tensor(weight, requires_grad=True) for name, weight in weights.items()}
        matrix = theirs["combined"].T if kind == "combined" else theirs["output"] @ theirs["value"].T
        questions = [torch.tensor(column) for column in table.train]
        logits = (matrix[:, questions[0]] + matrix[:, table.num_subjects + questions[1]]).T
        exact = torch.nn.functional.cross_entropy(logits, questions[2])
        exact.backward()
        assert found.loss == pytest.approx(exact.item(), rel=1e-12)
        assert set(mine) == set(weights) - ({"value"} if kind == "frozen-value" else set())
        for name, gradient in mine.items():
            assert gradient == pytest.approx(theirs[name].grad.numpy(), abs=1e-14)


def test_two_factors_infer_what_was_never_told() -> None:
    model = FixedAttention(TABLE, "factorised")
    model.advance(0, 100)
    early = seen(model)
    assert early["train_loss"] == pytest.approx(0.026, abs=0.006)
    assert early["test_loss"] == pytest.approx(0.168, abs=0.03) and early["test_accuracy"] == 1
    model.advance(100, 1000)
    found = seen(model)
    assert found["train_loss"] == pytest.approx(7.3e-4, abs=1e-4)
    assert found["test_loss"] == pytest.approx(0.0105, abs=0.003) and found["test_accuracy"] == 1
    model.advance(1000, 10_000)
    late = seen(model)
    assert late["cosine_nuclear"] == pytest.approx(0.986, abs=0.004)
    assert late["cosine_frobenius"] == pytest.approx(0.892, abs=0.01)
    assert late["nuclear_at_1"] == pytest.approx(optimum(4, 1, 3).nuclear, rel=0.07)
    assert late["nuclear_at_1"] > optimum(4, 1, 3).nuclear
    assert late["margin_ratio"] >= np.sqrt(1 / 3), "the paper's lower bound"


def test_their_product_does_not() -> None:
    model = FixedAttention(TABLE, "combined")
    at = 0
    for steps in (10, 100, 1000, 10_000):
        model.advance(at, steps)
        at, found = steps, seen(model)
        assert found["test_loss"] > LOG_4 and found["test_accuracy"] == 0
        assert found["test_rank_within"] == 1.5
        assert abs(found["test_margin"]) < 1e-4 * found["train_margin"]
        if steps == 1000:
            assert found["train_loss"] == pytest.approx(1.95e-2, abs=1e-3)
            assert found["test_loss"] == pytest.approx(1.62, abs=0.01)
    assert found["cosine_frobenius"] == pytest.approx(0.997, abs=0.002)
    assert found["cosine_nuclear"] == pytest.approx(0.927, abs=0.005)
    assert found["frobenius_sq_at_1"] == pytest.approx(optimum(4, 1, 3, norm="frobenius").frobenius_sq, rel=0.2)


@pytest.mark.slow
def test_after_a_hundred_thousand_steps() -> None:
    factorised, combined = FixedAttention(TABLE, "factorised"), FixedAttention(TABLE, "combined")
    factorised.advance(0, 100_000)
    combined.advance(0, 100_000)
    first, second = seen(factorised), seen(combined)
    assert first["nuclear_at_1"] == pytest.approx(10.589, abs=0.1)
    assert first["margin_ratio"] == pytest.approx(0.739, abs=0.04)
    assert second["frobenius_sq_at_1"] == pytest.approx(21.43, abs=0.05)
    assert LOG_4 < second["test_loss"] == pytest.approx(1.471, abs=0.003)


def test_its_test_block_stays_exactly_constant_in_every_column() -> None:
    model = FixedAttention(TABLE, "combined")
    model.advance(0, 2000)
    block = model.matrix[4:, :-2][:, ~TABLE.is_bridge_S]
    assert np.abs(block - block.mean(0)).max() < 1e-8
    assert np.abs(model.matrix[:4, :-2]).max() > 1, "while what was told is learnt"


def test_from_random_weights_the_test_block_stays_where_it_was() -> None:
    model = FixedAttention(TABLE, "combined")
    start = 1e-4 * np.random.default_rng(0).normal(size=model.weights["combined"].shape)
    model.weights["combined"] = start.copy()
    model.advance(0, 1000)
    others = np.flatnonzero(~TABLE.is_bridge_S)
    moved = model.weights["combined"][others][:, 4:] - start[others][:, 4:]
    assert np.abs(moved - moved.mean(1, keepdims=True)).max() < 1e-4, "what it says about implications never grows"


def test_normalised_steps_come_closer() -> None:
    combined = FixedAttention(TABLE, "combined", lr=0.05, descent="normalised")
    combined.advance(0, 3000)
    found = seen(combined)
    assert found["frobenius_sq_at_1"] == pytest.approx(19.64, abs=0.1)
    assert LOG_4 < found["test_loss"] == pytest.approx(1.3865, abs=1e-3)
    assert cosine(combined.matrix, closed_form(TABLE, norm="frobenius")) > 0.998


def test_it_ends_before_digits_are_lost() -> None:
    """Past this loss a normalised step divides 0 by 0."""
    model = FixedAttention(TABLE, "factorised", lr=0.05, descent="normalised")
    done = model.advance(0, 3000)
    assert done < 3000 and "no digits" in model.ended
    found = seen(model)
    assert found["train_loss"] < CERTAIN and np.isfinite(model.matrix).all()
    assert found["nuclear_at_1"] == pytest.approx(optimum(4, 1, 3).nuclear, rel=0.02)
    assert model.advance(done, 3000) == done, "and it stays ended"


def test_one_factor_alone_infers_nothing_in_general() -> None:
    accuracies, losses = [], []
    for seed in range(6):
        model = FixedAttention(TABLE, "frozen-value", seed=seed)
        model.advance(0, 3000)
        found = seen(model)
        assert found["train_loss"] < 0.02
        accuracies.append(found["test_accuracy"])
        losses.append(found["test_loss"])
    assert np.mean(accuracies) < 0.5 and min(losses) > 1.2, "chance is 0.25 and log 4"


@pytest.mark.parametrize(("n", "bridge", "others"), [(3, 2, 1), (5, 4, 16), (6, 3, 1)])
def test_other_sizes(n: int, bridge: int, others: int) -> None:
    table = make_table(n, bridge=bridge, others=others)
    for kind, mine, other in (("factorised", "nuclear", "frobenius"), ("combined", "frobenius", "nuclear")):
        model = FixedAttention(table, kind)
        model.advance(0, 3000)
        found = seen(model)
        assert found[f"cosine_{mine}"] > 0.97 and found[f"cosine_{mine}"] > found[f"cosine_{other}"]


def test_a_group_without_a_bridge_stays_at_chance_while_others_are_inferred() -> None:
    table = make_table(4, bridge=(2, 2, 0, 2), others=3)
    model = FixedAttention(table, "factorised")
    model.advance(0, 1000)
    alone = table.test.answer_Q == 4 + 2
    assert model.scores(table.test.where(~alone)).rank_within == 0
    assert model.scores(table.test.where(alone)).rank_within >= 1.5


def _mean_rank(pairing: str) -> float:
    ranks = []
    for seed in range(40):
        table: Table = make_table(5, bridge=4, others=4, pairing=pairing, seed=seed)  # pyright: ignore[reportArgumentType]
        model = FixedAttention(table, "factorised", seed=seed)
        model.advance(0, 150)
        ranks.append(model.scores(table.test).rank_within)
    return float(np.mean(ranks))


def test_controls_are_at_chance() -> None:
    assert _mean_rank("permuted-bridge") == pytest.approx(2.0, abs=0.35)
    assert _mean_rank("no-bridge") == pytest.approx(2.0, abs=0.35)
    assert _mean_rank("true") == 0


def test_same_seed_same_weights_and_mistakes() -> None:
    models = [FixedAttention(TABLE, seed=seed) for seed in (1, 1, 2)]
    for model in models:
        model.advance(0, 50)
    assert (models[0].matrix == models[1].matrix).all() and (models[0].matrix != models[2].matrix).any()
    with pytest.raises(ConfigError, match="Did you mean 'factorised'"):
        FixedAttention(TABLE, "factorized")  # pyright: ignore[reportArgumentType]
    with pytest.raises(CheckFailed, match="lr"), np.errstate(all="ignore"):
        FixedAttention(TABLE, lr=1e200).advance(0, 20)
