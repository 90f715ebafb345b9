"""The short help page of a verb: one entry per top-level flag, one line per group. ``--help-all`` shows every flag."""

from __future__ import annotations

import re
import textwrap
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WIDTH = 100
_LEFT = 26


def page(cls: type[BaseModel], defaults: BaseModel, *, prog: str, description: str) -> str:
    """The help page of a config class."""
    positional = [(name, f) for name, f in cls.model_fields.items() if is_positional(f)]
    flags = [(name, f) for name, f in cls.model_fields.items() if not is_positional(f)]
    groups = [(name, f) for name, f in flags if isinstance(getattr(defaults, name, None), BaseModel)]
    plain = [(name, f) for name, f in flags if not isinstance(getattr(defaults, name, None), BaseModel)]
    usage = " ".join([prog, *(f"[{n.upper()}]" if not f.is_required() else n.upper() for n, f in positional)])
    lines = [f"usage: {usage} [@config.toml ...] [--flag value ...] [--json]", ""]
    lines += [*textwrap.wrap(_flat(description), _WIDTH), ""]
    for name, field in positional:
        lines += _entry(f"  {name.upper()}", field, getattr(defaults, name, None))
    for name, field in plain:
        default = getattr(defaults, name, None)
        switch = f"--no-{name}" if default is True else f"--{name}"
        lines += _entry(f"  {switch.replace('_', '-')} {_shape(field)}".rstrip(), field, default)
    if groups:
        lines += ["", "Groups of flags (reasonry VERB --help-all shows each flag):".replace("reasonry VERB", prog)]
        for name, _ in groups:
            inner = type(getattr(defaults, name))
            about = _flat(inner.__doc__ or "").split(". ")[0].rstrip(".")
            keys = ", ".join(k.replace("_", "-") for k in inner.model_fields)
            lines += _wrapped(f"  --{name.replace('_', '-')}.*", f"{about}: {keys}")
    lines += ([""] if lines[-1] else []) + [
        "  --json                  one JSON object on stdout, everything for people on stderr"
    ]
    return "\n".join(lines)


def is_positional(field: FieldInfo) -> bool:
    """Whether the field is given by its place on the command line."""
    import tyro

    return get_args(tyro.conf.Positional[int])[1] in field.metadata


def _entry(left: str, field: FieldInfo, default: Any) -> list[str]:
    about = _flat(field.description or "").rstrip(".")
    if field.is_required():
        shown = " (required)"
    elif default in (None, "", (), [], {}) or isinstance(default, bool):
        shown = ""
    else:
        shown = f" (default: {default.value if isinstance(default, Enum) else default})"
    return _wrapped(left, about + shown)


def _wrapped(left: str, right: str) -> list[str]:
    body = textwrap.wrap(right, _WIDTH - _LEFT, break_on_hyphens=False) or [""]
    head = [f"{left:<{_LEFT}}{body.pop(0)}"] if len(left) < _LEFT else [left]
    return [*head, *(" " * _LEFT + line for line in body)]


def _shape(field: FieldInfo) -> str:
    """What goes after the flag: INT, STR, a choice; nothing for switches."""
    return "|".join(_names(field.annotation))


def _names(annotation: Any) -> Iterator[str]:
    origin = get_origin(annotation)
    if annotation is bool:
        return
    if origin is Literal:
        yield "{" + ",".join(str(v) for v in get_args(annotation)) + "}"
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            if part is not type(None):
                yield from _names(part)
    elif origin is typing.Annotated:
        yield from _names(get_args(annotation)[0])
    elif origin in (tuple, list):
        yield " ".join(_names(get_args(annotation)[0])) + " ..."
    elif isinstance(annotation, type):
        yield "PATH" if issubclass(annotation, Path) else cast("type", annotation).__name__.upper()


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "")).strip()
