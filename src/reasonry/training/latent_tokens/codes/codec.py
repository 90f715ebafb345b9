"""The codec: chunks of tokens to codes, and codes to tokens with the question in view (arXiv 2502.03275).

    encoder   token embedding + position in the chunk -> layers -> a linear map of each stretch of L / C positions
    codes     `codebook.Codebook`: C codes for each chunk of L tokens
    decoder   a linear map of each code to L / C positions + position + g(P) -> layers -> logits, tied to the embedding
    g(P)      a linear map of the mean embedding of the question's tokens, at every position

Attention stays within a chunk, so that its code is a function of its L tokens and nothing else: not of neighbours, of
padding, or of the other chunks of a batch. With ``context = "causal"`` the encoder also sees a fixed number of chunks
before it, and nothing behind.

Sums of floating-point numbers hang on the shape of what is multiplied. So chunks are encoded in blocks of `BLOCK`, the
last one filled up: a chunk gets the same bits alone and among others.

Shapes: N chunks, L tokens each, C codes each, M = L (1 + chunks before), D width, K codes, V known tokens.

RECONSTRUCTED: depth, width, form of g. The paper has an encoder, a codebook, g and a decoder, and says no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reasonry.core.scoped_random import drawing_from
from reasonry.training.latent_tokens.codes.chunks import Ids, chunks_of, flatten
from reasonry.training.latent_tokens.codes.codebook import Quantised, make_quantizer, unquantised
from reasonry.training.latent_tokens.codes.config import CodecConfig
from reasonry.training.latent_tokens.codes.layers import Layers
from reasonry.training.latent_tokens.codes.vocabulary import FIRST, UNSEEN, KnownTokens

BLOCK = 64
_ROOM = "latent tokens"


class Reconstructed(NamedTuple):
    """Chunks that went through the codec in training.

    Attributes:
        logits_NLV: Over known tokens.
        targets_NL: Which of them is right; -1 for an unseen token.
        vectors_ND: What was quantised, all codes of all chunks one below the other.
        quantised: What became of them.
    """

    logits_NLV: Tensor
    targets_NL: Tensor
    vectors_ND: Tensor
    quantised: Quantised


class TextCodec(nn.Module):
    """Text to codes and back.

    Args:
        config: Sizes.
        known_ids: Token ids of the training data.
        vocab_size: Ids of the tokenizer.
        seed: Of the weights.
    """

    def __init__(
        self, config: CodecConfig, known_ids: Sequence[int] | Tensor, *, vocab_size: int, seed: int = 0
    ) -> None:
        super().__init__()
        width, num_tok = config.width, config.chunk_tok
        self.config = config
        self._stretch = num_tok // config.codes_per_chunk
        with drawing_from(seed, _ROOM, "codec"):
            self.known = KnownTokens(known_ids, vocab_size=vocab_size)
            self.embedding = nn.Embedding(self.known.num_rows, width)
            self.positions_MD = nn.Parameter(torch.zeros(num_tok * (1 + config.before_chunks), width))
            self.out_positions_LD = nn.Parameter(torch.zeros(num_tok, width))
            is_causal = config.context == "causal"
            self.encoder = Layers(config.encoder_layers, width, config.heads, config.ffn, is_causal=is_causal)
            self.pool = nn.Linear(self._stretch * width, width)
            self.quantizer = make_quantizer(config)
            self.spread = nn.Linear(width, self._stretch * width)
            self.prompt = nn.Linear(width, width)
            self.decoder = Layers(config.decoder_layers, width, config.heads, config.ffn)
            nn.init.normal_(self.embedding.weight, std=width**-0.5)
            for positions in (self.positions_MD, self.out_positions_LD):
                nn.init.normal_(positions, std=width**-0.5)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.positions_MD.device

    # ------------------------------------------------------------ the two halves

    def vectors(self, ids_NM: Tensor) -> Tensor:
        """What is quantised (N C, D); the codes of a chunk one below the other.

        Args:
            ids_NM: Tokens, those before each chunk first; -1 before the text.
        """
        hidden_NMD = self.encoder(self.embedding(self.known.rows(ids_NM)) + self.positions_MD)
        own_NLD = hidden_NMD[:, -self.config.chunk_tok :]
        pooled_ND = self.pool(own_NLD.reshape(-1, self._stretch * self.config.width))
        return F.layer_norm(pooled_ND, pooled_ND.shape[1:])

    def logits(self, vectors_ND: Tensor, prompts_ND: Tensor) -> Tensor:
        """Logits (N, L, V) over known tokens.

        Args:
            vectors_ND: Vectors of codes (N C, D).
            prompts_ND: g(P) of each chunk (N, D).
        """
        spread_NLD = self.spread(vectors_ND).view(len(prompts_ND), self.config.chunk_tok, self.config.width)
        hidden_NLD = self.decoder(spread_NLD + self.out_positions_LD + prompts_ND[:, None])
        return hidden_NLD @ self.embedding.weight[FIRST:].T

    def prompts(self, prompts: Sequence[Ids]) -> Tensor:
        """g(P) (N, D) of questions as token ids; an empty one has the mean 0."""
        flat = flatten(prompts)
        ids = torch.from_numpy(flat.ids.astype(np.int64)).to(self.device)
        starts = torch.from_numpy(flat.starts).to(self.device)
        mean_ND = F.embedding_bag(self.known.rows(ids), self.embedding.weight, starts, mode="mean")
        return self.prompt(mean_ND)

    def forward(self, ids_NM: Tensor, prompts_ND: Tensor, *, free: bool = False) -> Reconstructed:
        """Through the codebook and back, for training; the codebook is not changed.

        Args:
            ids_NM: As of `vectors`.
            prompts_ND: As of `logits`.
            free: Past the codebook.
        """
        vectors_ND = self.vectors(ids_NM)
        quantised: Quantised = unquantised(vectors_ND) if free else self.quantizer(vectors_ND)
        targets_NL = self.targets(ids_NM[:, -self.config.chunk_tok :])
        return Reconstructed(self.logits(quantised.vectors_ND, prompts_ND), targets_NL, vectors_ND, quantised)

    def targets(self, ids_NL: Tensor) -> Tensor:
        """Which of the known tokens each one is (N, L); -1 for an unseen one."""
        rows_NL = self.known.rows(ids_NL)
        return torch.where(rows_NL == UNSEEN, -1, rows_NL - FIRST)

    # ------------------------------------------------------------ use

    @torch.inference_mode()
    def encode_chunks(self, ids_NM: Tensor) -> Tensor:
        """Codes (N, C) of chunks.

        Args:
            ids_NM: Token ids (N, L); with a causal context those of the chunks before stand in front, -1 where there
                are none (N, M).
        """
        parts: list[Tensor] = []
        look_up = self.quantizer.look_up()
        for block in blocks(ids_NM):
            filled = F.pad(block, (0, 0, 0, BLOCK - len(block)), value=-1)
            codes = look_up(self.vectors(filled.to(self.device)))
            parts.append(codes.view(BLOCK, self.config.codes_per_chunk)[: len(block)])
        return torch.cat(parts) if parts else torch.zeros(0, self.config.codes_per_chunk, dtype=torch.int64)

    def encode_texts(self, texts: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """Codes of the whole chunks of texts, as of `encode`."""
        chunks = chunks_of(texts, chunk_tok=self.config.chunk_tok, before_chunks=self.config.before_chunks)
        codes: list[list[int]] = self.encode_chunks(torch.from_numpy(chunks.ids_NM)).flatten(1).tolist()
        flat = [code for each in codes for code in each]
        ends = (np.cumsum(chunks.num_of_text) * self.config.codes_per_chunk).tolist()
        return [tuple(flat[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def encode(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Codes of the whole chunks of a text, in order, those of a chunk side by side; its tail has none."""
        return self.encode_texts([ids])[0]

    @torch.inference_mode()
    def decode_chunks(self, codes_NC: Tensor, prompts: Sequence[Ids]) -> Tensor:
        """The likeliest tokens (N, L) of chunks.

        Args:
            codes_NC: Codes.
            prompts: The question of each chunk.
        """
        table_KD = self.quantizer.table()
        parts: list[Tensor] = []
        for start, block in zip(range(0, len(codes_NC), BLOCK), blocks(codes_NC), strict=True):
            filled = F.pad(block, (0, 0, 0, BLOCK - len(block))).to(self.device)
            own = [*prompts[start : start + len(block)], *[()] * (BLOCK - len(block))]
            logits = self.logits(table_KD[filled.flatten()], self.prompts(own))
            parts.append(self.known.ids(logits.argmax(-1) + FIRST)[: len(block)])
        return torch.cat(parts) if parts else torch.zeros(0, self.config.chunk_tok, dtype=torch.int64)

    def decode(self, codes: Sequence[int], prompt_ids: Sequence[int]) -> tuple[int, ...]:
        """The likeliest tokens of codes.

        Args:
            codes: As `encode` gives them. Of an incomplete chunk at the end nothing is decoded.
            prompt_ids: The question.
        """
        per = self.config.codes_per_chunk
        codes_NC = torch.tensor(list(codes)[: len(codes) // per * per], dtype=torch.int64).view(-1, per)
        tokens: list[int] = self.decode_chunks(codes_NC, [prompt_ids] * len(codes_NC)).flatten().tolist()
        return tuple(tokens)

    def num_unseen(self, ids: Any) -> int:
        """Tokens that were not in the training data."""
        rows = self.known.rows(torch.as_tensor(ids, dtype=torch.int64).to(self.device))
        return int((rows == UNSEEN).sum())


def blocks(rows: Tensor) -> Iterator[Tensor]:
    """`BLOCK` rows at a time; fewer at the end."""
    return iter(rows.split(BLOCK)) if len(rows) else iter(())
