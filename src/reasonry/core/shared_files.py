"""Claims and recipes travel with the package: beside the sources in a checkout, inside the package in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shared_folder(name: str) -> Path:
    """The folder ``claims`` or ``recipes``."""
    checkout = _PACKAGE.parents[1] / name
    return checkout if checkout.is_dir() else _PACKAGE / "_shared" / name
