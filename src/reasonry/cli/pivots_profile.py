"""``reasonry pivots profile``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK
from reasonry.training.pivotrl.config import ProfileConfig


def main(args: Sequence[str], out: Output) -> int:
    """Sample every state, judge what the model does, and say which part of the logs it wobbles on."""
    cfg = flags.parse(ProfileConfig, args, prog="reasonry pivots profile")
    from reasonry.training.pivotrl.profile_summary import breakdown_table, overall_lines
    from reasonry.training.pivotrl.profiling import profile_candidates, profile_folder
    from reasonry.training.pivotrl.report.profile import profile_report

    found = profile_candidates(cfg, say=out.aside, open_run=out.run_opened)
    out.table("By turn", *breakdown_table(found.summary.by_turn, "turn"))
    out.table("By demonstrated tool", *breakdown_table(found.summary.by_tool, "tool"))
    for line in overall_lines(found.summary, found.costs):
        out.line(line)
    html = out.report_written(found.folder, profile_report(found, command=out.command))
    if html:
        out.line(f"report {html}")
    folder = found.config.folder
    where = "" if found.folder == profile_folder(folder) else f" --profile {shlex.quote(str(found.folder))}"
    out.line(f"then   reasonry pivots select {shlex.quote(str(folder))}{where}")
    out.run_finished(None, out.command)
    body = {**found.summary.to_json(), "audit": dict(found.audit), "costs": dict(found.costs)}
    body["judge_costs"] = dict(found.judge_costs)
    out.result({"run": str(found.folder), "report": html and str(html), **body})
    return EXIT_CHECK_FAILED if found.summary.is_all_zero else EXIT_OK
