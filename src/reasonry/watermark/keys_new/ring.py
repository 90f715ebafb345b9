"""The ring of watermark keys: a private JSON file (`key_ring_json` has its format), or an environment variable.

New text is signed with an *active* key whose time has come (not_before <= now < not_after); old text is looked for with
every key, retired ones included, because text signed with them is still out there. So a key is never removed: `save`
merges with the file, and of two processes that write at once neither loses the other's key. Retirement is final, which
makes the merge independent of who comes first.

No error repeats what stands in a ring: the damaged part may be a secret. Timestamps are UTC, whole seconds.
"""

# pyright: strict
from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.watermark.key_file import read_private, write_private, writing
from reasonry.watermark.key_ring_json import Decoded, KeyEntry, decode, decode_variable, encode, stamp, utc
from reasonry.watermark.keys import SecretKey, describe_key_id

ENVIRONMENT_NAME = "REASONRY_WATERMARK_KEYS"


class KeyRing:
    """Keys by id, in the order in which they were added. A new ring is empty; ``source`` says where it was read."""

    def __init__(self) -> None:
        self.source = "a new ring"
        self._entries: dict[str, KeyEntry] = {}

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read a ring's file.

        Raises:
            ConfigError: There is no such file, or it cannot be read.
            DataError: It is damaged or of a newer version; its content is not repeated.
            ResourceError: The platform has no POSIX permissions.
            UnsafeArtifactError: Other users may open it.
        """
        remedy = "Mend what is named here, or restore the file from its backup."
        return cls._of(decode(read_private(path)), str(path), remedy)

    @classmethod
    def from_environment(cls, name: str = ENVIRONMENT_NAME) -> KeyRing:
        """Read an environment variable: the JSON of a ring, or hex secrets separated by commas, newest last.

        Raises:
            ConfigError: The variable is not set or empty.
            DataError: It holds neither; its content is not repeated.
        """
        if not os.environ.get(name, "").strip():
            raise ConfigError(
                f"the environment variable {name} is not set", remedy="Put the JSON of a key ring or hex secrets in it."
            )
        return cls._of(
            decode_variable(os.environ[name]),
            f"environment variable {name}",
            "It holds the JSON of a ring, or secrets of 64 hex digits separated by commas; --ring names a file.",
        )

    @classmethod
    def _of(cls, decoded: Decoded, source: str, remedy: str) -> KeyRing:
        if decoded.problem:
            place = f"{source}:{decoded.place}" if decoded.place else source
            raise DataError(decoded.problem, place=place, remedy=remedy)
        ring = cls()
        ring.source, ring._entries = source, dict(decoded.entries)
        return ring

    def __repr__(self) -> str:
        return f"<key ring of {self.source}: {', '.join(self._entries) or 'no keys'}>"

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """Every key with its status, dates and note, in the order in which they were added."""
        return tuple(self._entries.values())

    def all_keys(self) -> tuple[SecretKey, ...]:
        """Every key, retired ones included: the keys to look for in text."""
        return tuple(entry.key for entry in self._entries.values())

    def active(self, now: datetime) -> tuple[SecretKey, ...]:
        """The keys that may sign new text at ``now`` (an aware time)."""
        now = utc(now)
        return tuple(entry.key for entry in self._entries.values() if entry.is_active(now))

    def newest_active(self, now: datetime) -> SecretKey:
        """The active key whose time began last; of several, the one added last.

        A key's time begins when it was created, or at a later ``not_before``. A key added today for next month
        therefore takes over next month.

        Raises:
            ConfigError: No key is active at ``now``.
        """
        now = utc(now)
        newest: KeyEntry | None = None
        for entry in self._entries.values():
            if entry.is_active(now) and (newest is None or _begin(entry) >= _begin(newest)):
                newest = entry
        if newest is None:
            raise ConfigError(
                f"none of {len(self)} keys is active",
                place=self.source,
                remedy="Make one with `reasonry watermark key new`.",
            )
        return newest.key

    def get(self, key_id: str) -> SecretKey:
        """The key of an id, whatever its status.

        Raises:
            ConfigError: There is none; the nearest id and the ids there are stand in the message.
        """
        return self._entry(key_id).key

    def add(
        self,
        key: SecretKey,
        note: str = "",
        *,
        now: datetime | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> None:
        """Add an active key.

        Args:
            key: The key.
            note: What it is for; it is shown by lists, so no secret belongs in it.
            now: Time of creation, aware; None: the present.
            not_before: The key signs from then on; None: at once.
            not_after: The key signs until then; None: until it is retired.

        Raises:
            ConfigError: The ring has a key of that id, a time is not aware, or the two bounds leave no time.
        """
        if key.key_id in self._entries:
            raise ConfigError(f"the key {key.key_id} is in the ring already", place=self.source)
        start, end = utc(not_before) if not_before else None, utc(not_after) if not_after else None
        if start and end and end <= start:
            raise ConfigError(f"not_after ({stamp(end)}) is not later than not_before ({stamp(start)})")
        self._entries[key.key_id] = KeyEntry(key, "active", utc(now or datetime.now(UTC)), start, end, note)

    def retire(self, key_id: str) -> None:
        """Sign nothing with a key any more; it stays in the ring and is still looked for. Retirement is final.

        Raises:
            ConfigError: There is no such key.
        """
        self._entries[key_id] = self._entry(key_id)._replace(status="retired")

    def save(self, path: Path) -> None:
        """Write the ring with mode 0600, merged with the ring that the file holds; this ring then has its keys too.

        Keys are united, and a key that either of the two has retired is retired. Nothing else of a key that the file
        holds is changed.

        Raises:
            ConfigError: The file holds another key of the same id, or cannot be read.
            DataError: The file is damaged; it is left alone, since its keys may still be saved by hand.
            ResourceError: The file cannot be written; it is then as it was.
            UnsafeArtifactError: Other users may open the file.
        """
        with writing(path) as target:
            merged = dict(KeyRing.load(target)._entries) if target.exists() else {}
            for key_id, entry in self._entries.items():
                there = merged.setdefault(key_id, entry)
                if there.key != entry.key:
                    raise ConfigError(f"another key has the id {key_id}", place=str(path), remedy="Use another file.")
                if entry.status == "retired":
                    merged[key_id] = there._replace(status="retired")
            write_private(target, encode(merged))
        self._entries, self.source = merged, str(path)

    def _entry(self, key_id: str) -> KeyEntry:
        entry = self._entries.get(key_id)
        if entry is None:
            ids = f"Keys: {', '.join(self._entries) or 'none'}."
            raise ConfigError(
                f"no key {describe_key_id(key_id)}",
                place=self.source,
                remedy=" ".join(filter(None, [nearest(key_id, self._entries), ids])),
            )
        return entry


def default_path() -> Path:
    """``$XDG_CONFIG_HOME/reasonry/watermark-keys.json``, with ``~/.config`` when the variable is no absolute path.

    Raises:
        ConfigError: The user has no home folder.
    """
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".config"
        except RuntimeError as e:
            raise ConfigError(
                "no home folder to keep the key ring in", remedy="Name a file with --ring, or set XDG_CONFIG_HOME."
            ) from e
    return base / "reasonry" / "watermark-keys.json"


def open_ring(path: Path | None) -> KeyRing:
    """The ring to use: the file ``path``; else ``REASONRY_WATERMARK_KEYS`` when it is set; else the default file.

    Raises:
        ReasonryError: As `KeyRing.load` and `KeyRing.from_environment`.
    """
    if path is not None:
        return KeyRing.load(path)
    if os.environ.get(ENVIRONMENT_NAME, "").strip():
        return KeyRing.from_environment()
    return KeyRing.load(default_path())


def _begin(entry: KeyEntry) -> datetime:
    times = [time for time in (entry.created, entry.not_before) if time is not None]
    return max(times, default=datetime.min.replace(tzinfo=UTC))
