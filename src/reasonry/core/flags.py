"""A config from a command line: class defaults < ``@file.toml`` left to right < dotted flags, wherever they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic.fields import FieldInfo

from reasonry.core import help_page
from reasonry.core.config import (
    Config,
    ConfigT,
    field_type,
    from_dict,
    merge,
    partial_from_dict,
    read_toml_file,
    table_of,
)
from reasonry.core.shared_files import here_or_shipped
from reasonry.errors import ConfigError, nearest


def parse(
    cls: type[ConfigT],
    args: Sequence[str],
    *,
    prog: str,
    description: str = "",
    defaults: ConfigT | None = None,
) -> ConfigT:
    """Resolve a config from a command line: ``@file.toml`` tokens first, then positionals and dotted flags.

    ``@recipes/…`` finds the shipped recipes from anywhere.

    A dictionary is one flag that takes a JSON object. A value that begins with ``@`` is written ``--flag=@value``.

    Args:
        cls: The config class; its field docstrings are the help text.
        args: Command line after the verb.
        prog: Program and verb, for the help page.
        description: First lines of the help page.
        defaults: Starting values instead of the class defaults.

    Raises:
        ConfigError: A file, a flag or a value is wrong.
        SystemExit: tyro's own, code 2 for a flag whose text is not of its type or a missing positional; 0 after
            ``--help`` (one page) and ``--help-all`` (every flag).
    """
    values: dict[str, Any] = defaults.model_dump() if defaults is not None else {}
    start: ConfigT | None = defaults
    flags: list[str] = []
    for arg in args:
        if arg.startswith("@") and len(arg) > 1:
            path = here_or_shipped(Path(arg[1:]).expanduser())
            file = read_toml_file(path)
            values = merge(values, file.table)
            start = partial_from_dict(cls, values, place=str(path), toml=file.text)
        else:
            flags.append(arg)
    start = start if start is not None else partial_from_dict(cls, values)
    if "--help-all" in flags:
        flags = ["--help"]
    elif {"-h", "--help"} & set(flags):
        print(help_page.page(cls, start, prog=prog, description=description or cls.__doc__ or ""))
        raise SystemExit(0)
    _check_names(cls, flags, prog=prog)
    resolved, unknown = _read_flags(cls, flags, start=start, prog=prog, description=description)
    if unknown:
        what = "unknown flag" if unknown[0].startswith("-") else "unexpected argument"
        raise ConfigError(f"{what} {unknown[0]!r}", place=prog, remedy=f"See {prog} --help.")
    return from_dict(cls, resolved, place="command line")


def _check_names(cls: type[Config], words: Sequence[str], *, prog: str) -> None:
    """Refuse every ``--name`` that is no flag. tyro alone would take ``--0n=3`` for a positional argument."""
    flags, positionals = ["--help"], set[str]()
    for key, field in _leaf_fields(cls):
        flag = f"--{key.replace('_', '-')}"
        if help_page.is_positional(field):
            positionals.add(flag)
        else:
            flags.append(flag)
            if field.annotation is bool:
                table, _, name = flag[2:].rpartition(".")
                flags.append(f"--{table}{'.' if table else ''}no-{name}")
    for word in words:
        if word == "--":  # what follows are positionals, by convention
            return
        name = word.split("=")[0]
        if not name.startswith("--") or name.replace("_", "-") in flags:
            continue
        if name.replace("_", "-") in positionals:
            remedy = "Give its value alone, without a name."
            raise ConfigError(f"{name!r} is not a flag", place=prog, remedy=remedy)
        hint = nearest(name.lower(), flags) or f"Flags: {', '.join(flags)}."
        raise ConfigError(f"unknown flag {name!r}", place=prog, remedy=hint)


def _leaf_fields(cls: type[Config], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in cls.model_fields.items():
        inner = table_of(field)
        if inner:
            yield from _leaf_fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _read_flags(
    cls: type[Config], flags: Sequence[str], *, start: Config, prog: str, description: str
) -> tuple[dict[str, Any], list[str]]:
    """What tyro makes of the flags: nested plain values, not validated yet, and the words it does not know.

    Validation is left to `from_dict`, whose errors name the dotted key and the value, whatever the value came from.
    """
    import tyro
    from tyro.constructors import (
        ConstructorRegistry,
        PrimitiveConstructorSpec,
        PrimitiveTypeInfo,
        StructConstructorSpec,
        StructFieldSpec,
        StructTypeInfo,
    )

    registry = ConstructorRegistry()

    @registry.struct_rule
    def config_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not (isinstance(info.type, type) and issubclass(info.type, Config)):
            return None
        fields = tuple(
            StructFieldSpec(name, field_type(field), getattr(info.default, name, tyro.MISSING), field.description)
            for name, field in info.type.model_fields.items()
        )

        def gather(**values: Any) -> dict[str, Any]:
            return values

        gather.__doc__ = info.type.__doc__  # the heading of its group on the help page
        return StructConstructorSpec(instantiate=gather, fields=fields)

    @registry.primitive_rule
    def dict_rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[dict[str, Any]] | None:
        if info.type_origin is not dict:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="JSON",
            instance_from_str=lambda words: _json_object(words[0]),
            is_instance=lambda value: isinstance(value, dict),
            str_from_instance=lambda value: [json.dumps(value, ensure_ascii=False)],
        )

    resolved, unknown = tyro.cli(
        cls,
        default=start,
        args=flags,
        prog=prog,
        description=description or cls.__doc__,
        return_unknown_args=True,
        registry=registry,
    )
    return cast("dict[str, Any]", resolved), unknown


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object such as '{{\"key\": 1}}', got {text[:40]!r}")
    return cast("dict[str, Any]", value)
