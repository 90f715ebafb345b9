"""From settings to what a codec is trained on: examples read, cut into tokens and chunks, and counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from reasonry.core.learning import say_nothing
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import FitConfig
from reasonry.training.latent_tokens.codes.corpus import Corpus, make_corpus
from reasonry.training.latent_tokens.codes.texts import Tokenised, make_tokenizer, read_examples, tokenise
from reasonry.training.latent_tokens.fingerprint import tokenizer_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Prepared(NamedTuple):
    """What a codec is trained on.

    Attributes:
        tokenizer: Whose ids.
        train: Training chunks.
        held_out: Others.
        identity: What decides them, as JSON.
        sizes: By name.
    """

    tokenizer: PreTrainedTokenizerBase
    train: Corpus
    held_out: Corpus
    identity: dict[str, Any]
    sizes: dict[str, int]


def prepare(config: FitConfig, *, say: Say = say_nothing) -> Prepared:
    """Read and cut the data of a config; raises as `fit_codes`."""
    read = read_examples(config.data, "train", config.num_train, seed=config.seed)
    others = read_examples(config.data, "validation", config.num_validation, seed=config.seed)
    tokenizer = make_tokenizer(
        config.tokenizer_name, read.texts, marker=config.marker, data=config.data, options=config.model_options
    )
    maker = PieceMaker(tokenizer, marker=config.marker, chat_template=config.chat_template)
    train, held_out = tokenise(maker, read, say=say), tokenise(maker, others)
    sizes = {"chunk_tok": config.codec.chunk_tok, "before_chunks": config.codec.before_chunks}
    corpora = make_corpus(train, **sizes), make_corpus(held_out, **sizes)
    if without := read.num_without_answer + others.num_without_answer:
        say(f"{without} rows without an answer are left out")
    for name, corpus in zip(("training", "held-out"), corpora, strict=True):
        if not corpus.num_chunks:
            raise DataError(
                f"no {name} text has {config.codec.chunk_tok} tokens",
                place=config.data,
                remedy="Give longer examples or shorter chunks: --codec.chunk-tok.",
            )
    if not corpora[0].is_cot_N.any():
        if config.train_on == "reasoning":
            raise DataError(
                f"no reasoning has {config.codec.chunk_tok} tokens",
                place=config.data,
                remedy="Give shorter chunks, --codec.chunk-tok, or --train-on all.",
            )
        say("warning: no reasoning is as long as a chunk, so nothing will ever be replaced by a code")
    if config.train_on == "reasoning":
        corpora = corpora[0].reasoning(), corpora[1]
    identity = {
        "texts": config.data,
        "training": _hash_of(train),
        "held_out": _hash_of(held_out),
        "tokenizer": tokenizer_fingerprint(tokenizer),
    }
    counted = {
        "num_train": len(train),
        "num_held_out": len(held_out),
        "num_without_answer": without,
        "num_chunks": corpora[0].num_chunks,
        "num_cot_chunks": int(corpora[0].is_cot_N.sum()),
        "num_left_out_tok": corpora[0].num_left_out_tok,
    }
    return Prepared(tokenizer, *corpora, identity, counted)


def make_codec(config: FitConfig, made: Prepared) -> TextCodec:
    """A codec with new weights for prepared data."""
    seen = np.unique(np.concatenate([made.train.ids_NM.reshape(-1), *made.train.prompts]))
    size: Any = len(made.tokenizer)
    return TextCodec(config.codec, torch.from_numpy(seen[seen >= 0]), vocab_size=size, seed=config.seed)


def _hash_of(examples: Sequence[Tokenised]) -> str:
    return hashlib.blake2b(json.dumps(examples).encode(), digest_size=16).hexdigest()
