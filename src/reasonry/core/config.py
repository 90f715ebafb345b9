"""Frozen configs: read from TOML, compared, hashed and dumped. Unknown keys are refused by name.

A field's annotation says what changing it means for a run that already exists:

* plain: the field affects results; a run directory made with another value is refused with a diff;
* ``Extends``: the value may grow (more samples, more problems); the run is then extended;
* ``Neutral``: the field cannot change any result (where to write, how many requests at once).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from reasonry.errors import ConfigError, nearest

ConfigT = TypeVar("ConfigT", bound="Config")


@dataclass(frozen=True)
class _Extends:
    """Marker: the value of an existing run may grow."""


@dataclass(frozen=True)
class _Neutral:
    """Marker: the value never changes a result."""


Extends = _Extends()
Neutral = _Neutral()


class Config(BaseModel):
    """Base of every config: frozen, typed, documented field by field, closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if type(None) in get_args(field.annotation) and field.default is not None:
                raise TypeError(f"{cls.__name__}.{name} may be None, which TOML cannot say: its default must be None")

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_not_one(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name in cls.model_fields:
            annotation = cls.model_fields[info.field_name].annotation
            kinds = {annotation, *get_args(annotation)}
            if kinds & {int, float} and not kinds & {bool, Any}:
                raise ValueError("Input should be a number, not true or false")
        return value

    @field_validator("*")
    @classmethod
    def _fits_toml(cls, value: Any) -> Any:
        if value is not None and (why := _unfit(value)):
            raise ValueError(why)
        return value

    def with_(self, **changes: Any) -> Self:
        """A validated copy with top-level fields replaced."""
        return from_dict(type(self), {**self.model_dump(), **changes})


def _unfit(value: Any) -> str:
    """Why a value cannot stand in the TOML file that replays a run (nor in a JSON request); empty when it can."""
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return next(filter(None, (_unfit(part) for pair in items for part in pair)), "")
    if isinstance(value, list | tuple):
        return next(filter(None, map(_unfit, cast("Sequence[Any]", value))), "")
    if isinstance(value, str | Path):
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return "Input should be Unicode text, without lone surrogates or bytes that are not UTF-8"
    elif isinstance(value, float) and not math.isfinite(value):
        return "Input should be a finite number"
    elif value is None:
        return "TOML has no null: leave the key out"
    elif isinstance(value, datetime.date | datetime.time):
        return "Input should not hold a bare date or time: put it in quotes"
    return ""


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge: tables merge key by key, everything else (lists included) is replaced by ``over``.

    Associative as long as no key is a table in one layer and a plain value in another, which no valid config is.
    """
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            out[key] = merge(cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", value))
        else:
            out[key] = value
    return out


class TomlFile(NamedTuple):
    """What a TOML file says, and its text, in which `from_dict` finds the line of a bad value."""

    table: dict[str, Any]
    text: str


def read_toml_file(path: Path) -> TomlFile:
    """Read one TOML file and keep its text.

    Raises:
        ConfigError: The file is missing, unreadable or not TOML (with the line).
    """
    text = _read_text(path)
    return TomlFile(_toml_table(text, path), text)


def read_toml(path: Path) -> dict[str, Any]:
    """The table of one TOML file.

    Raises:
        ConfigError: As `read_toml_file`.
    """
    return read_toml_file(path).table


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as e:
        raise ConfigError("no such config file", place=str(path), remedy="Check the path after '@'.") from e
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"cannot read the config file: {e}", place=str(path)) from e


def _toml_table(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        at = re.search(r"at line (\d+)", str(e))
        line = int(at.group(1)) if at else text.rstrip("\n").count("\n") + 1  # else: at the end of the file
        place = f"{path}:{line}"
        raise ConfigError(f"not valid TOML: {e}", place=place, remedy="Mend the line named here.") from e
    except (ValueError, RecursionError) as e:  # a number of thousands of digits, brackets thousands deep
        raise ConfigError(f"cannot read the config file: {e}", place=str(path)) from e


def from_dict(cls: type[ConfigT], values: Mapping[str, Any], *, place: str = "config", toml: str = "") -> ConfigT:
    """Validate ``values`` as ``cls``.

    Args:
        cls: The config class.
        values: Nested plain values by key.
        place: What to name in an error: a file, ``command line``.
        toml: Text of the file the values came from; an error then names the line as well.

    Raises:
        ConfigError: An unknown key (with the nearest known one) or a bad value, named with its dotted key.
    """
    try:
        return cls.model_validate(_with_nested_defaults(cls, values))
    except ValidationError as e:
        raise _config_error(cls, e, place=place, toml=toml) from e


def partial_from_dict(
    cls: type[ConfigT], values: Mapping[str, Any], *, place: str = "config", toml: str = ""
) -> ConfigT:
    """As `from_dict`, but top-level fields without a default may still be missing: a later layer gives them.

    Reading a missing field of the result raises AttributeError.
    """
    values = _with_nested_defaults(cls, values)
    try:
        return cls.model_validate(values)
    except ValidationError as e:
        wrong = [error for error in e.errors() if error["type"] != "missing" or len(error["loc"]) > 1]
        if wrong:
            raise _config_error(cls, e, place=place, toml=toml) from e
        missing = {error["loc"][0] for error in e.errors()}
    given = {
        name: TypeAdapter(field_type(field)).validate_python(values[name])
        for name, field in cls.model_fields.items()
        if name in values and name not in missing
    }
    return cls.model_construct(**given)


def _config_error(cls: type[Config], error: ValidationError, *, place: str, toml: str) -> ConfigError:
    errors = error.errors(include_url=False)
    # What is missing may still be given elsewhere; what is wrong stays wrong.
    first = next((e for e in errors if e["type"] != "missing"), errors[0])
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join(keys)
    if line := _line_of(first["loc"], toml):
        place = f"{place}:{line}"
    if first["type"] == "extra_forbidden":
        known = sorted(_fields_at(cls, keys[:-1]))
        hint = nearest(keys[-1], known) or f"Known keys here: {', '.join(known)}."
        return ConfigError(f"unknown key {dotted!r}", place=place, remedy=hint)
    if first["type"] == "missing":
        return ConfigError(f"{dotted!r} is not given and has no default", place=place)
    shown = repr(first.get("input"))
    shown = shown if len(shown) < 80 else shown[:77] + "..."
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    why = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{dotted or 'config'} = {shown}: {why}{more}", place=place)


def _line_of(keys: Sequence[str | int], toml: str) -> int | None:
    """The line on which the value at ``keys`` (or else the deepest table around it) begins; None without one.

    Found by parsing ever longer beginnings of the file: the value begins after the last whole statement without it.
    """
    lines = toml.split("\n")
    found, num_whole, depth = None, 0, 0
    for end in range(1, len(lines) + 1):
        try:
            value: Any = tomllib.loads("\n".join(lines[:end]))
        except ValueError:
            continue  # inside a value of several lines
        reached = 0
        for key in keys:
            is_there = key in value if isinstance(value, dict) else isinstance(value, list) and key in range(len(value))
            if not is_there:
                break
            value = cast("Any", value)[key]
            reached += 1
        if reached > depth:
            found, depth = num_whole + 1, reached
        num_whole = end
    return found


def field_type(field: FieldInfo) -> Any:
    """The field's type with its markers and constraints, as it was written."""
    return cast("Any", Annotated)[field.annotation, *field.metadata] if field.metadata else field.annotation


def table_of(field: FieldInfo) -> type[Config] | None:
    """The config class of a field that is a table; None for a leaf."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Config) else None


def _fields_at(cls: type[Config], keys: Sequence[str]) -> Mapping[str, FieldInfo]:
    for key in keys:
        field = cls.model_fields.get(key)
        inner = table_of(field) if field else None
        if inner is None:
            return {}
        cls = inner
    return cls.model_fields


def _with_nested_defaults(
    cls: type[Config], values: Mapping[str, Any], default: Config | None = None
) -> dict[str, Any]:
    """``values`` with the keys a table leaves out, where the field's default is not just that class's defaults."""
    out = dict(values) if default is None else {**dict(default), **values}
    for name, value in values.items():
        field = cls.model_fields.get(name)
        inner = table_of(field) if field else None
        if field is not None and inner is not None and isinstance(value, Mapping):
            usual = field.get_default(call_default_factory=True) if default is None else getattr(default, name)
            usual = usual if isinstance(usual, Config) else None
            out[name] = _with_nested_defaults(inner, cast("Mapping[str, Any]", value), usual)
    return out


# ---------------------------------------------------------------- dump, hash, diff


def flatten(cfg: Config, *, prefix: str = "") -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Yield ``(dotted key, JSON value, markers)`` of every leaf field, in declaration order."""
    dumped = cfg.model_dump(mode="json")
    for name, field in type(cfg).model_fields.items():
        value = getattr(cfg, name)
        if isinstance(value, Config):
            inherited = [m for m in field.metadata if isinstance(m, _Extends | _Neutral)]
            for key, leaf, marks in flatten(value, prefix=f"{prefix}{name}."):
                yield key, leaf, (*marks, *inherited)
        else:
            yield f"{prefix}{name}", dumped[name], tuple(field.metadata)


def result_fields(cfg: Config) -> dict[str, Any]:
    """The leaf fields that decide results (not ``Neutral``, not ``Extends``), by dotted key."""
    return {k: v for k, v, marks in flatten(cfg) if Neutral not in marks and Extends not in marks}


def fingerprint(cfg: Config) -> str:
    """16 hex digits over the fields that decide results; the identity of a run."""
    body = json.dumps([type(cfg).__name__, result_fields(cfg)], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(body.encode(), digest_size=8).hexdigest()


def diff(old: Config, new: Config) -> list[str]:
    """One line for each difference that an existing run cannot take: ``key: old -> new``.

    ``None`` in an ``Extends`` field means no limit and is the largest value.
    """
    assert type(old) is type(new), f"{type(old).__name__} and {type(new).__name__} have different fields"
    olds = {key: (value, marks) for key, value, marks in flatten(old)}
    news = {key: (value, marks) for key, value, marks in flatten(new)}
    lines: list[str] = []
    for key in {**news, **olds}:  # a nested config that may be None has no leaves on one side
        before, marks = olds.get(key, (None, ()))
        value, marks = news.get(key, (None, marks))
        # As JSON text, because in Python true is 1 and 1 is 1.0, while to a server they are different requests.
        if json.dumps(value, sort_keys=True) == json.dumps(before, sort_keys=True) or Neutral in marks:
            continue
        if Extends in marks and _grew(before, value):
            continue
        shrank = "  (may grow, not shrink)" if Extends in marks else ""
        lines.append(f"{key}: {before!r} -> {value!r}{shrank}")
    return lines


def _grew(before: Any, after: Any) -> bool:
    return after is None or (before is not None and after > before)


def dump_toml(cfg: Config) -> str:
    """The resolved config as TOML that ``@file`` replays. ``None`` means the class default and is left out."""
    lines: list[str] = []
    _dump_table(cfg.model_dump(mode="json", exclude_none=True), "", lines)
    return "\n".join(lines) + "\n"


def _dump_table(table: Mapping[str, Any], path: str, lines: list[str]) -> None:
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    for key, value in table.items():
        if key not in nested:
            lines.append(f"{_toml_key(key)} = {_toml_value(value)}")
    for key, value in nested.items():
        inner = f"{path}.{_toml_key(key)}" if path else _toml_key(key)
        lines += ["", f"[{inner}]"]
        _dump_table(cast("Mapping[str, Any]", value), inner, lines)


def _toml_key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(v) for v in cast("list[Any]", value)) + "]"
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"no TOML form for {type(value).__name__}")
