"""Folders of models with thoughts: what is written is a plain checkpoint, and comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import ccot_models
from tests.ccot_models import END, LATENT, PAD, START, ragged
from transformers import AutoModelForCausalLM, AutoTokenizer

from reasonry.core.models.config import ModelConfig
from reasonry.core.models.load import load_causal_lm
from reasonry.errors import ConfigError, DataError, ResourceError
from reasonry.training.continuous_cot.latent.adapters import add_adapters
from reasonry.training.continuous_cot.latent.chain_inputs import Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import IGNORED, Row
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

TOKENS = LatentTokens(LATENT, START, END, PAD)
FLOAT32 = ModelConfig(dtype="float32", device="cpu")
EDGED = Row((6, 7, 8, LATENT, 12), (*[IGNORED] * 4, 12), edges=((-1, -1), (9, 10), (11, 12), (-1, -1), (-1, -1)))


def _symbols(**more: Any) -> LatentCausalLM:
    return LatentCausalLM.wrap(ccot_models.gpt2(), tokens=TOKENS, **more)


def _with_tokenizer(folder: Path) -> LatentCausalLM:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return LatentCausalLM.wrap(model, tokenizer, num_thoughts=2)


def test_a_model_of_symbols_comes_back_with_its_edges_and_settings(tmp_path: Path) -> None:
    latent = _symbols(pack_edges=True, seed=5, feedback=Feedback("topk_soft", 0.5, 3), num_thoughts=4)
    latent.save_pretrained(tmp_path / "model")
    back = LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)
    assert (back.tokens, back.feedback, back.num_thoughts) == (TOKENS, Feedback("topk_soft", 0.5, 3), 4)
    assert back.tokenizer is None
    rows = [*ragged(), EDGED]
    assert torch.equal(back(back.collate(rows)).loss_B, latent(latent.collate(rows)).loss_B)


def test_transformers_loads_the_folder_as_a_plain_model(tmp_path: Path) -> None:
    latent = _symbols()
    latent.save_pretrained(tmp_path / "model")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.equal(plain(ids).logits, latent.model(ids).logits)
    assert not [p.name for p in (tmp_path / "model").iterdir() if p.suffix in (".bin", ".pt", ".pkl")]


def test_new_tokens_are_in_the_folder_and_the_rest_of_the_package_loads_it(tmp_path: Path, tiny_model: Path) -> None:
    latent = _with_tokenizer(tiny_model)
    latent.save_pretrained(tmp_path / "model")
    back = LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)
    assert back.tokens == latent.tokens
    assert back.generate(["a b"], max_new_tokens=5)[0] == latent.generate(["a b"], max_new_tokens=5)[0]
    loaded: Any = load_causal_lm(str(tmp_path / "model"), FLOAT32)
    assert loaded.tokenizer.convert_tokens_to_ids("<|latent|>") == latent.tokens.latent_id
    assert loaded.model.get_input_embeddings().weight.shape[0] == len(latent.tokenizer or ())


def test_a_model_that_was_never_wrapped_is_wrapped_when_it_is_loaded(tiny_model: Path) -> None:
    latent = LatentCausalLM.from_pretrained(str(tiny_model), FLOAT32)
    assert latent.num_thoughts == 0
    assert latent.tokenizer is not None
    assert latent.tokens.latent_id == latent.tokenizer.convert_tokens_to_ids("<|latent|>")


def test_adapters_are_merged_into_what_is_written_and_stay_in_what_is_trained(tmp_path: Path, tiny_model: Path) -> None:
    latent = _with_tokenizer(tiny_model)
    add_adapters(latent, rank=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in latent.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    start, latent_id, end = latent.tokens.start_id, latent.tokens.latent_id, latent.tokens.end_id
    assert start is not None and end is not None
    rows = [Row((9, 10, start, latent_id, latent_id, end, 11), (*[IGNORED] * 6, 11))]
    before = latent(latent.collate(rows)).loss
    latent.save_pretrained(tmp_path / "model")
    assert torch.equal(latent(latent.collate(rows)).loss, before)
    assert any("lora_A" in name for name, _ in latent.named_parameters())
    back = LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)
    torch.testing.assert_close(back(back.collate(rows)).loss, before, rtol=1e-5, atol=1e-5)
    assert not (tmp_path / "model" / "adapter_config.json").exists()


def test_saving_again_replaces_the_model_and_leaves_nothing_else(tmp_path: Path) -> None:
    latent = _symbols(num_thoughts=1)
    latent.save_pretrained(tmp_path / "model")
    latent.num_thoughts = 3
    latent.save_pretrained(str(tmp_path / "model"))
    assert LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32).num_thoughts == 3
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else"):
        _symbols().save_pretrained(tmp_path / "notes")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"


def test_a_disk_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot save the model"):
        _symbols().save_pretrained(tmp_path / "file" / "model")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "tokens": {"id": 1}, "feedback": {}}']
)
def test_damaged_settings_are_refused_by_name(tmp_path: Path, text: str) -> None:
    _symbols().save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "continuous_cot.json").write_text(text)
    with pytest.raises(DataError, match=r"continuous_cot\.json"):
        LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)


def test_missing_or_damaged_maps_of_edges_are_refused(tmp_path: Path) -> None:
    _symbols(pack_edges=True).save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "packed_edges.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="packed_edges"):
        LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)
    path.unlink()
    with pytest.raises(DataError, match="packed_edges"):
        LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)


def test_ids_of_another_model_are_refused(tmp_path: Path) -> None:
    _symbols().save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "continuous_cot.json"
    settings = json.loads(path.read_text())
    settings["tokens"]["latent_id"] = 4000
    path.write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="4000"):
        LatentCausalLM.from_pretrained(str(tmp_path / "model"), FLOAT32)


# ---------------------------------------------------------------- the hub


class _Hub:
    """Stands in for the hub's client; keeps what it was given."""

    uploads: list[tuple[str, bool, set[str]]] = []  # noqa: RUF012  # emptied by each test
    error: Exception | None = None

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if self.error is not None:
            raise self.error
        assert exist_ok
        self.is_private = private

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> Any:
        self.uploads.append((repo_id, self.is_private, {path.name for path in Path(folder_path).iterdir()}))
        return type("Commit", (), {"commit_url": f"https://hub/{repo_id}/commit/1"})()


def test_a_model_is_pushed_whole_and_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", _Hub)
    monkeypatch.setattr(_Hub, "uploads", [])
    address = _symbols(pack_edges=True).push_to_hub("me/model")
    ((repo_id, is_private, files),) = _Hub.uploads
    assert (repo_id, is_private, address) == ("me/model", True, "https://hub/me/model/commit/1")
    assert {"config.json", "model.safetensors", "continuous_cot.json", "packed_edges.safetensors"} <= files


def test_a_hub_that_refuses_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", _Hub)
    monkeypatch.setattr(_Hub, "error", OSError("no route"))
    with pytest.raises(ResourceError, match="no route"):
        _symbols().push_to_hub("me/model")
