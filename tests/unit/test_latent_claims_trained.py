"""Claims about trained models: what counts as saved, and what is told, from results that are made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reasonry.core.stats import Share
from reasonry.training.latent_tokens.claims import trained
from reasonry.training.latent_tokens.evaluate.figures import Mean


def result(num_right: int, tokens: float, codes: float = 0.0) -> Any:
    return SimpleNamespace(solved=Share(num_right, 100), tokens=Mean(tokens, None, None), codes=codes)


def seeds(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> None:
    monkeypatch.setattr(trained, "train_seeds", lambda **_: list(found))


def test_the_least_of_the_seeds_is_what_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds(
        monkeypatch,
        {"cot": result(90, 50.0), "latent": result(89, 30.0, 4.0)},
        {"cot": result(90, 50.0), "latent": result(95, 20.0, 6.0)},
    )
    found = trained.fewer_tokens(data="x", seed=3)
    assert (found.value, found.low, found.high) == (0.4, 0.4, 0.6)
    assert "latent 89.0%, 95.0% right in 30.0, 20.0 tokens (4.0, 6.0 codes)" in found.detail


def test_tokens_saved_at_the_cost_of_right_answers_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds(monkeypatch, {"cot": result(90, 50.0), "latent": result(87, 10.0)})
    assert trained.fewer_tokens(data="x", seed=0).value == 0.0
    assert trained.fewer_tokens(data="x", seed=0, least_difference=-0.04).value == 0.8


def test_a_method_is_compared_with_the_best_of_its_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds(
        monkeypatch,
        {"latent": result(90, 1.0), "all": result(60, 1.0), "curriculum": result(80, 1.0)},
        {"latent": result(90, 1.0), "all": result(70, 1.0), "curriculum": result(50, 1.0)},
    )
    found = trained.better_than(method="latent", rivals=["all", "curriculum"], data="x", seed=0)
    assert found.value == pytest.approx(0.15)
    assert found.low < 0.15 < found.high
