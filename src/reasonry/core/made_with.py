"""What a run is made with besides its config: recorded once, and compared whenever it goes on."""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.run import read_json
from reasonry.errors import ConfigError, RunMismatchError

MADE_WITH = "made_with.json"
_SHOWN_CHARS = 160


class MadeWith:
    """The file ``made_with.json`` of a run directory that is locked.

    Args:
        folder: The run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MADE_WITH
        self._values: dict[str, Any] = read_json(self.path) if self.path.exists() else {}

    def get(self, name: str) -> Any:
        """What was recorded; None if nothing was."""
        return self._values.get(name)

    def put(self, name: str, value: Any) -> None:
        """Record a value, whatever was there."""
        self.put_all({name: value})

    def put_all(self, values: Mapping[str, Any]) -> None:
        """Record values, whatever was there: all of them at once, so that no reader finds some without the others."""
        now = {**self._values, **{name: _as_json(name, value) for name, value in values.items()}}
        if now != self._values:
            self._values = now
            atomic.write_json(self.path, now)

    def check(self, name: str, value: Any) -> None:
        """Record a value, or refuse another than the run began with.

        Raises:
            RunMismatchError: It is another one.
            ConfigError: It is no JSON.
        """
        value = _as_json(name, value)
        if name in self._values and self._values[name] != value:
            was, now = _difference(self._values[name], value)
            raise RunMismatchError(
                f"the run began with the {name.replace('_', ' ')} {was}, this command would go on with {now}",
                place=str(self.path.parent),
                remedy="Continue with what it began with, or choose another --run. Nothing was changed.",
            )
        self.put(name, value)


def _as_json(name: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as e:
        raise ConfigError(f"the identity of the {name} is no JSON: {e}", place=name) from e


def _difference(was: Any, now: Any) -> tuple[str, str]:
    """Both, without the fields in which they agree."""
    if isinstance(was, dict) and isinstance(now, dict):
        keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]  # pyright: ignore
        was, now = ({key: side.get(key) for key in keys} for side in (was, now))  # pyright: ignore
    return json.dumps(was)[:_SHOWN_CHARS], json.dumps(now)[:_SHOWN_CHARS]
