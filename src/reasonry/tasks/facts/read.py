"""Facts from the files that people have.

    JSONL, triples   {"subject", "relation", "object"}, optionally "prompt" and "completion"
    JSONL, TRL       {"prompt", "completion"}, strings or lists of messages; read by templates (see `templates`)
    JSONL, problems  what `reasonry data make facts:...` writes; its held-out questions are left out and counted
    CSV, wide        a row for each subject, a column for each relation; the subject in the column "subject", or else
                     the first one. An empty cell is no fact. Commas, semicolons or tabs
    CSV, long        the columns "subject", "relation" and "object"

Lines that are not UTF-8 are left out and counted, as are prompts that fit no template; a file of which most lines are
like that is refused, and so is a line that is no row at all. Every fact keeps its ``file:line``.
"""

# pyright: strict
from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

from reasonry.errors import DataError
from reasonry.tasks.facts.csv_rows import csv_facts
from reasonry.tasks.facts.fact import Dropped, Fact, FactTable, fact_table
from reasonry.tasks.facts.templates import Matcher, Templates

CSV_SUFFIXES = (".csv", ".tsv")
HELD_OUT = "held-out"
_COLUMNS = "'subject', 'relation' and 'object', or 'prompt' and 'completion'"
_TRIPLE = frozenset(("subject", "relation", "object"))


def read_facts(path: Path | str, *, templates: Templates | None = None) -> FactTable:
    """The facts of a file, see the head of this one for its forms.

    Args:
        path: JSONL, or CSV if its name ends in ``.csv`` or ``.tsv``.
        templates: How prompts are read and, where a file has none, written; None takes those of the made-up data sets.

    Raises:
        DataError: The file cannot be read, a line is no row (``file:line``), most lines are not UTF-8 or fit no
            template, or no fact is left.
        ConfigError: A template is none.
    """
    path = Path(path)
    matcher = Matcher(templates)
    lines = _Lines(path)
    if path.suffix.lower() in CSV_SUFFIXES:
        found = csv_facts(lines, path, matcher, lines.dropped)
    else:
        found = _row_facts(_json_rows(lines, path), matcher, lines.dropped)
    table = fact_table(found, dropped=lines.dropped, source=str(path))
    _check(table, lines.num_lines)
    return table


def facts_from_rows(
    rows: Iterable[Mapping[str, Any]], *, templates: Templates | None = None, source: str = "rows"
) -> FactTable:
    """The facts of rows in memory (a Hugging Face dataset, say), of the kinds that a JSONL file may have.

    Args:
        rows: Each with one of the sets of columns at the head of this file.
        templates: See `read_facts`.
        source: What places begin with, as in ``rows:1``.

    Raises:
        DataError: As `read_facts`.
        ConfigError: A template is none.
    """
    dropped: list[Dropped] = []
    num = 0

    def placed() -> Iterator[tuple[str, Mapping[str, Any]]]:
        nonlocal num
        for row in rows:
            num += 1
            yield f"{source}:{num}", row

    table = fact_table(_row_facts(placed(), Matcher(templates), dropped), dropped=dropped, source=source)
    _check(table, num)
    return table


class _Lines:
    """Numbered lines of a file as text; what is not UTF-8 goes to ``dropped``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped: list[Dropped] = []
        self.num_lines = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        try:
            with open(self.path, "rb") as f:
                for self.number, raw in enumerate(f, 1):
                    if self.number == 1:
                        raw = self._without_mark(raw)
                    try:
                        text = raw.decode()
                    except UnicodeDecodeError as e:
                        detail = f"byte 0x{raw[e.start]:02x} at column {e.start + 1}"
                        self.dropped.append(Dropped("not-utf-8", f"{self.path}:{self.number}", detail))
                        self.num_lines += 1
                        continue
                    if text.strip():
                        self.num_lines += 1
                        yield text
        except OSError as e:
            raise DataError(f"cannot read: {e.strerror or e}", place=str(self.path), remedy="Check the path.") from e

    def _without_mark(self, raw: bytes) -> bytes:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
            remedy = "Convert it first: iconv -f UTF-16 -t UTF-8."
            raise DataError("the file looks like UTF-16, not UTF-8", place=str(self.path), remedy=remedy)
        return raw.removeprefix(codecs.BOM_UTF8)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key occurs twice")
    return row


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_constant)
_CAREFUL_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def _json_rows(lines: _Lines, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    decode = _DECODER.raw_decode
    name = str(path)
    for text in lines:
        place = f"{name}:{lines.number}"
        try:
            row, end = decode(text)
            # A flat row of strings in which no key occurs twice has four quotes for each key. Any other may be
            # sound, too, and gets a second look.
            if type(row) is not dict or text.count('"') != 4 * len(row) or text[end:].strip():  # pyright: ignore
                row = _careful(text, place)
        except (ValueError, RecursionError):
            row = _careful(text, place)
        yield place, cast("dict[str, Any]", row)


def _careful(text: str, place: str) -> dict[str, Any]:
    """The row on a line.

    Raises:
        DataError: It is none, with the reason.
    """
    try:
        row = _CAREFUL_DECODER.decode(text)
    except (ValueError, RecursionError) as e:
        remedy = "Every line is one JSON object; mend or remove this line."
        raise DataError(f"malformed JSON: {e}", place=place, remedy=remedy) from e
    if not isinstance(row, dict):
        remedy = f"A row has the columns {_COLUMNS}."
        raise DataError(f"a row is a JSON object, got {text[:40]!r}", place=place, remedy=remedy)
    return cast("dict[str, Any]", row)


def _row_facts(
    rows: Iterable[tuple[str, Mapping[str, Any]]], matcher: Matcher, dropped: list[Dropped]
) -> Iterator[Fact]:
    shared: dict[str, str] = {}  # one object for equal texts: a third of the memory, and quicker to compare
    for place, row in rows:
        if row.get("split") == HELD_OUT:
            dropped.append(Dropped("held-out", place, str(row.get("prompt", ""))))
            continue
        if "subject" in row and "relation" in row and "object" in row:
            yield _triple(row, matcher, place, shared)
        elif "prompt" in row and "completion" in row:
            prompt, completion = (_message_text(row[column], column, place) for column in ("prompt", "completion"))
            found = matcher.match(prompt, completion)
            if found is None:
                dropped.append(Dropped("no-template", place, repr(prompt[:80])))
                continue
            yield Fact(*found, prompt, completion, place)
        elif isinstance(row.get("metadata"), Mapping) and row["metadata"].keys() >= _TRIPLE:
            of_problem = cast("Mapping[str, Any]", row["metadata"])
            if of_problem.get("split") == HELD_OUT:
                dropped.append(Dropped("held-out", place, str(row.get("question", ""))))
                continue
            yield _triple(of_problem, matcher, place, shared)
        else:
            remedy = f"A row of facts has the columns {_COLUMNS}."
            raise DataError(f"the row has the columns {', '.join(row) or '(none)'}", place=place, remedy=remedy)


def _triple(row: Mapping[str, Any], matcher: Matcher, place: str, shared: dict[str, str]) -> Fact:
    subject, relation, answer = row["subject"], row["relation"], row["object"]
    if not (type(subject) is type(relation) is type(answer) is str):
        subject, relation, answer = (_cell(row[column], column, place) for column in ("subject", "relation", "object"))
    share = shared.setdefault
    subject, relation, answer = share(subject, subject), share(relation, relation), share(answer, answer)
    if "prompt" not in row and "completion" not in row:
        return Fact(subject, relation, answer, matcher.prompt(subject, relation), f" {answer.strip()}", place)
    prompt, completion = row.get("prompt"), row.get("completion")
    return Fact(
        subject,
        relation,
        answer,
        matcher.prompt(subject, relation) if prompt is None else _message_text(prompt, "prompt", place),
        f" {answer.strip()}" if completion is None else _message_text(completion, "completion", place),
        place,
    )


def _cell(value: Any, column: str, place: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    kind = type(value).__name__
    raise DataError(f"column {column!r} holds a {kind}: {value!r:.80}", place=place, remedy="Write a string there.")


def _message_text(value: Any, column: str, place: str) -> str:
    """A string, or the content of the last message."""
    if isinstance(value, list) and value:
        last = cast("list[Any]", value)[-1]
        if isinstance(last, Mapping):
            return _cell(cast("Mapping[str, Any]", last).get("content"), f"{column}[-1].content", place)
    return _cell(value, column, place)


def _check(table: FactTable, num_rows: int) -> None:
    counts = table.num_dropped
    if 2 * counts.get("not-utf-8", 0) > num_rows:
        raise DataError(
            f"{counts['not-utf-8']} of {num_rows} lines are not UTF-8",
            place=table.source,
            remedy="Convert the file first, for example: iconv -f WINDOWS-1252 -t UTF-8.",
        )
    if 2 * counts.get("no-template", 0) > num_rows:
        first = next(one for one in table.dropped if one.reason == "no-template")
        raise DataError(
            f"{counts['no-template']} of {num_rows} prompts fit no template, the first is {first.detail}",
            place=first.place,
            remedy='Say how they are written: templates, such as {"lives_in": "{s} lives in"}.',
        )
    if not table.facts:
        left_out = ", ".join(f"{reason} {count}" for reason, count in counts.items()) or "it is empty"
        raise DataError(f"no fact is left: {left_out}", place=table.source, remedy=f"Rows have {_COLUMNS}.")
