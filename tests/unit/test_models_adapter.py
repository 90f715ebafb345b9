"""A folder with an adapter stands for its base model with the adapter merged; what it may not be is refused first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonry.core.models import ModelConfig, find_causal_lm
from reasonry.core.models.adapter import adapter_folder, base_of, portable_name
from reasonry.errors import DataError, UnsafeArtifactError


def adapter(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    settings = {"peft_type": "LORA", "base_model_name_or_path": "owner/base", **changes}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


def test_an_adapter_is_found_by_its_base(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    assert adapter_folder(str(folder)) == folder
    assert base_of(folder) == "owner/base"
    assert find_causal_lm(str(folder)) == "owner/base"


def test_a_model_and_a_name_are_no_adapters(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "config.json").write_text("{}")
    assert adapter_folder(str(folder)) is None
    assert adapter_folder("smollm2-135m") is None
    assert adapter_folder("") is None
    assert adapter_folder("x" * 9999) is None


def test_a_relative_base_is_looked_for_beside_the_adapter(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a", base_model_name_or_path="../base")
    (tmp_path / "base").mkdir()
    assert Path(base_of(folder)).resolve() == tmp_path / "base"


def test_a_folder_is_named_by_its_whole_path_and_a_hub_id_as_it_is(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert portable_name("mine") == str(tmp_path / "mine")
    assert portable_name("owner/base") == "owner/base"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"base_model_name_or_path": None}, "does not name its base"),
        ({"base_model_name_or_path": "no such model"}, "unknown model"),
    ],
)
def test_what_is_no_adapter_of_a_model_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words):
        find_causal_lm(str(adapter(tmp_path / "a", **changes)))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(UnsafeArtifactError, match="pickled"):
        find_causal_lm(str(folder))
    (folder / "adapter_model.bin").unlink()
    with pytest.raises(DataError, match="has no adapter_model"):
        find_causal_lm(str(folder))


def test_code_of_whatever_model_an_adapter_names_is_never_trusted(tmp_path: Path) -> None:
    options = ModelConfig(trust_remote_code=True, revision="0" * 40)
    with pytest.raises(UnsafeArtifactError, match="trust_remote_code"):
        find_causal_lm(str(adapter(tmp_path / "a")), options)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        base_of(folder)
