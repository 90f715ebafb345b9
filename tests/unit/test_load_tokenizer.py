"""A tokenizer without its model: the same refusals as for a model, and no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reasonry.core.models import PACKAGED, LoadedTokenizer, load_causal_lm, load_tokenizer
from reasonry.errors import ConfigError, DataError, MissingDependencyError, ResourceError, UnsafeArtifactError


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_it_is_the_tokenizer_of_the_model(tiny_model: Path) -> None:
    loaded = load_tokenizer(str(tiny_model))
    assert isinstance(loaded, LoadedTokenizer) and loaded.name == str(tiny_model)
    theirs = load_causal_lm(str(tiny_model)).tokenizer
    assert loaded.tokenizer("one two")["input_ids"] == theirs("one two")["input_ids"]
    assert loaded.tokenizer.get_vocab() == theirs.get_vocab()


def test_it_needs_no_torch(tiny_model: Path) -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from reasonry.core.models import load_tokenizer\n"
        f"print(load_tokenizer({str(tiny_model)!r}).tokenizer('ab')['input_ids'])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])) == 2


def test_a_folder_that_holds_a_tokenizer_only_is_enough(folder: Path) -> None:
    for path in [*folder.glob("*.safetensors"), folder / "config.json", *folder.glob("generation_config.json")]:
        path.unlink()
    assert load_tokenizer(str(folder)).tokenizer("ab")["input_ids"]


@pytest.mark.parametrize("has_model", [True, False])
def test_code_in_its_config_is_refused(folder: Path, has_model: bool) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}))
    (folder / "evil.py").write_text(f"open({str(folder / 'canary')!r}, 'w')")
    if not has_model:
        (folder / "config.json").unlink()
    with pytest.raises(UnsafeArtifactError, match="runs code from the model's repository") as caught:
        load_tokenizer(str(folder))
    assert caught.value.place == str(path) and not (folder / "canary").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": {"type": "Nothing"}}'])
def test_a_damaged_tokenizer_is_a_data_error(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        load_tokenizer(str(folder))
    assert caught.value.place == str(folder)


def test_a_folder_without_a_tokenizer_is_a_data_error(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(DataError, match="cannot be loaded"):
        load_tokenizer(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no config\.json"):
        load_tokenizer(str(tmp_path / "empty"))


@pytest.mark.parametrize("name", ["smolm2-135m", "", "./nowhere", "x" * 5000])
def test_names_are_checked_as_those_of_models(name: str) -> None:
    with pytest.raises(ConfigError):
        load_tokenizer(name)


def test_without_a_network_a_hub_id_is_a_resource_error() -> None:
    with pytest.raises(ResourceError, match="cannot get the model from the hub"):
        load_tokenizer("owner/name")


def test_an_alias_means_the_packaged_model_whatever_lies_in_the_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.json").unlink()
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / "minilm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(MissingDependencyError, match="is not installed") as caught:
        load_tokenizer("minilm")
    assert PACKAGED["minilm"].install in caught.value.remedy
