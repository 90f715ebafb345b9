"""A tiny model that speaks English words: its text can be attacked, and tokenised again without loss."""

from __future__ import annotations

from pathlib import Path

from reasonry.watermark.bench.words import synonyms
from tests.watermark_models import VOCAB, tiny_llama

UNKNOWN, END = 0, 1
# Words that the attack finds synonyms for, so that it has something to do.
WORDS = sorted(word for word in synonyms() if word.isascii() and word.isalpha() and word.islower())[: VOCAB - 2]


def make_word_model(folder: Path, *, seed: int = 1, scale: float = 3.0) -> Path:
    """A folder with a one-layer Llama over `VOCAB` words; ``scale`` sharpens its laws."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {"<unknown>": UNKNOWN, "<end>": END, **{word: i for i, word in enumerate(WORDS, 2)}}
    core = Tokenizer(models.WordLevel(vocab=vocab, unk_token="<unknown>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unknown>", eos_token="<end>")
    model = tiny_llama(seed, scale=scale)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
