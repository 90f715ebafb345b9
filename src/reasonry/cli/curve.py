"""``reasonry curve``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.test_time.curve.config import CurveConfig


def main(args: Sequence[str], as_json: bool) -> int:
    """Read, average, report."""
    cfg = flags.parse(CurveConfig, args, prog="reasonry curve")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.test_time.curve.report import build_report, table_of, title_of
    from reasonry.test_time.curve.run import draw_curves, results_json

    out = Output(as_json=as_json)
    drawn = draw_curves(cfg, say=out.aside, open_run=out.run_opened)
    paths = write_report(drawn.folder, build_report(drawn, cfg, command=out.command))
    out.table(title_of(drawn), *table_of(drawn))
    out.run_finished(paths.html, out.command)
    out.result({"run": str(drawn.folder), "report": str(paths.html), **results_json(drawn, cfg)})
    return 0
