"""Text answers: the whole reply, a regular expression's group, or a place in a JSON reply."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, cast

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

    The pattern is the user's own and is trusted: one that backtracks without end is not interrupted.

    Raises:
        ConfigError: The pattern is empty or does not compile.
    """

    def __init__(self, pattern: str) -> None:
        self.name = f"regex:{pattern}"
        try:
            self._pattern = re.compile(pattern, re.MULTILINE)
        except (re.error, OverflowError, RecursionError) as e:
            raise ConfigError(f"pattern {pattern!r:.200} is not a regular expression: {e}", place="verifier") from e
        if not pattern:
            raise ConfigError("the pattern is empty", place="verifier", remedy="Write it like regex:ANSWER=(.*).")

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The last match that holds more than white space; a match is a mark, so it counts in a cut-off reply too."""
        found: str | None = None
        for match in self._pattern.finditer(text):
            part: str | None = match.group(1) if self._pattern.groups else match.group()
            found = (part or "").strip() or found
        return found

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the match equals the oracle answer (or the oracle's own match, when it has one)."""
        oracle = self.extract(problem.answer) or problem.answer.strip()
        return compare(self.extract(text, cut_off=cut_off), oracle, problem=problem, cut_off=cut_off)


class JsonPathVerifier:
    """A value in the first JSON object (or array, for a path that begins with an index) of the reply.

    Args:
        path: Keys and indices, such as ``result.items[0].name``.

    Raises:
        ConfigError: The path is malformed.
    """

    def __init__(self, path: str) -> None:
        self.name = f"json:{path}"
        steps = re.findall(r"(?:^|\.)([^.\[\]]+)|\[([0-9]{1,9})\]", path)
        if not steps or "".join(f".{key}" if key else f"[{index}]" for key, index in steps).removeprefix(".") != path:
            raise ConfigError(f"{path!r} is not a JSON path", place="verifier", remedy="Write it like a.b[0].c.")
        self._steps: list[str | int] = [int(index) if index else key for key, index in steps]

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The value as compact JSON with sorted keys, or None when there is no such place.

        Numbers are compared as numbers: ``1``, ``1.0`` and ``"1"`` have the same form.
        """
        try:
            return self._at_path(_first(text, opening="[" if isinstance(self._steps[0], int) else "{"))
        except (RecursionError, ValueError):  # nested deeper than anybody reads; 1e999
            return None

    def _at_path(self, value: Any) -> str | None:
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
            oracle = _compact(_DECODER.decode(problem.answer))
        except (ValueError, RecursionError):
            oracle = _compact(problem.answer)
        return compare(self.extract(text, cut_off=cut_off), oracle, problem=problem, cut_off=cut_off)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _compact(value: Any) -> str:
    if isinstance(value, str):  # models put numbers in quotes
        try:
            number = _DECODER.decode(value)
        except (ValueError, RecursionError):
            number = None
        value = number if isinstance(number, int | float) and not isinstance(number, bool) else value
    text = json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair could not be written to a file


def _whole(value: Any) -> Any:
    """1.0 as 1, at any depth: JSON knows one kind of number."""
    if isinstance(value, dict):
        return {key: _whole(part) for key, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_whole(part) for part in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _first(text: str, *, opening: str) -> Any:
    """The first complete JSON value that begins with ``opening``; None when there is none."""
    # Every try may read far before it fails; the bounds keep a reply made of brackets from taking quadratic time.
    num_tries, num_chars = 1_000, 4 * len(text) + 10_000
    at = text.find(opening)
    while at >= 0 and num_tries > 0 and num_chars > 0:
        try:
            return _DECODER.raw_decode(text, at)[0]
        except json.JSONDecodeError as e:
            num_chars -= e.pos - at
        except ValueError:  # NaN, or a number of thousands of digits
            pass
        num_tries -= 1
        at = text.find(opening, at + 1)
    return None
