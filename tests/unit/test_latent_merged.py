"""Folders of models with codes: plain checkpoints whose logits are those of the model that was trained."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.latent_models import EOS, FAMILIES, PAD, WORDS, gpt2, llama, matrices, tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from reasonry.core.models.config import ModelConfig
from reasonry.core.models.load import load_causal_lm
from reasonry.errors import ConfigError, DataError, ResourceError
from reasonry.training.latent_tokens.mixing.adapters import add_latent_adapters
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.merged import (
    FILE,
    LatentConfig,
    check_tokenizer,
    is_latent,
    merged,
    read_latent_config,
    save_merged,
)
from reasonry.training.latent_tokens.mixing.vocabulary import extend, latent_ids

K = 7


def _made(family: str, **more: Any) -> tuple[Any, Any, LatentIds]:
    words, model = tokenizer(), FAMILIES[family]()
    return words, model, extend(words, model, num_codes=K, **more)


def _config(ids: LatentIds | None) -> LatentConfig:
    return LatentConfig("latent", ids, 16, 1, "hash", "fingerprint", 0, 3, {"law": "two_stage"})


def _row(ids: LatentIds) -> torch.Tensor:
    return torch.tensor([[5, 6, ids.begin, *ids.codes, ids.end, 7, 8]])


def _shake(model: Any) -> None:
    """As if the model had been trained: every weight that would train is moved."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn(weight.shape, generator=generator))


@pytest.mark.parametrize("multiple", [None, 64])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_merged_folder_has_the_logits_of_the_adapted_model(tmp_path: Path, family: str, multiple: int | None) -> None:
    pytest.importorskip("peft")
    words, model, ids = _made(family, pad_to_multiple_of=multiple)
    adapted = add_latent_adapters(model, ids, rank=3).eval()
    _shake(adapted)
    batch = _row(ids)
    before = adapted(input_ids=batch).logits.detach()
    save_merged(adapted, words, tmp_path / "model", config=_config(ids))
    torch.testing.assert_close(adapted(input_ids=batch).logits, before, rtol=0, atol=0)

    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", FILE} <= names
    assert not any("adapter" in name or name.endswith(".bin") for name in names)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert len(matrices(plain)) == (2 if family == "llama" else 1)
    num = WORDS + 2 + K
    logits = plain(batch).logits
    torch.testing.assert_close(logits[..., :num], before[..., :num], rtol=1e-4, atol=1e-4)
    assert logits.shape[-1] == plain.config.vocab_size == len(matrices(plain)[0]) == 64
    assert latent_ids(AutoTokenizer.from_pretrained(tmp_path / "model")) == ids


def test_loading_needs_no_peft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("peft")
    words, model, ids = _made("tied_llama")
    save_merged(add_latent_adapters(model, ids, rank=2), words, tmp_path / "model", config=_config(ids))
    monkeypatch.setitem(sys.modules, "peft", None)
    AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert load_causal_lm(str(tmp_path / "model"), ModelConfig(dtype="float32", device="cpu")).model is not None


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_model_trained_in_full_is_written_as_it_is(tmp_path: Path, family: str) -> None:
    words, model, ids = _made(family)
    _shake(model)
    save_merged(model, words, tmp_path / "model", config=_config(ids))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert torch.equal(plain(_row(ids)).logits, model(_row(ids)).logits)
    assert model.generation_config.suppress_tokens is None, "the trained model was changed"


@pytest.mark.parametrize("pad_to", [None, 64])
def test_padding_is_forbidden_in_generation_and_tokens_stay_the_same(tmp_path: Path, pad_to: int | None) -> None:
    words, model, ids = _made("llama", pad_to_multiple_of=pad_to)
    with torch.no_grad():  # a model that would write padding if it could
        matrices(model)[1][max(ids.added) + 1 :] = 50 * matrices(model)[1][5]
    save_merged(model, words, tmp_path / "model", config=_config(ids))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert plain.generation_config.suppress_tokens == list(range(max(ids.added) + 1, 64))
    out = plain.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=20, do_sample=True, top_k=0)
    assert int(out.max()) <= max(ids.added)


def test_a_saved_model_generates_the_same_tokens(tmp_path: Path) -> None:
    words, model, ids = _made("gpt2")
    _shake(model)
    prompt = torch.tensor([[5, 6, ids.begin]])
    before = model.generate(prompt, max_new_tokens=30, do_sample=False)
    save_merged(model, words, tmp_path / "model", config=_config(ids))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert plain.generate(prompt, max_new_tokens=30, do_sample=False).tolist() == before.tolist()


def test_a_vocabulary_that_was_not_padded_is_padded_in_the_copy() -> None:
    model = llama()
    model.lm_head = torch.nn.Linear(32, WORDS, bias=True)
    plain = merged(model, num_tokens=WORDS, pad_to_multiple_of=64)
    assert len(matrices(plain)[0]) == 64
    assert len(matrices(model)[0]) == WORDS
    for old, new in zip(matrices(model), matrices(plain), strict=True):
        assert torch.equal(new[:WORDS], old)
        torch.testing.assert_close(new[WORDS:], old.mean(0).expand(24, -1), rtol=1e-5, atol=1e-6)
    head: Any = plain.get_output_embeddings()
    torch.testing.assert_close(head.bias[WORDS:], model.lm_head.bias.mean().expand(24), rtol=1e-5, atol=1e-6)
    assert merged(model, num_tokens=WORDS) is model


# ---------------------------------------------------------------- what the codes mean


def test_what_the_codes_mean_comes_back(tmp_path: Path) -> None:
    words, model, ids = _made("gpt2", with_pause=True)
    save_merged(model, words, tmp_path / "model", config=_config(ids))
    assert read_latent_config(tmp_path / "model") == _config(ids)
    assert is_latent(tmp_path / "model")
    assert not is_latent(tmp_path)
    save_merged(gpt2(), tokenizer(), tmp_path / "cot", config=_config(None)._replace(method="cot"))
    assert read_latent_config(tmp_path / "cot").ids is None


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "model", "format": 1}', '{"kind": "codes", "format": 1}', "3"])
def test_damaged_files_and_those_of_a_codebook_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=FILE):
        read_latent_config(tmp_path)


def test_ids_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    words, model, ids = _made("gpt2")
    other = ids._replace(begin=ids.end, end=ids.begin)
    with pytest.raises(ConfigError, match="the model was trained with"):
        save_merged(model, words, tmp_path / "model", config=_config(other))
    with pytest.raises(ConfigError, match="no codes"):
        check_tokenizer(_config(ids), tokenizer(), place="x")
    check_tokenizer(_config(ids._replace(pad=EOS if ids.pad == PAD else PAD)), words, place="x")
    assert not (tmp_path / "model").exists()


def test_a_folder_is_replaced_whole_or_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, model, ids = _made("gpt2")
    folder = tmp_path / "model"
    save_merged(model, words, folder, config=_config(ids))
    save_merged(model, words, folder, config=_config(ids)._replace(method="all"))
    assert read_latent_config(folder).method == "all"

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(words), "save_pretrained", fail)
    with pytest.raises(ResourceError, match="No space left"):
        save_merged(model, words, folder, config=_config(ids))
    assert read_latent_config(folder).method == "all"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else"):
        save_merged(model, words, tmp_path / "notes", config=_config(ids))


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    words, model, ids = _made("gpt2")
    save_merged(model, words, tmp_path / "model", config=_config(ids))
    found = json.loads((tmp_path / "model" / FILE).read_text())
    assert (found["chunk_tok"], found["ids"]["num_codes"], found["codes_hash"]) == (16, K, "hash")
