"""The keys this process may sign with, by id.

A generation config is printed, saved and sent to other machines, so that it names its key by ``key_id`` and never holds
it. Whoever builds the logits processor asks here for the key of that id:

    unlock(open_ring(None))             the active keys of the user's ring
    unlock(SecretKey.generate())        one key, for a try
"""

# pyright: strict
from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.keys.secret import SecretKey, describe_key_id


class _Ring(Protocol):
    def active(self, now: datetime) -> tuple[SecretKey, ...]: ...


_unlocked: dict[str, SecretKey] = {}


def unlock(key_or_ring: SecretKey | _Ring, *, now: datetime | None = None) -> None:
    """Let this process sign with a key, or with the active keys of a ring.

    Args:
        key_or_ring: A key, or a `reasonry.watermark.keys.ring.KeyRing`, whose retired keys stay locked.
        now: Time at which a ring's keys must be active; None: the present.

    Raises:
        ConfigError: The ring has no active key, or another key of the same id is unlocked already; nothing is then
            unlocked.
    """
    if isinstance(key_or_ring, SecretKey):
        keys: tuple[SecretKey, ...] = (key_or_ring,)
    else:
        keys = key_or_ring.active(now or datetime.now(UTC))
        if not keys:
            raise ConfigError(
                "the key ring has no active key to unlock",
                remedy="Make one with `reasonry watermark key new`, or unlock one key by itself.",
            )
    for key in keys:
        if _unlocked.get(key.key_id, key) != key:
            raise ConfigError(f"another key of the id {key.key_id!r} is unlocked", remedy="Call lock() first.")
    _unlocked.update({key.key_id: key for key in keys})


def unlocked(key_id: str) -> SecretKey:
    """The unlocked key of an id.

    Raises:
        ConfigError: It is not unlocked in this process; the ids that are stand in the message.
    """
    key = _unlocked.get(key_id)
    if key is None:
        there = ", ".join(_unlocked) or "none"
        advice = "Call reasonry.watermark.keys.unlocking.unlock(key or ring) first; a ring's retired keys stay locked."
        raise ConfigError(
            f"the watermark key {describe_key_id(key_id)} is not unlocked in this process",
            remedy=" ".join(filter(None, [nearest(key_id, _unlocked), f"Unlocked: {there}.", advice])),
        )
    return key


def lock() -> None:
    """Forget every unlocked key."""
    _unlocked.clear()
