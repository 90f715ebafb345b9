"""Examples whose reasoning has been read into codes: rows of ``encoded.jsonl``, what made them in ``encoded.json``."""

# pyright: strict
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from reasonry.core import jsonl
from reasonry.core.run import read_json
from reasonry.errors import ConfigError, DataError

Ids = tuple[int, ...]

ROWS, INFO = "encoded.jsonl", "encoded.json"
_IDS = ("prompt_ids", "cot_ids", "answer_ids", "codes")
_TEXTS = ("id", "question", "answer")


class EncodedRow(NamedTuple):
    """One example.

    Attributes:
        id: Names it, and its random streams.
        question: In words.
        answer: In words.
        prompt_ids: What the model reads.
        cot_ids: The reasoning, tokenised alone.
        answer_ids: What follows the reasoning, end token included.
        codes: Of the full chunks of the reasoning, in order; those of a chunk side by side. Numbers from 0.
    """

    id: str
    question: str
    answer: str
    prompt_ids: Ids
    cot_ids: Ids
    answer_ids: Ids
    codes: Ids

    @property
    def split(self) -> str:
        """``train`` or ``validation``: what its id begins with."""
        return self.id.partition("-")[0]

    def to_json(self) -> dict[str, Any]:
        """As a row of the file."""
        return {name: list(value) if name in _IDS else value for name, value in self._asdict().items()}


class EncodedInfo(NamedTuple):
    """What rows were made with.

    Attributes:
        chunk_tok: Tokens of a chunk, L.
        codes_per_chunk: Codes of each.
        num_codes: K.
        codes_hash: Of the codec's weights.
        tokenizer_fingerprint: Whose ids the rows have.
        codes: Folder of the codec; seen from that of the file when it is not absolute.
        data: Name of the data.
        seed: Of generated data.
        marker: Before the answer.
        chat_template: Whether questions are user turns.
        counts: Rows and tokens, by name; see `codes.encoding.Counts`.
        folder: Where the file is.
    """

    chunk_tok: int
    codes_per_chunk: int
    num_codes: int
    codes_hash: str
    tokenizer_fingerprint: str
    codes: str
    data: str
    seed: int
    marker: str
    chat_template: bool
    counts: Mapping[str, int]
    folder: Path = Path()

    @property
    def codes_folder(self) -> Path:
        """Of the codec."""
        return Path(os.path.normpath(self.folder / self.codes))

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {name: value for name, value in self._asdict().items() if name != "folder"}


class EncodedSet(NamedTuple):
    """A file of examples.

    Attributes:
        rows: In its order.
        info: What made them.
    """

    rows: list[EncodedRow]
    info: EncodedInfo

    def of(self, split: str) -> list[EncodedRow]:
        """Rows of a split."""
        return [row for row in self.rows if row.split == split]


def read_info(path: Path | str) -> EncodedInfo:
    """What made the rows of a run directory of ``encode``.

    Args:
        path: The directory, or one of its two files.

    Raises:
        DataError: Encoding has not been finished, or the file is damaged.
    """
    folder = _folder(Path(path))
    place = folder / INFO
    if not place.is_file():
        what = "its encoding has not been finished" if (folder / ROWS).is_file() else "no encoded examples here"
        raise DataError(what, place=str(folder), remedy="Run reasonry train latent-tokens encode CODES DATA (again).")
    found = read_json(place)
    missing = [name for name in EncodedInfo._fields if name not in found and name != "folder"]
    if missing:
        raise DataError(f"lacks {missing[0]!r}", place=str(place), remedy="Encode once more into another --run.")
    return EncodedInfo(**{name: found[name] for name in EncodedInfo._fields if name != "folder"}, folder=folder)


def read_encoded(path: Path | str) -> EncodedSet:
    """The examples of a run directory of ``encode``.

    Args:
        path: The directory, or one of its two files.

    Raises:
        DataError: Encoding has not been finished; or a row is none, or has not the codes of its chunks (``file:line``).
    """
    info = read_info(path)
    place = info.folder / ROWS
    rows = [parse_encoded(row, info, place=f"{place}:{line}") for line, row in enumerate(jsonl.read(place), 1)]
    if len(rows) != info.counts.get("rows"):
        raise DataError(
            f"{len(rows)} rows, and {info.counts.get('rows')} were written",
            place=str(place),
            remedy="Restore the file, or encode once more into another --run.",
        )
    return EncodedSet(rows, info)


def parse_encoded(row: Mapping[str, Any], info: EncodedInfo, *, place: str) -> EncodedRow:
    """One row.

    Raises:
        DataError: A column is missing or of another kind, or codes do not fit the reasoning.
    """
    for name in (*_TEXTS, *_IDS):
        value = row.get(name)
        if not (_is_ids(value) if name in _IDS else isinstance(value, str)):
            raise DataError(f"column {name!r} holds {value!r:.60}", place=place, remedy="Encode the data once more.")
    ids: dict[str, Any] = {name: tuple(cast("list[int]", row[name])) for name in _IDS}
    made = EncodedRow(**{name: row[name] for name in _TEXTS}, **ids)
    expected = len(made.cot_ids) // info.chunk_tok * info.codes_per_chunk
    if len(made.codes) != expected or any(not 0 <= code < info.num_codes for code in made.codes):
        raise DataError(
            f"{len(made.codes)} codes for {len(made.cot_ids)} tokens of reasoning; {expected} are right, "
            f"each below {info.num_codes}",
            place=place,
            remedy="Encode the data once more.",
        )
    return made


def check_codes(info: EncodedInfo, codes_hash: str, *, place: str) -> None:
    """Refuse rows, or a model, of other codes.

    Args:
        info: What made the rows.
        codes_hash: Of the codes at hand.
        place: Of those, for the message.

    Raises:
        ConfigError: They are two.
    """
    if info.codes_hash != codes_hash:
        raise ConfigError(
            f"these codes ({codes_hash[:8]}) are not those of the encoded examples ({info.codes_hash[:8]})",
            place=place,
            remedy="Use what was made with the same codes, or encode the data with these.",
        )


def _is_ids(value: Any) -> bool:
    """A list of numbers from 0; booleans are none."""
    if not isinstance(value, list):
        return False
    return all(type(item) is int and item >= 0 for item in cast("list[Any]", value))


def _folder(path: Path) -> Path:
    return path.parent if path.name in (ROWS, INFO) else path
