"""``reasonry plan``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.test_time.planner.config import PlanConfig


def main(args: Sequence[str], as_json: bool) -> int:
    """Read a pilot, plan, report."""
    cfg = flags.parse(PlanConfig, args, prog="reasonry plan")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.test_time.planner.report import build_report, summary_lines
    from reasonry.test_time.planner.run import plan_file, summary_json

    out = Output(as_json=as_json)
    planned = plan_file(cfg, open_run=out.run_opened)
    paths = write_report(planned.folder, build_report(planned, command=out.command))
    for line in summary_lines(planned):
        out.line(line)
    out.run_finished(paths.html, out.command)
    out.result({"run": str(planned.folder), "report": str(paths.html), **summary_json(planned)})
    return 0
