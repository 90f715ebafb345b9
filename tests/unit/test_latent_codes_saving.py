"""Folders of codes: they come back as they were, and nothing else comes back in their place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file, save_file
from tests.latent_codes import WORDS, make_codec, tokenizer

from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.codes.saving import (
    SETTINGS,
    WEIGHTS,
    Codes,
    load_codes,
    read_codes_info,
    save_codes,
)
from reasonry.training.latent_tokens.fingerprint import check_fingerprint, tokenizer_fingerprint

TEXT = tuple(range(4, 44))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "run" / "codes"
    target.parent.mkdir()
    save_codes(make_codec(), tokenizer(), target)
    return target


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"codes_per_chunk": 2},
        {"context": "causal"},
        {"quantizer": "fsq", "levels": (4, 4)},
        {"codebook": "gradient"},
    ],
)
def test_a_saved_codec_gives_the_same_codes_and_text(changes: dict[str, Any], tmp_path: Path) -> None:
    codec = make_codec(**changes)
    info = save_codes(codec, tokenizer(), tmp_path / "codes")
    loaded = load_codes(tmp_path / "codes")
    codes = codec.encode(TEXT)
    assert loaded.encode(TEXT) == codes
    assert loaded.codec.decode(codes, TEXT[:5]) == codec.decode(codes, TEXT[:5])
    assert loaded.info.hash == info.hash
    assert torch.equal(loaded.info.vectors(), codec.quantizer.table())
    assert loaded.info.vectors().shape == (codec.config.size, codec.config.width)
    assert not loaded.codec.training
    assert not any(weight.requires_grad for weight in loaded.codec.parameters())


def test_settings_say_what_others_need(folder: Path) -> None:
    settings = json.loads((folder / SETTINGS).read_text())
    assert (settings["chunk_tok"], settings["codes_per_chunk"], settings["num_codes"]) == (4, 1, 32)
    info = read_codes_info(folder.parent)
    assert (info.chunk_tok, info.codes_per_chunk, info.num_codes, info.hash) == (4, 1, 32, settings["hash"])
    assert info.tokenizer_fingerprint == tokenizer_fingerprint(tokenizer())
    assert info.folder == folder


def test_codes_come_back_as_text(folder: Path) -> None:
    loaded = load_codes(folder)
    text = loaded.decode_text(loaded.encode(TEXT), "w1 w2")
    assert len(text.split()) <= len(TEXT)
    assert set(text.split()) <= {*WORDS, *"0123456789"}
    assert loaded.decode_text((), "w1") == ""


def test_changed_weights_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["quantizer.vectors_KD"][3, 2] += 1e-6
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(DataError, match="hash is another"):
        load_codes(folder)


def test_pitfall_13_another_tokenizer_is_refused(folder: Path) -> None:
    other = word_level_tokenizer([*reversed(WORDS), *"0123456789"])
    loaded: Codes = load_codes(folder)
    loaded.check_tokenizer(tokenizer(), place="model")
    with pytest.raises(ConfigError, match="not the one that the codes were made with"):
        loaded.check_tokenizer(other, place="model")
    other.save_pretrained(folder / "tokenizer")
    with pytest.raises(ConfigError, match=re.escape(str(folder / "tokenizer"))):
        load_codes(folder)


def test_a_tokenizer_with_added_tokens_has_the_fingerprint_of_the_one_it_was_made_from(tmp_path: Path) -> None:
    one: Any = tokenizer()
    before = tokenizer_fingerprint(one)
    one.add_special_tokens({"additional_special_tokens": ["<boLatent>", "<|latent_0|>"]})
    assert tokenizer_fingerprint(one) == before
    one.save_pretrained(tmp_path)
    from transformers import AutoTokenizer

    back = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer_fingerprint(back) == before
    check_fingerprint(back, before, place="model")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (SETTINGS, "{}", "cannot be read"),
        (SETTINGS, "[1", "cannot be read"),
        (SETTINGS, json.dumps({"format": 99}), "not of format 1"),
        (WEIGHTS, "nothing", "cannot be read"),
    ],
)
def test_damaged_folders_are_refused(folder: Path, file: str, content: str, said: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=said):
        load_codes(folder)


def test_a_folder_without_codes_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no codes here.*fit-codes"):
        load_codes(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataError, match="have not been finished"):
        load_codes(tmp_path)


def test_saving_replaces_codes_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    save_codes(make_codec(seed=1), tokenizer(), folder)
    assert load_codes(folder).codec.encode(TEXT) == make_codec(seed=1).encode(TEXT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="something else"):
        save_codes(make_codec(), tokenizer(), tmp_path / "mine")
    assert [p.name for p in folder.parent.iterdir()] == ["codes"]
