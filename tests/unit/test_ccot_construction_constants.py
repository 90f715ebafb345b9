"""Strengths of the explicit transformer: the numbers, what they have to achieve, and which formats can hold them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.graph import distances
from reasonry.tasks.graphs.stress import random_graph
from reasonry.training.continuous_cot.construction.attention import attention_of
from reasonry.training.continuous_cot.construction.check import check_set
from reasonry.training.continuous_cot.construction.constants import (
    Constants,
    frequencies,
    position_gap,
    sufficient_constants,
)
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction
from reasonry.training.continuous_cot.construction.precision import rounding
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary, prompt
from reasonry.training.continuous_cot.construction.weights import choosers, make_weights, position_code, rotation

GRAPHS = [random_graph(seeds.stream(0, "test", "constants", i)) for i in range(15)]


@pytest.mark.parametrize(
    ("num_dims", "eps_t", "xi", "eta"), [(64, 0.623, 205, 16.1), (16, 0.0551, 580, 183), (8, 0.00505, 3171, 1990)]
)
def test_the_sufficient_constants_are_the_known_ones(num_dims: int, eps_t: float, xi: float, eta: float) -> None:
    found = sufficient_constants(30, 217, num_position_dims=num_dims, sink_fix=False, dense_fix=False)
    assert found.eps_t == pytest.approx(eps_t, rel=2e-3)
    assert found.xi == pytest.approx(xi, rel=2e-3)
    assert found.eta == pytest.approx(eta, rel=4e-3)
    assert found.tau == pytest.approx(170, rel=1e-3)
    assert found.tau == pytest.approx(math.sqrt(3 * 31) * math.log(32 * 30 * 217**2))
    assert (found.eps1, found.eps2, found.tau_s) == (1 / (2 * math.sqrt(30)), 1 / 120, 0.0)


def test_the_sink_raises_the_sharpness_of_layer_2() -> None:
    found = sufficient_constants(30, 217, dense_fix=False)
    assert found.tau_s == pytest.approx(math.log(16 * 30 * 217))
    assert found.tau == pytest.approx(math.sqrt(90) * (math.log(16 * 30 * 217**2) + found.tau_s * math.sqrt(30)))


def test_the_threshold_of_layer_2_knows_how_many_edges_fit() -> None:
    assert sufficient_constants(30, 217).eps2 == pytest.approx(1 / (2 * math.sqrt(3) * 70))  # (217 - 7) / 3 edges
    few = sufficient_constants(30, 3 * 30 + 7)
    assert few.eps2 == 1 / 120  # 30 edges: the published threshold is the lower one


@given(
    n_max=st.integers(3, 200),
    max_len=st.integers(7, 400),
    num_dims=st.sampled_from([4, 8, 16, 64]),
    sink_fix=st.booleans(),
)
def test_the_constants_suffice_by_arithmetic(n_max: int, max_len: int, num_dims: int, sink_fix: bool) -> None:
    c = sufficient_constants(n_max, max_len, num_position_dims=num_dims, sink_fix=sink_fix)
    others = max_len - 1
    # Layer 1: at most eps1 / 5 of the attention of each of five heads is elsewhere.
    for lead in (c.eta * c.eps_t, c.eta * num_dims):
        assert others / (math.exp(min(lead, 700.0)) + others) < c.eps1 / 5
    num_edges = max(1, (max_len - 7) // 3)
    for k in {1, 2, n_max // 2, n_max}:
        # Layer 2: an edge that leaves a thought of k vertices leads everything else, the sink included; the rest leaks
        # less than the threshold, and a vertex that one of all edges enters stays above it.
        lead = c.tau / math.sqrt(3 * k) - c.tau_s * math.sqrt(k)
        leak = max_len * math.exp(-lead)
        assert leak / math.sqrt(3) < c.eps2
        assert (1 - leak) / (math.sqrt(3) * num_edges) > c.eps2
        asked = c.tau / math.sqrt(3 * (k + 1)) - c.tau_s / math.sqrt(k + 1)
        assert max_len * math.exp(-asked) < c.eps2
        if sink_fix:  # when no edge leaves
            assert max_len * math.exp(-c.tau_s * math.sqrt(k)) / math.sqrt(3) < c.eps2
        assert 1 / math.sqrt(n_max) > max(c.eps1, c.eps2)


def test_position_codes_turn_by_the_rotation_and_resemble_by_cosines() -> None:
    P = 8
    codes = position_code(np.arange(1, 40), P)
    for lag in (1, 2):
        np.testing.assert_allclose(codes[:-lag] @ rotation(lag, P).T, codes[lag:], atol=1e-14)
    inner = codes @ codes.T
    apart = np.arange(39)[:, None] - np.arange(39)
    np.testing.assert_allclose(inner, np.cos(apart[..., None] * frequencies(P)).sum(-1), atol=1e-13)
    np.testing.assert_allclose(frequencies(P), [1e-1, 1e-2, 1e-3, 1e-4])
    off_diagonal = inner[~np.eye(39, dtype=bool)]
    assert position_gap(39, P) == pytest.approx(P / 2 - off_diagonal.max(), rel=1e-9)


def test_the_position_gap_keeps_its_digits_where_cosines_lose_them() -> None:
    # P = 2: 1 - cos(1e-4) = 5e-9 (1 - 1e-8 / 12)
    assert position_gap(5, 2) == pytest.approx(5e-9 * (1 - 1e-8 / 12), rel=1e-12)


def test_scores_of_the_choosers_are_those_of_the_formula() -> None:
    v, P, T = Vocabulary(5), 8, 20
    c = sufficient_constants(5, T, num_position_dims=P)
    w = make_weights(v, T, num_position_dims=P, constants=c)
    rng = seeds.stream(0, "test", "scores")
    content = rng.normal(size=(T, v.size))
    h = np.concatenate([content, rng.normal(size=(T, 2 * v.size)), w.position_TP], 1)
    for number, head in enumerate(choosers(v)):
        found = (h @ w.query1_HKD[number].T) @ (h @ w.key1_HKD[number].T).T
        later = position_code(np.arange(1, T + 1) + head.lag, P)
        others = content.sum(1) - content[:, head.token]
        to_sink = w.position_TP[0] @ w.position_TP.T
        wanted = c.eta * (w.position_TP @ later.T + c.xi * np.outer(others, to_sink))
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * abs(wanted).max())
    found = (h @ w.query2_VD.T) @ (h @ w.key2_VD.T).T
    sources = h[:, v.size : 2 * v.size]
    wanted = c.tau * (content @ sources.T + np.outer(content[:, v.answer], content[:, v.root]))
    wanted += c.tau_s * np.outer(content.sum(1), content[:, v.start])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * abs(wanted).max())


def test_every_token_that_is_no_chooser_rests_on_the_start() -> None:
    model = SuperpositionConstruction(30, 217)
    graph = GRAPHS[0]
    seen = attention_of(model, graph, 2)
    tokens = [*prompt(graph, model.vocabulary), -1, -1, model.vocabulary.answer]
    for number, head in enumerate(choosers(model.vocabulary)):
        for index, token in enumerate(tokens):
            at = index - head.lag if token == head.token else 0
            assert float(seen.layer1_HTT[number, index, at]) > 1 - model.constants.eps1 / 5


# ---------------------------------------------------------------- how much too weak is too weak


def scaled(**factors: float) -> SuperpositionConstruction:
    constants = sufficient_constants(30, 217, sink_fix=False, dense_fix=False)
    changed = {name: getattr(constants, name) * factor for name, factor in factors.items()}
    return SuperpositionConstruction(30, 217, constants=constants._replace(**changed))


def test_a_tenth_of_the_sharpness_of_layer_1_breaks_every_graph() -> None:
    assert len(check_set(scaled(eta=0.1), GRAPHS).wrong) == 15


@pytest.mark.parametrize(("name", "factor"), [("eta", 0.5), ("eta", 0.25), ("tau", 0.5), ("xi", 0.5), ("xi", 0.1)])
def test_the_sufficient_sharpness_is_more_than_is_needed(name: str, factor: float) -> None:
    assert check_set(scaled(**{name: factor}), GRAPHS).wrong == ()


def test_a_tenth_of_the_sharpness_of_layer_2_breaks_graphs_of_which_much_is_reached() -> None:
    wrong = check_set(scaled(tau=0.1), GRAPHS).wrong
    reached = [sum(d is not None for d in distances(graph)) for graph in GRAPHS]
    assert 3 <= len(wrong) < 15
    # A thought of k vertices sees its edges tau / sqrt(3 k) above all others.
    assert min(reached[i] for i in wrong) > min(reached)
    assert len(check_set(scaled(tau=0.01), GRAPHS).wrong) == 15


def test_a_sink_that_hardly_weighs_more_breaks_layer_1() -> None:
    assert len(check_set(scaled(xi=1e-3), GRAPHS).wrong) == 15


# ---------------------------------------------------------------- number formats


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused_with_its_reason(dtype: torch.dtype) -> None:
    with pytest.raises(ConfigError, match=r"eta xi = 1\.06e\+05.*float16 overflows at 65504.*Use float32 or float64"):
        SuperpositionConstruction(30, 217, dtype=dtype)
    model = SuperpositionConstruction(30, 217)
    for change in (lambda: model.to(dtype), model.half, model.bfloat16):
        with pytest.raises(ConfigError, match="Use float32 or float64"):
            change()
    assert model.dtype == torch.float32
    assert check_set(model, GRAPHS[:2]).wrong == ()  # as it was


def test_the_two_formats_change_into_each_other() -> None:
    model = SuperpositionConstruction(30, 217).double()
    assert model.dtype == torch.float64
    assert check_set(model, GRAPHS[:3]).wrong == ()
    assert check_set(model.float(), GRAPHS[:3]).wrong == ()


def test_a_format_too_coarse_for_the_position_code_is_refused_and_a_finer_one_is_exact() -> None:
    with pytest.raises(ConfigError, match=r"float32 with num_position_dims = 2.*too coarsely.*Use float64"):
        SuperpositionConstruction(30, 217, num_position_dims=2)
    fine = SuperpositionConstruction(30, 217, num_position_dims=2, dtype=torch.float64)
    assert check_set(fine, GRAPHS[:5]).wrong == ()
    with pytest.raises(ConfigError, match="too coarsely"):
        fine.float()


def test_the_bound_on_rounding_covers_what_rounding_does() -> None:
    P, n_max, T = 8, 30, 217
    c = sufficient_constants(n_max, T, num_position_dims=P)
    v = Vocabulary(n_max)
    w = make_weights(v, T, num_position_dims=P, constants=c)
    content = np.zeros((T, 3 * v.size))
    content[:, v.edge] = 1.0
    h = np.concatenate([content, w.position_TP], 1)
    exactly = (h @ w.query1_HKD[0].T) @ (h @ w.key1_HKD[0].T).T
    rounded = [torch.from_numpy(x).float() for x in (h, w.query1_HKD[0], w.key1_HKD[0])]
    found = ((rounded[0] @ rounded[1].T) @ (rounded[0] @ rounded[2].T).T).double().numpy()
    share = rounding(c, 2.0**-24, n_max=n_max, num_position_dims=P)
    error = 2.0 * abs(found - exactly).max() / math.log(2.0)  # of two scores that compete, of ln 2 nats
    assert 0.0 < error < share < 1.0


def test_autocast_around_it_changes_nothing() -> None:
    model = SuperpositionConstruction(30, 217)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert check_set(model, GRAPHS[:3]).wrong == ()


def test_products_with_fewer_bits_are_refused() -> None:
    model = SuperpositionConstruction(30, 217)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(ConfigError, match=r"precision 'medium'.*set_float32_matmul_precision\(\"highest\"\)"):
            model.answer(GRAPHS[0], 1)
        assert check_set(model.double(), GRAPHS[:2]).wrong == ()
    finally:
        torch.set_float32_matmul_precision(before)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_max": 2, "max_len": 50}, "n_max = 2 leaves no room for a root and two candidates.*at least 3"),
        ({"n_max": 9, "max_len": 6}, r"max_len = 6: a graph without edges already takes 7 positions.*3 edges \+ 7"),
        ({"n_max": 9, "max_len": 50, "num_position_dims": 7}, "num_position_dims = 7.*even number"),
        ({"n_max": 9, "max_len": 50, "num_position_dims": 0}, "num_position_dims = 0.*even number"),
    ],
)
def test_a_size_for_which_there_is_no_construction_is_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SuperpositionConstruction(**sizes)


def test_constants_may_be_given() -> None:
    given_ones = Constants(eps1=0.1, eps2=0.01, eps_t=0.05, xi=600.0, eta=200.0, tau=900.0, tau_s=12.0)
    model = SuperpositionConstruction(25, 100, constants=given_ones)
    assert model.constants == given_ones == model.network.constants
