"""Sentences as facts: which relation and which subject a prompt speaks of.

A template is the prompt with ``{s}`` for the subject (``{s} lives in``); with ``{o}`` as well it is the whole of prompt
and completion (``{s} lives in {o}.``), and the answer is what stands there. A template with ``(?P<s>...)`` is a regular
expression, with ``(?P<o>...)`` over prompt and completion. Of several that fit, the one with the most letters of its
own wins, so that ``{s} speaks`` does not take what ``At home, {s} speaks`` means.
"""

# pyright: strict
from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.facts.presets import PHRASINGS, SLOT

Templates = Mapping[str, str | Sequence[str]]
"""Relation -> its template or templates; the first one that is no regular expression writes prompts."""

_OBJECT = "{o}"
_GROUP = "(?P<s>"
_OBJECT_GROUP = "(?P<o>"


class Match(NamedTuple):
    """What a sentence says.

    Attributes:
        subject: Whom it is about.
        relation: Of which template.
        object: The answer.
    """

    subject: str
    relation: str
    object: str


class _Template(NamedTuple):
    relation: str
    pattern: re.Pattern[str]
    has_object: bool
    num_letters: int


class Matcher:
    """Reads sentences, and writes prompts, by templates.

    Args:
        templates: By relation; None takes `PHRASINGS`.

    Raises:
        ConfigError: A template has no place for the subject, or is no regular expression.
    """

    def __init__(self, templates: Templates | None = None) -> None:
        given = PHRASINGS if templates is None else templates
        texts = {
            relation: (one,) if isinstance(one, str) else tuple(one) for relation, one in {**PHRASINGS, **given}.items()
        }
        self._prompt_of: dict[str, tuple[str, str]] = {}
        for relation, several in texts.items():
            before_answer = (one.split(_OBJECT)[0].rstrip() for one in several if _GROUP not in one)
            prompt = next((one for one in before_answer if SLOT in one), None)
            if prompt is not None:
                before, _, after = prompt.partition(SLOT)
                self._prompt_of[relation] = (before, after)
        compiled = [_compiled(relation, text) for relation in given for text in texts[relation]]
        self._templates = sorted(compiled, key=lambda one: -one.num_letters)

    def match(self, prompt: str, completion: str) -> Match | None:
        """What a prompt with its completion says; None if no template fits."""
        short, whole = prompt.strip(), (prompt + completion).strip()
        for one in self._templates:
            found = one.pattern.fullmatch(whole if one.has_object else short)
            if found:
                answer = found["o"] if one.has_object else completion
                return Match(found["s"].strip(), one.relation, answer.strip())
        return None

    def prompt(self, subject: str, relation: str) -> str:
        """A prompt for a relation; without a template the relation's name in words, as in ``Alice Stone lives in``."""
        parts = self._prompt_of.get(relation)
        if parts is None:
            parts = self._prompt_of[relation] = ("", f" {' '.join(relation.replace('_', ' ').split())}")
        return f"{parts[0]}{subject}{parts[1]}"


def _compiled(relation: str, text: str) -> _Template:
    if _GROUP in text:
        try:
            pattern = re.compile(text, re.DOTALL)
        except re.error as e:
            raise ConfigError(f"{text!r} is no regular expression: {e}", place=f"templates.{relation}") from e
        return _Template(relation, pattern, _OBJECT_GROUP in text, len(text))
    if text.count(SLOT) != 1 or text.count(_OBJECT) > 1:
        remedy = "Write {s} where the subject stands, as in '{s} lives in'."
        raise ConfigError(f"{text!r} has no one place for the subject", place=f"templates.{relation}", remedy=remedy)
    escaped = re.escape(text.strip()).replace(re.escape(SLOT), "(?P<s>.+?)").replace(re.escape(_OBJECT), "(?P<o>.+?)")
    return _Template(relation, re.compile(escaped, re.DOTALL), _OBJECT in text, len(text))


def read_templates(path: Path | str) -> Templates:
    """Templates from a TOML file of lines such as ``lives_in = "{s} lives in"``, with a list for several.

    Raises:
        DataError: The file cannot be read, or a value is no text.
    """
    path = Path(path).expanduser()
    remedy = 'Give a TOML file of lines such as lives_in = "{s} lives in".'
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise DataError(f"the templates cannot be read: {e}", place=str(path), remedy=remedy) from e
    found: dict[str, str | list[str]] = {}
    for relation, value in table.items():
        several = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not several or not all(isinstance(one, str) for one in several):
            raise DataError(f"{relation} is {value!r:.80}", place=str(path), remedy=remedy)
        found[relation] = several
    return found
