"""Worked examples from files: what continuous chain of thought learns from.

A row is told by its columns:

    question, steps, answer   as in the data of Coconut (arXiv 2412.06769): a text, a list of texts, a text
    question, answer          the answer is a written-out solution, cut by a splitter (`splitters`)
    messages                  one exchange: user (and system) messages, then one of the assistant, which is cut likewise

A file is a JSON list or JSONL. Records of symbolic graphs (`read`) have the first three columns and are read as such.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from reasonry.core.messages import parse_message
from reasonry.errors import DataError
from reasonry.tasks.graphs.json_rows import JsonRow, read_rows
from reasonry.tasks.graphs.read import Reading, parse_symbolic, read_each, text_column, texts_column
from reasonry.tasks.graphs.splitters import split_solution
from reasonry.tasks.reasoning_text import ReasoningText, Split, split_of_text

_SPLIT_NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
_SUFFIXES = (".json", ".jsonl")


def _from_messages(value: Any, *, split_by: str, place: str) -> ReasoningText:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    if not items or not all(isinstance(item, Mapping) for item in items):
        raise DataError(f"column 'messages' holds {value!r:.80}", place=place, remedy="Write a list of messages.")
    messages = [parse_message(item, place=f"{place}: message {i}") for i, item in enumerate(items)]
    roles = [m.role for m in messages]
    if roles[-1] != "assistant" or roles.count("assistant") != 1 or "user" not in roles or "tool" in roles:
        raise DataError(
            f"the messages are by {', '.join(roles)}",
            place=place,
            remedy="One exchange is needed: system and user messages, then one assistant message.",
        )
    if messages[-1].tool_calls:
        raise DataError("the assistant calls a tool", place=place, remedy="Only answers in words can be learnt from.")
    question = "\n\n".join(m.content.strip() for m in messages[:-1] if m.content.strip())
    if not question:
        raise DataError("the messages before the answer are empty", place=place, remedy="Fill them in.")
    solution = split_solution(messages[-1].content, by=split_by, place=place)
    return ReasoningText(question, solution.steps, solution.answer)


def parse_row(row: Mapping[str, Any], *, place: str, split_by: str = "lines") -> ReasoningText:
    """One row of any of the forms.

    Args:
        row: Its columns.
        place: ``file:line``, for errors.
        split_by: Splitter of written-out solutions.

    Raises:
        DataError: Columns are missing, of the wrong kind or empty.
        ConfigError: No splitter of that name.
    """
    if "edges" in row:
        text = parse_symbolic(row, place=place).text
        if text is None:
            raise DataError("missing column 'question'", place=place, remedy="This record has a graph, but no words.")
        return text
    if "messages" in row:
        return _from_messages(row["messages"], split_by=split_by, place=place)
    question, answer = text_column(row, "question", place=place), text_column(row, "answer", place=place)
    if "steps" in row:
        return ReasoningText(question.strip(), texts_column(row, "steps", place=place), answer.strip())
    solution = split_solution(answer, by=split_by, place=place)
    return ReasoningText(question.strip(), solution.steps, solution.answer)


def read_texts(
    path: str | Path, *, split_by: str = "lines", skip_bad: bool = False, limit: int | None = None
) -> Reading[ReasoningText]:
    """Worked examples of a file.

    Args:
        path: JSON list or JSONL.
        split_by: Splitter of written-out solutions: ``lines``, ``sentences`` or ``equations``.
        skip_bad: Leave bad rows out and keep their errors in ``skipped``; else the first one is raised.
        limit: Stop after so many usable rows.

    Raises:
        DataError: The file or (unless skipped) a row cannot be used, with ``file:line``.
        ConfigError: No splitter of that name.
    """

    def parse(row: JsonRow) -> ReasoningText:
        return parse_row(row.row, place=row.place, split_by=split_by)

    return read_each(read_rows(path), parse, place=str(path), skip_bad=skip_bad, limit=limit)


def find_split(folder: Path, split: Split) -> Path:
    """The one file of a folder that holds a split: ``test.json``, ``prosqa_test.json``, ``valid.jsonl``, ...

    Raises:
        DataError: There is none, or more than one.
    """
    names = _SPLIT_NAMES[split]
    files = sorted(p for p in folder.iterdir() if p.suffix in _SUFFIXES and p.is_file())
    found = [p for p in files if p.stem in names] or [
        p for p in files if p.stem.replace("-", "_").split("_")[-1] in names
    ]
    if len(found) == 1:
        return found[0]
    held = f"It holds {', '.join(p.name for p in files) or 'no .json or .jsonl file'}."
    count = f"{len(found)} files" if found else "no file"
    raise DataError(f"{count} of the {split} split in this folder", place=str(folder), remedy=f"{held} Name the file.")


def read_split(path: Path, *, split: Split, limit: int | None = None) -> list[ReasoningText]:
    """Worked examples of a split.

    Args:
        path: A folder with one file for each split, or one file for all of them: then the hash of a question says which
            split it belongs to (8 to 1 to 1), so that equal questions never stand in two. A file whose name says which
            split it holds (``prosqa_test.json``) is that split as a whole, and no other.
        split: Which.
        limit: Stop after so many rows.

    Raises:
        DataError: No file, a bad row, a file of another split, or no row in this split.
    """
    if path.is_dir():
        return list(read_texts(find_split(path, split), limit=limit).items)
    own = path.stem.replace("-", "_").split("_")[-1]
    named = next((s for s, names in _SPLIT_NAMES.items() if own in names), None)
    if named == split:
        return list(read_texts(path, limit=limit).items)
    if named is not None:
        raise DataError(
            f"this file is the {named} split, and {split} was asked for",
            place=str(path),
            remedy="Give the folder with all splits, or the file of this split.",
        )
    found = [text for text in read_texts(path).items if split_of_text(text.question) == split]
    if not found:
        raise DataError(f"no row falls into the {split} split", place=str(path), remedy="Give more rows, or a folder.")
    return found[:limit]
