r"""A tokenizer with one token a word, for models that are trained from scratch on texts with a closed vocabulary.

    0 <pad>   1 <eos>   2 <unk>   3 newline   4 .. words, in the order given, and the answer marker behind them

Text is split at white space; a newline is a token of its own. With ``parts_marks`` every punctuation mark is a token
of its own, too, so that ``wumpus.`` is the word ``wumpus``: a small model does not find the one in the other. Numbers
stay whole. Decoding joins words with single spaces, so a text comes back up to its spaces. A word outside the
vocabulary becomes ``<unk>``, from which nothing comes back: `check_words` refuses texts that hold one, where they are
used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reasonry.core import optional
from reasonry.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
SPECIAL_WORDS = (PAD, EOS, UNK)
NEWLINE = "\n"
MARKER = "###"
_NUM_SHOWN = 5
_NUMBER = r"(?:(?<![\w)])-)?\d+(?:[.,]\d+)*"


def words_of(text: str, *, marker: str = MARKER, parts_marks: bool = False) -> list[str]:
    """The words of a text, as the tokenizer with the same settings parts it; newlines are none of them."""
    return re.findall(_word(marker), text) if parts_marks else text.split()


def word_level_tokenizer(
    words: Sequence[str], *, marker: str = MARKER, parts_marks: bool = False
) -> PreTrainedTokenizerFast:
    """A tokenizer of these words.

    Args:
        words: The vocabulary, without white space, each once. Same words in the same order give the same ids.
        parts_marks: Part punctuation marks from words; the vocabulary must have them.
        marker: What stands before an answer; it becomes the last word unless it is one already. Empty for none; one
            of several words needs each of them.

    Raises:
        ConfigError: No words; one that is empty, holds white space, is special, or comes twice.
        MissingDependencyError: transformers is not installed.
    """
    place = "words"
    if not words:
        raise ConfigError("a vocabulary without words", place=place, remedy="Give the words of your texts.")
    for word in words:
        if word.split() != [word]:
            raise ConfigError(f"{word!r} is not one word", place=place, remedy="Leave out what is white space.")
        if word in SPECIAL_WORDS:
            raise ConfigError(f"{word!r} has a meaning of its own", place=place, remedy="Name the word differently.")
    if twice := [word for word, num in Counter(words).items() if num > 1]:
        raise ConfigError(f"{twice[0]!r} comes twice", place=place, remedy="Give each word once.")
    known = set(words)
    more = [word for word in dict.fromkeys(marker.split()) if word not in known]

    optional.need("transformers", extra="hf", why="to turn text into tokens")
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*SPECIAL_WORDS, NEWLINE, *words, *more])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    # Removing the other white space first leaves every newline as a piece of its own, runs of them included.
    blanks = pre_tokenizers.Split(Regex(r"[^\S\n]+"), "removed")
    parts = [blanks, pre_tokenizers.Split(NEWLINE, "isolated")]
    if parts_marks:
        parts.append(pre_tokenizers.Split(Regex(_word(marker)), "isolated"))
    made.pre_tokenizer = pre_tokenizers.Sequence(parts)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def _word(marker: str) -> str:
    """A pattern of the marker's words, numbers, other words and single marks."""
    return "|".join([*map(re.escape, marker.split()), _NUMBER, r"\w+", r"[^\w\s]"])


def unknown_words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> dict[str, int]:
    """How often each word comes that the tokenizer does not know, in order of first appearance.

    ``<unk>`` itself counts as unknown. Words are parted by white space, so this is for word-level tokenizers only.
    """
    known: Any = tokenizer.get_vocab()
    unknown = tokenizer.unk_token
    return dict(Counter(word for text in texts for word in text.split() if word not in known or word == unknown))


def check_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, place: str = "texts") -> None:
    """Refuse texts with words that the tokenizer does not know.

    Args:
        tokenizer: A word-level one.
        texts: What is to be tokenized.
        place: Where they come from, for the message.

    Raises:
        DataError: How many words are unknown, the most frequent of them, and the first text with one.
    """
    found = unknown_words(tokenizer, texts)
    if not found:
        return
    shown = ", ".join(repr(word) for word, _ in Counter(found).most_common(_NUM_SHOWN))
    number = next(i for i, text in enumerate(texts, 1) if not found.keys().isdisjoint(text.split()))
    known: Any = tokenizer.get_vocab()
    hint = nearest(next(iter(found)), known)
    remedy = "Use texts of its vocabulary, or a tokenizer made with their words."
    total, kinds = sum(found.values()), len(found)
    raise DataError(
        f"the tokenizer does not know {total} words ({kinds} different: {shown}), first in text {number}",
        place=place,
        remedy=f"{hint} {remedy}" if hint else remedy,
    )
