"""Schemes as text: ``kgw``, ``kgw:gamma=0.25,delta=2``, ``gumbel:context_tok=4``.

The parameters of a scheme are the keyword-only arguments of its maker; their annotations say how they are read.
"""

# pyright: strict
from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.baselines.base import Scheme
from reasonry.watermark.keys import SecretKey

_GIVEN = ("vocab_size",)  # an argument of every maker, but a fact about the model and not a parameter
_WRITTEN = (int, float, bool, str)


@dataclass(frozen=True)
class SchemeKind:
    """One row of the table of schemes. To call it is to make the scheme.

    Attributes:
        target: ``module:attribute`` of the maker, imported when first used.
        summary: One line.
    """

    target: str
    summary: str

    def maker(self) -> Callable[..., Scheme]:
        """The class or function that makes the scheme from a key, ``vocab_size`` and parameters."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)

    def __call__(self, key: SecretKey, *, vocab_size: int, **parameters: Any) -> Scheme:
        """The scheme; parameters left out have the maker's defaults."""
        return self.maker()(key, vocab_size=vocab_size, **parameters)


class Parameter(NamedTuple):
    """A parameter that a text may set.

    Attributes:
        kind: What is written: int, float, bool, str or a Literal.
        is_optional: Whether ``none`` may be written, too.
        default: Its value when it is left out.
    """

    kind: Any
    is_optional: bool
    default: Any


def parameters_of(maker: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters that a text may set, by name. Those that are arrays and the like are left out."""
    function: Any = maker.__init__ if isinstance(maker, type) else maker
    hints = typing.get_type_hints(function)
    found: dict[str, Parameter] = {}
    for name, parameter in inspect.signature(maker).parameters.items():
        kinds = _alternatives(hints.get(name))
        # Of "int | Sequence[int]" the int can be written; an ArrayLike begins with a buffer and cannot.
        kind = next((kind for kind in kinds if kind is not type(None)), None)
        is_written = kind in _WRITTEN or typing.get_origin(kind) is Literal
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _GIVEN and is_written:
            found[name] = Parameter(kind, type(None) in kinds, parameter.default)
    return found


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def read_parameters(words: Sequence[str], maker: Callable[..., Any], *, place: str) -> dict[str, Any]:
    """Values from words such as ``gamma=0.25``.

    Raises:
        ConfigError: Unknown parameter (with the nearest one), one given twice, or a value that cannot be read.
    """
    known = parameters_of(maker)
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if name not in known:
            remedy = nearest(name, known) or (f"It has {', '.join(known)}." if known else "It has no parameters.")
            raise ConfigError(f"unknown parameter {name!r}", place=place, remedy=remedy)
        if name in found:
            raise ConfigError(f"{name} is given twice", place=place)
        if not equals or not value:
            raise ConfigError(f"{name} has no value", place=place, remedy=f"Write {name}=VALUE.")
        found[name] = _read(name, value, known[name], place)
    return found


def text_form(name: str, maker: Callable[..., Any], **parameters: Any) -> str:
    """The shortest text that makes a scheme with these parameters again: those that are not the maker's defaults."""
    known = parameters_of(maker)
    words = [f"{key}={_write(value)}" for key, value in parameters.items() if value != known[key].default]
    return name + (":" + ",".join(words) if words else "")


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _read(name: str, text: str, parameter: Parameter, place: str) -> Any:
    kind = parameter.kind
    if parameter.is_optional and text == "none":
        return None
    if typing.get_origin(kind) is Literal:
        choices = [str(choice) for choice in typing.get_args(kind)]
        if text not in choices:
            remedy = nearest(text, choices) or f"There are {', '.join(choices)}."
            raise ConfigError(f"{name}={text!r} is unknown", place=place, remedy=remedy)
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name}={text!r} is neither true nor false", place=place)
        return text == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise ConfigError(f"{name}={text!r} is not {what}", place=place) from None
    return text
