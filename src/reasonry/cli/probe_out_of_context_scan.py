"""``reasonry probe out-of-context scan``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK
from reasonry.understanding.out_of_context.scan.config import VERB, ScanConfig


def main(args: Sequence[str], out: Output) -> int:
    """Read a file of facts, print and write its risk map; code 1 if more pairs are flagged than allowed."""
    cfg = flags.parse(ScanConfig, args, prog=f"reasonry {VERB}")
    from reasonry.understanding.out_of_context.scan import tables
    from reasonry.understanding.out_of_context.scan.report import scan_report
    from reasonry.understanding.out_of_context.scan.results import results_json
    from reasonry.understanding.out_of_context.scan.run import scan_file

    done = scan_file(cfg, say=out.aside, open_run=out.run_opened)
    pairs = done.risks.pairs
    if pairs:
        title = f"Risk map, {min(cfg.show, len(pairs))} of {len(pairs)} ordered pairs"
        out.table(title, *tables.pair_table(pairs[: cfg.show]))
    for line in tables.summary_lines(done.risks):
        out.line(line)
    html = out.report_written(done.folder, scan_report(done, command=out.command))
    out.run_finished(html, out.command)
    places = {"run": str(done.folder), "report": html and str(html)}
    out.result({**places, **results_json(done.table, done.risks, sha256=done.sha256)})
    if done.is_too_many:
        out.aside(f"pairs flagged: {len(done.risks.flagged)}, more than --max-flagged {cfg.max_flagged}")
        return EXIT_CHECK_FAILED
    return EXIT_OK
