"""The planner head: what it starts as, what it reads, how it tells positions apart, and how it is kept."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
import torch.nn.functional as F
from torch import Tensor

from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.planner import (
    RELEASED_NAMES,
    AdaLayerNorm,
    PlannerConfig,
    PlannerHead,
    PlannerWarning,
    from_released,
    load_planner,
)

D, B, L = 16, 2, 6


def config(**changes: Any) -> PlannerConfig:
    return PlannerConfig(**{"width": D, "num_heads": 2, "max_len": 8, "time_dim": 8, **changes})


def head(*, random: bool = True, seed: int = 0, **changes: Any) -> PlannerHead:
    """A planner; with random weights everywhere, as if it had been trained."""
    made = PlannerHead(config(**changes), seed=seed).eval()
    if random:
        rng = torch.Generator().manual_seed(seed)
        for weight in made.parameters():
            weight.data = torch.randn(weight.shape, generator=rng) * 0.3
    return made


def inputs(seed: int = 1, **changes: Any) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(seed)
    given = {
        "hidden_BLD": torch.randn(B, L, D, generator=rng),
        "eligible_BL": torch.tensor([[True, True, False, True, False, True], [True] * 6]),
        "known_share_B": torch.tensor([0.25, 0.5], dtype=torch.float64),
        "confidence_BL": torch.rand(B, L, generator=rng),
        "entropy_BL": torch.rand(B, L, generator=rng) * 3,
        "margin_BL": torch.rand(B, L, generator=rng),
    }
    return {**given, **changes}


# ---------------------------------------------------------------- sizes and start


def test_the_released_head_has_its_number_of_parameters_at_the_size_of_llada() -> None:
    with torch.device("meta"):
        made = PlannerHead(PlannerConfig.released())
    assert sum(p.numel() for p in made.parameters()) == 303_083_521
    assert {p.device.type for p in made.parameters()} == {"meta"}


def test_a_new_planner_gives_every_position_the_chosen_logit() -> None:
    for clamp, bias in ((4.0, -1.5), (None, -10.0), (4.0, 3.9)):
        made = head(random=False, clamp=clamp, output_bias=bias)(**inputs())
        assert made.dtype == torch.float32
        eligible = inputs()["eligible_BL"]
        assert made[eligible].tolist() == pytest.approx([bias] * int(eligible.sum()), abs=1e-5)
        assert (made[~eligible] == 0).all()


def test_a_new_adaptive_norm_is_the_plain_one() -> None:
    made = head(random=False)
    x, c = torch.randn(B, L, D), torch.randn(3, D)
    for norm in (made.norm_in, made.norm_out):
        assert torch.equal(norm(x, c, torch.arange(B * L).view(B, L) % 3), F.layer_norm(x, (D,), eps=1e-4))


def test_gradients_reach_every_weight_once_the_read_out_has_moved() -> None:
    made = head(features=("hidden", "confidence", "entropy", "margin"), inner_width=8)
    made(**inputs()).sum().backward()
    still = [name for name, w in made.named_parameters() if w.grad is None or not w.grad.abs().sum() > 0]
    assert still == []


def test_the_first_gradient_of_a_new_planner_is_that_of_its_read_out() -> None:
    made = head(random=False)
    made(**inputs()).sum().backward()
    assert made.out.weight.grad is not None
    assert made.out.weight.grad.abs().sum() > 0


def test_weights_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (head(random=False, seed=s, init="released").state_dict() for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["time.0.weight"], other["time.0.weight"])


def test_the_release_starts_near_one_half_with_random_modulation() -> None:
    made = head(random=False, init="released", output_bias=0.0)
    q = torch.sigmoid(made(**inputs()))
    assert (q - 0.5).abs().max() < 0.2
    assert q.std() > 0
    bound = math.sqrt(6 / (D + 2 * D))
    largest = made.norm_in.modulation.weight.abs().max().item()
    assert 0.9 * bound < largest <= bound, "Xavier"


def test_logits_stay_within_the_clamp() -> None:
    made = head(clamp=4.0)
    made.out.weight.data *= 1000
    logit = made(**inputs())
    assert logit.abs().max() <= 4
    assert logit.abs().max() > 3.9
    assert head(clamp=None)(**inputs()).abs().max() > 0


# ---------------------------------------------------------------- positions


def test_equal_hidden_states_at_equal_places_in_the_net_are_told_apart_by_position() -> None:
    same = inputs(hidden_BLD=torch.ones(B, L, D) * torch.arange(D), eligible_BL=torch.ones(B, L, dtype=torch.bool))
    logit = head()(**same)
    assert (logit[:, :, None] - logit[:, None, :]).abs()[:, ~torch.eye(L, dtype=torch.bool)].min() > 1e-4
    flat = head(position="none")(**same)
    assert flat.std(1).max() < 1e-5, "without positions equal states cannot be told apart: the test can fail"


@pytest.mark.parametrize(("position", "follows"), [("learned", False), ("rope", False), ("none", True)])
def test_a_permutation_of_hidden_states_does_not_merely_permute_logits(position: str, follows: bool) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    given = inputs(eligible_BL=torch.ones(B, L, dtype=torch.bool))
    made = head(position=position)
    moved = made(**{**given, "hidden_BLD": given["hidden_BLD"][:, order]})
    assert torch.allclose(moved, made(**given)[:, order], atol=1e-5) == follows


def test_rotary_positions_are_relative() -> None:
    made = head(position="rope")
    given = inputs()
    alone = made(**given)
    padding = {
        "hidden_BLD": torch.cat([torch.randn(B, 3, D), given["hidden_BLD"]], 1),
        "eligible_BL": torch.cat([torch.zeros(B, 3, dtype=torch.bool), given["eligible_BL"]], 1),
    }
    attend = torch.tensor([[False] * 3 + [True] * L] * B)
    moved = made(
        padding["hidden_BLD"],
        eligible_BL=padding["eligible_BL"],
        known_share_B=given["known_share_B"],
        attend_BL=attend,
    )
    assert torch.allclose(moved[:, 3:], alone, atol=1e-5)
    assert torch.isfinite(moved).all()


def test_attention_sees_both_directions() -> None:
    made, given = head(), inputs()
    before = made(**given)
    for changed, seen in ((5, 0), (0, 5)):
        hidden = given["hidden_BLD"].clone()
        hidden[:, changed] += torch.arange(D)  # the norm does not see a constant
        assert (made(**{**given, "hidden_BLD": hidden})[:, seen] != before[:, seen]).all()


# ---------------------------------------------------------------- what it reads


def test_what_is_eligible_and_how_far_decoding_is_matter() -> None:
    made, given = head(), inputs()
    before = made(**given)
    assert not torch.allclose(made(**{**given, "eligible_BL": ~given["eligible_BL"]}), before)
    assert not torch.allclose(made(**{**given, "known_share_B": torch.tensor([0.26, 0.51])}), before)


def test_time_is_scaled_so_that_close_moments_differ() -> None:
    made = head(random=False, time_dim=64, time_scale=1000.0)
    release = head(random=False, time_dim=64, time_scale=1.0)
    for weights in (made, release):
        weights.add_module("time", torch.nn.Identity())  # the sinusoid itself
    a, b = (made._time(torch.tensor([t]))[0] for t in (0.50, 0.55))
    c, d = (release._time(torch.tensor([t]))[0] for t in (0.50, 0.55))
    assert (a - b).norm() > 20 * (c - d).norm()


@pytest.mark.parametrize("feature", ["hidden", "confidence", "entropy", "margin"])
def test_each_feature_is_read_alone_and_others_are_not(feature: str) -> None:
    made = head(features=(feature,), inner_width=D)
    given = inputs()
    before = made(**given)
    for name in ("hidden", "confidence", "entropy", "margin"):
        key = "hidden_BLD" if name == "hidden" else f"{name}_BL"
        bumped = given[key].clone()
        bumped[:, 3] += 0.1 * torch.arange(1, D + 1) if name == "hidden" else 0.1
        assert torch.equal(made(**{**given, key: bumped}), before) == (name != feature)
        only = {k: v for k, v in given.items() if k in (key, "eligible_BL", "known_share_B")}
        if name == feature:
            assert torch.equal(made(**only), before)


def test_scalars_where_nothing_is_eligible_count_nothing() -> None:
    made, given = head(features=("confidence", "entropy"), inner_width=D), inputs()
    other = given["confidence_BL"].masked_fill(~given["eligible_BL"], float("nan"))
    assert torch.equal(made(**{**given, "confidence_BL": other}), made(**given))


def test_a_planner_of_logits_alone_fits_a_denoiser_without_hidden_states() -> None:
    made = head(width=0, inner_width=8, features=("confidence", "margin"))
    assert made.check_fits(denoiser(width=0), block_len=4, answer_len=L) == []
    assert torch.isfinite(made(**inputs(hidden_BLD=None))).all()


def test_missing_features_are_named() -> None:
    with pytest.raises(DataError, match="entropy"):
        head(features=("hidden", "entropy"))(**inputs(entropy_BL=None))
    with pytest.raises(DataError, match="width 16, and the denoiser gives 12"):
        head()(**inputs(hidden_BLD=torch.zeros(B, L, 12)))
    with pytest.raises(ConfigError, match="max_len=4"):
        head(max_len=4)(**inputs())


def test_rows_do_not_depend_on_their_batch() -> None:
    made, given = head(features=("hidden", "confidence")), inputs()
    whole = made(**given)
    for row in range(B):
        assert torch.allclose(made(**{k: v[row : row + 1] for k, v in given.items()})[0], whole[row], atol=1e-6)


# ---------------------------------------------------------------- the release's arithmetic


def released_tensors(width: int, hidden: int, rng: torch.Generator) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {
        "time_embedding.mlp.0.weight": (width, 256), "time_embedding.mlp.0.bias": (width,),
        "time_embedding.mlp.2.weight": (width, width), "time_embedding.mlp.2.bias": (width,),
        "mask_embedding.weight": (2, width), "mask_linear.weight": (1, width), "mask_linear.bias": (1,),
        "mask_head.0.attn_norm.weight": (width,), "mask_head.0.ff_norm.weight": (width,),
        "mask_head.0.ff_proj.weight": (hidden, width), "mask_head.0.up_proj.weight": (hidden, width),
        "mask_head.0.ff_out.weight": (width, hidden),
        **{f"mask_head.0.{n}.weight": (width, width) for n in ("q_proj", "k_proj", "v_proj", "attn_out")},
        **{f"norm_out_{i}.modulation.weight": (2 * width, width) for i in (1, 2)},
        **{f"norm_out_{i}.modulation.bias": (2 * width,) for i in (1, 2)},
    }  # fmt: skip
    return {name: torch.randn(shape, generator=rng, dtype=torch.float64) * 0.3 for name, shape in shapes.items()}


def released_logit(t: dict[str, Tensor], h: Tensor, eligible: Tensor, tau: float, heads: int) -> Tensor:
    """The released head on one canvas (N, D), loop by loop."""
    N, width = h.shape
    angles = [tau * math.exp(-math.log(10000) * k / 128) for k in range(128)]
    time = torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles], dtype=torch.float64)
    temb = t["time_embedding.mlp.0.weight"] @ time + t["time_embedding.mlp.0.bias"]
    temb = t["time_embedding.mlp.2.weight"] @ (temb * torch.sigmoid(temb)) + t["time_embedding.mlp.2.bias"]
    cond = temb + t["mask_embedding.weight"][eligible.long()]

    def ada(x: Tensor, name: str) -> Tensor:
        both = cond @ t[f"{name}.modulation.weight"].T + t[f"{name}.modulation.bias"]
        normed = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-4).sqrt()
        return normed * (1 + both[:, :width]) + both[:, width:]

    def rms(x: Tensor, name: str) -> Tensor:
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-5).sqrt() * t[f"mask_head.0.{name}.weight"]

    def turn(x: Tensor, place: int) -> Tensor:
        half = len(x) // 2
        out = x.clone()
        for i in range(half):
            a = place * 500_000 ** (-2 * i / len(x))
            out[i] = x[i] * math.cos(a) - x[i + half] * math.sin(a)
            out[i + half] = x[i + half] * math.cos(a) + x[i] * math.sin(a)
        return out

    z = ada(h, "norm_out_1")
    n, size = rms(z, "attn_norm"), width // heads
    q, k, v = (n @ t[f"mask_head.0.{name}_proj.weight"].T for name in "qkv")
    mixed = torch.zeros_like(z)
    for head_ in range(heads):
        s = slice(head_ * size, (head_ + 1) * size)
        qs, ks = (torch.stack([turn(x[i, s], i) for i in range(N)]) for x in (q, k))
        mixed[:, s] = torch.softmax(qs @ ks.T / math.sqrt(size), 1) @ v[:, s]
    z = z + mixed @ t["mask_head.0.attn_out.weight"].T
    n = rms(z, "ff_norm")
    gate, up = n @ t["mask_head.0.ff_proj.weight"].T, n @ t["mask_head.0.up_proj.weight"].T
    z = z + (gate * torch.sigmoid(gate) * up) @ t["mask_head.0.ff_out.weight"].T
    return (ada(z, "norm_out_2") @ t["mask_linear.weight"].T + t["mask_linear.bias"])[:, 0]


def test_a_released_planner_gives_the_logits_of_the_release() -> None:
    rng = torch.Generator().manual_seed(3)
    tensors = released_tensors(8, 12, rng)
    made = from_released({**tensors, "model.other": torch.zeros(1)}, num_heads=2, block_len=32).double()
    assert made.config.block_len == 32
    h, eligible = torch.randn(5, 8, generator=rng, dtype=torch.float64), torch.tensor([False, True, False, True, True])
    ours = made(h[None], eligible_BL=eligible[None], known_share_B=torch.tensor([0.4]))[0]
    theirs = released_logit(tensors, h, eligible, 0.4, 2)
    assert ours[eligible].tolist() == pytest.approx(theirs[eligible].tolist(), abs=1e-4)


def test_a_checkpoint_without_a_planner_is_refused() -> None:
    tensors = released_tensors(8, 12, torch.Generator().manual_seed(3))
    with pytest.raises(DataError, match="not a released planner"):
        from_released({k: v for k, v in tensors.items() if "q_proj" not in k}, num_heads=2)
    assert len(RELEASED_NAMES) == 15


# ---------------------------------------------------------------- files


def denoiser(**changes: Any) -> Any:
    return SimpleNamespace(**{"name": "tiny:pairs", "width": D, **changes})


def test_a_saved_planner_comes_back_whole(tmp_path: Path) -> None:
    made = head(features=("hidden", "margin"), denoiser="tiny:pairs", block_len=4, clamp=None, output_bias=-2.0)
    made.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    back = load_planner(tmp_path)
    assert torch.equal(back(**inputs()), made(**inputs()))
    assert not back.training
    assert (back.config.denoiser, back.config.block_len, back.config.clamp) == ("tiny:pairs", 4, None)
    assert back.config.features == ["hidden", "margin"]


def test_a_planner_is_loaded_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    head().save_pretrained(tmp_path)
    capfd.readouterr()
    load_planner(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_planner_in_half_precision_comes_back_in_it(tmp_path: Path) -> None:
    made = head().bfloat16()
    made.save_pretrained(tmp_path)
    back = load_planner(tmp_path)
    assert back.out.weight.dtype == torch.bfloat16
    assert back(**inputs()).dtype == torch.float32
    assert torch.equal(back(**inputs()), made(**inputs()))


def test_what_is_no_planner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        load_planner(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
    with pytest.raises(DataError, match="'llama', not a planner"):
        load_planner(tmp_path)
    head().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x00")
    with pytest.raises(DataError, match="weights cannot be read"):
        load_planner(tmp_path)


def test_a_planner_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    head().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["block.up.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"block\.up\.weight"):
        load_planner(tmp_path)


def test_a_config_that_makes_no_planner_is_refused_on_loading(tmp_path: Path) -> None:
    head().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "num_heads": 5}), "utf-8")
    with pytest.raises(DataError, match="num_heads=5"):
        load_planner(tmp_path)


def test_another_width_is_an_error_and_other_uses_are_warned_of() -> None:
    made = head(denoiser="tiny:pairs", block_len=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.check_fits(denoiser(), block_len=32, answer_len=8) == []
    with pytest.raises(DataError, match="width 16, and the denoiser gives 12"):
        made.check_fits(denoiser(width=12), block_len=32)
    with pytest.raises(DataError, match="gives none"):
        made.check_fits(denoiser(width=0), block_len=32)
    with pytest.raises(ConfigError, match="9 positions"):
        made.check_fits(denoiser(), block_len=32, answer_len=9)
    with pytest.warns(PlannerWarning, match="blocks of 32 tokens, and decodes blocks of 128"):
        assert len(made.check_fits(denoiser(), block_len=128)) == 1
    with pytest.warns(PlannerWarning, match="plans for 'tiny:ledger'"):
        made.check_fits(denoiser(name="tiny:ledger"), block_len=32)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"features": ("hiden",)}, "Did you mean 'hidden'"),
        ({"features": ()}, "Choose some of"),
        ({"features": ("hidden", "hidden")}, "Choose some of"),
        ({"position": "sin"}, "unknown position"),
        ({"init": "zero"}, "unknown init"),
        ({"width": 0}, "needs their width"),
        ({"width": 0, "features": ("margin",)}, "inner_width"),
        ({"num_heads": 3}, "num_heads=3"),
        ({"position": "rope", "num_heads": 16}, "even size"),
        ({"time_dim": 7}, "time_dim=7"),
        ({"clamp": 4.0, "output_bias": -10.0}, "within the clamp"),
    ],
)
def test_configs_that_make_no_planner_are_refused(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(**bad)


def test_the_adaptive_norm_scales_and_shifts_each_position_by_its_own_condition() -> None:
    norm = AdaLayerNorm(2)
    norm.modulation.weight.data = torch.tensor([[1.0, 0], [0, 0], [0, 0], [0, 2.0]])
    norm.modulation.bias.data.zero_()
    x, c, which = torch.tensor([[[1.0, -1.0], [1.0, -1.0]]]), torch.eye(2), torch.tensor([[0, 1]])
    assert norm(x, c, which)[0].tolist() == [pytest.approx([2, -1], abs=1e-3), pytest.approx([1, 1], abs=1e-3)]


# ---------------------------------------------------------------- what is not computed twice


def by_position(made: PlannerHead, given: dict[str, Any]) -> Tensor:
    """The module's formulas with a condition, an MLP and a read-out for every position."""

    def ada(norm: AdaLayerNorm, x: Tensor) -> Tensor:
        scale, shift = norm.modulation(c).chunk(2, -1)
        return F.layer_norm(x, x.shape[-1:], eps=norm.eps) * (1 + scale) + shift

    eligible, block = given["eligible_BL"], made.block
    scalars = torch.stack([given[f"{f}_BL"] for f in ("confidence", "margin")], -1) * eligible[..., None]
    x = made.read_hidden(given["hidden_BLD"]) + made.read_scalars(scalars)
    c = made._time(given["known_share_B"])[:, None] + made.eligible_embedding(eligible.long())
    z = ada(made.norm_in, x) + made.position_embedding.weight[:L]
    normed = block.attention_norm(z)
    q, k, v = (m(normed).unflatten(2, (2, -1)).transpose(1, 2) for m in (block.query, block.key, block.value))
    weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]), -1)
    z = z + block.attention_out((weights @ v).transpose(1, 2).flatten(2))
    normed = block.mlp_norm(z)
    z = z + block.down(F.silu(block.gate(normed)) * block.up(normed))
    logit = made.out(ada(made.norm_out, z))[..., 0]
    return made.config.clamp * torch.tanh(logit / made.config.clamp)


def test_conditions_by_kind_say_what_conditions_of_every_position_say() -> None:
    made = head(features=("hidden", "confidence", "margin"), inner_width=8).double()
    given = {k: v.double() if v.is_floating_point() else v for k, v in inputs().items()}
    given = {k: torch.cat([v, v.flip(1) if v.ndim > 1 else v[[0, 0]]]) for k, v in given.items()}  # a time four times
    eligible = given["eligible_BL"]
    ours, wanted = made(**given)[eligible], by_position(made, given)[eligible]
    assert (ours - wanted).abs().max() < 1e-6 < wanted.std()
    weights = list(made.parameters())
    toward = torch.randn(len(wanted), generator=torch.Generator().manual_seed(5))
    found, expected = (torch.autograd.grad(logit, weights, toward) for logit in (ours, wanted.float()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_conditions_are_as_many_as_times_differ_and_the_mlp_reads_what_is_eligible() -> None:
    made, given = head(), inputs(known_share_B=torch.tensor([0.5, 0.5]))
    seen: dict[str, int] = {}
    for name in ("time", "norm_in.modulation", "norm_out.modulation", "block.down"):
        made.get_submodule(name).register_forward_hook(lambda m, a, out, name=name: seen.update({name: len(out)}))
    made(**given)
    num_eligible = int(given["eligible_BL"].sum())
    assert seen == {"time": 1, "norm_in.modulation": 2, "norm_out.modulation": 2, "block.down": num_eligible}


def test_nothing_eligible_is_no_error() -> None:
    none = torch.zeros(B, L, dtype=torch.bool)
    assert torch.equal(head()(**inputs(eligible_BL=none)), torch.zeros(B, L))
