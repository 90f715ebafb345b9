"""A key ring as JSON, and as an environment variable.

    {"format": "reasonry-watermark-keys", "version": 1, "keys": [
      {"key_id": "...", "kind": "secret", "secret": "64 hex digits", "status": "active", "note": "...",
       "created": "2026-08-02T09:00:00Z", "not_before": null, "not_after": null}, ...]}

A ring is read strictly: every field of a key, no other field, no field twice, the key id that belongs to the secret.
What is wrong with one is returned, not raised, and says where and never what: the damaged part may be a secret, and an
error raised here would carry the text of the ring in its frames.
"""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, NoReturn, cast

from reasonry.errors import ConfigError
from reasonry.watermark.keys import SecretKey

FORMAT = "reasonry-watermark-keys"
VERSION = 1
KeyStatus = Literal["active", "retired"]


class KeyEntry(NamedTuple):
    """A key of a ring. The times are aware; None is unknown for ``created`` and no bound for the other two."""

    key: SecretKey
    status: KeyStatus = "active"
    created: datetime | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    note: str = ""

    def is_active(self, now: datetime) -> bool:
        """Whether new text may be signed with it at ``now``."""
        begun = self.not_before is None or self.not_before <= now
        ended = self.not_after is not None and self.not_after <= now
        return self.status == "active" and begun and not ended


class Decoded(NamedTuple):
    """The keys by id; or what is wrong (``problem``) and where (``place``, may be empty)."""

    entries: Mapping[str, KeyEntry]
    place: str = ""
    problem: str = ""


def utc(time: datetime) -> datetime:
    """``time`` in UTC and whole seconds, as a ring keeps it.

    Raises:
        ConfigError: It has no time zone.
    """
    if time.tzinfo is None:
        raise ConfigError(f"the time {time.isoformat()} has no time zone", remedy="Use datetime.now(UTC).")
    return time.astimezone(UTC).replace(microsecond=0)


def stamp(time: datetime | None) -> str | None:
    """A time of `utc` as ``2026-08-02T09:00:00Z``."""
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def encode(entries: Mapping[str, KeyEntry]) -> bytes:
    """The JSON of a ring. It holds the secrets."""
    rows = [
        {
            "key_id": key_id,
            "kind": entry.key.kind,
            "secret": entry.key.reveal_hex(),
            "status": entry.status,
            "note": entry.note,
            "created": stamp(entry.created),
            "not_before": stamp(entry.not_before),
            "not_after": stamp(entry.not_after),
        }
        for key_id, entry in entries.items()
    ]
    return (json.dumps({"format": FORMAT, "version": VERSION, "keys": rows}, indent=2) + "\n").encode()


def decode_variable(text: str) -> Decoded:
    """Read the JSON of a ring, or secrets of 64 hex digits separated by commas."""
    if text.lstrip().startswith("{"):
        return decode(text.encode("utf-8", "surrogateescape"))
    entries: dict[str, KeyEntry] = {}
    parts = text.split(",")
    for number, part in enumerate(parts, 1):
        place = f"key {number} of {len(parts)}"
        try:
            key = SecretKey.from_hex(part)
        except ConfigError as e:
            return Decoded({}, place, e.problem)
        if key.key_id in entries:
            return Decoded({}, place, "the key stands there twice")
        entries[key.key_id] = KeyEntry(key)
    return Decoded(entries)


def decode(data: bytes) -> Decoded:
    """Read the JSON of a ring."""
    try:
        table = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
        return Decoded(_entries(table))
    except _MalformedError as e:
        return Decoded({}, *e.args)
    except json.JSONDecodeError as e:
        return Decoded({}, str(e.lineno), f"not valid JSON: {e.msg} at column {e.colno}")
    except UnicodeDecodeError as e:
        return Decoded({}, "", f"byte {e.start + 1} is not UTF-8")
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets thousands deep
        return Decoded({}, "", "not the JSON of a key ring")


class _MalformedError(Exception):
    """JSON that is not a ring: where and why. Never leaves this file."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise _MalformedError("", "an object names a field twice")
    return table


def _constant(name: str) -> NoReturn:
    raise _MalformedError("", f"{name} is not a JSON number")


def _entries(table: Any) -> dict[str, KeyEntry]:
    if not isinstance(table, dict) or cast("dict[str, Any]", table).get("format") != FORMAT:
        raise _MalformedError("", f'not a key ring: no object with "format": "{FORMAT}"')
    ring = cast("dict[str, Any]", table)
    version = ring.get("version")
    if type(version) is not int or version < 1:
        raise _MalformedError("", '"version" is not a positive integer')
    if version > VERSION:
        raise _MalformedError("", f"made by a newer reasonry, this one reads version {VERSION}: upgrade")
    keys = ring.get("keys")
    if set(ring) != {"format", "version", "keys"} or not isinstance(keys, list):
        raise _MalformedError("", 'a ring has the fields "format", "version" and a list "keys", and no others')
    entries: dict[str, KeyEntry] = {}
    for i, row in enumerate(cast("list[Any]", keys)):
        entry = _entry(f"keys[{i}]", row)
        if entry.key.key_id in entries:
            raise _MalformedError(f"keys[{i}]", "the key stands in the ring twice")
        entries[entry.key.key_id] = entry
    return entries


_FIELDS = ("key_id", "kind", "secret", "status", "note", "created", "not_before", "not_after")
_CHOICES = {"kind": ("secret", "integer"), "status": ("active", "retired")}


def _entry(place: str, row: Any) -> KeyEntry:
    if not isinstance(row, dict) or set(cast("dict[str, Any]", row)) != set(_FIELDS):
        raise _MalformedError(place, f"a key has the fields {', '.join(_FIELDS)}, and no others")
    fields = cast("dict[str, Any]", row)
    for name in ("key_id", "secret", "note"):
        if not isinstance(fields[name], str):
            raise _MalformedError(place, f'"{name}" is not a string')
    for name, choices in _CHOICES.items():
        if fields[name] not in choices:
            raise _MalformedError(place, f'"{name}" is none of {", ".join(choices)}')
    try:
        key = SecretKey.from_hex(fields["secret"])
    except ConfigError as e:
        raise _MalformedError(place, e.problem) from None
    if fields["kind"] == "integer":
        key = SecretKey.from_integer(int(fields["secret"], 16))
    if key.key_id != fields["key_id"]:
        raise _MalformedError(place, f'"key_id" is not that of its secret, which is {key.key_id}')
    times = {name: _time(place, name, fields[name]) for name in ("created", "not_before", "not_after")}
    return KeyEntry(key, fields["status"], note=fields["note"], **times)


def _time(place: str, name: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(cast("str", text)))
    except (TypeError, ValueError, OverflowError):  # without a zone: ConfigError, which is a ValueError
        raise _MalformedError(place, f'"{name}" is not a time such as 2026-08-02T09:00:00Z') from None
