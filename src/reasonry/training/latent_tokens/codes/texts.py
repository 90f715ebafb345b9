"""Examples as token ids: read by name, split by split, with what is left out counted; and whose tokens they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import seeds
from reasonry.core.learning import say_nothing
from reasonry.core.models.config import ModelConfig
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.tasks.graphs.json_rows import JsonRow, read_rows
from reasonry.tasks.graphs.read_texts import find_split, parse_row
from reasonry.tasks.reasoning_text import TEXTS, ReasoningText, Split, check_split, make_texts, split_of_text
from reasonry.tasks.reasoning_tokens import PieceMaker
from reasonry.training.latent_tokens.codes.config import WORDS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DIGITS = tuple("0123456789")
_SPLIT_OF_NAME: Mapping[str, Split] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_SHOWN_CHARS = 100


class Read(NamedTuple):
    """Examples of a split.

    Attributes:
        texts: Those with an answer.
        ids: Names, such as ``train-1``: the split, and the number among its rows, those without an answer counted in.
        places: Where each stands, for errors.
        num_without_answer: Rows that were left out for that.
    """

    texts: list[ReasoningText]
    ids: list[str]
    places: list[str]
    num_without_answer: int


class Tokenised(NamedTuple):
    """An example as token ids.

    Attributes:
        prompt: What a model reads, P.
        cot: The reasoning, tokenised alone, C.
        answer: Marker, answer and end token, S.
    """

    prompt: tuple[int, ...]
    cot: tuple[int, ...]
    answer: tuple[int, ...]


# ---------------------------------------------------------------- reading


def read_examples(name: str, split: Split, num: int, *, seed: int) -> Read:
    """Examples of a split; those of a generator hang on ``seed``.

    A row of a file without an answer is left out and counted; anything else that is wrong with a row is an error.

    Args:
        name: As of `make_texts`.
        split: Which.
        num: How many; fewer where a file has fewer.
        seed: Of generated data.

    Raises:
        ReasonryError: As `make_texts`.
        DataError: There are none.
    """
    check_split(split)
    path = Path(name)
    if name.partition(":")[0] in TEXTS or not name or not path.exists():
        texts = make_texts(name, num=num, seed=seeds.derive(seed, "latent tokens", "texts", split), split=split)
        places = [f"{name}, {split} example {number}" for number in range(1, len(texts) + 1)]
        kept, without = list(enumerate(texts, 1)), 0
    else:
        rows = _rows_of(path, split)[:num]
        answered = [(number, row) for number, row in enumerate(rows, 1) if _has_answer(row.row)]
        kept = [(number, parse_row(row.row, place=row.place)) for number, row in answered]
        places, without = [row.place for _, row in answered], len(rows) - len(answered)
    if not kept:
        raise DataError(f"no {split} example with an answer", place=name, remedy="Give a larger file.")
    return Read([text for _, text in kept], [f"{split}-{number}" for number, _ in kept], places, without)


def _rows_of(path: Path, split: Split) -> list[JsonRow]:
    """Rows of a split, as `reasonry.tasks.graphs.read_texts.read_split` parts them."""
    if path.is_dir():
        return list(read_rows(find_split(path, split)))
    named = _SPLIT_OF_NAME.get(path.stem.replace("-", "_").split("_")[-1])
    if named is not None and named != split:
        raise DataError(
            f"this file is the {named} split, and {split} was asked for",
            place=str(path),
            remedy="Give the folder with all splits, or a file that holds them all.",
        )
    rows = list(read_rows(path))
    return rows if named else [row for row in rows if split_of_text(_question_of(row)) == split]


def _question_of(row: JsonRow) -> str:
    """What decides the split of a row."""
    value = row.row.get("question")
    return value.strip() if isinstance(value, str) and value.strip() else parse_row(row.row, place=row.place).question


def _has_answer(row: Mapping[str, Any]) -> bool:
    """Whether the column of the answer holds anything; conversations are judged by the reader alone."""
    if "messages" in row or "edges" in row:
        return True
    answer = row.get("answer")
    return answer is not None and not (isinstance(answer, str) and not answer.strip())


# ---------------------------------------------------------------- tokens


def make_tokenizer(
    name: str, texts: Sequence[ReasoningText], *, marker: str, data: str, options: ModelConfig | None = None
) -> PreTrainedTokenizerBase:
    """The tokenizer of a name.

    Args:
        name: Hub id, folder, alias; or ``words`` for one token for every word and mark of ``texts``.
        texts: Training examples.
        marker: Before the answer; a word of its own.
        data: Name of the texts: of mazes all words are known beforehand.
        options: Revision and trust.

    Raises:
        ReasonryError: As `load_tokenizer`.
    """
    if name != WORDS:
        from reasonry.core.models.tokenizer import load_tokenizer

        return load_tokenizer(name, options).tokenizer
    from reasonry.core.models.word_level import word_level_tokenizer, words_of

    if data.partition(":")[0] == "maze":
        from reasonry.tasks.maze.words import WORDS as MAZE_WORDS

        return word_level_tokenizer(MAZE_WORDS, marker=marker)
    parts = (part for text in texts for part in _parts(text))
    found = dict.fromkeys(word for part in parts for word in words_of(part, marker=marker, parts_marks=True))
    # Digits besides: an answer of a split that is not read here may be one.
    return word_level_tokenizer([*dict.fromkeys([*found, *_DIGITS])], marker=marker, parts_marks=True)


def tokenise(maker: PieceMaker, read: Read, *, say: Say = say_nothing) -> list[Tokenised]:
    """Examples as ids.

    Raises:
        DataError: As `PieceMaker.make`.
    """
    pieces = maker.make(read.texts, places=read.places, needs_steps=False)
    lossy = maker.lossy(read.texts, pieces)
    if lossy.num:
        say(
            f"warning: the tokenizer does not give back {lossy.num} of {lossy.num_checked} examples; "
            f"{lossy.text[:_SHOWN_CHARS]!r} becomes {lossy.back[:_SHOWN_CHARS]!r}"
        )
    return [Tokenised(each.question, tuple(chain.from_iterable(each.steps)), each.answer) for each in pieces]


def _parts(text: ReasoningText) -> tuple[str, ...]:
    return (text.question, *text.steps, text.answer)
