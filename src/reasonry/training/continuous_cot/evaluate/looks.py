"""What thoughts look like: how long they are, how fast they turn, and what the model would say at them.

    norm      |t_c|, to be compared with those of token embeddings: thoughts are often many times as long
    cosine    <t_c, t_{c+1}> / |t_c| |t_{c+1}|: 1 where a thought repeats the one before it
    nearest   the likeliest tokens of softmax(head(t_c)): t_c is the hidden state that would have written them

A head reads hidden states; of soft thoughts, which are mixtures of embeddings, it says less.

Legend: B rows, D width, K most thoughts of a row, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reasonry.training.continuous_cot.latent.model import LatentCausalLM

_NUM_NEAREST = 3
_MOST_EMBEDDINGS = 4096


class Look(NamedTuple):
    """The thoughts of one question.

    Attributes:
        norms: (k,) lengths.
        cosines: (k - 1,) between each and the next.
        nearest: (k,) lists of (token, probability), the likeliest first.
    """

    norms: list[float]
    cosines: list[float]
    nearest: list[list[tuple[str, float]]]


@torch.inference_mode()
def look(
    latent: LatentCausalLM, thoughts_BKD: Tensor, counts: Sequence[int], *, name_of: Callable[[int], str]
) -> list[Look]:
    """Look at the thoughts of a batch.

    Args:
        latent: The model that made them.
        thoughts_BKD: Zeros behind a row's last one.
        counts: Thoughts of each row.
        name_of: How a token is shown.
    """
    found: list[Look] = []
    for thoughts_KD, count in zip(thoughts_BKD, counts, strict=True):
        thoughts_KD = thoughts_KD[: min(count, len(thoughts_KD))]
        if not len(thoughts_KD):
            found.append(Look([], [], []))
            continue
        law_KV = latent.backbone.logits(thoughts_KD).float().softmax(-1)
        best_KN, ids_KN = law_KV.topk(min(_NUM_NEAREST, law_KV.shape[-1]))
        nearest = [
            [(name_of(int(i)), round(float(p), 4)) for i, p in zip(ids, best, strict=True)]
            for ids, best in zip(ids_KN, best_KN, strict=True)
        ]
        wide_KD = thoughts_KD.float()
        cosines = torch.nn.functional.cosine_similarity(wide_KD[:-1], wide_KD[1:], dim=-1)
        found.append(Look(_rounded(wide_KD.norm(dim=-1)), _rounded(cosines), nearest))
    return found


@torch.inference_mode()
def embedding_norm(latent: LatentCausalLM) -> float:
    """Mean length of token embeddings, over at most some thousand of them, evenly spaced."""
    weight: Any = latent.backbone.model.get_input_embeddings().weight
    size = len(weight)
    ids_N = torch.arange(0, size, max(1, size // _MOST_EMBEDDINGS), device=latent.device)
    return float(latent.embed_ids(ids_N[None])[0].float().norm(dim=-1).mean())


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]
