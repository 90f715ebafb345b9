"""Text answers: the whole reply, a regular expression's group, or a place in a JSON reply."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.core.verify.base import compare
from reasonry.errors import ConfigError


class ExactVerifier:
    """The whole reply, white space folded; case counts unless ``fold_case``."""

    name = "exact"

    def __init__(self, *, fold_case: bool = False) -> None:
        self._fold_case = fold_case

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The reply with white space folded; None when empty or cut off."""
        flat = " ".join(text.split())
        return None if cut_off or not flat else (flat.casefold() if self._fold_case else flat)

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when equal to the oracle answer."""
        return compare(
            self.extract(text, cut_off=cut_off),
            self.extract(problem.answer),
            problem=problem,
            cut_off=cut_off,
        )


class RegexVerifier:
    """The last match of a pattern: its first group, or the whole match.

    Raises:
        ConfigError: The pattern does not compile.
    """

    def __init__(self, pattern: str) -> None:
        self.name = f"regex:{pattern}"
        try:
            self._pattern = re.compile(pattern, re.MULTILINE)
        except re.error as e:
            raise ConfigError(f"pattern {pattern!r} is not a regular expression: {e}", place="verifier") from e

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The last match; a match is a mark, so it counts in a cut-off reply too."""
        found: str | None = None
        for match in self._pattern.finditer(text):
            found = match.group(1) if self._pattern.groups else match.group()
        return found.strip() if found is not None else None

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the match equals the oracle answer (or the oracle's own match, when it has one)."""
        oracle = self.extract(problem.answer) or problem.answer.strip()
        return compare(self.extract(text, cut_off=cut_off), oracle, problem=problem, cut_off=cut_off)


class JsonPathVerifier:
    """A value in the first JSON object of the reply, by a path such as ``result.items[0].name``.

    Raises:
        ConfigError: The path is malformed.
    """

    def __init__(self, path: str) -> None:
        self.name = f"json:{path}"
        steps = re.findall(r"\.?([^.\[\]]+)|\[(\d+)\]", path)
        rebuilt = re.sub(r"\.?([^.\[\]]+)|\[(\d+)\]", "", path)
        if not steps or rebuilt:
            raise ConfigError(f"{path!r} is not a JSON path", place="verifier", remedy="Write it like a.b[0].c.")
        self._steps: list[str | int] = [int(index) if index else key for key, index in steps]

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The value as compact JSON with sorted keys, or None when there is no such place."""
        value = _first_object(text)
        for step in self._steps:
            if isinstance(step, str) and isinstance(value, dict) and step in value:
                value = cast("dict[str, Any]", value)[step]
            elif isinstance(step, int) and isinstance(value, list) and step < len(cast("list[Any]", value)):
                value = cast("list[Any]", value)[step]
            else:
                return None
        return _compact(value)

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the value equals the oracle answer, read as JSON where it is JSON, as a string otherwise."""
        try:
            oracle = _compact(json.loads(problem.answer))
        except (ValueError, RecursionError):
            oracle = _compact(problem.answer)
        return compare(self.extract(text, cut_off=cut_off), oracle, problem=problem, cut_off=cut_off)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _first_object(text: str) -> Any:
    decoder = json.JSONDecoder()
    for match in re.finditer(r"[{\[]", text):
        try:
            return decoder.raw_decode(text, match.start())[0]
        except (ValueError, RecursionError):
            continue
    return None
