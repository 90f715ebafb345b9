"""Things written as a name and arguments parted by colons: ``threshold:0.9``, ``certify:0.05:2``."""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from reasonry.errors import ConfigError, nearest


class Kind(Protocol):
    """What stands behind a name."""

    @property
    def syntax(self) -> str:
        """How it is written, for messages."""
        ...

    @property
    def max_words(self) -> int:
        """Most arguments."""
        ...

    @property
    def build(self) -> Callable[..., Any]:
        """Makes the thing from its arguments and whatever else `build_named` was given; a `ValueError` of it says that
        an argument is not a number.
        """
        ...


K = TypeVar("K", bound=Kind)


def build_named(text: str, kinds: Mapping[str, K], *given: Any, what: str) -> Any:
    """Read a text and make the thing that it names.

    Args:
        text: Name and arguments.
        kinds: By name.
        *given: Handed to ``build`` behind the arguments.
        what: What such a thing is called, for messages.

    Raises:
        ConfigError: Unknown name (with the nearest one), too many or unreadable arguments, or what ``build`` refuses.
    """
    name, *words = text.strip().split(":")
    kind = kinds.get(name)
    if kind is None:
        remedy = nearest(name, kinds) or f"There are {', '.join(kinds)}."
        raise ConfigError(f"unknown {what} {name!r}", remedy=remedy)
    remedy = f"It is written {kind.syntax}."
    if len(words) > kind.max_words:
        raise ConfigError(f"{what} {text!r} has more arguments than {name} takes", remedy=remedy)
    try:
        return kind.build(words, *given)
    except ConfigError:
        raise
    except ValueError:
        raise ConfigError(f"an argument of the {what} {text!r} is not a number", remedy=remedy) from None
