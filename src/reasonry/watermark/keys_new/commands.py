"""What ``reasonry watermark key`` does, without the command line: make, import and retire keys in a private file."""

# pyright: strict
from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.errors import ConfigError
from reasonry.watermark.key_ring import ENVIRONMENT_NAME, KeyRing, default_path, open_ring
from reasonry.watermark.key_ring_json import stamp
from reasonry.watermark.keys import SecretKey

_SECRET_WORD = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{64}|0[xX][0-9a-fA-F]{8,64})(?![0-9a-zA-Z])")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Changed(NamedTuple):
    """A key of a file, and remarks for the user on what else matters."""

    key: SecretKey
    path: Path
    remarks: tuple[str, ...]


class Listing(NamedTuple):
    """Where a ring was read, and of each key: key_id, kind, status, is_active, its times and its note, as JSON."""

    source: str
    rows: list[dict[str, Any]]


def refuse_secrets(args: Sequence[str]) -> None:
    """Refuse a command line with a secret in it, before anything repeats it.

    Raises:
        ConfigError: A word holds 64 hex digits or a 0x number of at least 8, or a number stands after --integer. The
            name of the ring's file may hold anything: folders are named by hashes.
    """
    words = [part for arg in args for part in (arg.split("=", 1) if arg.startswith("--") else [arg])]
    for before, word in itertools.pairwise(["", *words]):
        is_integer = before == "--integer" and word[:1].isdigit()
        if before != "--ring" and (is_integer or _SECRET_WORD.search(word)):
            raise ConfigError(
                "a secret stands on the command line, where the shell's history and the list of processes show it",
                remedy="Give it on standard input, or name an environment variable that holds it with --from-env. If "
                "it marks text already, take it for known.",
            )


def read_variable(name: str) -> str:
    """The value of an environment variable that holds a secret.

    Raises:
        ConfigError: It is not set, or that cannot be its name.
    """
    if not _VARIABLE.fullmatch(name):
        raise ConfigError("--from-env takes the name of an environment variable, not its value")
    if not os.environ.get(name, "").strip():
        raise ConfigError(f"the environment variable {name} is not set")
    return os.environ[name]


def add_key(key: SecretKey, path: Path | None, *, note: str = "", now: datetime | None = None) -> Changed:
    """Add a key to the ring of a file, which is made when missing.

    Raises:
        ConfigError: The ring has the key already.
        ReasonryError: The file is damaged, readable by others or cannot be written; see `KeyRing`.
    """
    target = path or default_path()
    ring = KeyRing.load(target) if target.exists() else KeyRing()
    ring.source = str(target)
    ring.add(key, note, now=now)
    ring.save(target)
    backup = "Back the file up where only you can read it: text signed with a lost key can never be detected."
    return Changed(key, target, (backup, *_shadowed(path, target)))


def retire_key(key_id: str, path: Path | None, *, now: datetime | None = None) -> Changed:
    """Retire a key of the ring of a file.

    Raises:
        ConfigError: There is no such file or key.
        ReasonryError: The file is damaged, readable by others or cannot be written; see `KeyRing`.
    """
    target = path or default_path()
    ring = KeyRing.load(target)
    ring.retire(key_id)
    ring.save(target)
    remarks = ["It signs nothing any more; text signed with it is still detected."]
    if not ring.active(now or datetime.now(UTC)):
        remarks.append("No key of this ring is active now: make one before you mark text.")
    return Changed(ring.get(key_id), target, (*remarks, *_shadowed(path, target)))


def list_keys(path: Path | None, *, now: datetime | None = None) -> Listing:
    """The ring in use: of ``path``, else of the environment variable, else of the default file.

    Raises:
        ReasonryError: It is missing, damaged or readable by others; see `open_ring`.
    """
    ring, now = open_ring(path), now or datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "key_id": entry.key.key_id,
            "kind": entry.key.kind,
            "status": entry.status,
            "is_active": entry.is_active(now),
            "created": stamp(entry.created),
            "not_before": stamp(entry.not_before),
            "not_after": stamp(entry.not_after),
            "note": entry.note,
        }
        for entry in ring.entries
    ]
    return Listing(ring.source, rows)


def _shadowed(path: Path | None, target: Path) -> tuple[str, ...]:
    if path is None and os.environ.get(ENVIRONMENT_NAME, "").strip():
        return (f"{ENVIRONMENT_NAME} is set and will be read instead of {target}, unless --ring names the file.",)
    return ()
