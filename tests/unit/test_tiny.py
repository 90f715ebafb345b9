"""The small GPT: its size, its formula, its cache and its hooks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonry.core.tiny import PRESETS, Cache, TinyConfig, TinyGPT, greedy, preset
from reasonry.errors import ConfigError

SMALL = TinyConfig(vocab_size=7, max_len=16, num_layers=2, num_heads=2, width=8)


def _model(seed: int = 3, **changes: object) -> TinyGPT:
    """A model whose weights are large enough for every part to matter."""
    model = TinyGPT(SMALL.with_(**changes), seed=seed).double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            generator = torch.Generator().manual_seed(len(name) + seed)
            weight.add_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.3)
    return model


def _tokens(num_rows: int = 3, length: int = 9) -> Tensor:
    return torch.randint(0, 7, (num_rows, length), generator=torch.Generator().manual_seed(1))


def _num_parameters(model: TinyGPT) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("size", "num"), [("nano", 92_400), ("micro", 813_312)])
def test_sizes_with_a_vocabulary_of_14_have_the_known_number_of_parameters(size: str, num: int) -> None:
    assert _num_parameters(TinyGPT(preset(size, vocab_size=14))) == num


@pytest.mark.parametrize("size", PRESETS)
def test_parameters_follow_the_formula(size: str) -> None:
    config = preset(size, vocab_size=14)
    D, rows = config.width, 2 * 14 + config.max_len
    assert _num_parameters(TinyGPT(config)) == config.num_layers * (12 * D * D + 13 * D) + 2 * D + rows * D


def test_options_change_the_number_of_parameters_as_they_should() -> None:
    base = _num_parameters(TinyGPT(SMALL))
    assert _num_parameters(TinyGPT(SMALL.with_(tied=True))) == base - 7 * 8
    assert _num_parameters(TinyGPT(SMALL.with_(head_bias=True))) == base + 7
    assert _num_parameters(TinyGPT(SMALL.with_(layer_norm=False))) == base - 5 * 16
    assert _num_parameters(TinyGPT(SMALL.with_(mlp_ratio=0))) == base - 2 * (8 * 64 + 40 + 16)


def test_weights_come_from_the_seed_alone_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = TinyGPT(SMALL, seed=5), TinyGPT(SMALL, seed=5), TinyGPT(SMALL, seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in one.named_parameters():
        assert torch.equal(weight, same.get_parameter(name))
    assert not torch.equal(one.head.weight, other.head.weight)


def test_weights_start_with_the_stated_spread() -> None:
    model = TinyGPT(preset("micro", vocab_size=500))
    block = model.blocks[0]
    assert float(model.token_embedding.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(block.get_parameter("mlp_out.weight").detach().std()) == pytest.approx(0.02 / math.sqrt(8), rel=0.02)
    assert not block.get_parameter("qkv.bias").detach().any()
    assert bool((block.get_parameter("mlp_norm.weight") == 1).all())


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_the_logits_are_those_of_the_formula(activation: str) -> None:
    model = _model(num_layers=1, activation=activation)
    tokens_BT = _tokens()
    w = dict(model.named_parameters())

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    h = w["token_embedding.weight"][tokens_BT] + w["position_embedding.weight"][torch.arange(9)]
    q, k, v = linear(norm(h, "blocks.0.attention_norm"), "blocks.0.qkv").split(8, -1)
    heads: list[Tensor] = []
    for i in range(2):
        part = slice(4 * i, 4 * i + 4)
        score = q[..., part] @ k[..., part].transpose(1, 2) / 2.0
        score = score.masked_fill(torch.ones(9, 9).triu(1).bool(), -math.inf)
        heads.append(score.softmax(-1) @ v[..., part])
    h = h + linear(torch.cat(heads, -1), "blocks.0.attention_out")
    inner = linear(norm(h, "blocks.0.mlp_norm"), "blocks.0.mlp_in")
    inner = inner.clamp(min=0) if activation == "relu" else inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
    h = h + linear(inner, "blocks.0.mlp_out")
    expected = norm(h, "final_norm") @ w["head.weight"].T
    assert torch.allclose(model(tokens_BT), expected, atol=1e-12, rtol=0)


def test_a_token_changes_nothing_before_it_and_something_from_it_on() -> None:
    model, tokens_BT = _model(), _tokens()
    changed_BT = tokens_BT.clone()
    changed_BT[:, 4] = (changed_BT[:, 4] + 1) % 7
    difference_T = (model(tokens_BT) - model(changed_BT)).abs().amax((0, 2))
    assert not difference_T[:4].any()
    assert bool((difference_T[4:] > 1e-6).all())


@given(cut=st.integers(1, 8), second=st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_reading_in_pieces_with_a_cache_gives_the_same_logits(cut: int, second: int) -> None:
    model, tokens_BT, cache = _model(), _tokens(), Cache()
    cuts = sorted({0, cut, max(cut, second), 9})
    pieces = [model(tokens_BT[:, a:b], cache=cache) for a, b in itertools.pairwise(cuts)]
    assert torch.allclose(torch.cat(pieces, 1), model(tokens_BT), atol=1e-12, rtol=0)
    assert cache.num_tok == 9


def test_greedy_takes_the_most_likely_token_each_time() -> None:
    model, tokens_BT = _model(), _tokens(length=4)
    seen = tokens_BT
    for _ in range(6):
        seen = torch.cat([seen, model(seen)[:, -1:].argmax(-1)], 1)
    assert torch.equal(greedy(model, tokens_BT, num_new=6), seen[:, 4:])


def test_greedy_continues_from_a_cache() -> None:
    model, tokens_BT, cache = _model(), _tokens(length=4), Cache()
    whole = greedy(model, tokens_BT, num_new=6)
    first = greedy(model, tokens_BT, num_new=2, cache=cache)
    assert cache.num_tok == 5, "the last new token has not been read"
    assert torch.equal(torch.cat([first, greedy(model, first[:, -1:], num_new=4, cache=cache)], 1), whole)
    assert greedy(model, tokens_BT, num_new=0).shape == (3, 0)


def test_hooks_see_every_point_in_order_and_what_they_see_adds_up() -> None:
    model, tokens_BT = _model(), _tokens()
    seen: dict[str, Tensor] = {}
    logits = model(tokens_BT, hook=lambda name, value: seen.update({name: value}))
    assert list(seen) == ["embed", "attention.0", "mlp.0", "layer.0", "attention.1", "mlp.1", "layer.1"]
    total = seen["embed"] + sum(seen[f"{part}.{i}"] for part in ("attention", "mlp") for i in range(2))
    assert torch.allclose(total, seen["layer.1"], atol=1e-12, rtol=0)
    assert torch.equal(model.read_out(seen["layer.1"]), logits)


def test_what_a_hook_returns_takes_the_place_of_the_value() -> None:
    model, tokens_BT, other_BT = _model(), _tokens(), _tokens().flip(1)
    stream: dict[str, Tensor] = {}
    expected = model(other_BT, hook=lambda name, value: stream.update({name: value}))
    patched = model(tokens_BT, hook=lambda name, value: stream[name] if name == "layer.0" else None)
    assert torch.equal(patched, expected)
    assert not torch.equal(model(tokens_BT), expected)


def test_input_vectors_need_not_be_tokens() -> None:
    model, tokens_BT = _model(), _tokens()
    vectors_BTD = model.embed(tokens_BT)
    assert torch.equal(model.read_out(model.run_layers(vectors_BTD)), model(tokens_BT))
    vectors_BTD = vectors_BTD.detach().requires_grad_()
    model.read_out(model.run_layers(vectors_BTD))[:, 3].sum().backward()
    gradient = vectors_BTD.grad
    assert gradient is not None
    assert gradient[:, 3].any()
    assert not gradient[:, 4:].any()


def test_given_positions_and_masks_are_obeyed() -> None:
    model, tokens_BT = _model(), _tokens(length=6)
    positions = torch.tensor([0, 1, 2, 0, 1, 2])
    apart = torch.block_diag(torch.ones(3, 3), torch.ones(3, 3)).tril().bool()
    logits = model(tokens_BT, positions, mask_TS=apart)
    assert torch.allclose(logits[:, 3:], model(tokens_BT[:, 3:]), atol=1e-12, rtol=0)


def test_attention_alone_mixes_values_and_nothing_more() -> None:
    model = _model(num_layers=1, mlp_ratio=0, layer_norm=False)
    h_BTD = torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    block = model.blocks[0]
    weight, bias = block.get_parameter("qkv.weight")[16:], block.get_parameter("qkv.bias")[16:]
    out = block.get_submodule("attention_out")
    assert torch.allclose(model.run_layers(h_BTD), h_BTD + out(F.linear(h_BTD, weight, bias)), atol=1e-12, rtol=0)


def test_a_tied_model_reads_out_with_its_embedding() -> None:
    model = TinyGPT(SMALL.with_(tied=True))
    assert model.head.weight is model.token_embedding.weight


def test_an_unknown_size_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'micro'"):
        preset("mikro", vocab_size=14)
    with pytest.raises(ConfigError, match="vocab_size"):
        preset("nano", vocab_size=0)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_heads = 5 does not divide width = 48"):
        preset("nano", vocab_size=14, num_heads=5)


def test_a_sequence_that_does_not_fit_is_refused() -> None:
    model, cache = _model(), Cache()
    with pytest.raises(ConfigError, match="17 tokens do not fit max_len = 16"):
        model(_tokens(length=17))
    model(_tokens(length=10), cache=cache)
    with pytest.raises(ConfigError, match="19 tokens"):
        model(_tokens(length=9), cache=cache)
