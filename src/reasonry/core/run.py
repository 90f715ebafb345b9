"""A run directory is the identity of a piece of work: the same command again continues it.

Files every run has::

    config.toml    resolved config; ``reasonry VERB @config.toml`` replays it
    run.json       verb, config fingerprint, format version
    env.json       versions, commit, machine class, seed, determinism level
    *.jsonl        append-only results, torn last lines recovered
    results.json   what was found; depends on config and seed only
    report.html, report.json

A run directory of another config is refused with the differing keys. Fields marked ``Extends`` may grow.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from reasonry.core import atomic, config, environment
from reasonry.core.environment import Determinism
from reasonry.core.lock import RunLock
from reasonry.errors import ConfigError, DataError, ResourceError, RunMismatchError

FORMAT = 1
State = Literal["new", "continued", "extended"]


def default_folder(verb: str, cfg: config.Config, *labels: str) -> Path:
    """``runs/VERB-LABELS-FINGERPRINT``: the same command finds its own run again."""
    parts = [re.sub(r"[^A-Za-z0-9.]+", "-", p).strip("-").lower()[-40:] for p in (verb, *labels)]
    return Path("runs") / "-".join([*filter(None, parts), config.fingerprint(cfg)[:8]])


class Run:
    """An open, locked run directory. Use as a context manager.

    Args:
        verb: The command line verb the run belongs to.
        cfg: The resolved config.
        folder: The run directory; made when missing.
        seed: The run's one seed, recorded in env.json.
        warn: Called with one line for each thing the user should know.

    Raises:
        RunMismatchError: ``folder`` holds another config or verb; the message lists the differences.
        ConfigError: ``folder`` is not empty and not a run directory.
        ResourceError: Another process holds the run, or the folder cannot be written.
    """

    def __init__(
        self,
        verb: str,
        cfg: config.Config,
        *,
        folder: Path,
        seed: int,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.verb = verb
        self.config = cfg
        self.folder = folder
        self.seed = seed
        self.state: State = "new"
        self._warn = warn
        self._lock = RunLock(folder)

    def __enter__(self) -> Self:
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError("is a file, not a run directory", place=str(self.folder), remedy="Choose another --run.")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self._is_ours():
            raise ConfigError(
                "the folder is not empty and is not a run directory",
                place=str(self.folder),
                remedy="Choose another --run; nothing in it was touched.",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ResourceError(f"cannot make the run directory: {e.strerror}", place=str(self.folder)) from e
        self._lock.__enter__()
        try:
            self._open()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def path(self, name: str) -> Path:
        """A file of this run."""
        return self.folder / name

    @property
    def command(self) -> str:
        """The command line that continues or repeats this run."""
        config_file = shlex.quote(f"@{self.path('config.toml')}")
        return f"reasonry {self.verb} {config_file} --run {shlex.quote(str(self.folder))}"

    def record_environment(self, determinism: Determinism) -> None:
        """Write env.json when work starts; on a continued run, warn where the environment is another one."""
        now = environment.describe(seed=self.seed, determinism=determinism)
        path = self.path("env.json")
        if path.exists():
            before = read_json(path)
            for name in ("versions", "machine", "commit"):
                if before.get(name) != now[name]:
                    self._warn(
                        f"continuing a run made with other {name} ({_difference(before.get(name), now[name])}); "
                        "bitwise equality with an uninterrupted run is no longer promised"
                    )
            return
        atomic.write_json(path, now)

    # ------------------------------------------------------------

    def _is_ours(self) -> bool:
        """A run directory, or the remains of one whose very first write was interrupted."""
        names = {p.name for p in self.folder.iterdir()}
        first = {".lock", "config.toml"}  # what may stand before run.json does
        return "run.json" in names or all(n in first or n.startswith(atomic.TMP_PREFIX) for n in names)

    def _open(self) -> None:
        atomic.sweep(self.folder)
        marker = self.path("run.json")
        if marker.exists():
            old = self._stored_config(read_json(marker))
            changes = config.diff(old, self.config)
            if changes:
                raise RunMismatchError(
                    "the run directory holds another config:\n  " + "\n  ".join(changes),
                    place=str(self.folder),
                    remedy="Give the old values back, or another --run for the new ones. Nothing was changed.",
                )
            self.state = "continued" if old == self.config else "extended"
        # config.toml goes first: run.json, the mark of a run directory, never stands without it.
        text = config.dump_toml(self.config)
        target = self.path("config.toml")
        if not target.exists() or target.read_text("utf-8") != text:
            atomic.write_text(target, text)
        if not marker.exists():
            body = {"verb": self.verb, "fingerprint": config.fingerprint(self.config), "format": FORMAT}
            atomic.write_json(marker, body)

    def _stored_config(self, marker: dict[str, Any]) -> config.Config:
        if marker.get("verb") != self.verb:
            raise RunMismatchError(
                f"the run directory belongs to 'reasonry {marker.get('verb')}', not 'reasonry {self.verb}'",
                place=str(self.folder),
                remedy="Choose another --run.",
            )
        path = self.path("config.toml")
        try:
            stored = tomllib.loads(path.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise DataError(f"the run's config cannot be read: {e}", place=str(path)) from e
        return config.from_dict(type(self.config), stored, place=str(path))


def _difference(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
        return ", ".join(f"{k} {before.get(k)} -> {after.get(k)}" for k in keys)
    return f"{before} -> {after}"


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object of a run directory.

    Raises:
        DataError: The file is missing or not a JSON object.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as e:
        raise DataError("no such file", place=str(path), remedy="Is this a finished run directory?") from e
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    if not isinstance(value, dict):
        raise DataError(f"holds {type(value).__name__}, not an object", place=str(path))
    return value
