"""``reasonry probe out-of-context lab [fixed-attention|one-layer|transformer]``; fixed-attention without a word."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK, ConfigError, nearest
from reasonry.understanding.out_of_context.theory.config import PRESETS, VERB


def main(args: Sequence[str], out: Output) -> int:
    """Train small models on the symbolic task, and compare them with the closed forms."""
    preset, rest = "fixed-attention", args
    if args and not args[0].startswith(("-", "@")):
        preset, rest = args[0], args[1:]
    if preset not in PRESETS:
        hint = nearest(preset, PRESETS) or f"Presets: {', '.join(PRESETS)}."
        raise ConfigError(f"unknown preset {preset!r}", place=VERB, remedy=hint)
    config = flags.parse(PRESETS[preset], rest, prog=f"reasonry {VERB} {preset}")
    from reasonry.understanding.out_of_context.theory.report import lab_report
    from reasonry.understanding.out_of_context.theory.run import lab
    from reasonry.understanding.out_of_context.theory.tables import arm_table, summary_lines

    done = lab(config, say=out.aside, open_run=out.run_opened)
    out.table("What was inferred about subjects whose implication was not in training", *arm_table(done))
    for line in summary_lines(done):
        out.line(line)
    html = out.report_written(done.folder, lab_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), "results": done.to_json()})
    return EXIT_OK
