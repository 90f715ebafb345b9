"""Encoded examples and tiny models for tests of mixing."""

from __future__ import annotations

import numpy as np

from reasonry.core import seeds
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

VOCAB, NUM_CODES = 1000, 64
IDS = LatentIds(begin=VOCAB, end=VOCAB + 1, first_code=VOCAB + 2, num_codes=NUM_CODES, pause=VOCAB + 66, pad=0)


def encoded(
    cot_tok: int, number: int = 0, *, chunk_tok: int = 16, per: int = 1, prompt_tok: int = 5, answer_tok: int = 3
) -> EncodedRow:
    """An example of random ids; no two tokens of its reasoning are the same as far as there are enough."""
    rng = seeds.stream(0, "encoded", number, cot_tok)

    def words(num: int) -> tuple[int, ...]:
        return tuple(rng.permutation(np.arange(1, VOCAB))[:num].tolist())

    codes = tuple(rng.integers(0, NUM_CODES, per * (cot_tok // chunk_tok)).tolist())
    return EncodedRow(f"train-{number}", "?", "!", words(prompt_tok), words(cot_tok), words(answer_tok), codes)
