"""Small codecs, data and runs of codes, a second or two each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reasonry.core.config import from_dict
from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.training.latent_tokens.codes.codebook import Codebook
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig, EncodeConfig, FitConfig

WORDS = tuple(f"w{number}" for number in range(40))
TINY: dict[str, Any] = {
    "tokenizer": "words",
    "num_train": 60,
    "num_validation": 12,
    "codec": {"chunk_tok": 4, "num_codes": 16, "width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
    "steps": 30,
    "batch_size": 32,
    "warmup_steps": 3,
    "look_every": 10,
    "look_chunks": 64,
    "save_every": 10,
    "seed": 3,
    "model_options": {"device": "cpu"},
}


def make_codec(seed: int = 0, **changes: Any) -> TextCodec:
    """A codec of random weights and codes for ids below 50."""
    settings = {"chunk_tok": 4, "num_codes": 32, "width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    codec = TextCodec(from_dict(CodecConfig, {**settings, **changes}), range(50), vocab_size=64, seed=seed).eval()
    if isinstance(codec.quantizer, Codebook):
        draw = np.random.Generator(np.random.Philox(key=seed))
        # Codes among the vectors, so that many of them are taken.
        texts = [draw.integers(0, 50, codec.config.chunk_tok).tolist() for _ in range(codec.config.size)]
        size = len(codec.positions_MD)
        ids = torch.tensor([[-1] * (size - len(text)) + text for text in texts])
        with torch.no_grad():
            codec.quantizer.vectors_KD.copy_(codec.vectors(ids)[: codec.config.size])
    return codec


def write_data(path: Path, *, num: int = 90, seed: int = 1, steps: int = 4) -> Path:
    """A file of examples in the words of `WORDS`; every one has ``steps`` steps of six words."""
    draw = np.random.Generator(np.random.Philox(key=seed))
    rows = [
        {
            "question": " ".join(draw.choice(WORDS, 7)),
            "steps": [" ".join(draw.choice(WORDS, 6)) for _ in range(steps)],
            "answer": str(draw.choice(WORDS)),
        }
        for _ in range(num)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def fit_config(data: Path | str, run: Path, **changes: Any) -> FitConfig:
    """Thirty steps on a file."""
    return from_dict(FitConfig, merged(TINY, {"data": str(data), "run": run, **changes}))


def encode_config(codes: Path, data: Path | str, run: Path, **changes: Any) -> EncodeConfig:
    """All of a file."""
    settings = {"num_train": 60, "num_validation": 12, "batch_texts": 7, "device": "cpu", "seed": 3}
    return from_dict(EncodeConfig, {**settings, "codes": str(codes), "data": str(data), "run": run, **changes})


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them, or some of a table's, replaced."""
    out = dict(base)
    for key, value in changes.items():
        out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else value
    return out


def tokenizer() -> Any:
    """Of `WORDS` and the digits."""
    return word_level_tokenizer([*WORDS, *"0123456789"])


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything in a run that must hang on its config and seed alone."""
    kept = ("*.safetensors", "metrics.jsonl", "encoded.jsonl", "encoded.json", "results.json", "latent_config.json")
    files = sorted(p for pattern in kept for p in folder.rglob(pattern))
    return {
        **{str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }
