"""The one-layer model: its formula, its gradients, its optimiser, and what it learns at the authors' scale."""

from __future__ import annotations

import numpy as np
import pytest

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.theory import one_layer
from reasonry.understanding.out_of_context.theory.adamw import AdamW
from reasonry.understanding.out_of_context.theory.one_layer_training import BLOCK, OneLayer
from reasonry.understanding.out_of_context.theory.sequences import (
    count_matrix,
    counts_of,
    draw_counts,
    draw_sequences,
    vocabulary,
)
from reasonry.understanding.out_of_context.theory.table import Table, make_table

SMALL = make_table(3, bridge=1, others=2)
AUTHORS = make_table(20, bridge=1, others=3)
LOG_20 = np.log(20)
SWITCHES = [(ov, kq) for ov in ("factorised", "combined") for kq in ("factorised", "combined")]


@pytest.mark.parametrize(("output_value", "key_query"), SWITCHES)
def test_formula_and_gradients_are_those_of_the_dense_model(output_value: str, key_query: str) -> None:
    """f(X) = W_O W_V^T X^T X W_KQ x_T on one-hot sequences, token by token, and autograd through it."""
    torch = pytest.importorskip("torch")
    tokens = vocabulary(SMALL, num_noise=2, length=7)
    weights = one_layer.initial_weights(tokens, output_value, key_query, width=5, init="default", seed=1)  # pyright: ignore
    sequences = draw_sequences(SMALL.train, tokens, np.random.default_rng(0))
    answers = SMALL.train.answer_Q
    mine = one_layer.loss_and_gradients(weights, counts_of(sequences, tokens), answers)

    theirs = {name: torch.tensor(weight, requires_grad=True) for name, weight in weights.items()}
    one_hot = torch.eye(tokens.size, dtype=torch.float64)[torch.tensor(sequences)]  # (B, T, V)
    w_ov = theirs["combined"].T if "combined" in theirs else theirs["output"] @ theirs["value"].T
    u = theirs["key"].T @ theirs["query"] if "key" in theirs else theirs["query"]
    w_kq = torch.zeros(tokens.size, tokens.size, dtype=torch.float64)
    w_kq = torch.cat([w_kq[:, :-1], u[:, None]], 1)  # only the column of EOS acts
    logits = torch.stack([w_ov @ x.T @ x @ w_kq @ x[-1] for x in one_hot])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(answers))
    loss.backward()
    assert mine.loss == pytest.approx(loss.item(), rel=1e-12)
    assert set(mine.gradients) == set(theirs)
    for name, gradient in mine.gradients.items():
        assert gradient == pytest.approx(theirs[name].grad.numpy(), abs=1e-14), name
    plain = one_layer.logits_of(weights, counts_of(sequences, tokens))
    assert plain == pytest.approx(logits.detach().numpy(), abs=1e-12)


def test_sparse_counts_are_the_matrix() -> None:
    tokens = vocabulary(AUTHORS)
    counts = draw_counts(AUTHORS.train, tokens, np.random.default_rng(0))
    assert (one_layer.sparse_counts(counts, tokens).toarray() == count_matrix(counts, tokens)).all()


def test_adamw_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    theirs = {name: torch.nn.Parameter(torch.tensor(weight)) for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(theirs.values(), lr=0.01, weight_decay=0.1)
    mine = AdamW(weights, lr=0.01, weight_decay=0.1)
    for at in range(20):
        gradients = {name: rng.normal(size=weight.shape) * 1e-4 for name, weight in weights.items()}
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(gradients[name])
        optimizer.step()
        mine.step(weights, gradients, at)
    for name, weight in weights.items():
        assert weight == pytest.approx(theirs[name].detach().numpy(), abs=1e-12)


def test_effective_matrix_gives_mean_margins() -> None:
    model = OneLayer(SMALL, init="default", num_noise=2, length=9)
    model.advance(0, 40)
    counts = count_matrix(draw_counts(SMALL.train, model.tokens, np.random.default_rng(0)), model.tokens)
    counts[:, model.tokens.first_noise : model.tokens.eos] = 6 / 2  # the mean of six noise tokens of two kinds
    exact = one_layer.logits_of(model.weights, counts)[:, : SMALL.num_answers]
    matrix, questions = model.matrix, SMALL.train
    mine = (matrix[:, questions.subject_Q] + matrix[:, SMALL.num_subjects + questions.relation_Q]).T
    assert mine - mine.mean(1, keepdims=True) == pytest.approx(exact - exact.mean(1, keepdims=True), abs=1e-10)


def test_batches_hang_on_seed_and_step_alone() -> None:
    first, second = OneLayer(SMALL, batch_size=9), OneLayer(SMALL, batch_size=9)
    first.advance(0, BLOCK + 5)
    for at in range(BLOCK + 5):
        second.advance(at, at + 1)
    assert all((first.weights[name] == weight).all() for name, weight in second.weights.items())
    other = OneLayer(SMALL, batch_size=9, seed=1)
    other.advance(0, BLOCK + 5)
    assert (other.weights["output"] != first.weights["output"]).any()


def test_product_at_the_authors_scale_infers_nothing() -> None:
    model = OneLayer(AUTHORS, "combined")
    at = 0
    for steps, loss in ((300, 3.13), (2000, 3.03)):
        model.advance(at, steps)
        at, found = steps, model.scores(AUTHORS.test)
        assert LOG_20 <= found.loss == pytest.approx(loss, abs=0.02)
        assert found.rank_within == pytest.approx(9.5, abs=1.5)
    assert model.scores(AUTHORS.train).loss == pytest.approx(0.006, abs=0.002)


@pytest.mark.parametrize("init", ["identity", "default"])
def test_two_factors_at_the_authors_scale_infer_it_all(init: str) -> None:
    model = OneLayer(AUTHORS, "factorised", init=init)  # pyright: ignore[reportArgumentType]
    model.advance(0, 300)
    early = model.scores(AUTHORS.test)
    assert early.accuracy > (0.6 if init == "identity" else 0.95)
    model.advance(300, 2000)
    late = model.scores(AUTHORS.test)
    assert late.accuracy > 0.95 and late.loss < 0.1 and late.rank_within == 0
    assert late.loss < early.loss


def test_rank_four_is_enough_and_three_is_not() -> None:
    found = {}
    for width in (4, 3):
        model = OneLayer(AUTHORS, "factorised", init="default", width=width, seed=2)
        model.advance(0, 4000)
        found[width] = model.scores(AUTHORS.test)
        assert model.scores(AUTHORS.train).loss < 0.01
    assert found[4].accuracy == 1 and found[4].loss < 0.2
    assert found[3].accuracy < 0.9 and found[3].loss > 1


def test_controls_and_odd_tables_run() -> None:
    for table in (make_table(3, pairing="no-bridge"), make_table(3, pairing="permuted-bridge", bridge=2)):
        model = OneLayer(table, batch_size=10, num_noise=0)
        model.advance(0, 30)
        assert np.isfinite(model.scores(table.test).loss)


def test_all_attention_switches_learn() -> None:
    table: Table = make_table(4, bridge=2, others=2)
    for key_query in ("combined", "factorised"):
        model = OneLayer(table, key_query=key_query, init="default", batch_size=48)
        model.advance(0, 300)
        assert model.scores(table.train).accuracy == 1


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'identity'"):
        OneLayer(SMALL, init="identty")  # pyright: ignore[reportArgumentType]
