"""``reasonry eval diffusion-frontier``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.dultra.frontier.config import FrontierConfig


def main(args: Sequence[str], out: Output) -> int:
    """Decode the same prompts with every policy: the frontier, the fastest at an accuracy, and some decodings."""
    cfg = flags.parse(FrontierConfig, args, prog="reasonry eval diffusion-frontier")
    from reasonry.training.dultra.frontier.report import frontier_report
    from reasonry.training.dultra.frontier.run import compare, results_json
    from reasonry.training.dultra.frontier.tables import fastest_table, frontier_table, shown_lines, summary_lines

    found = compare(cfg, say=out.aside, open_run=out.run_opened)
    for line in shown_lines(found):
        out.line(line)
    out.table("The frontier", *frontier_table(found.result))
    out.table(f"At {cfg.target:.0%} accuracy or more", *fastest_table(found.result))
    for line in summary_lines(found.result):
        out.line(line)
    html = out.report_written(found.folder, frontier_report(found, command=out.command))
    out.run_finished(html, out.command)
    body = {"run": str(found.folder), "report": html and str(html)}
    out.result({**body, **results_json(found.result, found.decoding)})
    return EXIT_OK
