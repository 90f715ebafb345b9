"""``reasonry eval latent-tokens``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.errors import EXIT_OK
from reasonry.training.latent_tokens.evaluate.config import VERB, EvalConfig


def main(args: Sequence[str], out: Output) -> int:
    """Answer questions with codes and without: what is right, with how many tokens, and what the codes say."""
    cfg = flags.parse(EvalConfig, args, prog=f"reasonry {VERB}")
    for package in ("torch", "transformers"):
        optional.need(package, extra="hf", why="to run a model")
    if cfg.prompt:
        return _prompt(cfg, out)
    from reasonry.training.latent_tokens.evaluate.report import evaluation_report
    from reasonry.training.latent_tokens.evaluate.run import evaluate
    from reasonry.training.latent_tokens.evaluate.tables import methods_table, summary_lines

    done = evaluate(cfg, say=out.aside, open_run=out.run_opened)
    out.table(f"{done.facts.name}: {len(done.questions)} questions of {done.facts.questions}", *methods_table(done))
    for line in summary_lines(done):
        out.line(line)
    html = out.report_written(done.folder, evaluation_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), "results": done.to_json()})
    return EXIT_OK


def _prompt(cfg: EvalConfig, out: Output) -> int:
    from reasonry.training.latent_tokens.evaluate.prompt import answer_prompt
    from reasonry.training.latent_tokens.evaluate.tables import reply_lines

    prompted = answer_prompt(cfg, say=out.aside)
    for line in reply_lines(prompted):
        out.line(line)
    out.result(prompted.to_json())
    return EXIT_OK
