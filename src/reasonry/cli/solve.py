"""``reasonry solve``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.test_time.config import SolveConfig


def main(args: Sequence[str], as_json: bool) -> int:
    """Sample, vote, verify, report."""
    cfg = flags.parse(SolveConfig, args, prog="reasonry solve")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")  # before hours of work
    from reasonry.core.report import write_report
    from reasonry.test_time.report import build_report, summary_lines
    from reasonry.test_time.run import results_json, solve

    out = Output(as_json=as_json)
    solved = solve(cfg, say=out.aside, open_run=out.run_opened)
    paths = write_report(solved.folder, build_report(solved, cfg, command=out.command))
    for line in summary_lines(solved):
        out.line(line)
    out.run_finished(paths.html, out.command)
    out.result({"run": str(solved.folder), "report": str(paths.html), **results_json(solved), "costs": solved.costs})
    return 0
