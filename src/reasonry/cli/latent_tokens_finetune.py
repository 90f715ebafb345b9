"""``reasonry train latent-tokens finetune ENCODED``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.latent_tokens.finetune.config import VERB, FinetuneConfig


def main(args: Sequence[str], out: Output) -> int:
    """Train one model for each method."""
    config = flags.parse(FinetuneConfig, args, prog=f"reasonry {VERB}")
    from reasonry.training.latent_tokens.finetune.report import finetune_report, result_table
    from reasonry.training.latent_tokens.finetune.run import finetune

    done = finetune(config, say=out.aside, open_run=out.run_opened)
    out.table("Learnt tokens of a row, and losses in nats per token", *result_table(done))
    for method in done.methods:
        out.line(f"model  {done.model(method.name)}")
    html = out.report_written(done.folder, finetune_report(done, command=out.command))
    out.run_finished(html, out.command)
    models = {method.name: str(done.model(method.name)) for method in done.methods}
    out.result({"run": str(done.folder), "report": html and str(html), "models": models, "results": done.to_json()})
    return EXIT_OK
