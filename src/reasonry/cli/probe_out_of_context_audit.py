"""``reasonry probe out-of-context audit FACTS``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK
from reasonry.understanding.out_of_context.audit.config import VERB, AuditConfig


def main(args: Sequence[str], out: Output) -> int:
    """Ask a model before and after it learns facts; exit code 1 if it infers more than it may."""
    config = flags.parse(AuditConfig, args, prog=f"reasonry {VERB}")
    if not config.endpoint.base_url:
        for package in ("torch", "transformers"):
            optional.need(package, extra="hf", why="to run a model")
    from reasonry.understanding.out_of_context.audit.report import audit_report
    from reasonry.understanding.out_of_context.audit.run import audit
    from reasonry.understanding.out_of_context.audit.tables import arm_table, pair_table, summary_lines

    done = audit(config, say=out.aside, open_run=out.run_opened)
    if done.main is not None:
        out.table("What the model infers that the file does not say", *pair_table(done.main))
    if len(done.arms) > 1:
        out.table("What could be done, measured (the pair with the greatest index)", *arm_table(done))
    for line in summary_lines(done):
        out.line(line)
    html = out.report_written(done.folder, audit_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), "results": done.to_json()})
    return EXIT_OK if done.gate.passed else EXIT_CHECK_FAILED
