"""``reasonry watermark bench``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_OK
from reasonry.watermark.config import BenchConfig


def main(args: Sequence[str], out: Output) -> int:
    """Sample, attack, read, score, report."""
    cfg = flags.parse(BenchConfig, args, prog="reasonry watermark bench")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.watermark.bench.report import build_report, remarks, table_of, title_of
    from reasonry.watermark.bench.run import bench, results_json

    benched = bench(cfg, say=out.aside, open_run=out.run_opened)
    paths = write_report(benched.folder, build_report(benched, command=out.command))
    out.table(title_of(benched), *table_of(benched))
    for line in remarks(benched):
        out.line(f"note: {line}")
    out.run_finished(paths.html, out.command)
    out.result({"run": str(benched.folder), "report": str(paths.html), **results_json(benched)})
    return EXIT_OK
