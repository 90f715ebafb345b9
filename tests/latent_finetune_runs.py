"""Small runs of fine-tuning on codes, some seconds each: a codec that has learnt nothing, examples in its codes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from reasonry.core import atomic, jsonl, seeds
from reasonry.core.config import from_dict
from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.tasks.reasoning_text import ReasoningText
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.codes.saving import save_codes
from reasonry.training.latent_tokens.encoded import INFO, ROWS, EncodedInfo, EncodedRow
from reasonry.training.latent_tokens.finetune.config import FinetuneConfig
from reasonry.training.latent_tokens.whole_config import WholeConfig

CHUNK, NUM_CODES = 4, 8
DIGITS = [str(digit) for digit in range(10)]
NUM_TRAIN, NUM_HELD_OUT = 24, 6

TINY: dict[str, Any] = {
    "methods": ("latent", "cot"),
    "steps": 7,
    "mix": {"law": "scaled"},
    "optimizer": {"batch_size": 8, "length_window": 2, "lr": 1e-2, "warmup_steps": 2},
    "shape": {"num_layers": 1, "width": 16, "num_heads": 2},
    "looks": {"every": 3, "num": 4, "batch_size": 3},
    "save_every": 3,
    "seed": 2,
}


def tiny(encoded: Path, **changes: Any) -> FinetuneConfig:
    """Seven steps of one layer of width 16."""
    out: dict[str, Any] = {**TINY, "encoded": str(encoded)}
    for key, value in changes.items():
        out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else value
    return from_dict(FinetuneConfig, out)


def write_sums(path: Path, *, num: int = 60) -> Path:
    """The sums as a file of examples."""
    jsonl.write(path, [{"question": t.question, "steps": list(t.steps), "answer": t.answer} for t in texts(num)])
    return path


def whole(folder: Path, **changes: Any) -> WholeConfig:
    """All stages on sums, some seconds; the file of examples lies beside the run."""
    path = folder.parent / "sums.jsonl"
    if not path.exists():
        write_sums(path)
    out: dict[str, Any] = {
        "data": str(path),
        "num_train": 24,
        "num_validation": 6,
        "codes": {
            "codec": {"chunk_tok": CHUNK, "num_codes": NUM_CODES, "width": 8, "heads": 2},
            "codebook": {"start_vectors": 50},
            "steps": 6,
            "batch_size": 16,
            "look_every": 3,
            "save_every": 2,
        },
        "finetune": {name: value for name, value in TINY.items() if name != "seed"},
        "answers": {"num": 4, "max_new_tokens": 12, "batch_size": 4},
        "seed": 2,
        "run": folder,
        **changes,
    }
    return from_dict(WholeConfig, out)


def texts(num: int, *, name: str = "train") -> list[ReasoningText]:
    """Sums: running totals as steps, the last digit as the answer."""
    found: list[ReasoningText] = []
    for number in range(num):
        rng = seeds.stream(0, name, number)
        digits = [int(d) for d in rng.integers(0, 10, int(rng.integers(1, 6)))]
        steps = tuple(f"{d} {sum(digits[: at + 1]) % 10}" for at, d in enumerate(digits))
        found.append(ReasoningText(" ".join(map(str, digits)), steps, str(sum(digits) % 10)))
    return found


def make_codes(folder: Path, *, seed: int = 0) -> Path:
    """A folder of codes."""
    tokenizer = word_level_tokenizer(DIGITS)
    config = from_dict(CodecConfig, {"chunk_tok": CHUNK, "num_codes": NUM_CODES, "width": 8, "heads": 2})
    codec = TextCodec(config, list(range(len(tokenizer))), vocab_size=len(tokenizer), seed=seed)
    save_codes(codec.eval(), tokenizer, folder)
    return folder


def make_encoded(folder: Path, codes: Path, *, num_train: int = NUM_TRAIN) -> Path:
    """A run directory of encode, as it is left behind."""
    from reasonry.training.latent_tokens.codes.saving import load_codes

    loaded = load_codes(codes)
    maker = PieceMaker(loaded.tokenizer)
    rows: list[EncodedRow] = []
    for split, num in (("train", num_train), ("validation", NUM_HELD_OUT)):
        made = texts(num, name=split)
        for number, (text, pieces) in enumerate(zip(made, maker.make(made), strict=True), 1):
            cot = tuple(token for step in pieces.steps for token in step)
            found = EncodedRow(
                f"{split}-{number}", text.question, text.answer, pieces.question, cot, pieces.answer, loaded.encode(cot)
            )
            rows.append(found)
    info = EncodedInfo(
        chunk_tok=CHUNK,
        codes_per_chunk=1,
        num_codes=NUM_CODES,
        codes_hash=loaded.info.hash,
        tokenizer_fingerprint=loaded.info.tokenizer_fingerprint,
        codes=str(codes),
        data="sums",
        seed=0,
        marker=maker.marker,
        chat_template=False,
        counts={"rows": len(rows)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    jsonl.write(folder / ROWS, [row.to_json() for row in rows])
    atomic.write_json(folder / INFO, info.to_json())
    return folder


def without_codes(model: Path, encoded: Path, target: Path) -> None:
    """The same weights without added tokens, as a model that somebody brings along."""
    from transformers import AutoTokenizer, GPT2LMHeadModel

    from reasonry.training.latent_tokens.encoded import read_encoded

    tokenizer = AutoTokenizer.from_pretrained(read_encoded(encoded).info.codes_folder / "tokenizer")
    loaded = GPT2LMHeadModel.from_pretrained(model)
    loaded.generation_config.suppress_tokens = None
    loaded.resize_token_embeddings(len(tokenizer))
    loaded.save_pretrained(target)
    tokenizer.save_pretrained(target)


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything in a run that must hang on its config and seed alone."""
    kept = ("*.safetensors", "metrics.jsonl", "state.json", "latent_config.json", "made_with.json", "encoded.jsonl")
    files = sorted(p for pattern in kept for p in folder.rglob(pattern))
    return {
        **{str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        **{str(p.relative_to(folder)): _timeless(json.loads(p.read_text())) for p in folder.rglob("results.json")},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }


def _timeless(value: Any) -> Any:
    """Results without the time that replies took."""
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key != "seconds"}
    return [_timeless(each) for each in value] if isinstance(value, list) else value
