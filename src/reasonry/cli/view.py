"""``reasonry view RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.core.config import Config
from reasonry.core.report import read_report
from reasonry.core.report.terminal import outline
from reasonry.errors import DataError


class ViewConfig(Config):
    """Show a run directory's report on the terminal, and where its page is."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    open: bool = False
    """Open the page in the default browser."""


def main(args: Sequence[str], as_json: bool) -> int:
    """Print the outline of report.json."""
    cfg = flags.parse(ViewConfig, args, prog="reasonry view")
    out = Output(as_json=as_json)
    report = read_report(cfg.run)
    for line in outline(report):
        out.line(line)
    page = (cfg.run if cfg.run.is_dir() else cfg.run.parent) / "report.html"
    if not page.exists():
        raise DataError("the run has no page", place=str(page), remedy="Run its command again to write it.")
    out.line(f"report {page}")
    if cfg.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    out.result(report)
    return 0
