"""``reasonry list``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import tyro

from reasonry import registry
from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.core.config import Config

Kind = Literal["methods", "tasks", "claims", "recipes"]


class ListConfig(Config):
    """Show what there is."""

    kind: tyro.conf.Positional[Kind] = "methods"
    """Methods, tasks, claims or recipes."""


def _methods() -> list[dict[str, Any]]:
    return [
        {"name": m.name, "verbs": " ".join(m.verbs), "job": m.job, "paper": m.paper, "status": m.status}
        for m in registry.METHODS
    ]


def _tasks() -> list[dict[str, Any]]:
    from reasonry.tasks import TASKS

    return [{"name": row.name, "about": row.line} for row in TASKS.values()]


def _claims() -> list[dict[str, Any]]:
    from reasonry.core import claims

    rows: list[dict[str, Any]] = []
    for claim in claims.load_claims():
        stored = claims.recorded(claim)
        rows.append(
            {
                "id": claim.id,
                "statement": claim.statement,
                "passes when": str(claim.expected),
                "cost": claim.cost,
                "recorded": stored["status"] if stored else "unverified",
            }
        )
    return rows


def _recipes() -> list[dict[str, Any]]:
    from reasonry.core.shared_files import shared_folder

    rows: list[dict[str, Any]] = []
    for path in sorted(shared_folder("recipes").rglob("*.toml")):
        first = path.read_text("utf-8").splitlines()[0]
        rows.append({"file": str(path), "about": first.lstrip("# ")})
    return rows


_SOURCES: dict[Kind, Callable[[], list[dict[str, Any]]]] = {
    "methods": _methods,
    "tasks": _tasks,
    "claims": _claims,
    "recipes": _recipes,
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Print one table."""
    cfg = flags.parse(ListConfig, args, prog="reasonry list")
    rows = _SOURCES[cfg.kind]()
    out = Output(as_json=as_json)
    if rows:
        out.table(cfg.kind, list(rows[0]), [[str(v) for v in row.values()] for row in rows])
    else:
        out.line(f"no {cfg.kind}")
    out.result({cfg.kind: rows})
    return 0
