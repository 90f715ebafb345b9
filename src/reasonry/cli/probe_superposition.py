"""``reasonry probe superposition``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.continuous_cot.probe.config import VERB, ProbeConfig


def main(args: Sequence[str], out: Output) -> int:
    """Look at thoughts about graphs: groups of vertices, how well they are told apart, attention to edges."""
    cfg = flags.parse(ProbeConfig, args, prog=f"reasonry {VERB}")
    from reasonry.training.continuous_cot.probe import tables
    from reasonry.training.continuous_cot.probe.report import superposition_report
    from reasonry.training.continuous_cot.probe.run import probe, results_json

    done = probe(cfg, say=out.aside, open_run=out.run_opened)
    out.table("Inner products with vertices, mean ± standard deviation", *tables.thought_table(done))
    out.table("Telling vertices apart, 95 % intervals", *tables.retrieval_table(done.result))
    if done.layers is not None:
        read = f"layer {done.layers.edge.layer}, {tables.heads(done.layers.edge)}"
        title = f"Attention to an edge where a thought is made, {read}"
        out.table(title, *tables.attention_table(done))
    for line in tables.summary_lines(done):
        out.line(line)
    html = out.report_written(done.folder, superposition_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), **results_json(done)})
    return EXIT_OK
