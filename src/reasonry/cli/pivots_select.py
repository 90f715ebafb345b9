"""``reasonry pivots select``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK, DataError
from reasonry.training.pivotrl.config import SelectConfig


def main(args: Sequence[str], out: Output) -> int:
    """Choose pivots; tell what became of every turn, and what the kept ones are worth."""
    cfg = flags.parse(SelectConfig, args, prog="reasonry pivots select")
    from reasonry.training.pivotrl.choosing import choose_pivots
    from reasonry.training.pivotrl.report import terminal

    found = choose_pivots(cfg, say=out.aside)
    choice = found.choice
    out.table("Turns", *terminal.fate_table(choice))
    if found.pivots is None:
        raise DataError(
            f"nothing is kept: {found.why_nothing}",
            place=str(found.profile.path),
            remedy="A higher --threshold keeps more. Nothing was written."
            if cfg.threshold < 1 and choice.counts.num_mixed
            else "Nothing was written.",
        )
    out.table(f"Kept by {cfg.method}, by turn", *terminal.kept_breakdown(choice.by_turn, "turn"))
    out.table("By demonstrated tool", *terminal.kept_breakdown(choice.by_tool, "tool"))
    out.table("What adv keeps", *terminal.threshold_table(choice, cfg.threshold))
    if choice.worth.by_method:
        out.table("Other methods, without a budget", *terminal.method_table(choice))
    out.table(f"Training groups of {cfg.group_size} that teach anything", *terminal.worth_table(choice))
    out.table("What a pass rate means, exactly", *terminal.fact_table(choice))
    from reasonry.training.pivotrl.report.selection import selection_report

    html = out.report_written(found.folder, selection_report(found))
    folder = shlex.quote(str(found.folder))
    out.line(f"pivots {found.pivots} ({choice.counts.num_kept:,})")
    if html:
        out.line(f"report {html}")
    out.line(f"then   reasonry train pivotrl {folder} MODEL")
    body = {"path": str(found.pivots), "report": html and str(html), **found.to_json()}
    out.result(body)
    return EXIT_OK
