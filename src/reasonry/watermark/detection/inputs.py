"""What a run of detection depends on besides its config, so that answers about one thing are not given for another.

A file is named in the config, but not what is in it; neither are the keys that the ring holds by now, nor the profile
that lies beside the file. All three decide the answer: they are hashed, stand in ``input.json`` and in the name of the
default run directory. The same question again finds its own run; another question gets a run of its own.

Standard input and pipes can be read once. Nobody can tell whether what comes the next time is the same, so a run over
them is never continued.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.config import Config
from reasonry.core.run import Run, default_folder, read_json
from reasonry.errors import DataError, RunMismatchError
from reasonry.watermark.detection.read import STANDARD_INPUT
from reasonry.watermark.detection.source import open_bytes

INPUT = "input.json"
_WHAT = {
    "file": "the file has changed",
    "profile_id": "the profile is another",
    "key_ids": "the keys to look for are others",
    "tokenizer": "the tokenizer is another",
}


class Inputs(NamedTuple):
    """What is read, and with what.

    Attributes:
        name: Of the file, for people.
        can_be_read_again: False for standard input and pipes.
        identity: What ``input.json`` holds.
    """

    name: str
    can_be_read_again: bool
    identity: dict[str, Any]

    def folder(self, verb: str, config: Config) -> Path:
        """The default run directory: that of the same question, or a new one where it cannot be the same."""
        label = "standard input" if self.name == "standard input" else Path(self.name).stem
        if self.can_be_read_again:
            body = json.dumps(self.identity, sort_keys=True).encode()
            return default_folder(verb, config, label, hashlib.blake2b(body, digest_size=4).hexdigest())
        folders = (default_folder(verb, config, label, str(i)) for i in itertools.count(1))
        return next(folder for folder in folders if not folder.exists())

    def check(self, run: Run, *, num_done: int) -> None:
        """Write ``input.json``; refuse to go on where it holds something else.

        Args:
            run: The open run.
            num_done: Texts the run has answers for. Without any, nothing can be mixed up.

        Raises:
            RunMismatchError: The run has answers to another question.
        """
        path = run.path(INPUT)
        before = read_json(path) if path.exists() else {}
        if num_done and not self.can_be_read_again:
            raise RunMismatchError(
                f"the run holds what an earlier {self.name} said, which cannot be read again",
                place=str(run.folder),
                remedy="Choose another --run. Nothing was changed.",
            )
        if num_done and before != self.identity:
            changed = [text for name, text in _WHAT.items() if before.get(name) != self.identity.get(name)]
            raise RunMismatchError(
                f"{' and '.join(changed) or 'what was read is unknown'} since this run began",
                place=str(run.folder),
                remedy="Choose another --run, or restore it. Nothing was changed.",
            )
        if before != self.identity:
            atomic.write_json(path, self.identity)


def inputs_of(file: str, *, profile_id: str, key_ids: Sequence[str], tokenizer: str = "") -> Inputs:
    """Look at a file; a regular one is read to its end.

    Args:
        file: Path, or ``-`` for standard input.
        profile_id: Of the profile to read it with.
        key_ids: Keys to look for.
        tokenizer: Name of the one that cuts the text, where no profile says which it has to be.

    Raises:
        DataError: It cannot be read, or there is no standard input.
    """
    identity: dict[str, Any] = {"profile_id": profile_id, "key_ids": sorted(key_ids), "tokenizer": tokenizer}
    if file == STANDARD_INPUT:
        check_standard_input()
        return Inputs("standard input", False, identity)
    path = Path(file)
    check_is_there(file)
    if not path.is_file():  # a pipe, such as that of <(zcat texts.gz)
        return Inputs(path.name, False, identity)
    digest = hashlib.blake2b(digest_size=16)
    with open_bytes(path) as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return Inputs(path.name, True, {**identity, "file": digest.hexdigest()})


def check_is_there(file: str) -> None:
    """Raises DataError for a file that cannot be opened; a pipe is left unread."""
    path = Path(file)
    if file != STANDARD_INPUT and (path.is_file() or path.is_dir() or not path.exists()):
        open_bytes(path).close()


def check_standard_input() -> None:
    """Raises DataError where standard input is closed."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise DataError("is closed", place="standard input", remedy="Name a file, or pipe a text in.")
