"""Run directories with untrained models that write codes: what evaluation reads, without the training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reasonry.core import atomic, jsonl, seeds
from reasonry.core.config import from_dict
from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.tasks.reasoning_text import ReasoningText
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.codes.saving import load_codes, save_codes
from reasonry.training.latent_tokens.encoded import INFO, ROWS, EncodedInfo, EncodedRow
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.finetune.config import ShapeConfig
from reasonry.training.latent_tokens.finetune.scratch import make_model
from reasonry.training.latent_tokens.mixing.merged import LatentConfig, save_merged
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.vocabulary import extend

CHUNK, NUM_CODES, CONTEXT = 4, 8, 96
DIGITS = [str(digit) for digit in range(10)]


def sums(num: int, *, name: str = "train") -> list[ReasoningText]:
    """Digits; running totals as steps, the last digit as the answer."""
    found: list[ReasoningText] = []
    for number in range(num):
        rng = seeds.stream(0, name, number)
        digits = [int(d) for d in rng.integers(0, 10, int(rng.integers(1, 7)))]
        steps = tuple(f"{d} {sum(digits[: at + 1]) % 10}" for at, d in enumerate(digits))
        found.append(ReasoningText(" ".join(map(str, digits)), steps, str(sum(digits) % 10)))
    return found


def write_texts(path: Path, texts: Sequence[ReasoningText]) -> Path:
    """A JSONL file of worked examples, all of the test split."""
    rows = [{"question": text.question, "steps": list(text.steps), "answer": text.answer} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_codes(folder: Path, *, seed: int = 0, words: Sequence[str] = DIGITS) -> Path:
    """A codec that has learnt nothing."""
    tokenizer = word_level_tokenizer(words)
    config = from_dict(CodecConfig, {"chunk_tok": CHUNK, "num_codes": NUM_CODES, "width": 8, "heads": 2})
    codec = TextCodec(config, list(range(len(tokenizer))), vocab_size=len(tokenizer), seed=seed)
    save_codes(codec.eval(), tokenizer, folder)
    return folder


def make_encoded(folder: Path, codes: Path, texts: Sequence[ReasoningText], *, data: str) -> Path:
    """A run directory of encode."""
    loaded = load_codes(codes)
    maker = PieceMaker(loaded.tokenizer)
    rows: list[EncodedRow] = []
    for number, (text, pieces) in enumerate(zip(texts, maker.make(texts), strict=True), 1):
        cot = tuple(token for step in pieces.steps for token in step)
        own = (pieces.question, cot, pieces.answer, loaded.encode(cot))
        rows.append(EncodedRow(f"train-{number}", text.question, text.answer, *own))
    info = EncodedInfo(
        chunk_tok=CHUNK,
        codes_per_chunk=1,
        num_codes=NUM_CODES,
        codes_hash=loaded.info.hash,
        tokenizer_fingerprint=loaded.info.tokenizer_fingerprint,
        codes=str(codes),
        data=data,
        seed=0,
        marker=maker.marker,
        chat_template=False,
        counts={"rows": len(rows)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    jsonl.write(folder / ROWS, [row.to_json() for row in rows])
    atomic.write_json(folder / INFO, info.to_json())
    return folder


def save_model(folder: Path, root: Path, method: str, *, seed: int = 0, kind: str = "gpt2", **more: Any) -> Path:
    """An untrained model in the folder of a method, as training leaves one behind.

    Args:
        folder: Of the model.
        root: Where ``codes``, ``encoded`` and ``test.jsonl`` are.
        method: Its name.
        seed: Of its weights.
        kind: Of its shape.
        more: Fields of its config.
    """
    codes = load_codes(root / "codes")
    tokenizer = codes.tokenizer
    shape = from_dict(ShapeConfig, {"kind": kind, "num_layers": 1, "width": 16, "num_heads": 2})
    model = make_model(shape, tokenizer, context_tok=CONTEXT, seed=seed)
    ids = extend(tokenizer, model, num_codes=NUM_CODES, seed=seed, with_pause=True)
    config = LatentConfig(
        method=method,
        ids=ids,
        chunk_tok=CHUNK,
        codes_hash=codes.info.hash,
        tokenizer_fingerprint=codes.info.tokenizer_fingerprint,
        num_pauses=3 if method == "pause" else 0,
        max_codes=4 if METHODS[method].has_codes else 0,
        more={
            "codes": str(root / "codes"),
            "encoded": str(root / "encoded"),
            "data": str(root / "test.jsonl"),
            "seed": 0,
            "marker": "###",
            "chat_template": False,
        },
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_merged(model, tokenizer, folder, config=config._replace(**more))
    return folder


def finetune_run(root: Path, methods: Sequence[str] = ("latent", "cot"), **more: Any) -> Path:
    """A run directory of finetune that has taken no step."""
    root.mkdir(parents=True, exist_ok=True)
    make_codes(root / "codes")
    make_encoded(root / "encoded", root / "codes", sums(20), data=str(root / "test.jsonl"))
    write_texts(root / "test.jsonl", sums(12, name="test"))
    run = root / "run"
    for number, name in enumerate(methods):
        save_model(run / name / "model", root, name, seed=number, **more)
        atomic.write_json(run / name / "results.json", {"name": name})
    atomic.write_json(run / "run.json", {"verb": "train latent-tokens finetune", "fingerprint": "", "format": 1})
    return run


def settings(model: Path | str, run: Path, **more: Any) -> EvalConfig:
    """Small evaluations."""
    return from_dict(
        EvalConfig, {"model": str(model), "run": str(run), "num": 6, "batch_size": 4, **more}, place="test"
    )
