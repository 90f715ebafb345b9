"""Formats of logs: which reader reads which, how a file's format is told, and which files of a folder are read.

A reader is a module ``extract.readers.NAME`` with

    read(path) -> Iterator[Log | Unread]     every trajectory of one file
    recognise(path) -> bool                  whether the file is one of its own, by a look at its first rows

Formats are tried from the most particular to the least: a file of a chat is what no other reader claims. Each may stand
in a table as well: a Parquet file, or the folder of a data set, which counts as one file (see `tables`).
"""

# pyright: strict
from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from reasonry.errors import DataError, nearest
from reasonry.training.pivotrl.extract.lines import TABLE, is_dataset
from reasonry.training.pivotrl.extract.logs import Reader

_READERS = "reasonry.training.pivotrl.extract.readers"
TRAJECTORIES = "trajectories.jsonl"
_HUB = re.compile(r"(?:hf:/+(?:datasets/)?|https?:/+huggingface\.co/datasets/)?(?P<id>[\w.-]+/[\w.-]+)")


class FormatRow(NamedTuple):
    """One format.

    Attributes:
        name: As users name it.
        suffixes: Of its files; tables not among them.
        about: What writes it.
    """

    name: str
    suffixes: tuple[str, ...]
    about: str

    @property
    def module(self) -> str:
        """Where its reader is."""
        return f"{_READERS}.{self.name.replace('-', '_')}"


FORMATS = {
    row.name: row
    for row in (
        FormatRow("nemo-gym", (".jsonl", ".json"), "NVIDIA NeMo Gym pivot rows"),
        FormatRow("atif", (".json", ".jsonl"), "Agent Trajectory Interchange Format (Harbor)"),
        FormatRow("tau2", (".json", ".jsonl"), "tau2-bench results"),
        FormatRow("swe-agent", (".traj", ".json"), "SWE-agent trajectories"),
        FormatRow("openhands", (".json", ".jsonl"), "OpenHands output and completions"),
        FormatRow("sharegpt", (".jsonl", ".json"), "ShareGPT and LLaMA-Factory conversations"),
        FormatRow("openai", (".jsonl", ".json"), "OpenAI and TRL messages, runs of this program"),
    )
}
"""Every format, the most particular first."""


class Source(NamedTuple):
    """A file that is read.

    Attributes:
        path: As it was given, or found beneath what was given; the folder of a data set is one.
        format: Name of its format.
    """

    path: Path
    format: str


class Sources(NamedTuple):
    """What is read, and what is not.

    Attributes:
        files: In the order of their paths, each once.
        skipped: Files of folders that no reader recognises.
    """

    files: tuple[Source, ...]
    skipped: tuple[Path, ...]


def reader_of(name: str) -> Reader:
    """How files of a format are read.

    Raises:
        DataError: There is no such format.
    """
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}", place="format", remedy=nearest(name, FORMATS) or _known())
    return cast("Reader", importlib.import_module(FORMATS[name].module).read)


def recognise(path: Path) -> str:
    """The format of a file, by its suffix and first rows; empty where it is none of these.

    Raises:
        DataError: It cannot be read.
    """
    is_table = path.suffix == TABLE or is_dataset(path)
    for name, row in FORMATS.items():
        if is_table or path.suffix in row.suffixes:
            claims = cast("Callable[[Path], bool]", importlib.import_module(row.module).recognise)
            if claims(path):
                return name
    return ""


def find_sources(paths: Sequence[Path], *, format: str = "auto") -> Sources:
    """The files that some paths stand for, whatever the order they are given in.

    A folder stands for its ``trajectories.jsonl`` where it has one, as run directories do, for itself where it is a
    data set, else for every file and data set beneath it that a reader recognises; hidden ones are left out. A file
    stands for itself.

    Args:
        paths: Files and folders.
        format: Of all files; ``auto`` tells it file by file.

    Raises:
        DataError: A path is not there, a file given is of no known format, or nothing is left to read.
    """
    found: dict[str, Source] = {}
    skipped: dict[str, Path] = {}
    for path in sorted({p.expanduser() for p in paths}, key=lambda p: p.as_posix()):
        if not path.exists():
            raise _not_there(path)
        is_folder = path.is_dir() and not is_dataset(path)
        for file in _files(path, format) if is_folder else (path,):
            key = os.path.realpath(file)
            if key in found or key in skipped:
                continue
            name = recognise(file) if format == "auto" else format
            if name:
                found[key] = Source(file, name)
            elif is_folder:
                skipped[key] = file
            else:
                raise DataError("no trajectories of a known format", place=str(file), remedy=_remedy(file))
    if not found:
        tried = f"{len(skipped)} files were looked at" if skipped else "there is no file that could hold any"
        remedy = f"A run of eval gsm-agent writes {TRAJECTORIES} with --trajectories. {_known()}"
        raise DataError(f"no trajectories: {tried}", place=", ".join(map(str, paths)), remedy=remedy)
    files = sorted(found.values(), key=lambda source: source.path.as_posix())
    return Sources(tuple(files), tuple(sorted(skipped.values(), key=lambda path: path.as_posix())))


def _files(folder: Path, format: str) -> Iterator[Path]:
    """Files of a folder that may hold trajectories."""
    suffixes = {TABLE} | {s for row in FORMATS.values() if format in ("auto", row.name) for s in row.suffixes}
    for place, folders, names in os.walk(folder):
        if is_dataset(Path(place)):
            folders.clear()
            yield Path(place)
            continue
        if TRAJECTORIES in names and ".jsonl" in suffixes:
            folders.clear()
            yield Path(place, TRAJECTORIES)
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix in suffixes and not name.startswith("."):
                yield path


def _not_there(path: Path) -> DataError:
    """The error for a path that is not there; one that may be meant as a name on the hub is told how to get it."""
    text = path.as_posix()
    named = _HUB.fullmatch(text)
    is_address = bool(named) and named["id"] != text
    if named is None or (not is_address and (path.parent.exists() or path.suffix in (TABLE, ".json", ".jsonl"))):
        return DataError("there is no such file or folder", place=text, remedy="Check the path.")
    load = f'datasets.load_dataset("{named["id"]}").save_to_disk("data")'
    remedy = f"A data set of the Hugging Face hub is not downloaded here: run {load} in Python, then give data."
    return DataError("there is no such file or folder", place=text, remedy=remedy)


def _remedy(file: Path) -> str:
    if file.suffix == ".arrow":
        return "It is a part of a data set: give the folder that Dataset.save_to_disk wrote."
    if file.suffix == TABLE or is_dataset(file):
        return f"Its columns are those of no format; rename them. {_known()}"
    return _known()


def _known() -> str:
    return f"Name its format with --format: {', '.join(sorted(FORMATS))}."
