"""``reasonry train latent-tokens``: all stages."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.latent_tokens.whole_config import VERB, WholeConfig


def main(args: Sequence[str], out: Output) -> int:
    """Learn codes, encode, fine-tune by every method, and let the models answer."""
    config = flags.parse(WholeConfig, args, prog=f"reasonry {VERB}")
    from reasonry.training.latent_tokens.finetune.report import result_table
    from reasonry.training.latent_tokens.whole import train_whole, whole_report

    done = train_whole(config, say=out.aside, open_run=out.run_opened)
    tuned = done.finetuned
    out.table("Learnt tokens of a row, and losses in nats per token", *result_table(tuned))
    if done.evaluated is not None:
        from reasonry.training.latent_tokens.evaluate.tables import methods_table, summary_lines

        asked = done.evaluated
        out.table(f"{len(asked.questions)} questions of {asked.facts.questions}", *methods_table(asked))
        for line in summary_lines(asked):
            out.line(line)
    models = {method.name: str(tuned.model(method.name)) for method in tuned.methods}
    for path in models.values():
        out.line(f"model  {path}")
    html = out.report_written(done.folder, whole_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), "models": models, "results": done.to_json()})
    return EXIT_OK
