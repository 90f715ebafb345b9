"""Every error a user can cause. Each says the value, the place and the remedy, and carries its exit code.

Programmer mistakes stay ``assert`` or built-in exceptions; only what a user can mend is raised from here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_DATA = 3
EXIT_UNSAFE = 4
EXIT_RESOURCE = 5
EXIT_WATERMARK_DETECTED = 10
EXIT_INTERRUPTED = 130


class ReasonryError(Exception):
    """Root of the errors a user can cause.

    Args:
        problem: What is wrong, with the offending value in it.
        place: Where: ``file:line``, a config key, a URL.
        remedy: What to do about it.
    """

    exit_code = EXIT_CHECK_FAILED

    def __init__(self, problem: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        then = f" {self.remedy}" if self.remedy else ""
        return f"{where}{self.problem.rstrip('.')}.{then}"


class CheckFailed(ReasonryError):
    """A check or a claim did not hold."""


class ConfigError(ReasonryError, ValueError):
    """A flag, a config key or a combination of them is wrong."""

    exit_code = EXIT_USAGE


class RunMismatchError(ConfigError):
    """A run directory holds the work of another configuration."""


class DataError(ReasonryError, ValueError):
    """A file or a record the user gave cannot be used."""

    exit_code = EXIT_DATA


class UnsafeArtifactError(ReasonryError):
    """An artifact would run code or cannot be trusted."""

    exit_code = EXIT_UNSAFE


class ResourceError(ReasonryError, RuntimeError):
    """Disk, memory, a device, a lock or an endpoint is not available."""

    exit_code = EXIT_RESOURCE


class EndpointError(ResourceError):
    """A model endpoint is down, refuses, or answers something that is not a completion."""


class MissingDependencyError(ResourceError, ImportError):
    """An optional package or a packaged model is not installed."""


class Interrupted(ReasonryError):
    """The user asked to stop; everything finished so far is saved."""

    exit_code = EXIT_INTERRUPTED


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name closest to ``name`` as a hint (``did you mean 'x'?``), or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""
