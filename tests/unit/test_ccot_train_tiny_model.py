"""Small models from scratch: the same weights for the same seed, wide enough, and not begun too small."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from reasonry.core.config import from_dict
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import ShapeConfig
from reasonry.training.continuous_cot.graph_format import Format, Symbols
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.tiny_model import initializer_range, tiny_model

SHAPE = ShapeConfig(width=16, num_heads=2, deep_layers=5)


def weights(seed: int = 0, *, layout: str = "packed", is_deep: bool = False) -> dict[str, torch.Tensor]:
    return model(seed, layout=layout, is_deep=is_deep).state_dict()


def model(seed: int = 0, *, layout: str = "packed", is_deep: bool = False) -> LatentCausalLM:
    form = Format(Symbols(12), "packed" if layout == "packed" else "paper")
    return tiny_model(SHAPE, form, context_tok=form.context_tok(2), seed=seed, is_deep=is_deep)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_weights_hang_on_the_seed_alone_and_nobody_elses_numbers_are_used_up() -> None:
    with drawing_from(1, "anything"):
        before = torch.default_generator.get_state()
        first = weights(7)
        assert torch.equal(torch.default_generator.get_state(), before)
    with drawing_from(2, "anything else"):
        assert same(weights(7), first)
    assert not same(weights(8), first)


def test_the_deep_model_has_more_layers_and_the_paper_layout_no_maps_for_edges() -> None:
    assert len(model(is_deep=True).backbone.model.transformer.h) == 5
    assert len(model().backbone.model.transformer.h) == 2
    assert model().edges is not None
    assert model(layout="paper").edges is None


def test_the_default_size_is_that_of_a_hundred_thousand_weights() -> None:
    form = Format(Symbols(14))
    found = tiny_model(ShapeConfig(), form, context_tok=form.context_tok(3), seed=0)
    layer = 12 * 64**2 + 13 * 64
    expected = 2 * layer + (20 + form.context_tok(3)) * 64 + 2 * 64 + 2 * 64**2  # head tied, final norm, edge maps
    assert sum(weight.numel() for weight in found.parameters()) == expected


def test_narrow_models_begin_with_larger_weights() -> None:
    assert initializer_range(ShapeConfig(width=64)) == 0.1
    assert initializer_range(ShapeConfig(width=768, num_heads=8)) == 0.02
    spread = float(model().backbone.model.transformer.wte.weight.detach().std())
    assert spread == pytest.approx(0.1, rel=0.15)


def test_weights_too_small_to_learn_are_refused_unless_they_are_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"0\.02 in a model of width 64.*Leave it out"):
        initializer_range(ShapeConfig(initializer_range=0.02))
    assert initializer_range(ShapeConfig(initializer_range=0.02, allow_small_init=True)) == 0.02
    assert initializer_range(ShapeConfig(initializer_range=0.02, width=512)) == 0.02
    assert initializer_range(ShapeConfig(initializer_range=0.03)) == 0.03


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match="a width of 64 is no multiple of 3 heads"):
        from_dict(ShapeConfig, {"num_heads": 3})


def test_dropout_follows_the_stream_it_is_given() -> None:
    def drawn(*names: str | int) -> torch.Tensor:
        with drawing_from(0, *names):
            return torch.nn.functional.dropout(torch.ones(64), 0.5)

    assert torch.equal(drawn("a", 1), drawn("a", 1))
    assert not torch.equal(drawn("a", 1), drawn("a", 2))


def test_numbers_outside_are_as_if_nothing_had_been_drawn_even_after_an_error() -> None:
    before = torch.default_generator.get_state()
    with pytest.raises(RuntimeError), drawing_from(0, "x"):
        torch.rand(3).view(2)
    assert torch.equal(torch.default_generator.get_state(), before)
