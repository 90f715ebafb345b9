"""``reasonry watermark detect``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_OK, EXIT_WATERMARK_DETECTED
from reasonry.watermark.config import DetectConfig


def main(args: Sequence[str], out: Output) -> int:
    """Read, weigh the evidence, report; exit code 10 when a text is called marked."""
    cfg = flags.parse(DetectConfig, args, prog="reasonry watermark detect")
    if cfg.stream:
        return _stream(cfg, out)
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core.report import write_report
    from reasonry.watermark.detection.report import build_report, summary_lines
    from reasonry.watermark.detection.run import detect, results_json

    detected = detect(cfg, say=out.aside, open_run=out.run_opened)
    corpus = detected.corpus(command=out.command)
    paths = write_report(detected.folder, build_report(corpus))
    for line in summary_lines(corpus):
        out.line(line)
    out.run_finished(paths.html, out.command)
    out.result({"run": str(detected.folder), "report": str(paths.html), **results_json(detected)})
    return EXIT_WATERMARK_DETECTED if detected.num_marked else EXIT_OK


def _stream(cfg: DetectConfig, out: Output) -> int:
    from reasonry.watermark.detection.report import line_of
    from reasonry.watermark.detection.stream import detect_stream

    detection = detect_stream(cfg, say=out.aside)
    out.line(line_of(detection, detection.is_watermarked))
    out.result(detection.to_json())
    return EXIT_WATERMARK_DETECTED if detection.is_watermarked else EXIT_OK
