"""``reasonry train continuous-cot [graphs|text]``; graphs without a word."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK
from reasonry.training.continuous_cot.config import VERB, GraphTrainConfig, TrainSettings

PROG = f"reasonry {VERB}"


def main(args: Sequence[str], out: Output) -> int:
    """Train on graphs, or on worked examples in words."""
    if args and args[0] == "text":
        from reasonry.training.continuous_cot.text_config import TextTrainConfig

        return _train(flags.parse(TextTrainConfig, args[1:], prog=f"{PROG} text"), out)
    args = args[1:] if args and args[0] == "graphs" else args
    return _train(flags.parse(GraphTrainConfig, args, prog=f"{PROG} graphs"), out)


def _train(config: TrainSettings, out: Output) -> int:
    from reasonry.training.continuous_cot.train.report import train_report
    from reasonry.training.continuous_cot.train.run import train
    from reasonry.training.continuous_cot.train.tables import control_verdict, pair_lines, result_table

    done = train(config, say=out.aside, open_run=out.run_opened)
    out.table("Right answers", *result_table(done))
    for line in pair_lines(done.pairs):
        out.line(line)
    finished = [method for method in done.methods if not method.ended]
    if verdict := control_verdict(finished, done.pairs):
        out.line(verdict)
    for method in finished:
        out.line(f"model  {done.model(method.name)}")
    html = out.report_written(done.folder, train_report(done, command=out.command))
    out.run_finished(html, out.command)
    models = {method.name: str(done.model(method.name)) for method in finished}
    out.result({"run": str(done.folder), "report": html and str(html), "models": models, "results": done.to_json()})
    return EXIT_OK if len(finished) == len(done.methods) else EXIT_CHECK_FAILED
