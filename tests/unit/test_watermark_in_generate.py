"""The watermark inside transformers' generate: what goes in comes out, and what cannot be marked is refused."""

from __future__ import annotations

import copy
import json
import pickle  # noqa: TID251  # to show that it refuses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.watermark_models import HASH, VOCAB, prompts, tiny_llama
from transformers import GenerationConfig, SynthIDTextWatermarkingConfig

from reasonry.errors import ConfigError
from reasonry.watermark.anchors import model as anchor_model
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.generation.marking import Marking
from reasonry.watermark.generation.processor import AnchoredWatermarkConfig, AnchoredWatermarkProcessor
from reasonry.watermark.keys import SecretKey, unlocking
from reasonry.watermark.profile import AnchorProfile, Profile

CANARY = "5eC2e7" + "4b" * 29
KEY = SecretKey.from_hex(CANARY)
OTHER = SecretKey.from_hex("cd" * 32)


@pytest.fixture(scope="module")
def target() -> Any:
    return tiny_llama(1)


@pytest.fixture(autouse=True)
def locked() -> Any:
    yield
    unlocking.lock()


def profile_of(kind: str, *, num_bins: int = 16, context_tok: int = 20, **changes: Any) -> Profile:
    anchor = AnchorProfile()
    if kind != "uniform":
        anchor = AnchorProfile(kind=kind, model="tiny", revision="r", context_tok=context_tok)
    return Profile(vocab_size=VOCAB, tokenizer_hash=HASH, num_bins=num_bins, anchor=anchor, **changes)


def anchor_of(profile: Profile, target: Any) -> ModelAnchor | None:
    if profile.anchor.kind == "uniform":
        return None
    model = target if profile.anchor.kind == "self" else tiny_llama(2, width=16)
    return ModelAnchor(model, vocab_size=VOCAB, context_tok=profile.anchor.context_tok or None)


def generate(
    target: Any, config: Any, *, num: int = 3, length: int = 8, tok: int = 60, **settings: Any
) -> list[list[int]]:
    ids, mask = prompts(num, length)
    out = target.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        watermarking_config=config,
        max_new_tokens=tok,
        **{"top_k": 0, **settings},
    )
    return out[:, length:].tolist()


@pytest.mark.parametrize("num_bins", [2, 16, 0])
@pytest.mark.parametrize(("kind", "context_tok"), [("uniform", 20), ("self", 20), ("self", 0), ("model", 7)])
def test_round_trip_by_ids(target: Any, kind: str, context_tok: int, num_bins: int) -> None:
    profile = profile_of(kind, num_bins=num_bins, context_tok=context_tok)
    anchor = anchor_of(profile, target)
    texts = generate(target, AnchoredWatermarkConfig.of(profile, KEY, anchor=anchor), tok=120)
    mine = [WatermarkDetector(profile, [KEY], anchor=anchor, stops=False).detect(t) for t in texts]
    others = [WatermarkDetector(profile, [OTHER], anchor=anchor, stops=False).detect(t) for t in texts]
    assert all(d.num_scored + d.num_short_context + d.num_duplicate == 120 for d in mine)
    assert np.mean([d.log_e for d in mine]) > np.mean([d.log_e for d in others])
    if not (kind == "uniform" and num_bins == 0):  # 1/V everywhere: matches are too rare for 60 tokens
        assert sum(d.is_watermarked for d in mine) >= 2
    assert sum(d.is_watermarked for d in others) <= 1
    assert sum(d.num_match for d in mine) > sum(d.num_match for d in others)


@pytest.mark.parametrize(("kind", "context_tok"), [("self", 20), ("self", 0), ("model", 7)])
def test_the_detector_draws_the_symbols_of_the_generator(
    target: Any, kind: str, context_tok: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the output alone, left-padded prompts of unequal length and all: the same keyed symbols, 99 % at least."""
    drawn: list[list[int]] = [[], [], []]
    plain = Marking.keyed

    def noting(self: Marking, step: Any, label: Any, histories: Any) -> Any:
        p, keyed = plain(self, step, label, histories)
        for row, symbol in zip(step.rows, keyed.tolist(), strict=True):
            drawn[row].append(symbol)
        return p, keyed

    monkeypatch.setattr(Marking, "keyed", noting)
    profile = profile_of(kind, context_tok=context_tok)
    anchor = anchor_of(profile, target)
    texts = generate(target, AnchoredWatermarkConfig.of(profile, KEY, anchor=anchor))
    seen: list[int] = []
    plain_symbol = anchor_model.keyed_symbol

    def noting_symbol(p: Any, u: Any) -> Any:
        found = plain_symbol(p, u)
        seen.extend(found.tolist())
        return found

    monkeypatch.setattr(anchor_model, "keyed_symbol", noting_symbol)
    same = total = 0
    for text, symbols in zip(texts, drawn, strict=True):
        seen.clear()
        found = WatermarkDetector(profile, [KEY], anchor=anchor, stops=False).detect(text)
        assert found.num_scored == len(symbols) == len(seen)
        same += sum(a == b for a, b in zip(symbols, seen, strict=True))
        total += len(symbols)
    assert same / total >= 0.99


def test_top_k_is_respected(target: Any) -> None:
    """The processor comes last: what a filter has forbidden stays forbidden."""
    config = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY)
    ids, mask = prompts(4, 6)
    out = target.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        watermarking_config=config,
        max_new_tokens=20,
        top_k=3,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    for raw, scores in zip(out.logits, out.scores, strict=True):
        kept = scores > -torch.inf
        assert int(kept.sum(-1).max()) <= 3
        assert bool((raw.masked_fill(~kept, -torch.inf).max(-1).values >= raw.topk(3).values[:, -1]).all())


def test_what_cannot_be_marked_is_refused(target: Any) -> None:
    config = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY)
    ids, mask = prompts(2, 6)
    with pytest.raises(ConfigError, match="do_sample is False"):
        target.generate(ids, attention_mask=mask, do_sample=False, watermarking_config=config, max_new_tokens=3)
    with pytest.raises(ConfigError, match="num_beams is 2"):
        target.generate(
            ids, attention_mask=mask, do_sample=True, num_beams=2, watermarking_config=config, max_new_tokens=3
        )


def test_rows_that_change_places_are_refused() -> None:
    processor = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY).construct_processor(VOCAB, "cpu")
    ids = torch.arange(1, 11).reshape(2, 5)
    for token in range(3):
        processor(ids, torch.zeros(2, VOCAB))
        ids = torch.cat([ids, torch.tensor([[20 + token], [40 + token]])], -1)
    with pytest.raises(ConfigError, match="reordered"):
        processor(torch.cat([ids.flip(0), torch.tensor([[9], [9]])], -1), torch.zeros(2, VOCAB))


def test_a_key_that_is_not_unlocked_is_refused(target: Any) -> None:
    config = AnchoredWatermarkConfig(profile_of("uniform").model_dump(mode="json"), OTHER.key_id)
    with pytest.raises(ConfigError, match=OTHER.key_id):
        generate(target, config)


def test_an_anchor_that_is_not_there_is_refused(target: Any) -> None:
    config = AnchoredWatermarkConfig.of(profile_of("model", context_tok=9), KEY)
    with pytest.raises(ConfigError, match="anchor is a model"):
        generate(target, config)


# ---------------------------------------------------------------- keys never leak


def test_nothing_that_shows_a_config_shows_the_key(target: Any, tmp_path: Path) -> None:
    config = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY)
    shown = [repr(config), str(config.to_dict()), config.to_json_string(), json.dumps(dict(config)), repr(vars(config))]
    model = copy.deepcopy(target)
    model.generation_config = GenerationConfig(do_sample=True, watermarking_config=config)
    model.save_pretrained(tmp_path / "model")
    config.to_json_file(tmp_path / "config.json")
    shown += [repr(model.generation_config), repr(copy.deepcopy(config))]
    shown.append(repr(config.construct_processor(VOCAB, "cpu").__dict__))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            shown.append(path.read_bytes().decode("latin-1"))
    saved = (tmp_path / "model" / "generation_config.json").read_text("utf-8")
    assert KEY.key_id in saved
    number = str(KEY.to_integer())
    for text in shown:
        assert CANARY.lower() not in text.lower()
        assert number not in text


def test_the_control_leaks(target: Any, tmp_path: Path) -> None:
    """transformers' own SynthID config writes its keys into generation_config.json: the test above can fail."""
    keys = [654321, 123457, 998877]
    model = copy.deepcopy(target)
    model.generation_config = GenerationConfig(
        do_sample=True, watermarking_config=SynthIDTextWatermarkingConfig(ngram_len=5, keys=keys)
    )
    model.save_pretrained(tmp_path)
    assert "654321" in (tmp_path / "generation_config.json").read_text("utf-8")


def test_a_processor_is_not_pickled() -> None:
    processor = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY).construct_processor(VOCAB, "cpu")
    assert isinstance(processor, AnchoredWatermarkProcessor)
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(processor)


def test_a_config_read_back_marks_again(target: Any, tmp_path: Path) -> None:
    config = AnchoredWatermarkConfig.of(profile_of("uniform"), KEY)
    config.to_json_file(tmp_path / "config.json")
    again = AnchoredWatermarkConfig(**json.loads((tmp_path / "config.json").read_text("utf-8")))
    texts = generate(target, again, tok=120)
    found = [WatermarkDetector(profile_of("uniform"), [KEY]).detect(t) for t in texts]
    assert sum(d.is_watermarked for d in found) >= 2
