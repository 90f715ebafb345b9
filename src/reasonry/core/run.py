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
from reasonry.core.lock import LOCK_NAME, RunLock
from reasonry.errors import ConfigError, DataError, ResourceError, RunMismatchError

FORMAT = 1
State = Literal["new", "continued", "extended"]
_CHOOSE = "Choose another --run."


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
        try:
            if self.folder.exists() and not self.folder.is_dir():
                raise ConfigError("is a file, not a run directory", place=str(self.folder), remedy=_CHOOSE)
            if self.folder.is_dir() and not self._is_ours():
                raise ConfigError(
                    "the folder is not empty and is not a run directory",
                    place=str(self.folder),
                    remedy="Choose another --run; nothing in it was touched.",
                )
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ResourceError(
                f"cannot use this as run directory: {e.strerror or e}", place=str(self.folder), remedy=_CHOOSE
            ) from e
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
        """A run directory, an empty folder, or the remains of a run whose very first write was interrupted."""
        names = {p.name for p in self.folder.iterdir()}
        if "run.json" in names:
            return True
        first = {LOCK_NAME, "config.toml"}  # what may stand before run.json does
        if not all(n in first or n.startswith(atomic.TMP_PREFIX) for n in names):
            return False
        return "config.toml" not in names or self._wrote(self.path("config.toml"))

    def _wrote(self, path: Path) -> bool:
        """Whether a config file is one that a run writes, word for word; one written by hand is never replaced."""
        try:
            text = path.read_text("utf-8")
            return text == config.dump_toml(config.from_dict(type(self.config), tomllib.loads(text), place=str(path)))
        except (OSError, ValueError):  # unreadable, not TOML, or (ConfigError) of another shape
            return False

    def _open(self) -> None:
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
            self.state = "extended" if _grows(old, self.config) else "continued"
        atomic.sweep(self.folder)
        # config.toml goes first: run.json, the mark of a run directory, never stands without it.
        text = config.dump_toml(self.config)
        target = self.path("config.toml")
        if not target.exists() or target.read_text("utf-8") != text:
            atomic.write_text(target, text)
        if not marker.exists():
            body = {"verb": self.verb, "fingerprint": config.fingerprint(self.config), "format": FORMAT}
            atomic.write_json(marker, body)

    def _stored_config(self, marker: dict[str, Any]) -> config.Config:
        if not isinstance(marker.get("verb"), str):
            raise DataError("this run.json is not that of a run", place=str(self.path("run.json")), remedy=_CHOOSE)
        if marker["verb"] != self.verb:
            raise RunMismatchError(
                f"the run directory belongs to 'reasonry {marker['verb']}', not 'reasonry {self.verb}'",
                place=str(self.folder),
                remedy=_CHOOSE,
            )
        if marker.get("format") != FORMAT:
            raise DataError(
                f"the run directory has format {marker.get('format')!r}, this version reads {FORMAT}",
                place=str(self.path("run.json")),
                remedy="Continue it with the version that began it (see env.json), or choose another --run.",
            )
        path = self.path("config.toml")
        try:
            stored = tomllib.loads(path.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise DataError(f"the run's config cannot be read: {e}", place=str(path)) from e
        old = config.from_dict(type(self.config), stored, place=str(path))
        if marker.get("fingerprint") != config.fingerprint(old):
            raise RunMismatchError(
                "the run did not begin with this config: the file was edited, or reasonry has other settings now",
                place=str(path),
                remedy="Restore it, or choose another --run. Nothing was changed.",
            )
        return old


def _grows(old: config.Config, new: config.Config) -> bool:
    """Whether a field differs that may grow, in two configs without any other difference that matters."""
    before = {key: value for key, value, _ in config.flatten(old)}
    return any(config.Extends in marks and before.get(key) != value for key, value, marks in config.flatten(new))


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
