"""Small tokenizers of every common kind, trained on Python's documentation in no time."""

from __future__ import annotations

import functools
from typing import Any

KINDS = ("byte level", "digits in threes", "prefix space", "metaspace", "unigram", "word pieces", "across spaces")


@functools.cache
def corpus() -> tuple[str, ...]:
    from pydoc_data.topics import topics

    return tuple(topics[name] for name in sorted(topics))


@functools.cache
def tokenizer_of(kind: str, size: int = 1500) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = [t[:4000] for t in corpus()]
    unknown: list[Any] = ["<unk>"]
    bpe: dict[str, Any] = {"vocab_size": size, "show_progress": False}
    if kind in ("byte level", "digits in threes", "across spaces", "awkward"):
        made = Tokenizer(models.BPE())
        if kind == "digits in threes":
            words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            split = pre_tokenizers.Split(Regex(words), "isolated")
            bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
            made.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
        else:
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind != "across spaces")
        texts = [t[:300] for t in texts] if kind == "across spaces" else texts
        longest = {"max_token_length": 24} if kind == "across spaces" else {}
        made.train_from_iterator(texts, trainers.BpeTrainer(initial_alphabet=alphabet, **longest, **bpe))
        if kind == "awkward":
            made.add_tokens([AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True), "statement is a"])
    elif kind in ("prefix space", "metaspace"):
        made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.train_from_iterator(texts, trainers.BpeTrainer(special_tokens=unknown, **bpe))
        if kind == "prefix space":  # as Llama 2: no words, a space is put before the text
            made.pre_tokenizer = None
            made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=unknown, unk_token="<unk>", show_progress=False
        )
        made.train_from_iterator(texts[:40], trainer)
    else:
        assert kind == "word pieces", kind
        made = Tokenizer(models.WordPiece(unk_token="<unk>"))
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        made.train_from_iterator(texts, trainers.WordPieceTrainer(special_tokens=unknown, **bpe))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>" if kind not in BYTES else None)


BYTES = ("byte level", "digits in threes", "across spaces", "awkward")
