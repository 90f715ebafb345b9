"""Small sets of encoded examples and models for them, without a codec: codes are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
from transformers import GPT2Config, GPT2LMHeadModel

from reasonry.core import seeds
from reasonry.core.config import from_dict
from reasonry.core.scoped_random import drawing_from
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.finetune.config import FinetuneSettings
from reasonry.training.latent_tokens.finetune.examples import chosen, length_of, mix_settings
from reasonry.training.latent_tokens.finetune.task import Task
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

TEXT, CODES, CHUNK = 20, 6, 4
IDS = LatentIds(begin=TEXT, end=TEXT + 1, first_code=TEXT + 2, num_codes=CODES, pause=TEXT + 2 + CODES, pad=0)
VOCABULARY = TEXT + 2 + CODES + 1

TINY: dict[str, Any] = {
    "steps": 8,
    "mix": {"law": "scaled"},
    "optimizer": {"batch_size": 4, "length_window": 2, "lr": 1e-2, "warmup_steps": 2},
    "looks": {"every": 3, "num": 3, "batch_size": 2},
    "save_every": 3,
}


def rows(num: int, *, seed: int = 0, most_tok: int = 17, name: str = "train") -> list[EncodedRow]:
    """Examples whose reasoning is of 0 to ``most_tok`` tokens, and whose codes follow from it."""
    found: list[EncodedRow] = []
    for number in range(num):
        rng = seeds.stream(seed, name, number)
        prompt = (1, *map(int, rng.integers(4, TEXT, 3)))
        cot = tuple(map(int, rng.integers(4, TEXT, rng.integers(0, most_tok + 1))))
        codes = tuple(int(np.sum(cot[at : at + CHUNK])) % CODES for at in range(0, len(cot) - CHUNK + 1, CHUNK))
        answer = (2, sum(prompt) % 16 + 4, 3)
        found.append(EncodedRow(f"{name}-{number}", "q", "a", prompt, cot, answer, codes))
    return found


def settings(**changes: Any) -> FinetuneSettings:
    """Eight steps of four rows."""
    out = dict(TINY)
    for key, value in changes.items():
        out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else value
    return from_dict(FinetuneSettings, out)


def task(num: int = 14, *, seed: int = 0, examples: list[EncodedRow] | None = None, **changes: Any) -> Task:
    """What methods learn from."""
    made = settings(**changes)
    given = rows(num) if examples is None else examples
    kept = chosen(given, (), made, chunk_tok=CHUNK, codes_per_chunk=1, context_tok=None)
    length = length_of(made, num_train=len(kept.train))
    mixing = mix_settings(made, kept.train, length, chunk_tok=CHUNK, codes_per_chunk=1)
    return Task(made, kept, mixing, length, IDS, seed)


def model(*, dropout: float = 0.0, seed: int = 0) -> GPT2LMHeadModel:
    """One layer of width 16."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=16,
        n_layer=1,
        n_head=2,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
    )
    with drawing_from(seed, "test"):
        return GPT2LMHeadModel(config)
