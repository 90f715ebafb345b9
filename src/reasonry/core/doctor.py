"""Checks of this machine and the installed packages; imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from reasonry.core import environment, models

Level = Literal["ok", "absent", "bad"]

# Below these, a model or checkpoint from a stranger can run code (torch 2.10: CVE-2026-24747;
# transformers 5.3: CVE-2026-4372 and CVE-2026-5241).
FLOORS = {"torch": (2, 10), "transformers": (5, 3)}
EXTRAS = {
    "torch": "hf",
    "transformers": "hf",
    "accelerate": "hf",
    "gguf": "hf",
    "trl": "train",
    "peft": "train",
    "math-verify": "eval",
    "altair": "report",
    "vl-convert-python": "report",
    "ray": "scale",
}


class Finding(NamedTuple):
    """One checked thing. ``absent`` is optional and not there; ``bad`` must be mended."""

    what: str
    level: Level
    value: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Everything ``reasonry doctor`` shows."""
    return [
        _python(),
        Finding("machine", "ok", environment.machine_class()),
        *_packages(),
        *_models(),
        _cache(),
        *_tools(),
    ]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("python", "ok", version)


def _packages() -> list[Finding]:
    found: list[Finding] = []
    for name, extra in EXTRAS.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.append(Finding(name, "absent", "not installed", f'pip install "reasonry[{extra}]"'))
            continue
        floor = FLOORS.get(name)
        numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
        if floor and numbers < floor:
            needed = ".".join(map(str, floor))
            found.append(
                Finding(name, "bad", f"{version} is below the safety floor", f'pip install "{name}>={needed}"')
            )
        else:
            found.append(Finding(name, "ok", version))
    return found


def _models() -> list[Finding]:
    return [
        Finding(alias, "ok", row.about)
        if models.is_installed(alias)
        else Finding(alias, "absent", f"{row.about}; not installed", row.install)
        for alias, row in models.PACKAGED.items()
    ]


def _cache() -> Finding:
    folder = models.cache_dir()
    existing: Path = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    shown = f"{folder}, {free / 2**30:.0f} GiB free"
    if free < 2 * 2**30:
        return Finding("cache", "bad", shown, "Free some space, or set REASONRY_CACHE to a folder with room.")
    return Finding("cache", "ok", shown)


def _tools() -> list[Finding]:
    rows = {"bwrap": "sandbox for model-written code", "nvidia-smi": "NVIDIA driver"}
    return [
        Finding(name, "ok", f"{about}: {path}") if (path := shutil.which(name)) else Finding(name, "absent", about)
        for name, about in rows.items()
    ]
