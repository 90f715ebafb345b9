"""Optional packages: one error, which prints the exact command that installs what is missing."""

from __future__ import annotations

import importlib.util

from reasonry.errors import MissingDependencyError


def missing(what: str, command: str) -> MissingDependencyError:
    """The error for something that ``command`` installs."""
    return MissingDependencyError(what, remedy=f"Install it with: {command}")


def need(module: str, *, extra: str, why: str) -> None:
    """Raise unless ``module`` can be imported. Imports nothing itself.

    Raises:
        MissingDependencyError: Names the extra that brings it.
    """
    if importlib.util.find_spec(module) is None:
        raise missing(f"{module} is not installed ({why})", f'pip install "reasonry[{extra}]"')
