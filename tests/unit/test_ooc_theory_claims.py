"""The measurements behind the cards, at sizes of a second or two; and the cards' own arguments fit them."""

from __future__ import annotations

import inspect

import pytest

from reasonry.core.claims import load_claims
from reasonry.registry import resolve
from reasonry.understanding.out_of_context.claims import theory

CARDS = (
    "factorised-generalises",
    "nuclear-norm-bias",
    "margin-formula",
    "rank-four",
    "sample-efficient",
    "controls-are-null",
)


@pytest.mark.parametrize("name", CARDS)
def test_cards_call_what_there_is(name: str) -> None:
    card = next(claim for claim in load_claims() if claim.id == name)
    inspect.signature(resolve(card.measure)).bind(**card.arguments)


def test_factorised_generalises() -> None:
    found = theory.factorised_generalises(num_groups=4, steps=300, authors_steps=300, num_seeds=1, seed=0)
    assert found.low > 0.5 and found.num == 2
    assert "Least loss of the product at any look 1.0" in found.detail


def test_nuclear_norm_bias() -> None:
    found = theory.nuclear_norm_bias(num_groups=3, bridge=1, others=3, steps=500, num_seeds=2, seed=0)
    assert 0.97 < found.low <= found.value <= found.high < 1
    assert found == theory.nuclear_norm_bias(num_groups=3, bridge=1, others=3, steps=500, num_seeds=2, seed=0)


def test_margin_formula() -> None:
    pytest.importorskip("cvxpy")
    found = theory.margin_formula(sizes=[[2, 1, 1], [3, 1, 3]], seed=0)
    assert found.value < 1e-8 and "(3, 1, 3) 0.57735" in found.detail


def test_rank_four() -> None:
    found = theory.rank_four(steps=20, num_seeds=1, seed=0)
    assert abs(found.value) < 1, "after so few steps neither has learnt anything"
    assert "width 3" in found.detail


def test_sample_efficient_and_controls() -> None:
    pytest.importorskip("torch")
    few = theory.sample_efficient(steps=60, per_group=20, num_seeds=2, seed=1)
    assert few.value < 0.3
    controls = theory.controls_are_null(steps=10, fixed_steps=100, num_seeds=2, num_fixed_seeds=10, seed=0)
    assert abs(controls.value) < 0.6 and "true +1.000" in controls.detail
