"""The tiny denoiser sees both ways, never sees padding, can be trained at once, and comes back from its folder."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import SPECIAL, TokenTask
from reasonry.training.dultra.conduct import examine
from reasonry.training.dultra.elbo import masked_nll
from reasonry.training.dultra.masking import make_canvas
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

CONFIG = TinyDenoiserConfig(vocab_size=11, max_len=12, num_layers=2, num_heads=2, width=16)


def _rows(num: int, length: int) -> torch.Tensor:
    return torch.as_tensor(seeds.stream(1, "rows").integers(3, 11, (num, length)))


def test_padding_on_the_left_changes_nothing() -> None:
    model = TinyDenoiser(CONFIG)
    text = _rows(3, 9)
    alone = model.denoise(text, torch.ones_like(text, dtype=torch.bool), with_hidden=True)
    pads = torch.full((3, 6), model.pad_id)
    attend = torch.cat([torch.zeros(3, 6, dtype=torch.bool), torch.ones(3, 9, dtype=torch.bool)], 1)
    padded = model.denoise(torch.cat([pads, text], 1), attend, with_hidden=True)
    assert torch.allclose(padded.logits_BNV[:, 6:], alone.logits_BNV, atol=1e-5)
    assert padded.hidden_BND is not None and alone.hidden_BND is not None
    assert torch.allclose(padded.hidden_BND[:, 6:], alone.hidden_BND, atol=1e-5)
    assert alone.logits_BNV.dtype == alone.hidden_BND.dtype == torch.float32


def test_a_row_does_not_depend_on_the_rows_beside_it_nor_on_what_stands_in_the_padding() -> None:
    model = TinyDenoiser(CONFIG)
    text, other = _rows(2, 10)
    attend = torch.ones(2, 10, dtype=torch.bool)
    attend[0, :4] = False
    together = model.denoise(torch.stack([text, other]), attend).logits_BNV[0, 4:]
    alone = model.denoise(text[None, 4:], attend[:1, 4:]).logits_BNV[0]
    assert torch.allclose(together, alone, atol=1e-5)
    scribbled = text.clone()
    scribbled[:4] = 9
    again = model.denoise(torch.stack([scribbled, other]), attend).logits_BNV[0, 4:]
    assert torch.equal(again, together)


def test_a_row_of_nothing_but_padding_gives_numbers() -> None:
    model = TinyDenoiser(CONFIG)
    said = model.denoise(_rows(2, 5), torch.tensor([[True] * 5, [False] * 5]))
    assert said.logits_BNV.isfinite().all()


def test_every_position_sees_every_other() -> None:
    model = TinyDenoiser(CONFIG)
    text = _rows(1, 6)
    attend = torch.ones(1, 6, dtype=torch.bool)
    before = model.denoise(text, attend).logits_BNV[0]
    for place in range(6):
        changed = text.clone()
        changed[0, place] = (changed[0, place] - 2) % 8 + 3
        assert ((model.denoise(changed, attend).logits_BNV[0] - before).abs().amax(1) > 1e-4).all(), place


def test_logits_are_read_from_the_hidden_states() -> None:
    model = TinyDenoiser(CONFIG)
    text = _rows(2, 7)
    said = model.denoise(text, torch.ones_like(text, dtype=torch.bool), with_hidden=True)
    assert said.hidden_BND is not None and said.hidden_BND.shape == (2, 7, model.width)
    assert torch.equal(model.network.head(said.hidden_BND), said.logits_BNV)
    assert torch.allclose(said.hidden_BND.mean(-1), torch.zeros(2, 7), atol=1e-5)  # they are after the last norm
    assert model.denoise(text, torch.ones_like(text, dtype=torch.bool)).hidden_BND is None


def test_positions_and_tokens_begin_at_the_same_scale() -> None:
    model = TinyDenoiser(TinyDenoiserConfig(vocab_size=200, max_len=200, width=64))
    scales = {name: float(weight.detach().std()) for name, weight in model.network.named_parameters()}
    assert scales["token_embedding.weight"] == pytest.approx(0.7, rel=0.03)
    assert scales["position_embedding.weight"] == pytest.approx(0.7, rel=0.03)
    assert scales["head.weight"] == pytest.approx(1 / 8, rel=0.03)
    assert scales["blocks.0.mlp_out.weight"] == pytest.approx(1 / 16, rel=0.03)
    other = TinyDenoiser(model.config, seed=1)
    assert not torch.equal(model.network.head.weight, other.network.head.weight)
    assert torch.equal(other.network.head.weight, TinyDenoiser(model.config, seed=1).network.head.weight)


def _copying_loss(position_scale: float) -> float:
    """Loss after 40 steps of saying again the token before, six times in a row."""
    model = TinyDenoiser(TinyDenoiserConfig(vocab_size=13, max_len=13, num_layers=1, width=32))
    with torch.no_grad():
        model.network.get_parameter("position_embedding.weight").mul_(position_scale)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    rng = seeds.stream(0, "copying")
    loss = torch.zeros(())
    for _ in range(40):
        answers = torch.as_tensor(rng.integers(3, 13, (64, 6))).repeat_interleave(2, 1)
        canvas = make_canvas(torch.full((64, 1), 3), answers, pad_id=1)
        is_copy = canvas.is_answer_BN.clone()
        is_copy[:, 1::2] = False
        logits = model(canvas.tokens_BN.masked_fill(is_copy, model.mask_id), canvas.attend_BN)
        loss = masked_nll(logits, canvas.tokens_BN, is_copy).sum() / is_copy.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_copying_a_neighbour_is_learnt_sooner_with_positions_as_loud_as_tokens() -> None:
    assert _copying_loss(1.0) < 0.2
    assert _copying_loss(0.02 / 0.7) > 1.5  # nearer to ln 10 = 2.30, of not knowing which token to copy


def test_it_takes_vocabulary_lengths_and_name_from_a_task() -> None:
    vocab = (*SPECIAL, "a", "b")
    task = cast("TokenTask", SimpleNamespace(name="toy:2", vocab=vocab, max_prompt_len=3, answer_len=4))
    model = TinyDenoiser.from_task(task, num_layers=1, seed=4)
    assert (model.name, model.vocab_size, model.max_len, model.width) == ("tiny:toy:2", 5, 7, 64)
    assert (model.mask_id, model.pad_id, model.end_id) == (0, 1, 2)
    assert model.config.num_layers == 1
    with pytest.raises(ConfigError, match="num_layer"):
        TinyDenoiser.from_task(task, num_layer=1)


def test_what_examination_sees() -> None:
    seen = examine(TinyDenoiser(CONFIG))
    assert seen.padding_change < 1e-5 and seen.lookahead_change > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"), [({"num_heads": 3}, "does not divide"), ({"mask_id": 11}, "outside a vocabulary of 11")]
)
def test_a_shape_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TinyDenoiser(CONFIG.with_(**changes))


def test_a_row_that_is_too_long_is_refused_but_not_a_long_batch() -> None:
    model = TinyDenoiser(CONFIG)
    text = _rows(2, 15)
    attend = torch.ones(2, 15, dtype=torch.bool)
    attend[:, :3] = False
    assert model.denoise(text, attend).logits_BNV.shape == (2, 15, 11)
    attend[1, 2] = True
    with pytest.raises(ConfigError, match="13 tokens do not fit a canvas of 12"):
        model.denoise(text, attend)


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    model = TinyDenoiser(CONFIG.with_(name="tiny:mine"), seed=3)
    model.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]
    loaded = TinyDenoiser.load(tmp_path / "m")
    text = _rows(2, 8)
    attend = torch.ones_like(text, dtype=torch.bool)
    assert loaded.config == model.config and loaded.name == "tiny:mine" and not loaded.training
    assert torch.equal(loaded(text, attend), model(text, attend))


def test_a_folder_that_is_not_a_whole_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a saved tiny denoiser"):
        TinyDenoiser.load(tmp_path / "none")
    TinyDenoiser(CONFIG).save(tmp_path / "a")
    TinyDenoiser(CONFIG.with_(name="b")).save(tmp_path / "b")
    (tmp_path / "a" / "config.json").write_bytes((tmp_path / "b" / "config.json").read_bytes())
    with pytest.raises(DataError, match="different models"):
        TinyDenoiser.load(tmp_path / "a")
    weights = tmp_path / "b" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(DataError, match="not a saved tiny denoiser"):
        TinyDenoiser.load(tmp_path / "b")
    (tmp_path / "b" / "config.json").write_text(json.dumps({"model_type": "bert"}), "utf-8")
    with pytest.raises(DataError, match="model_type"):
        TinyDenoiser.load(tmp_path / "b")
