"""The latent part of replies as approximate text: what the codec's decoder makes of the codes, given the question.

A code stands for a chunk of text, and 16 tokens in one code of 1024 are 10 bits: what comes back is the kind of step
that was meant, with numbers that are often wrong. It tells a reader what a model was at, and nothing hangs on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from reasonry.training.latent_tokens.codes.saving import Codes
from reasonry.training.latent_tokens.encoded import EncodedRow

Ids = tuple[int, ...]


class Meaning(NamedTuple):
    """What a code stands for.

    Attributes:
        code: Its number.
        uses: How often replies hold it.
        chunks: Text of the training chunks that it was most often read from, and how often.
        num_chunks: Training chunks that it was read from.
        decoded: What the decoder makes of it without a question; empty where a chunk has several codes.
    """

    code: int
    uses: int
    chunks: tuple[tuple[str, int], ...]
    num_chunks: int
    decoded: str


def read_back(codes: Codes, runs: Sequence[tuple[Ids, Ids]]) -> list[str]:
    """Approximate texts of runs of codes.

    Args:
        codes: The codec.
        runs: Codes and the ids of the question, for each.
    """
    per = codes.info.codes_per_chunk
    chunks: list[list[int]] = []
    prompts: list[Ids] = []
    num: list[int] = []
    for own, prompt in runs:
        whole = len(own) // per
        chunks += [list(own[at * per : (at + 1) * per]) for at in range(whole)]
        prompts += [prompt] * whole
        num.append(whole)
    if not chunks:
        return [""] * len(runs)
    decoded: list[list[int]] = codes.codec.decode_chunks(torch.tensor(chunks), prompts).tolist()
    texts: list[str] = []
    at = 0
    for whole in num:
        texts.append(in_words(codes.tokenizer, [token for chunk in decoded[at : at + whole] for token in chunk]))
        at += whole
    return texts


def meanings(
    codes: Codes, used: Mapping[int, int], rows: Sequence[EncodedRow], *, most: int = 12, num_chunks: int = 3
) -> list[Meaning]:
    """What the codes that replies hold most stand for.

    Args:
        codes: The codec.
        used: How often replies hold each code.
        rows: Training examples with their codes.
        most: How many codes.
        num_chunks: Chunks of each, at most.
    """
    size, per = codes.info.chunk_tok, codes.info.codes_per_chunk
    chosen = [code for code, _ in Counter(used).most_common(most)]
    found: dict[int, Counter[Ids]] = {code: Counter() for code in chosen}
    for row in rows:
        for at, code in enumerate(row.codes):
            if code in found:
                start = at // per * size
                found[code][row.cot_ids[start : start + size]] += 1
    alone = read_back(codes, [((code,), ()) for code in chosen]) if per == 1 else [""] * len(chosen)
    return [
        Meaning(
            code,
            used[code],
            tuple((in_words(codes.tokenizer, ids), num) for ids, num in found[code].most_common(num_chunks)),
            sum(found[code].values()),
            text,
        )
        for code, text in zip(chosen, alone, strict=True)
    ]


def in_words(tokenizer: Any, ids: Sequence[int]) -> str:
    """Text of ids, on one line."""
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return " / ".join(" ".join(line.split()) for line in str(text).splitlines() if line.strip())
