"""How well chunks come back from their codes, how the codebook is used, and what its codes stand for.

    accuracy    share of tokens that the decoder's likeliest token is; of an unseen token it never is
    nll         mean of -log p of the right token, nats; of tokens that the codec knows
    whole       share of chunks of which every token is right

Beside the chunks' own codes and questions two controls are measured: codes of other chunks (what the decoder can do
without them) and questions of other examples (what it gains from them).

Shapes: N chunks, C codes each, L tokens each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reasonry.training.latent_tokens.codes.chunks import Int32
from reasonry.training.latent_tokens.codes.codec import BLOCK, TextCodec
from reasonry.training.latent_tokens.codes.corpus import Corpus

Ints = NDArray[np.int64]


class Reconstruction(NamedTuple):
    """How well chunks come back.

    Attributes:
        accuracy: Share of right tokens; 0 of nothing.
        nll_nats: Mean over the tokens that the codec knows.
        whole: Share of chunks without a wrong token.
        num_tok: Tokens that were looked at.
        num_unseen_tok: Those among them that the codec does not know.
    """

    accuracy: float
    nll_nats: float
    whole: float
    num_tok: int
    num_unseen_tok: int


@torch.inference_mode()
def reconstruction(
    codec: TextCodec, corpus: Corpus, indices: Ints, codes_NC: Tensor, *, prompts: Sequence[Int32] | None = None
) -> Reconstruction:
    """Decode codes, and compare with chunks.

    Args:
        codec: Encoder and decoder.
        corpus: Chunks.
        indices: Of those that are looked at.
        codes_NC: The codes that are decoded, one row for each of these.
        prompts: Questions that are read besides; those of the chunks when not given.
    """
    prompts = corpus.prompts_of(indices) if prompts is None else prompts
    table_KD = codec.quantizer.table()
    own_NL = torch.from_numpy(corpus.own(codec.config.chunk_tok)[indices])
    num_right = num_whole = num_unseen = 0
    nll = 0.0
    for start in range(0, len(indices), BLOCK):
        cut = slice(start, start + BLOCK)
        logits_NLV = codec.logits(table_KD[codes_NC[cut].flatten()], codec.prompts(prompts[cut]))
        targets_NL = codec.targets(own_NL[cut].to(codec.device))
        is_right_NL = logits_NLV.argmax(-1) == targets_NL
        num_right += int(is_right_NL.sum())
        num_whole += int(is_right_NL.all(1).sum())
        num_unseen += int((targets_NL < 0).sum())
        nll += float(F.cross_entropy(logits_NLV.flatten(0, 1), targets_NL.flatten(), ignore_index=-1, reduction="sum"))
    num = own_NL.numel()
    known = num - num_unseen
    return Reconstruction(
        num_right / num if num else 0.0,
        nll / known if known else 0.0,
        num_whole / len(indices) if len(indices) else 0.0,
        num,
        num_unseen,
    )


class Controls(NamedTuple):
    """A reconstruction, and the same with what does not belong together.

    Attributes:
        own: Of the chunks' own codes and questions.
        other_codes: Of codes of other chunks.
        other_questions: Of questions of other examples.
    """

    own: Reconstruction
    other_codes: Reconstruction
    other_questions: Reconstruction


def with_controls(codec: TextCodec, corpus: Corpus, indices: Ints, *, rng: np.random.Generator) -> Controls:
    """Reconstruct chunks, and with codes and questions exchanged among them.

    Args:
        codec: Encoder and decoder.
        corpus: Chunks.
        indices: Of those that are looked at.
        rng: Draws who exchanges with whom.
    """
    codes_NC = codec.encode_chunks(torch.from_numpy(corpus.ids_NM[indices]))
    shifted = _exchanged(len(indices), rng)
    prompts = corpus.prompts_of(indices)
    return Controls(
        reconstruction(codec, corpus, indices, codes_NC),
        reconstruction(codec, corpus, indices, codes_NC[torch.from_numpy(shifted).to(codes_NC.device)]),
        reconstruction(codec, corpus, indices, codes_NC, prompts=[prompts[at] for at in shifted.tolist()]),
    )


def _exchanged(num: int, rng: np.random.Generator) -> Ints:
    """Everybody takes from another: along a cycle through all in random order."""
    order = rng.permutation(num)
    taken = np.empty(num, dtype=np.int64)
    taken[order] = np.roll(order, 1)
    return taken


def code_counts(codec: TextCodec, codes_NC: Tensor) -> Tensor:
    """How often each code (K,) occurs."""
    return torch.bincount(codes_NC.flatten().cpu(), minlength=codec.config.size)


def drawn(num: int, most: int, rng: np.random.Generator) -> Ints:
    """At most so many of ``num`` indices, ascending."""
    return np.sort(rng.choice(num, size=min(num, most), replace=False)) if num else np.zeros(0, dtype=np.int64)


# ---------------------------------------------------------------- what codes stand for


class Meaning(NamedTuple):
    """What a code stands for.

    Attributes:
        code: Its number.
        num: How often it occurs.
        nearest: Ids of the chunks whose vectors are nearest to the code's, each other ones.
        decoded: What the decoder makes of it without a question; empty where a chunk has several codes.
    """

    code: int
    num: int
    nearest: list[list[int]]
    decoded: list[int]


@torch.inference_mode()
def meanings(
    codec: TextCodec, ids_NM: Int32, codes_NC: Tensor, *, num_codes: int, num_nearest: int = 3
) -> list[Meaning]:
    """The codes that occur most, and the chunks nearest to them.

    Args:
        codec: Encoder and decoder.
        ids_NM: Chunks to choose from.
        codes_NC: Their codes.
        num_codes: How many codes.
        num_nearest: Chunks of each, at most.
    """
    per, size = codec.config.codes_per_chunk, codec.config.chunk_tok
    counts_K = code_counts(codec, codes_NC)
    order = torch.argsort(counts_K, descending=True, stable=True)[:num_codes].tolist()
    chosen = [code for code in order if counts_K[code] > 0]
    vectors_ND = torch.cat([codec.vectors(ids.to(codec.device)) for ids in torch.from_numpy(ids_NM).split(BLOCK)])
    flat_N = codes_NC.flatten().to(codec.device)
    distance_N = (vectors_ND - codec.quantizer.table()[flat_N]).square().sum(1).cpu()
    stretch = size // per
    own_NL = ids_NM[:, -size:].reshape(-1, stretch)
    decoded = codec.decode_chunks(torch.tensor(chosen)[:, None], [()] * len(chosen)).tolist() if per == 1 else []
    found: list[Meaning] = []
    for number, code in enumerate(chosen):
        at = torch.nonzero(flat_N.cpu() == code).flatten()
        near = at[torch.argsort(distance_N[at], stable=True)]
        texts = dict.fromkeys(tuple(own_NL[i].tolist()) for i in near.tolist())
        nearest = [list(text) for text in list(texts)[:num_nearest]]
        found.append(Meaning(code, int(counts_K[code]), nearest, decoded[number] if decoded else []))
    return found
