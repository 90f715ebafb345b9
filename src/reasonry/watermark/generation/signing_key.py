"""Which key a run signs with: chosen once, then the run's for good.

``key.json`` holds the id of the key, never the key. A run that goes on signs with the key it began with, although a
newer one may be in the ring by then; when that key has been retired since, the run signs nothing any more.
"""

# pyright: strict
from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from reasonry.core import atomic
from reasonry.core.run import Run, read_json
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.watermark.keys.ring import ENVIRONMENT_NAME, KeyRing, default_path, open_ring
from reasonry.watermark.keys.secret import SecretKey

KEY_FILE = "key.json"


def existing_ring(path: Path | None) -> KeyRing | None:
    """The user's ring; None where there is none yet.

    Raises:
        ReasonryError: As `reasonry.watermark.keys.ring.open_ring`.
    """
    if path is None and os.environ.get(ENVIRONMENT_NAME, "").strip():
        return open_ring(None)
    return open_ring(path) if (path or default_path()).exists() else None


def make_ring(path: Path | None, *, say: Say) -> KeyRing:
    """A ring with a new key, where there was none; said aloud, because nobody else has a copy."""
    target = path or default_path()
    ring = KeyRing()
    key = SecretKey.generate()
    ring.add(key, "made by watermark generate")
    ring.save(target)
    say(f"new key {key.key_id} in {target}; keep a copy: text signed with a lost key can never be recognised")
    return ring


def choose_key(ring: KeyRing, key_id: str) -> SecretKey:
    """The named key of a ring, or the newest active one.

    Raises:
        ConfigError: There is none, or the named one is not active.
    """
    now = datetime.now(UTC)
    key = ring.get(key_id) if key_id else ring.newest_active(now)
    _check_active(key, ring, now, why="", remedy="Name an active key, or none to take the newest.")
    return key


def key_of_run(run: Run, ring: KeyRing, key_id: str) -> SecretKey:
    """The key the run began with; for a new run the chosen one, which is written down.

    Raises:
        ConfigError: The ring does not hold it; or as `choose_key`.
    """
    path = run.path(KEY_FILE)
    if not path.exists():
        key = choose_key(ring, key_id)
        atomic.write_json(path, {"key_id": key.key_id})
        return key
    begun = str(read_json(path).get("key_id"))
    if begun not in {entry.key.key_id for entry in ring.entries}:
        raise ConfigError(
            f"the texts of this run are signed with the key {begun}, which is not in the ring",
            place=ring.source,
            remedy="Name the ring that holds it with --ring, or choose another --run.",
        )
    return ring.get(begun)


def check_may_sign(key: SecretKey, ring: KeyRing) -> None:
    """Refuse to sign more text with the key of a run when it has been retired since.

    Raises:
        ConfigError: It is not active.
    """
    remedy = "The texts that are there stay as they are; choose another --run to sign more with an active key."
    _check_active(key, ring, datetime.now(UTC), why=", with which this run began,", remedy=remedy)


def _check_active(key: SecretKey, ring: KeyRing, now: datetime, *, why: str, remedy: str) -> None:
    if key in ring.active(now):
        return
    status = next(entry.status for entry in ring.entries if entry.key == key)
    problem = "is retired" if status == "retired" else "is outside the time in which it signs"
    raise ConfigError(f"the key {key.key_id}{why} {problem}", place=ring.source, remedy=remedy)
