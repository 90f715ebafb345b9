"""Verifiers behind one protocol, by name: ``number``, ``exact``, ``math``, ``regex:PATTERN``, ``json:PATH``.

Tasks bring verifiers of their own: a row of `OF_TASKS` names a class that is made with what follows the colon, and is
imported when it is used.
"""

from __future__ import annotations

import importlib

from reasonry.core.verify.base import Verifier
from reasonry.errors import ConfigError, nearest

__all__ = ["OF_TASKS", "VERIFIERS", "Verifier", "make_verifier"]

OF_TASKS: dict[str, str] = {"maze-plan": "reasonry.tasks.maze.verifier:MazePlanVerifier"}
VERIFIERS = ("number", "exact", "math", "regex:PATTERN", "json:PATH", *OF_TASKS)


def make_verifier(name: str) -> Verifier:
    """The verifier called ``name``.

    Raises:
        ConfigError: Unknown name, or a malformed pattern or path.
        MissingDependencyError: It needs a package that is not installed.
    """
    kind, colon, detail = name.partition(":")
    if colon and kind in ("number", "exact", "math"):
        raise ConfigError(f"verifier {kind!r} takes no {colon + detail!r}", place="verifier")
    if kind == "number":
        from reasonry.core.verify.number import NumberVerifier

        return NumberVerifier()
    if kind == "math":
        from reasonry.core.verify.math import MathVerifier

        return MathVerifier()
    if kind in ("exact", "regex", "json"):
        from reasonry.core.verify import text

        if kind == "exact":
            return text.ExactVerifier()
        return text.RegexVerifier(detail) if kind == "regex" else text.JsonPathVerifier(detail)
    if kind in OF_TASKS:
        module, _, attribute = OF_TASKS[kind].partition(":")
        return getattr(importlib.import_module(module), attribute)(detail)
    hint = nearest(name, VERIFIERS) or f"Known: {', '.join(VERIFIERS)}."
    raise ConfigError(f"unknown verifier {name!r}", place="verifier", remedy=hint)
