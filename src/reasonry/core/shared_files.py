"""Claims and recipes travel with the package: beside the sources in a checkout, inside the package in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shared_folder(name: str) -> Path:
    """The folder ``claims`` or ``recipes``."""
    checkout = _PACKAGE.parents[1] / name
    return checkout if checkout.is_dir() else _PACKAGE / "_shared" / name


def here_or_shipped(path: Path) -> Path:
    """``path``, or the shipped file of that name if it begins with ``recipes/`` and there is none here."""
    if path.is_absolute() or path.parts[:1] != ("recipes",) or path.exists():
        return path
    shipped = shared_folder("recipes").joinpath(*path.parts[1:])
    return shipped if shipped.is_file() else path
