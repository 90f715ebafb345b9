"""Settings of ``reasonry train latent-tokens fit-codes`` and ``encode``.

Defaults are for a processor within minutes, and are reconstructed. Token Assorted (arXiv 2502.03275) publishes chunks
of 16 tokens, one code for each, 1024 codes for mathematics, Adam at a constant 1e-5, batches of 32 examples and 100000
steps; readers report 64 codes for logic and about 50 million weights, of which the vocabulary is most. Depth, width,
the weight of the commitment and how the codebook learns are not published.
"""

# pyright: strict
from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Neutral
from reasonry.core.models.config import ModelConfig
from reasonry.tasks.reasoning_tokens import MARKER

VERB = "train latent-tokens"
WORDS = "words"

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class CodecConfig(Config):
    """Sizes of the codec, and its quantiser."""

    chunk_tok: Count = 16
    """Tokens of a chunk, L. Published: 16."""
    codes_per_chunk: Count = 1
    """Codes of a chunk; divides its tokens. Published: 1."""
    num_codes: Annotated[int, Field(ge=2)] = 512
    """Size of the codebook, K. Published: 1024 for mathematics. Ignored with fsq, where levels say it."""
    width: Count = 64
    """Numbers of a position and of a code. Reconstructed at full size: 512."""
    heads: Count = 4
    """Attention heads; divide the width."""
    encoder_layers: Count = 2
    """Layers that read a chunk. Reconstructed at full size: 2."""
    decoder_layers: Count = 2
    """Layers that write it, all positions at once."""
    ffn: Count = 2
    """Width of the inner layer of each, in widths."""
    context: Literal["chunk", "causal"] = "chunk"
    """What a code hangs on: its chunk alone, or the chunks before it too. Then the same words have several codes."""
    context_chunks: Count = 3
    """How many chunks before it, with causal."""
    quantizer: Literal["vq", "fsq"] = "vq"
    """A learnt codebook, or finite scalar quantisation (arXiv 2309.15505)."""
    codebook: Literal["ema", "gradient"] = "ema"
    """How the codebook learns: as moving averages of its vectors, or by its own loss."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Of the moving averages."""
    levels: tuple[Annotated[int, Field(ge=3)], ...] = (8, 8, 8)
    """Values of each rounded number, with fsq; their product is the number of codes."""

    @property
    def size(self) -> int:
        """Codes there are, K."""
        return math.prod(self.levels) if self.quantizer == "fsq" else self.num_codes

    @property
    def before_chunks(self) -> int:
        """Chunks before a chunk that its code hangs on."""
        return self.context_chunks if self.context == "causal" else 0

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.chunk_tok % self.codes_per_chunk:
            raise ValueError(f"{self.codes_per_chunk} codes do not divide a chunk of {self.chunk_tok} tokens")
        if self.codes_per_chunk == self.chunk_tok:
            raise ValueError(f"{self.codes_per_chunk} codes for {self.chunk_tok} tokens would save nothing")
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} is no multiple of {self.heads} heads")
        if self.quantizer == "fsq" and not self.levels:
            raise ValueError("fsq needs levels")
        return self


class CodebookConfig(Config):
    """How the codebook begins, and what keeps it in use."""

    free: Share = 0.1
    """Share of the steps before it begins, in which vectors go to the decoder as they are. An encoder that knows
    nothing yet gives vectors that k-means cannot tell apart, and then commits to them."""
    beta: Weight = 0.25
    """Weight of the commitment loss."""
    start_vectors: Count = 10_000
    """Vectors of training chunks whose k-means centres it begins as, at most."""
    revive: bool = True
    """Put codes that are hardly used onto vectors that are."""
    revive_below: Share = 0.1
    """Share of the mean use below which a code is."""
    revive_every: Count = 10
    """Steps between revivals."""
    revive_until: Share = 0.8
    """Share of the steps after which it ends, so that codes keep their meaning."""


class CodesSettings(Config):
    """How codes are learnt, whatever from."""

    codec: CodecConfig = CodecConfig()
    codebook: CodebookConfig = CodebookConfig()
    train_on: Literal["all", "reasoning"] = "all"
    """Chunks of whole examples, as published, or of the reasoning alone: codes for nothing but what they replace."""
    steps: Count = 2000
    """Optimiser steps. Published: 100000."""
    batch_size: Count = 256
    """Chunks of a step. Published: 32 examples."""
    lr: Positive = 2e-3
    """Highest learning rate; falls along a cosine. Published: 1e-5, constant, for full-size weights."""
    warmup_steps: NotNegative = 50
    """Steps over which it rises."""
    max_grad_norm: Positive = 1.0
    """Norm that a longer gradient is cut to."""
    look_every: Count = 200
    """Steps between measurements on held-out chunks."""
    look_chunks: Count = 2048
    """Chunks of such a measurement, at most; all at the end."""
    save_every: Annotated[int, Neutral, Field(ge=1)] = 200
    """Steps between checkpoints."""


class FitConfig(CodesSettings):
    """Learn a code for every chunk of text: an encoder, a codebook, and a decoder that reads the question too.

    By default trained on whole examples, cut into chunks on a grid that begins with the reasoning.
    """

    data: tyro.conf.Positional[str] = "maze"
    """running-totals, maze[:SIZE], word-problems[:STEPS], prosqa, prontoqa, gsm8k, or a JSON or JSONL file with
    question, steps and answer."""
    tokenizer: str = ""
    """Of the model that shall be fine-tuned: hub id, folder or packaged alias; or words: a token for every word of the
    training examples. Words for maze when not given, else smollm2-135m."""
    num_train: Count = 4000
    """Training examples; fewer where a file has fewer."""
    num_validation: Count = 400
    """Held-out examples that reconstruction is measured on."""
    marker: str = MARKER
    """Stands before the answer."""
    chat_template: bool = False
    """Put the question into the user turn of the tokenizer's chat template."""
    seed: int = 0
    """Root of weights and data."""
    model_options: ModelConfig = ModelConfig()
    """Revision and trust of the tokenizer; the device that is trained on."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""

    @property
    def tokenizer_name(self) -> str:
        """Of the tokenizer, with what stands in for an empty name."""
        return self.tokenizer or (WORDS if self.data.partition(":")[0] == "maze" else "smollm2-135m")


class EncodeConfig(Config):
    """Read examples into codes: a row each, in the order of the data."""

    codes: tyro.conf.Positional[str]
    """Run directory of fit-codes, or a folder of codes."""
    data: tyro.conf.Positional[str]
    """As for fit-codes."""
    num_train: Count = 4000
    """Training examples; fewer where a file has fewer."""
    num_validation: NotNegative = 200
    """Held-out examples, encoded beside them."""
    marker: str = MARKER
    """Stands before the answer."""
    chat_template: bool = False
    """Put the question into the user turn of the tokenizer's chat template."""
    sample_chunks: Count = 4096
    """Chunks whose reconstruction is measured, at most."""
    seed: int = 0
    """Root of generated data; give the seed of fit-codes for the same examples."""
    device: Annotated[str, Neutral] = "auto"
    """A torch device; auto takes an accelerator where there is one."""
    batch_texts: Annotated[int, Neutral, Field(ge=1)] = 256
    """Examples at once."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
