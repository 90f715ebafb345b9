"""``reasonry watermark generate``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_OK
from reasonry.watermark.config import GenerateConfig


def main(args: Sequence[str], out: Output) -> int:
    """Generate, look for the mark in what came out, report."""
    cfg = flags.parse(GenerateConfig, args, prog="reasonry watermark generate")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.watermark.generation.report import build_report, summary_lines
    from reasonry.watermark.generation.run import check, generate, results_json

    generated = generate(cfg, say=out.aside, open_run=out.run_opened)
    checked = check(cfg, generated)
    paths = write_report(generated.folder, build_report(generated, checked, command=out.command))
    for line in summary_lines(generated, checked):
        out.line(line)
    ring = f" --ring {shlex.quote(str(cfg.ring))}" if cfg.ring else ""
    out.line(f"detect reasonry watermark detect {shlex.quote(str(generated.signed))}{ring}")
    out.run_finished(paths.html, out.command)
    out.result({"run": str(generated.folder), "report": str(paths.html), **results_json(generated, checked)})
    return EXIT_OK
