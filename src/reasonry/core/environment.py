"""What a result depends on besides its config: versions, source commit, machine class. No environment variables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Literal

import reasonry

Determinism = Literal["bitwise", "sample-stable", "statistical"]
"""bitwise: the same command on the same machine and versions repeats every bit;
sample-stable: moreover a sample depends on (seed, problem, index) only, whatever the order or batch size;
statistical: only distributions repeat (remote endpoints)."""

_TRACKED = (
    "numpy",
    "scipy",
    "pydantic",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "trl",
    "peft",
    "safetensors",
    "math-verify",
)


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result; absent packages are left out."""
    found: dict[str, str] = {"python": platform.python_version(), "reasonry": reasonry.__version__}
    for name in _TRACKED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_commit() -> str | None:
    """Commit of the checkout reasonry runs from (``+dirty`` with local changes), None when installed from a wheel."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+dirty" if dirty else head


def _git(root: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *args],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


def machine_class() -> str:
    """A short public name of the machine: cores, architecture, processor model, memory. No host name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = _memory_bytes() / 2**30
    model = _processor_model()
    shown = f", {model}" if model else ""
    return f"{cores} cores {platform.machine()}{shown}, {memory_gib:.0f} GiB"


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _processor_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def describe(*, seed: int, determinism: Determinism) -> dict[str, Any]:
    """The content of a run's ``env.json``."""
    return {
        "versions": versions(),
        "commit": source_commit(),
        "platform": platform.platform(),
        "machine": machine_class(),
        "seed": seed,
        "determinism": determinism,
    }
