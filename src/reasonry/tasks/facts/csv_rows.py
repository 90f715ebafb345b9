"""Facts from a table: a row for each subject and a column for each relation, or a row for each fact."""

# pyright: strict
from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from reasonry.errors import DataError
from reasonry.tasks.facts.fact import Dropped, Fact
from reasonry.tasks.facts.templates import Matcher

_DELIMITERS = ("\t", ";", ",")
_SUBJECT = "subject"
_LONG = ("subject", "relation", "object")


class Lines(Protocol):
    """Lines of a text, with the number of the last one."""

    number: int

    def __iter__(self) -> Iterator[str]:
        """The lines, with their ends."""
        ...


def csv_facts(lines: Lines, path: Path, matcher: Matcher, dropped: list[Dropped]) -> Iterator[Fact]:
    """Facts of a wide or a long table.

    Args:
        lines: Of the file, the header first.
        path: For places.
        matcher: Writes prompts.
        dropped: Takes rows without a subject, with all their answers.

    Raises:
        DataError: No header, a column without a name or with another one's, a row that is too long, or bad quotes.
    """
    text = iter(lines)
    header_line = next(text, "")
    delimiter = max(_DELIMITERS, key=header_line.count)
    if delimiter not in header_line:
        remedy = "A table of facts has a column for the subject and one for each relation, with a header."
        raise DataError(f"the header has one column: {header_line.strip()[:80]!r}", place=f"{path}:1", remedy=remedy)
    header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter))]
    names = [name.casefold() for name in header]
    if "" in names or len(set(names)) != len(names):
        remedy = "Give every column a name of its own."
        raise DataError(f"a column of the header has no name of its own: {header}", place=f"{path}:1", remedy=remedy)
    rows = _rows(text, lines, path, delimiter, len(header))
    if set(names) == set(_LONG):
        at = [names.index(name) for name in _LONG]
        for place, row in rows:
            subject, relation, answer = (row[i] if i < len(row) else "" for i in at)
            yield _fact(subject, relation, answer, matcher, place)
        return
    key = names.index(_SUBJECT) if _SUBJECT in names else 0
    for place, row in rows:
        subject = row[key] if key < len(row) else ""
        if not subject.strip():
            dropped.append(Dropped("empty", place, f"no subject, {sum(bool(cell.strip()) for cell in row)} answers"))
            continue
        for i, answer in enumerate(row):
            if i != key and answer.strip():
                yield _fact(subject, header[i], answer, matcher, place)


def _fact(subject: str, relation: str, answer: str, matcher: Matcher, place: str) -> Fact:
    return Fact(subject, relation, answer, matcher.prompt(subject.strip(), relation), f" {answer.strip()}", place)


def _rows(
    text: Iterator[str], lines: Lines, path: Path, delimiter: str, num_columns: int
) -> Iterator[tuple[str, list[str]]]:
    try:
        for row in csv.reader(text, delimiter=delimiter, strict=True):
            place = f"{path}:{lines.number}"
            if len(row) > num_columns:
                remedy = "Quote a cell that holds the delimiter."
                raise DataError(f"{len(row)} cells under {num_columns} columns", place=place, remedy=remedy)
            yield place, row
    except csv.Error as e:
        raise DataError(f"malformed CSV: {e}", place=f"{path}:{lines.number}", remedy="Mend this row.") from e
