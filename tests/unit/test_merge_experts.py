"""The merged model: equality with the chosen expert, the width it takes, and what breaks it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reasonry.core import seeds
from reasonry.core.tiny import TinyConfig, TinyGPT
from reasonry.errors import ConfigError
from reasonry.test_time.claims.construct import merge_error, random_expert
from reasonry.test_time.construct.merge_experts import merge_experts
from reasonry.test_time.construct.routing import by_owner, by_selector

SHAPE = TinyConfig(vocab_size=11, max_len=24, num_layers=2, num_heads=3, width=12, mlp_ratio=2, head_bias=True)


def _experts(num: int, shape: TinyConfig = SHAPE) -> list[TinyGPT]:
    return [random_expert(shape, rng=seeds.stream(5, "expert", k)) for k in range(num)]


@pytest.mark.parametrize("form", ["shared", "disjoint"])
@pytest.mark.parametrize("num_experts", [1, 3, 5])
def test_the_logits_are_those_of_the_chosen_expert(form: str, num_experts: int) -> None:
    found = merge_error(num_experts=(num_experts,), forms=(form,), num_contexts=6, width=12, num_layers=2, seed=1)
    assert found.value < 1e-9
    assert found.num == 6


def test_one_layer_norm_over_all_experts_breaks_the_equality() -> None:
    arguments = {"num_experts": (3,), "forms": ("shared", "disjoint"), "num_contexts": 3, "width": 12, "num_layers": 2}
    assert merge_error(**arguments, seed=2).value < 1e-9
    assert merge_error(**arguments, seed=2, joint_norm=True).value > 1e-2


def test_without_the_penalty_other_attempts_are_seen() -> None:
    arguments = {"num_experts": (3,), "forms": ("shared",), "num_contexts": 3, "width": 12, "num_layers": 2, "seed": 2}
    errors = [merge_error(**arguments, penalty_nats=m).value for m in (0.0, 10.0, 20.0, 80.0)]
    assert errors[0] > 1e-1
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9


@pytest.mark.parametrize("shape", [{"mlp_ratio": 0}, {"activation": "relu"}, {"tied": True}, {"num_layers": 0}])
def test_every_kind_of_expert_can_be_merged(shape: dict[str, object]) -> None:
    experts = _experts(3, SHAPE.with_(**shape))
    merged = merge_experts(experts, selectors=[8, 9, 10])
    query, attempt = [1, 2, 3], [9, 4, 5]
    logits_TV = merged(torch.tensor([[*query, 8, 6, 7, *attempt]]))[0]
    own_TV = experts[1](torch.tensor([[*query, *attempt]]))[0]
    assert torch.allclose(logits_TV[-3:], own_TV[-3:], atol=1e-9, rtol=0)


def test_the_extra_width_does_not_depend_on_the_experts_width_and_grows_as_a_logarithm() -> None:
    extra: dict[tuple[int, int, int], int] = {}
    for width in (6, 12, 48):
        for num_experts in (2, 5):
            for max_attempts in (1, 7, 63, 1000):
                experts = _experts(num_experts, SHAPE.with_(width=width))
                merged = merge_experts(experts, selectors=range(num_experts), max_attempts=max_attempts)
                assert merged.hidden_size == num_experts * width + merged.extra_size
                assert merged.layers[0].attention_out.weight.shape[0] == merged.hidden_size
                extra[width, num_experts, max_attempts] = merged.extra_size
    for (_, num_experts, max_attempts), size in extra.items():
        assert size == num_experts + {1: 1, 7: 3, 63: 6, 1000: 10}[max_attempts] + 1
    disjoint = merge_experts(_experts(4))
    assert (disjoint.extra_size, disjoint.hidden_size) == (4, 4 * 12 + 4)


def test_weights_are_block_diagonal_and_hold_nothing_else() -> None:
    experts = _experts(3)
    layer = merge_experts(experts, selectors=[8, 9, 10]).layers[1]
    weight = layer.mlp_in.weight
    for k, expert in enumerate(experts):
        rows, columns = slice(24 * k, 24 * (k + 1)), slice(12 * k, 12 * (k + 1))
        assert torch.equal(weight[rows, columns], expert.blocks[1].mlp_in.weight)
        weight[rows, columns] = 0
    assert not weight.any()
    assert not layer.attention_out.weight[36:].any(), "nobody writes the routing codes"


def test_before_the_first_selector_nobody_has_the_word() -> None:
    merged = merge_experts(_experts(3), selectors=[8, 9, 10])
    logits_TV = merged(torch.tensor([[1, 2, 3, 9, 4]]))[0]
    assert not logits_TV[:3].any()
    assert logits_TV[3:].all()


def test_positions_of_every_attempt_continue_those_of_the_query() -> None:
    tokens = torch.tensor([[1, 2, 3, 9, 4, 5, 8, 6, 9, 7, 7]])
    route = by_selector(tokens, torch.tensor([8, 9, 10]))
    assert route.position_BT.tolist() == [[0, 1, 2, 3, 4, 5, 3, 4, 3, 4, 5]]
    assert route.kappa_BT.tolist() == [[-1, -1, -1, 1, 1, 1, 0, 0, 1, 1, 1]]
    assert route.segment_BT.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]]


def test_contexts_of_one_batch_are_routed_each_for_itself() -> None:
    tokens = torch.tensor([[1, 9, 4, 8], [10, 1, 2, 3], [1, 2, 3, 4]])
    route = by_selector(tokens, torch.tensor([8, 9, 10]))
    assert route.position_BT.tolist() == [[0, 1, 2, 1], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert route.kappa_BT.tolist() == [[-1, 1, 1, 0], [2, 2, 2, 2], [-1, -1, -1, -1]]


def test_positions_in_disjoint_vocabularies_count_the_owners_tokens() -> None:
    route = by_owner(torch.tensor([[0, 11, 1, 25, 12, 2]]), torch.tensor([0, 11, 22]))
    assert route.kappa_BT.tolist() == [[0, 1, 0, 2, 1, 0]]
    assert route.position_BT.tolist() == [[0, 0, 1, 0, 1, 2]]


def test_a_foreign_vocabulary_is_out_of_reach() -> None:
    experts = _experts(3)
    merged = merge_experts(experts, penalty_nats=80.0)
    p_V = merged(torch.tensor([[0, 11, 1, 25, 12]]))[0, -1].softmax(-1)
    assert float(p_V[:11].sum() + p_V[22:].sum()) < 1e-30
    assert p_V.argmax() == 11 + experts[1](torch.tensor([[0, 1]]))[0, -1].argmax()


def test_vocabularies_of_different_sizes_are_laid_side_by_side() -> None:
    experts = [*_experts(1), *_experts(1, SHAPE.with_(vocab_size=4))]
    merged = merge_experts(experts)
    assert merged.vocab_size == 15
    logits_V = merged(torch.tensor([[3, 12, 4, 14]]))[0, -1]
    assert torch.allclose(logits_V[11:], experts[1](torch.tensor([[1, 3]]))[0, -1], atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("experts", "options", "said"),
    [
        ([], {}, "no experts"),
        (_experts(2), {"selectors": [1, 1]}, "different tokens"),
        (_experts(2), {"selectors": [1, 11]}, "below 11"),
        (_experts(2), {"selectors": [1, 2, 3]}, "2 different tokens"),
        (_experts(2), {"selectors": [1, 2], "max_attempts": 0}, "no room"),
        ([*_experts(1), *_experts(1, SHAPE.with_(width=6))], {}, "another shape"),
        ([*_experts(1), *_experts(1, SHAPE.with_(vocab_size=4))], {"selectors": [1, 2]}, "another shape"),
        (_experts(2, SHAPE.with_(layer_norm=False)), {}, "no known bound"),
    ],
)
def test_what_cannot_be_merged_is_refused(experts: list[TinyGPT], options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        merge_experts(experts, **options)  # pyright: ignore[reportArgumentType]


def test_a_context_beyond_what_the_model_was_built_for_is_refused() -> None:
    merged = merge_experts(_experts(2), selectors=[9, 10], max_attempts=2)
    with pytest.raises(ConfigError, match="3 attempts"):
        merged(torch.tensor([[1, 9, 9, 10]]))
    with pytest.raises(ConfigError, match="read 25 tokens"):
        merged(torch.tensor([[1, *[9] * 2, *[3] * 23]]))


def test_random_experts_differ_so_that_equality_means_something() -> None:
    one, two = _experts(2)
    tokens = torch.tensor([[1, 2, 3, 9, 4]])
    assert float((one(tokens) - two(tokens)).detach().abs().max()) > 1
    assert np.isfinite(one(tokens).detach().numpy()).all()
