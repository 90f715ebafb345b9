"""``reasonry watermark calibrate``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK
from reasonry.watermark.config import CalibrateConfig


def main(args: Sequence[str], out: Output) -> int:
    """Read, count, report; exit code 1 when human text is called marked more often than alpha allows."""
    cfg = flags.parse(CalibrateConfig, args, prog="reasonry watermark calibrate")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.watermark.calibration.report import build_report, table_of, title_of
    from reasonry.watermark.calibration.run import calibrate, results_json

    calibrated = calibrate(cfg, say=out.aside, open_run=out.run_opened)
    paths = write_report(calibrated.folder, build_report(calibrated, command=out.command))
    out.table(title_of(calibrated), *table_of(calibrated))
    out.run_finished(paths.html, out.command)
    out.result({"run": str(calibrated.folder), "report": str(paths.html), **results_json(calibrated)})
    return EXIT_CHECK_FAILED if calibrated.is_above else EXIT_OK
